package repair

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/router"
)

// SQLSTATEs that decide what becomes of a repair.
const (
	futureTransaction  = "22023"
	foreignKey         = "23503"
	uniqueKey          = "23505"
	serialization      = "40001"
	deadlock           = "40P01"
	undefinedTable     = "42P01"
	invalidSchema      = "3F000"
	insufficientRights = "42501"
	lockNotAvailable   = "55P03"
	queryCanceled      = "57014"
)

// Refusal is an error that a server answered, without its text, which may hold
// values of rows.
type Refusal struct {
	Side       router.Side
	Code       string // SQLSTATE
	Schema     string
	Table      string
	Constraint string
}

func (r *Refusal) Error() string {
	if r.Constraint == "" {
		return fmt.Sprintf("the %s refused it (SQLSTATE %s)", r.Side, r.Code)
	}
	return fmt.Sprintf("the %s refused it (SQLSTATE %s, constraint %q)", r.Side, r.Code, r.Constraint)
}

// busy says that a lock was not had in time, or a transaction had to give way.
func (r *Refusal) busy() bool {
	switch r.Code {
	case lockNotAvailable, queryCanceled, deadlock, serialization:
		return true
	}
	return false
}

// lasting says that the row as it is cannot be written: a constraint, a value, a
// right or the shape of the table is in the way.
func (r *Refusal) lasting() bool {
	for _, class := range []string{"21", "22", "23", "42", "44", "P0", "0A", "38", "39", "54", "55"} {
		if strings.HasPrefix(r.Code, class) {
			return !r.busy()
		}
	}
	return false
}

// refusal takes a server's error without its text; others are as they are.
func refusal(side router.Side, err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return &Refusal{Side: side, Code: pg.Code, Schema: pg.SchemaName, Table: pg.TableName, Constraint: pg.ConstraintName}
	}
	return err
}
