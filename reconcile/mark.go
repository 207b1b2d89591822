package reconcile

import (
	"slices"

	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/shadow"
)

// Until says what has to be over at the authority before rows that a mark is on
// may be read, compared and taken off the ledger.
type Until string

// Conditions.
const (
	// Unknown: the transaction has no number that could be asked for. Stamp makes
	// Through of it.
	Unknown     Until = ""
	Transaction Until = "transaction" // TxID is finished
	Through     Until = "through"     // TxID and every transaction before it is finished
	Nothing     Until = "nothing"     // nothing is waited for
)

// Mark is what made a key or range dirty. Marks of one transaction are one Mark
// with a count.
type Mark struct {
	TxID        shadow.TxID
	Incarnation shadow.Incarnation
	Until       Until
	Cause       shadow.Cause // of the newest of them
	Count       uint64
}

// What a key remembers of its marks is bounded.
const (
	marksMost        = 8 // transactions of one incarnation that are kept one by one
	incarnationsMost = 4 // that are kept apart
)

// mark is a Mark with the ledger's number of the newest that it stands for.
type mark struct {
	Mark
	seq uint64
}

// marks are those of one key or range.
//
// All transactions are kept that have marked it, and not the newest alone: a
// transaction that began earlier can have the lower number and still be the
// last to end, as numbers are given out by the first write and not by the
// commit; and one that has taken back a savepoint has marked a key whose lock
// it no longer holds, so that others with higher numbers mark it and end
// before. When they are too many, those of one incarnation become one mark that
// waits for every transaction up to the greatest of them: that is at least what
// each of them waits for. Incarnations are kept apart, since numbers of one say
// nothing in another. When those are too many, the older ones become Unknown,
// which asks for all that is running at the time of the look.
//
// What was seen is taken off by number: a mark goes only if nothing was added
// to it since, and a folded one is as new as its newest. So no order of marks,
// looks and folds takes off what nobody has looked at.
type marks []mark

// add notes one more mark.
func (m *marks) add(n mark) {
	if i := m.covering(n.Mark); i >= 0 {
		one := &(*m)[i]
		one.Count += n.Count
		one.Cause = graver(one.Cause, n.Cause)
		one.seq = max(one.seq, n.seq)
		return
	}
	*m = append(*m, n)
	m.fold(n.Incarnation)
	m.foldIncarnations(n.Incarnation)
}

// graver is the newer of two causes, but for a reason to look again, which takes
// no explanation away.
func graver(before, now shadow.Cause) shadow.Cause {
	if before == "" || now.Explains() || !before.Explains() {
		return now
	}
	return before
}

// covering is the mark that a mark is part of: the same, or one that waits for
// more; -1: there is none.
func (m marks) covering(n Mark) int {
	return slices.IndexFunc(m, func(one mark) bool {
		if one.Incarnation != n.Incarnation {
			return false
		}
		return one.TxID == n.TxID && one.Until == n.Until ||
			one.Until == Through && n.Until == Transaction && one.TxID >= n.TxID
	})
}

// fold makes one mark of those of an incarnation, when they are too many.
func (m *marks) fold(of shadow.Incarnation) {
	m.unite(marksMost, mark{Mark: Mark{Incarnation: of, Until: Through}}, func(one mark) bool {
		return one.Incarnation == of && (one.Until == Transaction || one.Until == Through)
	})
}

// foldIncarnations makes one Unknown of the marks of all incarnations but one,
// when those are too many.
func (m *marks) foldIncarnations(but shadow.Incarnation) {
	former := func(one mark) bool { return one.Incarnation != but && one.Until != Nothing }
	lives := map[shadow.Incarnation]struct{}{}
	for _, one := range *m {
		if former(one) {
			lives[one.Incarnation] = struct{}{}
		}
	}
	if len(lives) >= incarnationsMost {
		m.unite(0, mark{Mark: Mark{Until: Unknown}}, former)
	}
}

// unite puts one mark in the place of more than so many.
func (m *marks) unite(most int, all mark, of func(mark) bool) {
	n := 0
	for _, one := range *m {
		if !of(one) {
			continue
		}
		n++
		if all.Until == Through {
			all.TxID = max(all.TxID, one.TxID)
		}
		all.Count += one.Count
		all.Cause = graver(all.Cause, one.Cause)
		all.seq = max(all.seq, one.seq)
	}
	if n > most {
		*m = append(slices.DeleteFunc(*m, of), all)
	}
}

