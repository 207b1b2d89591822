package catalog

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Types in an order that gives equal numbers on two servers of one version
// first, then colliding ones: the same number, and another thing.
var (
	sameTypes = []string{
		"CREATE TYPE same_enum AS ENUM ('sad', 'ok')",
		"CREATE DOMAIN same_domain AS varchar(50)",
		"CREATE TYPE same_row AS (e same_enum, d same_domain, n numeric(4,2))",
		"CREATE TYPE same_range AS RANGE (SUBTYPE = numeric)",
		"CREATE DOMAIN same_over AS same_row",
		"CREATE DOMAIN names_server AS oid",
		"CREATE TYPE holds_server AS (r regclass)",
		"CREATE TYPE holds_record AS (r regtype[])",
	}
	sourceTypes = []string{
		"CREATE TYPE other_row AS (a int, b text)",
		"CREATE DOMAIN other_domain AS int",
		"CREATE TYPE other_range AS RANGE (SUBTYPE = int4)",
		"CREATE DOMAIN other_length AS varchar(50)",
		"CREATE TYPE other_order AS (a int, b text)",
		"CREATE TYPE other_field AS (a int, b text)",
		"CREATE TYPE other_kind AS ENUM ('x')",
		"CREATE TYPE holds_other AS (o other_row[], d other_domain)",
		"CREATE TYPE mood AS ENUM ('sad')", "CREATE TYPE colour AS ENUM ('red')",
		"CREATE DOMAIN dom_mood AS int", "CREATE DOMAIN dom_colour AS int",
		"CREATE TYPE row_mood AS (a int)", "CREATE TYPE row_colour AS (a int)",
		"CREATE TYPE range_mood AS RANGE (SUBTYPE = date)", "CREATE TYPE range_colour AS RANGE (SUBTYPE = date)",
		"CREATE TABLE base_mood (a int)", "CREATE TABLE base_colour (a int)",
		"CREATE TYPE on_source_only AS ENUM ('x')",
	}
	targetTypes = []string{
		"CREATE TYPE other_row AS (a int, b date)",
		"CREATE DOMAIN other_domain AS bigint",
		"CREATE TYPE other_range AS RANGE (SUBTYPE = int8)",
		"CREATE DOMAIN other_length AS varchar(60)",
		"CREATE TYPE other_order AS (b text, a int)",
		"CREATE TYPE other_field AS (a int, c text)",
		"CREATE DOMAIN other_kind AS text",
		"CREATE TYPE holds_other AS (o other_row[], d other_domain)",
		"CREATE TYPE colour AS ENUM ('red')", "CREATE TYPE mood AS ENUM ('sad')",
		"CREATE DOMAIN dom_colour AS int", "CREATE DOMAIN dom_mood AS int",
		"CREATE TYPE row_colour AS (a int)", "CREATE TYPE row_mood AS (a int)",
		"CREATE TYPE range_colour AS RANGE (SUBTYPE = date)", "CREATE TYPE range_mood AS RANGE (SUBTYPE = date)",
		"CREATE TABLE base_colour (a int)", "CREATE TABLE base_mood (a int)",
	}
)

const userTypes = "SELECT oid, typname FROM pg_type WHERE oid >= 16384"

// differs reports whether a type is made of another thing on each side, or names
// things of a server. The others are the same wherever they got one number.
func differs(name string) bool {
	name = strings.TrimPrefix(name, "_")
	return strings.HasPrefix(name, "other_") || strings.HasPrefix(name, "names_") || strings.HasPrefix(name, "holds_")
}

func TestAUsersTypeIsTheSameOnlyWithItsNameItsNumberAndAllInIt(t *testing.T) {
	for name, installs := range pairs(t) {
		t.Run(name, func(t *testing.T) {
			source, target := sides(t, installs, append(slices.Clone(sameTypes), sourceTypes...), append(slices.Clone(sameTypes), targetTypes...))
			pair := NewPair(source.Catalog, target.Catalog)
			atSource := map[string]string{}
			for _, row := range source.rows(t, userTypes) {
				atSource[row[0]] = row[1]
			}
			collisions, same := 0, 0
			for _, row := range target.rows(t, userTypes) {
				oid, err := strconv.ParseUint(row[0], 10, 32)
				if err != nil {
					t.Fatal(err)
				}
				other := atSource[row[0]]
				if other != "" && other != row[1] {
					collisions++
				}
				want := other == row[1] && !differs(row[1])
				if want {
					same++
				}
				if got := pair.SameType(uint32(oid)); got != want {
					t.Errorf("%s (%s at the target, %q at the source): the same is %v", row[0], row[1], other, got)
				}
			}
			if collisions < 5 {
				t.Errorf("%d numbers collide: the test shows nothing", collisions)
			}
			if installs[0] == installs[1] && same < 10 {
				t.Errorf("%d types are the same: the test shows nothing", same)
			}
		})
	}
}

// namesServer are the built-in types below 10000 whose values are no plain ones,
// as every version from 12 on has them. Whoever adds one to the server must say
// here or in plain what it is.
var namesServer = strings.Fields(`aclitem any anyarray anycompatible anycompatiblearray anycompatiblemultirange
	anycompatiblenonarray anycompatiblerange anyelement anyenum anymultirange anynonarray anyrange cid event_trigger
	fdw_handler gtsvector index_am_handler internal language_handler oid oid8 oidvector opaque pg_brin_bloom_summary
	pg_brin_minmax_multi_summary pg_ddl_command pg_dependencies pg_lsn pg_mcv_list pg_ndistinct pg_node_tree
	pg_snapshot record refcursor regclass regcollation regconfig regdatabase regdictionary regnamespace regoper
	regoperator regproc regprocedure regrole regtype smgr table_am_handler tid trigger tsm_handler txid_snapshot xid
	xid8`)

func TestEveryBuiltInTypeIsPlainOrNot(t *testing.T) {
	for name, installs := range pairs(t) {
		t.Run(name, func(t *testing.T) {
			source, target := sides(t, installs, nil, nil)
			pair := NewPair(source.Catalog, target.Catalog)
			const builtIn = "SELECT t.oid, coalesce(e.typname, t.typname), t.typtype FROM pg_type t LEFT JOIN pg_type e ON e.typarray = t.oid WHERE t.oid < 10000"
			atSource := map[string]bool{}
			for _, row := range source.rows(t, builtIn) {
				atSource[row[0]] = true
			}
			for _, row := range target.rows(t, builtIn) {
				oid, err := strconv.ParseUint(row[0], 10, 32)
				if err != nil {
					t.Fatal(err)
				}
				want := !slices.Contains(namesServer, row[1]) && row[2] != "c" && !strings.HasPrefix(row[1], "pg_")
				var none *Pair
				if got := none.SameType(uint32(oid)); got != want {
					t.Errorf("type %s (%s) is plain: %v", row[0], row[1], got)
				}
				if got := pair.SameType(uint32(oid)); got != (want && atSource[row[0]]) {
					t.Errorf("type %s (%s), which the source has: %v, is the same: %v", row[0], row[1], atSource[row[0]], got)
				}
			}
		})
	}
}

func TestWithNothingKnownOnlyPlainBuiltInTypesAreTheSame(t *testing.T) {
	var none *Pair
	for oid, want := range map[uint32]bool{0: false, 23: true, 26: false, 9999: false, 10000: false, 12345: false, 16384: false, 1<<32 - 1: false} {
		if got := none.SameType(oid); got != want {
			t.Errorf("type %d is the same: %v", oid, got)
		}
	}
}
