package proxy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// loaded are the tables of these tests.
var loaded = []string{
	"CREATE TABLE things (id int PRIMARY KEY, name text, n numeric DEFAULT 1)",
	"CREATE TABLE named (a text, v int, b uuid, made int GENERATED ALWAYS AS (v + 1) STORED, PRIMARY KEY (b, a))",
	"CREATE TABLE odd (id numeric PRIMARY KEY, v int)",
	"CREATE TABLE counted (id serial PRIMARY KEY, v int)",
	"CREATE TABLE strange (id int PRIMARY KEY, v int)",
	"CREATE TABLE parts (id bigint, v int, region text, PRIMARY KEY (region, id)) PARTITION BY LIST (region)",
	"CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a')",
	"CREATE TABLE parts_b (region text NOT NULL, gone int, v int, id bigint NOT NULL)",
	"ALTER TABLE parts_b DROP COLUMN gone",
	"ALTER TABLE parts ATTACH PARTITION parts_b FOR VALUES IN ('b')",
	"CREATE TABLE plain (id int)",
	"CREATE FUNCTION shifts() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id = NEW.id + 100; RETURN NEW; END'",
	"CREATE TRIGGER shifts BEFORE INSERT ON strange FOR EACH ROW EXECUTE FUNCTION shifts()",
}

const loadedTables = "things, named, odd, counted, strange, parts"

func newLoaded(t *testing.T) *mirrored {
	t.Helper()
	n := newMirrored(t, loaded, loaded, nil, nil)
	n.letIn("trusted")
	return n
}

// emptied empties the tables on both sides and forgets what was dirty.
func (n *mirrored) emptied(t testing.TB) {
	t.Helper()
	for _, c := range n.direct {
		do(t, c, "TRUNCATE "+loadedTables)
	}
	n.journal.mu.Lock()
	n.journal.all = nil
	n.journal.mu.Unlock()
}

// keysOf are the rows of a table at a side by their keys, as keys travel.
func (n *mirrored) keysOf(t testing.TB, side router.Side, pair *rewrite.Pair) map[rewrite.RowKey]string {
	t.Helper()
	sql := "SELECT "
	for _, i := range pair.Key {
		sql += rewrite.Quote(pair.Cells[i].Column) + ", "
	}
	conn := n.direct[side].PgConn()
	r := conn.ExecParams(t.Context(), sql+"t::text FROM "+pair.Source.Name.SQL()+" AS t", nil, nil, nil, []int16{1}).Read()
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	rows := map[rewrite.RowKey]string{}
	for _, row := range r.Rows {
		k := len(row) - 1
		rows[rewrite.KeyFrom(row[:k])] = string(row[k])
	}
	return rows
}

