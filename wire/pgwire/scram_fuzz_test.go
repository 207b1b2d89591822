package pgwire

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"
)

// What a client may send: no crash, a bounded answer, errors of two kinds only,
// and a success only for whoever has the client key.
func FuzzScramServer(f *testing.F) {
	f.Add(scramPlain, []byte("n,,n=,r=abc"), []byte("c=biws,r=abcserver,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
	f.Add(scramPlus, []byte("p=tls-server-end-point,,n=,r=abc"), []byte("c=cD0=,r=abcserver,x=1,p=AAAA"))
	f.Add(scramPlain, []byte("y,a=b,m=x,n=,r=abc"), []byte("c=eSws"))
	verifier, err := NewVerifier("pencil", scramSalt, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, mechanism string, first, final []byte) {
		server := NewScramServer(ScramServerOptions{Verifier: &verifier, CertHash: scramCert})
		server.nonce = "server"
		challenge, err := server.First(mechanism, first)
		if err != nil {
			scramWantTyped(t, err)
			return
		}
		if len(challenge) > 2*scramMaxMessage || bytes.ContainsAny(challenge, "\x00\n") {
			t.Fatalf("challenge %q", challenge)
		}
		_, err = server.Final(final)
		if key := server.ClientKey(); (err == nil) != (sha256.Sum256(key[:]) == verifier.StoredKey) {
			t.Fatalf("a success without the client key, or a failure with it: %v", err)
		}
		if err != nil {
			scramWantTyped(t, err)
		}
	})
}

func scramWantTyped(t *testing.T, err error) {
	t.Helper()
	var violation *ScramProtocolError
	if !errors.As(err, &violation) && !errors.Is(err, ErrProof) {
		t.Fatalf("an error of another kind: %v", err)
	}
}

// What a server may send: no crash, no long computation, and no success, since
// nobody without the verifier can sign.
func FuzzScramClient(f *testing.F) {
	f.Add([]byte("r=abcdef,s=AAAA,i=4096"), []byte("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
	f.Add([]byte("r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1"), []byte("e=invalid-proof"))
	f.Add([]byte("m=x,r=abc,s=,i=2147483648"), []byte("e=x,v="))
	f.Fuzz(func(t *testing.T, first, final []byte) {
		if challenge, err := readServerFirst(string(first), "abc"); err == nil &&
			challenge.iterations > 64 && challenge.iterations <= scramMaxIterations {
			t.Skip("allowed, and slow")
		}
		client := NewScramClient(ScramClientOptions{Password: "pencil", Offered: []string{scramPlain}})
		client.nonce = "abc"
		if _, _, err := client.First(); err != nil {
			t.Fatal(err)
		}
		reply, err := client.Final(first)
		if err != nil {
			scramWantTyped(t, err)
			return
		}
		if len(reply) > scramMaxMessage {
			t.Fatalf("answer of %d bytes", len(reply))
		}
		if err = client.Verify(final); err == nil || client.Verified() {
			t.Fatal("verified a server that knows nothing")
		}
		scramWantTyped(t, err)
	})
}

// Whatever is read is written back the same.
func FuzzParseVerifier(f *testing.F) {
	f.Add("SCRAM-SHA-256$4096:PvVNzCpdP1+OejUe6upJ+Q==$Vi7bwnTXICXwNwXmINjwaYue47AtgqtplfKjMlaU5Pk=:yA/Mq+t3uGeDuvMiKPcGXQyiBUv65JhrBEMME88/ZgU=")
	f.Add("SCRAM-SHA-256$1:AA==$:")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVerifier(text)
		if err == nil && v.Encode() != text {
			t.Fatalf("%q was read as %q", text, v.Encode())
		}
	})
}
