package proxy

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
)

var (
	mirrorSeeds = flag.Int("mirrorseeds", 15, "how many random scripts of writes are run")
	mirrorFirst = flag.Uint64("mirrorfirst", 1, "the seed of the first")
)

// mirrorTexts are what random scripts of writes are put together of: texts that
// a simple query and an extended one can have; %d is a small number.
var mirrorTexts = []string{
	"INSERT INTO things (id, name) VALUES (%d, 'a')", "INSERT INTO things (id, name) VALUES (%d, 'b') RETURNING id, name", "INSERT INTO things (id) SELECT g FROM generate_series(%d, %d) g",
	"INSERT INTO things (id, name) VALUES (%d, 'c') ON CONFLICT (id) DO UPDATE SET n = things.n + 1 RETURNING *", "INSERT INTO things (id) VALUES (%d) ON CONFLICT DO NOTHING",
	"UPDATE things SET n = n + 1 WHERE id >= %d", "UPDATE things SET name = name || 'x' WHERE id = %d RETURNING n", "UPDATE things SET id = id + 20 WHERE id = %d", "UPDATE things SET id = id - 20, n = 3 WHERE id > 20 RETURNING id",
	"UPDATE things SET id = -id WHERE id %% 5 = %d", "DELETE FROM things WHERE id = %d", "DELETE FROM things WHERE id < 0 RETURNING id", "DELETE FROM things WHERE id > %d",
	"INSERT INTO kids (id, thing) VALUES (%d, %d)", "DELETE FROM kids WHERE id = %d", "UPDATE kids SET thing = %d", "INSERT INTO counted (name) VALUES ('n%d') RETURNING id", "UPDATE counted SET id = id + %d",
	"SELECT count(*), sum(id) FROM things", "SELECT id FROM kids ORDER BY id", "SELECT 1/0", "SELECT says('x')", "INSERT INTO plain VALUES (%d)", "INSERT INTO things (id, name) VALUES (%d, says('y'))",
	"BEGIN", "BEGIN", "COMMIT", "COMMIT", "COMMIT", "ROLLBACK", "ROLLBACK", "SAVEPOINT a", "SAVEPOINT b", "ROLLBACK TO a", "ROLLBACK TO b", "RELEASE a", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN",
	"SET work_mem = '%dMB'", "SET LOCAL work_mem = '%dMB'", "SET DateStyle = 'SQL, DMY'", "SET CONSTRAINTS ALL IMMEDIATE", "", "DEALLOCATE ALL", "DISCARD PLANS",
	"TRUNCATE kids", "SELECT id FROM things WHERE id = %d FOR UPDATE", "INSERT INTO", "EXPLAIN (COSTS OFF) DELETE FROM things", "LOCK things",
}

func mirrorText(r *rand.Rand) string {
	text := mirrorTexts[r.IntN(len(mirrorTexts))]
	args := []any{1 + r.IntN(12), 3 + r.IntN(12)}
	n := 0
	for i := 0; i+1 < len(text); i++ {
		if text[i] == '%' && text[i+1] == 'd' {
			n++
		}
	}
	return fmt.Sprintf(text, args[:n]...)
}

// mirrorStep is one write of a random script.
func mirrorStep(r *rand.Rand, canary bool) step {
	switch r.IntN(8) {
	case 0, 1, 2:
		return q(mirrorText(r))
	case 3:
		return q(mirrorText(r) + "; " + mirrorText(r))
	}
	var says step
	for range 1 + r.IntN(5) {
		portal, name := []string{"", "", "p"}[r.IntN(3)], []string{"", "", "s"}[r.IntN(3)]
		if name != "" && (canary || r.IntN(2) == 0) { // that a name is taken at the target only is not always seen
			says = append(says, closes(name))
		}
		if name == "" || r.IntN(3) > 0 {
			says = append(says, parseAs(name, mirrorText(r)))
		}
		if r.IntN(4) == 0 {
			says = append(says, describe(name))
		}
		if portal != "" {
			says = append(says, closesPortal(portal))
		}
		says = append(says, &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: name, ResultFormatCodes: [][]int16{nil, {0}, {1}}[r.IntN(3)]})
		if r.IntN(3) == 0 {
			says = append(says, descPortal(portal))
		}
		says = append(says, executes(portal))
		if r.IntN(6) == 0 {
			says = append(says, closes("s"))
		}
		if r.IntN(6) == 0 {
			says = append(says, flush)
		}
		if r.IntN(8) == 0 {
			says = append(says, syncUp)
		}
	}
	return append(says, syncUp)
}

// TestMirrorRandomScriptsAreAsDirect runs random scripts directly and through
// the proxy; afterwards both sides are equal but for what is dirty. Run more:
//
//	go test ./proxy -run MirrorRandom -args -mirrorseeds 1000 -mirrorfirst 100
func TestMirrorRandomScriptsAreAsDirect(t *testing.T) {
	for _, canary := range []bool{false, true} {
		n := newNotReadyTwin(t, wired)
		if canary {
			n.shared.change(func(p *router.Snapshot) { p.Phase, p.Share = router.Canary, 10_000 })
		}
		for seed := *mirrorFirst; seed < *mirrorFirst+uint64(*mirrorSeeds); seed++ {
			t.Run(fmt.Sprintf("canary %v seed %d", canary, seed), func(t *testing.T) { mirrorRandomScript(t, n, seed, canary) })
		}
	}
}

func mirrorRandomScript(t *testing.T, n *twin, seed uint64, canary bool) {
	n.afresh(t, wiredTables)
	r := rand.New(rand.NewPCG(seed, 2))
	direct, through := n.sides(t, nil)
	var done []step
	for range 25 {
		says := mirrorStep(r, canary)
		if canary && strings.Contains(spelled(says), "AND CHAIN") {
			continue // a chain that began at the target cannot always leave it (docs/limits.md)
		}
		done = append(done, says)
		if !n.compare(t, direct, through, done[len(done)-1:]) {
			break
		}
	}
	if !t.Failed() {
		n.compare(t, direct, through, []step{q("COMMIT")})
		n.settled(t)
		n.unlessNoted(t, "things", "kids", "counted")
		for _, table := range []string{"things", "kids", "counted"} {
			n.asCopied(t, table, n.rows(t, router.Source, dump(table)))
		}
	}
	if t.Failed() {
		for i, says := range done {
			t.Logf("%3d %s", i, spelled(says))
		}
		t.Logf("dirty %v, refused %v", n.notesDirty(), n.refused)
	}
	_, _ = direct.Close(), through.Close()
}