// differing are the keys of the rows that are not alike on both sides.
func (n *mirrored) differing(t testing.TB, pair *rewrite.Pair) []rewrite.RowKey {
	t.Helper()
	source, target := n.keysOf(t, router.Source, pair), n.keysOf(t, router.Target, pair)
	var keys []rewrite.RowKey
	for key, row := range source {
		if target[key] != row {
			keys = append(keys, key)
		}
	}
	for key := range target {
		if _, there := source[key]; !there {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// dirtyKeys are the keys of a table that are dirty one by one.
func (l *ledger) dirtyKeys(table string) []rewrite.RowKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	var keys []rewrite.RowKey
	for _, i := range l.all {
		if i.outcome == shadow.Both || i.outcome == shadow.Neither {
			continue
		}
		for _, t := range i.Tables {
			if t.Table == table {
				keys = append(keys, t.Keys...)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// exactly says that the dirty keys are those that differ, and no table is.
func (n *mirrored) exactly(t testing.TB) {
	t.Helper()
	n.settled(t)
	if _, whole := n.journal.dirty(); len(whole) > 0 {
		t.Errorf("dirty as a whole: %v", whole)
	}
	for _, pair := range n.mapped.Load().Plan.Pairs {
		if diff := gocmp.Diff(n.differing(t, pair), n.journal.dirtyKeys(pair.Name()), keysAlike); diff != "" {
			t.Errorf("%s (-differ +dirty):\n%s", pair.Name(), diff)
		}
	}
}

var keysAlike = gocmp.Transformer("nil", func(s []rewrite.RowKey) []string {
	all := []string{}
	for _, k := range s {
		all = append(all, string(k))
	}
	return all
})

const someUUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"

// loads are what clients copy; keys is how many are dirty then.
var loads = []struct {
	name   string
	script []step
	keys   int
}{
	{"text", []step{{query("COPY things (id, name) FROM STDIN"), data("1\ta\n-2\t\\N\n"), done}}, 2},
	{"text without a list of columns", []step{{query("COPY named FROM STDIN"), data("a\\tb\t1\t" + someUUID + "\n\\x41\\101é\t2\t" + someUUID + "\n"), done}}, 2},
	{"the key in another order", []step{{query("COPY public.named (b, v, a) FROM STDIN (DELIMITER ';')"), data(someUUID + ";7;x\\;y\n"), done}}, 1},
	{"an end in the data", []step{{query("COPY things FROM STDIN"), data("1\ta\t1\n\\.\n"), data("rest\n"), done}}, 1},
	{"CSV", []step{{query("COPY things (name, id) FROM STDIN WITH (FORMAT csv, HEADER)"), data("name,id\n\"a\nb\",\"4\"\n\"say \"\"x\"\"\", 5\n"), done}}, 2},
	{"CSV with all marks", []step{{query(`COPY named (a, b) FROM STDIN WITH (FORMAT csv, DELIMITER '|', QUOTE '''', ESCAPE '\', NULL 'none')`), data(`'a\'|b\\'|` + someUUID + "\r\n" + `'none'|` + someUUID + "\r\n"), done}}, 2},
	{"rows that are filtered", []step{{query("COPY things (id) FROM STDIN WHERE id < 9"), data("1\n2\n3\n"), done}}, 3},
	{"no rows", []step{{query("COPY things FROM STDIN"), done}}, 0},
	{"rows and messages that end elsewhere", []step{{query("COPY things (id, name) FROM STDIN"), data("1"), data("2\tx"), data(""), data("y\n1"), data("3\tz"), done}}, 2},
	{"Flush and Sync in the middle", []step{{query("COPY things (id) FROM STDIN"), data("1\n"), flush, syncUp, data("2\n"), done}}, 2},
	{"the extended protocol", []step{{parsed("COPY things (id) FROM STDIN"), bind, execute, data("1\n"), done, syncUp}}, 1},
	{"the extended protocol with a Flush", []step{{parsed("COPY things (id) FROM STDIN"), bind, execute, flush, data("1\n"), done, flush, syncUp}}, 1},
	{"a prepared statement", []step{{parseAs("s", "COPY things (id) FROM STDIN"), syncUp}, {bindTo("s"), execute, data("1\n"), done, syncUp}, {bindTo("s"), execute, data("2\n"), done, syncUp}}, 2},
	{"one behind the other", []step{{query("COPY things (id) FROM STDIN"), data("1\n"), done, query("COPY things (id) FROM STDIN"), data("2\n"), done, query("INSERT INTO things VALUES (3)")}}, 2},
	{"a write before one and behind it", []step{{query("INSERT INTO things VALUES (1)"), query("COPY things (id) FROM STDIN"), data("2\n"), done, query("INSERT INTO things VALUES (3)"), parsed("INSERT INTO things VALUES (4)"), bind, execute, syncUp}}, 1},
	{"one that fails and one that does not", []step{{query("COPY things (id) FROM STDIN"), data("1\n1\n"), done, query("COPY things (id) FROM STDIN"), data("2\n"), done}}, 1},
	{"one that fails", []step{{query("COPY things (id) FROM STDIN"), data("1\nx\n"), done}}, 0},
	{"one that fails at once", []step{{query("COPY things (nothing) FROM STDIN"), data("1\n"), done}}, 0},
	{"one that the client ends", []step{{query("COPY things (id) FROM STDIN"), data("1\n"), fail}}, 0},
	{"an extended one that fails", []step{{parsed("COPY things (id) FROM STDIN"), bind, execute, data("1\nx\n"), done, syncUp}, q("SELECT 1")}, 0},
	{"an extended one that the client ends", []step{{parsed("COPY things (id) FROM STDIN"), bind, execute, data("1\n"), fail, syncUp}}, 0},
	{"a transaction", []step{q("BEGIN"), q("INSERT INTO things VALUES (1)"), {query("COPY things (id) FROM STDIN"), data("2\n"), done}, {parsed("COPY named (a, b) FROM STDIN"), bind, execute, data("x\t" + someUUID + "\n"), done, syncUp}, q("INSERT INTO counted VALUES (7)"), q("COMMIT")}, 2},
	{"a transaction that is rolled back", []step{q("BEGIN"), {query("COPY things (id) FROM STDIN"), data("2\n"), done}, q("ROLLBACK"), q("INSERT INTO things VALUES (1)")}, 0},
	{"a savepoint behind one that fails", []step{q("BEGIN"), q("SAVEPOINT a"), {query("COPY things (id) FROM STDIN"), data("1\n1\n"), done}, q("ROLLBACK TO a"), {query("COPY things (id) FROM STDIN"), data("2\n"), done}, q("RELEASE a"), q("COMMIT")}, 1},
	{"TRUNCATE and FREEZE", []step{q("INSERT INTO things VALUES (1), (2)"), q("BEGIN"), q("TRUNCATE things"), {query("COPY things (id) FROM STDIN (FREEZE)"), data("2\n3\n"), done}, q("COMMIT")}, 2},
	{"rows that are deleted again", []step{q("INSERT INTO things VALUES (1)"), q("BEGIN"), q("DELETE FROM things"), {query("COPY things FROM STDIN"), data("1\tnew\t5\n"), done}, q("COMMIT")}, 1},
	{"a partitioned table", []step{{query("COPY parts FROM STDIN"), data("1\t2\ta\n2\t2\tb\n"), done}}, 2},
	{"a partition", []step{{query("COPY parts_b FROM STDIN"), data("b\t7\t3\n"), done}}, 1},
}

func TestMirrorCopyLeavesTheKeysOfItsRows(t *testing.T) {
	n := newLoaded(t)
	for _, c := range loads {
		t.Run(c.name, func(t *testing.T) {
			n.emptied(t)
			speaker := speakTo(t, n.addr, map[string]string{"database": n.database})
			for _, says := range c.script {
				speaker.exact(t, says...)
			}
			n.settled(t)
			keys, _ := n.journal.dirty()
			total := 0
			for _, count := range keys {
				total += count
			}
			if total != c.keys {
				t.Errorf("%d keys are dirty, want %d", total, c.keys)
			}
			if c.name == "rows that are filtered" {
				n.emptied(t)
			}
			n.exactly(t)
		})
	}
}

func TestMirrorCopyThatCannotBeReadLeavesTheTable(t *testing.T) {
	n := newLoaded(t)
	for _, c := range []struct {
		name, table string
		script      []step
	}{
		{"a type that is written in several ways", "public.odd", []step{{query("COPY odd FROM STDIN"), data("1e3\t1\n"), done}}},
		{"a key that is not in it", "public.counted", []step{{query("COPY counted (v) FROM STDIN"), data("5\n"), done}}},
		{"a trigger before it", "public.strange", []step{{query("COPY strange FROM STDIN"), data("1\t1\n"), done}}},
		{"another encoding", "public.named", []step{q("SET client_encoding = 'LATIN1'"), {query("COPY named (a, b) FROM STDIN"), data("\xc3\xa9\t" + someUUID + "\n"), done}}},
		{"an encoding of its own", "public.named", []step{{query("COPY named (a, b) FROM STDIN (ENCODING 'LATIN1')"), data("\xc3\xa9\t" + someUUID + "\n"), done}}},
		{"lines that end otherwise", "public.things", []step{{query("COPY things (id) FROM STDIN"), data("1\r2\r"), done}}},
		{"a number in another form, in a transaction", "public.things", []step{q("BEGIN"), {query("COPY things (id) FROM STDIN"), data("1\t\n"), done}, q("ROLLBACK"), q("BEGIN"), {query("COPY things (id) FROM STDIN"), data("1\n\\x32\\n\n"), done}, q("COMMIT")}},
		{"more keys than are remembered", "public.named", []step{{query("COPY named (a, b) FROM STDIN"), data(longKeys(2500)), done}}},
		{"a COPY behind a write of its table", "public.things", []step{{parsed("INSERT INTO things VALUES (1)"), bind, execute, parsed("COPY things (id) FROM STDIN"), bind, execute, data("3\n"), done, syncUp}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.emptied(t)
			speaker := speakTo(t, n.addr, map[string]string{"database": n.database})
			for _, says := range c.script {
				speaker.exact(t, says...)
			}
			n.settled(t)
			keys, whole := n.journal.dirty()
			slices.Sort(whole)
			if whole = slices.Compact(whole); !slices.Contains(whole, c.table) {
				t.Errorf("dirty are %v and the keys %v", whole, keys)
			}
			for _, pair := range n.mapped.Load().Plan.Pairs {
				if len(n.differing(t, pair)) > 0 && !slices.Contains(whole, pair.Name()) {
					t.Errorf("%s differs", pair.Name())
				}
			}
		})
	}
}

// longKeys are rows whose keys take 2 kB each.
func longKeys(rows int) string {
	random := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	for range rows {
		for range 125 { // the server's indexes take no more of what cannot be compressed
			fmt.Fprintf(&b, "%016x", random.Uint64())
		}
		b.WriteString("\t" + someUUID + "\n")
	}
	return b.String()
}

// Where messages are cut, and the bytes on the wire, makes no difference.
func TestMirrorCopyCutAtEveryByte(t *testing.T) {
	n := newLoaded(t)
	const rows = "\"a\"\"b\n\"," + someUUID + ",1\r\n\"é,\"," + someUUID + ",2\r\n"
	const text = "COPY named (a, b, v) FROM STDIN CSV"
	for _, begins := range [][]say{
		{query(text)},
		{parsed(text), bind, execute, flush},
		{parsed(text), bind, descP, execute, syncUp},
		{query("BEGIN"), query(text)},
		{query("BEGIN"), parsed(text), bind, execute, flush},
	} {
		t.Run(spelled(begins), func(t *testing.T) {
			for size := 1; size <= len(rows); size += 1 + size/3 {
				n.emptied(t)
				n.cutCopy(t, begins, rows, size)
				n.exactly(t)
				if keys, _ := n.journal.dirty(); keys["public.named"] != 2 {
					t.Fatalf("cut at %d: %v", size, keys)
				}
			}
		})
	}
}

// A table that is not mapped is copied on the fast lane, cut as the others.
func TestMirrorCopyOfAnotherTableCutAtEveryByte(t *testing.T) {
	n := newLoaded(t)
	for _, begins := range [][]say{
		{query("COPY plain FROM STDIN")},
		{parsed("COPY plain FROM STDIN"), bind, execute, flush},
		{query("BEGIN"), parsed("COPY plain FROM STDIN"), bind, execute, flush},
	} {
		n.cutCopy(t, begins, "1\n2\n", 1)
	}
	if got := one[int](t, n.direct[router.Source], "SELECT count(*) FROM plain"); got != 6 {
		t.Errorf("%d rows", got)
	}
	n.clean(t)
}

// cutCopy copies rows in messages, and writes, of a size.
func (n *mirrored) cutCopy(t *testing.T, begins []say, rows string, size int) {
	t.Helper()
	r := dialRaw(t, n.addr, map[string]string{"database": n.database})
	defer func() { _ = r.Close() }()
	for _, m := range begins {
		r.Send(m)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.until(t, 'G')
	ends := cut(rows, size)
	if _, simple := begins[len(begins)-1].(*pgproto3.Query); !simple {
		ends = append(ends, syncUp)
	}
	var wire []byte
	for _, m := range ends {
		wire, _ = m.Encode(wire)
	}
	for part := range slices.Chunk(wire, size) {
		if _, err := r.Conn.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	r.until(t, 'Z')
	r.Send(&pgproto3.Query{String: "COMMIT"})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.until(t, 'Z')
}

func cut(rows string, size int) (says []say) {
	for part := range slices.Chunk([]byte(rows), size) {
		says = append(says, data(string(part)))
	}
	return append(says, done)
}

func TestMirrorCopyOfADriver(t *testing.T) {
	n := newLoaded(t)
	conn := n.client(t)
	const rows = 50_000
	do(t, conn, "INSERT INTO counted VALUES (3, 4)")
	source := pgx.CopyFromSlice(rows, func(i int) ([]any, error) { return []any{i, strings.Repeat("n", i%50)}, nil })
	copied, err := conn.CopyFrom(t.Context(), pgx.Identifier{"things"}, []string{"id", "name"}, source)
	if err != nil || copied != rows {
		t.Fatalf("%d, %v", copied, err)
	}
	n.exactly(t)
	if keys, _ := n.journal.dirty(); keys["public.things"] != rows {
		t.Errorf("dirty: %v", keys)
	}
	n.equal(t, "counted")
}

// A gigabyte would take too long here; what is held does not hang on it.
func TestMirrorCopyHoldsNothingOfItsData(t *testing.T) {
	n := newLoaded(t)
	conn := n.client(t)
	line := []byte("\t" + strings.Repeat("x", 8000) + "\n")
	const rows = 8_000
	reader, writer := io.Pipe()
	go func() {
		for i := range rows {
			if _, err := writer.Write(append([]byte(itoa(i)), line...)); err != nil {
				return
			}
		}
		_ = writer.Close()
	}()
	most := int64(0)
	tag, err := conn.PgConn().CopyFrom(t.Context(), readerFunc(func(p []byte) (int, error) {
		most = max(most, n.Stats().BufferBytes)
		return reader.Read(p)
	}), "COPY things (id, name) FROM STDIN")
	if err != nil || tag.RowsAffected() != rows {
		t.Fatalf("%v, %v", tag, err)
	}
	n.exactly(t)
	if most > 8*largeBuffer {
		t.Errorf("%d bytes in buffers", most)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
