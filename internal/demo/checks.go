package demo

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/router"
)

// check is one claim about what happened, with its figures.
type check struct {
	holds bool
	claim string
}

func holds(checks []check) bool {
	for _, c := range checks {
		if !c.holds {
			return false
		}
	}
	return true
}

// checks compare what the clients saw with what the servers have, and with what
// was promised.
func (r *report) checks() []check {
	checks := []check{{
		r.majors[router.Source] != r.majors[router.Target],
		fmt.Sprintf("versions: from PostgreSQL %d to %d", r.majors[router.Source], r.majors[router.Target]),
	}}
	checks = append(checks, r.clientChecks()...)
	checks = append(checks, r.fillCheck())
	for i := range r.rows {
		checks = append(checks, r.rows[i].checks()...)
	}
	checks = append(checks, r.reasonCheck(), r.ownCheck())
	checks = append(checks, r.outageChecks()...)
	checks = append(checks, r.constraintChecks()...)
	checks = append(checks, r.strayCheck(), r.abortCheck())
	checks = append(checks, r.bookChecks()...)
	checks = append(checks, r.load.trouble.checks()...)
	checks = append(checks, r.actChecks()...)
	checks = append(checks, r.equalChecks()...)
	return append(checks, r.storyCheck())
}

// spans are all that the clients did.
func (r *report) spans() []*spanned {
	all := []*spanned{&r.moving, &r.returning, &r.aborting}
	for i := range r.rows {
		all = append(all, &r.rows[i].seen)
	}
	return all
}

func (r *report) clientChecks() []check {
	failed, answers := 0, 0
	var snaps [router.Sides]int
	var first error
	for _, s := range r.spans() {
		failed += s.failed
		for side := range snaps {
			answers += s.told[side]
			snaps[side] += s.snaps[side]
		}
		if first == nil {
			first = s.first
		}
	}
	return []check{
		{snaps[router.Source]+snaps[router.Target] > 0, fmt.Sprintf("snapshots: none split; %s were read at the source and %s at the target",
			grouped(int64(snaps[router.Source])), grouped(int64(snaps[router.Target])))},
		{failed == 0, fmt.Sprintf("client errors: %s, in %s readings and %s pieces of work at the tills",
			grouped(int64(failed)), grouped(int64(answers)), grouped(int64(r.load.tally.count()))) + because(first)},
		{
			r.load.gone == 0 && r.left == 0,
			fmt.Sprintf("connections: %d of %d were lost; %s left when all had gone", r.load.gone, r.load.size, plural(r.left, "session")),
		},
	}
}

// checks hold a row against its share.
func (r *row) checks() []check {
	if r.kind == downfall {
		return nil // see outageChecks
	}
	told, want := r.seen.told, chosen(r.share)
	claim := fmt.Sprintf("%s %s %%: %s of %d browsers hashed to the target, which has answered all of them and nobody else",
		r.phase, r.share, grouped(int64(len(want))), browsers)
	return []check{{
		same(r.seen.by[router.Target], want) && (told[router.Target] > 0) == (len(want) > 0) && told[router.Source]+told[router.Target] > 0 &&
			r.at.Target <= len(want) && everybody(&r.seen) && r.seen.interruptions() == 0,
		claim,
	}}
}

// everybody says that each browser was answered by somebody.
func everybody(s *spanned) bool {
	for n := range browsers {
		if !s.by[router.Source][n+1] && !s.by[router.Target][n+1] {
			return false
		}
	}
	return true
}

func same(a, b map[int]bool) bool {
	for number := range a {
		if !b[number] {
			return false
		}
	}
	return len(a) == len(b)
}

// outageChecks are what the loss of the target may cost, and that it comes back.
func (r *report) outageChecks() []check {
	var down *row
	for i := range r.rows {
		if r.rows[i].kind == downfall {
			down = &r.rows[i]
		}
	}
	if down == nil {
		return []check{{false, "target killed: not seen"}}
	}
	in, strangers, failed := chosen(down.share), 0, down.seen.failed+r.returning.failed
	for _, s := range []*spanned{&down.seen, &r.returning} {
		for number := range s.losers {
			if !in[number] {
				strangers++
			}
		}
	}
	n := down.seen.interruptions() + r.returning.interruptions()
	return []check{
		{
			failed == 0 && strangers == 0 && down.seen.orders > 0,
			fmt.Sprintf("target killed: %d errors, %s orders sold meanwhile, and %s of the source's sessions interrupted",
				failed, grouped(int64(down.seen.orders)), plural(strangers, "transaction")),
		},
		{
			down.seen.interruptions() == len(down.seen.losers) &&
				r.returning.interruptions() <= len(r.returning.losers)*max(r.automatic()/2, 1) &&
				r.moving.interruptions() == 0 && r.aborting.interruptions() == 0,
			fmt.Sprintf("target killed: %s of its %d sessions interrupted, each told so once per outage and run again", plural(n, "transaction"), len(in)),
		},
		r.delayCheck(down),
		{
			r.away.broken.State == router.TargetBroken.String() && r.away.mended > 0,
			fmt.Sprintf("breaker: %s (%s), closed by itself %s s after the restart", r.away.broken.State, r.away.broken.Reason, seconds(r.away.mended)),
		},
		{
			r.away.dirty > 0 && r.away.drained > 0,
			fmt.Sprintf("keys: %s dirty while the target was away, none %s s after the restart", grouped(int64(r.away.dirty)), seconds(r.away.drained)),
		},
	}
}

