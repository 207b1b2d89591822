package repair

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/shadow"
)

// IncarnationText answers one row with one text: the incarnation of a server.
const IncarnationText = "SELECT s.system_identifier::pg_catalog.text OPERATOR(pg_catalog.||) '/' " +
	"OPERATOR(pg_catalog.||) c.timeline_id::pg_catalog.text OPERATOR(pg_catalog.||) '/' " +
	"OPERATOR(pg_catalog.||) (pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) " +
	"OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8::pg_catalog.text " +
	"FROM pg_catalog.pg_control_system() AS s, pg_catalog.pg_control_checkpoint() AS c"

// Incarnation asks a server which life of it this is.
func Incarnation(ctx context.Context, conn *pgconn.PgConn) (shadow.Incarnation, error) {
	l := link{pg: conn}
	answers, err := l.flight(ctx, query{sql: IncarnationText})
	switch {
	case err != nil:
		return "", fmt.Errorf("ask for the server's incarnation: %w", err)
	case len(answers[0].rows) != 1:
		return "", errors.New("ask for the server's incarnation: no answer")
	}
	return shadow.Incarnation(answers[0].rows[0][0]), nil
}
