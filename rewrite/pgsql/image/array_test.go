package image

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// TestAServerReadsAnArray sends arrays to both servers and has them come back.
func TestAServerReadsAnArray(t *testing.T) {
	l := open(t, "", "")
	rapid.Check(t, func(r *rapid.T) {
		values := rapid.SliceOfN(rapid.Ptr(rapid.SliceOfN(rapid.Byte(), 0, 9), true), 0, 9).Draw(r, "values")
		var array [][]byte
		for _, v := range values {
			switch {
			case v == nil:
				array = append(array, nil)
			default:
				array = append(array, append([]byte{}, *v...))
			}
		}
		const bytea, byteaArray = 17, 1001
		sent := Array(bytea, array)
		for side := range l.conns {
			result := l.conns[side].ExecParams(t.Context(), "SELECT $1::bytea[], x FROM unnest($1) AS x", [][]byte{sent}, []uint32{byteaArray}, []int16{1}, []int16{1}).Read()
			if result.Err != nil || len(result.Rows) != len(array) {
				r.Fatalf("%d rows, %v", len(result.Rows), result.Err)
			}
			for i, row := range result.Rows {
				if !bytes.Equal(row[0], sent) || !bytes.Equal(row[1], array[i]) || (row[1] == nil) != (array[i] == nil) {
					r.Fatalf("element %d: %x, sent %x", i, row, array[i])
				}
			}
		}
	})
}

func TestAnEmptyArrayIsAnArray(t *testing.T) {
	l := open(t, "", "")
	result := l.conns[target].ExecParams(t.Context(), "SELECT $1::text", [][]byte{Array(int4, nil)}, []uint32{1007}, []int16{1}, nil).Read()
	if result.Err != nil || string(result.Rows[0][0]) != "{}" {
		t.Errorf("%q, %v", result.Rows, result.Err)
	}
}
