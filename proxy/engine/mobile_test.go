package engine

import (
	"bytes"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
)

// told is a Numbers for which everything is right but one table number.
type told struct{ bad, badParameters bool }

func (n told) RowDescription([]byte) bool       { return !n.bad }
func (n told) ParameterDescription([]byte) bool { return !n.bad && !n.badParameters }
func (n told) Parse([]byte) bool                { return !n.bad }

// known is a Verdicts of one verdict for all.
type known Verdict

func (k known) Of(uint64) Verdict { return Verdict(k) }

// mobile is a session that may move, at a side.
func mobile(at router.Side) *Postgres {
	e := &Postgres{}
	e.Enroll(&Mobile{Numbers: told{}, Verdicts: known(Same), Reported: map[string]struct{}{"TimeZone": {}}})
	e.HoldUnnamed(true)
	e.MoveTo(at)
	return e
}

func encode(messages ...pgproto3.FrontendMessage) []byte {
	var out []byte
	for _, m := range messages {
		var err error
		if out, err = m.Encode(out); err != nil {
			panic(err)
		}
	}
	return out
}

func answer(messages ...pgproto3.BackendMessage) []byte {
	var out []byte
	for _, m := range messages {
		var err error
		if out, err = m.Encode(out); err != nil {
			panic(err)
		}
	}
	return out
}

// sends forwards messages of the client as a driver does.
func sends(t *testing.T, e *Postgres, messages ...pgproto3.FrontendMessage) {
	t.Helper()
	in := encode(messages...)
	if used, actions := e.Client(in, nil); used != len(in) || len(actions) != 1 || actions[0].Op != Forward {
		t.Fatalf("used %d of %d, %+v", used, len(in), actions)
	}
}

// hears gives the engine messages of the leg and returns what it makes of them.
func hears(e *Postgres, messages ...pgproto3.BackendMessage) []Action {
	_, actions := e.Server(e.Side(), answer(messages...), nil)
	return actions
}

func query(sql string) *pgproto3.Query { return &pgproto3.Query{String: sql} }

func parse(name, sql string) *pgproto3.Parse { return &pgproto3.Parse{Name: name, Query: sql} }

func bind(name string) *pgproto3.Bind { return &pgproto3.Bind{PreparedStatement: name} }

var (
	execute  = &pgproto3.Execute{}
	sync     = &pgproto3.Sync{}
	flush    = &pgproto3.Flush{}
	ready    = &pgproto3.ReadyForQuery{TxStatus: 'I'}
	readyIn  = &pgproto3.ReadyForQuery{TxStatus: 'T'}
	parsed   = &pgproto3.ParseComplete{}
	bound    = &pgproto3.BindComplete{}
	complete = &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}
	row      = &pgproto3.DataRow{Values: [][]byte{[]byte("1")}}
	columns  = &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("a"), DataTypeOID: 23}}}
	nothing  = &pgproto3.NoData{}
)

func failed(code string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code}
}

