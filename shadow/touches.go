package shadow

import "github.com/crossfade-db/crossfade/rewrite"

// Touches says that the transaction has changed a row, or may have. Once its
// commit has begun others may ask.
func (t *Tx) Touches(table string, key rewrite.RowKey) bool {
	if _, whole := t.whole[table]; whole {
		return true
	}
	if k := t.missing[table]; k != nil {
		if _, missing := k.all[key]; missing {
			return true
		}
	}
	_, own := t.keys[table][key]
	return own
}

// ID is the transaction's number at the authority; 0: not known.
func (t *Tx) ID() TxID { return t.txid }
