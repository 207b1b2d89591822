// Package dbserver starts real PostgreSQL servers that are private to the
// process that starts them: for the demo, the tests, the conformance runs and
// the benchmark.
//
// A server listens on 127.0.0.1 and on a Unix socket of its own, keeps its data
// in a temporary directory, is a direct child of the process (so its process id
// is real, and on Linux it ends when its owner is killed), and is gone without
// a trace after Stop. Nothing here touches a PostgreSQL that it did not start.
//
//	server, err := dbserver.Start(ctx, dbserver.Options{})
//	if err != nil {
//		return err
//	}
//	defer server.Stop(context.WithoutCancel(ctx))
//	err = server.Exec(ctx, "postgres", "CREATE DATABASE shop")
//	...
//	connect(server.SuperDSN("shop"))
//
// A move has two servers: StartPair starts an old and a new version that are
// prepared alike, from the installations that "make setup" puts in the cache.
//
// initdb runs once per installation; its result is kept as a template in
// ${XDG_CACHE_HOME:-$HOME/.cache}/crossfade/templates and copied for every
// server. The cache may be deleted at any time. One server has this layout:
//
//	crossfade-pg-123/
//	  data/           the data directory, mode 0700, owned by the server's user
//	  postgres.conf   includes data/postgresql.conf, then Options.Settings
//	  hba.conf        who may connect
//	  postgres.log    what the server wrote
//	  s/              the Unix socket
//	  tls/            ca.pem, server.pem, server.key (with Options.TLS)
//
// PostgreSQL refuses to run as root. Started by root, it runs as the user
// "postgres", or as "nobody" where there is no such user.
//
// The package works on Linux and macOS.
package dbserver
