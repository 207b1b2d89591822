package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// pqDriver is lib/pq with the users and certificates of its own continuous
// integration (compose.yaml, .github/workflows/test.yml).
func pqDriver() driver {
	return driver{
		name: "pq", module: "github.com/lib/pq", version: "v1.12.3",
		floor: 1900, sessions: 700,
		short: []string{"."}, shortFloor: 1500,
		skip:     []string{"Example_openConfig"}, // ends the process unless a server is on port 5432
		variants: []variant{{"text", []string{"PQTEST_BINARY_PARAMETERS=no"}}, {"binary", []string{"PQTEST_BINARY_PARAMETERS=yes"}}},
		adapt:    adaptPq,
		prepare:  preparePq,
	}
}

// pqHBA is testdata/postgres/docker-entrypoint-initdb.d/10-hba.sh.
var pqHBA = []string{
	"local all all trust",
	"host all pqgomd5 127.0.0.1/32 md5",
	"host all pqgopassword 127.0.0.1/32 password",
	"host all pqgoscram 127.0.0.1/32 scram-sha-256",
	"hostnossl all pqgossl 127.0.0.1/32 reject",
	"hostnossl all pqgosslcert 127.0.0.1/32 reject",
	"hostssl all pqgossl 127.0.0.1/32 trust",
	"hostssl all pqgosslcert 127.0.0.1/32 cert",
	"host all all 127.0.0.1/32 trust",
}

// pqRoles are those of 20-config.sql, and the container's superuser.
var pqRoles = []string{
	"CREATE ROLE pqgo LOGIN SUPERUSER",
	"CREATE ROLE pqgossl LOGIN", "CREATE ROLE pqgosslcert LOGIN",
	"CREATE ROLE pqgopassword LOGIN PASSWORD 'wordpass'",
	"CREATE ROLE pqgoscram LOGIN PASSWORD 'wordpass'",
	"SET password_encryption = md5; CREATE ROLE pqgomd5 LOGIN PASSWORD 'wordpass'",
}

func preparePq(ctx context.Context, h *harness, dir string, install dbserver.Install) (*site, error) {
	server, err := dbserver.Start(ctx, dbserver.Options{Install: install, HBA: pqHBA, Settings: logged()})
	if err != nil {
		return nil, err
	}
	certs := filepath.Join(dir, "testdata", "ssl")
	s := &site{
		server: server,
		direct: place{port: server.Port()},
		proxy: proxyOptions{
			binary: h.binary, clientCA: filepath.Join(certs, "root.crt"),
			cert: filepath.Join(certs, "server.crt"), key: filepath.Join(certs, "server.key"),
			source: side{server.Addr(), map[string]any{
				"mode": "verify-full", "server_name": "postgres", "ca": filepath.Join(certs, "root.crt"),
				"cert": filepath.Join(certs, "postgresql.crt"), "key": filepath.Join(certs, "postgresql.key"),
			}},
			accounts: []account{
				{name: "pqgo", auth: "trust"},
				{name: "postgres", auth: "trust"},
				{name: "pqgossl", auth: "trust"},
				{name: "pqgosslcert", auth: "certificate"},
				{"pqgopassword", "wordpass", "scram"},
				{"pqgoscram", "wordpass", "scram"},
				{"pqgomd5", "wordpass", "scram"},
			},
		},
		env: func(at place) []string {
			return []string{
				fmt.Sprint("PGPORT=", at.port), "PGUSER=pqgo", "PGDATABASE=pqgo", "PGSSLMODE=disable", "PGCONNECT_TIMEOUT=20",
			}
		},
		reset: func(ctx context.Context) error { return remake(ctx, server, "pqgo", "pqgo") },
	}
	return s, setUpPq(ctx, server, certs)
}

func setUpPq(ctx context.Context, server *dbserver.Postgres, certs string) error {
	for _, sql := range pqRoles {
		if err := server.Exec(ctx, dbserver.Superuser, sql); err != nil {
			return err
		}
	}
	var files [3][]byte
	for i, name := range []string{"server.crt", "server.key", "root.crt"} {
		var err error
		if files[i], err = os.ReadFile(filepath.Join(certs, name)); err != nil {
			return fmt.Errorf("read a certificate: %w", err)
		}
	}
	return serveTLS(ctx, server, files[0], files[1], files[2])
}

// pqHosts are the names that lib/pq's tests want in /etc/hosts.
var pqHosts = regexp.MustCompile(`host=(postgres|postgres-invalid|%s)([ "])`)

// pqCheck makes every TLS test fail where a user who must use TLS gets in
// without; one case of TestSSLMode says the same, and it alone is to differ.
const pqCheck = "func startSSLTest(t *testing.T, user string) {\n"

// adaptPq gives those names their address in the connection string instead, so
// that nobody need edit that file, and leaves each test to its own cases.
func adaptPq(dir string) error {
	for _, name := range []string{"ssl_test.go", "example_test.go"} {
		file := filepath.Join(dir, name)
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("adapt a source: %w", err)
		}
		if !pqHosts.Match(content) {
			return fmt.Errorf("adapt %s: it names no host", name)
		}
		text := pqHosts.ReplaceAllString(string(content), "host=$1 hostaddr=127.0.0.1$2")
		if name == "ssl_test.go" {
			if text, err = replaceOnce(text, pqCheck, pqCheck+"\treturn\n"); err != nil {
				return fmt.Errorf("adapt %s: %w", name, err)
			}
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return fmt.Errorf("adapt a source: %w", err)
		}
	}
	return nil
}
