package configs

import (
	"fmt"
	"os"
	"reflect"
)

// Load reads a configuration file, at most 1 MiB long, with the environment and
// the files of this process. The error is Faults, or says why the file could
// not be read.
func Load(path string) (*Config, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, os.LookupEnv)
}

// Parse decodes a configuration that was read from file, whose name stands in
// faults and whose directory is where relative paths start. It resolves env:
// with the given function, and reads the secrets and certificates that the
// configuration names. The error is Faults with everything that is wrong.
func Parse(file string, data []byte, env func(string) (string, bool)) (*Config, error) {
	return parse(file, data, world{env: env, read: readFile})
}

func parse(file string, data []byte, w world) (*Config, error) {
	root, fault := parseTree(data)
	if fault == nil && root == nil {
		fault = &Fault{Line: 1, Column: 1, Message: "the file is empty; the smallest useful one has listeners, source and users"}
	}
	if fault != nil {
		fault.File = file
		return nil, Faults{*fault}
	}
	d := &decoder{report: newReport(file), world: w}
	c := &Config{}
	d.value(root, reflect.ValueOf(c).Elem(), field{}, "")
	c.derive(d.report)
	(&checker{report: d.report, world: w}).config(c)
	if err := d.result(); err != nil {
		return nil, err
	}
	c.places = d.places
	return c, nil
}

// derive fills the defaults that depend on other keys.
func (c *Config) derive(r *report) {
	for i := range c.Listeners {
		c.Listeners[i].derive(r.has(at("listeners", i, "tls.mode")))
	}
	c.Source.derive(r.has("source.tls.mode"))
	if c.Target != nil {
		c.Target.derive(r.has("target.tls.mode"))
	}
	for i := range c.Users {
		u := &c.Users[i]
		u.Source.derive(u)
		u.Target.derive(u)
	}
}

func (l *Listener) derive(modeGiven bool) {
	if l.Name == "" {
		l.Name = string(l.Address)
	}
	if modeGiven {
		return
	}
	l.TLS.Mode = ListenerTLSDisable
	if l.TLS.Cert != "" {
		l.TLS.Mode = ListenerTLSPrefer
	}
}

func (s *Server) derive(modeGiven bool) {
	if modeGiven {
		return
	}
	s.TLS.Mode = ServerTLSVerifyFull
	if s.Address.Local() {
		s.TLS.Mode = ServerTLSDisable
	}
}

func (l *Login) derive(u *User) {
	if l.User == "" {
		l.User = u.Name
	}
	if l.Password.IsZero() {
		l.Password = u.Password
	}
}

// at is the path of a key in an item of a list: at("users", 0, "auth").
func at(list string, index int, key string) string {
	return fmt.Sprintf("%s[%d].%s", list, index, key)
}
