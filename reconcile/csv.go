package reconcile

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/reconcile/state"
)

// divergenceFields are the columns of an export, by the keys that its JSON has.
var divergenceFields = []string{
	"id", "state", "kind", "table", "key", "columns", "digest", "transaction", "first_seen", "last_seen", "seen", "epoch", "cause",
	"waived_by", "waived_reason", "waived_until",
}

// DivergencesCSV writes divergences as CSV. A cell that a spreadsheet would take
// for a formula begins with an apostrophe there.
type DivergencesCSV struct{ w *csv.Writer }

// NewDivergencesCSV begins a file with the names of its columns.
func NewDivergencesCSV(w io.Writer) (*DivergencesCSV, error) {
	c := &DivergencesCSV{csv.NewWriter(w)}
	if err := c.w.Write(divergenceFields); err != nil {
		return nil, fmt.Errorf("write CSV: %w", err)
	}
	return c, nil
}

// Write adds divergences.
func (c *DivergencesCSV) Write(found []state.Divergence) error {
	for i := range found {
		cells := divergenceCells(&found[i])
		for j := range cells {
			cells[j] = guard(cells[j])
		}
		if err := c.w.Write(cells); err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
	}
	c.w.Flush()
	if err := c.w.Error(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

func divergenceCells(d *state.Divergence) []string {
	by, reason, until := "", "", ""
	if d.Waiver != nil {
		by, reason, until = d.Waiver.By, d.Waiver.Reason, d.Waiver.Until.UTC().Format(time.RFC3339)
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return []string{
		number(d.ID), string(d.State), string(d.Kind), d.Table, d.KeyShown, strings.Join(d.Columns, " "), d.Digest, number(d.TxID),
		d.FirstSeen.UTC().Format(time.RFC3339Nano), d.LastSeen.UTC().Format(time.RFC3339Nano), number(d.Count), number(d.Epoch), d.Cause,
		by, reason, until,
	}
}

// guard keeps a cell from being a formula. Spreadsheets also look behind white
// space, and at signs of double width.
func guard(cell string) string {
	text := strings.TrimLeft(cell, " \t\r\n\v\f\u00a0\u3000\ufeff")
	if text != cell && strings.ContainsAny(cell[:1], "\t\r\n") || strings.HasPrefix(text, "'") ||
		text != "" && strings.ContainsRune("=+-@|%＝＋－＠", []rune(text)[0]) {
		return "'" + cell
	}
	return cell
}
