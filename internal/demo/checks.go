package demo

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
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

// checks compare what the clients saw with what the server has.
func (r *report) checks() []check {
	t := &r.load.tally
	placed, told := int64(len(t.done[placeOrder])), int64(r.load.heard)
	rows := r.after.orders - r.before.orders
	taken := r.after.taken - r.before.taken
	checks := []check{
		{t.failed() == 0, "client errors: " + grouped(int64(t.failed())) + because(t.first)},
		{placed == rows, fmt.Sprintf("orders: %s placed by clients, %s new rows", grouped(placed), grouped(rows))},
		{t.cents == taken, fmt.Sprintf("money: %s paid by clients, %s new in payments", money(t.cents), money(taken))},
		{
			r.after.taken == r.after.ordered,
			fmt.Sprintf("money: %s in payments, %s in paid orders", money(r.after.taken), money(r.after.ordered)),
		},
		{
			placed == told && r.load.deaf == nil,
			fmt.Sprintf("notices: %s orders told to an idle LISTENing session, of %s", grouped(told), grouped(placed)) + because(r.load.deaf),
		},
	}
	return append(checks, r.load.trouble.checks()...)
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
