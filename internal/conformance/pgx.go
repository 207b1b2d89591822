package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// pgxSecret is the password of pgx's users (testsetup/postgresql_setup.sql).
const pgxSecret = "secret"

// pgxDriver is pgx with the users, authentication methods and certificates of
// its own continuous integration (.github/workflows/ci.yml).
func pgxDriver() driver {
	return driver{
		name: "pgx", module: "github.com/jackc/pgx/v5", version: "v5.12.0",
		floor: 2600, sessions: 800,
		short: []string{".", "./pgconn", "./pgtype"}, shortFloor: 1950,
		variants: []variant{{}},
		prepare:  preparePgx,
	}
}

// pgxHBA is testsetup/pg_hba.conf. The proxy comes over TLS, so that the same
// lines are for it: a client's certificate it cannot pass on, it has its own.
var pgxHBA = []string{
	"local all all scram-sha-256",
	"host all pgx_md5 127.0.0.1/32 md5",
	"host all pgx_scram 127.0.0.1/32 scram-sha-256",
	"host all pgx_pw 127.0.0.1/32 password",
	"hostssl all pgx_ssl 127.0.0.1/32 scram-sha-256",
	"hostssl all pgx_sslcert 127.0.0.1/32 cert",
}

// pgxRoles are those of testsetup/postgresql_setup.sql.
var pgxRoles = []string{
	"CREATE USER pgx_ssl SUPERUSER PASSWORD 'secret'",
	"CREATE USER pgx_sslcert SUPERUSER PASSWORD 'secret'",
	"SET password_encryption = md5; CREATE USER pgx_md5 SUPERUSER PASSWORD 'secret'",
	"CREATE USER pgx_pw SUPERUSER PASSWORD 'secret'",
	"CREATE USER pgx_scram SUPERUSER PASSWORD 'secret'",
	`CREATE USER " tricky, ' } "" \ test user " SUPERUSER PASSWORD 'secret'`,
}

func preparePgx(ctx context.Context, h *harness, dir string, install dbserver.Install) (*site, error) {
	certs := filepath.Join(dir, "testsetup", "certs")
	if err := unpackCerts(certs); err != nil {
		return nil, err
	}
	mine, err := os.MkdirTemp(h.dir, "authority-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for certificates: %w", err)
	}
	own, err := newAuthority(mine)
	if err != nil {
		return nil, err
	}
	cert, key, err := own.issue("pgx_sslcert")
	if err != nil {
		return nil, err
	}
	server, err := dbserver.Start(ctx, dbserver.Options{Install: install, HBA: pgxHBA, Settings: logged()})
	if err != nil {
		return nil, err
	}
	s := &site{
		server: server,
		direct: place{port: server.Port(), ca: filepath.Join(certs, "ca.pem")},
		proxy: proxyOptions{
			binary: h.binary, clientCA: filepath.Join(certs, "ca.pem"),
			source: side{server.Addr(), map[string]any{"mode": "verify-full", "ca": filepath.Join(certs, "ca.pem"), "cert": cert, "key": key}},
			accounts: []account{
				{"pgx_md5", pgxSecret, "scram"},
				{"pgx_scram", pgxSecret, "scram"},
				{"pgx_pw", pgxSecret, "scram"},
				{"pgx_ssl", pgxSecret, "scram"},
				{name: "pgx_sslcert", auth: "certificate"},
			},
		},
		env: func(at place) []string { return pgxEnv(at, certs) },
		reset: func(ctx context.Context) error {
			return remake(ctx, server, "pgx_test", "pgx_md5",
				"CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE DOMAIN uint64 AS numeric(20,0)")
		},
	}
	return s, setUpPgx(ctx, server, certs, own.file())
}

// setUpPgx makes the roles and has the server present pgx's certificate. It
// accepts the certificates that pgx and the harness have signed.
func setUpPgx(ctx context.Context, server *dbserver.Postgres, certs, ownCA string) error {
	for _, sql := range pgxRoles {
		if err := server.Exec(ctx, dbserver.Superuser, sql); err != nil {
			return err
		}
	}
	var files [4][]byte
	for i, name := range []string{
		filepath.Join(certs, "localhost.crt"), filepath.Join(certs, "localhost.key"), filepath.Join(certs, "ca.pem"), ownCA,
	} {
		var err error
		if files[i], err = os.ReadFile(name); err != nil {
			return fmt.Errorf("read a certificate: %w", err)
		}
	}
	return serveTLS(ctx, server, files[0], files[1], append(append(files[2], '\n'), files[3]...))
}

// unpackCerts decodes the certificates that pgx ships.
func unpackCerts(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.b64"))
	if err != nil {
		return fmt.Errorf("find pgx's certificates: %w", err)
	}
	if len(names) == 0 {
		return errors.New("find pgx's certificates: there are none")
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read a certificate: %w", err)
		}
		content, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			return fmt.Errorf("decode %s: %w", filepath.Base(name), err)
		}
		if err := os.WriteFile(strings.TrimSuffix(name, ".b64"), content, 0o600); err != nil {
			return fmt.Errorf("write a certificate: %w", err)
		}
	}
	return nil
}

// pgxEnv is the environment of pgx's tests. The Unix socket is left out: the
// proxy listens on TCP only.
func pgxEnv(at place, certs string) []string {
	tcp := func(host, user string, more ...string) string {
		pairs := []string{"host", host, "port", fmt.Sprint(at.port), "user", user, "password", pgxSecret, "dbname", "pgx_test"}
		return keyword(append(pairs, more...)...)
	}
	return []string{
		"PGX_TEST_DATABASE=" + tcp("127.0.0.1", "pgx_md5"),
		"PGX_TEST_TCP_CONN_STRING=" + tcp("127.0.0.1", "pgx_md5"),
		"PGX_TEST_MD5_PASSWORD_CONN_STRING=" + tcp("127.0.0.1", "pgx_md5"),
		"PGX_TEST_PLAIN_PASSWORD_CONN_STRING=" + tcp("127.0.0.1", "pgx_pw"),
		"PGX_TEST_SCRAM_PASSWORD_CONN_STRING=" + tcp("127.0.0.1", "pgx_scram", "channel_binding", "disable"),
		"PGX_TEST_SCRAM_PLUS_CONN_STRING=" + tcp("localhost", "pgx_ssl", "sslmode", "verify-full", "sslrootcert", at.ca, "channel_binding", "require"),
		"PGX_TEST_TLS_CONN_STRING=" + tcp("localhost", "pgx_ssl", "sslmode", "verify-full", "sslrootcert", at.ca, "channel_binding", "disable"),
		"PGX_TEST_TLS_CLIENT_CONN_STRING=" + keyword("host", "localhost", "port", fmt.Sprint(at.port), "user", "pgx_sslcert", "dbname", "pgx_test",
			"sslmode", "verify-full", "sslrootcert", at.ca,
			"sslcert", filepath.Join(certs, "pgx_sslcert.crt"), "sslkey", filepath.Join(certs, "pgx_sslcert.key")),
		"PGX_SSL_PASSWORD=certpw",
	}
}
