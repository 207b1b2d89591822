package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/crossfade-db/crossfade/internal/admin"
)

// Where commands look for the proxy when nothing is said.
const (
	defaultAdmin = "http://127.0.0.1:7432"
	defaultState = "var"

	envAdmin = "CROSSFADE_ADMIN"
	envToken = "CROSSFADE_TOKEN"
)

const doorHelp = `
The address is --admin, else CROSSFADE_ADMIN, else admin.address of -c FILE, else
` + defaultAdmin + `. The token is --token, else CROSSFADE_TOKEN, else the
file admin.token in state.dir of -c FILE, else in ./var; a file's token is sent
to this machine, or to the address of -c FILE, and nowhere else.

Exit code 2: wrong usage, refused, or changed by somebody else in the meantime;
3: the proxy could not be reached.`

// doorFlags say which proxy to ask, and as whom.
type doorFlags struct{ admin, token, config string }

func (d *doorFlags) declare(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&d.admin, "admin", "", "address of the proxy, http://host:port (CROSSFADE_ADMIN)")
	flags.StringVar(&d.token, "token", "", "bearer token (CROSSFADE_TOKEN, which other users of the machine do not see)")
	flags.StringVarP(&d.config, "config", "c", "", "configuration file of the proxy, for its address and state directory")
}

// whereabouts are what commands need of a configuration file. They read no more
// of it, so that no secret of the proxy's need be in the operator's environment.
type whereabouts struct {
	State struct {
		Dir string `yaml:"dir"`
	} `yaml:"state"`
	Admin struct {
		Address string `yaml:"address"`
		TLS     struct {
			Cert string `yaml:"cert"`
		} `yaml:"tls"`
	} `yaml:"admin"`
}

func (d *doorFlags) client() (*admin.Client, error) {
	address, token, err := d.reach()
	if err != nil {
		return nil, err
	}
	return admin.NewClient(address, token)
}

// reach is where to ask, and with which token.
func (d *doorFlags) reach() (address, token string, err error) {
	var w whereabouts
	if d.config != "" {
		text, err := os.ReadFile(d.config)
		if err != nil {
			return "", "", fmt.Errorf("read configuration: %w", err)
		}
		if err := yaml.Unmarshal(text, &w); err != nil { // whose text may show what is in the file
			return "", "", fmt.Errorf("%s is no configuration: run crossfade check -c %s", d.config, d.config)
		}
	}
	address = firstGiven(d.admin, os.Getenv(envAdmin), w.address(), defaultAdmin)
	token = firstGiven(d.token, os.Getenv(envToken))
	if token == "" && (address == w.address() || onThisMachine(address)) {
		token, err = tokenIn(w.stateDir(d.config))
	}
	return address, token, err
}

// address is that of the configuration, empty if it has none.
func (w whereabouts) address() string {
	if w.Admin.Address == "" {
		return ""
	}
	return admin.Resolve(w.Admin.Address, w.Admin.TLS.Cert != "")
}

// stateDir is relative to the configuration file, as for the proxy.
func (w whereabouts) stateDir(file string) string {
	dir := firstGiven(w.State.Dir, defaultState)
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(filepath.Dir(file), dir)
}

func onThisMachine(address string) bool {
	at, err := url.Parse(address)
	return err == nil && admin.Loopback(at.Hostname())
}

// tokenIn reads the token that a proxy left in its state directory; none is no
// error, since the proxy says that best.
func tokenIn(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, admin.TokenFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read admin token: %w: run as the user of the proxy, or give --token", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// firstGiven is the first that is not empty.
func firstGiven(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
