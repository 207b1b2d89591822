package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// verbCommands are the commands that talk to a running proxy, one for each verb
// of the table. Two words make a command of a group.
func verbCommands() []*cobra.Command {
	var top []*cobra.Command
	groups := map[string]*cobra.Command{}
	for _, v := range admin.Verbs() {
		if v.Local {
			continue
		}
		group, _, grouped := strings.Cut(v.Name, " ")
		if !grouped {
			top = append(top, verbCommand(v))
			continue
		}
		if groups[group] == nil {
			groups[group] = groupCommand(group)
			top = append(top, groups[group])
		}
		groups[group].AddCommand(verbCommand(v))
	}
	return top
}

var groupHelp = map[string]string{
	"audit":      "Reads the chain of acts",
	"canary":     "Shows and sets the share of sessions that the target answers",
	"dirty":      "Shows what may differ between the two sides now",
	"divergence": "Shows, exports and waives differences that were found",
	"phase":      "Moves between phases",
	"reconcile":  "Shows and moves the worker that makes both sides equal",
	"table":      "Shows the mapped tables and declares them ready",
}

func groupCommand(name string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: groupHelp[name], Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var words []string
			for _, c := range cmd.Commands() {
				words = append(words, c.Name())
			}
			return &exit{exitUsage, fmt.Errorf("%s %s is not a command: use one of %s", name, strings.Join(args, " "), strings.Join(words, ", "))}
		},
	}
}

// verbCall is one run of a command: the verb, and what was typed.
type verbCall struct {
	admin.Verb
	door   doorFlags
	output string
	watch  bool
	fail   bool
	wait   bool
	call   admin.Call
	flags  map[string]*string // by the name of the argument
	least  uint64             // --if-version
}

func verbCommand(v admin.Verb) *cobra.Command {
	c := &verbCall{Verb: v, flags: map[string]*string{}, call: admin.Call{Args: map[string]string{}}}
	_, last, grouped := strings.Cut(v.Name, " ")
	if !grouped {
		last = v.Name
	}
	cmd := &cobra.Command{Use: last, Short: v.Short, Long: v.Short + ".\n\n" + c.role() + doorHelp}
	positional := 0
	cmd.Args = func(cmd *cobra.Command, args []string) error { return cobra.ExactArgs(positional)(cmd, args) }
	for _, a := range v.Args {
		switch {
		case !a.Positional:
			c.flags[a.Name] = cmd.Flags().String(a.Name, "", a.Short)
			continue
		case a.Kind == admin.Names:
			cmd.Args = cobra.ArbitraryArgs
		}
		positional++
		cmd.Use += " " + placeholder(a)
	}
	c.declare(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) }
	return cmd
}

// placeholder is how an argument stands in the line of help.
func placeholder(a admin.Arg) string {
	if len(a.Words) > 0 {
		return strings.Join(a.Words, "|")
	}
	if a.Kind == admin.Names {
		return "[" + strings.ToUpper(strings.TrimSuffix(a.Name, "s")) + "...]"
	}
	return strings.ToUpper(a.Name)
}

func (c *verbCall) role() string {
	return "It needs a token of the role " + c.Role.String() + ", or one that may more.\n"
}

func (c *verbCall) declare(cmd *cobra.Command) {
	c.door.declare(cmd)
	flags := cmd.Flags()
	forms := formsOf(c.Verb)
	flags.StringVarP(&c.output, "output", "o", forms[0], strings.Join(forms, ", "))
	if c.Watch {
		flags.BoolVar(&c.watch, "watch", false, "print again whenever it has changed, until interrupted")
	}
	if c.Fail {
		flags.BoolVar(&c.fail, "fail", false, "exit code 1 if any that is listed is open")
	}
	if c.Wait {
		flags.BoolVar(&c.wait, "wait", false, "return when nothing is dirty any more")
	}
	if c.Changes {
		flags.StringVar(&c.call.Reason, "reason", "", "why, in one line; it stands in the act")
		flags.Uint64Var(&c.least, "if-version", 0, "change only this version, else exit 2")
	}
}

