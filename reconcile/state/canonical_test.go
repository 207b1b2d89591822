package state

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestCanonicalForm(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"white space goes", " { \"a\" : [ 1 , true , null ] }\n", `{"a":[1,true,null]}`},
		{"names are sorted by their bytes", `{"b":1,"a":2,"é":3,"Z":4,"":5,"😀":6,"ﬁ":7}`, `{"":5,"Z":4,"a":2,"b":1,"é":3,"ﬁ":7,"😀":6}`},
		{"numbers stay as they are written", `[0,-0,1.50,1E5,1e+21,12345678901234567890]`, `[0,-0,1.50,1E5,1e+21,12345678901234567890]`},
		{"few escapes", `"\u003c\/\u00e9\ud83d\ude00\u2028\u007f"`, "\"</é😀\u2028\u007f\""},
		{"the escapes that must be", `"\"\\\b\f\n\r\t\u0000\u001F"`, `"\"\\\b\f\n\r\t\u0000\u001f"`},
		{"empty", `[{},[],""]`, `[{},[],""]`},
		{"nested", `{"x":{"d":[{"c":1,"b":2}],"a":false}}`, `{"x":{"a":false,"d":[{"b":2,"c":1}]}}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := canonical([]byte(c.in))
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestWhatHasNoCanonicalForm(t *testing.T) {
	for _, in := range []string{
		"", " ", "{", "[1", `{"a"}`, `{"a":1,}`, `[1,]`, "1 2", "nul", "NaN", `{"a":1,"a":1}`, `{"x":{"a":1,"\u0061":1}}`,
		"01", `"\x"`, strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2), `{1:2}`, `]`,
	} {
		if got, err := canonical([]byte(in)); err == nil {
			t.Errorf("%q became %s", in, got)
		}
	}
}

// known is the record of docs/evidence.md.
func known() Record {
	return Record{
		Seq: 1, Time: time.Date(2026, 1, 2, 3, 4, 5, 600000000, time.UTC),
		Actor: "ops", Act: "canary set", Object: "share",
		Before: json.RawMessage(`{"phase":"canary","share":0,"version":1}`),
		After:  json.RawMessage(`{"phase":"canary","share":0.25,"version":2}`),
		Reason: `first "step" <é>`, Door: "cli", Result: "done", Instance: "00f1e2d3c4b5a697",
		Runtime: Runtime{Version: 2, Phase: "canary", Share: 25}, Prev: origin,
	}
}

const knownText = `{"act":"canary set","actor":"ops","after":{"phase":"canary","share":0.25,"version":2},` +
	`"before":{"phase":"canary","share":0,"version":1},"door":"cli","instance":"00f1e2d3c4b5a697","object":"share",` +
	`"prev":"0000000000000000000000000000000000000000000000000000000000000000","reason":"first \"step\" <é>","result":"done",` +
	`"runtime":{"phase":"canary","share":0.25,"version":2},"seq":1,"time":"2026-01-02T03:04:05.6Z"}`

const knownHash = "b72b906353c2a85f9f2a5b705992291ed6491bd59f853bc974eed6e55c863d5c"

// TestSealOfAKnownRecord holds the form for ever: its hash was computed by
// sha256sum from the text in docs/evidence.md.
func TestSealOfAKnownRecord(t *testing.T) {
	r := known()
	m, err := r.members()
	if err != nil {
		t.Fatal(err)
	}
	delete(m, "hash")
	if got := string(m.text()); got != knownText {
		t.Errorf("got  %s\nwant %s", got, knownText)
	}
	if err := r.seal(); err != nil || r.Hash != knownHash {
		t.Errorf("got %s, %v", r.Hash, err)
	}
	line, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := VerifyLines(bytes.NewReader(line)); err != nil || v != (Verdict{Records: 1, Head: knownHash}) {
		t.Errorf("got %+v, %v", v, err)
	}
}

// FuzzCanonical: the form of a form is itself, it is JSON of the same meaning,
// and an export of anything gives a verdict.
func FuzzCanonical(f *testing.F) {
	f.Add([]byte(knownText))
	f.Add([]byte(`{"b":[1,2.50,{"x":"\u2028<\ud800"}],"a":null}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, err := VerifyLines(bytes.NewReader(text)); err != nil || (v.Broken == 0) != (v.Why == "") {
			t.Fatalf("%+v, %v", v, err)
		}
		once, err := canonical(text)
		if err != nil {
			return
		}
		if twice, err := canonical(once); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s became %s, %v", once, twice, err)
		}
		var in, out any
		if json.Unmarshal(text, &in) != nil || json.Unmarshal(once, &out) != nil {
			return // a number that no float64 holds
		}
		a, _ := json.Marshal(in)
		b, _ := json.Marshal(out)
		if !bytes.Equal(a, b) {
			t.Fatalf("%s means %s, its form %s", text, a, b)
		}
	})
}
