package rewrite

import "strings"

// reservedWords are never names of columns without quotes: the words that
// pg_get_keywords has as R and T (PostgreSQL 12 to 18).
var reservedWords = wordSet(`
all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral
leading limit localtime localtimestamp not null offset on only or order placing primary references returning
select session_user some symmetric system_user table then to trailing true union unique user using variadic when
where window with
authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join left like
natural notnull outer overlaps right similar tablesample verbose`)

// grammarWords are words that may stand in an expression and be no column,
// though a column may be called so: fields of EXTRACT and INTERVAL, and what
// the grammar has beside operators and in the arguments of its own functions.
var grammarWords = wordSet(`
century day decade dow doy epoch hour isodow isoyear julian microseconds millennium milliseconds minute month
quarter second timezone timezone_hour timezone_minute week year
absent array at atomic between by conditional content current document empty error escape exclude filter first
following format groups json keep keys last local nfc nfd nfkc nfkd no normalized nulls object of omit operator
others over partition passing path precision preceding preserve quotes range ref row rows scalar set standalone
strip string ties time uescape unbounded unconditional unknown value varying version whitespace within without
wrapper yes zone`)

func wordSet(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}
