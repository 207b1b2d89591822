package repair

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// The fence of a side is one row, which names the authority and counts its
// changes, and one advisory lock. Writers at the target take the lock shared and
// read the row, in this order and in two statements of a READ COMMITTED
// transaction; a change of the authority takes the lock exclusively.
const (
	// FenceLock answers one row: whether the lock was had.
	FenceLock = "SELECT pg_catalog.pg_try_advisory_xact_lock_shared(7162254108511821)"
	// FenceEpoch answers one row: the epoch, and the side that is the authority.
	FenceEpoch = "SELECT epoch, side FROM crossfade.epoch WHERE one"
)

// FenceDDL is all that Crossfade creates on a side. Every role may read it, as
// mirrored writes are the application's roles' own.
var FenceDDL = []string{
	"CREATE SCHEMA IF NOT EXISTS crossfade",
	"CREATE TABLE IF NOT EXISTS crossfade.epoch (" +
		"one boolean PRIMARY KEY DEFAULT true CHECK (one), epoch bigint NOT NULL, side text NOT NULL, " +
		"instance text NOT NULL, since timestamptz NOT NULL DEFAULT pg_catalog.now())",
	"GRANT USAGE ON SCHEMA crossfade TO PUBLIC",
	"GRANT SELECT ON crossfade.epoch TO PUBLIC",
}

// Fence is what the fence of a side says.
type Fence struct {
	Epoch    shadow.Epoch
	Side     router.Side // the authority
	Instance string      // the proxy that wrote it
}

// ErrStale says that the authority has changed since: a writer with this epoch
// is to stop.
var ErrStale = errors.New("stale epoch: another instance has changed the authority")

// ErrNoFence says that a side has no fence (Install).
var ErrNoFence = errors.New("no fence: the table crossfade.epoch is missing or empty")

// errNoTable says that there is not even a table, which an operator may have made
// for a service user that may not.
var errNoTable = fmt.Errorf("%w: nothing is installed", ErrNoFence)

// installTimeout bounds the wait for writers of an older epoch.
const installTimeout = "SET LOCAL lock_timeout = '5s'"

// Install makes the fence of the side that conn leads to, or brings it up to
// date. It creates nothing that is there, waits for running writers only if the
// epoch or the authority changes, and refuses to go back to an older epoch.
func Install(ctx context.Context, conn *pgconn.PgConn, f Fence) error {
	found, err := Read(ctx, conn)
	switch {
	case err == nil && found == f:
		return nil
	case err != nil && !errors.Is(err, ErrNoFence):
		return fmt.Errorf("read the fence: %w", err)
	}
	queries := []query{{sql: beginText}, {sql: installTimeout}}
	if errors.Is(err, errNoTable) {
		for _, text := range FenceDDL {
			queries = append(queries, query{sql: text})
		}
	}
	if err != nil || found.Epoch != f.Epoch || found.Side != f.Side {
		queries = append(queries, query{sql: "SELECT pg_catalog.pg_advisory_xact_lock(" + strconv.Itoa(shadow.FenceKey) + ")"})
	}
	l := link{pg: conn}
	answers, err := l.flight(ctx, append(queries, f.write(), query{sql: "COMMIT"})...)
	if err != nil {
		return errors.Join(fmt.Errorf("install the fence: %w", err), l.rollback(ctx))
	}
	if answers[len(answers)-2].affected == 0 {
		return fmt.Errorf("install the fence of epoch %d: %w", f.Epoch, ErrStale)
	}
	return nil
}

// write sets the row, unless it is of a later epoch.
func (f Fence) write() query {
	return textQuery("INSERT INTO crossfade.epoch AS e (one, epoch, side, instance) VALUES (true, $1::bigint, $2, $3) "+
		"ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch, side = excluded.side, instance = excluded.instance, "+
		"since = CASE WHEN e.epoch = excluded.epoch THEN e.since ELSE pg_catalog.now() END "+
		"WHERE e.epoch OPERATOR(pg_catalog.<) excluded.epoch "+
		"OR e.epoch OPERATOR(pg_catalog.=) excluded.epoch AND e.side OPERATOR(pg_catalog.=) excluded.side",
		strconv.FormatUint(uint64(f.Epoch), 10), f.Side.String(), f.Instance)
}

// Read tells what the fence of a side says; ErrNoFence if there is none.
func Read(ctx context.Context, conn *pgconn.PgConn) (Fence, error) {
	l := link{pg: conn}
	answers, err := l.flight(ctx, query{sql: "SELECT epoch, side, instance FROM crossfade.epoch WHERE one"})
	var refused *Refusal
	switch {
	case errors.As(err, &refused) && (refused.Code == undefinedTable || refused.Code == invalidSchema):
		return Fence{}, errNoTable
	case err != nil:
		return Fence{}, err
	case len(answers[0].rows) == 0:
		return Fence{}, ErrNoFence
	}
	row := answers[0].rows[0]
	f, err := fenceOf(row)
	f.Instance = string(row[2])
	return f, err
}

func fenceOf(row [][]byte) (Fence, error) {
	epoch, err := strconv.ParseUint(string(row[0]), 10, 64)
	if err != nil {
		return Fence{}, fmt.Errorf("read the fence's epoch: %w", err)
	}
	side := router.Source
	if string(row[1]) == router.Target.String() {
		side = router.Target
	}
	return Fence{Epoch: shadow.Epoch(epoch), Side: side}, nil
}

// fenced says whether the answers to FenceLock and FenceEpoch let a writer of
// this epoch go on while the source is the authority.
func fenced(lock, row answer, epoch shadow.Epoch) error {
	if len(row.rows) == 0 {
		return ErrNoFence
	}
	f, err := fenceOf(row.rows[0])
	switch {
	case err != nil:
		return err
	case string(lock.rows[0][0]) != "t":
		return errFenceHeld
	case f.Epoch != epoch || f.Side != router.Source:
		return ErrStale
	}
	return nil
}

// errFenceHeld says that the authority is about to change: later tells.
var errFenceHeld = errors.New("the authority is about to change")
