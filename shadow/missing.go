package shadow

import "github.com/crossfade-db/crossfade/rewrite"

// Keys are keys of rows of one table, as many as are remembered one by one.
type Keys struct {
	all  map[rewrite.RowKey]struct{}
	size int // of them in an intent, in bytes
}

// Add adds a key; false: there are more than an intent takes, and they are
// forgotten.
func (k *Keys) Add(key rewrite.RowKey) bool {
	if k.size > keysMost {
		return false
	}
	if k.all == nil {
		k.all = map[rewrite.RowKey]struct{}{}
	}
	if _, known := k.all[key]; !known {
		k.all[key] = struct{}{}
		k.size += len(key) + keyCost
	}
	if k.size > keysMost {
		k.all = nil
		return false
	}
	return true
}

// Missing notes rows of a table that the authority has and the other side is not
// given with the transaction: they are dirty once it has committed, whatever
// becomes of the rest of it.
func (t *Tx) Missing(table string, keys *Keys) {
	if keys.size == 0 {
		return
	}
	if t.missing == nil {
		t.missing = map[string]*Keys{}
	}
	all := &Keys{}
	if before := t.missing[table]; before != nil {
		all = before
	}
	delete(t.missing, table)
	others := 0
	for _, k := range t.missing {
		others += k.size
	}
	fits := others+keys.size <= missingMost && keys.size <= keysMost
	for key := range keys.all {
		fits = fits && all.Add(key)
	}
	if !fits {
		t.Whole(table, CauseBulk)
		return
	}
	t.missing[table] = all
}

// missingMost is what the keys of all tables that are missing may take: with those
// of one more table they are still an intent that the journal takes.
const missingMost = 3 * keysMost

// Lacks says that the other side's transaction lacks something that the
// authority's has.
func (t *Tx) Lacks() bool {
	return len(t.missing) > 0 || t.wholeCause() != CauseFailed
}

// misses says that a change may be about rows which the other side has not been
// given.
func (t *Tx) misses(c *Change) bool {
	return c.Pair != nil && t.missing[c.Pair.Name()] != nil
}

// missed is the intent of the rows that the other side is not given.
func (t *Tx) missed() *Intent {
	in := &Intent{Epoch: t.opt.Epoch, TxID: t.txid, Incarnation: t.opt.Incarnation}
	for name, keys := range t.missing {
		item := TableKeys{Table: name, Keys: make([]rewrite.RowKey, 0, len(keys.all))}
		for key := range keys.all {
			item.Keys = append(item.Keys, key)
		}
		in.Tables = append(in.Tables, item)
	}
	return in
}

// settleMissed settles that intent.
func (t *Tx) settleMissed(missed Ticket, ending Ending) {
	if missed == nil {
		return
	}
	switch ending {
	case Committed:
		t.opt.Journal.Settle(missed, Authority, CauseUncaptured)
	case RolledBack:
		t.opt.Journal.Settle(missed, Neither, "")
	case Unknown:
		t.opt.Journal.Settle(missed, Uncertain, CauseLost)
	}
}
