package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
)

// withClients are the kinds that are written KIND:CLIENTS.
var withClients = []kind{prepared, extended, simple, tpcb, syscalls}

// single are those that are written KIND.
var single = []kind{rows, connects, idle, moves, decide}

// cell is one load: KIND:CLIENTS or KIND.
type cell struct {
	kind    kind
	clients int // 0 where the kind has none
}

func (c cell) String() string {
	if c.clients == 0 {
		return string(c.kind)
	}
	return string(c.kind) + ":" + strconv.Itoa(c.clients)
}

// unit is what the cell's rates and costs are counted in.
func (c cell) unit() string {
	switch c.kind {
	case rows:
		return "MB"
	case connects:
		return "connect"
	case tpcb:
		return "transaction"
	case moves:
		return "session"
	case decide:
		return "decision"
	case prepared, extended, simple, syscalls, idle:
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

func parseCell(word string) (cell, error) {
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
	case prepared, extended, simple, tpcb:
		load = s.pgbenchLoad(c, set.Dur, set.Warm)
	}
	routes, err := s.routesFor(ctx, c)
	if err != nil {
		return err
	}
	taken, err := interleave(ctx, load, routes, rounds)
	if err != nil {
		return err
	}
	if err := proveShares(ctx, routes); err != nil {
		return err
	}
	r.Cells = append(r.Cells, summarise(c, taken))
	return nil
}
