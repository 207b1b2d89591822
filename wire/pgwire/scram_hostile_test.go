package pgwire

import (
	"errors"
	"strings"
	"testing"
)

const scramLongest = scramMaxMessage

func TestScramServerRefusesClientFirst(t *testing.T) {
	for _, c := range []struct {
		name, mechanism, message string
		tls                      bool
		want                     string
	}{
		{"empty message", scramPlain, "", false, "empty message"},
		{"message too long", scramPlain, "n,,n=,r=" + strings.Repeat("a", scramLongest), false, "message too long"},
		{"nonce too long", scramPlain, "n,,n=,r=" + strings.Repeat("a", scramMaxNonce+1), false, "nonce is empty or too long"},
		{"NUL", scramPlain, "n,,n=,r=abc\x00", false, "NUL in message"},
		{"no mechanism", "", "n,,n=,r=abc", false, "mechanism is not among the offered"},
		{"unknown mechanism", "SCRAM-SHA-1", "n,,n=,r=abc", false, "mechanism is not among the offered"},
		{"mechanism in lower case", "scram-sha-256", "n,,n=,r=abc", false, "mechanism is not among the offered"},
		{"PLUS that was not offered", scramPlus, scramEndPoint + ",,n=,r=abc", false, "mechanism is not among the offered"},
		{"header only", scramPlain, "n,,", false, "malformed attribute"},
		{"half a header", scramPlain, "n,", false, "incomplete header"},
		{"no header", scramPlain, "n=,r=abc", false, "incomplete header"},
		{"unknown flag", scramPlain, "x,,n=,r=abc", false, "unsupported channel binding"},
		{"flag in upper case", scramPlain, "N,,n=,r=abc", false, "unsupported channel binding"},
		{"empty flag", scramPlain, ",,n=,r=abc", false, "unsupported channel binding"},
		{"another binding", scramPlus, "p=tls-unique,,n=,r=abc", true, "unsupported channel binding"},
		{"empty binding", scramPlus, "p=,,n=,r=abc", true, "unsupported channel binding"},
		{"authorization identity", scramPlain, "n,a=postgres,n=,r=abc", false, "authorization identity is not supported"},
		{"junk for an authorization identity", scramPlain, "n,b,n=,r=abc", false, "authorization identity is not supported"},
		{"binding without PLUS", scramPlain, scramEndPoint + ",,n=,r=abc", true, "channel binding data without SCRAM-SHA-256-PLUS"},
		{"n with PLUS", scramPlus, "n,,n=,r=abc", true, "SCRAM-SHA-256-PLUS without channel binding data"},
		{"y with PLUS", scramPlus, "y,,n=,r=abc", true, "SCRAM-SHA-256-PLUS without channel binding data"},
		{"y while PLUS was offered", scramPlain, "y,,n=,r=abc", true, "the client supports channel binding and was told that we do not"},
		{"mandatory extension first", scramPlain, "n,,m=x,n=,r=abc", false, "mandatory extension is not supported"},
		{"mandatory extension last", scramPlain, "n,,n=,r=abc,m=x", false, "mandatory extension is not supported"},
		{"nonce before user", scramPlain, "n,,r=abc,n=", false, "attribute n= expected"},
		{"no user", scramPlain, "n,,r=abc", false, "attribute n= expected"},
		{"no nonce", scramPlain, "n,,n=user", false, "attribute missing"},
		{"user twice", scramPlain, "n,,n=a,n=b,r=abc", false, "attribute r= expected"},
		{"empty nonce", scramPlain, "n,,n=,r=", false, "nonce is empty or too long"},
		{"space in the nonce", scramPlain, "n,,n=,r=a b", false, "nonce is not printable"},
		{"umlaut in the nonce", scramPlain, "n,,n=,r=ä", false, "nonce is not printable"},
		{"DEL in the nonce", scramPlain, "n,,n=,r=a\x7f", false, "nonce is not printable"},
		{"attribute without value", scramPlain, "n,,n=,r=abc,x", false, "malformed attribute"},
		{"attribute of two letters", scramPlain, "n,,n=,r=abc,xy=1", false, "malformed attribute"},
		{"attribute that is no letter", scramPlain, "n,,n=,r=abc,1=1", false, "malformed attribute"},
		{"attribute beside the letters", scramPlain, "n,,n=,r=abc,[=1", false, "malformed attribute"},
		{"comma at the end", scramPlain, "n,,n=,r=abc,", false, "malformed attribute"},
	} {
		t.Run(c.name, func(t *testing.T) {
			verifier := scramTestVerifier(t, "pencil")
			opts := ScramServerOptions{Verifier: &verifier}
			if c.tls {
				opts.CertHash = scramCert
			}
			reply, err := NewScramServer(opts).First(c.mechanism, []byte(c.message))
			scramWantViolation(t, reply, err, c.want)
		})
	}
}

