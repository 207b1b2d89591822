package writes

import "github.com/crossfade-db/crossfade/rewrite"

// Returned are the expressions that a captured statement returns behind its
// own: the cells of its pair, the transaction's number, and the table of the row.
func (p *Plan) Returned() []string {
	out := make([]string, 0, len(p.Pair.Cells)+2)
	for _, cell := range p.Pair.Cells {
		out = append(out, p.Statement.TargetText+"."+rewrite.Quote(cell.Column))
	}
	return append(out, "pg_catalog.txid_current()", p.Statement.TargetText+".tableoid")
}

// KeyColumns are the expressions of the key of the rows that a captured
// statement changes.
func (p *Plan) KeyColumns() []string {
	var out []string
	for _, i := range p.Pair.Key {
		out = append(out, p.Statement.TargetText+"."+rewrite.Quote(p.Pair.Cells[i].Column))
	}
	return out
}
