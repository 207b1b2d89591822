package engine

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"strings"
	"unique"

	"github.com/crossfade-db/crossfade/rewrite/pgsql"
	"github.com/crossfade-db/crossfade/router"
	"github.com/crossfade-db/crossfade/wire"
)

// Statement is one prepared statement of the extended protocol.
type Statement struct {
	Parse   unique.Handle[string] // the body of its Parse as the client sent it
	Key     uint64                // of its text
	Effects pgsql.Effects
	On      [router.Sides]bool // which legs have it
	Params  []uint32           // type numbers of its parameters, once told
	Told    uint64             // digest of the description that the client has; 0: none
	Reads   Reading
	Fixed   bool // it cannot be made again elsewhere
	traits  traits
}

// Reading is what the meaning of a text's bytes hangs on (SESSIONSTATE M2).
type Reading struct {
	Encoding    string // client_encoding as reported; "" before a report
	Backslashes bool   // standard_conforming_strings is off
}

// Reading is how the session's texts are read now.
func (e *Postgres) Reading() Reading {
	return Reading{Encoding: e.encoding, Backslashes: e.flags&backslashes != 0}
}

// tracked is one message of the client whose answer says something of a
// statement.
type tracked struct {
	kind   byte // trackedParse, trackedClose, trackedDescribe
	name   string
	at     *Statement // parsed or described
	before *Statement // that the message replaced or closed
}

// Entries of owed for messages that stand in Mobile.queue as well.
const (
	trackedParse    = 'p'
	trackedClose    = 'k'
	trackedDescribe = 'w'
)

// track looks into a message that is about to be forwarded whole, or whose
// beginning is, and says as what it will be owed.
func (e *Postgres) track(h wire.Header, body []byte, effects pgsql.Effects) (kind byte) {
	m := e.mobile
	switch h.Type {
	case 'Q':
		delete(m.Statements, "")
		text, _, _ := bytes.Cut(body, []byte{0})
		e.ran(text, effects)
	case 'P':
		return e.trackParse(h, body, effects)
	case 'B':
		e.trackBind(body)
	case 'C':
		return m.trackClose(body)
	case 'D':
		return m.trackDescribe(body)
	case 'F':
		m.unreadable()
	}
	return h.Type
}

// trackParse keeps a statement under its name. The client may use it before
// the server has answered; if the server refuses it, that is undone.
func (e *Postgres) trackParse(h wire.Header, body []byte, effects pgsql.Effects) (kind byte) {
	m := e.mobile
	name, rest, ok := bytes.Cut(body, []byte{0})
	text, _, whole := bytes.Cut(rest, []byte{0})
	if !ok || !whole || h.State != wire.Whole {
		m.unreadable()
		return 'P'
	}
	e.ran(text, effects)
	if len(name) == 0 && !m.holdUnnamed {
		delete(m.Statements, "")
		return 'P'
	}
	s := &Statement{Effects: effects, traits: traitsOf(text, effects), Reads: e.Reading(), Fixed: m.parsesOddly(), Key: TextKey(text)}
	s.On[e.busy] = true
	s.Parse = unique.Make(string(body))
	if effects&(pgsql.SetsState|pgsql.Opaque) != 0 {
		m.stateful++
	}
	m.queue = append(m.queue, tracked{kind: trackedParse, name: string(name), at: s, before: m.put(string(name), s)})
	return trackedParse
}

// parsesOddly: two settings that are never reported change what a text means.
func (m *Mobile) parsesOddly() bool {
	_, backslash := m.Names["backslash_quote"]
	_, null := m.Names["transform_null_equals"]
	return backslash || null || m.AllUnknown && m.Hides
}

// put keeps a statement, within bounds: what is not kept is answered by the
// leg that has it.
func (m *Mobile) put(name string, s *Statement) (before *Statement) {
	before = m.Statements[name]
	if before == nil && len(m.Statements) >= statementsMost {
		return nil
	}
	if m.Statements == nil {
		m.Statements = map[string]*Statement{}
	}
	m.Statements[name] = s
	return before
}

// trackBind follows the use of a statement whose text may change state.
func (e *Postgres) trackBind(body []byte) {
	m := e.mobile
	if m.stateful == 0 && e.Tx() != 'E' {
		return
	}
	s, known := m.Statements[string(boundName(body))]
	if known && s.Effects&pgsql.Transaction != 0 {
		m.ending = true
	}
	if known && s.Effects&(pgsql.SetsState|pgsql.Opaque) != 0 && !e.refused() && (e.Tx() != 'T' || s.traits&local == 0) {
		m.Version++
	}
}

