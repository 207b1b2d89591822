package dbserver

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestDSNNamesExactlyTheDatabaseAndUserGiven(t *testing.T) {
	server := start(t, Options{})
	names := []string{
		"x host=evil", "a?sslmode=disable", "a%2Fb", "a/b", "a@b:c", "100%", "it's", `back\slash`, "plus+sign", "naïve ☃", "a&b=c#d",
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			quoted := `"` + name + `"`
			execute(t, server, "postgres", "CREATE DATABASE "+quoted)
			execute(t, server, "postgres", "SET standard_conforming_strings = on; CREATE ROLE "+quoted+
				" LOGIN PASSWORD '"+strings.ReplaceAll(name, "'", "''")+"'")
			conn, err := pgconn.Connect(t.Context(), server.DSN(name, name, name))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			results, err := conn.Exec(t.Context(), "SELECT current_database() || ' ' || current_user").ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			if got, want := string(results[0].Rows[0][0]), name+" "+name; got != want {
				t.Errorf("connected to %q, want %q", got, want)
			}
		})
	}
}

func TestAWrongPasswordIsRefused(t *testing.T) {
	server := start(t, Options{})
	_, err := pgconn.Connect(t.Context(), server.DSN(Superuser, "wrong", "postgres"))
	if err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("error is %v, want 28P01", err)
	}
}

func TestTLSIsVerifiedAgainstTheReturnedAuthority(t *testing.T) {
	server, other := start(t, Options{TLS: true}), start(t, Options{TLS: true})
	base := "host=127.0.0.1 port=" + strings.TrimPrefix(server.Addr(), "127.0.0.1:") +
		" user=postgres dbname=postgres password=" + server.password + " sslmode=verify-full sslrootcert="

	conn, err := pgconn.Connect(t.Context(), base+server.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	results, err := conn.Exec(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(results[0].Rows[0][0]); got != "t" {
		t.Errorf("ssl is %q, want t", got)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := pgconn.Connect(t.Context(), base+other.CAFile()); err == nil || !strings.Contains(err.Error(), "x509") {
		t.Errorf("with another authority the error is %v, want a refused certificate", err)
	}
}

func TestTheDSNOfATLSServerVerifiesIt(t *testing.T) {
	server := start(t, Options{TLS: true, HBA: []string{"hostssl all all 127.0.0.1/32 scram-sha-256"}})
	conn, err := pgconn.Connect(t.Context(), server.SuperDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = pgconn.Connect(t.Context(), strings.ReplaceAll(server.SuperDSN("postgres"), "verify-full", "disable"))
	if err == nil || !strings.Contains(err.Error(), "28000") {
		t.Errorf("without TLS the error is %v, want 28000", err)
	}
}

func TestTheSuperuserComesInWhateverTheHBALinesSay(t *testing.T) {
	server := start(t, Options{HBA: []string{"host all all 127.0.0.1/32 reject", "local all all reject"}})
	expect(t, server, "SELECT 1", "1")
}

func TestQueryWantsExactlyOneValue(t *testing.T) {
	server := start(t, Options{})
	expect(t, server, "SELECT 'first'; SELECT ''", "")
	tests := []struct{ name, sql, reason string }{
		{"no row", "SELECT 1 WHERE false", "0 rows"},
		{"two rows", "VALUES (1), (2)", "2 rows"},
		{"two columns", "SELECT 1, 2", "want one value"},
		{"a null", "SELECT NULL", "NULL"},
		{"no statement", "", "0 rows"},
		{"an error", "SELECT 1/0", "22012"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := server.Query(t.Context(), "postgres", test.sql)
			if err == nil || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("error is %v, want %q in it", err, test.reason)
			}
		})
	}
}
