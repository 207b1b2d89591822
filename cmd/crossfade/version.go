package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/crossfade-db/crossfade/internal/admin"
	"github.com/crossfade-db/crossfade/internal/metrics"
)

// version is set by the release build (-ldflags -X).
var version = "0.1.0-dev"

// build is what this binary is.
// buildVersion is the same for the admin door.
func buildVersion() admin.Version {
	b := build()
	return admin.Version{Version: b.Version, Revision: b.Revision, Go: b.Go}
}

func build() metrics.Build {
	b := metrics.Build{Version: version, Revision: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Prints what this binary is", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := build()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "crossfade %s (%s, %s)\n", b.Version, b.Revision, b.Go)
			return err
		},
	}
}
