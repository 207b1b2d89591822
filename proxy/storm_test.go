package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/crossfade-db/crossfade/router"
)

// stormVariable makes the storm longer: ten times the moves, and four times the pace.
const stormVariable = "CROSSFADE_LONG_STORM"

const (
	stormSessions = 64
	stormMoves    = 200
	stormPace     = stormSessions / 2 // things done between two moves of the share
)

// sailor is one session in the storm: a client that knows what its session
// must look like, whoever answers it.
type sailor struct {
	*pgx.Conn
	ctx      context.Context
	rand     *rand.Rand
	settings map[string]string // as they were last set
	defaults map[string]string
	prepared map[string]int // protocol statements, by name, and what they tell
	sql      map[string]int // of PREPARE
	doing    string
	past     []string // the last things that it has done
	serial   int
}

// values that the sailors give to their settings.
var stormValues = map[string][]string{
	"app.one":     {"a", "b'c", `d"e\f`, "ü"},
	"app.two":     {"1", "2", "3"},
	"work_mem":    {"5MB", "6MB", "7MB"},
	"TimeZone":    {"Asia/Tokyo", "UTC", "America/New_York"},
	"search_path": {"public", "public, pg_catalog", `"$user", public`},
}

func TestTheShareMovesUnderAStorm(t *testing.T) {
	moves, pace := stormMoves, int64(stormPace)
	if os.Getenv(stormVariable) != "" {
		moves, pace = 10*moves, 4*pace
	}
	proxy := newShared(t, func(o *Options) { o.Live.Limits.LoginPerAddress = stormSessions })
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var done atomic.Int64
	var failed atomic.Bool
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range stormSessions {
		s := &sailor{
			Conn: proxy.asIn(t, fmt.Sprintf("user-%d", i), pgx.QueryExecModeExec), ctx: context.WithoutCancel(t.Context()),
			rand: rand.New(rand.NewPCG(seed, uint64(i))), prepared: map[string]int{}, sql: map[string]int{},
		}
		all.Go(func() {
			if err := s.sail(stop, &done); err != nil {
				failed.Store(true)
				t.Errorf("user-%d, %s: %v\nbefore: %q", i, s.doing, err, s.past)
			}
		})
	}
	halt := sync.OnceFunc(func() { close(stop); all.Wait() })
	defer halt()
	mover := rand.New(rand.NewPCG(seed, stormSessions))
	for i := 0; i < moves && !failed.Load(); i++ {
		proxy.share([]float64{0, 5, 50, 100}[mover.IntN(4)])
		next := done.Load() + pace
		eventually(t, "the sessions go on", func() bool { return done.Load() >= next || failed.Load() })
	}
	halt()
	t.Logf("%d things were done in %d moves of the share; sessions moved %v times; the source answered for %v; pins %v",
		done.Load(), moves, proxy.moves, proxy.reasons(), proxy.pins)
	if proxy.moves[router.Target] < moves || proxy.moves[router.Source] < moves {
		t.Errorf("sessions moved only %v times", proxy.moves)
	}
}

// sail does one thing after the other until stop is closed.
func (s *sailor) sail(stop chan struct{}, done *atomic.Int64) error {
	s.defaults = map[string]string{}
	for name := range stormValues {
		if err := s.QueryRow(s.ctx, "SELECT coalesce(current_setting($1, true), '')", pgx.QueryExecModeExec, name).Scan(ptr(s.defaults, name)); err != nil {
			return err
		}
	}
	s.settings = maps.Clone(s.defaults)
	things := s.things()
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		thing := things[s.rand.IntN(len(things))]
		s.doing = thing.name
		s.past = append(s.past[max(0, len(s.past)-20):], thing.name)
		if err := thing.do(); err != nil {
			return err
		}
		done.Add(1)
	}
}

// ptr scans into an element of a map.
func ptr(m map[string]string, key string) scanned { return func(v string) { m[key] = v } }

type scanned func(string)

// ScanText is what pgx asks of a destination for text.
func (f scanned) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("%T is not text", v)
	}
	f(text)
	return nil
}

type thing struct {
	name string
	do   func() error
}

// things that a sailor does; what is done more often stands twice.
func (s *sailor) things() []thing {
	return []thing{
		{"a read", s.reads},
		{"a read", s.reads},
		{"a long result", s.readsMuch},
		{"its settings", s.looks},
		{"its settings", s.looks},
		{"a setting", s.sets},
		{"a setting in a transaction", s.setsInside},
		{"a prepared statement", s.prepares},
		{"a prepared statement", s.executes},
		{"an SQL PREPARE", s.preparesSQL},
		{"READ COMMITTED", s.readCommitted},
		{"READ COMMITTED with savepoints", s.savepoints},
		{"REPEATABLE READ READ ONLY", func() error { return s.snapshot("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") }},
		{"REPEATABLE READ", func() error { return s.snapshot("BEGIN ISOLATION LEVEL REPEATABLE READ") }},
		{"a cursor", s.cursor},
		{"a batch", s.batch},
		{"several batches in flight", s.pipeline},
		{"an error", s.errs},
		{"what pins", s.pins},
		{"DISCARD ALL", s.discards},
	}
}

