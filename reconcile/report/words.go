package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// count writes a number with commas: 1,234,567.
func count(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

func plural(n int, one, many string) string {
	word := many
	if n == 1 {
		word = one
	}
	return count(uint64(max(n, 0))) + " " + word
}

// moment is a time as people read it, always UTC; empty if there is none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// age is a duration in its two largest units.
func age(d time.Duration) string {
	d = max(d, 0)
	const day = 24 * time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%d d %d h", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
}

// share is a part in percent. What is not all never reads 100 %, and what is
// something never 0 %.
func share(part, whole uint64) string {
	switch {
	case whole == 0:
		return "–"
	case part >= whole:
		return "100 %"
	case part == 0:
		return "0 %"
	}
	percent := 100 * float64(part) / float64(whole)
	switch {
	case percent < 0.01:
		return "< 0.01 %"
	case percent > 99.99:
		return "> 99.99 %"
	default:
		return strconv.FormatFloat(percent, 'f', 2, 64) + " %"
	}
}

// bound is the upper bound at 95 % confidence of what was never seen in n
// compares: the rule of three.
func bound(n uint64) string {
	if n < 30 {
		return "nothing that can be said of so few"
	}
	return strconv.FormatFloat(300/float64(n), 'g', 2, 64) + " %"
}

func percent(share float64) string { return strconv.FormatFloat(share, 'f', -1, 64) + " %" }

// some are the first few of a list.
func some(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
