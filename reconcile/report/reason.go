package report

// unexplained is the reason of what has none.
const unexplained = "unexplained"

// nothing are reasons for which there was nothing to mirror.
var nothing = []string{"read", "unmapped"}

const dirtied = " The keys became dirty and were repaired afterwards, or are in the backlog."

const unseen = " The table became dirty as migration.on_uncaptured says."

// meanings say in a sentence what the words of coverage mean.
var meanings = map[string]string{
	unexplained: "No reason was recorded. Statements that failed, were rolled back or changed no row are among these.",
	"read":      "It changes no row of a mapped table, and it was not compared.",
	"unmapped":  "The table is not mapped: it exists on one side only.",

	"new":        "The table had not been copied yet.",
	"failed":     "The target refused or failed the write." + dirtied,
	"rejected":   "The target refused the write." + dirtied,
	"budget":     "The target took longer than the mirror's budget." + dirtied,
	"breaker":    "The target was held off." + dirtied,
	"off":        "Mirroring was switched off by hand." + dirtied,
	"lost":       "The outcome of a COMMIT was not known." + dirtied,
	"crash":      "The proxy ended between the two commits." + dirtied,
	"restart":    "A server was restarted and may have lost commits." + dirtied,
	"bulk":       "More rows than limits.inline_rows." + dirtied,
	"requested":  "An operator asked for a walk.",
	"recheck":    "It was repaired, and is to be looked at again.",
	"unmirrored": "The phase mirrored nothing at that time.",

	"uncaptured":       "The changed rows could not be seen." + unseen,
	"unread":           "The text could not be understood." + unseen,
	"function":         "It calls a function that may write." + unseen,
	"function_call":    "It was a call of the old function protocol." + unseen,
	"view":             "It writes to a view." + unseen,
	"rule":             "The table has rewrite rules." + unseen,
	"row_security":     "Row-level security would hide changed rows." + unseen,
	"right":            "The login may not read every column of what it writes." + unseen,
	"deferred_trigger": "A deferred trigger may change rows at the commit." + unseen,
	"inheritance":      "The table has children that are no partitions." + unseen,
	"merge":            "It is a MERGE whose rows cannot be seen." + unseen,
	"writing_cte":      "It writes in a WITH clause." + unseen,
	"key_change":       "It changes keys, and the old ones cannot be known." + unseen,
	"role":             "The session has changed its role." + unseen,
	"unknown_table":    "It names a table that is not known." + unseen,
	"trigger":          "A trigger of a table that is not mapped may write." + unseen,
	"execute":          "It runs a statement of SQL PREPARE." + unseen,
	"row_limit":        "The client asked for a part of the rows." + unseen,
	"long":             "The text is too long to be analysed." + unseen,
	"body":             "CALL and DO can do anything, and commit." + unseen,
	"copy":             "It is a COPY: the keys of its rows were repaired afterwards where its data has them, and else the whole table.",
	"several":          "Several statements in one text, with transaction control." + unseen,
	"ddl":              "It changed the schema.",

	"not_sampled": "It was not in the sample of shadow reads.",
	"sample":      "It was not in the sample of shadow reads.",
	"shape":       "Its tables differ between the sides, so the source answered it.",
	"volatile":    "It calls something that answers differently each time.",
	"not_ready":   "A table of it was not ready.",
	"transaction": "It ran in a transaction that cannot be compared.",
	"dirty":       "A row of it was in flight or in the backlog.",
	"limit":       "The result was larger than what is compared.",
	"other":       "One of many further reasons.",
}

func meaningOf(reason string) string { return meanings[reason] }
