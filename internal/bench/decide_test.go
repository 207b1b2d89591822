package main

import "testing"

const testMicro = `goos: linux
BenchmarkDecide-2   	1000	         3.00 ns/op	       0 B/op	       0 allocs/op
BenchmarkDecide-2   	1000	         9.00 ns/op	      16 B/op	       1 allocs/op
BenchmarkDecide-2   	1000	         4.00 ns/op	       0 B/op	       0 allocs/op
BenchmarkDecideLater-2	1000	       400.0 ns/op	       0 B/op	       0 allocs/op
PASS
`

func TestParseMicroTakesTheMiddleTimeAndTheMostAllocations(t *testing.T) {
	got, err := parseMicro(testMicro, benchDecide)
	if err != nil {
		t.Fatal(err)
	}
	if got.NS.Median != 4 || got.Allocations != 1 {
		t.Errorf("got %v ns and %v allocations, want 4 and 1", got.NS.Median, got.Allocations)
	}
}

func TestParseMicroRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                    "",
		"a benchmark that did not":   "BenchmarkPlace-2 1 3 ns/op 0 B/op 0 allocs/op\n",
		"a line without allocations": "BenchmarkDecide-2 1 3 ns/op\n",
		"no time at all":             "BenchmarkDecide-2 1 0 ns/op 0 B/op 0 allocs/op\n",
		"a word for a time":          "BenchmarkDecide-2 1 fast ns/op 0 B/op 0 allocs/op\n",
		"a word for a count":         "BenchmarkDecide-2 1 3 ns/op 0 B/op few allocs/op\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseMicro(text, benchDecide); err == nil {
				t.Errorf("got %+v, want an error", got)
			}
		})
	}
}
