package proxy

import (
	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// ensure makes the statements that a batch uses on the leg that answers, where
// it lacks them (SESSIONSTATE M2): the same bytes, read in the same way, and
// described as the client has been told. If not all are there, the leg that has
// them has to answer.
func (s *session) ensure(b *engine.Batch) ensured {
	side := s.eng.Side()
	for _, n := range b.Needs {
		if !n.On[side] {
			return s.prepareAll(b.Needs)
		}
	}
	return there
}

// ensured says whether a leg has the statements of a batch.
type ensured uint8

const (
	there ensured = iota
	lacking
	otherwise // it would describe one in other words than the client was told
)

// changed is what a server says, and drivers know, of such a statement.
var changed = &wire.Error{Fault: wire.ByProxy, Code: pgwire.CodeNotSupported, Message: "cached plan must not change result type"}

func (s *session) prepareAll(needs []engine.Need) ensured {
	tx := s.eng.Tx()
	if tx == 'E' || (tx == 'I' && !s.eng.Settled()) {
		return lacking
	}
	for _, n := range needs {
		if n.On[s.eng.Side()] {
			continue
		}
		if n.Fixed || n.Reads != s.eng.Reading() {
			return lacking
		}
		if is := s.prepare(n, tx == 'T'); is != there {
			return is
		}
	}
	return there
}

// prepare makes one statement; in a transaction its failure is undone.
func (s *session) prepare(n engine.Need, inside bool) ensured {
	side := s.eng.Side()
	l := s.legs[side]
	var f pgwire.Flight
	if inside {
		f.Run("SAVEPOINT " + pgwire.Reserved)
	}
	f.Prepare(n.Parse.Value(), s.statedTypes(n))
	if inside {
		f.Run("RELEASE SAVEPOINT " + pgwire.Reserved)
	}
	out, err := f.Sync()
	landing, err := s.fly(l, out, err)
	if err != nil {
		return lacking // found out by the batch itself
	}
	if landing.Failed != nil {
		if inside && landing.Tx == 'E' {
			var undo pgwire.Flight
			undo.Run("ROLLBACK TO SAVEPOINT " + pgwire.Reserved)
			undo.Run("RELEASE SAVEPOINT " + pgwire.Reserved)
			out, err := undo.Sync()
			_, _ = s.fly(l, out, err) // found out by the batch itself
		}
		return lacking
	}
	if n.On[side] = s.describedAlike(n, side, landing.Described); n.On[side] {
		return there
	}
	var closing pgwire.Flight
	closing.Close(n.Name)
	out, err = closing.Sync()
	_, _ = s.fly(l, out, err) // found out by the batch itself
	return otherwise
}

// statedTypes are the parameter types that the client has been told, where
// their numbers mean the same on both sides.
func (s *session) statedTypes(n engine.Need) []uint32 {
	for _, oid := range n.Params {
		if !s.share.numbers.SameType(oid) {
			return nil
		}
	}
	return n.Params
}

// describedAlike compares what the leg says of a statement with what the
// client has been told; a client that has been told nothing yet only must not
// see numbers of another side.
func (s *session) describedAlike(n engine.Need, side router.Side, described []byte) bool {
	var told uint64
	for len(described) > 0 {
		h := wire.Parse(described)
		if h.State != wire.Whole {
			return false
		}
		message := described[:h.Size]
		described = described[h.Size:]
		if side == router.Target && !s.translated(message) {
			return false
		}
		if message[0] == 't' {
			told = 0
		}
		told = engine.Digest(told, message)
	}
	return n.Told == 0 || n.Told == told
}

func (s *session) translated(message []byte) bool {
	switch message[0] {
	case 't':
		return s.share.numbers.ParameterDescription(message)
	case 'T':
		return s.share.numbers.RowDescription(message)
	default:
		return true
	}
}
