package proxy

import (
	"github.com/crossfade-db/crossfade/proxy/engine"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// ensure makes the statements that a batch uses on the leg that answers, where
// it lacks them (SESSIONSTATE M2): the same bytes, read in the same way, and
// described as the client has been told. It says whether all are there; if not,
// the leg that has them has to answer.
func (s *session) ensure(b *engine.Batch) bool {
	side := s.eng.Side()
	for _, n := range b.Needs {
		if !n.On[side] {
			return s.prepareAll(b.Needs)
		}
	}
	return true
}

func (s *session) prepareAll(needs []engine.Need) bool {
	tx := s.eng.Tx()
	if tx == 'E' || (tx == 'I' && !s.eng.Settled()) {
		return false
	}
	for _, n := range needs {
		if n.On[s.eng.Side()] {
			continue
		}
		if n.Fixed || n.Reads != s.eng.Reading() || !s.prepare(n, tx == 'T') {
			return false
		}
	}
	return true
}

// prepare makes one statement; in a transaction its failure is undone.
func (s *session) prepare(n engine.Need, inside bool) bool {
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
		return false // found out by the batch itself
	}
	if landing.Failed != nil {
		if inside && landing.Tx == 'E' {
			var undo pgwire.Flight
			undo.Run("ROLLBACK TO SAVEPOINT " + pgwire.Reserved)
			undo.Run("RELEASE SAVEPOINT " + pgwire.Reserved)
			out, err := undo.Sync()
			_, _ = s.fly(l, out, err) // found out by the batch itself
		}
		return false
	}
	n.On[side] = s.describedAlike(n, side, landing.Described)
	return n.On[side]
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