func TestWhatABatchIsMadeOf(t *testing.T) {
	plain := []pgproto3.FrontendMessage{parse("", "SELECT 1"), bind(""), execute, sync}
	cases := []struct {
		name     string
		messages []pgproto3.FrontendMessage
		boundary byte
		against  router.Reason
		retry    bool
	}{
		{"a plain read", []pgproto3.FrontendMessage{query("SELECT side FROM t")}, 'Q', router.None, true},
		{"a plain read in the extended protocol", plain, 'S', router.None, true},
		{"a batch that asks for answers", plain[:1:1], 0, router.None, true},
		{"a flushed batch", []pgproto3.FrontendMessage{parse("", "SELECT 1"), flush}, 'H', router.None, true},
		{"a write is not repeated", []pgproto3.FrontendMessage{query("INSERT INTO t VALUES (1)")}, 'Q', router.None, false},
		{"a locking read is not repeated", []pgproto3.FrontendMessage{query("SELECT 1 FROM t FOR UPDATE")}, 'Q', router.None, false},
		{"the end of a transaction is not repeated", []pgproto3.FrontendMessage{query("COMMIT")}, 'Q', router.None, false},
		{"its beginning is", []pgproto3.FrontendMessage{query("BEGIN")}, 'Q', router.None, true},
		{"a setting", []pgproto3.FrontendMessage{query("SET work_mem = '1MB'")}, 'Q', router.SetsState, true},
		{"an unknown function", []pgproto3.FrontendMessage{query("SELECT f(1)")}, 'Q', router.SetsState, true},
		{"a catalog", []pgproto3.FrontendMessage{query("SELECT * FROM pg_class")}, 'Q', router.Catalog, true},
		{"a sequence", []pgproto3.FrontendMessage{query("SELECT currval('s')")}, 'Q', router.ServerBound, true},
		{"serializable", []pgproto3.FrontendMessage{query("BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY")}, 'Q', router.Isolation, true},
		{"repeatable read that may write", []pgproto3.FrontendMessage{query("BEGIN ISOLATION LEVEL REPEATABLE READ")}, 'Q', router.Isolation, true},
		{"repeatable read for reading", []pgproto3.FrontendMessage{query("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")}, 'Q', router.Isolation, true},
		{"several statements in one text", []pgproto3.FrontendMessage{query("SELECT 1; SELECT 2")}, 'Q', router.Mixed, true},
		{"a statement that nobody knows", []pgproto3.FrontendMessage{bind("never"), execute, sync}, 'S', router.Unknown, true},
		{"an unnamed statement that nobody knows", []pgproto3.FrontendMessage{bind(""), execute, sync}, 'S', router.Unknown, true},
		{"a function called by number", []pgproto3.FrontendMessage{&pgproto3.FunctionCall{Function: 1}}, 'F', router.Unknown, true},
		{"the end", []pgproto3.FrontendMessage{&pgproto3.Terminate{}}, 'X', router.None, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var b Batch
			in := encode(c.messages...)
			mobile(router.Source).Examine(append(in, 'Q'), &b)
			if b.Boundary != c.boundary || b.Against != c.against || b.Retry != c.retry || b.Size != len(in) {
				t.Errorf("%d of %d bytes, boundary %q, against %s, retry %v", b.Size, len(in), b.Boundary, b.Against, b.Retry)
			}
		})
	}
}

func TestReadWriteTransactionsAreRefusedAndNamesOfSettingsAreNot(t *testing.T) {
	for sql, want := range map[string]bool{
		"BEGIN READ WRITE": true,
		"/* c */ begin isolation level read committed, read -- x\n write": true,
		"SET TRANSACTION READ WRITE":                                      true,
		"/* c */ SET TRANSACTION READ WRITE":                              true,
		"BEGIN; SET TRANSACTION READ WRITE; COMMIT":                       true,
		"BEGIN":                      false,
		"SHOW transaction_read_only": false,
		"SELECT current_setting('transaction_read_only')": false,
		"SET default_transaction_read_only = off":         false, // the source's
	} {
		var b Batch
		mobile(router.Source).Examine(encode(query(sql)), &b)
		if b.Refused != want {
			t.Errorf("%s: refused %v", sql, b.Refused)
		}
		if !want && sql != "BEGIN" && b.Against == router.None {
			t.Errorf("%s: nothing against the target", sql)
		}
	}
}

func TestSeveralStatementsGoToTheTargetOnlyWhenAllAreKnownToBeRight(t *testing.T) {
	batch := encode(parse("", "SELECT 1"), bind(""), execute, parse("", "SELECT 2"), bind(""), execute, sync)
	for verdict, want := range map[Verdict]router.Reason{Same: router.None, Untried: router.Mixed, Differs: router.TypeOID} {
		e := mobile(router.Source)
		e.Mobile().Verdicts = known(verdict)
		var b Batch
		if e.Examine(batch, &b); b.Against != want {
			t.Errorf("verdict %d: against %s, want %s", verdict, b.Against, want)
		}
	}
}

