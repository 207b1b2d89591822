package repair

import (
	"context"
	"fmt"

	"github.com/crossfade-db/crossfade/rewrite"
)

const sweepRows = 200

// sweep goes through a part of the target's keys in the target's own order, for
// those that the source does not have.
func (l *lane) sweep(ctx context.Context) (string, error) {
	if reason, err := l.throttled(ctx); reason != "" || err != nil {
		return reason, err
	}
	w := l.walk
	target := len(w.shape.texts) - len(w.swept)
	if target == len(w.shape.texts) {
		return "", l.finish()
	}
	if w.shape.texts[target].RangeText(false, false) == "" {
		l.opt.Log.Warn("rows that only the target has cannot be looked for: its key is not the source's", "table", w.rng.Table)
	}
	keys, err := l.page(ctx, target, w.swept[0], "", sweepRows)
	if err != nil {
		return "", err
	}
	strays, err := l.strays(ctx, keys)
	if err != nil {
		return "", err
	}
	if err := l.leaveKeys(strays); err != nil {
		return "", err
	}
	if len(keys) < sweepRows || keys[len(keys)-1] == "" {
		w.swept = w.swept[1:]
		return "", nil
	}
	w.swept[0] = keys[len(keys)-1]
	return "", nil
}

// strays are the keys that the source does not have at this moment.
func (l *lane) strays(ctx context.Context, keys []rewrite.RowKey) ([]rewrite.RowKey, error) {
	s := l.walk.shape
	queries, asked := []query{s.pin}, []rewrite.RowKey(nil)
	for _, key := range keys {
		if key == "" {
			continue
		}
		q, err := s.sourceRow(s.source.Plain, key)
		if err != nil {
			return nil, err
		}
		q.most = 1
		queries, asked = append(queries, q), append(asked, key)
	}
	answers, err := l.a().flight(ctx, queries...)
	if err != nil {
		return nil, fmt.Errorf("look for the target's keys at the source: %w", err)
	}
	var strays []rewrite.RowKey
	for i, key := range asked {
		if len(answers[i+1].rows) == 0 {
			strays = append(strays, key)
		}
	}
	return strays, nil
}
