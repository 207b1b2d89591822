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
	var o checkOptions
	cmd := &cobra.Command{
		Use: "check -c FILE", Short: "Validates the configuration and connects to the databases", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			limit := checkTime
			if o.mapping {
				limit = mappingTime
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), limit)
			defer cancel()
			return check(ctx, o, cmd.OutOrStdout())
		},
	}
	configFlag(cmd, &o.file)
	cmd.Flags().StringVarP(&o.format, "output", "o", "table", "table, json or yaml")
	cmd.Flags().BoolVar(&o.mapping, "mapping", false, "prove the mapping against both databases and their rows, as the service logins")
	return cmd
}

// checkOptions are what the flags of check say.
type checkOptions struct {
	file, format string
	mapping      bool // prove the mapping, too
}

func check(ctx context.Context, o checkOptions, out io.Writer) error {
	write, ok := printers[o.format]
	if !ok {
		return &exit{exitUsage, fmt.Errorf("-o %s is not known: use table, json or yaml", o.format)}
	}
	config, err := configs.Load(o.file)
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
	reached := checkDatabases(ctx, config, o.mapping, &result)
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