func TestTheVersionOfTheStateFollowsTheTexts(t *testing.T) {
	e := mobile(router.Source)
	version := func() uint32 { return e.Mobile().Version }
	step := func(want uint32, messages ...pgproto3.FrontendMessage) {
		t.Helper()
		if sends(t, e, messages...); version() != want {
			t.Fatalf("version %d, want %d", version(), want)
		}
	}
	step(0, query("SELECT 1"))
	hears(e, columns, row, complete, ready)
	step(1, query("SET app.x = '1'"))
	hears(e, complete, ready)
	step(2, parse("s", "SET app.y = '1'"), sync) // it may be executed without our seeing the text again
	hears(e, parsed, ready)
	step(3, bind("s"), execute, sync)
	hears(e, bound, complete, ready)
	step(3, query("BEGIN"))
	hears(e, complete, readyIn)
	step(3, query("SET LOCAL app.z = '1'"))
	for _, name := range []string{"app.x", "app.y"} {
		if _, ok := e.Mobile().Names[name]; !ok {
			t.Errorf("%s is not known", name)
		}
	}
}

func TestStatementsAreKnownAsTheServerHasThem(t *testing.T) {
	has := func(e *Postgres, name, want string) {
		t.Helper()
		s := e.Mobile().Statements[name]
		switch {
		case s == nil && want != "":
			t.Errorf("%q is not known", name)
		case s != nil && string(s.Text()) != want:
			t.Errorf("%q is %q, want %q", name, s.Text(), want)
		}
	}
	e := mobile(router.Source)
	sends(t, e, parse("a", "SELECT 1"), parse("", "SELECT 2"), sync)
	hears(e, parsed, parsed, ready)
	has(e, "a", "SELECT 1")
	has(e, "", "SELECT 2")
	sends(t, e, parse("a", "SELECT 3"), parse("b", "SELECT 4"), sync) // the name is taken
	hears(e, failed("42P05"), ready)
	has(e, "a", "SELECT 1")
	has(e, "b", "")
	sends(t, e, &pgproto3.Close{ObjectType: 'S', Name: "a"}, parse("", "SELECT x"), sync)
	hears(e, &pgproto3.CloseComplete{}, failed("42703"), ready)
	has(e, "a", "")
	has(e, "", "") // a refused Parse has destroyed it
	sends(t, e, parse("", "SELECT 5"), sync)
	hears(e, parsed, ready)
	has(e, "", "SELECT 5")
	sends(t, e, query("SELECT 6")) // and so does a simple query
	has(e, "", "")
}

func TestWhatTheClientIsToldOfAStatementIsKept(t *testing.T) {
	e := mobile(router.Source)
	sends(t, e, parse("a", "SELECT 1"), &pgproto3.Describe{ObjectType: 'S', Name: "a"}, sync)
	hears(e, parsed, &pgproto3.ParameterDescription{ParameterOIDs: []uint32{23, 25}}, columns, ready)
	s := e.Mobile().Statements["a"]
	if len(s.Params) != 2 || s.Params[1] != 25 {
		t.Errorf("parameters %v", s.Params)
	}
	want := Digest(Digest(0, answer(&pgproto3.ParameterDescription{ParameterOIDs: []uint32{23, 25}})), answer(columns))
	if s.Told != want || s.Told == Digest(0, answer(columns)) {
		t.Errorf("told %x, want %x", s.Told, want)
	}
}

// play says what became of each message of the target: f forwarded, h held, r
// released, s swallowed, and the reason of an escalation.
func play(e *Postgres, messages ...pgproto3.BackendMessage) (log string, why Reason) {
	for _, m := range messages {
		for _, a := range hears(e, m) {
			log += map[Op]string{Forward: "f", Hold: "h", Release: "r", Swallow: "s", Close: "c", Escalate: "e"}[a.Op]
			if a.Op == Escalate || a.Op == Close {
				return log, a.Why
			}
		}
	}
	return log, None
}

