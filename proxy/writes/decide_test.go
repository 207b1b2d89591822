package writes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/parse"
	"github.com/crossfade-db/crossfade/shadow"
)

func named(name string) rewrite.Name { return rewrite.Name{Schema: "public", Name: name} }

// world is a plan in the making: a source and a target, and the pairs of them.
type world struct {
	env  Env
	plan *rewrite.Plan
}

// table adds one to the source; with (nil: nothing) says what is special of it.
func (w *world) table(name string, with func(*rewrite.Table)) *rewrite.Table {
	t := &rewrite.Table{Name: named(name), Columns: []rewrite.Column{{Name: "id"}, {Name: "v"}}}
	if with != nil {
		with(t)
	}
	w.plan.Source.Tables[t.Name] = t
	w.env.Rights[t.Name] = Rights{Select: true}
	return t
}

// pair maps one to a table of the same name.
func (w *world) pair(name string, with func(*rewrite.Table)) *rewrite.Pair {
	p := &rewrite.Pair{
		Source: w.table(name, with), Cells: []rewrite.Cell{{Column: "id"}, {Column: "v"}}, Key: []int{0}, Same: true, Canary: true,
		Targets: []*rewrite.Target{{Table: &rewrite.Table{Name: named(name)}}},
	}
	w.plan.Pairs = append(w.plan.Pairs, p)
	return p
}

// refer makes one table of the source refer to another, and those of the target
// by other actions, or not at all.
func (w *world) refer(from, to, source, target string) {
	key := func(actions string) rewrite.ForeignKey {
		return rewrite.ForeignKey{From: named(from), To: named(to), Columns: []string{"v"}, Refers: []string{"id"}, OnDelete: actions[0], OnUpdate: actions[1]}
	}
	if source != "" {
		parent := w.plan.Source.Tables[named(to)]
		parent.Referenced = append(parent.Referenced, key(source))
	}
	if target == "" {
		return
	}
	for _, p := range w.plan.Pairs {
		t := p.Targets[0].Table
		switch t.Name {
		case named(from):
			t.ForeignKeys = append(t.ForeignKeys, key(target))
		case named(to):
			t.Referenced = append(t.Referenced, key(target))
		}
	}
}

func trigger(g rewrite.Trigger) func(*rewrite.Table) {
	return func(t *rewrite.Table) { t.Triggers = []rewrite.Trigger{g} }
}

func newWorld() *world {
	w := &world{plan: &rewrite.Plan{
		Source: &rewrite.Schema{
			Tables:   map[rewrite.Name]*rewrite.Table{},
			Volatile: map[string][]string{"act": {"public"}, "!!": {"public"}, "checked": {"public"}}, RowCalls: map[string]bool{"act": true},
		},
		Target: &rewrite.Schema{},
	}}
	w.env = Env{Plan: w.plan, Path: []string{"pg_temp_3", "pg_catalog", "public"}, Temporary: []string{"scratch", "shaded"}, Rights: map[rewrite.Name]Rights{}}
	for _, name := range []string{"users", "orders", "groups", "members", "teams", "players", "codes", "uses", "shaded"} {
		w.pair(name, nil)
	}
	w.pair("other", nil).Same = false
	w.pair("kept", nil).Canary = false
	w.pair("audited", trigger(rewrite.Trigger{Insert: true}))
	w.pair("stamped", trigger(rewrite.Trigger{Update: true, Before: true}))
	w.pair("watched", trigger(rewrite.Trigger{Delete: true}))
	w.pair("emptied", trigger(rewrite.Trigger{Truncate: true}))
	w.pair("late", trigger(rewrite.Trigger{Insert: true, Deferred: true}))
	w.pair("ruled", func(t *rewrite.Table) { t.Rules = true })
	w.pair("heirs", func(t *rewrite.Table) { t.Inherits = true })
	w.pair("foreigner", func(t *rewrite.Table) { t.Kind = rewrite.ForeignTable })
	w.pair("parted", func(t *rewrite.Table) { t.Kind = rewrite.PartitionedTable })
	w.table("part", func(t *rewrite.Table) { t.Parent = named("parted") })
	w.pair("policed", nil)
	w.env.Rights[named("policed")] = Rights{Select: true, RowSecurity: true}
	w.pair("unseen", nil)
	w.env.Rights[named("unseen")] = Rights{}
	w.table("plain", nil)
	w.table("busy", trigger(rewrite.Trigger{Insert: true}))
	w.table("window", func(t *rewrite.Table) { t.Kind = rewrite.View })
	w.table("owners", nil)
	w.table("active", func(t *rewrite.Table) { t.Kind, t.ReadActs = rewrite.View, true })
	w.table("matter", func(t *rewrite.Table) { t.Kind, t.ReadActs = rewrite.MaterializedView, true })
	w.table("guessed", func(t *rewrite.Table) { t.WriteActs = true })
	w.pair("ascertained", func(t *rewrite.Table) { t.WriteActs = true })
	w.table("ring", nil)
	w.table("other_ring", trigger(rewrite.Trigger{Truncate: true}))
	for from, to := range map[string]string{"ring": "other_ring", "other_ring": "ring"} {
		w.refer(from, to, "aa", "")
	}
	w.plan.Source.Types = map[uint32]*rewrite.Type{
		90001: {OID: 90001, Name: named("mood")}, 90002: {OID: 90002, Name: rewrite.Name{Schema: "types", Name: "_pair"}, Element: 90003},
		90003: {OID: 90003, Name: rewrite.Name{Schema: "types", Name: "pair"}, Fields: []uint32{23, 90001}},
	}
	w.pair("typed", func(t *rewrite.Table) {
		t.Columns[1].Type, t.Uses = 90002, []rewrite.Name{named("calm")}
		t.Keys = []rewrite.Key{{Name: "typed_pkey", Columns: []string{"id"}}}
	})
	w.refer("orders", "users", "ca", "ca")
	w.refer("members", "groups", "", "na")
	w.refer("players", "teams", "ca", "na")
	w.refer("uses", "codes", "ac", "ac")
	w.refer("users", "owners", "ca", "")
	return w
}

