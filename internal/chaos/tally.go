package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// tally counts what became of transactions.
type tally struct {
	mu     sync.Mutex
	fates  map[string]*[3]int // by part
	codes  map[string]int     // errors at clients, by SQLSTATE
	first  map[string]string  // the first of each, by part and SQLSTATE, in its own words
	tokens map[string]*tokens // by table
	claims []string           // what a client saw that may not be
}

// tokens are what clients know of rows that are written once.
type tokens struct {
	by       [3][]string // by fate
	taken    map[string]fate
	anyTaken int // rows that somebody may have deleted, without knowing which
}

func newTally() *tally {
	return &tally{fates: map[string]*[3]int{}, codes: map[string]int{}, first: map[string]string{}, tokens: map[string]*tokens{}}
}

func (t *tally) count(part string, how fate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fates[part] == nil {
		t.fates[part] = new([3]int)
	}
	t.fates[part][how]++
}

// Words for errors that have no SQLSTATE.
const (
	codeLost  = "lost"  // the connection
	codeLate  = "late"  // it took longer than any fault may make it
	codeLogin = "login" // a connection was refused
	// codeTarget is a transaction that the target was answering when it was killed:
	// it is told so once, and may be run again (docs/limits.md).
	codeTarget = "target gone"
)

// codeOf is the SQLSTATE of an error, or a word; "": it is none.
func codeOf(err error) string {
	var e *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, errLeave):
		return ""
	case errors.As(err, &e) && e.Code == "08006" && e.Severity == "ERROR" && strings.HasPrefix(e.Message, "the target database"):
		return codeTarget
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.DeadlineExceeded):
		return codeLate
	}
	return codeLost
}

func (t *tally) met(part string, err error) {
	code := codeOf(err)
	if code == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.codes[code]++
	if at := part + " " + code; t.first[at] == "" {
		t.first[at] = err.Error()
	}
}

func (t *tally) refused(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var e *pgconn.PgError
	var dial net.Error
	switch {
	case errors.As(err, &e):
		t.codes[codeLogin+" "+e.Code]++
	case errors.As(err, &dial), errors.Is(err, io.EOF):
		t.codes[codeLogin]++
	default:
		t.codes[codeLogin]++
	}
}

// token notes what a client knows of a row that is written once.
func (t *tally) token(table, token string, how fate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.at(table)
	at.by[how] = append(at.by[how], token)
}

// took notes that a client has deleted such a row, as far as it knows; "" is one
// of them, and it does not know which.
func (t *tally) took(table, token string, how fate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch at := t.at(table); {
	case how == refused:
	case token == "":
		at.anyTaken++
	default:
		at.taken[token] = how
	}
}

func (t *tally) at(table string) *tokens {
	if t.tokens[table] == nil {
		t.tokens[table] = &tokens{taken: map[string]fate{}}
	}
	return t.tokens[table]
}

// claim notes what a client saw that may not be.
func (t *tally) claim(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.claims) < claimsMost {
		t.claims = append(t.claims, text)
	}
}

const claimsMost = 20

func (t *tally) sums() (all [3]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.fates {
		for i := range f {
			all[i] += f[i]
		}
	}
	return all
}

func (t *tally) code(codes ...string) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range codes {
		n += t.codes[c]
	}
	return n
}

// words are the errors, most of them first by name.
func words(codes map[string]int) string {
	var out []string
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		out = append(out, code+" "+strconv.Itoa(codes[code]))
	}
	return strings.Join(out, ", ")
}
