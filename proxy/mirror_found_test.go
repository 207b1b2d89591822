package proxy

import (
	"fmt"
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

// foundAtRandom are what is left of random scripts that failed.
var foundAtRandom = []struct {
	name   string
	script []step
}{
	{"a portal of a write that is executed again", []step{
		{parsed(insertThing), bindTo("", "1", "a"), execute, execute, parsed("SELECT 1"), bind, execute, syncUp},
		q("BEGIN"),
		{parsed(insertThing), bindTo("", "2", "a"), execute, syncUp},
		{execute, syncUp},
		q("ROLLBACK"),
	}},
	{"settings that an error takes back", []step{{parsed("SET DateStyle = 'SQL, DMY'"), bind, execute, parsed(insertThing), bindTo("", "1", "a"), execute, execute, syncUp}}},
	{"a change of the key in a read-only transaction", []step{q("BEGIN READ ONLY"), q("UPDATE things SET id = id + 20"), q("ROLLBACK"), q("BEGIN READ ONLY"), {parsed("UPDATE counted SET id = id + 20"), bind, execute, syncUp}, q("ROLLBACK")}},
	{"one capture under two names", []step{{parseAs("s", insertThing), bindTo("s"), parsed(insertThing), bindTo("", "1", "a"), execute, syncUp}, {bindTo("", "2", "a"), execute, bindTo("s"), parsed(insertThing), bindTo("", "3", "a"), syncUp}}},
	{"wrong parameters in a failed transaction", []step{{parseAs("s", insertThing), syncUp}, q("BEGIN"), q("INSERT INTO things VALUES (1)"), q("SELECT 1/0"), {bindTo("s"), execute, syncUp}, q("ROLLBACK")}},
	{"ROLLBACK before a COPY in a pipeline", []step{q("BEGIN"), q("INSERT INTO things VALUES (1)"), {parsed("ROLLBACK"), bind, execute, parsed("COPY things (id, n) FROM STDIN"), bind, execute, data("7\t4\n"), done, syncUp}, q("SELECT 1")}},
	{"COMMIT before a COPY in a pipeline", []step{q("BEGIN"), q("INSERT INTO things VALUES (1)"), {parsed("COMMIT"), bind, execute, parsed("COPY things (id, n) FROM STDIN"), bind, execute, data("7\t4\n"), done, syncUp}, q("BEGIN"), q("ROLLBACK")}},
	{"BEGIN before a COPY in a pipeline", []step{{parsed("BEGIN"), bind, execute, parsed("COPY things (id, n) FROM STDIN"), bind, execute, data("7\t4\n"), done, syncUp}, q("INSERT INTO things VALUES (1)"), q("COMMIT")}},
	{"a COPY in a text that hides names", []step{{query("COPY things (id, n) FROM STDIN; CREATE TEMP TABLE kids (id int) ON COMMIT DROP"), data("9\t7\n"), done}}},
	{"a trigger in a text with transaction control", []step{q("INSERT INTO things VALUES (5)"), q("ROLLBACK; INSERT INTO kids (id, thing) VALUES (11, 5)"), q("BEGIN; INSERT INTO kids (id, thing) VALUES (12, 5); COMMIT")}},
	{"RETURNING of what is not captured fails", []step{q("INSERT INTO things VALUES (2)"), q("INSERT INTO things VALUES (2) RETURNING id; SELECT set_config('search_path', 'other', true)")}},
	{"a write behind a read and a Flush", []step{{parsed("SELECT id FROM things"), bind, execute, flush}, {parsed("DELETE FROM things WHERE id < 0 RETURNING id"), bind, execute, flush}, {parsed("INSERT INTO things VALUES (1)"), bind, execute, syncUp}, q("SELECT id FROM things")}},
	{"BEGIN and a body behind a read and a Flush", []step{{parsed("SELECT id FROM kids"), bind, execute, flush}, {parsed("BEGIN"), bind, execute, parsed("CALL halves()"), bind, execute, syncUp}, q("ROLLBACK")}},
	{"DEALLOCATE ALL before a Flush", []step{q("SELECT puts(1)"), q("SELECT id FROM things"), {parsed("DEALLOCATE ALL"), bind, execute, flush}, {parsed("INSERT INTO kids (id) VALUES (1)"), bind, execute, syncUp}, q("SELECT puts(2)")}},
	{"DISCARD ALL between writes of one text", []step{{parsed("DELETE FROM things WHERE id = $1"), bindTo("", "5"), syncUp}, q("DISCARD ALL"), {parsed("DELETE FROM things WHERE id = $1"), bindTo("", "6"), execute, syncUp}}},
}

func TestMirrorOfWhatWasFoundAtRandom(t *testing.T) {
	for _, canary := range []bool{false, true} {
		n := newNotReadyTwin(t, randomly, canary)
		if canary {
			n.shared.change(func(p *router.Snapshot) { p.Phase, p.Share = router.Canary, 10_000 })
		}
		for _, c := range foundAtRandom {
			t.Run(fmt.Sprintf("%s, canary %v", c.name, canary), func(t *testing.T) { n.runRandom(t, c.script) })
		}
	}
}
