package drivers

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func prepared(t *testing.T) dbserver.Pair {
	t.Helper()
	pair := dbtest.Pair(t, dbserver.Options{}, nil)
	if err := Prepare(t.Context(), pair); err != nil {
		t.Fatal(err)
	}
	return pair
}

// numberOf lists what has a number on a server, "number kind name" by line.
const numberOf = `
SELECT string_agg(number || ' ' || name, E'\n') FROM (
  SELECT t.oid AS number, 'type ' || t.oid::regtype AS name FROM pg_type t WHERE t.typnamespace = 'public'::regnamespace
    AND t.typname NOT LIKE '%multirange%' AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'S')
  UNION ALL SELECT c.oid, 'relation ' || c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
  UNION ALL SELECT a.attnum, 'column ' || c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
) AS all_numbers`

// numbers gives each thing's number, and each number's type.
func numbers(t *testing.T, server *dbserver.Postgres) (of, types map[string]string) {
	t.Helper()
	text, err := server.Query(t.Context(), Database, numberOf)
	if err != nil {
		t.Fatal(err)
	}
	of, types = map[string]string{}, map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		number, name, _ := strings.Cut(line, " ")
		of[name] = number
		if strings.HasPrefix(name, "type ") {
			types[number] = name
		}
	}
	return of, types
}

func TestTheSameThingsHaveOtherNumbersOnTheOtherSide(t *testing.T) {
	pair := prepared(t)
	source, sourceTypes := numbers(t, pair.Source)
	target, targetTypes := numbers(t, pair.Target)
	shifted := 0
	for name, number := range source {
		at, there := target[name]
		switch {
		case !there:
			t.Errorf("the target has no %s", name)
		case strings.HasPrefix(name, "column "):
			if at != number {
				shifted++
			}
		case at == number:
			t.Errorf("%s has the number %s on both sides", name, number)
		}
	}
	for _, want := range []string{"type mood", "type mood[]", "type spirit", "type place", "type place[]", "type span", "type span[]", "type euro", "relation items", "relation cheap"} {
		if source[want] == "" {
			t.Errorf("the source has no %s", want)
		}
	}
	if shifted == 0 {
		t.Error("no column has another number on the other side")
	}
	met := 0
	for number, name := range sourceTypes {
		if other := targetTypes[number]; other != "" && other != name {
			met++
		}
	}
	if met == 0 {
		t.Error("no number means one type here and another there")
	}
}

func TestARunAtTheSourceIsAlwaysTheSame(t *testing.T) {
	pair := prepared(t)
	first, second := runPgx(t, pair.Source), runPgx(t, pair.Source)
	for i := range Rounds {
		if diff := cmp.Diff(first[i].Sent, second[i].Sent); diff != "" {
			t.Errorf("round %d: %s", i+1, diff)
		}
	}
}

func TestTheNumbersOfTheTargetAreSeen(t *testing.T) {
	pair := prepared(t)
	source, target := runPgx(t, pair.Source), runPgx(t, pair.Target)
	for i := range Rounds {
		for kind, what := range map[string]string{"T ": "columns", "t ": "parameters", "D ": "values"} {
			if slices.Equal(linesOf(source[i], kind), linesOf(target[i], kind)) {
				t.Errorf("round %d: the %s of the target are those of the source", i+1, what)
			}
		}
		theirs := target[i].Sections()
		for k, s := range source[i].Sections() {
			if s.plain() && s.Name != theirs[k].Name {
				t.Fatalf("round %d: section %q became %q", i+1, s.Name, theirs[k].Name)
			}
			if s.Text == theirs[k].Text && s.Name != "plain in a batch" {
				t.Errorf("round %d: in %q nothing of the target is seen", i+1, s.Name)
			}
		}
	}
}

func linesOf(r Round, kind string) []string {
	var out []string
	for line := range strings.Lines(r.Sent) {
		if strings.HasPrefix(line, kind) {
			out = append(out, line)
		}
	}
	return out
}

func runPgx(t *testing.T, server *dbserver.Postgres) []Round {
	t.Helper()
	rounds, err := Pgx().Run(t.Context(), Course{Port: server.Port()})
	if err != nil {
		t.Fatal(err)
	}
	return rounds
}

func TestARunEndsWithTheErrorOfWhoeverMovesTheShare(t *testing.T) {
	pair := prepared(t)
	stuck := errors.New("stuck")
	moves := 0
	_, err := Pgx().Run(t.Context(), Course{Port: pair.Source.Port(), Move: func(context.Context, bool) error {
		if moves++; moves == 2 {
			return stuck
		}
		return nil
	}})
	if !errors.Is(err, stuck) || moves != 2 {
		t.Errorf("the run ended with %v after %d moves", err, moves)
	}
}

func TestTheTapKeepsWhatItPassesOn(t *testing.T) {
	server, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		conn, err := server.Accept()
		if err == nil {
			_, _ = conn.Write([]byte("said by the server"))
			_ = conn.Close()
		}
	}()
	defer server.Close()
	tap, err := NewTap(t.Context(), server.Addr().(*net.TCPAddr).Port)
	if err != nil {
		t.Fatal(err)
	}
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", tap.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := tap.Bytes()
	if err != nil || len(kept) != 1 || string(kept[0]) != string(read) || string(read) != "said by the server" {
		t.Errorf("read %q, kept %q, %v", read, kept, err)
	}
	if err := errors.Join(client.Close(), tap.Close()); err != nil {
		t.Error(err)
	}
}