// spelled is all of a plan that a reader of the table below should see.
func spelled(p *Plan) string {
	words := []string{p.Class.String()}
	if p.Why != Captured {
		words = append(words, string(p.Why))
	}
	if p.Class == Capture || p.Class == Truncate {
		words = append(words, [...]string{"inserted", "updated", "merged", "deleted", "truncated"}[p.Kind])
	}
	if p.Pair != nil {
		words = append(words, p.Pair.Source.Name.Name)
	}
	if p.Old {
		words = append(words, "old")
	}
	if p.Watch {
		words = append(words, "watch")
	}
	for _, list := range []struct {
		word  string
		pairs []*rewrite.Pair
	}{{"same", p.Same}, {"moves", p.Moves}, {"loses", p.Loses}, {"pairs", p.Pairs}} {
		var names []string
		for _, pair := range list.pairs {
			names = append(names, pair.Source.Name.Name)
		}
		if len(names) > 3 {
			names = []string{"all"}
		}
		if names != nil {
			words = append(words, list.word+"="+strings.Join(names, ","))
		}
	}
	if p.Reloads {
		words = append(words, "reloads")
	}
	return strings.Join(words, " ")
}

func decided(t *testing.T, text string, env *Env) *Plan {
	t.Helper()
	st, err := parse.Analyse([]byte(text), parse.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return Decide(st, env)
}

func TestHowAStatementIsMirrored(t *testing.T) {
	w := newWorld()
	for _, test := range []struct{ text, want string }{
		{"SELECT * FROM users", "pass"},
		{"SELECT calm(), pg_catalog.now()", "pass"},
		{"SELECT act() FROM users", "probe function watch"},
		{"SELECT other.act()", "pass"},
		{"SET search_path = public", "pass"},
		{"EXECUTE mine", "probe execute watch"},
		{"BEGIN", "control"},
		{"SAVEPOINT a", "control"},
		{"DO 'BEGIN END'", "body body"},
		{"CALL act()", "body body"},

		{"INSERT INTO users VALUES (1, 2)", "capture inserted users"},
		{"INSERT INTO public.users SELECT id, v FROM plain", "capture inserted users"},
		{"INSERT INTO users VALUES (1, act())", "capture inserted users watch"},
		{"INSERT INTO users VALUES (1, 2) ON CONFLICT DO NOTHING", "capture merged users"},
		{"INSERT INTO users VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET v = 3", "capture merged users"},
		{"INSERT INTO users VALUES (1, 2) ON CONFLICT (v) DO UPDATE SET id = 3", "probe key_change users watch"},
		{"INSERT INTO audited VALUES (1, 2)", "capture inserted audited watch"},
		{"INSERT INTO stamped VALUES (1, 2)", "capture inserted stamped"},
		{"INSERT INTO stamped VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET v = 3", "capture merged stamped watch"},
		{"INSERT INTO part VALUES (1, 2)", "capture inserted parted"},
		{"INSERT INTO shaded VALUES (1, 2)", "probe unknown_table watch"},
		{"INSERT INTO public.shaded VALUES (1, 2)", "capture inserted shaded"},
		{"INSERT INTO nowhere VALUES (1)", "probe unknown_table watch"},

		{"UPDATE users SET v = 2", "capture updated users"},
		{"UPDATE users SET id = 2", "capture updated users old moves=users,orders"},
		{"UPDATE groups SET id = 2", "capture updated groups old moves=groups,members"},
		{"UPDATE codes SET v = 2", "capture updated codes"},
		{"UPDATE codes SET (v, id) = (2, 2)", "capture updated codes old watch same=uses moves=codes,uses"},
		{"UPDATE orders SET id = 2", "capture updated orders old"},
		{"UPDATE stamped SET v = 2", "capture updated stamped old watch"},
		{"UPDATE audited SET v = 2", "capture updated audited"},

		{"DELETE FROM users", "capture deleted users watch same=orders"},
		{"DELETE FROM orders", "capture deleted orders"},
		{"DELETE FROM groups", "capture deleted groups loses=members"},
		{"DELETE FROM teams", "capture deleted teams watch loses=players"},
		{"DELETE FROM codes", "capture deleted codes"},
		{"DELETE FROM watched", "capture deleted watched watch"},

		{"UPDATE ruled SET v = 2", "probe rule ruled watch"},
		{"UPDATE heirs SET v = 2", "probe inheritance heirs watch"},
		{"UPDATE foreigner SET v = 2", "probe view foreigner watch"},
		{"UPDATE policed SET v = 2", "probe row_security policed watch"},
		{"UPDATE unseen SET v = 2", "probe right unseen watch"},
		{"UPDATE late SET v = 2", "probe deferred_trigger late watch pairs=all"},
		{"MERGE INTO users USING orders ON users.id = orders.id WHEN MATCHED THEN DELETE", "probe merge users watch"},
		{"WITH a AS (DELETE FROM orders RETURNING id) UPDATE users SET v = 2", "probe writing_cte users watch"},
		{"WITH a AS (DELETE FROM orders RETURNING id) SELECT FROM a", "probe writing_cte watch"},
		{"WITH a AS (DELETE FROM plain RETURNING id) SELECT FROM a", "pass"},
		{"WITH a AS (DELETE FROM plain RETURNING id) SELECT act() FROM a", "probe writing_cte watch"},

		{"INSERT INTO plain VALUES (1, 2)", "pass"},
		{"INSERT INTO plain VALUES (1, act())", "probe function watch"},
		{"INSERT INTO busy VALUES (1, 2)", "probe trigger watch"},
		{`INSERT INTO "window" VALUES (1, 2)`, "probe trigger watch"},
		{"DELETE FROM owners", "probe trigger watch"},
		{"WITH a AS (DELETE FROM users RETURNING id) INSERT INTO plain SELECT id, 1 FROM a", "probe writing_cte watch"},

		{"TRUNCATE orders", "truncate truncated pairs=orders"},
		{"TRUNCATE users, plain, groups", "truncate truncated pairs=users,groups"},
		{"TRUNCATE users CASCADE", "truncate truncated pairs=users,orders"},
		{"TRUNCATE owners CASCADE", "truncate truncated pairs=users,orders"},
		{"TRUNCATE plain", "pass"},
		{"TRUNCATE emptied", "probe trigger watch pairs=emptied"},
		{"TRUNCATE part", "probe inheritance watch pairs=parted"},
		{"TRUNCATE heirs", "probe inheritance watch pairs=heirs"},
		{"TRUNCATE nowhere", "probe unknown_table watch"},

		{"TRUNCATE ring CASCADE", "probe trigger watch"},

		{"SELECT * FROM active", "probe function watch"},
		{"SELECT * FROM matter", "pass"},
		{"SELECT * FROM nowhere", "probe unknown_table watch"},
		{"SELECT * FROM scratch", "pass"},
		{"SELECT * FROM pg_temp.scratch", "pass"},
		{"SELECT 1 !! 2", "probe function watch"},
		{"SELECT 1 OPERATOR(other.!!) 2", "pass"},
		{"SELECT 1::checked", "probe function watch"},
		{"SELECT u.act FROM users u", "probe function watch"},
		{"SELECT u.id FROM users u", "pass"},
		{"EXPLAIN SELECT act()", "pass"},
		{"EXPLAIN ANALYZE SELECT act()", "probe function watch"},
		{"EXPLAIN EXECUTE mine", "pass"},
		{"INSERT INTO users SELECT * FROM active", "capture inserted users watch"},
		{"INSERT INTO ascertained VALUES (1, 2)", "capture inserted ascertained watch"},
		{"INSERT INTO guessed VALUES (1, 2)", "probe trigger watch"},
		{"INSERT INTO plain SELECT * FROM active", "probe function watch"},
		{"DECLARE c CURSOR FOR SELECT * FROM users", "pass"},
		{"DECLARE c CURSOR FOR SELECT * FROM active", "probe function watch pairs=all"},
		{"DECLARE c CURSOR WITH HOLD FOR SELECT act()", "probe function watch pairs=all"},
		{"FETCH c", "pass"},

		{"COPY users FROM STDIN", "copy copy users"},
		{"COPY plain FROM STDIN WHERE act() > 1", "copy trigger pairs=all"},
		{"COPY guessed FROM STDIN", "copy trigger pairs=all"},
		{"COPY owners FROM STDIN", "pass"},
		{"COPY ruled FROM STDIN", "copy copy ruled"},
		{"COPY orders FROM STDIN", "copy copy orders"},
		{"COPY audited FROM STDIN", "copy trigger audited pairs=all"},
		{"COPY plain FROM STDIN", "pass"},
		{"COPY busy FROM STDIN", "copy trigger pairs=all"},
		{"COPY users TO STDOUT", "pass"},
		{"COPY (SELECT act()) TO STDOUT", "probe function watch"},
		{"ALTER TABLE users ADD COLUMN w int", "definition pairs=users reloads"},
		{"DROP TABLE plain, orders", "definition pairs=orders reloads"},
		{"DROP TABLE plain", "pass reloads"},
		{"CREATE TABLE more AS SELECT act()", "probe function watch reloads"},
		{"CREATE TABLE more AS SELECT * FROM active", "probe function watch reloads"},
		{"CREATE TABLE more (id int)", "pass reloads"},
		{"CREATE TEMP TABLE more (id int)", "pass"},
		{"REFRESH MATERIALIZED VIEW matter", "probe function watch reloads"},
		{"CREATE INDEX ON users (id)", "pass reloads"},
		{"CREATE TRIGGER t AFTER INSERT ON users EXECUTE FUNCTION f()", "definition pairs=users reloads"},
		{"CREATE TRIGGER t AFTER INSERT ON plain EXECUTE FUNCTION f()", "pass reloads"},
		{"DROP TRIGGER t ON users", "definition pairs=users reloads"},
		{"CREATE POLICY p ON users USING (true)", "definition pairs=users reloads"},
		{"CREATE RULE r AS ON INSERT TO users DO INSTEAD NOTHING", "definition pairs=users reloads"},
		{"CREATE OR REPLACE FUNCTION calm() RETURNS int LANGUAGE sql AS 'SELECT 1'", "pass reloads"},
		{"DROP FUNCTION calm() CASCADE", "definition pairs=typed reloads"},
		{"DROP FUNCTION calm()", "pass reloads"},
		{"DROP FUNCTION other.calm() CASCADE", "pass reloads"},
		{"ALTER TYPE mood ADD VALUE 'x'", "definition pairs=typed reloads"},
		{"ALTER TYPE other.mood ADD VALUE 'x'", "pass reloads"},
		{"DROP TYPE types.pair CASCADE", "definition pairs=typed reloads"},
		{"DROP SCHEMA types CASCADE", "definition pairs=typed reloads"},
		{"DROP SCHEMA nothing CASCADE", "pass reloads"},
		{"ALTER SCHEMA public RENAME TO private", "definition pairs=all reloads"},
		{"DROP OWNED BY somebody", "definition pairs=all reloads"},
		{"DROP EXTENSION something CASCADE", "definition pairs=all reloads"},
		{"DROP INDEX typed_pkey", "definition pairs=typed reloads"},
		{"DROP INDEX another", "pass reloads"},
		{"ALTER TABLE plain ADD x int DEFAULT act()", "probe function watch reloads"},
		{"GRANT SELECT ON users TO PUBLIC", "pass reloads"},
	} {
		if got := spelled(decided(t, test.text, &w.env)); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.text, got, test.want)
		}
	}
}

