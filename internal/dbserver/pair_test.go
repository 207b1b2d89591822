package dbserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

func TestAPairIsTheOldAndTheNewVersionPreparedAlike(t *testing.T) {
	pair, err := StartPair(t.Context(), Options{}, func(ctx context.Context, server *Postgres) error {
		return server.Exec(ctx, "postgres", "CREATE TABLE made (n int); INSERT INTO made VALUES (7)")
	})
	if err != nil {
		t.Fatal(err)
	}
	for major, server := range map[int]*Postgres{SourceMajor(): pair.Source, TargetMajor: pair.Target} {
		expect(t, server, "SELECT current_setting('server_version_num')::int / 10000", fmt.Sprint(major))
		expect(t, server, "SELECT n FROM made", "7")
	}
	if err := pair.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, server := range []*Postgres{pair.Source, pair.Target} {
		expectGone(t, server.PID())
	}
}

func TestAPairOfWhichOneFailsLeavesNothingBehind(t *testing.T) {
	var mu sync.Mutex
	var seen []*Postgres
	_, err := StartPair(t.Context(), Options{}, func(_ context.Context, server *Postgres) error {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, server)
		if server.Version().Major == TargetMajor {
			return errors.New("no room")
		}
		return nil
	})
	if want := fmt.Sprintf("prepare PostgreSQL %d: no room", TargetMajor); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want %q in it", err, want)
	}
	if len(seen) != 2 {
		t.Fatalf("prepared %d servers, want both", len(seen))
	}
	for _, server := range seen {
		expectGone(t, server.PID())
		if _, err := os.Stat(server.LogPath()); !os.IsNotExist(err) {
			t.Errorf("%s is still there (%v)", server.LogPath(), err)
		}
	}
}
