package demo

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// story is the auditor's report, as far as it is told and checked.
type story struct {
	file string // of the page
	page int    // its bytes
	told
}

// told is a part of the report's JSON.
type told struct {
	Risks []struct {
		Severity string `json:"severity"`
		Text     string `json:"text"`
	} `json:"risks"`
	Decisions []struct {
		Act    string `json:"act"`
		Actor  string `json:"actor"`
		Reason string `json:"reason"`
	} `json:"decisions"`
	Coverage struct {
		Writes struct {
			Seen     int64 `json:"seen"`
			Mirrored int64 `json:"mirrored"`
		} `json:"writes"`
	} `json:"coverage"`
	Divergences struct {
		Total  int `json:"total"`
		Open   int `json:"open"`
		Counts []struct {
			Table string            `json:"table"`
			Kind  string            `json:"kind"`
			Lives admin.Divergences `json:"states"`
		} `json:"counts"`
	} `json:"divergences"`
	Backlog struct {
		Dirty    int    `json:"dirty"`
		Repaired uint64 `json:"repaired"`
	} `json:"backlog"`
	Outages []struct {
		Reason string `json:"reason"`
	} `json:"outages"`
}

// report writes the auditor's report to a file, a new one if none is named.
func (o *operator) report(ctx context.Context, file string) (s story, err error) {
	if s.told, err = asked[told](ctx, o, "report"); err != nil {
		return s, err
	}
	page, err := o.run(ctx, "report", "-o", "html")
	if err != nil {
		return s, err
	}
	if file == "" {
		f, err := os.CreateTemp("", "crossfade-report-*.html")
		if err != nil {
			return s, fmt.Errorf("make a file for the report: %w", err)
		}
		file = f.Name()
		_ = f.Close() // nothing has been written to it
	}
	s.file, s.page = file, len(page)
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		return s, fmt.Errorf("write the report: %w", err)
	}
	return s, nil
}

// divergences counts those of a kind by state, over all tables.
func (s *story) divergences(kind string) (all int, lives admin.Divergences) {
	for _, c := range s.Divergences.Counts {
		if c.Kind != kind {
			continue
		}
		l := c.Lives
		all += l.Suspected + l.Confirmed + l.Repaired + l.Verified + l.Waived
		lives.Suspected, lives.Confirmed, lives.Repaired = lives.Suspected+l.Suspected, lives.Confirmed+l.Confirmed, lives.Repaired+l.Repaired
		lives.Verified, lives.Waived = lives.Verified+l.Verified, lives.Waived+l.Waived
	}
	return all, lives
}

// decided says that the report tells of a decision of the operator's.
func (s *story) decided(act, reason string) bool {
	for _, d := range s.Decisions {
		if strings.HasPrefix(act, d.Act) && d.Act != "" && d.Reason == reason && d.Actor != "" {
			return true
		}
	}
	return false
}

// write tells what stands in it.
func (s *story) write(b *strings.Builder) {
	fmt.Fprintf(b, "\nThe auditor's report, one page that needs nothing else: %s\n", s.file)
	w := s.Coverage.Writes
	fmt.Fprintf(b, "  writes       %s executions of mapped tables seen, %s of them mirrored inline\n", grouped(w.Seen), grouped(w.Mirrored))
	fmt.Fprintf(b, "  repairs      %s rows written by the worker key by key; %s are dirty now\n", grouped(int64(s.Backlog.Repaired)), grouped(int64(s.Backlog.Dirty)))
	fmt.Fprintf(b, "  outages      %d of the target\n", len(s.Outages))
	fmt.Fprintf(b, "  divergences  %d, of which %d are open\n", s.Divergences.Total, s.Divergences.Open)
	for _, c := range s.Divergences.Counts {
		l := c.Lives
		fmt.Fprintf(b, "    %-10s %-20s suspected %d, confirmed %d, repaired %d, verified %d, waived %d\n",
			c.Kind, c.Table, l.Suspected, l.Confirmed, l.Repaired, l.Verified, l.Waived)
	}
	for _, r := range s.Risks {
		fmt.Fprintf(b, "  risk         %s: %s\n", r.Severity, r.Text)
	}
}