func TestSeveralStatementsInAText(t *testing.T) {
	w := newWorld()
	for _, test := range []struct{ text, want, parts string }{
		{"SELECT 1; SELECT 2", "pass", "pass, pass"},
		{"INSERT INTO users VALUES (1, 2); UPDATE orders SET v = 3", "sequence pairs=users,orders", "capture, capture"},
		{"INSERT INTO plain VALUES (1, 2); DELETE FROM plain", "pass", "pass, pass"},
		{"BEGIN; INSERT INTO users VALUES (1, 2); COMMIT", "verbatim several pairs=users", "control, capture, control"},
		{"SET a.b = 1; INSERT INTO users VALUES (1, 2)", "verbatim several pairs=users", "pass, capture"},
		{"INSERT INTO users VALUES (1, 2); CALL act()", "verbatim several pairs=users", "capture, body"},
		{"TRUNCATE users; INSERT INTO orders VALUES (1, 2)", "sequence pairs=users,orders", "truncate, capture"},
	} {
		p := decided(t, test.text, &w.env)
		var parts []string
		for _, part := range p.Parts {
			parts = append(parts, part.Class.String())
		}
		if got := spelled(p); got != test.want || strings.Join(parts, ", ") != test.parts {
			t.Errorf("%s\ngot  %s: %s\nwant %s: %s", test.text, got, strings.Join(parts, ", "), test.want, test.parts)
		}
	}
	for text, want := range map[string]bool{"BEGIN; SELECT 1; COMMIT": true, "BEGIN; INSERT INTO plain VALUES (1, 2)": true, "BEGIN; SELECT act()": false, "BEGIN; DELETE FROM users": false} {
		if p := decided(t, text, &w.env); p.Harmless() != want {
			t.Errorf("%s: harmless is %v", text, !want)
		}
	}
}

