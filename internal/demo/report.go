package demo

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/router"
)

// report is everything that was measured.
type report struct {
	toured
	majors  [router.Sides]int
	load    *loaded
	before  books // the source's figures around the load
	after   books
	left    int     // sessions that the proxy has when all clients have gone
	end     figures // the proxy's
	audited audited
	dumps   []dumped
	story   story
}

// text is the report as people read it, below the rows.
func (r *report) text() string {
	var b strings.Builder
	b.WriteString("\n")
	r.writeTills(&b)
	r.writeProxy(&b)
	r.writeReasons(&b)
	r.writeActs(&b)
	r.story.write(&b)
	r.writeDumps(&b)
	checks := r.checks()
	b.WriteString("\nChecks\n")
	for _, c := range checks {
		word := "ok"
		if !c.holds {
			word = "FAIL"
		}
		fmt.Fprintf(&b, "  %-4s  %s\n", word, c.claim)
	}
	if !holds(checks) {
		b.WriteString("\nNot all checks hold.\n")
	}
	return b.String()
}

// writeTills tells each kind of work with its median and 99th percentile.
func (r *report) writeTills(b *strings.Builder) {
	b.WriteString("What the tills saw, from beginning to end\n")
	fmt.Fprintf(b, "  %-8s %9s %9s %9s %9s %7s\n", "work", "count", "per s", "p50 ms", "p99 ms", "errors")
	var all []time.Duration
	for k, work := range works {
		done := r.load.tally.done[k]
		all = append(all, done...)
		r.writeWork(b, work.name, done, r.load.tally.errors[k])
	}
	r.writeWork(b, "all", all, r.load.tally.failed())
	fmt.Fprintf(b, "  a cancelled query ended %s ms after it was told to\n", milliseconds(r.load.trouble.after))
}

func (r *report) writeWork(b *strings.Builder, name string, done []time.Duration, failed int) {
	rate := float64(len(done)) / r.load.took.Seconds()
	fmt.Fprintf(b, "  %-8s %9s %9s %9s %9s %7s\n", name, grouped(int64(len(done))), grouped(int64(rate+0.5)),
		milliseconds(quantile(done, 0.50)), milliseconds(quantile(done, 0.99)), grouped(int64(failed)))
}

func (r *report) writeProxy(b *strings.Builder) {
	b.WriteString("\nWhat the proxy says\n")
	if r.end.exchanges > 0 {
		own := r.end.own / time.Duration(r.end.exchanges)
		line(b, "its own time per exchange", fmt.Sprintf("%.1f us", float64(own)/float64(time.Microsecond)),
			"mean of "+grouped(int64(r.end.exchanges))+", on a machine busy with the load")
	}
	if r.end.memory > 0 {
		const mib = 1 << 20
		line(b, "memory", grouped(r.end.memory/mib)+" MiB", "with the clients, in one process")
	}
}

// meanings of reasons why the source answers for a session of the canary.
var meanings = map[string]string{
	"shape":        "reads a table whose shape differs",
	"not_ready":    "reads a table of which keys are dirty",
	"recent_write": "a commit of its tables was on its way to the target, longer than canary.wait",
	"isolation":    "its transaction is REPEATABLE READ or SERIALIZABLE",
	"state":        "changes a setting of the session",
	"breaker":      "the target was away",
	"target_error": "the target failed to answer",
	"unprepared":   "its text was not known to the target yet",
	"write":        "writes: both sides get it, by way of the source",
	"mixed":        "one part of its batch is the source's",
}

// writeReasons tells why the source answered for sessions of the canary.
func (r *report) writeReasons(b *strings.Builder) {
	b.WriteString("\nWhat the source answered for sessions of the canary, and why\n")
	for _, reason := range slices.Sorted(maps.Keys(r.end.fallbacks)) {
		if r.end.fallbacks[reason] == 0 {
			continue
		}
		fmt.Fprintf(b, "  %-13s %9s", reason, grouped(r.end.fallbacks[reason]))
		if meaning := meanings[reason]; meaning != "" {
			b.WriteString("  " + meaning)
		}
		b.WriteString("\n")
	}
}

// writeDumps tells the sums of both sides.
func (r *report) writeDumps(b *strings.Builder) {
	const short = 16 // of the sum's digits
	b.WriteString("\nBoth sides, dumped in order by the servers themselves (SHA-256)\n")
	for _, d := range r.dumps {
		fmt.Fprintf(b, "  %-12s %9s rows  source %.*s  target %.*s\n", d.name, grouped(d.rows[router.Source]),
			short, d.sums[router.Source], short, d.sums[router.Target])
	}
}

func (r *report) writeActs(b *strings.Builder) {
	b.WriteString("\n$ crossfade audit list\n" + r.audited.list + "\n$ crossfade audit verify\n" + r.audited.verified)
}

// line is a figure, and in brackets what it means.
func line(b *strings.Builder, name, figure string, notes ...string) {
	fmt.Fprintf(b, "  %-26s %9s", name, figure)
	for _, note := range notes {
		b.WriteString("  (" + note + ")")
	}
	b.WriteString("\n")
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds()*1000, 'f', 2, 64)
}

// money writes cents: 1234567 is 12,345.67.
func money(cents int64) string {
	if cents < 0 {
		return "-" + money(-cents)
	}
	return fmt.Sprintf("%s.%02d", grouped(cents/100), cents%100)
}

// grouped writes a number with its thousands apart: 1,234,567.
func grouped(n int64) string {
	if n < 0 {
		return "-" + grouped(-n)
	}
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}
