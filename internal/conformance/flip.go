package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/drivers"
)

// damage is a change of the proxy's source. The product has no such code; it is
// compiled in by an overlay (go help build).
type damage struct{ file, from, to string }

var (
	// rowsDamaged changes the last byte of each row, where the proxy follows the
	// server's messages.
	rowsDamaged = damage{
		"proxy/engine/postgres_server.go",
		"\tcase 'D', 'd', 'N', 'A':\n",
		"\tcase 'D':\n\t\tif len(message) > 11 {\n\t\t\tmessage[len(message)-1] ^= 1\n\t\t}\n\tcase 'd', 'N', 'A':\n",
	}
	// tablesDamaged leaves the target's table numbers in descriptions.
	tablesDamaged = damage{
		"proxy/catalog/message.go",
		"\treturn p.eachField(fields, (*Pair).writeField)\n",
		"\treturn true\n",
	}
	// typesDamaged takes every type for the same on both sides.
	typesDamaged = damage{
		"proxy/catalog/pair.go",
		"\t_, same := p.same[oid]\n\treturn same\n",
		"\treturn true\n",
	}
)

// flip runs a part of pgx's tests through a proxy that damages rows, and wants
// the comparison to notice.
func (h *harness) flip(ctx context.Context) (report, error) {
	damaged, err := h.buildDamaged(ctx, rowsDamaged)
	if err != nil {
		return report{}, err
	}
	d := pgxDriver()
	d.name = "flip"
	d.short, d.run = []string{"."}, "^(TestExec|TestConnQuery|TestQueryRow)"
	d.shortFloor, d.sessions, d.once = 20, 20, true
	whole := *h
	whole.binary, whole.short, whole.allowed = damaged, true, nil
	r, err := whole.drive(ctx, d)
	r.Expects = true
	return r, err
}

// flipTypes runs pgx at share 100 through proxies that let numbers of the target
// through, and wants the comparison to notice each.
func (h *harness) flipTypes(ctx context.Context) (r report, err error) {
	began := time.Now()
	pair, err := dbserver.StartPair(ctx, dbserver.Options{}, nil)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, pair.Stop(context.WithoutCancel(ctx))) }()
	if err := drivers.Prepare(ctx, pair); err != nil {
		return r, err
	}
	for _, d := range []damage{tablesDamaged, typesDamaged} {
		whole := *h
		if whole.binary, err = h.buildDamaged(ctx, d); err != nil {
			return r, err
		}
		one, err := whole.typesOf(ctx, pair, []drivers.Driver{drivers.Pgx()}, thereAndBack)
		if err != nil {
			return r, err
		}
		one.Title = "pgx, share moved, numbers of the target let through"
		one.Suite, one.Expects, one.Seconds = "flip-types", true, time.Since(began).Seconds()
		if len(one.faults()) > 0 || d == typesDamaged {
			return one, nil
		}
	}
	return r, nil
}

func (h *harness) buildDamaged(ctx context.Context, d damage) (string, error) {
	original := filepath.Join(h.root, filepath.FromSlash(d.file))
	source, err := os.ReadFile(original)
	if err != nil {
		return "", fmt.Errorf("read the source to damage: %w", err)
	}
	text, err := replaceOnce(string(source), d.from, d.to)
	if err != nil {
		return "", fmt.Errorf("damage %s: %w", d.file, err)
	}
	replacement := filepath.Join(h.dir, "damaged.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replacement}})
	if err != nil {
		return "", fmt.Errorf("encode the overlay: %w", err)
	}
	list := filepath.Join(h.dir, "overlay.json")
	for file, content := range map[string][]byte{replacement: []byte(text), list: overlay} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return "", fmt.Errorf("write the overlay: %w", err)
		}
	}
	binary := filepath.Join(h.dir, "damaged")
	return binary, h.build(ctx, binary, "-overlay="+list)
}

// replaceOnce replaces a text that stands in the source exactly once.
func replaceOnce(source, from, to string) (string, error) {
	if n := strings.Count(source, from); n != 1 {
		return "", fmt.Errorf("the text to replace stands there %d times, not once", n)
	}
	return strings.Replace(source, from, to, 1), nil
}
