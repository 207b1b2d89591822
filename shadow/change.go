package shadow

import "github.com/crossfade-db/crossfade/rewrite"

// Kind is what a statement did to the rows of a pair.
type Kind uint8

// Kinds of changes.
const (
	Inserted  Kind = iota // Images are new rows
	Updated               // Images are rows as they are now
	Merged                // Images are rows as they are now, new or not: most are
	Deleted               // Images are rows as they were last
	Truncated             // the pairs of Tables have no rows any more
)

// Change is what one statement of the authority did: its row images, in the
// order in which they were returned.
type Change struct {
	Kind   Kind
	Pair   *rewrite.Pair
	Pairs  []*rewrite.Pair // of Truncated
	Images []rewrite.Image
	// Gone are the old keys of a statement that may have changed keys; those that
	// Images have as well are still there.
	Gone []rewrite.RowKey
}

// Rows is how many rows the change concerns.
func (c *Change) Rows() int { return len(c.Images) + len(c.Gone) }

// Bytes is about what the change holds in memory.
func (c *Change) Bytes() (n int) {
	for _, image := range c.Images {
		n += 24 * len(image)
		for _, cell := range image {
			n += len(cell)
		}
	}
	for _, k := range c.Gone {
		n += len(k)
	}
	return n
}

// last keeps one image per key, the last one, in the order of their first
// appearance: two images of one key in one statement are 21000 (WRITEPATH §1).
func (c *Change) last() {
	at := make(map[rewrite.RowKey]int, len(c.Images))
	kept := c.Images[:0]
	for _, image := range c.Images {
		key, ok := c.Pair.KeyOf(image)
		if before, twice := at[key]; ok && twice {
			kept[before] = image
			continue
		}
		at[key] = len(kept)
		kept = append(kept, image)
	}
	c.Images = kept
}
