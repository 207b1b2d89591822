package proxy

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"
)

// say is what a client of these conversations sends.
type say = pgproto3.FrontendMessage

func query(sql string) say  { return &pgproto3.Query{String: sql} }
func parsed(sql string) say { return &pgproto3.Parse{Query: sql} }
func data(text string) say  { return &pgproto3.CopyData{Data: []byte(text)} }

var (
	bind    say = &pgproto3.Bind{}
	descP   say = &pgproto3.Describe{ObjectType: 'P'}
	descS   say = &pgproto3.Describe{ObjectType: 'S'}
	execute say = &pgproto3.Execute{}
	oneRow  say = &pgproto3.Execute{MaxRows: 1}
	syncUp  say = &pgproto3.Sync{}
	flush   say = &pgproto3.Flush{}
	done    say = &pgproto3.CopyDone{}
	fail    say = &pgproto3.CopyFail{Message: "enough"}
)

const copyIn = "COPY copied FROM STDIN"

// conversations that are said to the server directly and through the proxy,
// all messages at once: the answers must be the same bytes.
var conversations = []struct {
	name string
	says []say
}{
	{"a simple query", []say{query("SELECT 1, 'two', NULL")}},
	{"an empty query", []say{query("")}},
	{"several statements in one query", []say{query("SELECT 1; SELECT 2; SELECT 3")}},
	{"an error in the middle of a query", []say{query("SELECT 1; SELECT 1/0; SELECT 2")}},
	{"a syntax error", []say{query("SELEKT 1")}},
	{"notices", []say{query("DO $$BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two' USING DETAIL = 'd', HINT = 'h'; END$$")}},
	{"a changed parameter", []say{query("SET application_name TO 'new'; SET client_encoding TO 'LATIN1'")}},
	{"transactions", []say{query("BEGIN"), query("SELECT 1"), query("SAVEPOINT a"), query("SELECT 1/0"), query("SELECT 1"), query("ROLLBACK TO a"), query("COMMIT")}},
	{"an extended query", []say{parsed("SELECT 1"), descS, bind, descP, execute, syncUp}},
	{"an extended query that is empty", []say{parsed(""), bind, descP, execute, syncUp}},
	{"a row limit", []say{query("BEGIN"), parsed("SELECT generate_series(1, 3)"), bind, oneRow, oneRow, flush, oneRow, oneRow, syncUp, query("COMMIT")}},
	{"a pipeline", []say{parsed("SELECT 1"), bind, execute, parsed("SELECT 2"), bind, execute, syncUp, parsed("SELECT 3"), bind, execute, syncUp}},
	{"an error in a pipeline", []say{parsed("SELECT 1"), bind, execute, parsed("SELECT 1/0"), bind, execute, parsed("SELECT 2"), bind, execute, syncUp, parsed("SELECT 3"), bind, execute, syncUp}},
	{"a query that is skipped after an error", []say{parsed("SELEKT"), query("SELECT 'skipped'"), syncUp}},
	{"statements with names", []say{&pgproto3.Parse{Name: "n", Query: "SELECT $1::int"}, &pgproto3.Describe{ObjectType: 'S', Name: "n"}, &pgproto3.Bind{PreparedStatement: "n", Parameters: [][]byte{[]byte("7")}}, execute, &pgproto3.Close{ObjectType: 'S', Name: "n"}, syncUp}},
	{"a name that does not exist", []say{&pgproto3.Bind{PreparedStatement: "nobody"}, execute, syncUp}},
	{"a function call", []say{&pgproto3.FunctionCall{Function: 89, ArgFormatCodes: []uint16{}, Arguments: [][]byte{}, ResultFormatCode: 0}}},
	{"copy in, simple", []say{query(copyIn), data("1\n"), data("2\n"), done}},
	{"copy in, simple, ended by the client", []say{query(copyIn), data("1\n"), fail}},
	{"copy in, simple, that fails", []say{query(copyIn), data("x\n"), data("2\n"), done}},
	{"copy in, simple, that fails, and other queries", []say{query(copyIn), data("x\n"), done, query("SELECT 1")}},
	{"copy in with Flush and Sync inside", []say{query(copyIn), data("1\n"), flush, syncUp, data("2\n"), done}},
	{"copy in, extended", []say{parsed(copyIn), bind, execute, syncUp, data("1\n"), done, syncUp}},
	{"copy in, extended, without the first Sync", []say{parsed(copyIn), bind, execute, data("1\n"), done, syncUp}},
	{"copy in, extended, ended by the client", []say{parsed(copyIn), bind, execute, syncUp, fail, syncUp}},
	{"copy in, extended, that fails", []say{parsed(copyIn), bind, execute, syncUp, data("x\n"), data("2\n"), done, syncUp}},
	{"two copies in one query", []say{query(copyIn + ";" + copyIn), data("1\n"), done, data("2\n"), done}},
	{"copy messages outside of a COPY", []say{done, data("x"), fail, query("SELECT 1"), done}},
	{"copy out", []say{query("COPY (SELECT generate_series(1, 5)) TO STDOUT")}},
	{"copy out, extended", []say{parsed("COPY (SELECT generate_series(1, 5)) TO STDOUT"), bind, execute, syncUp}},
	{"copy out that fails", []say{query("COPY (SELECT 1/(3-i) FROM generate_series(1, 5) i) TO STDOUT")}},
	{"cursors", []say{query("BEGIN; DECLARE c CURSOR FOR SELECT generate_series(1, 5)"), query("FETCH 2 FROM c"), query("FETCH ALL FROM c; CLOSE c; COMMIT")}},
	{"an error at the end of a transaction", []say{query("BEGIN; INSERT INTO deferred VALUES (1), (1)"), query("COMMIT")}},
	{"an error at a Sync", []say{parsed("INSERT INTO deferred VALUES (2), (2)"), bind, execute, syncUp}},
	{"SQL PREPARE and EXECUTE", []say{query("PREPARE p AS SELECT $1::int; EXECUTE p(1); DEALLOCATE p")}},
}

func TestTheSameBytesAsDirect(t *testing.T) {
	for _, sql := range []string{
		"CREATE TABLE IF NOT EXISTS copied (id int)",
		"CREATE TABLE IF NOT EXISTS deferred (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
	} {
		if err := postgres.Exec(t.Context(), "app", sql); err != nil {
			t.Fatal(err)
		}
	}
	proxy := newProxy(t, nil)
	for _, c := range conversations {
		t.Run(c.name, func(t *testing.T) {
			direct := answers(t, postgres.Addr(), c.says, false)
			for _, oneByOne := range []bool{false, true} {
				if diff := cmp.Diff(direct, answers(t, proxy.addr, c.says, oneByOne)); diff != "" {
					t.Errorf("one write per message: %v (-direct +proxy):\n%s", oneByOne, diff)
				}
			}
		})
	}
}

// answers says everything, then asks for a last row, and returns the messages
// up to it.
func answers(t *testing.T, addr string, says []say, oneByOne bool) (said []string) {
	t.Helper()
	r := dialRaw(t, addr, nil)
	var all bytes.Buffer
	for _, m := range append(says[:len(says):len(says)], syncUp, query("SELECT 'the end'")) {
		text, err := m.Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
		if oneByOne {
			if _, err := r.Write(all.Next(all.Len())); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := r.Write(all.Bytes()); err != nil {
		t.Fatal(err)
	}
	for end := false; ; {
		m, err := r.Receive()
		if err != nil {
			return append(said, err.Error())
		}
		text, err := m.Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, string(text))
		end = end || bytes.Contains(text, []byte("the end"))
		if end && text[0] == 'Z' {
			return said
		}
	}
}
