package report

import "time"

// at is a time of the sample: hours and minutes after it began.
func at(hours, minutes int) time.Time {
	begin := time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)
	return begin.Add(time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
}

// sample is a migration in the middle of its canary. Every text in it goes
// through word, so that a test can put others in their place.
func sample(word func(string) string) Input {
	return Input{
		Subject: Subject{
			Migration: word("shop-v2"), Source: word("postgres 12 at db1.internal:5432/shop"), Target: word("postgres 18 at db2.internal:5432/shop"),
			Program: word("crossfade 0.4.0 (0a1b2c3)"), Made: at(51, 30),
		},
		Standing: Standing{
			Phase: word("canary"), Authority: word("source"), Epoch: 1, Share: 30, Version: 9, Mirror: word("on"), Reason: word(""),
			Worker: word("throttled"), Why: word("replica lag 3.2 s"),
		},
		Acts:       sampleActs(word),
		Statements: sampleStatements(word),
		Tables: []Table{
			{Source: word("public.orders"), Target: word("sales.orders_v2"), Ready: true, Strict: true, Copied: 1_200_000, Total: 1_200_000},
			{Source: word("public.users"), Target: word("public.users_v2, public.user_profiles"), Ready: true, Dirty: 12, Copied: 48_120, Total: 48_120},
			{Source: word("public.events"), Target: word("public.events"), Ranges: 3, Reason: word("3 ranges have not been walked"), Copied: 4_213_000, Total: 7_500_000},
			{Source: word("public.rates"), Target: word("public.rates"), Ready: true, Declared: word("ops, 2026-07-01T09:00:00Z")},
		},
		Divergences: sampleDivergences(word),
		Backlog:     Backlog{Dirty: 15, Keys: 12, Ranges: 3, InFlight: 2, OldestSeconds: 5432, Repaired: 1_204_113, Flapping: 1},
		Weak:        []string{word("The source commits asynchronously (synchronous_commit = off): a crash can lose commits that were acknowledged.")},
		Chain:       Chain{OK: true, Records: 14, Head: word("6f1f0b2d5c3e4a9788c0d1e2f3a4b5c6d7e8f90112233445566778899aabbccd")},
	}
}

func sampleActs(word func(string) string) []Act {
	acts := []Act{
		{Time: at(0, 0), Actor: "crossfade", Act: actStart, Object: "proxy", Phase: "observe", Reason: "start"},
		{Time: at(1, 0), Actor: "ops", Act: actPhase, Object: "phase", Phase: "mirror", Version: 1, Reason: "begin with the copy"},
		{Time: at(1, 5), Actor: "ops", Act: "table ready", Object: "public.rates", Phase: "mirror", Version: 1, Reason: "loaded from the vendor's file"},
		{Time: at(9, 30), Actor: "crossfade", Act: actBreaker, Object: "target", To: "broken", Phase: "mirror", Version: 1, Reason: "over budget: 250 ms"},
		{Time: at(9, 42), Actor: "crossfade", Act: actBreaker, Object: "target", To: "open", Phase: "mirror", Version: 1, Reason: "the target answers again"},
		{Time: at(20, 0), Actor: "ops", Act: actPhase, Object: "phase", Phase: "canary", Version: 2, Reason: "copied and quiet for ten hours"},
		{Time: at(20, 1), Actor: "ops", Act: actShare, Object: "share", Phase: "canary", Share: 1, Version: 3, Reason: "first step"},
		{Time: at(24, 0), Actor: "ops", Act: actShare, Object: "share", Phase: "canary", Share: 10, Version: 4, Reason: "no difference in four hours"},
		{Time: at(26, 10), Actor: "ana", Act: actAbort, Object: "share", Phase: "canary", Version: 5, Reason: "orders slower than before"},
		{Time: at(30, 0), Actor: "ops", Act: actShare, Object: "share", Phase: "canary", Share: 10, Version: 6, Reason: "index added"},
		{Time: at(40, 0), Actor: "crossfade", Act: actBreaker, Object: "target", To: "broken", Phase: "canary", Share: 10, Version: 6, Reason: "cannot be reached"},
		{Time: at(40, 0).Add(11 * time.Second), Actor: "crossfade", Act: actBreaker, Object: "target", To: "open", Phase: "canary", Share: 10, Version: 6, Reason: "the target answers again"},
		{Time: at(44, 0), Actor: "ana", Act: "divergence waive", Object: "divergence 3 of public.users", To: "waived", Phase: "canary", Share: 10, Version: 6, Reason: "test account, deleted next week"},
		{Time: at(48, 0), Actor: "ops", Act: actShare, Object: "share", Phase: "canary", Share: 30, Version: 7, Reason: "a day without a difference"},
	}
	for i := range acts {
		a := &acts[i]
		a.Seq, a.Result = uint64(i+1), word("done")
		a.Actor, a.Object, a.Reason, a.Hash = word(a.Actor), word(a.Object), word(a.Reason), word("00")
	}
	return acts
}

