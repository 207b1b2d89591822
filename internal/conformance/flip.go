package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The damage: where the proxy follows the server's messages, the last byte of
// each row is changed. The product has no such code; it is compiled in by an
// overlay (go help build).
const (
	flipFile = "proxy/engine/postgres_server.go"
	flipFrom = "\tcase 'D', 'd', 'N', 'A', 't':\n"
	flipTo   = "\tcase 'D':\n\t\tif len(message) > 11 {\n\t\t\tmessage[len(message)-1] ^= 1\n\t\t}\n\tcase 'd', 'N', 'A', 't':\n"
)

// flip runs a part of pgx's tests through a proxy that damages rows, and wants
// the comparison to notice.
func (h *harness) flip(ctx context.Context) (report, error) {
	damaged, err := h.buildDamaged(ctx)
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

func (h *harness) buildDamaged(ctx context.Context) (string, error) {
	original := filepath.Join(h.root, filepath.FromSlash(flipFile))
	source, err := os.ReadFile(original)
	if err != nil {
		return "", fmt.Errorf("read the source to damage: %w", err)
	}
	text, err := replaceOnce(string(source), flipFrom, flipTo)
	if err != nil {
		return "", fmt.Errorf("damage %s: %w", flipFile, err)
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
