package admin

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestNoOtherSiteMakesABrowserAsk(t *testing.T) {
	h := open(t)
	abort := func(headers ...string) reply {
		return h.send(t, "POST", "/api/v1/abort", secrets[Operator], `{"reason": "a test"}`, headers...)
	}
	refused := [][]string{
		{"Sec-Fetch-Site: cross-site"},
		{"Sec-Fetch-Site: same-site"},
		{"Origin: https://evil.example"},
		{"Origin: null"},
		{"Origin: http://127.0.0.1:1"},
		{"Sec-Fetch-Site: cross-site", "Content-Type: text/plain"},
	}
	for _, headers := range refused {
		if got := abort(headers...); got.status != http.StatusForbidden || got.refusal(t).Why() != CrossSite {
			t.Errorf("%q: %d %s", headers, got.status, got.body)
		}
	}
	if n := h.count("abort"); n != 0 {
		t.Errorf("%d of them were carried out", n)
	}
	allowed := [][]string{nil, {"Sec-Fetch-Site: same-origin"}, {"Sec-Fetch-Site: none"}, {"Origin: " + h.base}}
	for _, headers := range allowed {
		if got := abort(headers...); got.status != http.StatusOK {
			t.Errorf("%q: %d %s", headers, got.status, got.body)
		}
	}
}

func TestAFormOfAnotherSiteIsNoJSON(t *testing.T) {
	h := open(t)
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonx"} {
		got := h.send(t, "POST", "/api/v1/abort", secrets[Operator], `{"reason": "a test"}`, "Content-Type: "+media)
		if got.status != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d", media, got.status)
		}
	}
	if n := h.count("abort"); n != 0 {
		t.Errorf("%d of them were carried out", n)
	}
}

func TestAnotherHostIsNotOurs(t *testing.T) {
	h := open(t)
	foreign := []string{"evil.example", "evil.example:7432", "127.0.0.1.evil.example", "localhost.evil.example", "192.0.2.1", "[2001:db8::1]:80", "0.0.0.0", "169.254.169.254"}
	for _, host := range foreign {
		for _, secret := range []string{"", secrets[Operator]} {
			got := h.send(t, "GET", "/api/v1/status", secret, "", "Host: "+host)
			if got.status != http.StatusMisdirectedRequest || got.refusal(t).Why() != ForeignHost {
				t.Errorf("Host %s: %d", host, got.status)
			}
		}
	}
	if n := h.count("status"); n != 0 {
		t.Errorf("%d of them were carried out", n)
	}
	for _, host := range []string{"localhost", "LOCALHOST:7432", "127.0.0.1", "127.9.9.9:1", "[::1]:7432", "[::1]"} {
		if got := h.send(t, "GET", "/api/v1/status", secrets[Viewer], "", "Host: "+host); got.status != http.StatusOK {
			t.Errorf("Host %s: %d", host, got.status)
		}
	}
}

func TestTheConfiguredHostAndTheNamesInTheCertificateAreOurs(t *testing.T) {
	leaf := &x509.Certificate{DNSNames: []string{"proxy.example", "*.proxies.example"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 7)}}
	config := &tls.Config{Certificates: []tls.Certificate{{Leaf: leaf}}}
	request := func(host string, arrived net.Addr) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		ctx := r.Context()
		if arrived != nil {
			ctx = contextWith(ctx, arrived)
		}
		return r.WithContext(ctx)
	}
	arrival := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 7432}
	tests := []struct {
		name, address, host string
		want                bool
	}{
		{"the host of admin.address", "db-proxy.internal:7432", "DB-proxy.internal:7432", true},
		{"a name in the certificate", ":7432", "proxy.example", true},
		{"one of its wild names", ":7432", "one.proxies.example:7432", true},
		{"an address in the certificate", ":7432", "192.0.2.7:7432", true},
		{"the address where it arrived", "0.0.0.0:7432", "192.0.2.9:7432", true},
		{"another address", "0.0.0.0:7432", "192.0.2.10:7432", false},
		{"another name", ":7432", "evil.example", false},
		{"no name", ":7432", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			hosts := hostsOf(Options{Address: test.address, TLS: config})
			if got := hosts.allow(request(test.host, arrival)); got != test.want {
				t.Errorf("%t, want %t", got, test.want)
			}
		})
	}
}
