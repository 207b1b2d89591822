package copyin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crossfade-db/crossfade/rewrite"
	"github.com/crossfade-db/crossfade/rewrite/pgsql/copyin"
)

// BenchmarkRead reads rows of about 200 bytes, as they come in frames.
func BenchmarkRead(b *testing.B) {
	for _, format := range []struct{ options, delimiter string }{{"", "\t"}, {"CSV", ","}} {
		b.Run("format "+format.options, func(b *testing.B) {
			columns, key := table("int8")
			form, ok := copyin.FormOf(options(b, format.options), columns, key)
			if !ok {
				b.Fatal("no form")
			}
			var data strings.Builder
			for i := range 300 {
				fmt.Fprint(&data, "some text", format.delimiter, 1_000_000+i, format.delimiter, strings.Repeat("x", 180), "\n")
			}
			rows := []byte(data.String())
			r := form.Read(func(rewrite.RowKey) {})
			b.SetBytes(int64(len(rows)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Write(rows); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
