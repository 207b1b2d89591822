package pgwire

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// A login whose messages are cut or changed anywhere on the way never succeeds
// at both ends, and never at the end that reads the changed message.
func TestScramToleratesNoChangeOnTheWay(t *testing.T) {
	verifier := scramTestVerifier(t, "pencil")
	login := func(tamper scramTamper) error {
		server := NewScramServer(ScramServerOptions{Verifier: &verifier, CertHash: scramCert})
		return scramLogin(NewScramClient(ScramClientOptions{
			Password: "pencil", Offered: server.Mechanisms(), OverTLS: true, CertHash: scramCert,
		}), server, tamper)
	}
	var sizes []int
	if err := login(func(_ int, m []byte) []byte { sizes = append(sizes, len(m)); return m }); err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(m []byte, at int) []byte{
		"cut":      func(m []byte, at int) []byte { return m[:at] },
		"low bit":  func(m []byte, at int) []byte { m[at] ^= 1; return m },
		"case bit": func(m []byte, at int) []byte { m[at] ^= 0x20; return m },
		"high bit": func(m []byte, at int) []byte { m[at] ^= 0x80; return m },
		"dropped":  func(m []byte, at int) []byte { return slices.Delete(m, at, at+1) },
		"doubled":  func(m []byte, at int) []byte { return slices.Insert(m, at, m[at]) },
	}
	for name, change := range changes {
		for step, size := range sizes {
			for at := range size {
				same := false
				err := login(func(i int, m []byte) []byte {
					if i != step {
						return m
					}
					changed := change(slices.Clone(m), at)
					same = slices.Equal(changed, m)
					return changed
				})
				if err == nil && !same {
					t.Errorf("message %d %s at byte %d: the login succeeded", step, name, at)
				}
			}
		}
	}
}

func TestScramDowngrade(t *testing.T) {
	plain := []string{scramPlain}
	both := []string{scramPlus, scramPlain}
	other := []byte("the hash of another certificate.")
	for _, c := range []struct {
		name       string
		serverHash []byte
		clientHash []byte
		tls        bool
		offered    []string // as it reaches the client
		tamper     scramTamper
		want       string // empty: a login
		channel    string // the c= attribute in clear
	}{
		{"without TLS the client says n", nil, nil, false, plain, nil, "", "n,,"},
		{"a hash without TLS does not count", nil, scramCert, false, plain, nil, "", "n,,"},
		{"over TLS both bind", scramCert, scramCert, true, both, nil, "", scramEndPoint + ",," + string(scramCert)},
		{"a server that cannot bind hears y", nil, scramCert, true, plain, nil, "", "y,,"},
		{"a certificate without a hash leaves n", scramCert, nil, true, both, nil, "", "n,,"},
		{
			"an offer cut short on the way is noticed", scramCert, scramCert, true, plain, nil,
			"server first: SCRAM: the client supports channel binding and was told that we do not", "y,,",
		},
		{
			"an offer cut short and y made n is noticed", scramCert, scramCert, true, plain,
			func(step int, m []byte) []byte {
				if step == 0 {
					return append([]byte("n"), m[1:]...)
				}
				return m
			},
			"server final: SCRAM: channel binding check failed", "y,,",
		},
		{
			"another certificate in between is noticed", scramCert, other, true, both, nil,
			"server final: SCRAM: channel binding check failed", scramEndPoint + ",," + string(other),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			verifier := scramTestVerifier(t, "pencil")
			server := NewScramServer(ScramServerOptions{Verifier: &verifier, CertHash: c.serverHash})
			client := NewScramClient(ScramClientOptions{
				Password: "pencil", Offered: c.offered, OverTLS: c.tls, CertHash: c.clientHash,
			})
			got := ""
			if err := scramLogin(client, server, c.tamper); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if channel, _ := scramBase64(client.channel); string(channel) != c.channel {
				t.Errorf("the client said %q, want %q", channel, c.channel)
			}
		})
	}
}

// A call succeeds only if it and all before it came in order, whatever calls
// of up to four come and though each brings the message that it should.
func TestScramWrongOrder(t *testing.T) {
	var sent [4][]byte
	client, server := scramFixedPair(t)
	if err := scramLogin(client, server, func(step int, m []byte) []byte { sent[step] = m; return m }); err != nil {
		t.Fatal(err)
	}
	for code := range 3 * 3 * 3 * 3 {
		client, server := scramFixedPair(t)
		ofClient := []func() error{
			func() error { _, _, err := client.First(); return err },
			func() error { _, err := client.Final(sent[1]); return err },
			func() error { return client.Verify(sent[3]) },
		}
		ofServer := []func() error{
			func() error { _, err := server.First(scramPlain, sent[0]); return err },
			func() error { _, err := server.Final(sent[2]); return err },
		}
		scramCheckOrder(t, ofClient, []int{code / 27, code / 9 % 3, code / 3 % 3, code % 3})
		scramCheckOrder(t, ofServer, []int{code / 27 % 2, code / 9 % 3 % 2, code / 3 % 3 % 2, code % 3 % 2})
	}
}

func scramCheckOrder(t *testing.T, calls []func() error, order []int) {
	t.Helper()
	right := true
	for i, call := range order {
		right = right && call == i
		if err := calls[call](); (err == nil) != right {
			t.Errorf("order %v, call %d of %d functions: got %v", order, i, len(calls), err)
		}
	}
}

// scramFixedPair always says the same.
func scramFixedPair(t *testing.T) (*ScramClient, *ScramServer) {
	verifier := scramTestVerifier(t, "pencil")
	server := NewScramServer(ScramServerOptions{Verifier: &verifier})
	server.nonce = "server"
	client := NewScramClient(ScramClientOptions{Password: "pencil", Offered: server.Mechanisms()})
	client.nonce, client.bare = "abc", "n=,r=abc"
	return client, server
}

// What is allocated follows from the bytes that came, at most 4 KiB.
func TestScramAllocatesLittleForHostileMessages(t *testing.T) {
	messages := []string{
		"n,,n=,r=" + strings.Repeat("a", scramLongest-8),
		"n,,n=,r=a" + strings.Repeat(",x=", (scramLongest-9)/3),
		"r=abcdef,s=" + strings.Repeat("A", scramLongest-16) + ",i=1",
		"r=abcdef,s=AAAA,i=2147483647",
		strings.Repeat("n", 1<<20),
	}
	for i, message := range messages {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			least := ^uint64(0)
			for range 5 {
				client, server := scramFixedPair(t)
				_, _, _ = client.First()
				input := []byte(message)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, _ = server.First(scramPlain, input)
				_, _ = client.Final(input)
				runtime.ReadMemStats(&after)
				least = min(least, after.TotalAlloc-before.TotalAlloc)
			}
			if most := uint64(8 * scramMaxMessage); least > most {
				t.Errorf("%d bytes allocated, want at most %d", least, most)
			}
		})
	}
}
