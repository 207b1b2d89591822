package configs

import (
	"strings"
	"testing"
)

// FuzzParse finds texts that crash the decoder, that yield faults without a
// place, that show a secret, or that load although the schema refuses them.
func FuzzParse(f *testing.F) {
	f.Add(contract)
	f.Add(fullExample)
	f.Add(minimalExample)
	for _, c := range badFiles {
		f.Add([]byte(c.doc.text()))
	}
	f.Add([]byte(mapped("    - \"*\"\n    - {source: a, skip: true}\n    - {source: b, targets: [{target: c, key: {x: y}, when: z}], strict: true, canary: false}\n" +
		"    - {source: d, columns: [id, {source: e, target: f, values: {1: null, \"01\": x}, else: same}, {target: g, up: default}, {source: h, down: \"1\", lossy: i}]}\n")))
	s := compileSchema(f)
	w := inMemory()
	w.env = func(string) (string, bool) { return marker, true }
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse("f", data, w)
		if err == nil {
			if err := validate(t, s, data); err != nil {
				t.Errorf("loads, but: %v", err)
			}
			Unused(c)
			if changes := Diff(c, c); changes != nil {
				t.Errorf("differs from itself: %v", changes)
			}
			return
		}
		faults, ok := err.(Faults)
		if !ok || len(faults) == 0 {
			t.Fatalf("not faults: %v", err)
		}
		for _, fault := range faults {
			if fault.Line < 1 || fault.Column < 1 || fault.Message == "" {
				t.Errorf("no place or no message: %v", fault)
			}
		}
		if strings.Contains(err.Error(), marker) && !strings.Contains(string(data), marker) {
			t.Errorf("shows a secret: %v", err)
		}
	})
}
