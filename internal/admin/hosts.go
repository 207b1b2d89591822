package admin

import (
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hosts are the names that a request may ask for. A page of another site can
// have its own name resolve to our address (DNS rebinding); it cannot have the
// browser send another name than that.
type hosts struct {
	configured string            // of admin.address; empty: every interface
	leaf       *x509.Certificate // its names are ours; nil: no tls
}

func hostsOf(opt Options) hosts {
	host, _, err := net.SplitHostPort(opt.Address)
	if err != nil {
		host = opt.Address
	}
	h := hosts{configured: strings.ToLower(host)}
	if opt.TLS != nil && len(opt.TLS.Certificates) > 0 {
		h.leaf = opt.TLS.Certificates[0].Leaf
	}
	return h
}

// allow: a loopback name, the configured host, a name in our certificate, or
// the very address on which the request arrived.
func (h hosts) allow(r *http.Request) bool {
	host := strings.ToLower(hostOnly(r.Host))
	if host == "" {
		return false
	}
	if host == "localhost" || host == h.configured || h.leaf != nil && h.leaf.VerifyHostname(host) == nil {
		return true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	return addr.Unmap().IsLoopback() || addr.Unmap() == arrival(r)
}

func hostOnly(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
}

// arrival is our own end of the connection.
func arrival(r *http.Request) netip.Addr {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap().WithZone("")
}
