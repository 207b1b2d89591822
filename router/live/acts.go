package live

import (
	"encoding/json"
	"slices"
	"time"
)

// tail is how many acts are kept here; all of them are in the state database.
const tail = 1000

// Act is one of the latest acts, for those who look on.
type Act struct {
	Seq    uint64
	Time   time.Time
	Actor  string
	Door   string
	Act    string
	Object string
	Before json.RawMessage
	After  json.RawMessage
	Reason string
	Result string
}

// AddAct adds an act; those that came long before it go.
func (l *Live) AddAct(a Act) {
	txn := l.tables.Txn(true)
	defer txn.Abort()
	must(txn.Insert(acts, &a))
	for {
		row, err := txn.First(acts, id)
		must(err)
		if first := row.(*Act); a.Seq < tail || first.Seq > a.Seq-tail {
			break
		}
		must(txn.Delete(acts, row))
	}
	txn.Commit()
}

// Acts are the latest n acts that are kept, in their order.
func (l *Live) Acts(n int) []Act {
	if l.tables == nil {
		return nil
	}
	rows, err := l.tables.Txn(false).GetReverse(acts, id)
	must(err)
	var latest []Act
	for row := rows.Next(); row != nil && len(latest) < n; row = rows.Next() {
		latest = append(latest, *row.(*Act))
	}
	slices.Reverse(latest)
	return latest
}
