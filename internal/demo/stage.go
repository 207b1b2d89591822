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
)

// stage is what the demo starts and ends.
type stage struct {
	out      io.Writer
	dir      string
	source   *dbserver.Postgres
	front    *front
	password string // of the role shop at the proxy
}

// open starts the server, fills the shop and starts the proxy in front. lost is
// told when the proxy ends by itself. What was started is for close.
func (s *stage) open(ctx context.Context, opt Options, lost context.CancelCauseFunc) (err error) {
	if s.dir, err = os.MkdirTemp("", "crossfade-demo-"); err != nil {
		return fmt.Errorf("make the demo's directory: %w", err)
	}
	if err := s.openSource(ctx); err != nil {
		return err
	}
	// The server's password for the shop is the proxy's alone, so that every
	// session of that role at the server has come through the proxy.
	s.password = rand.Text()
	inner := rand.Text()
	counts, err := openShop(ctx, s.source, inner)
	if err != nil {
		return err
	}
	if err := s.say("  shop     %s\n", counts); err != nil {
		return err
	}
	file, err := writeConfig(s.dir, s.source.Addr(), s.password, inner)
	if err != nil {
		return err
	}
	if s.front, err = openFront(ctx, opt, file, lost); err != nil {
		return err
	}
	return s.say("  proxy    %s, metrics on %s\n\n", s.front.clients, s.front.admin)
}

func (s *stage) openSource(ctx context.Context) error {
	found, err := dbserver.Find()
	if err != nil {
		return fmt.Errorf("find PostgreSQL, which \"make setup\" installs: %w", err)
	}
	install := found[0]
	if err := s.say("Crossfade demo: a small shop on a private PostgreSQL, and the proxy in front of it\n\n"+
		"  source   PostgreSQL %s", install.Version.Text); err != nil {
		return err
	}
	if s.source, err = dbserver.Start(ctx, dbserver.Options{Install: install}); err != nil {
		return errors.Join(err, s.say("\n"))
	}
	return s.say(" on %s\n", s.source.Addr())
}

// close ends what open started, in the opposite order.
func (s *stage) close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	if s.front != nil {
		err = s.front.close()
	}
	if s.source != nil {
		err = errors.Join(err, s.source.Stop(ctx))
	}
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

// show runs the measured load and prints the report.
func (s *stage) show(ctx context.Context, length time.Duration) error {
	if err := s.say("%d sessions shop through the proxy for %v ...\n\n", shoppers, length); err != nil {
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

// measure runs the load between two looks at the server's own figures.
func (s *stage) measure(ctx context.Context, length time.Duration) (*report, error) {
	before, err := readBooks(ctx, s.source)
	if err != nil {
		return nil, err
	}
	r := &report{before: before}
	r.load, err = runLoad(ctx, s.dsn(), length, func(ctx context.Context) error {
		if r.sessions, err = present(ctx, s.source); err != nil {
			return err
		}
		r.midway, err = readMetrics(ctx, s.front.admin)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := awaitNobody(ctx, s.source); err != nil {
		return nil, err
	}
	if r.after, err = readBooks(ctx, s.source); err != nil {
		return nil, err
	}
	r.end, err = readMetrics(ctx, s.front.admin)
	return r, err
}

// linger keeps a light load going until ctx ends.
func (s *stage) linger(ctx context.Context) error {
	host, port, _ := strings.Cut(s.front.clients, ":")
	err := s.say("\nStill running, with a light load. Have a look:\n\n"+
		"  PGPASSWORD=%s psql -h %s -p %s -U shop shop\n"+
		"  curl http://%s/metrics\n\n"+
		"Ctrl-C ends it and removes everything.\n", s.password, host, port, s.front.admin)
	if err != nil {
		return err
	}
	stroll(ctx, s.dsn())
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return s.say("\nEnded; nothing is left behind.\n")
}

func (s *stage) dsn() string {
	return "postgres://shop:" + s.password + "@" + s.front.clients + "/shop?sslmode=disable"
}
