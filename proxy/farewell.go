package proxy

import (
	"io"
	"net"
	"time"
)

// farewellBytes bounds what is read from a client that is being told goodbye.
const farewellBytes = 256 * kib

// farewell sends last words and closes. The sending half closes first and what
// the client still sends is read for a moment: closing a socket with unread
// bytes resets it, and a client whose connection is reset never sees the words.
// secure is the connection to speak on, under the one below it.
func farewell(secure, under net.Conn, words []byte) {
	defer func() { _ = under.Close() }()
	if len(words) == 0 {
		_ = secure.Close() // TLS says goodbye, as the server's would
		return
	}
	if err := under.SetDeadline(time.Now().Add(farewellTime)); err != nil {
		return
	}
	if _, err := secure.Write(words); err != nil {
		return
	}
	half, ok := secure.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if secure != under { // TLS says goodbye, then the socket does
		if half, ok := under.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
			return
		}
	}
	_, _ = io.CopyN(io.Discard, under, farewellBytes) // until the client closes, or has had its time
}
