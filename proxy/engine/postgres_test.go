package engine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/router"
)

// A conversation is written as words: > is from the client, < from the
// server. Each word is one message: its type, and a body in parentheses where
// one matters.
//
//	>Q(select 1) <T <D <C <Z(I)

// message encodes one word of a conversation.
func message(word string) []byte {
	kind, body := word[0], ""
	if open := strings.IndexByte(word, '('); open >= 0 {
		body = strings.TrimSuffix(word[open+1:], ")")
	}
	switch kind {
	case 'Q':
		body += "\x00"
	case 'P':
		body = "\x00" + body + "\x00\x00\x00"
	}
	n := len(body) + 4
	return append([]byte{kind, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// say plays the words and returns why the engine closed, None if it did not.
// Every message must have been forwarded whole to the other end.
func say(t *testing.T, e *Postgres, conversation string) Reason {
	t.Helper()
	for _, word := range strings.Fields(conversation) {
		word = strings.ReplaceAll(word, "~", " ")
		in := message(word[1:])
		var used int
		var actions []Action
		to := Client
		if word[0] == '>' {
			to = Source
			used, actions = e.Client(in, nil)
		} else {
			used, actions = e.Server(router.Source, in, nil)
		}
		if n := len(actions); n > 0 && actions[n-1].Op == Close {
			return actions[n-1].Why
		}
		want := []Action{{Op: Forward, To: to, Upto: len(in)}}
		if used != len(in) || !cmp.Equal(actions, want) {
			t.Fatalf("after %s: used %d of %d, actions %+v", word, used, len(in), actions)
		}
	}
	return None
}

func TestWhoseTurnItIs(t *testing.T) {
	const hello = ">Q(select~1) <T <D <C <Z(I) "
	cases := []struct {
		name, conversation string
		turn               Turn
		idle               bool
	}{
		{"a new session waits for its client", "", ClientTurn, true},
		{"a simple query waits for the leg", ">Q(select~1)", LegTurn, false},
		{"a simple query answered waits for the client", hello, ClientTurn, true},
		{"a transaction is not idle", ">Q(begin) <C <Z(T)", ClientTurn, false},
		{"a failed transaction is not idle", ">Q(select~x) <E(SERROR\x00\x00) <Z(E)", ClientTurn, false},
		{"a batch with its Sync waits for the leg", ">P(select~1) >B >D >E >S", LegTurn, false},
		{"a batch without its Sync may be answered or go on", ">P(select~1) >B >E", Both, false},
		{"a batch with a Flush waits for the leg", ">P(select~1) >D >H", LegTurn, false},
		{"a flushed batch that is answered waits for the client", ">P(select~1) >D >H <1 <t <T", ClientTurn, true},
		{"a batch answered to its Sync is idle", ">P(select~1) >B >D >E >S <1 <2 <T <D <C <Z(I)", ClientTurn, true},
		{"two batches answered once wait for the leg", ">B >E >S >B >E >S <2 <C <Z(I)", LegTurn, false},
		{"an error drops what stands before the Sync", ">P(select~1) >B >E >S <E <Z(I)", ClientTurn, true},
		{"an error before the Sync waits for the client", ">P(select~1) >H <E", ClientTurn, false},
		{"what follows an error is not answered", ">P(select~1) >H <E >B >E >Q(x) >S <Z(I)", ClientTurn, true},
		{"an error in the second of two batches", ">B >E >S >B >E >S <2 <C <Z(I) <E <Z(I)", ClientTurn, true},
		{"a suspended portal is an answer", ">B >E >H <2 <D <s", ClientTurn, true},
		{"a function call waits for the leg", ">F <V <Z(I)", Both, true},
		{"a COPY IN lets both speak", ">Q(copy~t~from~stdin) <G", Both, false},
		{"a COPY IN that the client ended waits for the leg", ">Q(copy~t~from~stdin) <G >d >d >c", LegTurn, false},
		{"a COPY IN answered is idle", ">Q(copy~t~from~stdin) <G >d >c <C <Z(I)", ClientTurn, true},
		{"a COPY OUT waits for the leg", ">Q(copy~t~to~stdout) <H <d <d", LegTurn, false},
		{"a COPY OUT answered is idle", ">Q(copy~t~to~stdout) <H <d <c <C <Z(I)", ClientTurn, true},
		{"a COPY BOTH lets both speak", ">Q(START_REPLICATION) <W <d >d", Both, false},
		{"a COPY BOTH that has ended is idle; its command is not SQL and may hide a LISTEN", ">Q(START_REPLICATION) <W <d >c <c <C <Z(I)", Both, true},
		{"copy data sent before the COPY is known ends it", ">Q(copy~t~from~stdin) >d >c <G", LegTurn, false},
		{"copy data sent before the COPY is known", ">Q(copy~t~from~stdin) >d >c <G <C <Z(I)", ClientTurn, true},
		{"copy data sent before the COPY is known, and no Sync yet", ">P(copy~t~from~stdin) >B >E >d >c <1 <2 <G", Both, false},
		{"a Sync inside of a COPY is taken for nothing", ">P(copy~t~from~stdin) >B >E >S <1 <2 <G >d >c >S <C <Z(I)", ClientTurn, true},
		{"a COPY in the extended protocol", ">P(copy~t~from~stdin) >B >E >H <1 <2 <G >d >c >S <C <Z(I)", ClientTurn, true},
		{"a Sync between the data of a COPY", ">Q(copy~t~from~stdin) <G >d >S >d >c <C <Z(I)", ClientTurn, true},
		{"two COPYs in one query", ">Q(copy~a~from~stdin;~copy~b~from~stdin) <G >d >c <C <G >d >c <C <Z(I)", ClientTurn, true},
		{"copy messages after a failed COPY are ignored", ">Q(copy~t~from~stdin) <G >d <E <Z(I) >d >c >f", ClientTurn, true},
		{"a COPY that fails with a Sync eaten or not cannot be known", ">P(copy~t~from~stdin) >B >E >S <1 <2 <G <E <Z(I)", Both, false},
		{"LISTEN lets both speak for good", ">Q(listen~x) <C <Z(I)", Both, true},
		{"a DO block may hide a LISTEN", ">Q(do~'x') <C <Z(I)", Both, true},
		{"a built-in function hides nothing", ">Q(select~count(*)~from~t) <T <D <C <Z(I)", ClientTurn, true},
		{"Terminate waits for the server to hang up", ">X", LegTurn, false},
		{"a query and Terminate in one go", ">Q(select~1) >X <T <D <C <Z(I)", LegTurn, false},
		{"notices and notifications change nothing", "<N <A <S", ClientTurn, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var e Postgres
			if why := say(t, &e, c.conversation); why != None {
				t.Fatalf("closed: %s", why)
			}
			if e.Wants() != c.turn || e.Idle() != c.idle {
				t.Errorf("turn %d, idle %v, want %d, %v", e.Wants(), e.Idle(), c.turn, c.idle)
			}
		})
	}
}

func TestV05WhatTheProtocolDoesNotHaveEndsTheSession(t *testing.T) {
	cases := []struct {
		name, conversation string
		why                Reason
	}{
		{"an unknown message of the client", ">y", UnknownClientMessage},
		{"an authentication answer after the login", ">p", UnexpectedClientMessage},
		{"a query inside of a COPY IN", ">Q(copy~t~from~stdin) <G >Q(x)", UnexpectedClientMessage},
		{"a query inside of a COPY BOTH", ">Q(START_REPLICATION) <W >Q(x)", UnexpectedClientMessage},
		{"an unknown message of the server", "<y", UnknownServerMessage},
		{"a row that nobody asked for", "<D", UnexpectedServerMessage},
		{"ReadyForQuery that nobody asked for", "<Z(I)", UnexpectedServerMessage},
		{"ReadyForQuery while a Parse is owed", ">P(x) >S <Z(I)", UnexpectedServerMessage},
		{"a second authentication", "<R", UnknownServerMessage},
		{"a second key", "<K", UnknownServerMessage},
		{"a ReadyForQuery of two bytes", ">S <Z(II)", BadServerLength},
		{"a ReadyForQuery of an unknown state", ">S <Z(x)", UnexpectedServerMessage},
		{"copy data outside of a COPY", ">Q(select~1) <d", UnexpectedServerMessage},
		{"a parameter description for a Parse", ">P(x) >H <t", UnexpectedServerMessage},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var e Postgres
			if why := say(t, &e, c.conversation); why != c.why {
				t.Errorf("closed for %q, want %q", why, c.why)
			}
		})
	}
}

