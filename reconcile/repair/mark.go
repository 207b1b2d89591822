package repair

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/shadow"
)

// preparedText finds the transaction $1 among those that wait for COMMIT
// PREPARED: they outlive their server.
const preparedText = "EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts AS p WHERE " +
	"p.transaction::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.=) ($1::int8 OPERATOR(pg_catalog.&) 4294967295))"

// What the authority is asked about a mark, with functions that 12 to 18 have:
// whether it is over for a snapshot of now, so that whatever is read from now on
// shows what it has left.
const (
	// An unknown status, NULL, is that of a transaction too old to be under way. A
	// number that was never given out is an error, 22023, so it is asked first: to
	// a snapshot, such a number is one that is not over.
	transactionText = "SELECT pg_catalog.txid_status($1::int8) IS DISTINCT FROM 'in progress' " +
		"AND pg_catalog.txid_visible_in_snapshot($1::int8, pg_catalog.txid_current_snapshot()) AND NOT " + preparedText
	throughText = "SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) OPERATOR(pg_catalog.>) $1::int8"
	// Of a former life of the server only prepared transactions can be left.
	formerText        = "SELECT NOT " + preparedText
	formerThroughText = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts) AND $1::int8 IS NOT NULL"
)

// over says that what a mark waits for has come.
func (r *repairer) over(ctx context.Context, m reconcile.Mark) (bool, error) {
	former := m.Incarnation != r.a().life
	text := ""
	switch m.Until {
	case reconcile.Nothing:
		return true, nil
	case reconcile.Unknown:
		return false, nil
	case reconcile.Transaction:
		text = transactionText
		if former {
			text = formerText
		}
	case reconcile.Through:
		text = throughText
		if former {
			text = formerThroughText
		}
	}
	answers, err := r.a().flight(ctx, textQuery(text, strconv.FormatUint(uint64(m.TxID), 10)))
	var refused *Refusal
	switch {
	case errors.As(err, &refused) && refused.Code == futureTransaction:
		return true, nil // of a life whose end it has not outlived
	case err != nil:
		return false, fmt.Errorf("ask for the state of a transaction: %w", err)
	}
	return string(answers[0].rows[0][0]) == "t", nil
}

// overOnce asks about a mark unless the answer is known. That it is over is true
// for ever, and that it is not for as long as its repair can wait.
func (r *repairer) overOnce(ctx context.Context, m reconcile.Mark) (bool, error) {
	m.Cause, m.Count = "", 0
	if over, known := r.asked[m]; known {
		return over, nil
	}
	over, err := r.over(ctx, m)
	if err == nil && r.asked != nil {
		r.asked[m] = over
	}
	return over, err
}

// ask finds out about the marks of many keys with as few questions as it can.
// What this leaves open is asked mark by mark.
func (r *repairer) ask(ctx context.Context, keys []reconcile.DirtyKey) error {
	open := map[string][]reconcile.Mark{}
	listed := map[reconcile.Mark]bool{}
	for _, k := range keys {
		for _, m := range k.Marks {
			m.Cause, m.Count = "", 0
			if _, known := r.asked[m]; known || listed[m] || m.Until != reconcile.Transaction {
				continue
			}
			listed[m] = true
			text := transactionText
			if m.Incarnation != r.a().life {
				text = formerText
			}
			open[text] = append(open[text], m)
		}
	}
	for text, marks := range open {
		if err := r.askMany(ctx, text, marks); err != nil {
			return err
		}
	}
	return nil
}

func (r *repairer) askMany(ctx context.Context, text string, marks []reconcile.Mark) error {
	ids := make([]string, len(marks))
	for i, m := range marks {
		ids[i] = strconv.FormatUint(uint64(m.TxID), 10)
	}
	text = strings.ReplaceAll(text, "$1::int8", "m.id") +
		" FROM pg_catalog.unnest($1::pg_catalog.int8[]) WITH ORDINALITY AS m (id, place) ORDER BY m.place"
	answers, err := r.a().flight(ctx, textQuery(text, "{"+strings.Join(ids, ",")+"}"))
	var refused *Refusal
	switch {
	case errors.As(err, &refused) && refused.Code == futureTransaction:
		return nil // which of them, one by one tells
	case err != nil:
		return fmt.Errorf("ask for the states of transactions: %w", err)
	case len(answers[0].rows) != len(marks):
		return errors.New("ask for the states of transactions: answers are missing")
	}
	for i, row := range answers[0].rows {
		r.asked[marks[i]] = string(row[0]) == "t"
	}
	return nil
}

// pending gives the oldest mark that is to be waited for; one without a
// transaction is older than any.
func (r *repairer) pending(ctx context.Context, marks []reconcile.Mark) (reconcile.Mark, bool, error) {
	var oldest reconcile.Mark
	found := false
	for _, m := range marks {
		over, err := r.overOnce(ctx, m)
		if err != nil {
			return reconcile.Mark{}, false, err
		}
		if !over && (!found || m.TxID < oldest.TxID) {
			oldest, found = m, true
		}
	}
	return oldest, found, nil
}

// nowOnce asks now unless the answer is known, which is late enough for all keys
// that were leased before.
func (r *repairer) nowOnce(ctx context.Context) (shadow.TxID, error) {
	if r.latest != 0 {
		return r.latest, nil
	}
	through, err := r.now(ctx)
	if err == nil && r.asked != nil {
		r.latest = through
	}
	return through, err
}

// now is a transaction later than all that have begun on the authority. A
// snapshot's xmax would not do: transactions beyond it can be under way.
func (r *repairer) now(ctx context.Context) (shadow.TxID, error) {
	answers, err := r.a().flight(ctx, query{sql: "BEGIN"}, query{sql: "SELECT pg_catalog.txid_current()"}, query{sql: "ROLLBACK"})
	if err != nil {
		return 0, fmt.Errorf("ask for a transaction number: %w", err)
	}
	id, err := strconv.ParseUint(string(answers[1].rows[0][0]), 10, 64)
	return shadow.TxID(id), err
}
