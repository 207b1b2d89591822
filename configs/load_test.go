package configs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheContractLoads(t *testing.T) {
	c := mustParse(t, string(contract))
	u := c.Users[0]
	got := map[string]string{
		"service":         c.Source.Service.Password.Reveal(),
		"target service":  c.Target.Service.Password.Reveal(),
		"client":          u.Password.Reveal(),
		"source":          u.Source.Password.Reveal(),
		"target":          u.Target.Password.Reveal(),
		"token":           c.Admin.Tokens[0].Token.Reveal(),
		"evidence":        c.Evidence.Key.Reveal(),
		"listener cert":   string(c.Listeners[0].TLS.Cert),
		"database shape":  string(c.Listeners[0].Databases["shop_v2"]),
		"breaker":         c.Mirror.Breaker.OpenFor[1].String(),
		"canary key":      c.Canary.Key[0],
		"frame":           c.Limits.Frame.String(),
		"source tls mode": string(c.Source.TLS.Mode),
		"target tls mode": string(c.Target.TLS.Mode),
		"empty is empty":  string(c.Listeners[0].TLS.ClientCA),
	}
	want := map[string]string{
		"service": "source-secret", "target service": "target-secret", "client": "app-secret", "source": "app-secret",
		"target": "app-target-secret", "token": "operator-secret", "evidence": "evidence-secret",
		"listener cert": "server.crt", "database shape": "target", "breaker": "30s", "canary key": "startup:user_id",
		"frame": "256MiB", "source tls mode": "verify-full", "target tls mode": "disable", "empty is empty": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The full example writes out what is otherwise a default, so the two together
// check that the defaults are the documented ones.
func TestTheDefaultsAreThoseOfTheFullExample(t *testing.T) {
	full, minimal := mustParse(t, string(fullExample)), mustParse(t, string(minimalExample))
	compare := func(name string, want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Tables{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	full.Migration.Name, full.Canary.Salt = "", ""
	full.Canary.ForceIn, full.Canary.ForceOut = nil, nil
	full.Evidence.Columns, full.Evidence.Key = nil, Secret{}
	full.Admin.Tokens = nil
	full.Migration.Tables, minimal.Migration.Tables = Tables{}, Tables{}
	compare("migration", full.Migration, minimal.Migration)
	compare("mirror", full.Mirror, minimal.Mirror)
	compare("canary", full.Canary, minimal.Canary)
	compare("shadow", full.Shadow, minimal.Shadow)
	compare("journal", full.Journal, minimal.Journal)
	compare("state", full.State, minimal.State)
	compare("admin", full.Admin, minimal.Admin)
	compare("limits", full.Limits, minimal.Limits)
	compare("evidence", full.Evidence, minimal.Evidence)
	compare("log", full.Log, minimal.Log)
}

func TestTheSmallestFileIsComplete(t *testing.T) {
	c := mustParse(t, string(minimalExample))
	l, u := c.Listeners[0], c.Users[0]
	if l.Name != "127.0.0.1:6432" || l.Protocol != ProtocolPostgres || l.TLS.Mode != ListenerTLSDisable {
		t.Errorf("listener: %+v", l)
	}
	if c.Source.Engine != EnginePostgres || c.Source.TLS.Mode != ServerTLSDisable || c.Target != nil {
		t.Errorf("source: %+v, target: %+v", c.Source, c.Target)
	}
	if u.Auth != AuthSCRAM || u.Source.User != "app" || u.Source.Password.Reveal() != "app-secret" {
		t.Errorf("user: %+v", u)
	}
	if time.Duration(c.Limits.LoginTimeout) != 15*time.Second {
		t.Errorf("login_timeout is %v", c.Limits.LoginTimeout)
	}
}

func TestTheModeOfTLSFollowsWhatIsGiven(t *testing.T) {
	c := mustParse(t, `
listeners:
  - {address: ":6432", tls: {cert: server.crt, key: server.key}}
  - {address: "[::1]:6433"}
source: {address: db.example.com:5432}
target: {address: /run/postgresql}
users: [{name: app, password: "env:APP_PASSWORD"}]
`)
	got := []string{string(c.Listeners[0].TLS.Mode), string(c.Listeners[1].TLS.Mode), string(c.Source.TLS.Mode), string(c.Target.TLS.Mode)}
	if diff := cmp.Diff([]string{"prefer", "disable", "verify-full", "disable"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRelativePathsStartAtTheFile(t *testing.T) {
	dir := t.TempDir()
	for name, content := range testFiles() {
		write(t, filepath.Join(dir, name), content)
	}
	for name, value := range testEnv {
		t.Setenv(name, value)
	}
	for _, example := range [][]byte{fullExample, minimalExample} {
		path := write(t, filepath.Join(dir, "crossfade.yaml"), string(example))
		c, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := Path(filepath.Join(dir, "var")); c.State.Dir != want {
			t.Errorf("state.dir is %s, want %s", c.State.Dir, want)
		}
	}
}

func TestAFileThatCannotBeReadIsNoFault(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "absent.yaml"))
	var faults Faults
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &faults) {
		t.Errorf("got %v", err)
	}
}

func TestOnlyRegularFilesOfBoundedSizeAreRead(t *testing.T) {
	dir := t.TempDir()
	large := write(t, filepath.Join(dir, "large"), string(make([]byte, maxBytes+1)))
	for _, path := range []string{dir, os.DevNull, large} {
		if _, err := readFile(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
