package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// pagesOf is the member of the answers of a verb that come in pages; empty: its
// answer is whole.
func pagesOf(v admin.Verb) string {
	switch v.Reply.(type) {
	case admin.Records:
		return "records"
	case admin.DivergencePage:
		return "divergences"
	default:
		return ""
	}
}

// pages asks for one page after the other, up to --limit.
func (c *verbCall) pages(ctx context.Context, client *admin.Client, p printer) error {
	left := -1 // all
	if text, ok := c.call.Args["limit"]; ok {
		var err error
		if left, err = strconv.Atoi(text); err != nil || left < 1 {
			return &exit{exitUsage, errors.New("--limit is not a number above 0")}
		}
	}
	all := []json.RawMessage{}
	for {
		if left >= 0 {
			c.call.Args["limit"] = strconv.Itoa(min(left-len(all), admin.PageMost))
		}
		text, err := client.Do(ctx, c.Verb, c.call)
		if err != nil {
			return err
		}
		found, next, err := pageOf(text, pagesOf(c.Verb))
		if err != nil {
			return fmt.Errorf("read the answer to %s: %w", c.Name, err)
		}
		all = append(all, found...)
		if next == 0 || len(all) == left {
			break
		}
		c.call.Args["after"] = strconv.FormatUint(next, 10)
	}
	if err := p.paged(all); err != nil {
		return err
	}
	return c.failing(all, p)
}

func pageOf(text []byte, member string) (found []json.RawMessage, next uint64, err error) {
	var page map[string]json.RawMessage
	if err := json.Unmarshal(text, &page); err != nil {
		return nil, 0, err
	}
	if err := json.Unmarshal(page[member], &found); err != nil {
		return nil, 0, fmt.Errorf("its member %s: %w", member, err)
	}
	if raw, there := page["next"]; there {
		err = json.Unmarshal(raw, &next)
	}
	return found, next, err
}

// failing is exit code 1 if --fail asks for it.
func (c *verbCall) failing(all []json.RawMessage, p printer) error {
	if !c.fail {
		return nil
	}
	open := 0
	for _, raw := range all {
		var d admin.Divergence
		if err := json.Unmarshal(raw, &d); err != nil {
			return fmt.Errorf("read the answer to %s: %w", c.Name, err)
		}
		if d.Open {
			open++
		}
	}
	if open == 0 {
		return nil
	}
	fmt.Fprintf(p.talk, "%d of %d are open\n", open, len(all))
	return &exit{code: exitFound}
}

// paged prints all pages in one.
func (p printer) paged(all []json.RawMessage) error {
	member := pagesOf(p.verb)
	switch {
	case isExport(p.verb) && p.form == formJSON:
		return p.lines(all)
	case p.form == formJSON || p.form == formYAML:
		text, err := json.Marshal(map[string]any{member: all})
		if err != nil {
			return fmt.Errorf("read the answer to %s: %w", p.verb.Name, err)
		}
		return p.print(text)
	case member == "records" && p.form == formCSV:
		return p.csv(all)
	case member == "records":
		return p.recordTable(all)
	default:
		return p.list(divergenceList, all)
	}
}

// isExport says that the JSON of a verb is one document a line.
func isExport(v admin.Verb) bool { return v.Name == "audit export" || v.Name == "divergence export" }