func sampleStatements(word func(string) string) []Statement {
	return []Statement{
		{Digest: word("8f3a61d2c4b7e095"), Kind: word("insert"), Tables: []string{word("public.orders")}, Seen: 220_131, Mirrored: 220_131},
		{
			Digest: word("11c0ffee52aa7b31"), Kind: word("update"), Tables: []string{word("public.orders"), word("public.users")}, Seen: 90_400, Mirrored: 90_311,
			Skipped: map[string]uint64{word("breaker"): 89},
		},
		{Digest: word("d00dfeed90182736"), Kind: word("body"), Tables: []string{word("public.events")}, Seen: 312, Skipped: map[string]uint64{word("uncaptured"): 312}},
		{
			Digest: word("5e1ec7ed00000001"), Kind: "select", Tables: []string{word("public.orders")}, Seen: 1_402_220, Compared: 14_031, Matched: 14_031,
			Skipped: map[string]uint64{word("not_sampled"): 1_388_189},
		},
		{Digest: word("00000000000000aa"), Kind: "control", Seen: 640_000},
		{Digest: "other", Kind: "other", Seen: 1_100, Mirrored: 400, Compared: 3, Matched: 3, Skipped: map[string]uint64{word("read"): 697}},
		{Digest: word("5e1ec7ed00000002"), Kind: "select", Seen: 7_120, Skipped: map[string]uint64{word("volatile"): 7_120}},
	}
}

func sampleDivergences(word func(string) string) []Divergence {
	return []Divergence{
		{
			ID: 1, State: Verified, Kind: word("missing"), Table: word("public.orders"), Key: word("hmac:9f02c1d4a7"), Columns: nil, Digest: word("8f3a61d2c4b7e095"),
			Transaction: 918_221, FirstSeen: at(9, 31), LastSeen: at(9, 31), Epoch: 1, Cause: word("breaker"),
			Life: []Stage{{Confirmed, at(9, 43)}, {Repaired, at(9, 43)}, {Verified, at(9, 44)}},
		},
		{
			ID: 2, State: Confirmed, Kind: word("rejected"), Table: word("public.orders"), Key: word("hmac:0c11b2aa90"), Columns: []string{word("total_amount")},
			Digest: word("11c0ffee52aa7b31"), Transaction: 1_220_874, FirstSeen: at(40, 2), LastSeen: at(51, 2), Epoch: 1, Cause: word("constraint orders_v2_total_check (23514)"),
			Open: true, Life: []Stage{{Confirmed, at(40, 3)}},
		},
		{
			ID: 3, State: Waived, Kind: word("value"), Table: word("public.users"), Key: word("hmac:77aa01ffe3"), Columns: []string{word("email"), word("updated_at")},
			FirstSeen: at(43, 0), LastSeen: at(43, 30), Epoch: 1, Cause: word("changed at the target by somebody else"), Life: []Stage{{Confirmed, at(43, 1)}},
			Waiver: &Waiver{Actor: word("ana"), Reason: word("test account, deleted next week"), Since: at(44, 0), Until: at(24*9, 0)},
		},
		{
			ID: 4, State: Waived, Kind: word("extra"), Table: word("public.users"), Key: word("hmac:a0"), FirstSeen: at(2, 0), LastSeen: at(2, 0), Epoch: 1, Open: true,
			Cause: word("a row that only the target has"), Waiver: &Waiver{Actor: word("ops"), Reason: word("left over from a rehearsal"), Since: at(3, 0), Until: at(40, 0)},
		},
	}
}

func same(text string) string { return text }
