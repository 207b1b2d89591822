package copyin_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/copyin"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
)

// Types of the columns, by their numbers (pg_type.dat).
var types = map[string]uint32{
	"int8": 20, "int2": 21, "int4": 23, "text": 25, "varchar(4)": 1043, "date": 1082, "timestamp": 1114,
	"timestamptz": 1184, "uuid": 2950, "numeric": 1700, "timestamp(0)": 1114,
}

// column is one of a table of the tests.
func column(name, typ string) *rewrite.Column {
	c := &rewrite.Column{Name: name, Type: types[typ], Typmod: -1}
	switch typ {
	case "varchar(4)":
		c.Typmod = 4 + 4
	case "timestamp(0)":
		c.Typmod = 0
	}
	return c
}

// table is v, k, w text, whose key is k, or the columns given.
func table(types ...string) (columns []*rewrite.Column, key []string) {
	columns = []*rewrite.Column{column("v", "text")}
	for i, typ := range types {
		name := string(rune('a' + i))
		columns = append(columns, column(name, typ))
		key = append(key, name)
	}
	return append(columns, column("w", "text")), key
}

// options are those of a COPY with that text behind STDIN.
func options(t testing.TB, text string) *rewrite.Copy {
	t.Helper()
	st, err := parse.Analyse([]byte("COPY t FROM STDIN "+text), parse.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return st.Copy
}

// read reads data that comes in parts of a size.
func read(f *copyin.Form, data []byte, size int) (keys []rewrite.RowKey, err error) {
	r := f.Read(func(k rewrite.RowKey) { keys = append(keys, k) })
	for part := range slices.Chunk(data, max(1, size)) {
		_, _ = r.Write(part) // Close says it again
	}
	return keys, r.Close()
}

func TestWhatCannotBeReadHasNoForm(t *testing.T) {
	for _, test := range []struct {
		name, options string
		types         []string
		ok            bool
	}{
		{"text", "", []string{"int4"}, true},
		{"two columns", "CSV", []string{"int4", "uuid"}, true},
		{"binary", "BINARY", []string{"timestamptz"}, true},
		{"a type that is written in several ways", "", []string{"numeric"}, false},
		{"a type that rounds", "", []string{"timestamp(0)"}, false},
		{"one of two columns", "", []string{"int4", "numeric"}, false},
		{"another encoding", "(ENCODING 'LATIN1')", []string{"int4"}, false},
		{"the same encoding", "(ENCODING 'utf-8')", []string{"int4"}, true},
		{"rows that are skipped", "(ON_ERROR ignore)", []string{"int4"}, false},
		{"an option of later", "(TURBO)", []string{"int4"}, false},
		{"a null that is a number", "(NULL 5)", []string{"int4"}, false},
		{"every column forced", "(FORMAT csv, FORCE_NULL *)", []string{"int4"}, false},
		{"an escape that is the delimiter", "(FORMAT csv, ESCAPE ',')", []string{"int4"}, false},
		{"an escape that is a newline", `(FORMAT csv, ESCAPE E'\n')`, []string{"int4"}, false},
		{"rows that are filtered", "WHERE a > 5", []string{"int4"}, true},
	} {
		columns, key := table(test.types...)
		if _, ok := copyin.FormOf(options(t, test.options), columns, key); ok != test.ok {
			t.Errorf("%s: %v", test.name, ok)
		}
	}
	columns, _ := table("int4")
	if _, ok := copyin.FormOf(options(t, ""), columns[:1], []string{"a"}); ok {
		t.Error("the key is not in the data")
	}
	if _, ok := copyin.FormOf(options(t, ""), columns, nil); ok {
		t.Error("there is no key")
	}
}

// What is not certain is said, and not guessed; servers take some of it.
func TestWhatIsNotCertainIsSaid(t *testing.T) {
	for _, test := range []struct{ name, options, typ, data string }{
		{"NULL", "", "text", "v\t\\N\tw\n"},
		{"NULL in CSV", "CSV", "text", "v,,w\n"},
		{"NULL, also in quotes", "(FORMAT csv, FORCE_NULL (a))", "text", "v,\"\",w\n"},
		{"a default", `(DEFAULT '\D')`, "text", "v\t\\D\tw\n"},
		{"a default in CSV behind a header in quotes", `(FORMAT csv, HEADER, DEFAULT '\D')`, "text", "v,a,\"w\"\nv,\\D,w\n"},
		{"a default behind a value in quotes", `(FORMAT csv, DEFAULT '\D')`, "text", "\"v\",\\D,w\n"},
		{"lines that end with a carriage return", "", "text", "v\ta\tw\rv\tb\tw\r"},
		{"lines of two kinds", "", "text", "v\ta\tw\nv\tb\tw\r\n"},
		{"too few values", "", "text", "v\ta\n"},
		{"too many values", "", "text", "v\ta\tw\tx\n"},
		{"bytes that are no characters", "", "text", "v\t\\xff\tw\n"},
		{"a zero byte", "", "text", "v\t\\0\tw\n"},
		{"an end in the middle of a line", "", "text", "v\ta\\.\n"},
		{"an end of CSV", "CSV", "text", "v,a,w\n\\.\n"},
		{"quotes that do not end", "CSV", "text", "v,\"a,w\n"},
		{"an escape at the end", "", "text", "v\ta\tw\\"},
		{"a number in another base", "", "int4", "v\t0x1F\tw\n"},
		{"a number with underscores", "", "int4", "v\t1_000\tw\n"},
		{"a number that is too large", "", "int2", "v\t32768\tw\n"},
		{"a value that is longer than its type", "", "varchar(4)", "v\tabcde\tw\n"},
		{"a value that loses spaces", "", "varchar(4)", "v\tabcd \tw\n"},
		{"a UUID in braces", "", "uuid", "v\t{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}\tw\n"},
		{"a date by DateStyle", "", "date", "v\t01/02/2024\tw\n"},
		{"a date of today", "", "date", "v\ttoday\tw\n"},
		{"a time by TimeZone", "", "timestamptz", "v\t2024-01-01 00:00:00\tw\n"},
		{"a time that is rounded", "", "timestamp", "v\t2024-01-01 00:00:00.1234567\tw\n"},
		{"no binary data", "BINARY", "int4", "v\t1\tw\n"},
		{"a key that is longer than any", "", "text", "v\t" + string(make([]byte, 300<<10)) + "\tw\n"},
	} {
		columns, key := table(test.typ)
		form, ok := copyin.FormOf(options(t, test.options), columns, key)
		if !ok {
			t.Errorf("%s: no form", test.name)
			continue
		}
		for _, size := range []int{len(test.data), 1} {
			if keys, err := read(form, []byte(test.data), size); !errors.Is(err, copyin.ErrUnsure) {
				t.Errorf("%s: %q, %v", test.name, keys, err)
			}
		}
	}
}

// FuzzRead demands that where the data is cut makes no difference.
func FuzzRead(f *testing.F) {
	for _, seed := range []struct {
		form int
		data string
	}{
		{0, "v\ta\\x41\\101\tw\nv\t\\\\\tw\n\\.\n"},
		{1, "v;'a''b\n';w\r\n;b;\r\n"},
		{2, "h,h,h\n\"v\\\"\",\"a\\\\\",w\n"},
		{3, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x01x\x00\x03\x00\x00\x00\x01v\x00\x00\x00\x01a\xff\xff\xff\xff\xff\xff"},
		{4, "v\t 12\tw\nv\t-7 \tw\n"},
	} {
		f.Add(seed.form, []byte(seed.data), 3)
	}
	var forms []*copyin.Form
	for _, o := range []struct{ options, typ string }{
		{"", "text"},
		{"(FORMAT csv, DELIMITER ';', QUOTE '''')", "text"},
		{`(FORMAT csv, HEADER, ESCAPE '\')`, "text"},
		{"BINARY", "text"},
		{"", "int4"},
		{"CSV", "timestamptz"},
		{"CSV", "uuid"},
	} {
		columns, key := table(o.typ)
		form, ok := copyin.FormOf(options(f, o.options), columns, key)
		if !ok {
			f.Fatal(o)
		}
		forms = append(forms, form)
	}
	f.Fuzz(func(t *testing.T, n int, data []byte, size int) {
		form := forms[uint(n)%uint(len(forms))]
		keys, err := read(form, data, len(data))
		for _, size := range []int{1, size} {
			again, err2 := read(form, data, size)
			if !errors.Is(err, err2) || err == nil && !slices.Equal(keys, again) {
				t.Fatalf("%q in parts of %d: %q %v, whole: %q %v", data, size, again, err2, keys, err)
			}
		}
	})
}
