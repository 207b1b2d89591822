package proxy

import (
	"io"

	"github.com/crossfade-db/crossfade/proxy/engine"
)

// performed is how the actions of a step ended: with a reason, when the engine
// ends the session or hands it to the slow lane.
type performed struct {
	why       engine.Reason
	escalates bool
}

// perform carries out actions on ranges of in, for one end.
func (s *session) perform(actions []engine.Action, in []byte, to io.Writer) (performed, error) {
	for _, a := range actions {
		var err error
		switch a.Op {
		case engine.Forward:
			_, err = to.Write(in[a.From:a.Upto])
		case engine.Close:
			return performed{why: a.Why}, nil
		case engine.Escalate:
			return performed{why: a.Why, escalates: true}, nil
		case engine.Hold:
			s.share.held = append(s.share.held, in[a.From:a.Upto]...)
		case engine.Release:
			err = s.releaseHeld(to)
		case engine.Swallow:
		}
		if err != nil {
			return performed{}, err
		}
	}
	return performed{}, nil
}
