package pgwire_test

import (
	"fmt"

	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// A client logs in to us, and the key that its proof reveals logs in to a
// backend that keeps the same verifier. Nobody but the client has the password.
func ExampleScramServer() {
	verifier, err := pgwire.NewVerifier("pencil", []byte("a random salt..."), 4096)
	if err != nil {
		fmt.Println(err)
		return
	}
	login := func(client pgwire.ScramClientOptions) *pgwire.ScramServer {
		server := pgwire.NewScramServer(pgwire.ScramServerOptions{User: "app", Verifier: &verifier})
		client.Offered = server.Mechanisms()
		c := pgwire.NewScramClient(client)
		mechanism, clientFirst, _ := c.First()
		serverFirst, _ := server.First(mechanism, clientFirst)
		clientFinal, _ := c.Final(serverFirst)
		serverFinal, _ := server.Final(clientFinal)
		fmt.Println(mechanism, c.Verify(serverFinal))
		return server
	}
	ours := login(pgwire.ScramClientOptions{Password: "pencil"})
	keys := pgwire.Keys{Verifier: verifier, ClientKey: ours.ClientKey()}
	defer keys.Wipe()
	login(pgwire.ScramClientOptions{Keys: &keys})
	fmt.Println(keys)
	// Output:
	// SCRAM-SHA-256 <nil>
	// SCRAM-SHA-256 <nil>
	// SCRAM-SHA-256$***
}