func TestAnswersAreHeldUntilTheFirstThatCounts(t *testing.T) {
	full := []pgproto3.FrontendMessage{parse("", "SELECT 1"), bind(""), &pgproto3.Describe{ObjectType: 'P'}, execute, sync}
	fatal := &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P01"}
	zone := &pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"}
	own := &pgproto3.ParameterStatus{Name: "scram_iterations", Value: "1"}
	cases := []struct {
		name    string
		sent    []pgproto3.FrontendMessage
		retry   bool
		heard   []pgproto3.BackendMessage
		log     string
		why     Reason
		numbers told
	}{
		{"rows release what was held", full, true, []pgproto3.BackendMessage{parsed, bound, columns, row, complete, ready}, "hhhrfff", None, told{}},
		{"no rows do too", full, true, []pgproto3.BackendMessage{parsed, bound, columns, complete, ready}, "hhhrff", None, told{}},
		{"an error first", full, true, []pgproto3.BackendMessage{parsed, bound, columns, failed("22012")}, "hhhe", RetryError, told{}},
		{"an error after a row is the answer", full, true, []pgproto3.BackendMessage{parsed, bound, columns, row, failed("22012"), ready}, "hhhrfff", None, told{}},
		{"a cancelled statement is not repeated", full, true, []pgproto3.BackendMessage{parsed, bound, columns, failed("57014"), ready}, "hhhrff", None, told{}},
		{"a refused write is not repeated", full, true, []pgproto3.BackendMessage{parsed, failed("25006"), ready}, "hrff", None, told{}},
		{"what may not run again is not", full, false, []pgproto3.BackendMessage{parsed, failed("22012"), ready}, "hrff", None, told{}},
		{"other numbers", full, true, []pgproto3.BackendMessage{parsed, bound, columns}, "hhe", RetryNumbers, told{bad: true}},
		{
			"other numbers of parameters",
			[]pgproto3.FrontendMessage{parse("s", "SELECT $1"), &pgproto3.Describe{ObjectType: 'S', Name: "s"}, sync},
			true,
			[]pgproto3.BackendMessage{parsed, &pgproto3.ParameterDescription{ParameterOIDs: []uint32{9}}},
			"he", RetryNumbers,
			told{badParameters: true},
		},
		{"other numbers that cannot be repeated", full, false, []pgproto3.BackendMessage{parsed, bound, columns}, "hhe", WrongNumbers, told{bad: true}},
		{"the end of the connection", full, true, []pgproto3.BackendMessage{parsed, fatal}, "he", LegLost, told{}},
		{"the end of the connection after rows", full, true, []pgproto3.BackendMessage{parsed, bound, columns, row, fatal}, "hhhrfe", LegLost, told{}},
		{
			"a flushed description is given out (SESSIONSTATE M3)",
			[]pgproto3.FrontendMessage{parse("s", "SELECT 1"), &pgproto3.Describe{ObjectType: 'S', Name: "s"}, flush},
			true,
			[]pgproto3.BackendMessage{parsed, &pgproto3.ParameterDescription{}, columns},
			"hhhr", None,
			told{},
		},
		{
			"a described statement without rows",
			[]pgproto3.FrontendMessage{parse("s", "SELECT 1"), &pgproto3.Describe{ObjectType: 'S', Name: "s"}, sync},
			true,
			[]pgproto3.BackendMessage{parsed, &pgproto3.ParameterDescription{}, nothing, ready},
			"hhhrf", None,
			told{},
		},
		{"notifications pass", full, true, []pgproto3.BackendMessage{parsed, &pgproto3.NotificationResponse{Channel: "c"}}, "hf", None, told{}},
		{"reports pass by the names of the login", full, true, []pgproto3.BackendMessage{zone, own}, "fs", None, told{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := mobile(router.Target)
			e.Mobile().Numbers = c.numbers
			e.HoldAnswers(c.retry)
			sends(t, e, c.sent...)
			if log, why := play(e, c.heard...); log != c.log || why != c.why {
				t.Errorf("%s, %v, want %s, %v", log, why, c.log, c.why)
			}
		})
	}
}

func TestAFailedTransactionIsNotRepeatedElsewhere(t *testing.T) {
	e := mobile(router.Target)
	sends(t, e, query("BEGIN"))
	hears(e, complete, readyIn)
	e.HoldAnswers(true)
	sends(t, e, query("SELECT 1/0"))
	if log, why := play(e, columns, failed("22012")); why != None || log != "hrf" {
		t.Errorf("%s, %v", log, why)
	}
}

