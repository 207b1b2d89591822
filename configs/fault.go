package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/crossfade-db/crossfade/rewrite"
)

// Fault is one thing that is wrong with a configuration file. Line and Column
// count from 1. Path is empty for a fault of the YAML itself. Message says what
// is wrong and what was expected, and never contains a secret.
type Fault struct {
	File         string
	Line, Column int
	Path         string
	Message      string
}

// String is the fault as one line: file:line:column: path: message.
func (f Fault) String() string {
	where := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Path != "" {
		where += f.Path + ": "
	}
	return where + f.Message
}

// Faults are all the faults of a file, by line.
type Faults []Fault

// Error has one line per fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// place is where a key or a list item stands, and whether its value is empty.
type place struct {
	line, column int
	empty        bool
}

// places are the keys and items that a file contains, by path.
type places struct {
	file string
	at   map[string]place
}

// report collects the faults of one file.
type report struct {
	places
	faults Faults
}

func newReport(file string) *report {
	return &report{places: places{file: file, at: map[string]place{}}}
}

// has reports whether the file contains a path, however wrong its value.
func (r *report) has(path string) bool {
	_, ok := r.at[path]
	return ok
}

// add records a fault at a path, placed there or at its nearest ancestor that
// the file contains.
func (r *report) add(path, format string, args ...any) {
	at, ok := r.at[path]
	for p := path; !ok && p != ""; at, ok = r.at[p] {
		p = parent(p)
	}
	r.faults = append(r.faults, Fault{
		File: r.file, Line: max(at.line, 1), Column: max(at.column, 1),
		Path: path, Message: fmt.Sprintf(format, args...),
	})
}

// addAt records a fault at a place of its own.
func (r *report) addAt(at rewrite.At, path, format string, args ...any) {
	r.faults = append(r.faults, Fault{
		File: r.file, Line: max(at.Line, 1), Column: max(at.Column, 1),
		Path: path, Message: fmt.Sprintf(format, args...),
	})
}

// result is nil, or the faults in the order of the file.
func (r *report) result() error {
	if len(r.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.faults
}

// join appends a key to a path; a key that would garble a terminal is quoted.
func join(path, key string) string {
	if strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }) {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// parent is a path without its last key or index.
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}
