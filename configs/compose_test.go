package configs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
)

// No container engine is needed to see that the composition fits together: its
// configuration loads, and what it names is there.
func TestTheCompositionFitsTogether(t *testing.T) {
	for name, value := range testEnv {
		t.Setenv(name, value)
	}
	c, err := Load("compose/crossfade.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Build struct{ Context, Dockerfile string }
			Ports []string
		}
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	proxy := compose.Services["crossfade"]
	if _, err := os.Stat(filepath.Join("compose", proxy.Build.Context, proxy.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	if _, ok := compose.Services[c.Source.Address.Host()]; !ok {
		t.Errorf("the source %s is no service", c.Source.Address)
	}
	if len(proxy.Ports) != 1 || proxy.Ports[0] != "127.0.0.1:6432:6432" || c.Listeners[0].Address.Port() != 6432 {
		t.Errorf("ports %v, listener %s", proxy.Ports, c.Listeners[0].Address)
	}
}
