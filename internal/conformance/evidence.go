package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// evidence says how the connections of a proxied run reached the server.
type evidence struct {
	Sessions int      // logged in, over a connection that the proxy says is its own
	Others   int      // the proxy's too: cancel requests and refused logins
	Harness  int      // the harness' own superuser, on the Unix socket
	Strays   []string // anybody else

	Elsewhere []string // whoever came to the server where nobody is to be
}

var (
	received   = regexp.MustCompile(`^(\d+) LOG:  connection received: host=(\S+)(?: port=(\d+))?$`)
	authorized = regexp.MustCompile(`^(\d+) LOG:  connection authorized: user=(.*?)(?: database=| application_name=| SSL |$)`)
)

// arrival is one connection in the server's log.
type arrival struct{ host, port, user string }

// arrivals reads a server's log (log_connections, prefix "%p "), in which a
// line that continues another begins with a tab. A process number that comes
// again is a new connection.
func arrivals(log string) []arrival {
	var out []arrival
	at := map[string]int{}
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if m := received.FindStringSubmatch(line); m != nil {
			at[m[1]] = len(out)
			out = append(out, arrival{host: m[2], port: m[3]})
		}
		if m := authorized.FindStringSubmatch(line); m != nil {
			if i, ok := at[m[1]]; ok {
				out[i].user = m[2]
			}
		}
	}
	return out
}

// judge holds the server's log against the local ports of the proxy.
func judge(serverLog string, ports map[string]bool) evidence {
	var e evidence
	for _, a := range arrivals(serverLog) {
		switch {
		case a.host == "[local]" && a.user == dbserver.Superuser:
			e.Harness++
		case a.host != "127.0.0.1" || !ports[a.port]:
			e.Strays = append(e.Strays, fmt.Sprintf("user %q from %s port %s", a.user, a.host, a.port))
		case a.user == "":
			e.Others++
		default:
			e.Sessions++
		}
	}
	slices.Sort(e.Strays)
	return e
}

// backendPorts are the local ports of the proxy's connections to the server,
// from its log (format json, level debug).
func backendPorts(proxyLog string) map[string]bool {
	ports := map[string]bool{}
	for line := range strings.Lines(proxyLog) {
		var entry struct{ Msg, Local string }
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Msg != "side dialled" {
			continue
		}
		if i := strings.LastIndexByte(entry.Local, ':'); i >= 0 {
			ports[entry.Local[i+1:]] = true
		}
	}
	return ports
}
