package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossfade-db/crossfade/configs"
)

// checkTime bounds all of a check, and visitTime what is done as one login at
// one side.
const (
	checkTime = time.Minute
	visitTime = 10 * time.Second
)

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
	reached := checkDatabases(ctx, config, &result)
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
