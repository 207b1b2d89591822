package engine

import (
	"bytes"
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

// relayed is what came out of an engine at both ends.
type relayed struct {
	toLeg, toClient []byte
	why             Reason
}

// feed gives an engine bytes of one end in pieces of at most size, and keeps
// what it leaves unused, as a driver does.
func (r *relayed) feed(t *testing.T, e *Postgres, client bool, in []byte, size int) {
	var held []byte
	for len(in) > 0 && r.why == None {
		n := min(size, len(in))
		held = append(held, in[:n]...)
		in = in[n:]
		var used int
		var actions []Action
		if client {
			used, actions = e.Client(held, nil)
		} else {
			used, actions = e.Server(router.Source, held, nil)
		}
		r.perform(t, held, used, actions, client)
		held = held[used:]
	}
}

func (r *relayed) perform(t *testing.T, in []byte, used int, actions []Action, client bool) {
	at := 0
	for _, a := range actions {
		if a.Op == Close {
			r.why = a.Why
			break
		}
		if a.From != at || a.Upto <= a.From || a.Upto > used {
			t.Fatalf("range %d to %d behind %d of %d used", a.From, a.Upto, at, used)
		}
		at = a.Upto
		if client {
			r.toLeg = append(r.toLeg, in[a.From:a.Upto]...)
		} else {
			r.toClient = append(r.toClient, in[a.From:a.Upto]...)
		}
	}
	if at != used || used > len(in) {
		t.Fatalf("forwarded %d, used %d of %d", at, used, len(in))
	}
}

// FuzzPostgres: for any bytes of both ends the engine forwards a prefix of
// them unchanged, and where the reads were cut makes no difference to it.
func FuzzPostgres(f *testing.F) {
	f.Add(message("Q(select~1)"), bytes.Join([][]byte{message("T"), message("D"), message("C"), message("Z(I)")}, nil), uint8(3))
	f.Add(bytes.Join([][]byte{message("P(select~1)"), message("B"), message("E"), message("S")}, nil),
		bytes.Join([][]byte{message("1"), message("2"), message("E(SFATAL)"), message("Z(I)")}, nil), uint8(7))
	f.Add(message("Q(copy~t~from~stdin)"), message("G"), uint8(1))
	f.Fuzz(func(t *testing.T, client, server []byte, cut uint8) {
		var whole, pieces Postgres
		var a, b relayed
		a.feed(t, &whole, true, client, len(client))
		b.feed(t, &pieces, true, client, int(cut)+1)
		if a.why == None {
			a.feed(t, &whole, false, server, len(server))
		}
		if b.why == None {
			b.feed(t, &pieces, false, server, int(cut)+1)
		}
		if a.why != b.why || !bytes.Equal(a.toLeg, b.toLeg) && a.why == None {
			t.Fatalf("whole: %v, %d bytes; in pieces: %v, %d bytes", a.why, len(a.toLeg), b.why, len(b.toLeg))
		}
		if !bytes.HasPrefix(client, a.toLeg) || !bytes.HasPrefix(server, a.toClient) {
			t.Fatal("forwarded something else than what came in")
		}
		if whole.Wants() > Both {
			t.Fatal("no turn")
		}
	})
}
