package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
)

var stormy = []string{
	"CREATE TABLE jobs (id serial PRIMARY KEY, body text, state text DEFAULT 'new')",
	"CREATE TABLE accounts (id int PRIMARY KEY, sum int NOT NULL)",
	"CREATE TABLE owners (id int PRIMARY KEY, code int UNIQUE, v int DEFAULT 0)",
	"CREATE TABLE items (id serial PRIMARY KEY, owner int REFERENCES owners, v int)",
	"CREATE TABLE few (id int PRIMARY KEY, u int UNIQUE, v int)",
}

// storms are what one session does in a turn; an error of the source ends the
// turn, as it may directly.
var storms = map[string]func(ctx context.Context, c *pgx.Conn, r *rand.Rand) error{
	"a queue, put": func(ctx context.Context, c *pgx.Conn, r *rand.Rand) error {
		_, err := c.Exec(ctx, "INSERT INTO jobs (body) VALUES ($1)", fmt.Sprint(r.Int()))
		return err
	},
	"a queue, take": func(ctx context.Context, c *pgx.Conn, _ *rand.Rand) error {
		_, err := c.Exec(ctx, "DELETE FROM jobs WHERE id = (SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)")
		return err
	},
	"a queue, take by a list of WITH": func(ctx context.Context, c *pgx.Conn, _ *rand.Rand) error {
		_, err := c.Exec(ctx, "WITH d AS (DELETE FROM jobs WHERE id = (SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, body), f AS (UPDATE few SET v = v + 1 WHERE id = 9) SELECT id, body FROM d")
		return err
	},
	"a queue, take and work": func(ctx context.Context, c *pgx.Conn, _ *rand.Rand) error {
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			var id int
			err := tx.QueryRow(ctx, "SELECT id FROM jobs WHERE state = 'new' LIMIT 1 FOR UPDATE SKIP LOCKED").Scan(&id)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "UPDATE jobs SET state = 'taken' WHERE id = $1", id); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "DELETE FROM jobs WHERE id = $1", id)
			return err
		})
	},
	"a bank": func(ctx context.Context, c *pgx.Conn, r *rand.Rand) error {
		from, to := r.IntN(8), r.IntN(8)
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			for _, id := range []int{min(from, to), max(from, to)} {
				if _, err := tx.Exec(ctx, "UPDATE accounts SET sum = sum + $1 WHERE id = $2", 1-2*(id&1), id); err != nil {
					return err
				}
			}
			return nil
		})
	},
	"owners and items": func(ctx context.Context, c *pgx.Conn, r *rand.Rand) error {
		owner := r.IntN(6)
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO owners (id, code) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET v = owners.v + 1", owner, owner*10); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO items (owner, v) VALUES ($1, 1)", owner)
			return err
		})
	},
	"an owner goes": func(ctx context.Context, c *pgx.Conn, r *rand.Rand) error {
		owner := r.IntN(6)
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT FROM owners WHERE id = $1 FOR UPDATE", owner); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "DELETE FROM items WHERE owner = $1", owner); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "DELETE FROM owners WHERE id = $1", owner)
			return err
		})
	},
	"few keys": func(ctx context.Context, c *pgx.Conn, r *rand.Rand) error {
		id := r.IntN(5)
		sql := []string{
			"INSERT INTO few VALUES ($1, $1 + 100, 1) ON CONFLICT DO NOTHING", "UPDATE few SET v = v + 1 WHERE id = $1", "DELETE FROM few WHERE id = $1",
			"UPDATE few SET id = id + 5 WHERE id = $1", "UPDATE few SET u = u + 1000 WHERE id = $1", "INSERT INTO few VALUES ($1, $1 + 100, 1) ON CONFLICT (id) DO UPDATE SET v = 0",
			"DELETE FROM few WHERE id = $1 + 5",
		}[r.IntN(7)]
		_, err := c.Exec(ctx, sql, id)
		return err
	},
	"a savepoint": func(ctx context.Context, c *pgx.Conn, r *rand.Rand) error {
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO jobs (body) VALUES ('outer')"); err != nil {
				return err
			}
			_ = pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
				if _, err := inner.Exec(ctx, "UPDATE accounts SET sum = sum + 1 WHERE id = $1", r.IntN(8)); err != nil {
					return err
				}
				return context.Canceled // taken back
			})
			_, err := tx.Exec(ctx, "INSERT INTO jobs (body) VALUES ('after')")
			return err
		})
	},
}

// TestMirrorUnderAStorm has 16 sessions on overlapping keys; afterwards both
// sides are equal but for keys that are dirty, and few are.
func TestMirrorUnderAStorm(t *testing.T) {
	for name, early := range map[string]bool{"both answer": false, "the authority answers": true} {
		t.Run(name, func(t *testing.T) { storm(t, early) })
	}
}

func storm(t *testing.T, early bool) {
	n := newMirrored(t, stormy, stormy, nil, func(o *Options) { o.Mirror.Early = early })
	setup := n.client(t)
	do(t, setup, "INSERT INTO accounts SELECT g, 0 FROM generate_series(0, 7) g")
	var names []string
	for name := range storms {
		names = append(names, name)
	}
	slices.Sort(names)
	const sessions, turns = 16, 150
	var all sync.WaitGroup
	var mu sync.Mutex
	errs := map[string]int{}
	for i := range sessions {
		conn := n.client(t)
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for range turns {
				name := names[r.IntN(len(names))]
				if err := storms[name](context.Background(), conn, r); err != nil {
					mu.Lock()
					errs[name+" "+code(err)]++
					mu.Unlock()
				}
				if conn.IsClosed() {
					t.Errorf("a session has ended in %q", name)
					return
				}
			}
		})
	}
	all.Wait()
	t.Logf("errors of the source: %v", errs)
	for what := range errs {
		if what == "a bank 40P01" || what == "a queue, take 40P01" { // these take their locks in order
			t.Errorf("%s", what)
		}
	}
	n.settled(t)
	keys, whole := n.journal.dirty()
	t.Logf("dirty keys %v, tables %v; the target has refused %v; taken %d", keys, whole, tallied(n.refused), n.missed.Load())
	if len(whole) > 0 {
		t.Errorf("tables are dirty as a whole: %v", whole)
	}
	if len(n.effects) > 0 {
		t.Errorf("rows were missed at the target where nobody has taken any: %q", n.effects)
	}
	dirty := 0
	for _, k := range keys {
		dirty += k
	}
	if dirty > sessions*turns/200 {
		t.Errorf("%d keys are dirty without a fault", dirty)
	}
	n.unlessNoted(t, "jobs", "accounts", "owners", "items", "few")
	if got := n.rows(t, router.Target, "SELECT count(*) FROM accounts"); got[0] != "8|" {
		t.Errorf("accounts: %v", got)
	}
}

func tallied(words []string) map[string]int {
	all := map[string]int{}
	for _, w := range words {
		all[w]++
	}
	return all
}