func TestWhatTheTargetCannotAnswer(t *testing.T) {
	w := newWorld()
	for _, test := range []struct {
		text  string
		want  Apart
		reads string
	}{
		{"SELECT FROM users JOIN public.orders USING (id)", Together, "public.users,public.orders"},
		{"SELECT FROM users a, users b", Together, "public.users"},
		{"SELECT FROM pg_class", Unmapped, ""},
		{"SELECT FROM users, plain", Unmapped, "public.users"},
		{"SELECT FROM scratch", Unmapped, ""},
		{"SELECT FROM shaded", Unmapped, ""},
		{"SELECT FROM window_of_nothing", Unmapped, ""},
		{"SELECT FROM other", Shape, "public.other"},
		{"SELECT FROM part", Shape, "public.parted"},
		{"SELECT FROM kept", Kept, "public.kept"},
		{"SELECT FROM users FOR UPDATE", Locks, "public.users"},
		{"SELECT act() FROM users", WritesIt, "public.users"},
		{"DELETE FROM users USING orders", WritesIt, "public.orders,public.users"},
		{"SELECT FROM users; SELECT FROM kept", Kept, "public.users,public.kept"},
	} {
		p := decided(t, test.text, &w.env)
		if got := strings.Join(p.Tables(), ","); p.Apart != test.want || got != test.reads {
			t.Errorf("%s\ngot  %d %s\nwant %d %s", test.text, p.Apart, got, test.want, test.reads)
		}
	}
}

func TestASessionThatCannotBeCaptured(t *testing.T) {
	w := newWorld()
	role, encoded := w.env, w.env
	role.Role, encoded.Encoded = true, true
	strange := w.env
	strange.Rights = nil
	for _, test := range []struct {
		env  *Env
		want Why
	}{{&role, WhyRole}, {&encoded, WhyEncoding}, {&strange, WhyRight}, {&w.env, Captured}} {
		p := decided(t, "UPDATE users SET v = 1", test.env)
		if p.Why != test.want || p.Watch != (test.want != Captured) {
			t.Errorf("got %s, want %s", p.Why, test.want)
		}
	}
	if p := Decide(nil, &w.env); p.Class != Probe || p.Why != WhyUnread || p.Apart != Unmapped {
		t.Errorf("a text that is not understood: %s", spelled(p))
	}
}

func TestWhatACapturedStatementReturns(t *testing.T) {
	w := newWorld()
	p := decided(t, `UPDATE users AS "U" SET v = 1`, &w.env)
	want := `["U"."id" "U"."v" pg_catalog.txid_current() "U".tableoid] ["U"."id"]`
	if got := fmt.Sprint(p.Returned(), p.KeyColumns()); got != want || p.Kind != shadow.Updated {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
