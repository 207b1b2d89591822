package repair

import (
	"errors"
	"testing"

	"github.com/crossfade-db/crossfade/router"
)

func TestAFenceIsInstalledOnceAndNeverGoesBack(t *testing.T) {
	f := newField(t, setup{both: plain})
	conn := f.dial(router.Target, "service")
	want := Fence{Epoch: 1, Side: router.Source, Instance: "one"}
	if got, err := Read(t.Context(), conn); err != nil || got != want {
		t.Fatalf("the fence is %+v, %v", got, err)
	}

	// The same again needs no lock: a mirrored transaction may be open.
	writer := f.writer()
	f.must(Install(t.Context(), conn, want))
	want.Instance = "two"
	f.must(Install(t.Context(), conn, want))
	writer.do("COMMIT")

	want.Epoch = 2
	f.must(Install(t.Context(), conn, want))
	for _, stale := range []Fence{{Epoch: 1, Side: router.Source, Instance: "one"}, {Epoch: 2, Side: router.Target, Instance: "one"}} {
		if err := Install(t.Context(), conn, stale); !errors.Is(err, ErrStale) {
			t.Errorf("%+v: the error is %v", stale, err)
		}
	}
	if got, err := Read(t.Context(), conn); err != nil || got != want {
		t.Errorf("the fence is %+v, %v", got, err)
	}
}

func TestAnUnprivilegedUserInstallsWhatAnOperatorHasMade(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Target, "DROP SCHEMA crossfade CASCADE", "REVOKE CREATE ON DATABASE app FROM service")
	defer f.super(router.Target, "GRANT CREATE ON DATABASE app TO service")
	conn := f.dial(router.Target, "service")
	if _, err := Read(t.Context(), conn); !errors.Is(err, ErrNoFence) {
		t.Errorf("the error is %v", err)
	}
	want := Fence{Epoch: 7, Side: router.Source, Instance: "one"}
	var refused *Refusal
	if err := Install(t.Context(), conn, want); !errors.As(err, &refused) || refused.Code != insufficientRights {
		t.Errorf("the error is %v", err)
	}
	f.super(router.Target, FenceDDL...)
	f.super(router.Target, "GRANT INSERT, UPDATE ON crossfade.epoch TO service")
	if _, err := Read(t.Context(), conn); !errors.Is(err, ErrNoFence) {
		t.Errorf("the error is %v", err)
	}
	f.must(Install(t.Context(), conn, want))
	if got, err := Read(t.Context(), conn); err != nil || got != want {
		t.Errorf("the fence is %+v, %v", got, err)
	}
}

func TestAWorkerWithoutAFenceStops(t *testing.T) {
	f := newField(t, setup{both: plain})
	f.super(router.Source, "INSERT INTO t VALUES (1, 1)")
	f.super(router.Target, "DELETE FROM crossfade.epoch")
	f.dirty("public.t", "", "requested", key(1))
	if err := New(f.opt).Run(t.Context()); !errors.Is(err, ErrNoFence) {
		t.Errorf("the error is %v", err)
	}
	f.expect(router.Target, "SELECT count(*) FROM t", "0")
}

func TestAnIncarnationChangesWithARestart(t *testing.T) {
	f := newField(t, setup{both: plain})
	first, err := Incarnation(t.Context(), f.dial(router.Source, "service"))
	f.must(err)
	again, err := Incarnation(t.Context(), f.dial(router.Source, "service"))
	f.must(err)
	if first != again || first == "" {
		t.Errorf("one life is %q and %q", first, again)
	}
	other, err := Incarnation(t.Context(), f.dial(router.Target, "service"))
	f.must(err)
	f.must(servers.Source.Restart(t.Context()))
	next, err := Incarnation(t.Context(), f.dial(router.Source, "service"))
	f.must(err)
	if next == first || other == first {
		t.Errorf("the incarnations are %q, %q after a restart, %q of the target", first, next, other)
	}
}
