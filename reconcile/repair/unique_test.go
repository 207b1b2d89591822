package repair

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

const unique = "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v text)"

// Race 3: the unique value of a row is taken by another row of the target.
func TestARowInTheWayIsRepairedFirst(t *testing.T) {
	cases := []struct {
		name           string
		source, target string
		dirty          int
	}{
		{"it has another value at the source", "(1,10,'a'),(2,20,'b')", "(2,10,'b')", 1},
		{"it is gone at the source", "(1,10,'a')", "(2,10,'b')", 1},
		{"a chain of three", "(1,10,'a'),(2,20,'b'),(3,30,'c')", "(2,10,'b'),(3,20,'c')", 1},
		{"two that are exchanged", "(1,10,'a'),(2,20,'b')", "(1,20,'a'),(2,10,'b')", 1},
		{"four in a circle", "(1,10,'a'),(2,20,'b'),(3,30,'c'),(4,40,'d')", "(1,40,'a'),(2,10,'b'),(3,20,'c'),(4,30,'d')", 3},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newField(t, setup{both: unique})
			f.super(router.Source, "INSERT INTO t VALUES "+c.source)
			f.super(router.Target, "INSERT INTO t VALUES "+c.target)
			f.dirty("public.t", "", shadow.CauseRequested, key(c.dirty))
			f.one(Wrote)
			f.same(whole)
		})
	}
}

// Rows that others refer to cannot be taken away: their values are.
func TestValuesThatAreExchangedOfRowsThatOthersReferTo(t *testing.T) {
	for column, values := range map[string][2]string{
		"int UNIQUE": {"10", "20"}, "int NOT NULL UNIQUE": {"10", "20"}, "text NOT NULL UNIQUE": {"'a'", "'b'"}, "varchar(6) NOT NULL UNIQUE": {"'a'", "'b'"},
		"uuid NOT NULL UNIQUE": {"'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"},
		"date NOT NULL UNIQUE": {"'2026-01-01'", "'2026-01-02'"}, "timestamptz NOT NULL UNIQUE": {"'2026-01-01'", "'2026-01-02'"}, "numeric(8,2) NOT NULL UNIQUE": {"1", "2"},
	} {
		t.Run(column, func(t *testing.T) {
			f := newField(t, setup{both: "CREATE TABLE t (id int PRIMARY KEY, u " + column + ", v text); CREATE TABLE c (id int PRIMARY KEY, t int REFERENCES t)"})
			f.super(router.Source, "INSERT INTO t VALUES (1, "+values[0]+", 'a'), (2, "+values[1]+", 'b')", "INSERT INTO c VALUES (1, 1), (2, 2)")
			f.super(router.Target, "INSERT INTO t VALUES (1, "+values[1]+", 'a'), (2, "+values[0]+", 'b')", "INSERT INTO c VALUES (1, 1), (2, 2)")
			f.dirty("public.t", "", shadow.CauseRequested, key(1))
			f.one(Wrote)
			f.same(whole)
		})
	}
}

func TestACircleTooLargeForOneTransactionIsADivergence(t *testing.T) {
	f := newField(t, setup{both: unique})
	var source, target []string
	for n := range mostMembers + 2 {
		source = append(source, fmt.Sprintf("(%d,%d,'')", n, n))
		target = append(target, fmt.Sprintf("(%d,%d,'')", n, (n+1)%(mostMembers+2)))
	}
	f.super(router.Source, "INSERT INTO t VALUES "+strings.Join(source, ","))
	f.super(router.Target, "INSERT INTO t VALUES "+strings.Join(target, ","))
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	for range triesMost + 2 {
		f.one(Obstructed)
	}
	f.rejected(uniqueKey, "t_u_key")
}

