package repair

import (
	"testing"
	"time"
)

func TestChunksGrowSlowlyAndShrinkFast(t *testing.T) {
	const most = 25 * time.Millisecond
	for name, c := range map[string]struct {
		rows, had   int
		fixed, held time.Duration
		want        int
	}{
		"much time is left":                     {200, 200, 0, time.Millisecond, 301},
		"half of it is left":                    {200, 200, time.Millisecond, 10 * time.Millisecond, 301},
		"little is left":                        {200, 200, 0, 18 * time.Millisecond, 301},
		"little is left, most of it is of rows": {200, 200, 2 * time.Millisecond, 18 * time.Millisecond, 225},
		"it was nearly over":                    {200, 200, 4 * time.Millisecond, 24 * time.Millisecond, 160},
		"it was nearly over at first":           {200, 200, 0, 24 * time.Millisecond, 200},
		"it was over":                           {200, 200, 4 * time.Millisecond, 26 * time.Millisecond, 100},
		"it was over by far":                    {200, 200, 4 * time.Millisecond, time.Second, 100},
		"it was over at first":                  {200, 200, 0, 40 * time.Millisecond, 100},
		"the chunk was short":                   {200, 10, 0, time.Millisecond, 200},
		"trips take all of it":                  {leastRows, leastRows, 30 * time.Millisecond, 31 * time.Millisecond, leastRows},
		"trips take nearly all of it":           {80, 80, 24 * time.Millisecond, 26 * time.Millisecond, leastRows},
		"after a refused row":                   {1, 1, 30 * time.Millisecond, 31 * time.Millisecond, 1},
		"the most that there is":                {mostRows, mostRows, 0, time.Millisecond, mostRows},
	} {
		p := pace{rows: c.rows, fixed: c.fixed}
		if p.after(c.had, c.held, most); p.rows != c.want {
			t.Errorf("%s: %d rows, want %d", name, p.rows, c.want)
		}
	}
}

// Trips of 2 ms take 10 ms, a row 10 µs: 1,000 rows fit into four fifths of 25 ms.
func TestAChunkFitsBetweenTheTrips(t *testing.T) {
	const trips, row = 10 * time.Millisecond, 10 * time.Microsecond
	p := pace{rows: firstRows}
	for n := range 200 {
		held := trips + time.Duration(p.rows)*row
		if n%20 == 19 {
			held += 60 * time.Millisecond // somebody else's work
		}
		if p.after(p.rows, held, 25*time.Millisecond); p.rows < leastRows {
			t.Fatalf("chunk %d: %d rows", n, p.rows)
		}
	}
	for range 10 {
		p.after(p.rows, trips+time.Duration(p.rows)*row, 25*time.Millisecond)
	}
	if p.rows < 900 || p.rows > 1100 {
		t.Errorf("there are %d rows in a chunk at last", p.rows)
	}
}

func TestTheFixedPartFollowsSlowerTrips(t *testing.T) {
	p := pace{rows: leastRows, fixed: time.Millisecond}
	for range 50 {
		p.after(leastRows, 30*time.Millisecond, 25*time.Millisecond)
	}
	if p.fixed < 25*time.Millisecond || p.rows != leastRows {
		t.Errorf("the pace is %+v", p)
	}
}
