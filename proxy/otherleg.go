package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/shadow"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// otherLeg is the target's end of one mirrored transaction, on the session's
// own second leg: statements are written behind each other and answered at the
// commit point. It is a shadow.Leg.
type otherLeg struct {
	s      *session
	l      *leg
	mapped *Mapped
	buf    []byte
	owed   []owedReply
	last   map[rowOf]int
	ops    int
	missed []missed
	failed error

	explained map[rowOf]bool // rows that another transaction may be about to bring
	effects   []rowOf        // rows that should have been there
	locked    bool
	fenced    bool
	keeps     bool               // its settings outlast it
	flushed   bool               // the target has been asked for all answers
	prior     *later             // what is left of the commit before, which is heard first
	later     *later             // it is used by what is left of its commit
	tell      func([]byte) error // of the client, where the leg is the client's own; else nil

	settings [][]byte // of the session, in the order of applySettings
}

// rowOf names a row among all pairs.
type rowOf struct {
	pair *rewrite.Pair
	key  rewrite.RowKey
}

// owedReply is one message of ours that the target answers.
type owedReply struct {
	kind byte   // C close, P parse, B bind, E execute, L and F the fence's executes, X another execute of ours
	name string // P: of the statement
	miss missed // E: what is missed if fewer rows are met than asked for
	want int    // E: rows to be met; 0: any number
}

// missed is a part of a change that met no row.
type missed struct {
	change *shadow.Change
	target int
	image  int // -1: all of them
	gone   int // -1: it is not about an old key
	op     int
}

// targetError is an error of the target within a mirrored transaction.
type targetError struct{ *pgwire.ServerError }

func (e targetError) Error() string { return "target: SQLSTATE " + e.Code }

// Retry: foreign and unique keys look for rows of a transaction that may not have
// committed there yet; locks may be the target's alone (WRITEPATH §1).
func (e targetError) Retry() shadow.Retry {
	switch e.Code {
	case "23503", "23505", "23P01":
		return shadow.Behind
	case "40001", "40P01", "55P03", "26000": // the last: the leg's statements were dropped
		return shadow.Soon
	default:
		return shadow.Never
	}
}

var (
	errBudget = shadow.ErrRefused{Cause: shadow.CauseBudget}
	errFence  = errors.New("the fence of the target refuses this epoch")
	errTarget = errors.New("the target said what it was not asked")

	errNotEmptied    = errors.New("the target's table holds rows of others and cannot be truncated")
	errNoPlaceholder = errors.New("a key that is not at the target cannot be taken there")
)

// Names of our statements on a leg.
const (
	nameBegin    = pgwire.Reserved + "_begin"
	nameLock     = pgwire.Reserved + "_lock"
	nameFence    = pgwire.Reserved + "_fence"
	nameKeep     = pgwire.Reserved + "_keep"
	nameEpoch    = pgwire.Reserved + "_epoch"
	nameCommit   = pgwire.Reserved + "_commit"
	nameRollback = pgwire.Reserved + "_rollback"
	nameTruncate = pgwire.Reserved + "_truncate"
)

