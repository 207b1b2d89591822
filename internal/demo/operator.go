package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// operator types commands of the program, meant for one running proxy.
type operator struct {
	command func(ctx context.Context, args []string, out, talk io.Writer) int
	address string // of the admin door
	tokens  string // the file that holds the token
	token   string
}

// newOperator takes the token that the proxy has left in its state directory.
func newOperator(opt Options, dir, address string) (*operator, error) {
	o := &operator{
		command: opt.Command, address: "http://" + address,
		tokens: filepath.Join(dir, stateDir, admin.TokenFile),
	}
	token, err := os.ReadFile(o.tokens)
	if err != nil {
		return nil, fmt.Errorf("read the proxy's admin token: %w", err)
	}
	o.token = strings.TrimSpace(string(token))
	return o, nil
}

// environment is what makes the commands work as they are printed. It has the
// place of the token and not the token.
func (o *operator) environment() string {
	program, err := os.Executable()
	if err != nil {
		program = "crossfade"
	}
	return "  alias crossfade=" + program + "\n  export CROSSFADE_ADMIN=" + o.address + "\n  export CROSSFADE_TOKEN=\"$(cat " + o.tokens + ")\"\n"
}

// run is one command and what it prints. The door is named in full, so that no
// variable of whoever runs the demo makes another proxy of it.
func (o *operator) run(ctx context.Context, args ...string) (string, error) {
	var out, talk strings.Builder
	full := append(args[:len(args):len(args)], "--admin", o.address, "--token", o.token)
	if code := o.command(ctx, full, &out, &talk); code != 0 {
		return out.String(), fmt.Errorf("%s: exit code %d: %s", typed(args), code, strings.TrimSpace(talk.String()))
	}
	return out.String(), nil
}

// typed is a command as it is typed.
func typed(args []string) string {
	words := []string{"crossfade"}
	for _, a := range args {
		if strings.ContainsAny(a, " '\"$") {
			a = strconv.Quote(a)
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// asked runs a command that answers in JSON.
func asked[T any](ctx context.Context, o *operator, args ...string) (answer T, err error) {
	text, err := o.run(ctx, append(args, "-o", "json")...)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return answer, fmt.Errorf("read the answer to %s: %w", typed(args), err)
	}
	return answer, nil
}

func (o *operator) status(ctx context.Context) (admin.Status, error) {
	return asked[admin.Status](ctx, o, "status")
}

// audited is the chain of acts, as the program's commands tell it.
type audited struct {
	list, verified string // as they are printed
	records        []admin.Record
	verdict        admin.Verdict
}

// audit reads the chain. One that is broken is told by the verdict.
func (o *operator) audit(ctx context.Context) (a audited, err error) {
	if a.list, err = o.run(ctx, "audit", "list"); err != nil {
		return a, err
	}
	records, err := asked[admin.Records](ctx, o, "audit", "list")
	if err != nil {
		return a, err
	}
	a.records = records.Records
	if a.verified, err = o.run(ctx, "audit", "verify"); err != nil {
		return a, fmt.Errorf("%w: %w", ErrFailed, err)
	}
	a.verdict, err = asked[admin.Verdict](ctx, o, "audit", "verify")
	return a, err
}

// await waits until nothing is missing in the status.
func (o *operator) await(ctx context.Context, limit time.Duration, missing func(admin.Status) string) (admin.Status, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errUnseen)
	defer cancel()
	what := ""
	for {
		status, err := o.status(ctx)
		if err == nil {
			if what = missing(status); what == "" {
				return status, nil
			}
			err = pause(ctx, lookAgain)
		}
		switch {
		case errors.Is(context.Cause(ctx), errUnseen):
			return status, fmt.Errorf("%w: after %v: %s", ErrFailed, limit, what)
		case err != nil:
			return status, err
		}
	}
}

var errUnseen = errors.New("not seen in time")

// partTime bounds how long the proxy may keep sessions whose clients have gone.
const partTime = 5 * time.Second

// sessionsLeft waits until the proxy has no session, and says how many it has
// after a while all the same.
func (o *operator) sessionsLeft(ctx context.Context) (int, error) {
	status, err := o.await(ctx, partTime, func(s admin.Status) string {
		if s.Sessions.Source+s.Sessions.Target == 0 {
			return ""
		}
		return "sessions are left"
	})
	if errors.Is(err, ErrFailed) {
		err = nil
	}
	return status.Sessions.Source + status.Sessions.Target, err
}
