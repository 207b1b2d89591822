package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/crossfade-db/crossfade/configs"
)

// finding is one result of check; its JSON keys are a promise.
type finding struct {
	Severity string `json:"severity"` // error | warning | info
	Check    string `json:"check"`
	Table    string `json:"table"`
	Column   string `json:"column"`
	Message  string `json:"message"`
	Remedy   string `json:"remedy"`
}

// findings is the result of check; OK means that no finding is an error.
type findings struct {
	OK       bool      `json:"ok"`
	Findings []finding `json:"findings"`
}

// checkTime bounds connecting to the databases.
const checkTime = 15 * time.Second

func checkCommand() *cobra.Command {
	var file, format string
	cmd := &cobra.Command{
		Use: "check -c FILE", Short: "Validates the configuration and connects to the databases", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), checkTime)
			defer cancel()
			return check(ctx, file, format, cmd.OutOrStdout())
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVarP(&format, "output", "o", "table", "table, json or yaml")
	return cmd
}

func check(ctx context.Context, file, format string, out io.Writer) error {
	write, ok := printers[format]
	if !ok {
		return &exit{exitUsage, fmt.Errorf("-o %s is not known: use table, json or yaml", format)}
	}
	config, err := configs.Load(file)
	var faults configs.Faults
	switch {
	case errors.As(err, &faults):
		return &exit{exitUsage, write(out, faultFindings(faults))}
	case err != nil:
		return &exit{exitUsage, err}
	}
	result := findings{OK: true, Findings: []finding{}}
	for _, n := range configs.Unused(config) {
		result.add(finding{Severity: "warning", Check: "configuration", Message: n.String()})
	}
	reached := checkSource(ctx, config, &result)
	if err := write(out, result); err != nil {
		return err
	}
	switch {
	case !reached:
		return &exit{code: exitUnreachable}
	case !result.OK:
		return &exit{code: exitFound}
	default:
		return nil
	}
}

func (f *findings) add(one finding) {
	f.Findings = append(f.Findings, one)
	f.OK = f.OK && one.Severity != "error"
}

func faultFindings(faults configs.Faults) findings {
	var result findings
	for _, f := range faults {
		result.add(finding{Severity: "error", Check: "configuration", Message: f.String(), Remedy: "correct the file"})
	}
	return result
}

var printers = map[string]func(io.Writer, findings) error{
	"table": printTable,
	"json": func(w io.Writer, f findings) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(f)
	},
	"yaml": func(w io.Writer, f findings) error { return yaml.NewEncoder(w, yaml.UseJSONMarshaler()).Encode(f) },
}

func printTable(w io.Writer, f findings) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, one := range f.Findings {
		if _, err := fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", one.Severity, one.Check, one.Message, one.Remedy); err != nil {
			return err
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	verdict := "ok"
	if !f.OK {
		verdict = "not ok"
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}