// openOther begins a mirrored transaction on the session's leg at the target.
func (s *session) openOther() (shadow.Leg, error) {
	if why := s.server.unmirrored(); why != "" {
		return nil, shadow.ErrRefused{Cause: why}
	}
	if s.server.opt.Mirror.OneServer {
		return s.openSame()
	}
	prior := s.behind()
	if l := s.legs[router.Target]; prior == nil && (s.hung[router.Target].Load() || l != nil && l.ended()) {
		s.dropLeg(router.Target)
	}
	if s.legs[router.Target] == nil {
		if err := s.dialBare(); isTimeout(err) || errors.Is(err, errLoginTime) || errors.Is(err, context.DeadlineExceeded) {
			s.server.breaker.suspect() // logging in takes more than a write: the probe says
			return nil, errBudget
		} else if err != nil {
			s.moveFailed(err)
			return nil, shadow.ErrRefused{Cause: shadow.CauseFailed}
		}
	}
	o := &otherLeg{s: s, l: s.legs[router.Target], mapped: s.mirror.mapped, prior: prior, last: map[rowOf]int{}}
	s.mirror.other = o
	o.say(nameBegin, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE", 'X', nil, nil, nil)
	o.fences(0)
	return o, nil
}

// say adds one statement, prepared once per leg under a name of ours.
func (o *otherLeg) say(name, text string, kind byte, types []uint32, formats []int16, args [][]byte) {
	if !o.l.prepared[name] {
		o.add(&pgproto3.Close{ObjectType: 'S', Name: name})
		o.owed = append(o.owed, owedReply{kind: 'C'})
		o.add(&pgproto3.Parse{Name: name, Query: text, ParameterOIDs: types})
		o.owed = append(o.owed, owedReply{kind: 'P', name: name})
		o.l.knows(name)
	}
	portal := ""
	if o.tell != nil {
		portal = nameSame // the client may have bound the one without a name
	}
	o.add(&pgproto3.Bind{DestinationPortal: portal, PreparedStatement: name, ParameterFormatCodes: formats, Parameters: args})
	o.add(&pgproto3.Execute{Portal: portal})
	o.owed = append(o.owed, owedReply{kind: 'B'}, owedReply{kind: kind})
	if portal != "" {
		o.add(&pgproto3.Close{ObjectType: 'P', Name: portal})
		o.owed = append(o.owed, owedReply{kind: 'C'})
	}
}

// knows notes that a statement of ours is being prepared on the leg.
func (l *leg) knows(name string) {
	if l.prepared == nil {
		l.prepared = map[string]bool{}
	}
	l.prepared[name] = true
}

func (o *otherLeg) add(m pgproto3.FrontendMessage) {
	o.flushed = false
	var err error
	if o.buf, err = m.Encode(o.buf); err != nil && o.failed == nil {
		o.failed = fmt.Errorf("encode for the target: %w", err)
	}
}

// outstandingMost is how many replies may wait before some are read, so that
// neither end waits for the other to read.
const outstandingMost = 2000

// write sends what was added.
func (o *otherLeg) write(budget time.Duration) error {
	if o.failed != nil {
		return o.failed
	}
	if len(o.buf) == 0 {
		return nil
	}
	if err := o.l.SetDeadline(o.deadline(time.Now().Add(budget))); err != nil {
		return o.broke(err)
	}
	_, err := o.l.Write(o.buf)
	if o.buf = o.buf[:0]; cap(o.buf) > largeBuffer {
		o.buf = nil
	}
	if err != nil {
		return o.broke(err)
	}
	return nil
}

// deadline is when the target is late. On the client's own leg the server itself
// says so, and the connection outlives it.
func (o *otherLeg) deadline(at time.Time) time.Time {
	if o.tell != nil {
		return noDeadline
	}
	return at
}

// broke is the end of the leg.
func (o *otherLeg) broke(err error) error {
	if o.failed == nil && o.tell != nil {
		o.failed = fmt.Errorf("%w: %w", errLost, err)
	}
	if o.failed == nil {
		o.failed = o.s.targetBroke(err)
	}
	return o.failed
}

// targetBroke names why the target could not take a write over, and tells the
// breaker.
func (s *session) targetBroke(err error) error {
	if isTimeout(err) {
		s.server.breaker.overrun()
		return errBudget
	}
	s.server.breaker.suspect()
	return fmt.Errorf("target: %w", err)
}

// Apply adds a change. It is sent when the client has its answer, or at the commit
// point.
func (o *otherLeg) Apply(c *shadow.Change) error {
	o.ops++
	o.explain(c)
	o.apply(c)
	for key := range o.rows(c) {
		o.last[key] = o.ops
	}
	switch {
	case len(o.owed) > outstandingMost:
		return o.Await(o.s.server.opt.Mirror.Budget)
	case len(o.buf) > largeBuffer:
		return o.write(o.s.server.opt.Mirror.Budget)
	default:
		return nil
	}
}

// push sends what was added.
func (o *otherLeg) push() {
	_ = o.write(o.s.server.opt.Mirror.Budget) // it has failed then, as the commit will find
}

// rows are the rows that a change concerns.
func (o *otherLeg) rows(c *shadow.Change) func(func(rowOf) bool) {
	return func(yield func(rowOf) bool) {
		for _, key := range c.Gone {
			if !yield(rowOf{c.Pair, key}) {
				return
			}
		}
		for _, image := range c.Images {
			if key, ok := c.Pair.KeyOf(image); ok && !yield(rowOf{c.Pair, key}) {
				return
			}
		}
	}
}

// Send sends what waits for the commit point.
func (o *otherLeg) Send() {
	o.end()
	o.push()
}

// end asks for the answers to what was added.
func (o *otherLeg) end() {
	if !o.flushed {
		o.add(&pgproto3.Flush{})
		o.flushed = true
	}
}

// Await reads all answers; what has met no row is done by its key.
func (o *otherLeg) Await(budget time.Duration) error {
	deadline := time.Now().Add(budget)
	for {
		if err := o.flush(deadline); err != nil {
			return err
		}
		if len(o.missed) == 0 {
			return nil
		}
		o.redo()
	}
}

// flush sends what was added and reads every answer.
func (o *otherLeg) flush(deadline time.Time) error {
	o.end()
	if err := o.write(time.Until(deadline)); err != nil {
		return err
	}
	if o.hearPrior(); o.failed != nil {
		return o.failed
	}
	if err := o.l.SetReadDeadline(o.deadline(deadline)); err != nil {
		return o.broke(err)
	}
	for len(o.owed) > 0 {
		message, err := o.l.message()
		if err != nil {
			return o.broke(err)
		}
		if err := o.heard(message); err != nil {
			o.failed = err
			return err
		}
	}
	return nil
}

// heard takes one message of the target.
func (o *otherLeg) heard(message []byte) error {
	switch message[0] {
	case 'N', 'S', 'A':
		return o.aside(message)
	case 'E':
		o.forgetUnparsed()
		return o.refused(message)
	case 'D':
		return o.fence(message)
	}
	if len(o.owed) == 0 {
		return errTarget
	}
	front := o.owed[0]
	switch message[0] {
	case '1', '2', '3':
		if front.kind != 'P' && front.kind != 'B' && front.kind != 'C' {
			return errTarget
		}
	case 'C', 'I':
		if err := o.completed(front, message[wire.HeaderSize:]); err != nil {
			return err
		}
	default:
		return errTarget
	}
	o.owed = o.owed[1:]
	return nil
}

// forgetUnparsed: what the target has not parsed before the error is not there.
func (o *otherLeg) forgetUnparsed() {
	for _, r := range o.owed {
		if r.kind == 'P' {
			delete(o.l.prepared, r.name)
		}
	}
	o.owed = nil
}

func (o *otherLeg) refused(message []byte) error {
	e := targetError{pgwire.ParseError(message[wire.HeaderSize:])}
	switch {
	case e.Code == "26000":
		o.l.prepared = nil
	case !o.fenced && (e.Code == "42P01" || e.Code == "3F000" || e.Code == "42501"):
		o.s.server.fenceRefused() // it is not there
	}
	o.s.server.mirrorFailed(e.ServerError)
	return e
}

// completed counts the rows of a statement.
func (o *otherLeg) completed(front owedReply, tag []byte) error {
	switch front.kind {
	case 'F':
		if !o.fenced {
			o.s.server.fenceRefused()
			return errFence
		}
	case 'E':
		if front.want > 0 && tagRows(tag) < front.want {
			o.missed = append(o.missed, front.miss)
		}
	case 'X', 'L':
	default:
		return errTarget
	}
	return nil
}

// tagRows is the number at the end of a command tag.
func tagRows(tag []byte) int {
	tag, _, _ = bytes.Cut(tag, []byte{0})
	n, err := strconv.Atoi(string(tag[bytes.LastIndexByte(tag, ' ')+1:]))
	if err != nil {
		return 0
	}
	return n
}
