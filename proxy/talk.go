package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
	"github.com/crossfade-db/crossfade/wire/pgwire"
)

// talkTime bounds one exchange of ours with a leg. A session waits for it.
const talkTime = 5 * time.Second

// fly sends a flight on a leg that owes nothing and waits for its answer. What
// the client is to hear (notifications) is passed on; its settings' reports and
// notices, which our own flight has caused, are not. An error of the server is
// in the landing; another one means that the leg is of no more use.
func (s *session) fly(l *leg, out []byte, err error) (*pgwire.Landing, error) {
	return s.flyUntil(l, out, err, false)
}

// flyUntil is fly; flushed says that the flight ends with a Flush and is
// answered by its error.
func (s *session) flyUntil(l *leg, out []byte, err error, flushed bool) (*pgwire.Landing, error) {
	if err != nil {
		return nil, err
	}
	if err := l.SetDeadline(time.Now().Add(talkTime)); err != nil {
		return nil, fmt.Errorf("talk to the %s: %w", l.side, err)
	}
	landing, err := exchange(l, out, flushed)
	if err == nil {
		err = l.SetDeadline(noDeadline)
	}
	if err != nil {
		return nil, fmt.Errorf("talk to the %s: %w", l.side, err)
	}
	if l.side == router.Source {
		landing.Aside = append(landing.Aside, s.ownReports(landing.Reports)...)
	}
	if len(landing.Aside) > 0 {
		if _, err := s.client.Write(landing.Aside); err != nil {
			return nil, &ending{why: EndClientGone, cause: err}
		}
	}
	return landing, nil
}

// ownReports are those that the client would have had without us: the source
// has read its configuration again while the leg was parked. Our flights change
// the encoding, and change it back.
func (s *session) ownReports(reports []byte) (own []byte) {
	for len(reports) > 0 {
		h := wire.Parse(reports)
		if h.State != wire.Whole {
			return own
		}
		if message := reports[:h.Size]; !bytes.HasPrefix(message[wire.HeaderSize:], []byte("client_encoding\x00")) {
			own = append(own, message...)
			s.eng.Heard(message)
		}
		reports = reports[h.Size:]
	}
	return own
}

func exchange(l *leg, out []byte, flushed bool) (*pgwire.Landing, error) {
	if _, err := l.Write(out); err != nil {
		return nil, err
	}
	var landing pgwire.Landing
	for {
		message, err := l.message()
		if err != nil {
			return nil, err
		}
		done, err := landing.Land(message)
		if err != nil {
			return nil, err
		}
		if done || (flushed && landing.Failed != nil) {
			return &landing, nil
		}
	}
}

// talkMost is the longest message that is read in an exchange of ours.
const talkMost = 16 << 20

var errTalk = errors.New("a message that the protocol does not have")

// message reads one whole message of the leg; it is the caller's.
func (l *leg) message() ([]byte, error) { return l.conn.message(talkMost) }

// message reads one whole message of at most that many bytes; it is the
// caller's. After an error that is not the end it can be called again.
func (c *conn) message(most int) ([]byte, error) {
	whole := c.part
	for {
		in := c.unread()
		if need := talkNeeds(whole, most); need > 0 && len(in) > 0 {
			n := min(need, len(in))
			whole = append(whole, in[:n]...)
			c.use(n)
			continue
		}
		if len(whole) >= wire.HeaderSize {
			switch h := wire.Parse(whole); {
			case h.State == wire.Bad, h.Size > most:
				return nil, errTalk
			case h.State == wire.Whole:
				c.part = nil
				return whole, nil
			}
		}
		if err := c.fill(); err != nil {
			c.part = whole
			return nil, err
		}
	}
}

// talkNeeds is how many bytes the message that whole begins still needs.
func talkNeeds(whole []byte, most int) int {
	if len(whole) < wire.HeaderSize {
		return wire.HeaderSize - len(whole)
	}
	h := wire.Parse(whole)
	if h.State == wire.Bad || h.Size > most {
		return 0
	}
	return h.Size - len(whole)
}

// drain reads what the leg still says until it is ready, and drops it. A batch
// that was only flushed is ended by a Sync of ours, which leaves an explicit
// transaction as it is.
func (l *leg) drain(flushed bool) error {
	if err := l.SetDeadline(time.Now().Add(talkTime)); err != nil {
		return err
	}
	if flushed {
		if _, err := l.Write([]byte{'S', 0, 0, 0, 4}); err != nil {
			return err
		}
	}
	for {
		message, err := l.message()
		if err != nil {
			return err
		}
		if message[0] == 'Z' {
			return l.SetDeadline(noDeadline)
		}
	}
}
