package image

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossfade-db/crossfade/rewrite"
)

// carried is a shape with what its rows become.
type carried struct {
	name           string
	source, target string // DDL, that of the source with rows
	shape          shape
	query          string // at the target
	want           []string
	damage         string // at the target: every row that is there differs then
	single         bool   // it cannot be batched
}

func TestEveryShapeArrives(t *testing.T) {
	for _, c := range shapes {
		t.Run(c.name, func(t *testing.T) {
			j := open(t, c.source, c.target).journey(c.shape)
			images := j.images()
			if len(images) < 2 {
				t.Fatalf("%d images", len(images))
			}
			arrive(t, j, images, &c)
			leave(t, j, images, &c)
		})
	}
}

// arrive brings the images one by one, then damages and heals the rows.
func arrive(t *testing.T, j *journey, images []rewrite.Image, c *carried) {
	for n, x := range j.texts {
		if x.Batch == c.single {
			t.Fatalf("Batch is %v", x.Batch)
		}
		upserted := j.each(x.Upsert, images)
		if again := j.each(x.Upsert, images); again != upserted {
			t.Errorf("%s: %d rows at first, then %d", j.p.Targets[n].Table.Name, upserted, again)
		}
		clean(t, j, x, images)
	}
	if diff := cmp.Diff(c.want, j.rows(target, c.query)); diff != "" {
		t.Fatalf("upserted one by one: %s", diff)
	}
	if c.damage == "" {
		return
	}
	for _, heal := range []string{"update", "upsert"} {
		j.exec(target, c.damage)
		differs(t, j, j.texts[0], images)
		for _, x := range j.texts {
			if heal == "update" && x.Update != "" {
				j.each(x.Update, images)
			} else {
				j.each(x.Upsert, images)
			}
			clean(t, j, x, images)
		}
		if diff := cmp.Diff(c.want, j.rows(target, c.query)); diff != "" {
			t.Errorf("damaged and healed by %s: %s", heal, diff)
		}
	}
}

// leave deletes the rows, brings them as arrays, and deletes them as arrays.
func leave(t *testing.T, j *journey, images []rewrite.Image, c *carried) {
	for _, x := range j.texts {
		for _, image := range images {
			j.delete(x.Delete, image)
		}
		absent(t, j, x, images)
	}
	if c.single {
		return
	}
	for _, x := range j.texts {
		j.batch(x.UpsertAll, images)
		if x.UpdateAll != "" {
			j.batch(x.UpdateAll, images)
		}
		if x.UnlessAll != "" && j.batch(x.UnlessAll, images) != 0 {
			t.Error("rows were there that are not wanted")
		}
		clean(t, j, x, images)
	}
	if diff := cmp.Diff(c.want, j.rows(target, c.query)); diff != "" {
		t.Errorf("upserted as arrays: %s", diff)
	}
	for _, x := range j.texts {
		var keys [][]byte
		for _, i := range j.p.Key {
			keys = append(keys, j.arrays(images)[i])
		}
		j.must(target, x.DeleteAll, KeyArrayTypes(j.p, j.schemas[target]), keys, binaryFormats(len(keys)))
		absent(t, j, x, images)
	}
}

// clean asserts that what is wanted is there and equal, and nothing else is there.
func clean(t *testing.T, j *journey, x *Texts, images []rewrite.Image) {
	t.Helper()
	for _, row := range j.diff(x, images) {
		if !strings.HasSuffix(row, "|t|t|{}") && !strings.HasSuffix(row, "|f|f|{}") {
			t.Errorf("differs: %s", row)
		}
	}
}

func differs(t *testing.T, j *journey, x *Texts, images []rewrite.Image) {
	t.Helper()
	for _, row := range j.diff(x, images) {
		if strings.HasSuffix(row, "|t|t|{}") || !strings.Contains(row, "|t|t|") && !strings.Contains(row, "|f|f|") {
			t.Errorf("the damage is not seen: %s", row)
		}
	}
}

func absent(t *testing.T, j *journey, x *Texts, images []rewrite.Image) {
	t.Helper()
	for _, row := range j.diff(x, images) {
		if !strings.Contains(row, "|f|") || !strings.HasSuffix(row, "|{}") || strings.Contains(row, "|t|t|") {
			t.Errorf("still there: %s", row)
		}
	}
}
