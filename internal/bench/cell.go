package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is what a cell puts on a route.
type kind string

const (
	prepared kind = "prepared" // pgbench -S, prepared statements
	extended kind = "extended" // pgbench -S, the extended protocol
	simple   kind = "simple"   // pgbench -S, the simple protocol
	tpcb     kind = "tpcb"     // pgbench's TPC-B-like transaction, prepared statements
	rows     kind = "rows"     // one SELECT of a million rows
	connects kind = "connect"  // connect, log in, one query, close
	idle     kind = "idle"     // memory of idle sessions
	syscalls kind = "syscalls" // strace of pgbench -S, prepared statements
	moves    kind = "moves"    // sessions that change their side
	decide   kind = "decide"   // the router's own benchmarks

	// Those of mirrored writes, between two servers.
	update      kind = "update"         // autocommit UPDATE of one row of a mapped table
	transaction kind = "transaction"    // BEGIN, five such updates, COMMIT
	plainRead   kind = "unmapped-read"  // SELECT of one row of a table that is not mapped
	plainWrite  kind = "unmapped-write" // UPDATE of one row of a table that is not mapped
	mappedRead  kind = "mapped-read"    // SELECT of one row of a mapped table
	backfill    kind = "backfill"       // ranges: fill an empty target
)

// withClients are the kinds that are written KIND:CLIENTS.
var withClients = []kind{prepared, extended, simple, tpcb, syscalls, update, transaction, plainRead, plainWrite, mappedRead}

// single are those that are written KIND.
var single = []kind{rows, connects, idle, moves, decide, backfill}

// delayed are those that may be written KIND:CLIENTS@TRIP.
var delayed = []kind{update, transaction}

// mirrors says whether the cell is about mirrored writes.
func (k kind) mirrors() bool {
	return slices.Contains([]kind{update, transaction, plainRead, plainWrite, mappedRead, backfill}, k)
}

// cell is one load: KIND:CLIENTS@TRIP, KIND:CLIENTS or KIND.
type cell struct {
	kind    kind
	clients int           // 0 where the kind has none
	trip    time.Duration // added to each round trip to a server
}

func (c cell) String() string {
	if c.clients == 0 {
		return string(c.kind)
	}
	name := string(c.kind) + ":" + strconv.Itoa(c.clients)
	if c.trip > 0 {
		name += "@" + strconv.FormatFloat(millis(c.trip), 'g', -1, 64) + "ms"
	}
	return name
}

// unit is what the cell's rates and costs are counted in.
func (c cell) unit() string {
	switch c.kind {
	case rows:
		return "MB"
	case connects:
		return "connect"
	case tpcb, transaction:
		return "transaction"
	case update, plainWrite:
		return "write"
	case backfill:
		return "row"
	case moves:
		return "session"
	case decide:
		return "decision"
	case prepared, extended, simple, syscalls, idle, plainRead, mappedRead:
		return "query"
	default:
		return "?"
	}
}

// mostClients keeps a cell within what the server and pgbouncer are set up for.
const mostClients = 100

func parseCells(text string) ([]cell, error) {
	var cells []cell
	for word := range strings.SplitSeq(text, ",") {
		c, err := parseCell(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		if slices.Contains(cells, c) {
			return nil, fmt.Errorf("read cell %q: it is there twice", word)
		}
		cells = append(cells, c)
	}
	return cells, nil
}

// mostTrip is the longest delay that a cell may ask for.
const mostTrip = 100 * time.Millisecond

func parseCell(word string) (cell, error) {
	text, trip, far := strings.Cut(word, "@")
	c, err := parseNear(text)
	if err != nil || !far {
		return c, err
	}
	c.trip, err = time.ParseDuration(trip)
	if err != nil || c.trip <= 0 || c.trip > mostTrip || !slices.Contains(delayed, c.kind) {
		return c, fmt.Errorf("read cell %q: want one of %v with a round trip of at most %v behind it (update:1@0.5ms)", word, delayed, mostTrip)
	}
	return c, nil
}

func parseNear(word string) (cell, error) {
	name, count, counted := strings.Cut(word, ":")
	c := cell{kind: kind(name)}
	if !counted && slices.Contains(single, c.kind) {
		return c, nil
	}
	var err error
	c.clients, err = strconv.Atoi(count)
	if err != nil || !slices.Contains(withClients, c.kind) || c.clients < 1 || c.clients > mostClients {
		return c, fmt.Errorf("read cell %q: want one of %v with 1 to %d clients (prepared:8), or one of %v", word, withClients, mostClients, single)
	}
	return c, nil
}

// leastRows is how often rows runs at least: one run is short.
const leastRows = 7

// measure runs one cell and adds its result to r.
func (s *stage) measure(ctx context.Context, c cell, set settings, r *report) (err error) {
	rounds := set.Rounds
	var load load
	switch c.kind {
	case idle:
		r.Idle, err = s.measureIdle(ctx)
		return err
	case moves:
		r.Moves, err = s.measureMoves(ctx, rounds)
		return err
	case decide:
		r.Decide, err = measureDecide(ctx, s.root)
		return err
	case syscalls:
		result, err := s.measureSyscalls(ctx, c, set)
		r.Syscalls = append(r.Syscalls, result)
		return err
	case rows:
		growth, err := s.rowsGrowth(ctx)
		if err != nil {
			return err
		}
		r.RowsGrowth = growth
		load, rounds = s.rowsLoad(), max(rounds, leastRows)
	case connects:
		load = s.connectLoad()
	case prepared, extended, simple, tpcb, update, plainRead, plainWrite, mappedRead:
		load = s.pgbenchLoad(c, set.Dur, set.Warm)
	case transaction:
		load = transactionLoad(c, set.Dur, set.Warm)
	case backfill:
		r.Backfill, err = s.measureBackfill(ctx, min(rounds, mostBackfills))
		return err
	}
	routes, err := s.routesFor(ctx, c)
	if err != nil {
		return err
	}
	taken, err := interleave(ctx, load, routes, rounds)
	if err != nil {
		return err
	}
	if err := s.prove(ctx, c, routes); err != nil {
		return err
	}
	r.Cells = append(r.Cells, summarise(c, taken))
	return nil
}

// prove is an error unless the routes did what the cell is about.
func (s *stage) prove(ctx context.Context, c cell, routes []route) error {
	if c.kind.mirrors() {
		return s.duet.prove(ctx)
	}
	return proveShares(ctx, routes)
}