// Every type byte in every phase, from both ends: what is not in the table
// closes, what is in it passes, and nothing crashes.
func TestV05TheTableIsClosed(t *testing.T) {
	phases := map[string]struct{ conversation, client string }{
		"ready":     {"", "QPBDECHSFXdcf"},
		"busy":      {">Q(select~1)", "QPBDECHSFXdcf"},
		"copy in":   {">Q(copy~t~from~stdin) <G", "dcfHSX"},
		"copy out":  {">Q(copy~t~to~stdout) <H", "QPBDECHSFXdcf"},
		"copy both": {">Q(START_REPLICATION) <W", "dcfX"},
		"skipping":  {">P(x) >H <E", "QPBDECHSFXdcf"},
	}
	for name, phase := range phases {
		for kind := range 256 {
			var e Postgres
			say(t, &e, phase.conversation)
			in := []byte{byte(kind), 0, 0, 0, 5, 0}
			_, actions := e.Client(in, nil)
			closed := len(actions) > 0 && actions[len(actions)-1].Op == Close
			if legal := strings.IndexByte(phase.client, byte(kind)) >= 0; closed == legal {
				t.Errorf("%s, %q from the client: closed %v", name, rune(kind), closed)
			}
		}
	}
}

func TestV02LengthsAreCheckedBeforeAnythingElse(t *testing.T) {
	for _, length := range [][4]byte{{0, 0, 0, 0}, {0, 0, 0, 3}, {0x40, 0, 0, 5}, {0x7f, 0xff, 0xff, 0xff}, {0x80, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}} {
		in := append([]byte{'Q'}, length[:]...)
		var e Postgres
		if _, actions := e.Client(in, nil); len(actions) != 1 || actions[0].Why != BadClientLength {
			t.Errorf("client's length %x: %+v", length, actions)
		}
		in[0] = 'N'
		if _, actions := e.Server(router.Source, in, nil); len(actions) != 1 || actions[0].Why != BadServerLength {
			t.Errorf("server's length %x: %+v", length, actions)
		}
	}
}

