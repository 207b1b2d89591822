package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// lines prints one document a line, which is what verifying an export reads.
func (p printer) lines(all []json.RawMessage) error {
	for _, raw := range all {
		var line bytes.Buffer
		if err := json.Compact(&line, raw); err != nil {
			return fmt.Errorf("read the answer to %s: %w", p.verb.Name, err)
		}
		line.WriteByte('\n')
		if _, err := p.out.Write(escaped(line.Bytes())); err != nil {
			return err
		}
	}
	return nil
}

func decodeRecords(all []json.RawMessage) ([]admin.Record, error) {
	records := make([]admin.Record, len(all))
	for i, raw := range all {
		if err := json.Unmarshal(raw, &records[i]); err != nil {
			return nil, fmt.Errorf("read an act: %w", err)
		}
	}
	return records, nil
}

func (p printer) recordTable(all []json.RawMessage) error {
	records, err := decodeRecords(all)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(t, "SEQ\tTIME\tACTOR\tACT\tPHASE\tSHARE\tVERSION\tRESULT\tREASON"); err != nil {
		return err
	}
	for _, r := range records {
		_, err := fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s%%\t%d\t%s\t%s\n", r.Seq, r.Time.UTC().Format(time.RFC3339),
			printable(r.Actor), printable(r.Act), printable(r.Runtime.Phase), percent(r.Runtime.Share), r.Runtime.Version,
			printable(r.Result), printable(r.Reason))
		if err != nil {
			return err
		}
	}
	return t.Flush()
}

var csvColumns = []string{
	"seq", "time", "actor", "act", "object", "before", "after", "reason", "door", "result", "instance",
	"phase", "share", "version", "prev", "hash",
}

func (p printer) csv(all []json.RawMessage) error {
	records, err := decodeRecords(all)
	if err != nil {
		return err
	}
	w := csv.NewWriter(p.out)
	if err := w.Write(csvColumns); err != nil {
		return err
	}
	for _, r := range records {
		cells := []string{
			strconv.FormatUint(r.Seq, 10), r.Time.UTC().Format(time.RFC3339Nano), r.Actor, r.Act, r.Object, compacted(r.Before), compacted(r.After),
			r.Reason, r.Door, r.Result, r.Instance, r.Runtime.Phase, percent(r.Runtime.Share), strconv.FormatUint(r.Runtime.Version, 10),
			r.Prev, r.Hash,
		}
		for i := range cells {
			cells[i] = inert(cells[i])
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// compacted is JSON that was valid when it came, without its line ends.
func compacted(raw json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return string(raw)
	}
	return b.String()
}

// inert is a cell that no spreadsheet takes for a formula: they also look behind
// white space, and at signs of double width. What begins with an apostrophe gets
// another, so that one can be taken off each.
func inert(cell string) string {
	text := strings.TrimLeft(cell, " \t\r\n\v\f\u00a0\u3000\ufeff")
	first, _ := utf8.DecodeRuneInString(text)
	if strings.ContainsAny(cell[:min(1, len(cell))], "\t\r\n") || text != "" && strings.ContainsRune("='+-@|%＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}
