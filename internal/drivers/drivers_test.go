package drivers

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/crossfade-db/crossfade/internal/dbserver"
	"github.com/crossfade-db/crossfade/internal/dbserver/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func stay(context.Context, int) error { return nil }

func TestAll(t *testing.T) {
	pair := dbtest.Pair(t, dbserver.Options{}, nil)
	if err := Prepare(t.Context(), pair); err != nil {
		t.Fatal(err)
	}
	for _, d := range All() {
		t.Run(d.Name, func(t *testing.T) {
			if err := d.Find(t.Context()); err != nil {
				t.Fatal(err)
			}
			var sent [2][]Round
			for i, s := range []*dbserver.Postgres{pair.Source, pair.Source} {
				var err error
				if sent[i], err = d.Run(t.Context(), s.Port(), stay); err != nil {
					t.Fatal(err)
				}
			}
			for i := range Rounds {
				a, b := sent[0][i], sent[1][i]
				al, bl := strings.Split(a.Sent, "\n"), strings.Split(b.Sent, "\n")
				if a.Sent != b.Sent {
					n := 0
					for j := range min(len(al), len(bl)) {
						if al[j] != bl[j] && n < 5 {
							t.Errorf("%.300s\n%.300s", al[j], bl[j])
							n++
						}
					}
					t.Error(len(al), len(bl))
				}
				if i == 1 {
					fmt.Println(d.Name, len(al), len(a.Printed))
					if os.Getenv("SHOW") == d.Name { fmt.Println(a.Printed) }
				}
			}
		})
	}
}
