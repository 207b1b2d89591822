package configs

import "math"

// checker finds the faults that no single key has: what contradicts, what is
// missing for something else, and what the files contain. It asks the report
// what the file contains, so that a value that could not be decoded is not
// reported as missing too.
type checker struct {
	*report
	world
}

func (k *checker) config(c *Config) {
	k.listeners(c)
	k.server("source", &c.Source)
	if c.Target != nil {
		k.server("target", c.Target)
	}
	k.users(c)
	k.admin(&c.Admin)
	k.limits(&c.Limits)
	k.mapping(c)
	if b := c.Mirror.Breaker.OpenFor; b[1] > 0 && b[0] > b[1] {
		k.add("mirror.breaker.open_for", "the first pause %v is longer than the longest %v", b[0], b[1])
	}
}

func (k *checker) listeners(c *Config) {
	names, addresses := seen{}, seen{}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		k.unique(names, l.Name, at("listeners", i, "name"))
		k.listen(addresses, l.Address, at("listeners", i, "address"))
		k.listenerTLS(&l.TLS, at("listeners", i, "tls"))
	}
	k.listen(addresses, c.Admin.Address, "admin.address")
}

// listen checks an address that the proxy listens on. Port 0 is any free port
// and collides with nothing.
func (k *checker) listen(taken seen, a Address, path string) {
	if a == "" {
		return
	}
	if a.Socket() {
		k.add(path, "the proxy listens on host:port only")
		return
	}
	if a.Port() != 0 {
		k.unique(taken, string(a), path)
	}
}

func (k *checker) server(path string, s *Server) {
	dialable := s.Address.Socket() || s.Address.Host() != "" && s.Address.Port() != 0
	if s.Address != "" && !dialable {
		k.add(path+".address", "expected a host and a port, or /socket/dir")
	}
	k.serverTLS(s, path+".tls")
}

func (k *checker) admin(a *Admin) {
	names := seen{}
	for i := range a.Tokens {
		k.unique(names, a.Tokens[i].Name, at("admin.tokens", i, "name"))
	}
	k.pair(a.TLS.Cert, a.TLS.Key, "admin.tls")
	if a.TLS.Cert == "" && a.Address != "" && !a.Address.Local() {
		k.add("admin.address", "%s is not on loopback, which needs admin.tls with cert and key", a.Address)
	}
}

func (k *checker) limits(l *Limits) {
	if l.LoginTotal > 0 && l.LoginPerAddress > l.LoginTotal {
		k.add("limits.login_per_address", "%d is more than limits.login_total, which is %d", l.LoginPerAddress, l.LoginTotal)
	}
	if l.Frame > maxFrame {
		k.add("limits.frame", "%v is more than 1GiB-1 (%d), the longest message of the protocol", l.Frame, int64(maxFrame))
	}
	if l.Frame > 0 && l.RetryKeep > l.Frame {
		k.add("limits.retry_keep", "%v is more than limits.frame, which is %v", l.RetryKeep, l.Frame)
	}
	if most := int64(l.Memory / ClientMemory); l.Memory > 0 && int64(l.Clients) > most {
		k.add("limits.memory", "%v is too little for %d clients of %v each: give at least %.0fMiB, or at most %d clients",
			l.Memory, l.Clients, ClientMemory, math.Ceil(float64(l.Clients)*float64(ClientMemory)/float64(mib)), most)
	}
}

// mapping checks what mirrored tables need. What it needs is a matter of this
// file; whether the tables exist is one of the databases.
func (k *checker) mapping(c *Config) {
	if c.Mapping() == nil {
		return
	}
	const path = "migration.tables"
	if !k.has("target") {
		k.add(path, "needs a target")
	}
	k.service(&c.Source, "source")
	if c.Target != nil {
		k.service(c.Target, "target")
	}
	if k.has("canary.writes") && c.Canary.Writes != "" {
		k.add("canary.writes", "is only for a migration without tables: remove it, or migration.tables")
	}
}

// service needs the proxy's own login at a side.
func (k *checker) service(s *Server, side string) {
	if s.Service.User == "" && !k.has(side+".service.user") {
		k.add(side+".service", "is needed by migration.tables: give the proxy's own login there, user and password")
	}
}

// seen are the values of a key that must differ between the items of a list,
// with the path where each stands first.
type seen map[string]string

func (k *checker) unique(s seen, value, path string) {
	if value == "" {
		if k.at[path].empty {
			k.add(path, "is empty")
		}
		return
	}
	if first, taken := s[value]; taken {
		k.add(path, "%s is taken by %s", quote(value), first)
		return
	}
	s[value] = path
}
