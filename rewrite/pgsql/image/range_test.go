package image

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/rewrite"
)

// between runs a text of a range between two keys, nil for an open end.
func (j *journey) between(side int, text func(low, high bool) string, low, high [][]byte, limit int) [][][]byte {
	j.t.Helper()
	types, out := KeyTypes(j.p), KeyFormats(j.p)
	if side == source {
		types = SourceKeyTypes(j.p)
	}
	var stated []uint32
	var values [][]byte
	var in []int16
	for _, end := range [][][]byte{low, high} {
		if end != nil {
			stated, values, in = append(stated, types...), append(values, end...), append(in, out...)
		}
	}
	stated, in = append(stated, int8), append(in, 1)
	values = append(values, binary.BigEndian.AppendUint64(nil, uint64(limit)))
	result, err := j.run(side, text(low != nil, high != nil), stated, values, in, out)
	if err != nil {
		j.t.Fatalf("%s\n%v", text(low != nil, high != nil), err)
	}
	return result.Rows
}

func TestRangesAreOpenBelowAndClosedAbove(t *testing.T) {
	tests := []struct {
		name, ddl, key, targetDDL string
		text                      string
	}{
		{"a number", "CREATE TABLE t (k int PRIMARY KEY); INSERT INTO t SELECT generate_series(-3, 4)", "k", "CREATE TABLE t (k bigint PRIMARY KEY)", ""},
		{
			"several columns, in another order at the target",
			`CREATE TABLE t (a int, b text COLLATE "C", c date, PRIMARY KEY (b, a, c));
			INSERT INTO t SELECT a, b, date '2024-01-01' + c FROM generate_series(1, 2) a, unnest(ARRAY['B', 'a']) b, generate_series(0, 1) c`,
			"b a c", `CREATE TABLE t (a bigint, b varchar(9) COLLATE "C", c date, PRIMARY KEY (a, c, b))`, "",
		},
		{
			"a key that travels as text",
			"CREATE TABLE t (a uuid, b int, PRIMARY KEY (a, b)); INSERT INTO t SELECT md5(a::text)::uuid, b FROM generate_series(1, 4) a, generate_series(1, 2) b",
			"a b", "CREATE TABLE t (a uuid, b int, PRIMARY KEY (a, b))", "a",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := open(t, test.ddl, test.targetDDL).journey(shape{table: "t", key: test.key, text: test.text, targets: []into{{table: "t"}}})
			images := j.images()
			j.each(j.texts[0].Upsert, images)
			if !j.texts[0].Ordered || len(images) != 8 {
				t.Errorf("Ordered is %v, images %d", j.texts[0].Ordered, len(images))
			}
			ranges(t, j, images)
		})
	}
}

func ranges(t *testing.T, j *journey, images []rewrite.Image) {
	t.Helper()
	keys := make([][][]byte, len(images))
	for i := range images {
		keys[i] = j.key(images[i])
	}
	tests := []struct{ low, high, limit, from, upto int }{
		{-1, -1, 100, 0, 8}, {-1, -1, 3, 0, 3}, {2, -1, 100, 3, 8}, {2, -1, 2, 3, 5}, {-1, 5, 100, 0, 6}, {2, 5, 100, 3, 6}, {2, 5, 1, 3, 4}, {5, 5, 9, 6, 6},
	}
	for _, x := range tests {
		var low, high [][]byte
		if x.low >= 0 {
			low = keys[x.low]
		}
		if x.high >= 0 {
			high = keys[x.high]
		}
		want := keys[x.from:x.upto]
		for name, got := range map[string][][][]byte{
			"target": j.between(target, j.texts[0].RangeText, low, high, x.limit),
			"source": j.between(source, j.source.Keys, low, high, x.limit),
		} {
			if len(got) != len(want) || len(want) > 0 && cmp.Diff(want, got) != "" {
				t.Errorf("%s (%d, %d] limit %d: %d keys, want %d: %s", name, x.low, x.high, x.limit, len(got), len(want), cmp.Diff(want, got))
			}
		}
	}
}

