package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// crowd are the sessions of a round, and what became of their transactions.
type crowd struct {
	round int
	dsn   func(application string) string
	quit  chan struct{} // closed: they end after the transaction at hand
	under atomic.Int64  // transactions under way
	cut   atomic.Int64  // transactions that lost their connection
	group sync.WaitGroup
	tally *tally
}

// part is what a session does.
type part struct {
	name     string
	sessions int
	begin    func(context.Context, *session) error // on a new connection; nil: nothing
	act      func(context.Context, *session) error
}

var parts = []part{
	{name: "bank", sessions: 4, act: bankAct},
	{name: "storm", sessions: 4, act: stormAct},
	{name: "queue", sessions: 3, act: queueAct},
	{name: "family", sessions: 2, act: familyAct},
	{name: "stay", sessions: 2, act: stayAct},
	{name: "stall", sessions: 1, begin: stallBegin, act: stallAct},
}

// modes are how statements are sent: simple, extended with and without a name.
var modes = []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec}

func newCrowd(round int, dsn func(string) string) *crowd {
	return &crowd{round: round, dsn: dsn, quit: make(chan struct{}), tally: newTally()}
}

// start lets all sessions go; stop ends them and waits for that.
func (c *crowd) start(ctx context.Context, seed uint64) {
	n := 0
	for _, p := range parts {
		for i := range p.sessions {
			s := &session{
				crowd: c, part: p, number: n, mode: modes[i%len(modes)],
				random: rand.New(rand.NewPCG(seed, uint64(n))),
			}
			c.group.Go(func() { s.run(ctx) })
			n++
		}
	}
}

func (c *crowd) stop() {
	close(c.quit)
	c.group.Wait()
}

func (c *crowd) leaving() bool {
	select {
	case <-c.quit:
		return true
	default:
		return false
	}
}

// session is one client. It connects again when it has lost its connection.
type session struct {
	crowd  *crowd
	part   part
	number int
	serial int
	mode   pgx.QueryExecMode
	random *rand.Rand
	conn   *pgx.Conn
}

const (
	actTime     = 30 * time.Second // one transaction, however slow: above every stand-still
	connectTime = 5 * time.Second
	againAfter  = 30 * time.Millisecond
)

func (s *session) run(ctx context.Context) {
	defer s.leave()
	for !s.crowd.leaving() && ctx.Err() == nil {
		if s.conn == nil || s.conn.IsClosed() {
			if err := s.connect(ctx); err != nil {
				s.crowd.tally.refused(err)
				pause(ctx, againAfter)
				continue
			}
		}
		doing, cancel := context.WithTimeout(ctx, actTime)
		err := s.part.act(doing, s)
		cancel()
		s.crowd.tally.met(s.part.name, err)
	}
}

func (s *session) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	config, err := pgx.ParseConfig(s.crowd.dsn(fmt.Sprintf("chaos-%d", s.number)))
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = s.mode
	s.conn, err = pgx.ConnectConfig(ctx, config)
	if err == nil && s.part.begin != nil {
		err = s.part.begin(ctx, s)
	}
	if err != nil {
		s.leave()
	}
	return err
}

func (s *session) leave() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx)
	s.conn = nil
}

// token is unique among all transactions of a run.
func (s *session) token() string {
	s.serial++
	return fmt.Sprintf("%s-%d-%d-%d", s.part.name, s.crowd.round, s.number, s.serial)
}

// fate is what a client knows of its transaction.
type fate uint8

const (
	acknowledged fate = iota
	refused           // nothing of it was committed
	unknown           // the connection was lost when it was to be committed
)

// fateOf says what the answer to a commit means.
func fateOf(err error) fate {
	var e *pgconn.PgError
	switch {
	case err == nil:
		return acknowledged
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return refused
	case errors.As(err, &e) && e.Severity == "ERROR" && !lostServer(e.Code):
		return refused
	}
	return unknown
}

// lostServer says that an error is about the connection or the server.
func lostServer(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P")
}

// errLeave is a client's own wish to roll back.
var errLeave = errors.New("rolled back by the client")

// transact runs one transaction. An error before the commit was asked for means
// that nothing was committed.
func (s *session) transact(ctx context.Context, do func(pgx.Tx) error) (fate, error) {
	s.crowd.under.Add(1)
	defer s.crowd.under.Add(-1)
	how, err := s.transaction(ctx, do)
	s.ended(how, err)
	return how, err
}

func (s *session) transaction(ctx context.Context, do func(pgx.Tx) error) (fate, error) {
	tx, err := s.conn.Begin(ctx)
	if err != nil {
		return refused, err
	}
	if err := do(tx); err != nil {
		if !s.conn.IsClosed() {
			_ = tx.Rollback(ctx)
		}
		return refused, err
	}
	err = tx.Commit(ctx)
	return fateOf(err), err
}

// alone runs statements that commit by themselves: one, or a pipeline of
// several in one implicit transaction.
func (s *session) alone(ctx context.Context, do func() error) (fate, error) {
	s.crowd.under.Add(1)
	defer s.crowd.under.Add(-1)
	err := do()
	how := fateOf(err)
	s.ended(how, err)
	return how, err
}

// exec is one statement by itself.
func (s *session) exec(ctx context.Context, sql string, args ...any) (fate, error) {
	return s.alone(ctx, func() error {
		_, err := s.conn.Exec(ctx, sql, args...)
		return err
	})
}

func (s *session) ended(how fate, err error) {
	s.crowd.tally.count(s.part.name, how)
	if err != nil && s.conn.IsClosed() {
		s.crowd.cut.Add(1)
	}
}
