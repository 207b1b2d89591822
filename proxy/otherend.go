package proxy

import (
	"bytes"
	"cmp"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// Savepoint settles what was missed, which belongs to the savepoint before.
func (o *otherLeg) Savepoint(depth int) error {
	if err := o.Await(o.s.server.opt.Mirror.Budget); err != nil {
		return err
	}
	return o.control("SAVEPOINT ", depth)
}

// RollbackTo takes back what came since the savepoint.
func (o *otherLeg) RollbackTo(depth int) error {
	if err := o.flush(time.Now().Add(o.s.server.opt.Mirror.Budget)); err != nil {
		return err
	}
	o.missed, o.effects = nil, nil // what was brought over may be taken back with it: the next one finds it
	return o.control("ROLLBACK TO SAVEPOINT ", depth)
}

// Release ends a savepoint.
func (o *otherLeg) Release(depth int) error { return o.control("RELEASE SAVEPOINT ", depth) }

func (o *otherLeg) control(verb string, depth int) error {
	text := verb + pgwire.Reserved + "_" + strconv.Itoa(depth)
	o.say(text, text, 'X', nil, nil, nil)
	return o.write(o.s.server.opt.Mirror.Budget)
}

// Commit asks for the end of the transaction. All has been answered.
func (o *otherLeg) Commit() error {
	o.say(nameCommit, "COMMIT", 'X', nil, nil, nil)
	o.add(&pgproto3.Sync{})
	return o.write(o.s.server.opt.Mirror.Budget)
}

// Committed waits for it. Past the budget nobody knows, and the leg is given up.
func (o *otherLeg) Committed(budget time.Duration) error {
	if err := o.l.SetReadDeadline(time.Now().Add(budget)); err != nil {
		o.giveUp(false)
		return o.broke(err)
	}
	committed, refused := false, error(nil)
	for {
		message, err := o.l.message()
		if err != nil {
			o.giveUp(false)
			return o.broke(err)
		}
		switch message[0] {
		case 'Z':
			o.owed = nil
			if refused == nil && !committed {
				return errTarget
			}
			o.l.applies = o.l.applies || o.keeps && committed
			err := o.l.SetDeadline(noDeadline)
			return cmp.Or(refused, err)
		case 'C':
			committed = bytes.HasPrefix(message[wire.HeaderSize:], []byte("COMMIT"))
		case 'E':
			o.forgetUnparsed()
			refused = o.refused(message)
		}
	}
}

// Rollback ends the transaction at the target. One that has an answer to wait
// for is ended by ending its connection: the client does not wait for that.
func (o *otherLeg) Rollback() {
	if o.failed != nil {
		var refused targetError
		if errors.As(o.failed, &refused) {
			o.undo()
			return
		}
		o.giveUp(errors.Is(o.failed, errBudget))
		return
	}
	o.undo()
}

// undo rolls back on a leg that answers. The first Sync ends what was sent.
func (o *otherLeg) undo() {
	o.failed = nil
	o.add(&pgproto3.Sync{})
	o.say(nameRollback, "ROLLBACK", 'X', nil, nil, nil)
	o.add(&pgproto3.Sync{})
	err := o.write(o.s.server.opt.Mirror.Budget)
	o.hearPrior()
	err = cmp.Or(err, o.failed)
	for ready := 0; ready < 2 && err == nil; {
		var message []byte
		if message, err = o.l.message(); err != nil {
			break
		}
		switch message[0] {
		case 'Z':
			ready++
		case '1', '2', '3', 'C', 'I':
			if len(o.owed) > 0 {
				o.owed = o.owed[1:]
			}
		case 'E':
			o.forgetUntil(ready)
		}
	}
	if err != nil {
		o.giveUp(isTimeout(err))
		return
	}
	o.owed = nil
	_ = o.l.SetDeadline(noDeadline)
}

// forgetUntil forgets what an error before the first or second Sync ends: the
// last two or four replies are those of the ROLLBACK.
func (o *otherLeg) forgetUntil(ready int) {
	tail := 2
	if n := len(o.owed); n > 3 && o.owed[n-3].name == nameRollback {
		tail = 4
	}
	if ready > 0 || tail > len(o.owed) {
		tail = 0
	}
	kept := append([]owedReply(nil), o.owed[len(o.owed)-tail:]...)
	o.owed = o.owed[:len(o.owed)-tail]
	o.forgetUnparsed()
	o.owed = kept
}

// giveUp drops the leg; with cancel, what runs on it is asked to stop.
func (o *otherLeg) giveUp(cancel bool) {
	o.hearPrior()
	if o.later != nil {
		o.later.gone = true
		return
	}
	if o.s.legs[router.Target] != o.l {
		return
	}
	if cancel {
		o.s.server.cancelLeg(o.l)
	}
	o.s.dropLeg(router.Target)
}