// BoundName is the statement that the body of a Bind names.
func BoundName(body []byte) []byte { return boundName(body) }

// ParseTypes are the parameter types that the statement's Parse states.
func (s *Statement) ParseTypes() []uint32 {
	_, rest, _ := strings.Cut(s.Parse.Value(), "\x00")
	_, types, _ := strings.Cut(rest, "\x00")
	return typeNumbers([]byte(types))
}

// TypeNumbers reads the body of a ParameterDescription.
func TypeNumbers(body []byte) []uint32 { return typeNumbers(body) }

// boundName is the statement that a Bind names: its second string.
func boundName(body []byte) []byte {
	_, rest, _ := bytes.Cut(body, []byte{0})
	name, _, _ := bytes.Cut(rest, []byte{0})
	return name
}

func (m *Mobile) trackClose(body []byte) (kind byte) {
	name, ok := statementName(body)
	if !ok || m.Statements[string(name)] == nil {
		return 'C'
	}
	m.queue = append(m.queue, tracked{kind: trackedClose, name: string(name), before: m.Statements[string(name)]})
	delete(m.Statements, string(name))
	return trackedClose
}

func (m *Mobile) trackDescribe(body []byte) (kind byte) {
	name, ok := statementName(body)
	if !ok {
		return 'D'
	}
	s := m.Statements[string(name)]
	if s == nil {
		return 'D'
	}
	m.queue = append(m.queue, tracked{kind: trackedDescribe, at: s})
	return trackedDescribe
}

// statementName is what a Close or Describe names, if that is a statement.
func statementName(body []byte) (name []byte, ok bool) {
	if len(body) < 2 || body[0] != 'S' {
		return nil, false
	}
	name, _, ok = bytes.Cut(body[1:], []byte{0})
	return name, ok
}

// answered takes the front of the queue, whose message was answered.
func (m *Mobile) answered() tracked {
	t := m.queue[0]
	m.queue = m.queue[1:]
	if len(m.queue) == 0 {
		m.queue = nil
	}
	return t
}

// undo takes back the first k of the queue, which the server will not answer.
// failed says that the first of them is a Parse that it has refused: a name
// keeps its statement then, and the unnamed one is gone.
func (m *Mobile) undo(k int, failed bool) {
	for i := k - 1; i >= 0; i-- {
		t := m.queue[i]
		switch {
		case t.kind == trackedDescribe:
		case t.before == nil, t.name == "" && failed && i == 0:
			delete(m.Statements, t.name)
		default:
			m.put(t.name, t.before)
		}
	}
	m.queue = m.queue[k:]
}

// seed of digests that live in this process only.
var seed = maphash.MakeSeed()

// described follows an answer to a tracked Describe: ParameterDescription
// first, then RowDescription or NoData.
func (s *Statement) described(message []byte) {
	if message[0] == 't' {
		s.Params = typeNumbers(message[wire.HeaderSize:])
	}
	s.Told = Digest(s.toldSoFar(message[0]), message)
}

// toldSoFar is where the digest begins: a ParameterDescription begins anew.
func (s *Statement) toldSoFar(kind byte) uint64 {
	if kind == 't' {
		return 0
	}
	return s.Told
}

// Digest adds a description message to a digest. It is never 0.
func Digest(before uint64, message []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], before)
	_, _ = h.Write(b[:])
	_, _ = h.Write(message)
	return h.Sum64() | 1
}

// TextKey is the key of a statement's text in Verdicts.
func TextKey(text []byte) uint64 { return maphash.Bytes(seed, text) }

// name is the client's name of the statement.
func (s *Statement) name() string {
	name, _, _ := strings.Cut(s.Parse.Value(), "\x00")
	return name
}

// Text is the statement's text.
func (s *Statement) Text() []byte {
	_, rest, _ := strings.Cut(s.Parse.Value(), "\x00")
	text, _, _ := strings.Cut(rest, "\x00")
	return []byte(text)
}

// typeNumbers reads the body of a ParameterDescription.
func typeNumbers(body []byte) []uint32 {
	if len(body) < 2 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	if len(body) != 4*n {
		return nil
	}
	numbers := make([]uint32, n)
	for i := range numbers {
		numbers[i] = binary.BigEndian.Uint32(body[4*i:])
	}
	return numbers
}
