package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/reconcile/repair"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
)

// lifeWatch knows in which life a server is, by a connection that its restart
// ends: as long as that answers, nothing was lost. A leg that has logged in
// before it answers is of its life, as no two lives of a server go side by side
// (a server starts when every process of the one before has ended).
//
// Another server at the same address, to which one has failed over while the old
// one goes on, is found by a new connection each second, not at once.
type lifeWatch struct {
	m    *dualWrites
	side router.Side

	looking sync.Mutex    // one look at a time
	turn    chan struct{} // who has put a value there has conn
	conn    *pgconn.PgConn

	wake chan struct{} // look now
	asks chan struct{} // somebody has asked

	mu    sync.Mutex
	next  *question
	doubt chan struct{} // closed when the life is known again; nil: it is
	life  shadow.Incarnation
}

// question is whether the connection answers, of all who ask meanwhile.
type question struct {
	done chan struct{}
	err  error // once done is closed
}

// errDoubt says that a server may live anew.
var errDoubt = errors.New("it is not known whether the server has restarted and lost commits")

const (
	lifeEvery  = time.Second
	lifeAgain  = 50 * time.Millisecond // while the life is not known
	answerTime = 2 * time.Second
)

func newLifeWatch(m *dualWrites, side router.Side) *lifeWatch {
	return &lifeWatch{
		m: m, side: side, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), asks: make(chan struct{}, 1), doubt: make(chan struct{}),
	}
}

// dialling waits until the life of a side is known, at the source, and gives
// what says of a leg that it is of that life. Nobody waits for the target.
func (m *dualWrites) dialling(ctx context.Context, side router.Side) (func(context.Context) error, error) {
	if !m.live.Snapshot().Mirrors() {
		return func(context.Context) error { return nil }, nil
	}
	w := m.watches[side]
	for {
		life, doubt := w.known()
		if doubt == nil {
			return func(ctx context.Context) error { return w.same(ctx, life) }, nil
		}
		poke(w.wake)
		if side == router.Target {
			return nil, errDoubt
		}
		select {
		case <-doubt:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errDoubt, context.Cause(ctx))
		}
	}
}

// same says that the side is in that life still.
func (w *lifeWatch) same(ctx context.Context, life shadow.Incarnation) error {
	w.mu.Lock()
	if w.next == nil {
		w.next = &question{done: make(chan struct{})}
	}
	q := w.next
	w.mu.Unlock()
	poke(w.asks)
	select {
	case <-q.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	switch now, doubt := w.known(); {
	case q.err != nil:
		return errors.Join(errDoubt, q.err)
	case doubt != nil || now != life:
		return errDoubt
	default:
		return nil
	}
}

// known is the life of the side; doubt is nil if it is that for sure.
func (w *lifeWatch) known() (life shadow.Incarnation, doubt <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.life, w.doubt
}

// answer asks the connection for all who want to know, until ctx ends.
func (w *lifeWatch) answer(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.asks:
		}
		w.mu.Lock()
		q := w.next
		w.next = nil
		w.mu.Unlock()
		if q == nil {
			continue
		}
		w.turn <- struct{}{}
		q.err = w.ask(ctx)
		<-w.turn
		close(q.done)
		if q.err != nil {
			poke(w.wake)
		}
	}
}

// ask asks the connection for a sign of life; turn is held. Without one the life
// is in doubt.
func (w *lifeWatch) ask(ctx context.Context) error {
	if w.conn == nil {
		return errDoubt
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	err := w.conn.Ping(ctx)
	if err == nil {
		return nil
	}
	_ = w.conn.Close(ctx)
	w.conn = nil
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.doubt == nil {
		w.doubt = make(chan struct{})
	}
	return err
}

// run looks again and again, until ctx ends.
func (w *lifeWatch) run(ctx context.Context) {
	for {
		pause := lifeEvery
		if _, doubt := w.known(); doubt != nil {
			pause = lifeAgain
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-w.wake:
			timer.Stop()
		case <-timer.C:
		}
		if w.m.live.Snapshot().Mirrors() {
			if err := w.look(ctx); err != nil {
				w.m.log.Debug("the life of a side is not known", "side", w.side.String(), "error", err)
			}
		}
	}
}

// look asks the server over a new connection in which life it is, and has the
// rows looked at that a new one may have lost. When it returns nil the life is
// known.
func (w *lifeWatch) look(ctx context.Context) error {
	w.looking.Lock()
	defer w.looking.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	conn, err := w.m.connect(ctx, w.side)
	if err == nil {
		var life shadow.Incarnation
		if life, err = repair.Incarnation(ctx, conn); err == nil {
			return w.take(ctx, conn, life)
		}
		_ = conn.Close(ctx)
	}
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	return errors.Join(err, w.ask(ctx))
}

// take takes a connection in place of one that has ended, or that is of another
// life.
func (w *lifeWatch) take(ctx context.Context, conn *pgconn.PgConn, life shadow.Incarnation) error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	w.mu.Lock()
	before := w.life
	if life != before && w.doubt == nil {
		w.doubt = make(chan struct{}) // nothing is served meanwhile
	}
	w.mu.Unlock()
	if life == before && w.ask(ctx) == nil {
		_ = conn.Close(ctx)
		return nil
	}
	if err := w.m.lives(w.side, life); err != nil {
		return errors.Join(err, conn.Close(ctx))
	}
	if w.conn != nil {
		_ = w.conn.Close(ctx)
	}
	w.conn = conn
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life = life
	if w.doubt != nil {
		close(w.doubt)
		w.doubt = nil
	}
	return nil
}

// close ends the connection, once nothing runs any more.
func (w *lifeWatch) close() {
	if w.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = w.conn.Close(ctx)
	}
}

// lives notes in which life a side is. If it is another one than was known, all
// that was written lately is dirty, durably, when it returns nil.
func (m *dualWrites) lives(side router.Side, life shadow.Incarnation) error {
	m.living.Lock()
	defer m.living.Unlock()
	before := m.life(side)
	if before == life {
		return nil
	}
	if before != "" {
		if err := m.ledger.Restarted(shadow.CauseRestart); err != nil {
			m.log.Error("what a restart may have lost could not be written down; trying again", "side", side.String(), "error", err)
			return err
		}
		m.log.Warn("a server lives anew; what was written lately is looked at", "side", side.String())
	}
	m.lifeOf[side].Store(&life)
	m.again()
	return nil
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is awake, or about to be
	}
}