func TestAMessageThatIsReadIsHeldUntilItIsWhole(t *testing.T) {
	var e Postgres
	whole := message("Q(listen~x)")
	if used, actions := e.Client(whole[:8], nil); used != 0 || len(actions) != 0 {
		t.Fatalf("used %d, actions %+v", used, actions)
	}
	if used, _ := e.Client(whole, nil); used != len(whole) || e.Wants() != Both {
		t.Errorf("used %d, turn %d", used, e.Wants())
	}
}

func TestAMessageThatCannotBeHeldPassesAndMayListen(t *testing.T) {
	var e Postgres
	whole := message("Q(select~" + strings.Repeat("1", 100) + ")")
	e.StreamHeld()
	used, actions := e.Client(whole[:50], nil)
	if used != 50 || len(actions) != 1 || e.flags&listens == 0 {
		t.Fatalf("used %d, actions %+v, flags %b", used, actions, e.flags)
	}
	if used, _ = e.Client(whole[50:], nil); used != len(whole)-50 || e.front() != 'Q' {
		t.Errorf("used %d, front %q", used, e.front())
	}
}

func TestRowsPassInParts(t *testing.T) {
	var e Postgres
	say(t, &e, ">Q(select~1)")
	row := message("D(" + strings.Repeat("x", 1000) + ")")
	for len(row) > 0 {
		n := min(7, len(row))
		used, actions := e.Server(router.Source, row[:n], nil)
		if used != n || len(actions) != 1 {
			t.Fatalf("used %d of %d, actions %+v", used, n, actions)
		}
		row = row[used:]
	}
	if e.MidMessage() || e.front() != 'Q' {
		t.Errorf("mid message %v, front %q", e.MidMessage(), e.front())
	}
}

