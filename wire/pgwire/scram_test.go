package pgwire

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// scramSalt and scramCert stand for any salt and any certificate's hash.
var (
	scramSalt = []byte("sixteen byte salt")[:16]
	scramCert = []byte("the hash of a certificate, 32 b.")
)

func scramTestVerifier(t testing.TB, password string) Verifier {
	t.Helper()
	v, err := NewVerifier(password, scramSalt, 16)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// scramTamper lets a test change what passes between the two roles.
type scramTamper func(step int, message []byte) []byte

// scramLogin runs one login of both roles. The error says who failed.
func scramLogin(client *ScramClient, server *ScramServer, tamper scramTamper) error {
	mechanism, message, err := client.First()
	if err != nil {
		return fmt.Errorf("client first: %w", err)
	}
	steps := []struct {
		who  string
		take func([]byte) ([]byte, error)
	}{
		{"server first", func(m []byte) ([]byte, error) { return server.First(mechanism, m) }},
		{"client final", client.Final},
		{"server final", server.Final},
		{"client verify", func(m []byte) ([]byte, error) { return nil, client.Verify(m) }},
	}
	for i, step := range steps {
		if tamper != nil {
			message = tamper(i, message)
		}
		if message, err = step.take(message); err != nil {
			return fmt.Errorf("%s: %w", step.who, err)
		}
	}
	return nil
}

func TestScramVectorOfRFC7677(t *testing.T) {
	const (
		clientNonce = "rOprNGfwEbeRWgbNEkqO"
		serverNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	)
	want := []string{
		"n,,n=user,r=" + clientNonce,
		"r=" + clientNonce + serverNonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"c=biws,r=" + clientNonce + serverNonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	}
	salt, _ := scramBase64("W22ZaJ0SNY7soEsUEjb6gQ==")
	verifier, err := NewVerifier("pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	server := NewScramServer(ScramServerOptions{Verifier: &verifier})
	server.nonce = serverNonce
	client := NewScramClient(ScramClientOptions{Password: "pencil", Offered: server.Mechanisms()})
	client.nonce, client.bare = clientNonce, "n=user,r="+clientNonce

	var got []string
	err = scramLogin(client, server, func(_ int, message []byte) []byte {
		got = append(got, string(message))
		return message
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !client.Verified() {
		t.Error("the client does not say that it verified the server")
	}
}

func TestScramLogsInWithAnyPassword(t *testing.T) {
	passwords := rapid.OneOf(
		rapid.StringN(1, 40, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("aé\u00AA\u00AD\u0007\u200B\u0340\u0627\u2100\U0001F600")), 1, 8, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 40), func(b []byte) string { return string(b) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		password := passwords.Draw(t, "password")
		salt := rapid.SliceOfN(rapid.Byte(), 1, scramMaxSalt).Draw(t, "salt")
		verifier, err := NewVerifier(password, salt, rapid.IntRange(1, 40).Draw(t, "iterations"))
		if err != nil {
			t.Fatal(err)
		}
		opts := ScramServerOptions{Verifier: &verifier}
		if rapid.Bool().Draw(t, "over TLS") {
			opts.CertHash = scramCert
		}
		login := func(password string) error {
			server := NewScramServer(opts)
			return scramLogin(NewScramClient(ScramClientOptions{
				Password: password, Offered: server.Mechanisms(),
				OverTLS: opts.CertHash != nil, CertHash: opts.CertHash,
			}), server, nil)
		}
		if err := login(password); err != nil {
			t.Fatal(err)
		}
		if err := login(password + "."); !errors.Is(err, ErrProof) {
			t.Fatalf("another password: got %v, want ErrProof", err)
		}
	})
}

func TestScramKeysPassThrough(t *testing.T) {
	verifier := scramTestVerifier(t, "pencil")
	front := NewScramServer(ScramServerOptions{Verifier: &verifier})
	if front.ClientKey() != [32]byte{} {
		t.Error("there is a client key before the login")
	}
	if err := scramLogin(NewScramClient(ScramClientOptions{Password: "pencil", Offered: front.Mechanisms()}), front, nil); err != nil {
		t.Fatal(err)
	}
	keys := Keys{Verifier: verifier, ClientKey: front.ClientKey()}

	saltier, err := NewVerifier("pencil", []byte("another salt"), verifier.Iterations)
	if err != nil {
		t.Fatal(err)
	}
	longer, err := NewVerifier("pencil", verifier.Salt, verifier.Iterations+1)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := scramTestVerifier(t, "pencil2")
	for name, c := range map[string]struct {
		backend Verifier
		want    error
	}{
		"log in where the verifier is the same":       {verifier, nil},
		"are not tried on another salt":               {saltier, ErrVerifierDiffers},
		"are not tried on another iteration count":    {longer, ErrVerifierDiffers},
		"are refused where the password is different": {elsewhere, ErrProof},
	} {
		t.Run(name, func(t *testing.T) {
			back := NewScramServer(ScramServerOptions{Verifier: &c.backend})
			client := NewScramClient(ScramClientOptions{Keys: &keys, Offered: back.Mechanisms()})
			if err := scramLogin(client, back, nil); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			client.Wipe()
			if keys.ClientKey != front.ClientKey() {
				t.Error("the client wiped keys that it had borrowed")
			}
		})
	}
}

// The iteration count costs nothing with keys, so its cap is for passwords.
func TestScramKeysTakeAnIterationCountAboveTheCap(t *testing.T) {
	keys := Keys{Verifier: scramTestVerifier(t, "pencil")}
	keys.Iterations = 600_000
	back := NewScramServer(ScramServerOptions{Verifier: &keys.Verifier})
	client := NewScramClient(ScramClientOptions{Keys: &keys, Offered: back.Mechanisms()})
	err := scramLogin(client, back, nil)
	if want := "server final: authentication failed"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s (the client key is missing)", err, want)
	}
}

func TestScramUnknownUserLooksLikeAKnownOne(t *testing.T) {
	verifier, err := NewVerifier("pencil", scramSalt, scramDefaultIterations)
	if err != nil {
		t.Fatal(err)
	}
	attempt := func(opts ScramServerOptions) (challenge, reply []byte, err error) {
		server := NewScramServer(opts)
		server.nonce = "server"
		client := NewScramClient(ScramClientOptions{Password: "guess", Offered: server.Mechanisms()})
		client.nonce, client.bare = "client", "n=,r=client"
		_, first, _ := client.First()
		challenge, err = server.First(scramPlain, first)
		if err != nil {
			t.Fatal(err)
		}
		final, err := client.Final(challenge)
		if err != nil {
			t.Fatal(err)
		}
		reply, err = server.Final(final)
		return challenge, reply, err
	}
	secret := []byte("of all instances")
	known, knownReply, knownErr := attempt(ScramServerOptions{User: "alice", Verifier: &verifier, MockSecret: secret})
	unknown, unknownReply, unknownErr := attempt(ScramServerOptions{User: "bob", MockSecret: secret})
	if knownErr != ErrProof || unknownErr != ErrProof {
		t.Errorf("errors differ: %v, %v", knownErr, unknownErr)
	}
	if len(known) != len(unknown) || len(knownReply)+len(unknownReply) != 0 {
		t.Errorf("answers differ: %q %q, %q %q", known, knownReply, unknown, unknownReply)
	}
	again, _, _ := attempt(ScramServerOptions{User: "bob", MockSecret: secret})
	other, _, _ := attempt(ScramServerOptions{User: "carol", MockSecret: secret})
	foreign, _, _ := attempt(ScramServerOptions{User: "bob", MockSecret: []byte("of another installation")})
	process1, _, _ := attempt(ScramServerOptions{User: "bob"})
	process2, _, _ := attempt(ScramServerOptions{User: "bob"})
	if string(again) != string(unknown) || string(process1) != string(process2) {
		t.Error("the mock of one user changes")
	}
	if string(other) == string(unknown) || string(foreign) == string(unknown) || string(process1) == string(unknown) {
		t.Error("mocks of different users or secrets are equal")
	}
}

func TestScramUnknownUserFailsWithARightProof(t *testing.T) {
	server := NewScramServer(ScramServerOptions{User: "nobody"})
	server.verifier = scramTestVerifier(t, "pencil")
	client := NewScramClient(ScramClientOptions{Password: "pencil", Offered: server.Mechanisms()})
	if err := scramLogin(client, server, nil); !errors.Is(err, ErrProof) {
		t.Errorf("got %v, want ErrProof", err)
	}
	if server.ClientKey() != [32]byte{} {
		t.Error("a refused login left a client key")
	}
}

func TestScramBrokenVerifierIsAnUnknownUser(t *testing.T) {
	server := NewScramServer(ScramServerOptions{Verifier: &Verifier{}})
	client := NewScramClient(ScramClientOptions{Password: "x", Offered: server.Mechanisms()})
	if err := scramLogin(client, server, nil); !errors.Is(err, ErrProof) {
		t.Errorf("got %v, want ErrProof", err)
	}
	var zero ScramServer
	client = NewScramClient(ScramClientOptions{Password: "x", Offered: []string{scramPlain}})
	if err := scramLogin(client, &zero, nil); err == nil {
		t.Error("the zero ScramServer lets in")
	}
}

func TestScramNoncesAreFresh(t *testing.T) {
	var nonces []string
	for range 8 {
		nonces = append(nonces, NewScramServer(ScramServerOptions{}).nonce, NewScramClient(ScramClientOptions{}).nonce)
	}
	slices.Sort(nonces)
	if len(slices.Compact(nonces)) != 16 || len(nonces[0]) != 24 {
		t.Errorf("nonces repeat or have not 18 bytes: %q", nonces)
	}
}

func TestScramWipe(t *testing.T) {
	verifier := scramTestVerifier(t, "pencil")
	server := NewScramServer(ScramServerOptions{Verifier: &verifier})
	client := NewScramClient(ScramClientOptions{Password: "pencil", Offered: server.Mechanisms()})
	if err := scramLogin(client, server, nil); err != nil {
		t.Fatal(err)
	}
	keys := Keys{Verifier: verifier, ClientKey: server.ClientKey()}
	server.Wipe()
	client.Wipe()
	keys.Wipe()
	zero := [32]byte{}
	if server.clientKey != zero || server.verifier.StoredKey != zero || server.verifier.ServerKey != zero {
		t.Error("the server still has keys")
	}
	if client.serverKey != zero || client.opts.Password != "" || client.Verified() {
		t.Error("the client still has keys")
	}
	if keys.ClientKey != zero || keys.StoredKey != zero || keys.ServerKey != zero {
		t.Error("the keys are still there")
	}
	if string(verifier.Salt) != string(scramSalt) || verifier.StoredKey == zero {
		t.Error("the verifier of the configuration was wiped too")
	}
	if _, err := server.First(scramPlain, []byte("n,,n=,r=abc")); err == nil {
		t.Error("a wiped server goes on")
	}
	if _, _, err := client.First(); err == nil {
		t.Error("a wiped client goes on")
	}
}
