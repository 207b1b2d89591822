package dbserver

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Options choose how a server runs. The zero value is a server of the first
// installation that Find gives, in a fresh temporary directory, on a free port,
// that asks everybody for a SCRAM password.
type Options struct {
	Install  Install           // zero: the first of Find
	Settings map[string]string // server settings beside the defaults; port and addresses are not among them
	HBA      []string          // lines of pg_hba.conf in place of SCRAM for all; the superuser's own local line stays before them
	TLS      bool              // serve TLS with a fresh certificate authority (Postgres.CAFile)
	Durable  bool              // fsync=on: for what is about durability, at its price
	Dir      string            // an absent or empty directory, removed by Stop; "": a fresh one
	Port     int               // of 127.0.0.1; 0: any that is free
}

// defaultHBA asks all users for their password, on TCP with or without TLS, for
// replication, and on the Unix socket.
var defaultHBA = []string{
	"host all all 127.0.0.1/32 scram-sha-256",
	"host replication all 127.0.0.1/32 scram-sha-256",
	"local all all scram-sha-256",
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// reserved settings are given on the server's command line, which wins over any
// file: the promise of loopback only, and the port that Addr tells.
var reserved = []string{"port", "listen_addresses", "unix_socket_directories", "config_file", "hba_file", "data_directory"}

// validate reports the first setting that cannot be written.
func (o Options) validate() error {
	for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
		if !settingName.MatchString(name) {
			return fmt.Errorf("read setting %q: not a setting's name", name)
		}
		if slices.Contains(reserved, strings.ToLower(name)) {
			return fmt.Errorf("read setting %q: the server's own, not to be set here", name)
		}
	}
	return nil
}

// write stores the configuration of the server in h.
func (o Options) write(h home) error {
	if o.TLS {
		if err := writeCertificates(h); err != nil {
			return err
		}
	}
	if err := h.write(h.config(), o.config(h)); err != nil {
		return err
	}
	return h.writeHBA(o.hba())
}

// hba is who may connect.
func (o Options) hba() []string {
	if o.HBA == nil {
		return defaultHBA
	}
	return o.HBA
}

// writeHBA stores who may connect, after the superuser, who always may.
func (h home) writeHBA(lines []string) error {
	lines = append([]string{"local all " + Superuser + " scram-sha-256"}, lines...)
	return h.write(h.hba(), []byte(strings.Join(lines, "\n")+"\n"))
}

// config is the text of the configuration file: what initdb wrote, then the
// defaults that two-sided work needs, then o.Settings.
func (o Options) config(h home) []byte {
	settings := map[string]string{"wal_level": "logical", "max_prepared_transactions": "64"}
	if !o.Durable {
		settings["fsync"] = "off"
	}
	if o.TLS {
		settings["ssl"] = "on"
		settings["ssl_cert_file"] = filepath.Join(h.tls(), "server.pem")
		settings["ssl_key_file"] = filepath.Join(h.tls(), "server.key")
	}
	maps.Copy(settings, o.Settings)
	var text bytes.Buffer
	fmt.Fprintf(&text, "include %s\n", quoteSetting(filepath.Join(h.data(), "postgresql.conf")))
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = %s\n", name, quoteSetting(settings[name]))
	}
	return text.Bytes()
}

// quoteSetting writes a value as a string of postgresql.conf (manual, "Setting
// Parameters"), where a backslash begins an escape as in C.
func quoteSetting(value string) string {
	return "'" + strings.NewReplacer("'", "''", `\`, `\\`, "\n", `\n`).Replace(value) + "'"
}
