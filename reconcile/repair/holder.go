package repair

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/shadow"
)

// holdersText answers the transactions, also prepared ones, that hold the
// fence's lock beside ours. An advisory lock of one 64-bit key is (high half, low
// half, 1) in pg_locks (manual, "pg_locks"). A transaction's locks are let go
// after what it did is visible (xact.c, CommitTransaction).
var holdersText = fmt.Sprintf("SELECT l.virtualtransaction FROM pg_catalog.pg_locks AS l "+
	"WHERE l.locktype = 'advisory' AND l.classid = %d AND l.objid = %d AND l.objsubid = 1 AND l.granted "+
	"AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()) "+
	"AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()",
	shadow.FenceKey>>32, shadow.FenceKey&0xffffffff)

// holders are transactions of the other side, by virtual number.
type holders []string

func holdersOf(a answer) holders {
	var h holders
	for _, row := range a.rows {
		h = append(h, string(row[0]))
	}
	return h
}

// gone says that none of them is under way any more.
func (r *repairer) gone(ctx context.Context, h holders) (bool, error) {
	if len(h) == 0 {
		return true, nil
	}
	quoted := make([]string, len(h))
	for i, name := range h {
		quoted[i] = strconv.Quote(name)
	}
	answers, err := r.s().flight(ctx, textQuery("SELECT FROM ("+holdersText+") AS h "+
		"WHERE h.virtualtransaction = ANY ($1::pg_catalog.text[]) LIMIT 1", "{"+strings.Join(quoted, ",")+"}"))
	if err != nil {
		return false, fmt.Errorf("ask for the writers of the target: %w", err)
	}
	return len(answers[0].rows) == 0, nil
}

const (
	holderPoll = 2 * time.Millisecond
	holderMost = time.Second
)

// outwait waits, holding nothing on either side, until none of them is under
// way; not for ever.
func (r *repairer) outwait(ctx context.Context, h holders) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, holderMost+exchangeTimeout)
	defer cancel()
	tick := time.NewTicker(holderPoll)
	defer tick.Stop()
	for end := r.opt.Now().Add(holderMost); ; {
		over, err := r.gone(ctx, h)
		if over || err != nil || !r.opt.Now().Before(end) {
			return over, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
