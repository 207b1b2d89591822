package shadow

import (
	"cmp"

	"github.com/crossfade-db/crossfade/internal/failpoint"
	"github.com/crossfade-db/crossfade/rewrite"
)

// Ending is what became of the authority's COMMIT.
type Ending uint8

// Commit says how one transaction is committed.
type Commit struct {
	// Authority commits there, and says what became of it.
	Authority func() Ending
	// Later, if there is one, takes over when the authority has committed and the
	// other side's COMMIT is on its way: rest waits for that, settles the intents
	// and says what became of it. It is to be called once, by anybody; until then
	// nobody else may use the leg. Commit returns Both, which is not known yet.
	Later  func(rest func() Outcome)
	Strict bool // the other side must have everything, else nothing commits
}

// ErrJournal says that the keys cannot be remembered, so that nothing may be
// committed.
type ErrJournal struct{ Err error }

func (e *ErrJournal) Error() string { return "write the journal: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *ErrJournal) Unwrap() error { return e.Err }

// ErrStrict says that the other side refuses what must be on both.
type ErrStrict struct{ Err error }

func (e *ErrStrict) Error() string { return "strict: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *ErrStrict) Unwrap() error { return e.Err }

// Commit ends the transaction on both sides, in the order of DESIGN §4.4: the
// intent is durable and the applies are answered, the authority commits, the
// other side commits, the intent is settled. An error says that the authority
// has not been asked to commit: it is to be rolled back.
func (t *Tx) Commit(c Commit) (Outcome, error) {
	if t.Empty() {
		return t.outcome(c.Authority()), nil
	}
	var in remembered
	var lost error     // of the journal
	if !t.opt.Atomic { // else it shows with the applies what is to be remembered
		in, lost = t.intend()
	}
	if lost == nil {
		refused := t.await()
		failpoint.Hit(failpoint.Applied)
		if refused != nil {
			t.failed(refused)
		}
		if t.state == abandoned && c.Strict {
			t.forget(in)
			return Neither, &ErrStrict{cmp.Or(refused, error(ErrRefused{t.cause}))}
		}
	}
	if t.opt.Atomic {
		in, lost = t.intend()
	}
	if lost != nil {
		t.abandon(CauseFailed)
		t.forget(in)
		return Neither, &ErrJournal{lost}
	}
	ending := c.Authority()
	failpoint.Hit(failpoint.AuthorityDone)
	outcome, awaited := t.end(ending)
	rest := func() Outcome {
		if awaited != nil {
			outcome = awaited()
		}
		t.settle(in, ending, outcome)
		failpoint.Hit(failpoint.Settled)
		return outcome
	}
	if awaited != nil && c.Later != nil {
		c.Later(rest)
		return Both, nil
	}
	return rest(), nil
}

// end brings the other side to where the authority is. What it says is known but
// for a COMMIT there, which awaited waits for.
func (t *Tx) end(ending Ending) (outcome Outcome, awaited func() Outcome) {
	leg, state := t.leg, t.state
	t.leg, t.state = nil, ended
	switch {
	case ending != Committed:
		if leg != nil {
			leg.Rollback()
		}
		return t.outcome(ending), nil
	case state != open:
		return Authority, nil
	case t.opt.Atomic:
		return Both, nil
	}
	err := leg.Commit()
	failpoint.Hit(failpoint.TargetSent)
	return Both, func() Outcome {
		if err == nil {
			err = leg.Committed(t.opt.Budget.Wait)
		}
		failpoint.Hit(failpoint.TargetDone)
		if err != nil {
			t.cause = CauseOf(err)
			return Authority
		}
		return Both
	}
}

func (t *Tx) outcome(e Ending) Outcome {
	switch e {
	case Committed:
		return Both
	case RolledBack:
		return Neither
	case Unknown:
		return Uncertain
	}
	return Uncertain
}

// remembered are the intents of a transaction: the keys that are mirrored, and
// apart from them the tables and the rows that are not, as their outcome differs.
type remembered struct{ keyed, whole, missed Ticket }

// intend makes durable what is about to change, while the other side applies it.
func (t *Tx) intend() (remembered, error) {
	in := t.intents()
	if t.state == open {
		t.leg.Send()
	}
	for _, ticket := range []Ticket{in.keyed, in.whole, in.missed} {
		if ticket == nil {
			continue
		}
		if err := ticket.Wait(); err != nil {
			return in, err
		}
	}
	failpoint.Hit(failpoint.Durable)
	return in, nil
}

func (t *Tx) intents() (r remembered) {
	in := Intent{Epoch: t.opt.Epoch, TxID: t.txid, Incarnation: t.opt.Incarnation}
	for name, keys := range t.keys {
		if t.opt.Atomic && t.state == open {
			break
		}
		item := TableKeys{Table: name, Keys: make([]rewrite.RowKey, 0, len(keys))}
		for key := range keys {
			item.Keys = append(item.Keys, key)
		}
		if len(item.Keys) > 0 {
			in.Tables = append(in.Tables, item)
		}
	}
	other := Intent{Epoch: in.Epoch, TxID: in.TxID, Incarnation: in.Incarnation}
	for name := range t.whole {
		other.Tables = append(other.Tables, TableKeys{Table: name, Whole: true})
	}
	if len(in.Tables) > 0 {
		r.keyed = t.opt.Journal.Intend(&in)
	}
	if len(other.Tables) > 0 {
		r.whole = t.opt.Journal.Intend(&other)
	}
	if len(t.missing) > 0 {
		r.missed = t.opt.Journal.Intend(t.missed())
	}
	failpoint.Hit(failpoint.Intended)
	return r
}

// forget settles intents of a transaction that commits nowhere.
func (t *Tx) forget(in remembered) {
	for _, ticket := range []Ticket{in.keyed, in.whole, in.missed} {
		if ticket != nil {
			t.opt.Journal.Settle(ticket, Neither, "")
		}
	}
}

func (t *Tx) settle(in remembered, ending Ending, outcome Outcome) {
	cause := t.cause
	if ending == Unknown {
		cause = CauseLost
	}
	if in.keyed != nil {
		t.opt.Journal.Settle(in.keyed, outcome, cause)
	}
	t.settleWhole(in.whole, ending, outcome)
	t.settleMissed(in.missed, ending)
}

// settleWhole settles the tables of which any row may have changed.
func (t *Tx) settleWhole(whole Ticket, ending Ending, outcome Outcome) {
	if whole == nil {
		return
	}
	why := t.wholeCause()
	switch {
	case ending == RolledBack:
		t.opt.Journal.Settle(whole, Neither, "")
	case ending == Unknown:
		t.opt.Journal.Settle(whole, Uncertain, CauseLost)
	case outcome == Both && why == CauseFailed: // truncated there, too
		t.opt.Journal.Settle(whole, Both, "")
	default:
		t.opt.Journal.Settle(whole, Authority, why)
	}
}

// wholeCause is the gravest cause of tables that are dirty as a whole:
// CauseFailed alone means that the other side has done the same.
func (t *Tx) wholeCause() Cause {
	why := CauseFailed
	for _, c := range t.whole {
		if c != CauseFailed {
			why = c
		}
	}
	return why
}