func TestADeepPipelineIsBoundedAndGoesOn(t *testing.T) {
	var e Postgres
	bind := message("B")
	batch := []byte(strings.Repeat(string(bind), 1000))
	for rounds := 0; !e.Full(); rounds++ {
		if rounds > owedMost {
			t.Fatal("it is never full")
		}
		if used, _ := e.Client(batch, nil); used < len(batch) && !e.Full() {
			t.Fatal("stopped before it was full")
		}
	}
	if used, actions := e.Client(batch, nil); used != 0 || len(actions) != 0 {
		t.Fatalf("took %d bytes while full", used)
	}
	if e.Wants() != LegTurn {
		t.Fatalf("turn %d", e.Wants())
	}
	if why := say(t, &e, "<2"); why != None {
		t.Fatal(why)
	}
	if used, _ := e.Client(batch, nil); used != len(bind) {
		t.Errorf("took %d bytes for one answer", used)
	}
}

func TestMuchUnansweredLetsBothSpeak(t *testing.T) {
	var e Postgres
	say(t, &e, ">Q(select~1)")
	if e.Wants() != LegTurn {
		t.Fatalf("turn %d", e.Wants())
	}
	for range 20 {
		say(t, &e, ">Q(select~'"+strings.Repeat("x", 4000)+"')")
	}
	if e.Wants() != Both {
		t.Errorf("turn %d", e.Wants())
	}
	for range 21 {
		say(t, &e, "<C <Z(I)")
	}
	if e.Wants() != ClientTurn || e.outstanding != 0 {
		t.Errorf("turn %d, outstanding %d", e.Wants(), e.outstanding)
	}
}

func TestAFatalErrorIsTheServersGoodbye(t *testing.T) {
	for fields, want := range map[string]bool{
		"SFATAL\x00VFATAL\x00C57P01\x00\x00": true,
		"SFATAL\x00\x00":                     true,
		"SFATAL~ERROR\x00VERROR\x00\x00":     false,
		"SERROR\x00VERROR\x00C22012\x00\x00": false,
		"VPANIC\x00\x00":                     true,
		"V":                                  false,
		"":                                   false,
	} {
		var e Postgres
		say(t, &e, "<E("+fields+")")
		if e.Goodbye() != want {
			t.Errorf("%q: goodbye %v", fields, e.Goodbye())
		}
	}
}

func TestCounts(t *testing.T) {
	var e Postgres
	say(t, &e, ">Q(select~1;~select~2) <T <D <C <T <D <C <Z(I) >B >E >B >E >S <2 <C <E <Z(I)")
	if got := e.TakeCounts(); got != (Counts{OK: 3, Failed: 1}) {
		t.Errorf("counts %+v", got)
	}
	if got := e.TakeCounts(); got != (Counts{}) {
		t.Errorf("counts again %+v", got)
	}
}

func TestStandardConformingStringsDecideWhereAStringEnds(t *testing.T) {
	// With backslash escapes the string goes on behind \' and LISTEN is in it.
	text := `>Q(select~'\';listen~x;--')`
	var on, off Postgres
	say(t, &on, text)
	say(t, &off, "<S(standard_conforming_strings\x00off\x00) "+text)
	if on.flags&listens == 0 || off.flags&listens != 0 {
		t.Errorf("on: %b, off: %b", on.flags, off.flags)
	}
}

func TestUnderAnEncodingThatHidesBytesEveryTextMayListen(t *testing.T) {
	for encoding, want := range map[string]bool{"UTF8": false, "LATIN1": false, "EUC_JP": false, "SJIS": true, "GBK": true} {
		var e Postgres
		say(t, &e, "<S(client_encoding\x00"+encoding+"\x00) >Q(select~1)")
		if got := e.flags&listens != 0; got != want {
			t.Errorf("%s: may listen %v", encoding, got)
		}
	}
}

func TestAStatementCostsNoAllocation(t *testing.T) {
	var e Postgres
	ask := append(append(message("B"), message("E")...), message("S")...)
	query := message("Q(select~abalance~from~pgbench_accounts~where~aid~=~1)")
	answer := append(append(append(message("2"), message("D(row)")...), message("C(SELECT~1)")...), message("Z(I)")...)
	simple := append(append(message("T"), message("C(SELECT~1)")...), message("Z(I)")...)
	allocs := testing.AllocsPerRun(1000, func() {
		var space [4]Action
		e.Client(ask, space[:0])
		e.Server(router.Source, answer, space[:0])
		e.Client(query, space[:0])
		e.Server(router.Source, simple, space[:0])
	})
	if allocs != 0 || !e.Idle() {
		t.Errorf("%v allocations, idle %v", allocs, e.Idle())
	}
}
