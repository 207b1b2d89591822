package demo

import (
	"fmt"
	"strconv"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/router"
)

// row is one span of the demo as it is told and checked.
type row struct {
	kind    rowKind
	phase   string
	share   router.Share
	at      admin.Sessions      // as status says
	counted [router.Sides]int64 // transactions, by the servers' own statistics; < 0: they began anew
	seen    spanned             // by the clients
}

// rowKind says what is promised of a row.
type rowKind uint8

const (
	steady   rowKind = iota // one share, both servers well
	downfall                // the target is killed in it
)

// heading stands above the rows.
func heading() string {
	const groups = "%13s  %16s  %18s  %16s  %18s\n"
	return fmt.Sprintf(groups, "", "sessions as", "answered, as the", "p50 in ms", "transactions in") +
		fmt.Sprintf(groups, "", "status says", "servers say", "", "pg_stat_database") +
		cells("phase, share", [...]string{"source", "target", "source", "target", "source", "target", "source", "target", "orders", "errors"})
}

// cells is one line under the heading.
func cells(label string, c [10]string) string {
	return fmt.Sprintf("%13s  %8s%8s  %9s%9s  %8s%8s  %9s%9s  %7s%7s\n",
		label, c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9])
}

// text is the row as people read it.
func (r *row) text() string {
	t := &r.seen
	text := cells(r.phase+" "+r.share.String()+" %", [...]string{
		strconv.Itoa(r.at.Source), strconv.Itoa(r.at.Target),
		grouped(int64(t.told[router.Source])), grouped(int64(t.told[router.Target])),
		median(t.took[router.Source]), median(t.took[router.Target]),
		counted(r.counted[router.Source]), counted(r.counted[router.Target]),
		grouped(int64(t.orders)), grouped(int64(t.failed)),
	})
	if t.interruptions() > 0 || r.kind == downfall {
		text += "         " + again(t) + "\n"
	}
	return text
}

// again tells which transactions had to run again.
func again(t *spanned) string {
	n := t.interruptions()
	if n == 0 {
		return "no transaction was interrupted"
	}
	return plural(n, "open transaction") + " of the target's sessions interrupted " + codes(t.again) + " and run again"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(int64(n)) + " " + what + "s"
}

// median is "-" of nothing.
func median(took []time.Duration) string {
	if len(took) == 0 {
		return "-"
	}
	return milliseconds(quantile(took, 0.50))
}

func counted(n int64) string {
	if n < 0 {
		return "-"
	}
	return grouped(n)
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) }