// What a target that is lost may cost a piece of work: mirror.budget of the
// configuration, beside what such a piece takes on a busy machine when all is
// well.
const (
	budget    = 250 * time.Millisecond
	busyTimes = time.Second
)

// delayCheck holds the longest piece of work of the tills against the budget.
func (r *report) delayCheck(down *row) check {
	var calm time.Duration
	for i := range r.rows {
		if r.rows[i].kind == steady {
			calm = max(calm, r.rows[i].seen.worst)
		}
	}
	most := budget + max(calm, busyTimes)
	return check{
		down.seen.worst > 0 && down.seen.worst <= most,
		fmt.Sprintf("target killed: the tills' longest piece of work took %s ms (%s ms at other times; mirror.budget is %s ms)",
			milliseconds(down.seen.worst), milliseconds(calm), milliseconds(budget)),
	}
}

// abortTime is the longest that the target may go on answering new statements.
const abortTime = 1.0

func (r *report) abortCheck() check {
	late := r.aborting.last[router.Target].Sub(r.aborted).Seconds()
	return check{
		!r.aborted.IsZero() && late < abortTime && r.back > 0,
		fmt.Sprintf("abort: the target has answered nothing that was asked later than %.2f s after it; status had nobody there after %s s",
			max(late, 0), seconds(r.back)),
	}
}

// bookChecks compare what the tills did with what the source has.
func (r *report) bookChecks() []check {
	t := &r.load.tally
	placed, told := int64(len(t.done[placeOrder])), int64(r.load.heard)
	rows, taken := r.after.orders-r.before.orders, r.after.taken-r.before.taken
	return []check{
		{placed == rows, fmt.Sprintf("orders: %s placed by clients, %s new rows", grouped(placed), grouped(rows))},
		{t.cents == taken, fmt.Sprintf("money: %s paid by clients, %s new in payments", money(t.cents), money(taken))},
		{r.after.taken == r.after.ordered, fmt.Sprintf("money: %s in payments, %s in paid orders", money(r.after.taken), money(r.after.ordered))},
		{
			placed == told && r.load.deaf == nil,
			fmt.Sprintf("notices: %s orders told to an idle LISTENing session, of %s", grouped(told), grouped(placed)) + because(r.load.deaf),
		},
	}
}

// breakerAct is the act of a breaker that opens or closes.
const breakerAct = "breaker"

// automatic is how many acts of the breaker's own there are: it may open once
// more while a target that was killed still recovers.
func (r *report) automatic() int {
	n := 0
	for i := range r.audited.records {
		if r.audited.records[i].Act == breakerAct && r.audited.records[i].Door == admin.DoorAuto {
			n++
		}
	}
	return n
}

// actChecks look for everything that was typed in the chain of acts.
func (r *report) actChecks() []check {
	found, automatic := 0, r.automatic()
	for i := range r.audited.records {
		if found < len(r.acts) && r.acts[found].is(&r.audited.records[i]) {
			found++
		}
	}
	v := r.audited.verdict
	claim := fmt.Sprintf("chain: %s hold", plural(int(v.Records), "record"))
	if !v.OK {
		claim = fmt.Sprintf("chain: broken at record %d", v.Broken)
	}
	return []check{
		{found == len(r.acts), fmt.Sprintf("acts: %d typed, %d of them in the chain, each with who, before, after and why", len(r.acts), found)},
		{automatic >= 2, fmt.Sprintf("acts: %d more of the breaker's own, which has opened and closed", automatic)},
		{v.OK && v.Records >= uint64(len(r.acts)), claim},
	}
}

func (t *trouble) checks() []check {
	return []check{
		{
			t.err == nil && t.cancelled.Code == queryCanceled,
			"a slow query cancelled on purpose: " + seen(&t.cancelled) + because(t.err),
		},
		{
			t.err == nil && t.refused.Code == uniqueViolation && t.refused.ConstraintName == paidOnce,
			"a second payment refused on purpose: " + seen(&t.refused),
		},
	}
}

// seen is an error as the client has it, without its message.
func seen(e *pgconn.PgError) string {
	switch {
	case e.Code == "":
		return "no error reached the client"
	case e.ConstraintName == "":
		return "SQLSTATE " + e.Code
	default:
		return "SQLSTATE " + e.Code + ", constraint " + e.ConstraintName
	}
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return " (" + err.Error() + ")"
}
