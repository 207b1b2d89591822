package live

import (
	"fmt"

	"github.com/hashicorp/go-memdb"

	"github.com/crossfade-db/crossfade/router"
)

// The tables. Each has one index, by number: sessions are many, and each index
// costs some 300 bytes a session.
const (
	policies = "policy"
	backends = "backends"
	sessions = "sessions"
	acts     = "acts"

	id = "id" // memdb wants this name
)

// policy is the one row of its table; change is the number of the change that
// set it.
type policy struct {
	router.Policy
	change uint64
}

// backend is a row of the table of backends.
type backend struct {
	Backend
	change uint64
}

// number indexes rows by a number of theirs, in its order.
type number struct{ of func(row any) uint64 }

// FromObject is the key of a row.
func (n number) FromObject(row any) (bool, []byte, error) { return true, key(n.of(row)), nil }

// FromArgs is the key of a number.
func (n number) FromArgs(args ...any) ([]byte, error) {
	if len(args) == 1 {
		if number, ok := args[0].(uint64); ok {
			return key(number), nil
		}
	}
	return nil, fmt.Errorf("look up a row: %v is not one number", args)
}

// key has four bits in a byte: each change of a table copies the nodes on the
// way to its row, and a node of 256 branches is 4 KiB.
func key(number uint64) []byte {
	k := make([]byte, 16)
	for i := range k {
		k[i] = byte(number>>(60-4*i)) & 0xf
	}
	return k
}

func newTables() (*memdb.MemDB, error) {
	schema := &memdb.DBSchema{Tables: map[string]*memdb.TableSchema{}}
	for name, of := range map[string]func(any) uint64{
		policies: func(any) uint64 { return 0 },
		backends: func(row any) uint64 { return uint64(row.(*backend).Side) },
		sessions: func(row any) uint64 { return row.(*Session).ID },
		acts:     func(row any) uint64 { return row.(*Act).Seq },
	} {
		schema.Tables[name] = &memdb.TableSchema{
			Name:    name,
			Indexes: map[string]*memdb.IndexSchema{id: {Name: id, Unique: true, Indexer: number{of}}},
		}
	}
	return memdb.NewMemDB(schema)
}

// must is for errors of memdb, which has only those of a wrong call.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("live state: %v", err))
	}
}