func TestTheOtherRowIsFoundByMappedValues(t *testing.T) {
	m := &rewrite.Mapping{Tables: []rewrite.TableMap{{
		Source:  rewrite.Name{Schema: "public", Name: "users"},
		Targets: []rewrite.TargetMap{{Target: rewrite.Name{Schema: "public", Name: "people"}, Key: []rewrite.KeyMap{{Target: "no", Source: "id"}}}},
		Columns: []rewrite.ColumnMap{
			{Source: "id", Target: "no"},
			{Source: "mail", Target: "email", Up: "lower(mail)", Down: "email", Lossy: "case"},
		},
	}}}
	f := newField(t, setup{
		source: "CREATE TABLE users (id int PRIMARY KEY, mail text)", target: "CREATE TABLE people (no int PRIMARY KEY, email text UNIQUE)", mapping: m,
	})
	f.super(router.Source, "INSERT INTO users VALUES (1, 'ANNE'), (2, 'Bea')")
	f.super(router.Target, "INSERT INTO people VALUES (1, 'bea'), (2, 'anne')")
	f.dirty("public.users", "", shadow.CauseRequested, key(1))
	f.one(Wrote)
	f.expect(router.Target, "SELECT string_agg(no || email, ' ' ORDER BY no) FROM people", "1anne 2bea")
}

const family = `CREATE TABLE p (id int PRIMARY KEY, v int);
	CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p)`

// Race 4: foreign keys of the target.
func TestARowWaitsForTheRowThatItRefersTo(t *testing.T) {
	f := newField(t, setup{both: family})
	f.super(router.Source, "INSERT INTO p VALUES (1, 1)", "INSERT INTO c VALUES (1, 1)")
	f.dirty("public.c", "", shadow.CauseRequested, key(1))
	f.one(Obstructed)
	f.dirty("public.p", "", shadow.CauseRequested, key(1))
	for f.anyDirty() {
		f.turn()
	}
	f.same("SELECT string_agg(c::text, ' ') FROM c")
	f.same("SELECT string_agg(p::text, ' ') FROM p")
	for _, d := range f.found {
		if d.Kind == Rejected {
			t.Errorf("a divergence is %+v", d)
		}
	}
}

func TestARowWhoseParentNeverComesIsADivergence(t *testing.T) {
	f := newField(t, setup{source: strings.ReplaceAll(family, "REFERENCES p", ""), target: family})
	f.super(router.Source, "INSERT INTO c VALUES (1, 1)")
	f.dirty("public.c", "", shadow.CauseRequested, key(1))
	for range triesMost + 2 {
		f.one(Obstructed)
	}
	f.rejected(foreignKey, "c_p_fkey")
}

func TestARowThatTheTargetRefusesIsADivergenceAndStaysDirty(t *testing.T) {
	f := newField(t, setup{both: plain, target: "ALTER TABLE t ADD CHECK (v > 0)"})
	f.super(router.Source, "INSERT INTO t VALUES (1, -7)")
	f.dirty("public.t", "", shadow.CauseRequested, key(1))
	f.one(Refused)
	f.rejected("23514", "t_v_check")
	if !f.hand.worker.skip("public.t", key(1)) {
		t.Error("it is tried again at once")
	}
	f.super(router.Source, "UPDATE t SET v = 7")
	f.one(Wrote)
	f.same(whole)
}

// rejected says that the last divergence is of a row that is not taken, and that
// the row is dirty.
func (f *field) rejected(code, constraint string) {
	f.Helper()
	if len(f.found) == 0 {
		f.Fatal("there is no divergence")
	}
	d := f.found[len(f.found)-1]
	if d.Kind != Rejected || d.Code != code || d.Constraint != constraint {
		f.Errorf("the divergence is %+v", d)
	}
	if !f.anyDirty() {
		f.Error("nothing is dirty any more")
	}
}

func TestARowIsNotDeletedTogetherWithRowsThatReferToIt(t *testing.T) {
	f := newField(t, setup{
		both:   "CREATE TABLE p (id int PRIMARY KEY, v int)",
		source: "CREATE TABLE c (id int PRIMARY KEY, p int)", target: "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE)",
	})
	f.super(router.Target, "INSERT INTO p VALUES (1, 1), (2, 2)", "INSERT INTO c VALUES (1, 1)")
	f.super(router.Source, "INSERT INTO c VALUES (1, 1)")
	f.dirty("public.p", "", shadow.CauseRequested, key(1))
	f.one(Obstructed)
	f.expect(router.Target, "SELECT count(*) FROM c", "1")
	f.dirty("public.p", "", shadow.CauseRequested, key(2))
	f.turn()
	f.expect(router.Target, "SELECT string_agg(id::text, ' ') FROM p", "1")
}
