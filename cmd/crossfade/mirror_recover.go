package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossfade-db/crossfade/configs"
	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/reconcile"
	"github.com/crossfade-db/crossfade/reconcile/journal"
	"github.com/crossfade-db/crossfade/reconcile/state"
	"github.com/crossfade-db/crossfade/shadow"
)

func journalCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "journal", Short: "What to do about a journal that cannot be read", Args: cobra.NoArgs}
	var file, reason string
	recovering := &cobra.Command{
		Use: "recover -c FILE --reason WHY", Short: "Sets a journal aside that cannot be read, and has all mapped tables looked at", Args: cobra.NoArgs,
		Long: `Sets the journal of a proxy that does not run aside, if it cannot be read as a
whole, so that the proxy starts again. What it held is not known, so that every
mapped table becomes one dirty range, which the worker walks: the target answers
no reads of it until then. The files stay beside it, under another name. One act
is written to the chain of acts. A journal that can be read is left as it is.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if strings.TrimSpace(reason) == "" {
				return &exit{exitUsage, errors.New("--reason is needed: it is kept with the act")}
			}
			config, err := configs.Load(file)
			if err != nil {
				return &exit{exitUsage, err}
			}
			return recoverJournal(cmd.Context(), string(config.State.Dir), reason, cmd.OutOrStdout())
		},
	}
	configFlag(recovering, &file)
	recovering.Flags().StringVar(&reason, "reason", "", "why, for the chain of acts (required)")
	cmd.AddCommand(recovering)
	return cmd
}

// actRecover is the act of setting a journal aside.
const actRecover = "journal recover"

// recovered is what the act says.
type recovered struct {
	Fault  string   `json:"fault"`
	Aside  string   `json:"aside"`
	Tables []string `json:"tables"`
}

// recoverJournal sets the journal of a state directory aside if it is corrupt.
// All that it may have held is dirty, durably, before that: a crash at any line
// leaves too much dirty and not too little.
func recoverJournal(ctx context.Context, dir, reason string, out io.Writer) (err error) {
	if _, err := os.Stat(dir); err != nil {
		return &exit{exitUsage, fmt.Errorf("the state directory: %w", err)}
	}
	store, err := state.Open(dir)
	if err != nil {
		return &exit{exitUsage, err}
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	was := filepath.Join(dir, "journal")
	j, _, err := journal.Open(was, journal.Options{})
	var fault *journal.Corruption
	switch {
	case err == nil:
		_, said := fmt.Fprintln(out, "the journal can be read: nothing was done")
		return errors.Join(j.Close(), said)
	case !errors.As(err, &fault):
		return &exit{exitUsage, err}
	}
	tables, err := doubtAll(ctx, store, dir, fault.Tables)
	if err != nil {
		return fmt.Errorf("remember that all tables are in doubt: %w", err)
	}
	aside := was + ".corrupt-" + time.Now().UTC().Format("20060102T150405.000Z")
	act := state.Act{
		Actor: systemUser(), Door: admin.DoorCLI, Act: actRecover, Object: "journal", Reason: reason, Result: admin.ResultDone,
		Before: map[string]string{"fault": fault.Reason}, After: recovered{fault.Reason, filepath.Base(aside), tables},
	}
	if _, err := store.Record(ctx, act); err != nil {
		return fmt.Errorf("write the act: %w", err)
	}
	if err := errors.Join(os.Rename(was, aside), syncDir(dir)); err != nil {
		return fmt.Errorf("set the journal aside: %w", err)
	}
	_, err = fmt.Fprintf(out, "the journal is at %s; looked at as a whole when the proxy mirrors again: %s\n", aside, strings.Join(tables, ", "))
	return err
}

// doubtAll makes all tables that are mapped, or that the journal names, one dirty
// range each.
func doubtAll(ctx context.Context, store *state.Store, dir string, named []string) (tables []string, err error) {
	mapped, err := store.Mapped(ctx)
	if err != nil {
		return nil, err
	}
	tables = slices.Clone(named)
	for _, m := range mapped {
		tables = append(tables, m.Table)
	}
	slices.Sort(tables)
	tables = slices.Compact(tables)
	spare := filepath.Join(dir, "journal.spare") // a ledger wants one; it stays empty
	if err := os.RemoveAll(spare); err != nil {
		return nil, err
	}
	j, _, err := journal.Open(spare, journal.Options{})
	if err != nil {
		return nil, err
	}
	ledger, err := reconcile.OpenLedger(store, j, reconcile.LedgerOptions{})
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	for _, table := range tables {
		err = errors.Join(err, ledger.MarkRange(table, "", "", shadow.Intent{Epoch: firstEpoch}, shadow.CauseCrash))
	}
	// What the state database could not take is in the spare journal only: Close
	// says so, and nothing is set aside then.
	return tables, errors.Join(err, ledger.Close(), j.Close(), os.RemoveAll(spare))
}

// systemUser is who runs the command, as the system knows him.
func systemUser() string {
	if u, err := user.Current(); err == nil {
		return "system user " + u.Username
	}
	return nobodyKnown
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
