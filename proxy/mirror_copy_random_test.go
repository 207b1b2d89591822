package proxy

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/reconcile/journal"
	"github.com/crossfade-db/crossfade/reconcile/repair"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
)

// withLedger is a proxy whose journal is a real one.
func withLedger(t *testing.T) (*mirrored, *reconcile.Ledger) {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := state.Open(filepath.Join(dir, "state"))
	must(err)
	j, open, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	must(err)
	l, err := reconcile.OpenLedger(store, j, reconcile.LedgerOptions{Open: open})
	must(err)
	t.Cleanup(func() {
		for _, close := range []func() error{l.Close, j.Close, store.Close} {
			if err := close(); err != nil {
				t.Error(err)
			}
		}
	})
	return newMirrored(t, loaded, loaded, nil, func(o *Options) { o.Mirror.Journal = l }), l
}

// repairs runs the worker until nothing is dirty.
func (n *mirrored) repairs(t *testing.T, l *reconcile.Ledger) {
	t.Helper()
	w := repair.New(repair.Options{
		Plan: func() *rewrite.Plan { return n.mapped.Load().Plan }, Ledger: l, Epoch: 1, LockMost: 500 * time.Millisecond,
		Connect: func(ctx context.Context, side router.Side) (*pgconn.PgConn, error) {
			return pgconn.Connect(ctx, sidesOf(n.servers)[side].SuperDSN(n.database))
		},
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	var tables []string
	for _, pair := range n.mapped.Load().Plan.Pairs {
		tables = append(tables, pair.Name())
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := l.WaitClean(limited, tables); err != nil {
		t.Errorf("not clean: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Random rows in random formats: what differs is what is dirty, and the worker
// makes both sides equal.
func TestMirrorCopyOfRandomRows(t *testing.T) {
	n, l := withLedger(t)
	conn := n.client(t)
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 3))
		for range 6 {
			randomCopy(t, conn, random)
		}
		eventually(t, "all is settled", func() bool { return n.accounted(t, l) })
		n.repairs(t, l)
		n.equal(t, "things", "named", "parts")
		for _, pair := range n.mapped.Load().Plan.Pairs {
			if left := n.differing(t, pair); len(left) > 0 {
				t.Errorf("seed %d: %s differs in %q", seed, pair.Name(), left)
			}
		}
	}
}

// accounted says that the keys that differ are dirty, and no others.
func (n *mirrored) accounted(t *testing.T, l *reconcile.Ledger) bool {
	t.Helper()
	for _, pair := range n.mapped.Load().Plan.Pairs {
		differ := n.differing(t, pair)
		counts := l.Counts(pair.Name())
		if counts.Keys != len(differ) || counts.Ranges > 0 {
			return false
		}
		for _, key := range differ {
			if !l.Dirty(pair.Name(), key) {
				return false
			}
		}
	}
	return true
}

// randomCopy brings rows that are there already into a table in another form.
func randomCopy(t *testing.T, conn *pgx.Conn, r *rand.Rand) {
	t.Helper()
	table := []string{"things (id, name)", "named (a, v, b)", "parts (id, v, region)"}[r.IntN(3)]
	query := map[byte]string{
		't': "SELECT i, chr(233) || i || E'\\t\\n\\\\,\"''' FROM generate_series(1, %d) i",
		'n': `SELECT E'k\t\n\\,"''é' || i, i, md5(i::text)::uuid FROM generate_series(1, %d) i`,
		'p': "SELECT i::bigint, i, CASE i %% 2 WHEN 0 THEN 'a' ELSE 'b' END FROM generate_series(1, %d) i",
	}[table[0]]
	format := []string{"", "(FORMAT csv)", "BINARY", "(DELIMITER '|', NULL 'none')", "(FORMAT csv, HEADER, DELIMITER ';')", `(FORMAT csv, QUOTE '''', ESCAPE '\')`}[r.IntN(6)]
	var rows bytes.Buffer
	if _, err := conn.PgConn().CopyTo(t.Context(), &rows, "COPY ("+fmt.Sprintf(query, 1+r.IntN(60))+") TO STDOUT "+format); err != nil {
		t.Fatal(err)
	}
	block := r.IntN(2) == 0
	if block {
		do(t, conn, "BEGIN")
	}
	_, err := conn.PgConn().CopyFrom(t.Context(), &rows, "COPY "+table+" FROM STDIN "+format)
	if err != nil && code(err) != "23505" {
		t.Fatal(format, err)
	}
	if block {
		do(t, conn, []string{"COMMIT", "COMMIT", "ROLLBACK"}[r.IntN(3)])
	}
}
