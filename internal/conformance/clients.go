package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

//go:embed smoke
var smokeScripts embed.FS

// client is one run of a client program.
type client struct {
	name      string
	probe     []string // a command that shows that the program is there
	command   []string // in the directory of the scripts
	env       []string
	needsNode bool // packages of npm
	interrupt bool // Ctrl-C while it waits in pg_sleep
	ends      int  // its exit status when all goes well
	short     bool // part of a short run
	volatile  []volatile
}

// volatile is a part of what a client prints that two runs never share, with a
// word that says what it is.
type volatile struct {
	pattern *regexp.Regexp
	word    string
}

func (c client) steady(text string) string {
	for _, v := range c.volatile {
		text = v.pattern.ReplaceAllString(text, v.word)
	}
	return text
}

// The numbers of sections that the clients print together.
const (
	smokeFloor      = 91
	shortSmokeFloor = 49
)

var (
	processID = volatile{regexp.MustCompile(`PID \d+`), "PID (process)"}
	port      = volatile{regexp.MustCompile(`port "?\d+"?`), "port (port)"}
	seconds   = volatile{regexp.MustCompile(`\d+\.\d+ m?s\b`), "(seconds)"}
	rate      = volatile{regexp.MustCompile(`tps = \d+\.\d+`), "tps = (rate)"}
	cipher    = volatile{regexp.MustCompile(`cipher: \w+`), "cipher: (agreed with the peer)"}
)

var (
	psqlProbe    = []string{"psql", "--version"}
	pgbenchProbe = []string{"pgbench", "--version"}
)

const python = "/usr/bin/python3"

func allClients() []client {
	all := []client{
		{
			name: "psql", probe: psqlProbe, short: true, ends: 2, volatile: []volatile{processID, port},
			command: []string{"psql", "-X", "-f", "psql.sql"},
		},
		{
			name: "psql, cancelled", probe: psqlProbe, short: true, interrupt: true, ends: 1,
			command: []string{"psql", "-X", "-v", "VERBOSITY=verbose", "-c", "SELECT pg_sleep(60)"},
		},
		{name: "psycopg", probe: []string{python, "-c", "import psycopg"}, command: []string{python, "psycopg3.py"}, volatile: []volatile{port}},
		{name: "psycopg2", probe: []string{python, "-c", "import psycopg2"}, command: []string{python, "psycopg2_script.py"}},
		{name: "node pg", probe: []string{"npm", "--version"}, needsNode: true, env: []string{"NODE_NO_WARNINGS=1"}, command: []string{"node", "node.js"}},
	}
	for _, mode := range []string{"PGSSLMODE=disable", "PGSSLMODE=require", "PGSSLMODE=verify-full", "PGCHANNELBINDING=require"} {
		all = append(all, client{
			name: "psql, " + mode, probe: psqlProbe, env: []string{mode}, short: true, volatile: []volatile{port, cipher},
			command: []string{"psql", "-X", "-c", `\conninfo`, "-c", "SELECT current_user, 6 * 7 AS answer"},
		})
	}
	for _, mode := range []string{"simple", "extended", "prepared"} {
		all = append(all, client{
			name: "pgbench, " + mode, probe: pgbenchProbe, short: true, volatile: []volatile{seconds, rate},
			command: []string{"sh", "pgbench.sh", mode},
		})
	}
	return all
}

func shortClients(all []client) []client {
	var short []client
	for _, c := range all {
		if c.short {
			short = append(short, c)
		}
	}
	return short
}

// nodePackages are pinned: what is compared is the proxy, not their releases.
var nodePackages = []string{"pg@8.23.1", "pg-copy-streams@7.0.0"}

// installNode puts the packages beside the scripts, from npm's own cache where
// it has them.
func installNode(ctx context.Context, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte("{\"private\": true}\n"), 0o600); err != nil {
		return fmt.Errorf("write package.json: %w", err)
	}
	args := []string{"install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact"}
	if _, err := output(ctx, dir, "npm", append(args, nodePackages...)...); err != nil {
		return fmt.Errorf("install node's packages: %w", err)
	}
	return nil
}
