package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

// stage is what the demo starts and ends.
type stage struct {
	out      io.Writer
	dir      string
	servers  dbserver.Pair
	front    *front
	operator *operator
	password string // of the role shop at the proxy
	file     string // the proxy's configuration
	page     string // the file of the auditor's report; "": a new one
}

// open starts the servers with the shop and the proxy in front of them. lost is
// told when the proxy ends by itself. What was started is for close.
func (s *stage) open(ctx context.Context, opt Options, lost context.CancelCauseFunc) (err error) {
	if s.dir, err = os.MkdirTemp("", "crossfade-demo-"); err != nil {
		return fmt.Errorf("make the demo's directory: %w", err)
	}
	// The servers' password for the shop is the proxy's alone, so that every
	// session of that role at a server has come through the proxy.
	s.password = rand.Text()
	inner := secrets{shop: rand.Text(), service: rand.Text()}
	if err := s.openServers(ctx, inner); err != nil {
		return err
	}
	if s.file, err = writeConfig(s.dir, s.servers, s.password, inner); err != nil {
		return err
	}
	if s.front, err = openFront(ctx, opt, s.file, lost); err != nil {
		return err
	}
	if s.operator, err = newOperator(opt, s.dir, s.front.admin); err != nil {
		return err
	}
	return s.say("  proxy    %s, admin on %s\n\n"+
		"In another terminal these lines make the commands below work:\n\n%s\n",
		s.front.clients, s.operator.address, s.operator.environment())
}

func (s *stage) openServers(ctx context.Context, passwords secrets) error {
	err := s.say("Crossfade demo: a small shop, an old and a new PostgreSQL, and the proxy in front of them\n\n")
	if err != nil {
		return err
	}
	if s.servers, err = openServers(ctx, passwords); err != nil {
		return err
	}
	source, target := s.servers.Source, s.servers.Target
	if err := differ(source.Version(), target.Version()); err != nil {
		return err
	}
	counts, _, err := countShop(ctx, s.servers, router.Source)
	if err != nil {
		return err
	}
	return s.say("  source   PostgreSQL %s on %s\n  target   PostgreSQL %s on %s\n"+
		"  shop     %s at the source;\n           the target has the tables and no row, and for payments two other tables\n",
		source.Version().Text, source.Addr(), target.Version().Text, target.Addr(), counts)
}

