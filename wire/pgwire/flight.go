package pgwire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/crossfade-db/crossfade/wire"
)

// Reserved is the statement name of our own flights: an unnamed statement or a
// simple query would destroy the client's unnamed one (SESSIONSTATE M5).
const Reserved = "_crossfade"

// Flight is a batch of our own in the extended protocol, sent in one write and
// ended by one Sync: an error ends all of it.
type Flight struct {
	out []byte
	err error
}

func (f *Flight) add(m pgproto3.FrontendMessage) {
	if f.err == nil {
		f.out, f.err = m.Encode(f.out)
	}
}

// Run adds one statement with its arguments as text; nil is NULL.
func (f *Flight) Run(sql string, args ...[]byte) {
	f.add(&pgproto3.Close{ObjectType: 'S', Name: Reserved})
	f.add(&pgproto3.Parse{Name: Reserved, Query: sql})
	f.add(&pgproto3.Bind{PreparedStatement: Reserved, Parameters: args})
	f.add(&pgproto3.Execute{})
}

// Prepare adds the making of a statement anew, from the body of its Parse, and
// its description. types, if there are as many as the statement has
// parameters, take the place of those that the body states.
func (f *Flight) Prepare(body string, types []uint32) {
	var p pgproto3.Parse
	if err := p.Decode([]byte(body)); err != nil {
		f.err = errors.Join(f.err, fmt.Errorf("make a statement anew: %w", err))
		return
	}
	if len(types) >= len(p.ParameterOIDs) {
		p.ParameterOIDs = types
	}
	if p.Name != "" {
		f.add(&pgproto3.Close{ObjectType: 'S', Name: p.Name})
	}
	f.add(&p)
	f.add(&pgproto3.Describe{ObjectType: 'S', Name: p.Name})
}

// Close adds the end of a prepared statement; one that is not there is no error.
func (f *Flight) Close(name string) { f.add(&pgproto3.Close{ObjectType: 'S', Name: name}) }

// Fail adds a message that every server answers with an error, so that an open
// transaction fails.
func (f *Flight) Fail() {
	f.add(&pgproto3.Bind{PreparedStatement: Reserved + "_fails"})
}

// Flush ends the flight without a Sync: after an error the server skips what
// follows until there is one.
func (f *Flight) Flush() ([]byte, error) {
	f.add(&pgproto3.Flush{})
	return f.out, f.err
}

// Sync ends the flight.
func (f *Flight) Sync() ([]byte, error) {
	f.add(&pgproto3.Close{ObjectType: 'S', Name: Reserved})
	f.add(&pgproto3.Sync{})
	return f.out, f.err
}

// Landing is what a server answered to a flight.
type Landing struct {
	Rows      [][][]byte   // of all statements, in order; nil is NULL
	Described []byte       // ParameterDescription, RowDescription and NoData as they came
	Failed    *ServerError // the first error
	Tx        byte         // of ReadyForQuery; 0 before it
	Aside     []byte       // notifications as they came: the client's
	Reports   []byte       // ParameterStatus as they came
	bytes     int
}

// landingMost bounds what is kept of an answer, in bytes.
const landingMost = 16 << 20

var errLanding = errors.New("the server's answer is not what it was asked for")

// Land takes one whole message, header included. It returns true with the last
// one: ReadyForQuery, or the error of a flight that ends with a Flush.
func (l *Landing) Land(message []byte) (done bool, err error) {
	body := message[wire.HeaderSize:]
	if l.bytes += len(message); l.bytes > landingMost {
		return false, errLanding
	}
	switch message[0] {
	case 'D':
		row, err := dataRow(body)
		l.Rows = append(l.Rows, row)
		return false, err
	case 't', 'T', 'n':
		l.Described = append(l.Described, message...)
	case 'E':
		if l.Failed == nil {
			l.Failed = serverError(body)
		}
		return false, nil
	case 'A':
		l.Aside = append(l.Aside, message...)
	case 'Z':
		if len(body) != 1 {
			return false, errLanding
		}
		l.Tx = body[0]
		return true, nil
	case 'S':
		l.Reports = append(l.Reports, message...)
	case '1', '2', '3', 'C', 'I', 's', 'N':
	default:
		return false, errLanding
	}
	return false, nil
}

// DataRow copies the values of the body of a DataRow; nil is NULL.
func DataRow(body []byte) ([][]byte, error) { return dataRow(body) }

// dataRow copies the values of a DataRow.
func dataRow(body []byte) ([][]byte, error) {
	if len(body) < 2 {
		return nil, errLanding
	}
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	row := make([][]byte, 0, min(n, len(body)/4))
	for range n {
		if len(body) < 4 {
			return nil, errLanding
		}
		size := int(int32(binary.BigEndian.Uint32(body)))
		body = body[4:]
		switch {
		case size == -1:
			row = append(row, nil)
			continue
		case size < 0 || size > len(body):
			return nil, errLanding
		}
		row = append(row, append([]byte{}, body[:size]...))
		body = body[size:]
	}
	if len(body) != 0 {
		return nil, errLanding
	}
	return row, nil
}