// run checks all that can be checked here before it asks the proxy.
func (c *verbCall) run(cmd *cobra.Command, args []string) error {
	if err := c.read(cmd, args); err != nil {
		return &exit{exitUsage, err}
	}
	client, err := c.door.client()
	if err != nil {
		return &exit{exitUsage, err}
	}
	defer client.Close()
	p := printer{verb: c.Verb, form: c.output, out: cmd.OutOrStdout(), talk: cmd.ErrOrStderr()}
	switch {
	case c.watch:
		err = c.follow(cmd.Context(), client, p)
	case pagesOf(c.Verb) != "":
		err = c.pages(cmd.Context(), client, p)
	case c.wait:
		err = c.reconciled(cmd.Context(), client, p)
	case c.Name == "backfill":
		err = c.walked(cmd.Context(), client, p)
	default:
		err = c.once(cmd.Context(), client, p)
	}
	return exitOf(err)
}

func (c *verbCall) read(cmd *cobra.Command, args []string) error {
	if forms := formsOf(c.Verb); !slices.Contains(forms, c.output) {
		return fmt.Errorf("-o %s is not known: use %s", c.output, strings.Join(forms, ", "))
	}
	for _, a := range c.Args {
		switch {
		case a.Kind == admin.Names:
			names, err := json.Marshal(append([]string{}, args...))
			if err != nil {
				return fmt.Errorf("%s: %w", a.Name, err)
			}
			c.call.Args[a.Name], args = string(names), nil
		case a.Positional:
			c.call.Args[a.Name] = args[0]
			args = args[1:]
		case cmd.Flags().Changed(a.Name):
			c.call.Args[a.Name] = *c.flags[a.Name]
		case a.Required:
			return fmt.Errorf("%s needs --%s: %s", c.Name, a.Name, a.Short)
		}
		if value, given := c.call.Args[a.Name]; given && len(a.Words) > 0 && !slices.Contains(a.Words, value) {
			return fmt.Errorf("%s %q is not known: it is %s", a.Name, value, strings.Join(a.Words, ", "))
		}
		if a.Kind == admin.Number {
			c.call.Args[a.Name] = strings.TrimSuffix(c.call.Args[a.Name], "%")
		}
	}
	if c.Changes && c.DefaultReason() == "" && strings.TrimSpace(c.call.Reason) == "" {
		return fmt.Errorf(`%s changes something and needs --reason "..."`, c.Name)
	}
	if c.Changes && cmd.Flags().Changed("if-version") {
		c.call.IfVersion = &c.least
	}
	return nil
}

// once asks and prints. A change that must name its version and was given none
// takes the one that is in force now.
func (c *verbCall) once(ctx context.Context, client *admin.Client, p printer) error {
	if c.Version == admin.VersionRequired && c.call.IfVersion == nil {
		version, err := versionNow(ctx, client)
		if err != nil {
			return err
		}
		c.call.IfVersion = &version
	}
	text, err := client.Do(ctx, c.Verb, c.call)
	if err != nil {
		return err
	}
	if err := p.print(text); err != nil {
		return err
	}
	return p.verdict(text)
}

func versionNow(ctx context.Context, client *admin.Client) (uint64, error) {
	text, err := client.Do(ctx, verbNamed("canary get"), admin.Call{})
	if err != nil {
		return 0, err
	}
	var now admin.Share
	if err := json.Unmarshal(text, &now); err != nil {
		return 0, fmt.Errorf("read the answer to canary get: %w", err)
	}
	return now.Version, nil
}

func verbNamed(name string) admin.Verb {
	for _, v := range admin.Verbs() {
		if v.Name == name {
			return v
		}
	}
	return admin.Verb{Name: name} // no path: the proxy knows no such thing
}

// exitOf gives an error of the proxy its exit code: 2 for what was wrong with
// the request, 3 for a proxy that cannot be asked or cannot do it.
func exitOf(err error) error {
	var code *exit
	var refusal *admin.Refusal
	var unreached *admin.Unreached
	switch {
	case err == nil, errors.As(err, &code):
		return err
	case errors.As(err, &unreached):
		return &exit{exitUnreachable, err}
	case errors.As(err, &refusal):
		switch refusal.Why() {
		case admin.Anonymous:
			err = fmt.Errorf("%w: the command takes it from --token, CROSSFADE_TOKEN, or the state directory of -c FILE", err)
		case admin.Unwritten, admin.Fault:
			return &exit{exitUnreachable, err}
		default:
		}
		return &exit{exitUsage, err}
	default:
		return &exit{exitUsage, err}
	}
}
