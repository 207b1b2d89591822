package writes

import "github.com/crossfade-db/crossfade/rewrite"

// Returned are the expressions that a captured statement returns behind its
// own: the cells of its pair, the transaction's number, the table of the row, and
// of MERGE what was done with it.
func (p *Plan) Returned() []string {
	out := make([]string, 0, len(p.Pair.Cells)+2)
	for _, cell := range p.Pair.Cells {
		out = append(out, p.Statement.TargetText+"."+rewrite.Quote(cell.Column))
	}
	out = append(out, "pg_catalog.txid_current()", p.Statement.TargetText+".tableoid")
	if p.Statement.Kind == rewrite.Merge {
		out = append(out, "merge_action()") // a word of the grammar, which no function can hide
	}
	return out
}

// Ours is how many of these come behind the cells.
func (p *Plan) Ours() int {
	if p.Statement.Kind == rewrite.Merge {
		return 3
	}
	return 2
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
