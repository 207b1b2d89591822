package proxy

import (
	"sync/atomic"

	"github.com/crossfade-db/crossfade/proxy/writes"
	"github.com/crossfade-db/crossfade/rewrite"
)

// definitions are those that may change what a write does: a trigger, a function,
// a view, a table that has hidden another. From before one is run until the
// catalogs have been read behind it, nobody relies on what they say.
type definitions struct {
	running atomic.Int64  // sessions whose transaction has one
	ended   atomic.Uint64 // transactions with one that are over
	known   atomic.Uint64 // how many of these the catalogs in force have seen
}

// Defined is how many transactions with definitions are over. Who reads the
// catalogs asks before, and says with Known what they have seen.
func (s *Server) Defined() uint64 { return s.definitions.ended.Load() }

// Known says that the catalogs in force were read when n transactions with
// definitions were over.
func (s *Server) Known(n uint64) { s.definitions.known.Store(n) }

// doubtful says that the session plans by catalogs that may be too old.
func (s *session) doubtful() bool {
	d := &s.server.definitions
	return d.running.Load() > 0 || d.ended.Load() != d.known.Load() || s.mirror.mapped != s.server.mapped()
}

// definesNow notes that the session is about to run a definition.
func (s *session) definesNow(p *writes.Plan) {
	s.defines.Store(true)
	if p.Doubts && !s.doubts.Swap(true) {
		s.server.definitions.running.Add(1)
	}
}

// defined tells, when its transaction is over, that the catalogs have to be read.
func (s *session) defined() {
	if s.defines.Swap(false) {
		if s.doubts.Swap(false) {
			s.server.definitions.ended.Add(1)
			s.server.definitions.running.Add(-1)
		}
		s.server.opt.Mirror.Observer.Defined()
	}
}

// inDoubt is what becomes of a text that may do more than the catalogs say: what
// is captured is asked what else it has changed, and so is what calls a function
// that is not one of the server's harmless ones.
func inDoubt(known *writes.Plan, calls bool) *writes.Plan {
	plan := *known
	switch plan.Class {
	case writes.Capture:
		plan.Watch = true
	case writes.Sequence:
		plan.Parts = append([]writes.Part(nil), plan.Parts...)
		for i := range plan.Parts {
			plan.Parts[i].Plan = inDoubt(plan.Parts[i].Plan, calls)
		}
	case writes.Pass:
		if calls && plan.Statement != nil && plan.Statement.Kind != rewrite.Session && plan.Statement.Kind != rewrite.CopyIn {
			plan.Class, plan.Why, plan.Watch = writes.Probe, writes.WhyFunction, true
		}
	case writes.Probe, writes.Copy, writes.Verbatim, writes.Definition, writes.Control, writes.Truncate, writes.Body:
	}
	return &plan
}
