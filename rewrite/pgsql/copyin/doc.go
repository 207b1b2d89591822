// Package copyin reads the keys of rows from the data of COPY FROM STDIN, in
// text, CSV and binary, while the data passes: of a row nothing is held but its
// key (manual, COPY; copyfromparse.c).
//
//	form, ok := copyin.FormOf(statement.Copy, columns, []string{"id"})
//	r := form.Read(func(key rewrite.RowKey) { … })
//	_, err := r.Write(data) // as it comes, cut anywhere
//	err = r.Close()         // there is no more
//
// A key is what the server will have made of the row, to the byte, or there is
// none: whatever is not certain is ErrUnsure, also where the server may refuse
// it.
package copyin