func TestAKeyThatTheSourceCannotHaveIsNull(t *testing.T) {
	j := open(t, "CREATE TABLE t (k int, s smallint, PRIMARY KEY (k, s))", `CREATE TABLE t (k bigint, s numeric, PRIMARY KEY (k, s));
		INSERT INTO t VALUES (1, 1), (1, 1.5), (2, 40000), (3000000000, 2), (3000000001, 'NaN')`).
		journey(shape{table: "t", key: "k s", targets: []into{{table: "t"}}})
	got := lines(j.between(target, j.texts[0].RangeText, nil, nil, 100))
	want := []string{"\x00\x00\x00\x01|\x00\x01", "\x00\x00\x00\x01|~", "\x00\x00\x00\x02|~", "~|\x00\x02", "~|~"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAChunkLeavesOutWhatAnotherHolds(t *testing.T) {
	j := open(t, plainDDL, plainDDL).journey(shape{table: "t", key: "id", targets: []into{{table: "t"}}})
	j.set("(1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')")
	other := j.connect(source)
	exec(t, other, "BEGIN; UPDATE t SET n = 0 WHERE id = 2")
	j.exec(source, "BEGIN")
	rows := j.chunk(j.source.Chunk(false, false))
	if keys := j.between(source, j.source.Keys, nil, nil, 9); len(rows) != 2 || len(keys) != 3 {
		t.Errorf("a chunk of %d rows, %d keys", len(rows), len(keys))
	}
	exec(t, other, "SET lock_timeout = '1ms'")
	if err := other.Exec(t.Context(), "UPDATE t SET n = 0 WHERE id = 1").Close(); code(err) != "55P03" {
		t.Errorf("a row of the chunk is not locked: %v", err)
	}
	j.exec(source, "COMMIT")
}

// chunk runs a text of Source.Chunk without bounds in the transaction that there is.
func (j *journey) chunk(text string) [][][]byte {
	j.t.Helper()
	result, err := j.run(source, text, []uint32{int8}, [][]byte{[]byte("9")}, nil, Formats(j.p))
	if err != nil {
		j.t.Fatal(err)
	}
	return result.Rows
}

func TestOrderIsBelievedOnlyWhereItIsTheSame(t *testing.T) {
	tests := []struct {
		name, source, target string
		want                 bool
	}{
		{"whole numbers", "k smallint", "k bigint", true},
		{"a number that becomes numeric", "k int", "k numeric(20,0)", true},
		{"a uuid", "k uuid", "k uuid", true},
		{"text of the database's collation", "k text", "k text", false},
		{"text by bytes", `k text COLLATE "C"`, `k varchar COLLATE "POSIX"`, true},
		{"text by bytes on one side", `k text COLLATE "C"`, "k text", false},
		{"char, which is not compared like text", `k char(3) COLLATE "C"`, `k char(3) COLLATE "C"`, false},
		{"a number that becomes text", "k int", `k text COLLATE "C"`, false},
		{"an enum", "k e", "k e", false},
	}
	ddl := [2]string{"CREATE TYPE e AS ENUM ('a');", "CREATE TYPE e AS ENUM ('a');"}
	for i, test := range tests {
		for side, column := range [2]string{test.source, test.target} {
			ddl[side] += "CREATE TABLE " + number("t", i) + " (" + column + ", PRIMARY KEY (k));"
		}
	}
	l := open(t, ddl[:]...)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := l.of(t).journey(shape{table: number("t", i), key: "k", targets: []into{{table: number("t", i)}}})
			if got := j.texts[0].Ordered; got != test.want {
				t.Errorf("Ordered is %v", got)
			}
		})
	}
}

func TestAReaderThatAPolicyFiltersFails(t *testing.T) {
	j := open(t, plainDDL+`CREATE ROLE image_reader; GRANT SELECT, UPDATE ON t TO image_reader; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
		CREATE POLICY p ON t USING (id = 1)`, plainDDL).journey(shape{table: "t", key: "id", targets: []into{{table: "t"}}})
	j.exec(source, "SET ROLE image_reader; BEGIN")
	j.exec(source, Pinned)
	result := j.conns[source].ExecParams(t.Context(), j.source.Plain, [][]byte{{0, 0, 0, 2}}, SourceKeyTypes(j.p), KeyFormats(j.p), nil).Read()
	if code(result.Err) != "42501" {
		t.Errorf("the row is hidden: %d rows, %v", len(result.Rows), result.Err)
	}
	j.exec(source, "ROLLBACK; RESET ROLE; DROP TABLE t; DROP ROLE image_reader")
}
