package repair

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/shadow"
)

// tellUncertain says what was found at a row that was suspected because the
// answer to its COMMIT was lost.
func (l *lane) tellUncertain(d repaired) error {
	i := slices.IndexFunc(d.Marks, func(m reconcile.Mark) bool { return m.Cause == shadow.CauseLost })
	if i < 0 || !d.outcome.done() {
		return nil
	}
	m := d.Marks[i]
	v := Divergence{
		Table: d.Table, Key: d.Key, Kind: Uncertain, State: Verified, Cause: m.Cause, TxID: m.TxID, Life: m.Incarnation, Epoch: l.opt.Epoch,
		Seen: l.opt.Now(), Ended: l.endOf(m),
	}
	if d.outcome == Wrote {
		v.State, v.Columns = Repaired, d.columns
	}
	return l.opt.Divergences.Diverge(v)
}

// endedText answers "committed", "aborted", or NULL when it is too long ago.
const endedText = "SELECT pg_catalog.txid_status($1::int8)"

// endOf asks how a transaction has ended that is over. What cannot be had is not
// known, which proves no less of the row.
func (l *lane) endOf(m reconcile.Mark) reconcile.Ended {
	if m.Until != reconcile.Transaction || l.a() == nil || m.Incarnation != l.a().life {
		return reconcile.EndedUnknown
	}
	ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout)
	defer cancel()
	answers, err := l.a().flight(ctx, textQuery(endedText, strconv.FormatUint(uint64(m.TxID), 10)))
	var refused *Refusal
	if err != nil {
		if !errors.As(err, &refused) {
			l.opt.Log.Debug("how a transaction ended could not be asked", "error", err)
		}
		return reconcile.EndedUnknown
	}
	switch string(answers[0].rows[0][0]) {
	case "committed":
		return reconcile.EndedCommitted
	case "aborted":
		return reconcile.EndedRolledBack
	}
	return reconcile.EndedUnknown
}
