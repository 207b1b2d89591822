package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// TestARefusedRowKeepsItsTableFromTheCanary: table list says why, and a waiver
// does not bring the row to the target.
func TestARefusedRowKeepsItsTableFromTheCanary(t *testing.T) {
	d := newDuplex(t, keyed, []string{keyed[0], keyed[1], "ALTER TABLE t ADD CHECK (v < 1000)"}, "[{source: public.t}]", "")
	d.run(t, "phase", "set", "mirror", "--reason", "test")
	d.run(t, "reconcile", "run", "--wait", "--reason", "test")
	table := func() admin.Table {
		t.Helper()
		var all admin.Tables
		if err := json.Unmarshal([]byte(d.run(t, "table", "list", "-o", "json")), &all); err != nil || len(all.Tables) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		return all.Tables[0]
	}
	if !table().Ready {
		t.Fatalf("the table is not ready: %+v", table())
	}
	if _, err := d.connect(t).Exec(t.Context(), "UPDATE t SET v = 1000 WHERE id = 7"); err != nil {
		t.Fatal(err)
	}
	refused := func() bool { return strings.Contains(table().Reason, "the target refuses some") }
	eventually(t, "the row is found refused", refused)
	id := strconv.FormatUint(d.divergences(t)[0].ID, 10)
	d.run(t, "divergence", "waive", id, "--until", "2999-12-31", "--reason", "test")
	if now := table(); now.Ready || !refused() || now.Dirty != 1 {
		t.Errorf("after a waiver the table is %+v", now)
	}
	if err := d.pair.Target.Exec(t.Context(), "shop", "ALTER TABLE t DROP CONSTRAINT t_v_check"); err != nil {
		t.Fatal(err)
	}
	d.run(t, "reconcile", "run", "--wait", "--reason", "test")
	if now := table(); !now.Ready || now.Reason != "" {
		t.Errorf("once it is repaired the table is %+v", now)
	}
	d.equal(t, "SELECT * FROM t", "SELECT * FROM t")
}