func (s *sailor) run(statements ...string) error {
	for _, sql := range statements {
		if _, err := s.Exec(s.ctx, sql, s.mode()); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

func (s *sailor) mode() pgx.QueryExecMode {
	return []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeDescribeExec}[s.rand.IntN(3)]
}

// wholeOf reads a result of n rows, whose first column is the side, the same in
// all rows.
func wholeOf(rows pgx.Rows, n int) (side string, err error) {
	defer rows.Close()
	got := 0
	for ; rows.Next(); got++ {
		now := string(rows.RawValues()[0])
		if side != "" && now != side {
			return "", fmt.Errorf("row %d is of the %s, the one before of the %s", got, now, side)
		}
		side = now
	}
	if err := rows.Err(); err != nil {
		return "", err
	}
	if got != n {
		return "", fmt.Errorf("%d rows, want %d", got, n)
	}
	return side, nil
}

func (s *sailor) whole(n int, sql string, args ...any) (side string, err error) {
	rows, err := s.Query(s.ctx, sql, append([]any{s.mode()}, args...)...)
	if err != nil {
		return "", fmt.Errorf("%s: %w", sql, err)
	}
	if side, err = wholeOf(rows, n); err != nil {
		return "", fmt.Errorf("%s: %w", sql, err)
	}
	return side, nil
}

const stormRead = "SELECT side, n FROM whoami ORDER BY n"

func (s *sailor) reads() error {
	_, err := s.whole(10, stormRead)
	return err
}

func (s *sailor) readsMuch() error {
	_, err := s.whole(500, "SELECT side, repeat('x', $1::int) FROM whoami, generate_series(1, 50)", 100+s.rand.IntN(900))
	return err
}

// looks compares what the session's settings are with how they were last set.
func (s *sailor) looks() error {
	names := slices.Sorted(maps.Keys(stormValues))
	rows, err := s.Query(s.ctx, "SELECT side, name, coalesce(current_setting(name, true), '') FROM whoami, unnest($1::text[]) AS name WHERE n = 1",
		[]pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeDescribeExec}[s.rand.IntN(2)], names)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var side, name, value string
		if err := rows.Scan(&side, &name, &value); err != nil {
			return err
		}
		if value != s.settings[name] {
			return fmt.Errorf("%s is %q at the %s, want %q", name, value, side, s.settings[name])
		}
	}
	if told := s.PgConn().ParameterStatus("TimeZone"); told != s.settings["TimeZone"] {
		return fmt.Errorf("the client was told time zone %q, want %q", told, s.settings["TimeZone"])
	}
	if err := rows.Err(); err != nil || n != len(names) {
		return fmt.Errorf("%d settings: %w", n, err)
	}
	return nil
}

// set changes one setting, and says to what.
func (s *sailor) set(local bool) (name, value string, err error) {
	names := slices.Sorted(maps.Keys(stormValues))
	name = names[s.rand.IntN(len(names))]
	values := stormValues[name]
	value = values[s.rand.IntN(len(values))]
	_, err = s.Exec(s.ctx, "SELECT set_config('"+name+"', $1, $2)", s.mode(), value, local)
	return name, value, err
}

func (s *sailor) sets() error {
	switch s.rand.IntN(4) {
	case 0:
		name := []string{"work_mem", "TimeZone", "app.one"}[s.rand.IntN(3)]
		s.settings[name] = s.defaults[name]
		return s.run("RESET " + name)
	case 1:
		s.settings["work_mem"] = "8MB"
		return s.run("SET work_mem = '8MB'")
	default:
		name, value, err := s.set(false)
		s.settings[name] = value
		return err
	}
}

// setsInside: what a transaction has set goes with it if it is rolled back.
func (s *sailor) setsInside() error {
	before := maps.Clone(s.settings)
	begin := []string{"BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}[s.rand.IntN(2)]
	if err := s.run(begin); err != nil {
		return err
	}
	local := s.rand.IntN(2) == 0
	name, value, err := s.set(local)
	if err != nil {
		return err
	}
	s.settings[name] = value
	if err := s.looks(); err != nil {
		return fmt.Errorf("after set_config in %s: %w", begin, err)
	}
	if s.rand.IntN(2) == 0 {
		s.settings = before
		return errors.Join(s.run("ROLLBACK"), s.looks())
	}
	if local {
		s.settings = before
	}
	return errors.Join(s.run("COMMIT"), s.looks())
}