// close ends what open started, in the opposite order.
func (s *stage) close(ctx context.Context) error {
	var err error
	if s.front != nil {
		err = s.front.close()
	}
	err = errors.Join(err, s.servers.Stop(context.WithoutCancel(ctx)))
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

func (s *stage) say(format string, args ...any) error {
	if _, err := fmt.Fprintf(s.out, format, args...); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// show goes through the whole move under load and prints the report.
func (s *stage) show(ctx context.Context, length time.Duration) error {
	err := s.say("%d tills sell and pay in transactions, and stay at the source (canary.force_out). %d browsers read, and\n"+
		"write a row of their own; each is placed by the hash of its application_name. Nobody reconnects from here to the end.\n\n", tills, browsers)
	if err != nil {
		return err
	}
	if err := s.check(ctx); err != nil {
		return err
	}
	r, err := s.measure(ctx, length)
	if err != nil {
		return err
	}
	if err := s.say("%s", r.text()); err != nil {
		return err
	}
	if !holds(r.checks()) {
		return ErrFailed
	}
	return nil
}

// finding is one of check's.
type finding struct {
	Severity string `json:"severity"`
	Check    string `json:"check"`
	Table    string `json:"table"`
	Message  string `json:"message"`
}

// check proves the mapping before anything is mirrored by it.
func (s *stage) check(ctx context.Context) error {
	args := []string{"check", "-c", s.file, "--mapping"}
	if err := s.say("$ %s\n", typed(args)); err != nil {
		return err
	}
	var out, talk strings.Builder
	code := s.operator.command(ctx, append(args, "-o", "json"), &out, &talk)
	var found struct {
		Findings []finding `json:"findings"`
	}
	if err := json.Unmarshal([]byte(out.String()), &found); err != nil {
		return fmt.Errorf("read the answer to check: %w: %s", err, &talk)
	}
	counts := map[string]int{}
	for _, f := range found.Findings {
		counts[f.Severity]++
		if f.Severity == "info" {
			continue
		}
		if err := s.say("  %s: %s %s: %s\n", f.Severity, f.Check, f.Table, f.Message); err != nil {
			return err
		}
	}
	if code != 0 {
		return fmt.Errorf("%w: check --mapping: exit code %d: %s", ErrFailed, code, &talk)
	}
	return s.say("  no error, %s, %d for information\n\n", plural(counts["warning"], "warning"), counts["info"])
}

// measure runs the load and the tour between two looks at the source's books,
// and then compares both sides.
func (s *stage) measure(ctx context.Context, length time.Duration) (*report, error) {
	r := &report{majors: [router.Sides]int{s.servers.Source.Version().Major, s.servers.Target.Version().Major}}
	var err error
	if r.before, err = readBooks(ctx, s.servers.Source); err != nil {
		return nil, err
	}
	t := newTour(s, length)
	if t.load, err = openLoad(ctx, s.place(), t.between); err != nil {
		return nil, err
	}
	err = t.run(ctx)
	result, ended := t.load.end(ctx)
	if err := errors.Join(err, ended); err != nil {
		return nil, err
	}
	r.load = result
	if r.left, err = s.operator.sessionsLeft(ctx); err != nil {
		return nil, err
	}
	if err := t.compare(ctx, r); err != nil {
		return nil, err
	}
	r.toured = t.toured
	return r, nil
}

// compare lets the worker end, and asks everybody how it went.
func (t *tour) compare(ctx context.Context, r *report) (err error) {
	if err := t.say("\nThe load has ended. Whatever is dirty still is repaired, and then both sides are compared.\n"); err != nil {
		return err
	}
	if err := t.change(ctx, act{"reconcile run --wait", "both sides are to be compared", 0}); err != nil {
		return err
	}
	if r.after, err = readBooks(ctx, t.servers.Source); err != nil {
		return err
	}
	if r.dumps, err = dumpAll(ctx, t.servers); err != nil {
		return err
	}
	if r.end, err = readMetrics(ctx, t.front.admin); err != nil {
		return err
	}
	if r.audited, err = t.operator.audit(ctx); err != nil {
		return err
	}
	r.story, err = t.operator.report(ctx, t.page)
	return err
}

func (s *stage) place() place {
	return place{
		dsn:   "postgres://shop:" + s.password + "@" + s.front.clients + "/shop?sslmode=disable",
		sides: portsOf(s.servers),
	}
}

// linger keeps a light load going until ctx ends.
func (s *stage) linger(ctx context.Context) error {
	host, port, _ := strings.Cut(s.front.clients, ":")
	err := s.say("\nStill running, with a light load. Have a look:\n\n"+
		"  PGPASSWORD=%s psql -h %s -p %s -U shop shop\n"+
		"  curl %s/metrics\n\n"+
		"and move the share, write a row and look for it on both sides, change one behind the proxy's back:\n\n%s"+
		"  crossfade canary set 50 --reason \"my own\"\n"+
		"  crossfade status --watch\n"+
		"  crossfade table list\n"+
		"  crossfade backfill public.customers --reason \"compare\"\n"+
		"  crossfade divergence list\n"+
		"  crossfade report -o html\n"+
		"  crossfade canary explain --key application_name=psql\n"+
		"  crossfade abort\n\n"+
		"Ctrl-C ends it and removes everything.\n",
		s.password, host, port, s.operator.address, s.operator.environment())
	if err != nil {
		return err
	}
	stroll(ctx, s.place())
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return s.say("\nEnded; nothing is left behind.\n")
}
