// Command crossfade is the proxy and everything that is done with it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// Exit codes (docs/reference.md).
const (
	exitDone        = 0
	exitFound       = 1 // a check found something wrong
	exitUsage       = 2 // wrong usage or configuration
	exitUnreachable = 3 // the proxy or a database could not be reached
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// exit is an error with the exit code that it asks for.
type exit struct {
	code int
	err  error // nil: it has been said
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// run is main for tests: data goes to out, talk to talk.
func run(ctx context.Context, args []string, out, talk io.Writer) int {
	root := &cobra.Command{
		Use:           "crossfade",
		Short:         "Moves an application from one database to another while both run",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(talk)
	root.AddCommand(serveCommand(), checkCommand(), demoCommand(), versionCommand(), explainCommand(), journalCommand())
	root.AddCommand(verbCommands()...)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if text := err.Error(); text != "" {
		_, _ = fmt.Fprintln(talk, text)
	}
	var code *exit
	if errors.As(err, &code) {
		return code.code
	}
	return exitUsage
}
