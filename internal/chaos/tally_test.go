package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestWhatAClientKnowsOfItsCommit(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want fate
	}{
		{"done", nil, acknowledged},
		{"the server answered ROLLBACK", pgx.ErrTxCommitRollback, refused},
		{"a constraint", &pgconn.PgError{Severity: "ERROR", Code: "23505"}, refused},
		{"the server goes down", &pgconn.PgError{Severity: "FATAL", Code: "57P01"}, unknown},
		{"the connection is gone, says the proxy", &pgconn.PgError{Severity: "ERROR", Code: "08006"}, unknown},
		{"the connection is gone", io.ErrUnexpectedEOF, unknown},
		{"no answer in time", context.DeadlineExceeded, unknown},
	} {
		if got := fateOf(test.err); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestTokensAreHeldAgainstWhatClientsKnow(t *testing.T) {
	for _, test := range []struct {
		name  string
		note  func(*tally)
		there string
		says  string // in the error; empty: there is none
	}{
		{"all as told", func(c *tally) {
			c.token("jobs", "a", acknowledged)
			c.token("jobs", "b", refused)
			c.token("jobs", "c", unknown)
			c.token("jobs", "d", unknown)
			c.token("jobs", "e", acknowledged)
			c.took("jobs", "e", acknowledged)
		}, "a c", ""},
		{"an acknowledged one is gone", func(c *tally) { c.token("jobs", "a", acknowledged) }, "", "1 acknowledged tokens are lost"},
		{"a refused one is there", func(c *tally) { c.token("jobs", "a", refused) }, "a", "refused or deleted"},
		{"a deleted one is there", func(c *tally) { c.took("jobs", "a", acknowledged) }, "a", "refused or deleted"},
		{"a delete of unknown outcome", func(c *tally) { c.token("jobs", "a", acknowledged); c.took("jobs", "a", unknown) }, "a", ""},
		{"a refused delete", func(c *tally) { c.token("jobs", "a", acknowledged); c.took("jobs", "a", refused) }, "", "lost"},
		{"nobody knows which one was taken", func(c *tally) { c.token("jobs", "a", acknowledged); c.took("jobs", "", unknown) }, "", ""},
		{"one was taken and two are gone", func(c *tally) {
			c.token("jobs", "a", acknowledged)
			c.token("jobs", "b", acknowledged)
			c.took("jobs", "", unknown)
		}, "", "2 acknowledged tokens are lost"},
		{"twice", func(c *tally) { c.token("jobs", "a", acknowledged) }, "a a", "twice"},
	} {
		c := newTally()
		test.note(c)
		err := c.at("jobs").check(strings.Fields(test.there))
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", test.name, err, test.says)
		}
	}
}

func TestErrorsAreCountedByTheirCode(t *testing.T) {
	for err, want := range map[error]string{
		nil: "", errLeave: "", &pgconn.PgError{Code: "40001"}: "40001",
		&pgconn.PgError{Code: "08006", Severity: "ERROR", Message: "the target database closed the connection; run it again"}: codeTarget,
		&pgconn.PgError{Code: "08006", Severity: "FATAL", Message: "the target database closed the connection"}:               "08006",
		&pgconn.PgError{Code: "08006", Severity: "ERROR", Message: "the source database closed the connection"}:               "08006",
		context.DeadlineExceeded: codeLate, errors.New("EOF"): codeLost,
	} {
		if got := codeOf(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}
