package demo

import (
	"context"
	"fmt"
	"strconv"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/router"
)

// openServers starts the old server with the shop on it, and the new one with
// its tables empty.
func openServers(ctx context.Context, passwords secrets) (dbserver.Pair, error) {
	for _, major := range []int{dbserver.SourceMajor(), dbserver.TargetMajor} {
		if _, err := dbserver.FindMajor(major); err != nil {
			return dbserver.Pair{}, fmt.Errorf("find PostgreSQL %d, which \"make setup\" installs: %w", major, err)
		}
	}
	// Each session has a connection to both.
	options := dbserver.Options{Settings: map[string]string{"max_connections": "250"}}
	pair, err := dbserver.StartPair(ctx, options, func(ctx context.Context, server *dbserver.Postgres) error {
		return openShop(ctx, server, passwords)
	})
	if err != nil {
		return pair, fmt.Errorf("start the two servers: %w", err)
	}
	return pair, nil
}

// differ is an error unless the major versions do: the demo is of a move from
// an old one to a new one.
func differ(source, target dbserver.Version) error {
	if source.Major == target.Major {
		return fmt.Errorf("source and target are both PostgreSQL %d, which shows no move: run \"make setup\" for an older one", source.Major)
	}
	return nil
}

func serverAt(pair dbserver.Pair, side router.Side) *dbserver.Postgres {
	if side == router.Target {
		return pair.Target
	}
	return pair.Source
}

// portsOf tells the servers apart by what they say of themselves.
func portsOf(pair dbserver.Pair) map[int]router.Side {
	return map[int]router.Side{pair.Source.Port(): router.Source, pair.Target.Port(): router.Target}
}

const transactionsSQL = `SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'shop'`

// transactions is what a server counts of the shop's: late by up to a second,
// as its sessions report them now and then, and from 0 after a crash (manual,
// "The Cumulative Statistics System").
func transactions(ctx context.Context, server *dbserver.Postgres) (int64, error) {
	text, err := server.Query(ctx, "postgres", transactionsSQL)
	if err != nil {
		return 0, fmt.Errorf("read the server's statistics: %w", err)
	}
	return strconv.ParseInt(text, 10, 64)
}