func scramWantViolation(t *testing.T, reply []byte, err error, want string) {
	t.Helper()
	var violation *ScramProtocolError
	if !errors.As(err, &violation) || violation.Reason != want || err.Error() != "SCRAM: "+want {
		t.Errorf("got %v, want protocol error %q", err, want)
	}
	if reply != nil {
		t.Errorf("an error came with an answer: %q", reply)
	}
}

func TestScramServerAcceptsClientFirst(t *testing.T) {
	for name, message := range map[string]string{
		"user name, which is ignored":       "n,,n=postgres,r=abc",
		"y where nothing was offered":       "y,,n=,r=abc",
		"optional extensions":               "n,,n=,r=abc,x=1,Y=",
		"the longest nonce":                 "n,,n=,r=" + strings.Repeat("~", scramMaxNonce),
		"every printable byte in the nonce": "n,,n=,r=!+-~=",
	} {
		t.Run(name, func(t *testing.T) {
			server := NewScramServer(ScramServerOptions{})
			if _, err := server.First(scramPlain, []byte(message)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestScramServerRefusesClientFinal(t *testing.T) {
	const nonce = "abcserver"
	proof := ",p=" + strings.Repeat("A", 43) + "="
	for _, c := range []struct{ name, message, want string }{
		{"empty message", "", "empty message"},
		{"message too long", strings.Repeat("c", scramLongest+1), "message too long"},
		{"NUL", "c=biws,r=" + nonce + proof + "\x00", "NUL in message"},
		{"the first message again", "n,,n=,r=abc", "malformed attribute"},
		{"another channel", "c=eSws,r=" + nonce + proof, "channel binding check failed"},
		{"empty channel", "c=,r=" + nonce + proof, "channel binding check failed"},
		{"no channel", "r=" + nonce + proof, "attribute c= expected"},
		{"client's nonce only", "c=biws,r=abc" + proof, "nonce mismatch"},
		{"server's nonce only", "c=biws,r=server" + proof, "nonce mismatch"},
		{"longer nonce", "c=biws,r=" + nonce + "x" + proof, "nonce mismatch"},
		{"empty nonce", "c=biws,r=" + proof, "nonce mismatch"},
		{"no nonce", "c=biws" + proof, "attribute r= expected"},
		{"no proof", "c=biws,r=" + nonce, "attribute missing"},
		{"extension but no proof", "c=biws,r=" + nonce + ",x=1", "attribute missing"},
		{"mandatory extension", "c=biws,r=" + nonce + ",m=1" + proof, "mandatory extension is not supported"},
		{"empty proof", "c=biws,r=" + nonce + ",p=", "malformed proof"},
		{"short proof", "c=biws,r=" + nonce + ",p=AAAA", "malformed proof"},
		{"long proof", "c=biws,r=" + nonce + ",p=" + strings.Repeat("A", 2000), "malformed proof"},
		{"proof without padding", "c=biws,r=" + nonce + ",p=" + strings.Repeat("A", 43), "malformed proof"},
		{"proof with a line break", "c=biws,r=" + nonce + ",p=" + strings.Repeat("A", 43) + "\n=", "malformed proof"},
		{"proof with bits to spare", "c=biws,r=" + nonce + ",p=" + strings.Repeat("A", 42) + "B=", "malformed proof"},
		{"proof that is not base64", "c=biws,r=" + nonce + ",p=" + strings.Repeat("*", 44), "malformed proof"},
		{"data after the proof", "c=biws,r=" + nonce + proof + ",x=1", "data after the last attribute"},
		{"proof twice", "c=biws,r=" + nonce + proof + proof, "data after the last attribute"},
		{"comma at the end", "c=biws,r=" + nonce + proof + ",", "data after the last attribute"},
	} {
		t.Run(c.name, func(t *testing.T) {
			verifier := scramTestVerifier(t, "pencil")
			server := NewScramServer(ScramServerOptions{Verifier: &verifier})
			server.nonce = "server"
			if _, err := server.First(scramPlain, []byte("n,,n=,r=abc")); err != nil {
				t.Fatal(err)
			}
			reply, err := server.Final([]byte(c.message))
			scramWantViolation(t, reply, err, c.want)
		})
	}
}

func TestScramClientRefusesServerFirst(t *testing.T) {
	for _, c := range []struct{ name, message, want string }{
		{"empty message", "", "empty message"},
		{"message too long", "r=abcdef,s=AAAA,i=" + strings.Repeat("1", scramLongest), "message too long"},
		{"NUL", "r=abcdef,s=AAAA,i=1\x00", "NUL in message"},
		{"nonce not ours", "r=xyzabc,s=AAAA,i=4096", "nonce does not extend ours"},
		{"nonce without the server's half", "r=abc,s=AAAA,i=4096", "nonce does not extend ours"},
		{"nonce shorter than ours", "r=ab,s=AAAA,i=4096", "nonce does not extend ours"},
		{"empty nonce", "r=,s=AAAA,i=4096", "nonce is empty or too long"},
		{"nonce too long", "r=abc" + strings.Repeat("x", scramMaxNonce) + ",s=AAAA,i=4096", "nonce is empty or too long"},
		{"nonce with an escape", "r=abc\x1b[2J,s=AAAA,i=4096", "nonce is not printable"},
		{"empty salt", "r=abcdef,s=,i=4096", "malformed, empty or too long salt"},
		{"salt too long", "r=abcdef,s=" + strings.Repeat("AAAA", scramMaxSalt/3+1) + ",i=4096", "malformed, empty or too long salt"},
		{"salt that is not base64", "r=abcdef,s=????,i=4096", "malformed, empty or too long salt"},
		{"salt with a line break", "r=abcdef,s=AA\nAA,i=4096", "malformed, empty or too long salt"},
		{"salt of half a quantum", "r=abcdef,s=AA,i=4096", "malformed, empty or too long salt"},
		{"no iterations", "r=abcdef,s=AAAA", "attribute missing"},
		{"empty iterations", "r=abcdef,s=AAAA,i=", "malformed iteration count"},
		{"zero iterations", "r=abcdef,s=AAAA,i=0", "malformed iteration count"},
		{"negative iterations", "r=abcdef,s=AAAA,i=-1", "malformed iteration count"},
		{"signed iterations", "r=abcdef,s=AAAA,i=+4096", "malformed iteration count"},
		{"leading zero", "r=abcdef,s=AAAA,i=04096", "malformed iteration count"},
		{"hexadecimal", "r=abcdef,s=AAAA,i=0x10", "malformed iteration count"},
		{"iterations with a space", "r=abcdef,s=AAAA,i= 16", "malformed iteration count"},
		{"one iteration too many", "r=abcdef,s=AAAA,i=100001", "iteration count too high"},
		{"iterations for a day", "r=abcdef,s=AAAA,i=2147483647", "iteration count too high"},
		{"iterations beyond int", "r=abcdef,s=AAAA,i=2147483648", "malformed iteration count"},
		{"iterations beyond everything", "r=abcdef,s=AAAA,i=" + strings.Repeat("9", 400), "malformed iteration count"},
		{"salt before nonce", "s=AAAA,r=abcdef,i=4096", "attribute r= expected"},
		{"iterations before salt", "r=abcdef,i=4096,s=AAAA", "attribute s= expected"},
		{"mandatory extension", "m=x,r=abcdef,s=AAAA,i=4096", "mandatory extension is not supported"},
		{"data after the iterations", "r=abcdef,s=AAAA,i=4096,x=1", "data after the last attribute"},
		{"comma at the end", "r=abcdef,s=AAAA,i=4096,", "data after the last attribute"},
		{"error instead", "e=other-error", "attribute r= expected"},
		{"the last message first", "v=" + strings.Repeat("A", 43) + "=", "attribute r= expected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := NewScramClient(ScramClientOptions{Password: "pencil", Offered: []string{scramPlain}})
			client.nonce = "abc"
			if _, _, err := client.First(); err != nil {
				t.Fatal(err)
			}
			reply, err := client.Final([]byte(c.message))
			scramWantViolation(t, reply, err, c.want)
		})
	}
}

func TestScramClientRefusesServerFinal(t *testing.T) {
	zero := "v=" + strings.Repeat("A", 43) + "="
	proof := "authentication failed"
	for _, c := range []struct{ name, message, want string }{
		{"empty message", "", "SCRAM: empty message"},
		{"wrong signature", zero, "check server signature: " + proof},
		{"empty signature", "v=", "SCRAM: malformed server signature"},
		{"short signature", "v=AAAA", "SCRAM: malformed server signature"},
		{"data after the signature", zero + ",x=1", "SCRAM: data after the last attribute"},
		{"no signature", "x=1", "SCRAM: attribute v= expected"},
		{"mandatory extension", "m=1," + zero, "SCRAM: mandatory extension is not supported"},
		{"wrong password", "e=invalid-proof", "server says invalid-proof: " + proof},
		{"unknown user", "e=unknown-user,x=1", "server says unknown-user: " + proof},
		{"binding refused", "e=channel-bindings-dont-match", "SCRAM: server says channel-bindings-dont-match"},
		{"words of its own", "e=\x1b[2Jpwned", "SCRAM: server says other-error"},
		{"error and signature", "e=," + zero, "SCRAM: server says other-error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := NewScramClient(ScramClientOptions{Password: "pencil", Offered: []string{scramPlain}})
			client.nonce = "abc"
			_, _, _ = client.First()
			if _, err := client.Final([]byte("r=abcdef,s=AAAA,i=1")); err != nil {
				t.Fatal(err)
			}
			err := client.Verify([]byte(c.message))
			if err == nil || err.Error() != c.want || client.Verified() {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if errors.Is(err, ErrProof) != strings.HasSuffix(c.want, proof) {
				t.Errorf("errors.Is(%v, ErrProof) is wrong", err)
			}
		})
	}
}

func TestScramClientRefusesTheOffer(t *testing.T) {
	for _, c := range []struct {
		name    string
		opts    ScramClientOptions
		want    string
		offered []string
	}{
		{"nothing", ScramClientOptions{Password: "x"}, "SCRAM: the server offers no mechanism that we can use", nil},
		{"what we do not know", ScramClientOptions{Password: "x"}, "SCRAM: the server offers no mechanism that we can use", []string{"SCRAM-SHA-1", "OAUTHBEARER"}},
		{"PLUS without TLS", ScramClientOptions{Password: "x", CertHash: scramCert}, "SCRAM: the server offers channel binding without TLS", []string{scramPlus, scramPlain}},
		{"PLUS alone and a certificate without a hash", ScramClientOptions{Password: "x", OverTLS: true}, "SCRAM: the server offers no mechanism that we can use", []string{scramPlus}},
		{"no secret to answer with", ScramClientOptions{}, "begin SCRAM: neither keys nor password", []string{scramPlain}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opts.Offered = c.offered
			_, message, err := NewScramClient(c.opts).First()
			if err == nil || err.Error() != c.want || message != nil {
				t.Errorf("got %q, %v, want %s", message, err, c.want)
			}
		})
	}
}
