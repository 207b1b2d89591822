package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// door is the admin door of the proxy, used as an operator on the same machine
// uses it.
type door struct {
	program, address, state string
	http                    *http.Client
}

// askTime bounds one question.
const askTime = 5 * time.Second

func newDoor(program, address, state string) door {
	return door{program, address, state, &http.Client{Timeout: askTime, Transport: &http.Transport{MaxIdleConnsPerHost: 2}}}
}

// dirtyItem is a key or range that the proxy calls dirty.
type dirtyItem struct {
	Table    string `json:"table"`
	Key      string `json:"key"`
	Range    bool   `json:"range"`
	Cause    string `json:"cause"`
	InFlight bool   `json:"in_flight"`
}

type backlog struct {
	Dirty    int         `json:"dirty"`
	Flapping int         `json:"flapping"`
	Repaired uint64      `json:"repaired"`
	Items    []dirtyItem `json:"items"`
}

// divergence is a difference that the worker has recorded.
type divergence struct {
	ID    uint64 `json:"id"`
	State string `json:"state"`
	Kind  string `json:"kind"`
	Table string `json:"table"`
	Key   string `json:"key"`
	Cause string `json:"cause"`
}

func (d door) dirty(ctx context.Context, table string, limit int) (b backlog, err error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if table != "" {
		query.Set("table", table)
	}
	return b, d.get(ctx, "/api/v1/dirty?"+query.Encode(), &b)
}

// pageMost is the longest page that the door gives.
const pageMost = 1000

// divergences are all of them.
func (d door) divergences(ctx context.Context) (all []divergence, err error) {
	for after := uint64(0); ; {
		var page struct {
			Divergences []divergence `json:"divergences"`
			Next        uint64       `json:"next"`
		}
		if err := d.get(ctx, fmt.Sprintf("/api/v1/divergences?limit=%d&after=%d", pageMost, after), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Divergences...)
		if after = page.Next; after == 0 {
			return all, nil
		}
	}
}

func (d door) get(ctx context.Context, path string, into any) error {
	text, err := d.fetch(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read the answer to %s: %w", path, err)
	}
	return nil
}

func (d door) fetch(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.address+path, nil)
	if err != nil {
		return nil, err
	}
	token, err := d.token()
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := d.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the proxy: %w", err)
	}
	text, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, fmt.Errorf("ask the proxy: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the proxy for %s: %s: %s", path, answer.Status, lastLines(text))
	}
	return text, nil
}

func (d door) token() (string, error) {
	token, err := os.ReadFile(filepath.Join(d.state, "admin.token"))
	if err != nil {
		return "", fmt.Errorf("read the admin token: %w", err)
	}
	return string(bytes.TrimSpace(token)), nil
}

// do runs one command. The token goes by the environment, which other users of
// the machine do not see.
func (d door) do(ctx context.Context, words ...string) ([]byte, error) {
	token, err := d.token()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, d.program, words...)
	cmd.Env = append(os.Environ(), "CROSSFADE_ADMIN=http://"+d.address, "CROSSFADE_TOKEN="+token)
	output, err := cmd.Output()
	if err == nil {
		return output, nil
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		err = fmt.Errorf("%w: %s", err, lastLines(ended.Stderr))
	}
	if cause := ctx.Err(); cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return nil, fmt.Errorf("run crossfade %s: %w", strings.Join(words, " "), err)
}

// samples are the values of one life's metrics, by name with labels as written.
type samples map[string]float64

func (d door) metrics(ctx context.Context) (samples, error) {
	text, err := d.fetch(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	return parseMetrics(text), nil
}

// parseMetrics reads the text format (Prometheus, "Exposition formats").
func parseMetrics(text []byte) samples {
	out := samples{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			out[line[:at]] = value
		}
	}
	return out
}

// label reads one label of a sample's name.
func label(sample, name string) string {
	_, rest, found := strings.Cut(sample, name+`="`)
	if !found {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// keyText is a key of the door in the text form of the database. Keys are shown
// as the bytes that the proxy works with: text in quotes or hexadecimal digits,
// an integer in binary.
func keyText(shown string) string {
	raw := []byte(nil)
	if digits, ok := strings.CutPrefix(shown, `\x`); ok {
		raw, _ = hex.DecodeString(digits)
	} else if text, err := strconv.Unquote(shown); err == nil {
		raw = []byte(text)
	} else {
		return shown
	}
	switch {
	case len(raw) == 4 && raw[0] == 0:
		return strconv.Itoa(int(binary.BigEndian.Uint32(raw)))
	case len(raw) == 8 && raw[0] == 0:
		return strconv.FormatUint(binary.BigEndian.Uint64(raw), 10)
	}
	return string(raw)
}
