package admin

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// pageOf reads the arguments after and limit.
func pageOf(args map[string]string) (after uint64, limit int, err error) {
	limit = PageMost
	if text, ok := args["after"]; ok {
		if after, err = strconv.ParseUint(text, 10, 63); err != nil {
			return 0, 0, Refuse(Invalid, "after is not the number of a record", "")
		}
	}
	if text, ok := args["limit"]; ok {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > PageMost {
			return 0, 0, Refuse(Invalid, "limit is not between 1 and "+strconv.Itoa(PageMost), "")
		}
	}
	return after, limit, nil
}

func idOf(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 63)
	if err != nil || id == 0 {
		return 0, Refuse(Invalid, "id is not the number of a divergence", "crossfade divergence list shows them")
	}
	return id, nil
}

// untilOf reads when a waiver ends: a day, which it includes (UTC), or a time.
func untilOf(text string, now time.Time) (time.Time, error) {
	until, err := time.Parse(time.RFC3339, text)
	if err != nil {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return until, Refuse(Invalid, "until is neither a day nor a time", "write it as 2030-12-31 or 2030-12-31T12:00:00Z")
		}
		until = day.AddDate(0, 0, 1)
	}
	if !until.After(now) {
		return until, Refuse(Invalid, "until is over", "a waiver ends at a time to come")
	}
	return until.UTC(), nil
}

// namesOf reads an argument of kind Names: sorted, each once.
func namesOf(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return nil, Refuse(Invalid, "the names are no list", `as ["public.orders"]`)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// dirtyMost is how many dirty items are listed when nothing is said.
const dirtyMost = 100

func listDirty(ctx context.Context, c Control, call Call) (any, error) {
	_, limit, err := pageOf(call.Args)
	if err != nil {
		return nil, err
	}
	if _, said := call.Args["limit"]; !said {
		limit = dirtyMost
	}
	return c.Dirty(ctx, DirtyQuery{Table: call.Args["table"], Limit: limit})
}
