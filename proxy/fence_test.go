package proxy

import (
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

// TestApplySettingsStayOnALegOfOurs, from its first commit on: what a transaction
// has set that was rolled back is not there.
func TestApplySettingsStayOnALegOfOurs(t *testing.T) {
	target := append(things, "CREATE TABLE told (id int, path text, waits text)", "GRANT ALL ON told TO PUBLIC", "ALTER TABLE things ADD CHECK (id <> 1)",
		"CREATE FUNCTION tells() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.told VALUES (NEW.id, current_setting(''search_path''), current_setting(''lock_timeout'')); RETURN NEW; END'",
		"CREATE TRIGGER tells BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION tells()")
	n := newMirrored(t, things, target, nil, nil)
	conn := n.client(t)
	for id := range 5 {
		do(t, conn, "INSERT INTO things (id) VALUES ($1)", id+1)
	}
	n.settled(t)
	got := n.rows(t, router.Target, "SELECT id, path, waits FROM told ORDER BY id")
	if len(got) != 4 {
		t.Fatal("the target's trigger has told", got)
	}
	for i, row := range got {
		if want := string(rune('2'+i)) + "|pg_catalog|2s|"; row != want {
			t.Errorf("%s, want %s", row, want)
		}
	}
}