func TestALegThatIsAbandonedOwesNothing(t *testing.T) {
	e := mobile(router.Target)
	e.HoldAnswers(true)
	sends(t, e, parse("s", "SELECT 1"), bind("s"), execute, parse("late", "SELECT 2"), sync)
	play(e, parsed)
	if !e.Abandon(router.Source, 'I') {
		t.Error("the Sync was not owed")
	}
	if !e.Settled() || e.Side() != router.Source {
		t.Error("not settled at the source")
	}
	if e.Mobile().Statements["late"] != nil || e.Mobile().Statements["s"] == nil {
		t.Error("a statement that the leg has not confirmed is known, or one that it has is not")
	}
	sends(t, e, parse("t", "SELECT 1"), sync)
	hears(e, parsed, ready)
	if e.Mobile().Statements["t"] == nil {
		t.Error("what came after it is not known")
	}
}

func TestTheScriptOfATransaction(t *testing.T) {
	e := mobile(router.Target)
	run := func(sql string, end *pgproto3.ReadyForQuery) {
		t.Helper()
		var b Batch
		e.Examine(encode(query(sql)), &b)
		e.Began(&b)
		e.HoldAnswers(b.Retry)
		sends(t, e, query(sql))
		hears(e, complete, end)
	}
	run("BEGIN", readyIn)
	run("SET LOCAL app.x = '1'", readyIn)
	run("SELECT 1", readyIn)
	run("SAVEPOINT a", readyIn)
	texts, ok := e.Script()
	if want := "BEGIN\x00SET LOCAL app.x = '1'\x00SAVEPOINT a\x00"; !ok || string(texts) != want {
		t.Errorf("%q, %v", texts, ok)
	}
	run("COMMIT", ready)
	if texts, ok := e.Script(); ok || len(texts) > 0 {
		t.Errorf("after it: %q, %v", texts, ok)
	}
}

func TestWhatKeepsATransactionFromLeaving(t *testing.T) {
	for name, next := range map[string]pgproto3.FrontendMessage{
		"several statements in one text": query("SAVEPOINT a; SELECT 1"),
		"a portal":                       &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s"},
		"a limit of rows":                &pgproto3.Execute{MaxRows: 1},
	} {
		e := mobile(router.Target)
		sends(t, e, parse("s", "SELECT 1"), sync)
		hears(e, parsed, ready)
		var b Batch
		e.Examine(encode(query("BEGIN")), &b)
		e.Began(&b)
		sends(t, e, query("BEGIN"))
		hears(e, complete, readyIn)
		e.Examine(encode(next, sync), &b)
		if _, ok := e.Script(); ok && b.Against == router.None {
			t.Errorf("%s: the transaction may stay and may leave", name)
		}
	}
}

// FuzzMobile: whatever both ends say, an attended session neither crashes nor
// lets a byte of the target pass that it has not seen whole; what is forwarded
// is what came in.
func FuzzMobile(f *testing.F) {
	f.Add(encode(parse("a", "SELECT 1"), bind("a"), execute, sync), answer(parsed, bound, columns, row, complete, ready), false)
	f.Add(encode(query("BEGIN")), answer(complete, readyIn), true)
	f.Add(encode(parse("", "SET x.y = 1"), flush), answer(failed("42601")), true)
	f.Fuzz(func(t *testing.T, client, server []byte, bad bool) {
		e := mobile(router.Target)
		e.Mobile().Numbers = told{bad: bad}
		var b Batch
		e.Examine(client, &b)
		if b.Size > len(client) || b.Boundary == 0 && b.Size == 0 && len(client) > 64<<10 {
			t.Fatalf("a batch of %d of %d bytes", b.Size, len(client))
		}
		e.HoldAnswers(b.Retry)
		e.Began(&b)
		before := bytes.Clone(client)
		used, actions := e.Client(client[:b.Size], nil)
		if !bytes.Equal(before, client) || used > b.Size {
			t.Fatal("the client's bytes were changed")
		}
		for _, a := range actions {
			if a.Op == Close {
				return
			}
		}
		used, actions = e.Server(router.Target, server, nil)
		at := 0
		for _, a := range actions {
			if a.From < at || a.Upto < a.From || a.Upto > len(server) {
				t.Fatalf("a range from %d to %d behind %d", a.From, a.Upto, at)
			}
			at = a.Upto
		}
		if used > len(server) {
			t.Fatal("more was used than there is")
		}
		e.Abandon(router.Source, 'I')
		if e.Wants() > Both || e.owed.n != 0 || len(e.Mobile().queue) != 0 {
			t.Fatal("something is left")
		}
	})
}
