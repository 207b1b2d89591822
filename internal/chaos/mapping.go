package main

import _ "embed"

var (
	//go:embed source.sql
	sourceTables string
	//go:embed target.sql
	targetTables string
)

// migration is what crossfade is told of the tables. Those of equal name and
// columns need no word.
const migration = `[{source: public.storm, target: public.storm_v2, columns: [{source: writer, target: author},
  {source: amount, target: total, up: "amount::numeric(12,2)"}, {source: state, target: status, values: {new: pending, done: delivered}, else: same}]}]`

// mapped is one table, and what of it has to be equal: the mapping once more,
// written by hand.
type mapped struct {
	name           string // of the source
	source, target string // queries whose rows must be equal, with the key in column k
	keys           int    // sampled keys are 1 to this; 0: they are asked of the target
	inline         bool   // its writes are to be mirrored inline when nothing is struck
}

func same(name, key, columns string, keys int, inline bool) mapped {
	query := "SELECT " + key + " AS k, " + columns + " FROM public." + name
	return mapped{"public." + name, query, query, keys, inline}
}

var tables = []mapped{
	same("accounts", "id", "balance, seq", bankAccounts, true),
	same("transfers", "token", "src, dst, amount", 0, true),
	{
		"public.storm",
		"SELECT id AS k, writer, ver, label, amount::numeric(12,2) AS total, CASE state WHEN 'new' THEN 'pending' WHEN 'done' THEN 'delivered' ELSE state END AS status, at, '{}'::jsonb AS extra FROM public.storm",
		"SELECT id AS k, author, ver, label, total, status, at, extra FROM public.storm_v2",
		stormKeys, true,
	},
	same("jobs", "id", "token, payload", 0, true),
	same("parents", "id", "code, v", familyParents, true),
	same("children", "id", "parent, slot, n", 0, true),
	same("kept", "id", "n, ver", stayKeys, false),
	same("stalls", "id", "token, n", 0, true),
	same("strays", "id", "note", strayRows, false),
}

func tableNamed(name string) mapped {
	for _, t := range tables {
		if t.name == name {
			return t
		}
	}
	panic("no table " + name)
}

// Tables that may never be dirty as a whole.
var neverWhole = []string{"public.accounts", "public.transfers", "public.storm"}
