package demo

import (
	"context"
	"crypto/rand"
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
	inner := rand.Text()
	if err := s.openServers(ctx, inner); err != nil {
		return err
	}
	file, err := writeConfig(s.dir, s.servers, s.password, inner)
	if err != nil {
		return err
	}
	if s.front, err = openFront(ctx, opt, file, lost); err != nil {
		return err
	}
	if s.operator, err = newOperator(opt, s.dir, s.front.admin); err != nil {
		return err
	}
	return s.say("  proxy    %s, admin on %s\n\n"+
		"In another terminal these lines make the commands below work:\n\n%s\n",
		s.front.clients, s.operator.address, s.operator.environment())
}

func (s *stage) openServers(ctx context.Context, password string) error {
	err := s.say("Crossfade demo: a small shop, an old and a new PostgreSQL, and the proxy in front of them\n\n")
	if err != nil {
		return err
	}
	if s.servers, err = openServers(ctx, password); err != nil {
		return err
	}
	source, target := s.servers.Source, s.servers.Target
	if err := differ(source.Version(), target.Version()); err != nil {
		return err
	}
	counts, err := countShop(ctx, source)
	if err != nil {
		return err
	}
	return s.say("  source   PostgreSQL %s on %s\n  target   PostgreSQL %s on %s\n"+
		"  shop     %s, on both\n",
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

// show takes the share up and down under load and prints the report.
func (s *stage) show(ctx context.Context, length time.Duration) error {
	err := s.say("%d tills sell and stay at the source (canary.force_out). %d browsers read, each placed by the hash\n"+
		"of its application_name. Nothing is mirrored in this version, so that the target has the shop as it\n"+
		"was loaded, and canary.writes is refuse. Nobody reconnects: sessions move as they are.\n\n", tills, browsers)
	if err != nil {
		return err
	}
	r, err := s.measure(ctx, length)
	if err != nil {
		return err
	}
	if r.end, err = readMetrics(ctx, s.front.admin); err != nil {
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

// measure runs the load and the tour between two looks at the servers' books.
func (s *stage) measure(ctx context.Context, length time.Duration) (*report, error) {
	r := &report{majors: [router.Sides]int{s.servers.Source.Version().Major, s.servers.Target.Version().Major}}
	var err error
	if r.before, err = readBothBooks(ctx, s.servers); err != nil {
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
	r.load, r.toured = result, t.toured
	if r.after, err = readBothBooks(ctx, s.servers); err != nil {
		return nil, err
	}
	if r.left, err = s.operator.sessionsLeft(ctx); err != nil {
		return nil, err
	}
	r.audited, err = s.operator.audit(ctx)
	return r, err
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
		"and move the share yourself; SHOW server_version in psql says who answers:\n\n%s"+
		"  crossfade canary set 50 --reason \"my own\"\n"+
		"  crossfade status --watch\n"+
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
