package dbserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Addr is "127.0.0.1:port".
func (p *Postgres) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// Port is the TCP port; it stays the same over Restart.
func (p *Postgres) Port() int { return p.port }

// SocketDir is the directory of the server's Unix socket, a host for libpq.
func (p *Postgres) SocketDir() string { return p.home.socket }

// Version is that of the server programs.
func (p *Postgres) Version() Version { return p.install.Version }

// CAFile is the path of the certificate authority that signed the server's
// certificate (PEM), "" without Options.TLS. It goes away with Stop.
func (p *Postgres) CAFile() string {
	if !p.tls {
		return ""
	}
	return p.home.authority()
}

// PID is the process id of the postmaster, a new one after Restart.
func (p *Postgres) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process.postmaster.Pid
}

// DSN is a connection URI (manual, "Connection URIs") for TCP: verified TLS with
// Options.TLS, no TLS without. Every part is escaped, so a name such as
// "x?sslmode=disable" is that database and nothing else.
func (p *Postgres) DSN(user, password, database string) string {
	dsn := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, password),
		Host:     p.Addr(),
		Path:     "/" + database,
		RawPath:  "/" + url.PathEscape(database),
		RawQuery: "sslmode=disable",
	}
	if p.tls {
		dsn.RawQuery = "sslmode=verify-full&sslrootcert=" + escapeParameter(p.home.authority())
	}
	return dsn.String()
}

// escapeParameter escapes a value of a connection URI, where, other than in a
// web form, a plus sign is not a blank.
func escapeParameter(value string) string {
	return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}

// SuperDSN is the DSN of the superuser. It holds the password: not for output.
func (p *Postgres) SuperDSN(database string) string {
	return p.DSN(Superuser, p.password, database)
}

// Exec runs one or more statements as superuser, in one implicit transaction
// where they do not say otherwise.
func (p *Postgres) Exec(ctx context.Context, database, sql string) error {
	_, err := p.run(ctx, database, sql)
	return err
}

// Query runs statements as superuser and returns the one value that the last of
// them gives, as text. More or fewer rows or columns, and NULL, are errors.
func (p *Postgres) Query(ctx context.Context, database, sql string) (string, error) {
	results, err := p.run(ctx, database, sql)
	if err != nil {
		return "", err
	}
	var rows [][][]byte
	if len(results) > 0 {
		rows = results[len(results)-1].Rows
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return "", fmt.Errorf("query PostgreSQL: %d rows, want one value", len(rows))
	}
	if rows[0][0] == nil {
		return "", errors.New("query PostgreSQL: NULL, want one value")
	}
	return string(rows[0][0]), nil
}

func (p *Postgres) run(ctx context.Context, database, sql string) ([]*pgconn.Result, error) {
	conn, err := p.connect(ctx, database)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return nil, fmt.Errorf("run SQL on PostgreSQL: %w", err)
	}
	return results, nil
}

// connect opens a connection as superuser on the Unix socket, which works
// whatever TLS and pg_hba.conf say of the others.
func (p *Postgres) connect(ctx context.Context, database string) (*pgconn.PgConn, error) {
	config, err := pgconn.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port = p.home.socket, uint16(p.port)
	config.User, config.Password, config.Database = Superuser, p.password, database
	config.Fallbacks, config.RuntimeParams = nil, nil
	return pgconn.ConnectConfig(ctx, config)
}

// cannotConnectNow is the error code of a server that is still starting.
const cannotConnectNow = "57P03"

// waitReady returns when the server accepts a connection, has ended, or ctx
// ends. The log of this start begins at the offset begin.
func (p *Postgres) waitReady(ctx context.Context, begin int64) error {
	return poll(ctx, func() (bool, error) {
		conn, err := p.connect(ctx, "postgres")
		if err == nil {
			return true, conn.Close(ctx)
		}
		if p.process.ended() {
			return false, p.exitReason(begin)
		}
		var refusal *pgconn.PgError
		if errors.As(err, &refusal) && refusal.Code != cannotConnectNow {
			return false, err
		}
		return false, nil
	})
}

// exitReason reads from the log why the server has ended.
func (p *Postgres) exitReason(begin int64) error {
	log, err := p.Log()
	if err != nil {
		return err
	}
	log = log[min(int(begin), len(log)):]
	if strings.Contains(log, "could not create any TCP/IP sockets") {
		return fmt.Errorf("%w: %s", errPortTaken, tail(log))
	}
	return fmt.Errorf("it ended before it was ready; its log says: %s", tail(log))
}

// LogPath is the file that the server's messages go to. It goes away with Stop.
func (p *Postgres) LogPath() string { return p.home.log() }

// Log is what the server has written since Start. It may hold the text of
// statements that failed: not for output beyond tests.
func (p *Postgres) Log() (string, error) {
	log, err := os.ReadFile(p.home.log())
	if err != nil {
		return "", fmt.Errorf("read the server's log: %w", err)
	}
	return string(log), nil
}
