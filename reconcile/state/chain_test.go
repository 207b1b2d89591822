package state

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// tamper does to a closed database what somebody with its file can do.
func tamper(t *testing.T, dir string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, statement := range append([]string{"DROP TRIGGER acts_stay", "DROP TRIGGER acts_stay_as_they_are"}, statements...) {
		result, err := db.ExecContext(t.Context(), statement)
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		if n, _ := result.RowsAffected(); n == 0 && !strings.HasPrefix(statement, "DROP") {
			t.Fatalf("%s: met no row", statement)
		}
	}
}

// verifyFile looks at a database that Open may refuse.
func verifyFile(t *testing.T, dir string) Verdict {
	t.Helper()
	s := &Store{path: filepath.Join(dir, "state.db")}
	var err error
	if s.read, err = connect(s.path, "_pragma=query_only(1)"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.read.Close() }()
	return mustVerify(t, s)
}

const length = 9 // of the chains that are tampered with

var tampered = []struct {
	name   string
	sql    []string
	broken uint64
}{
	{"the time", []string{"UPDATE acts SET time = '2026-01-02T03:04:05Z' WHERE seq = 5"}, 5},
	{"the form of the time", []string{"UPDATE acts SET time = replace(time, 'Z', '+00:00') WHERE seq = 5"}, 5},
	{"the actor", []string{"UPDATE acts SET actor = 'somebody' WHERE seq = 5"}, 5},
	{"the door", []string{"UPDATE acts SET door = 'http' WHERE seq = 5"}, 5},
	{"the act", []string{"UPDATE acts SET act = 'abort' WHERE seq = 5"}, 5},
	{"the object", []string{"UPDATE acts SET object = '' WHERE seq = 5"}, 5},
	{"before", []string{`UPDATE acts SET before = '{"phase":"canary","share":0.05,"version":3}' WHERE seq = 5`}, 5},
	{"before, to what is not JSON", []string{`UPDATE acts SET before = '{' WHERE seq = 5`}, 5},
	{"before, with a name twice", []string{`UPDATE acts SET before = '{"share":1,' || substr(before, 2) WHERE seq = 5`}, 5},
	{"after", []string{"UPDATE acts SET after = 'null' WHERE seq = 5"}, 5},
	{"after, by one digit", []string{"UPDATE acts SET after = replace(after, '0.04', '0.05') WHERE seq = 5"}, 5},
	{"the reason", []string{"UPDATE acts SET reason = reason || ' ' WHERE seq = 5"}, 5},
	{"the result", []string{"UPDATE acts SET result = 'refused' WHERE seq = 5"}, 5},
	{"the instance", []string{"UPDATE acts SET instance = '0000000000000000' WHERE seq = 5"}, 5},
	{"the version", []string{"UPDATE acts SET version = 9 WHERE seq = 5"}, 5},
	{"the phase", []string{"UPDATE acts SET phase = 'mirror' WHERE seq = 5"}, 5},
	{"the share", []string{"UPDATE acts SET share = 10000 WHERE seq = 5"}, 5},
	{"the share, out of range", []string{"UPDATE acts SET share = 65536 + share WHERE seq = 5"}, 5},
	{"prev", []string{"UPDATE acts SET prev = hash WHERE seq = 5"}, 5},
	{"the hash", []string{"UPDATE acts SET hash = prev WHERE seq = 5"}, 5},
	{"the number", []string{"UPDATE acts SET seq = 100 WHERE seq = 5"}, 5},
	{"the number, below zero", []string{"UPDATE acts SET seq = -5 WHERE seq = 5"}, 5},
	{"the first record", []string{"UPDATE acts SET reason = 'x' WHERE seq = 1"}, 1},
	{"the last record", []string{"UPDATE acts SET reason = 'x' WHERE seq = 9"}, 9},
	{"a record deleted", []string{"DELETE FROM acts WHERE seq = 5"}, 5},
	{"the first deleted", []string{"DELETE FROM acts WHERE seq = 1"}, 1},
	{"the end cut", []string{"DELETE FROM acts WHERE seq > 6"}, 7},
	{"everything deleted", []string{"DELETE FROM acts"}, 1},
	{"the middle cut and the rest moved up", []string{"DELETE FROM acts WHERE seq IN (4, 5)", "UPDATE acts SET seq = seq - 2 WHERE seq > 5"}, 4},
	{"two records exchanged", []string{"UPDATE acts SET seq = -1 WHERE seq = 4", "UPDATE acts SET seq = 4 WHERE seq = 5", "UPDATE acts SET seq = 5 WHERE seq = -1"}, 4},
	{"a record doubled at the end", []string{"INSERT INTO acts SELECT 10, " + strings.TrimPrefix(columns, "seq, ") + " FROM acts WHERE seq = 9"}, 10},
	{"the head set back", []string{"UPDATE head SET seq = 8, hash = (SELECT hash FROM acts WHERE acts.seq = 8)"}, 9},
	{"the hash of the head", []string{"UPDATE head SET hash = (SELECT hash FROM acts WHERE acts.seq = 8)"}, 9},
}

func TestWhoeverAltersTheChainIsFound(t *testing.T) {
	for _, c := range tampered {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir)
			fill(t, s, length)
			if v := mustVerify(t, s); v.Records != length || v.Broken != 0 {
				t.Fatalf("before: %+v", v)
			}
			mustClose(t, s)
			tamper(t, dir, c.sql...)
			if v := verifyFile(t, dir); v.Broken != c.broken || v.Why == "" {
				t.Errorf("want %d, got %+v", c.broken, v)
			}
		})
	}
}

