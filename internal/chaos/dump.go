package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// dump is one table of one side.
type dump struct {
	rows int
	sum  string
}

// compareSides wants every mapped table to be equal on both sides: ordered
// dumps through the mapping that is written here, and SHA-256.
func compareSides(ctx context.Context, st *stage) (rows int, err error) {
	var sides [2][]dump
	var group errgroup.Group
	for side := range sides {
		group.Go(func() (err error) {
			sides[side], err = dumpSide(ctx, st, side)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	var wrong []string
	for i, t := range tables {
		rows += sides[0][i].rows
		if sides[0][i] == sides[1][i] {
			continue
		}
		detail, err := differences(ctx, st, t)
		if err != nil {
			return rows, err
		}
		wrong = append(wrong, fmt.Sprintf("%s: %d rows at the source, %d at the target; %s", t.name, sides[0][i].rows, sides[1][i].rows, detail))
	}
	if len(wrong) > 0 {
		return rows, fmt.Errorf("the sides differ: %s", strings.Join(wrong, "; "))
	}
	return rows, nil
}

func dumpSide(ctx context.Context, st *stage, side int) ([]dump, error) {
	var out []dump
	for _, t := range tables {
		sum := sha256.New()
		n := 0
		err := eachRow(ctx, st, side, t, func(_, row string) {
			n++
			hashRow(sum, row)
		})
		if err != nil {
			return nil, err
		}
		out = append(out, dump{n, hex.EncodeToString(sum.Sum(nil))})
	}
	return out, nil
}

// hashRow adds a row with its length, so that no two dumps look alike.
func hashRow(sum hash.Hash, row string) { _, _ = fmt.Fprintf(sum, "%d:%s", len(row), row) }

// eachRow gives all rows of a table in the order of their keys.
func eachRow(ctx context.Context, st *stage, side int, t mapped, do func(key, row string)) error {
	conn, err := st.look(ctx, st.servers()[side])
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	query := []string{t.source, t.target}[side]
	rows, err := conn.Query(ctx, `SELECT x.k::text, x::text FROM (`+query+`) x ORDER BY x.k::text COLLATE "C"`)
	if err != nil {
		return fmt.Errorf("dump %s: %w", t.name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var key, row string
		if err := rows.Scan(&key, &row); err != nil {
			return fmt.Errorf("dump %s: %w", t.name, err)
		}
		do(key, row)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("dump %s: %w", t.name, err)
	}
	return nil
}

const shownMost = 8

// differences names rows that differ, and writes all of them to a file.
func differences(ctx context.Context, st *stage, t mapped) (string, error) {
	var sides [2]map[string]string
	for side := range sides {
		sides[side] = map[string]string{}
		if err := eachRow(ctx, st, side, t, func(key, row string) { sides[side][key] = row }); err != nil {
			return "", err
		}
	}
	var lines []string
	for key, row := range sides[0] {
		if other, ok := sides[1][key]; !ok {
			lines = append(lines, "missing at the target: "+row)
		} else if other != row {
			lines = append(lines, "source "+row+" target "+other)
		}
	}
	for key, row := range sides[1] {
		if _, ok := sides[0][key]; !ok {
			lines = append(lines, "at the target only: "+row)
		}
	}
	file := filepath.Join(st.dir, "differences-"+t.name+".txt")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return "", err
	}
	return strings.Join(lines[:min(len(lines), shownMost)], ", "), nil
}
