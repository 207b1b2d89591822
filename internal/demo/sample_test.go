package demo

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/router"
)

// sampleRow is a row in which the browsers are where the share puts them.
func sampleRow(share router.Share) row {
	in := chosen(share)
	out := map[int]bool{}
	for n := range browsers {
		if !in[n+1] {
			out[n+1] = true
		}
	}
	r := row{phase: "canary", share: share, at: admin.Sessions{Source: 10 + len(out), Target: len(in)}}
	r.counted = [router.Sides]int64{1000, int64(20 * len(in))}
	s := &span{}
	for side, numbers := range [router.Sides]map[int]bool{out, in} {
		for n := range numbers {
			took := time.Duration(700+side*200+n) * time.Microsecond
			s.heard(answer{browser: n, side: router.Side(side), took: took})
		}
	}
	s.snapped(router.Source)
	s.reshaped(router.Source)
	s.readOwn(router.Source)
	s.readOwn(router.Target)
	s.worked(300 * time.Millisecond)
	for range 120 {
		s.ordered()
	}
	r.seen = s.seen()
	return r
}

// sample is a report in which all is well.
func sample() *report {
	down := sampleRow(5000)
	down.kind, down.counted[router.Target] = downfall, -1
	down.seen.again = map[string]int{"08006": 2, "57P01": 1}
	down.seen.losers = map[int]bool{}
	for n := range down.seen.by[router.Target] {
		if len(down.seen.losers) < down.seen.interruptions() {
			down.seen.losers[n] = true
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := &report{
		majors: [router.Sides]int{12, 18},
		toured: toured{
			rows:    []row{sampleRow(0), sampleRow(500), sampleRow(10000), down, sampleRow(5000), sampleRow(0)},
			aborted: at, back: 150 * time.Millisecond,
			filled: filled{after: 103_573, took: 9200 * time.Millisecond, told: 12, guessed: 8, orders: 345, tables: sampleTables()},
			away: away{
				broken: admin.Target{State: "broken", Reason: "it cannot be reached"},
				dirty:  1745, mended: 4100 * time.Millisecond, drained: 9300 * time.Millisecond,
			},
			planted: samplePlanted(at),
			acts: []act{
				{"phase set canary", "try", 0}, {"canary set 5", "a few", 5}, {"divergence waive 6 --until 2026-01-03", "asked", 5}, {"abort", "enough", 0},
			},
		},
		load: &loaded{
			took: 2 * time.Second, heard: 1500, size: 74,
			trouble: trouble{
				cancelled: pgconn.PgError{Code: queryCanceled},
				after:     3210 * time.Microsecond,
				refused:   pgconn.PgError{Code: uniqueViolation, ConstraintName: paidOnce},
			},
		},
		end: figures{
			exchanges: 40, own: 1060 * time.Microsecond, memory: 23 << 20,
			fallbacks: map[string]int64{"shape": 758, "not_ready": 31, "state": 12, "listen": 0},
		},
		dumps: sampleDumps(),
		story: sampleStory(),
	}
	r.aborting.last[router.Target] = at.Add(20 * time.Millisecond)
	loaded := books{orders: 3000, taken: 40_000_000, ordered: 40_000_000}
	r.before, r.after = loaded, books{orders: 4500, taken: 51_234_567, ordered: 51_234_567}
	t := &r.load.tally
	t.cents = 11_234_567
	for i := range 1500 {
		t.add(placeOrder, time.Duration(i)*10*time.Microsecond, nil)
	}
	for i := range 100 {
		t.add(browse, time.Duration(100-i)*time.Microsecond, nil)
	}
	r.audited = sampleActs(r.acts)
	return r
}

func sampleTables() (tables []admin.Table) {
	for _, name := range tablesOf[router.Source] {
		tables = append(tables, admin.Table{Source: "public." + name, Ready: true})
	}
	return tables
}

func samplePlanted(at time.Time) (p planted) {
	for i := range uint64(wholesale) {
		d := admin.Divergence{
			ID: 6 + i, State: admin.Confirmed, Kind: "rejected", Table: "public.order_items",
			Cause: "the target refuses it: SQLSTATE 23514 few_of_each",
		}
		p.rejected = append(p.rejected, d)
		d.State = admin.Verified
		p.healed = append(p.healed, d)
	}
	p.waived = p.rejected[0]
	p.waived.State = admin.Waived
	p.waived.Waiver = &admin.WaiverOf{Actor: "local", Reason: "asked", Since: at, Until: at.Add(time.Hour)}
	stray := admin.Divergence{ID: 9, State: admin.Verified, Kind: "value", Table: strayTable, Columns: []string{"name"}}
	stray.Life.Repaired = &at
	p.stray = []admin.Divergence{stray}
	return p
}

func sampleDumps() (all []dumped) {
	for _, table := range dumps() {
		sum := strings.Repeat("0123456789abcdef", 4)
		all = append(all, dumped{table.name, [router.Sides]int64{23_043, 23_043}, [router.Sides]string{sum, sum}})
	}
	return all
}

// sampleStory is read from JSON, as that of the program is.
func sampleStory() story {
	s := story{file: "/tmp/crossfade-report-1.html", page: 40_000}
	const text = `{
		"risks": [{"severity": "low", "text": "No read was compared."}],
		"decisions": [{"act": "divergence waive", "actor": "local", "reason": "asked"}],
		"coverage": {"writes": {"seen": 11617, "mirrored": 9036}},
		"divergences": {"total": 4, "open": 0, "counts": [
			{"table": "public.customers", "kind": "value", "states": {"verified": 1}},
			{"table": "public.order_items", "kind": "rejected", "states": {"verified": 3}}]},
		"backlog": {"dirty": 0, "repaired": 2447},
		"outages": [{"reason": "it cannot be reached"}]}`
	if err := json.Unmarshal([]byte(text), &s.told); err != nil {
		panic(err)
	}
	return s
}

func sampleActs(acts []act) audited {
	point := json.RawMessage(`{"share":0}`)
	a := audited{list: "SEQ  ACT\n", verified: "verdict  ok\n", verdict: admin.Verdict{OK: true, Records: 6}}
	a.records = []admin.Record{{Seq: 1, Actor: "crossfade", Act: "start", Reason: "start"}}
	for i, one := range acts {
		words := strings.Fields(one.name)
		a.records = append(a.records, admin.Record{
			Seq: uint64(2 + i), Actor: "local", Act: strings.Join(words[:min(2, len(words))], " "), Reason: one.reason, Before: point, After: point,
			Runtime: admin.Point{Share: one.share}, Result: admin.ResultDone,
		})
	}
	for range 2 {
		a.records = append(a.records, admin.Record{Actor: "crossfade", Door: admin.DoorAuto, Act: breakerAct})
	}
	return a
}