func TestAnActThatWasMadeAnewBreaksTheNext(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	fill(t, s, length)
	records, err := s.Records(t.Context(), Query{After: 4, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	forged := records[0]
	forged.Reason = "another"
	if err := forged.seal(); err != nil {
		t.Fatal(err)
	}
	tamper(t, dir, "UPDATE acts SET reason = 'another', hash = '"+forged.Hash+"' WHERE seq = 5")
	if v := verifyFile(t, dir); v.Broken != 6 {
		t.Errorf("got %+v", v)
	}
}

func TestTheTriggersKeepActsFromAccidents(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	fill(t, s, 3)
	for _, statement := range []string{"UPDATE acts SET reason = ''", "DELETE FROM acts WHERE seq = 3"} {
		if _, err := s.write.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "acts are never") {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// export is the chain of a new directory as JSON Lines.
func export(t *testing.T, n int) []string {
	t.Helper()
	s := mustOpen(t, t.TempDir())
	fill(t, s, n)
	var out bytes.Buffer
	if err := s.Export(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	want := mustVerify(t, s)
	if got, err := VerifyLines(bytes.NewReader(out.Bytes())); err != nil || got != want || got.Records != uint64(n) {
		t.Fatalf("the database is %+v, its export %+v, %v", want, got, err)
	}
	return strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// edits are done to the fifth of nine lines, or to all of them.
var edits = []struct {
	name   string
	edit   func(lines []string) []string
	broken uint64
}{
	{"nothing", func(l []string) []string { return l }, 0},
	{"other white space, order and escapes", func(l []string) []string { return rewritten(l) }, 0},
	{"an actor", func(l []string) []string { l[4] = strings.Replace(l[4], `"ops"`, `"aud"`, 1); return l }, 5},
	{"a number written otherwise", func(l []string) []string { l[4] = strings.Replace(l[4], `"share":0.04`, `"share":0.040`, 1); return l }, 5},
	{"a member added", func(l []string) []string { l[4] = `{"approved":true,` + l[4][1:]; return l }, 5},
	{"a member in capitals", func(l []string) []string { l[4] = `{"Actor":"aud",` + l[4][1:]; return l }, 5},
	{"a member twice", func(l []string) []string { l[4] = `{"actor":"aud",` + l[4][1:]; return l }, 5},
	{"a line deleted", func(l []string) []string { return append(l[:4], l[5:]...) }, 5},
	{"the first line deleted", func(l []string) []string { return l[1:] }, 1},
	{"a line doubled", func(l []string) []string { return append(l[:5], l[4:]...) }, 6},
	{"two lines exchanged", func(l []string) []string { l[4], l[5] = l[5], l[4]; return l }, 5},
	{"a line torn", func(l []string) []string { l[4] = l[4][:40]; return l[:5] }, 5},
	{"an empty line", func(l []string) []string { l[4] = "\n" + l[4]; return l }, 5},
	{"two records in a line", func(l []string) []string { l[4] = strings.TrimSpace(l[4]) + l[5]; return l }, 5},
	{"a line that is no object", func(l []string) []string { l[4] = "7\n"; return l }, 5},
	{"a line that is a list", func(l []string) []string { l[4] = "[" + strings.TrimSpace(l[4]) + "]\n"; return l }, 5},
	{"a constant that is not JSON", func(l []string) []string { l[4] = strings.Replace(l[4], `"share":0.04`, `"share":NaN`, 1); return l }, 5},
	{"half a surrogate", func(l []string) []string { l[4] = strings.Replace(l[4], `"done"`, `"\ud800"`, 1); return l }, 5},
	{"a line without end", func(l []string) []string { l[4] = strings.Repeat(" ", maxLine+1) + l[4]; return l }, 5},
}

// rewritten says the same in other bytes.
func rewritten(lines []string) []string {
	var out []string
	for _, line := range lines {
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		var record map[string]any
		if err := d.Decode(&record); err != nil {
			panic(err)
		}
		text, err := json.Marshal(record) // sorted, with HTML escaped
		if err != nil {
			panic(err)
		}
		out = append(out, " "+strings.ReplaceAll(string(text), `,"`, ` , "`)+"\r\n")
	}
	return out
}

func TestWhoeverAltersAnExportIsFound(t *testing.T) {
	lines := export(t, length)
	for _, c := range edits {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Join(c.edit(append([]string{}, lines...)), "")
			v, err := VerifyLines(strings.NewReader(text))
			if err != nil || v.Broken != c.broken || (v.Why == "") != (c.broken == 0) {
				t.Errorf("want %d, got %+v, %v", c.broken, v, err)
			}
		})
	}
}

// TestTheVerifierInPythonAgrees needs python3; the vectors of the canonical
// form, which both are held to, are in TestSealOfAKnownRecord.
func TestTheVerifierInPythonAgrees(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	lines := export(t, length)
	for _, c := range edits {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Join(c.edit(append([]string{}, lines...)), "")
			ours, err := VerifyLines(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			want := "ok: " + strconv.FormatUint(ours.Records, 10) + " records, head " + ours.Head + "\n"
			if ours.Broken != 0 {
				want = "broken at record " + strconv.FormatUint(ours.Broken, 10) + ":"
			}
			got, code := runPython(t, python, text)
			if !strings.HasPrefix(got, want) || (code != 0) != (ours.Broken != 0) {
				t.Errorf("want %q, got %q, exit %d", want, got, code)
			}
		})
	}
}

func runPython(t *testing.T, python, text string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), python, filepath.Join("..", "..", "docs", "verify_acts.py"))
	cmd.Stdin = strings.NewReader(text)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if stderr.Len() > 0 {
		t.Errorf("python says: %s", stderr.String())
	}
	return stdout.String(), cmd.ProcessState.ExitCode()
}