// subtract takes off what was seen: the marks up to a number. The counts of
// those that stay go down by what was seen of them.
func (m *marks) subtract(upTo uint64, seen []Mark) {
	*m = slices.DeleteFunc(*m, func(one mark) bool { return one.seq <= upTo })
	for _, s := range seen {
		if i := m.covering(s); i >= 0 && (*m)[i].Count > s.Count {
			(*m)[i].Count -= s.Count
		}
	}
}

// stamp makes of what has no number a mark that waits for all transactions up
// to one, as far as it was seen.
func (m *marks) stamp(upTo uint64, life shadow.Incarnation, through shadow.TxID) {
	old := slices.Clone(*m)
	*m = (*m)[:0]
	for _, one := range old {
		if one.Until == Unknown && one.seq <= upTo {
			one.Until, one.Incarnation, one.TxID = Through, life, through
		}
		m.add(one)
	}
}

// all is every mark in one, in the incarnation of the newest numbered one: for
// ranges, which any transaction of their table may be changing.
func (m marks) all() Mark {
	all := Mark{Until: Nothing}
	for _, one := range m {
		all.Count += one.Count
		all.Cause = graver(all.Cause, one.Cause)
		if rank(one.Until) > rank(all.Until) {
			all.Until = one.Until
		}
	}
	if all.Until == Unknown || all.Until == Nothing {
		return all
	}
	all.Until = Through
	for _, one := range m {
		switch {
		case one.TxID == 0:
		case one.Incarnation != all.Incarnation:
			all.Incarnation, all.TxID = one.Incarnation, one.TxID
		default:
			all.TxID = max(all.TxID, one.TxID)
		}
	}
	return all
}

// rank orders conditions by how much they wait for.
func rank(u Until) int { return slices.Index([]Until{Nothing, Transaction, Through, Unknown}, u) }

func (m marks) count() uint64 {
	var n uint64
	for i := range m {
		n += m[i].Count
	}
	return n
}

func (m marks) stored() []state.Mark {
	out := make([]state.Mark, len(m))
	for i, one := range m {
		out[i] = state.Mark{
			Incarnation: string(one.Incarnation), TxID: uint64(one.TxID), Until: string(one.Until),
			Cause: string(one.Cause), Count: one.Count,
		}
	}
	return out
}

// marksOf are stored marks; what is damaged waits for more, not for less.
func marksOf(stored []state.Mark) marks {
	out := make(marks, len(stored))
	for i, one := range stored {
		out[i].Mark = Mark{
			Incarnation: shadow.Incarnation(one.Incarnation), TxID: shadow.TxID(one.TxID), Until: Until(one.Until),
			Cause: shadow.Cause(one.Cause), Count: one.Count,
		}
		if rank(out[i].Until) < 0 {
			out[i].Until = Unknown
		}
	}
	return out
}

// public are the marks without their numbers.
func (m marks) public() []Mark {
	out := make([]Mark, len(m))
	for i := range m {
		out[i] = m[i].Mark
	}
	return out
}

// markOf is the mark that an intent leaves.
func markOf(in *shadow.Intent, why shadow.Cause) Mark {
	return Mark{TxID: in.TxID, Incarnation: in.Incarnation, Until: untilOf(in.TxID, why), Cause: why, Count: 1}
}

// untilOf says what a mark waits for. That a table is walked anew is no
// transaction's doing, but what was running when it was mapped was not mirrored.
func untilOf(id shadow.TxID, why shadow.Cause) Until {
	switch why {
	case shadow.CauseRequested, shadow.CauseRecheck, shadow.CauseRestart:
		if id == 0 {
			return Nothing
		}
		return Transaction
	case shadow.CauseNew, shadow.CauseUnmirrored:
		if id == 0 {
			return Unknown
		}
		return Through
	case shadow.CauseFailed, shadow.CauseBudget, shadow.CauseBreaker, shadow.CauseOff, shadow.CauseLost,
		shadow.CauseCrash, shadow.CauseBulk, shadow.CauseUncaptured:
	}
	if id == 0 {
		return Unknown
	}
	return Transaction
}
