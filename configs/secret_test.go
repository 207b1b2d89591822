package configs

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// marker is the secret that must not be seen in any output (THREATS V25).
const marker = "MARKER-hunter2"

func TestV25ASecretPrintsNowhere(t *testing.T) {
	type hidden struct{ secret Secret }
	type holder struct {
		Secret  Secret
		Pointer *Secret
		List    []Secret
		Map     map[string]Secret
	}
	s := newSecret(marker)
	values := map[string]any{
		"value": s, "pointer": &s, "unexported field": hidden{s}, "pointer to it": &hidden{s},
		"everything": holder{s, &s, []Secret{s}, map[string]Secret{"k": s}},
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%t", "%10s", "%-5v", "%p", "%e"} {
			assertHidden(t, name+" as "+verb, fmt.Sprintf(verb, v), false)
		}
		var text, structured bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "secret", v)
		slog.New(slog.NewJSONHandler(&structured, nil)).Info("m", "secret", v)
		assertHidden(t, name+" in slog text", text.String(), false)
		assertHidden(t, name+" in slog JSON", structured.String(), false)
		assertHidden(t, name+" in an error", fmt.Errorf("dial: %v", v).Error(), false)
		assertHidden(t, name+" in cmp", cmp.Diff(v, nil, cmp.AllowUnexported(hidden{})), false)
	}
	everything := values["everything"]
	for name, marshal := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal} {
		out, err := marshal(everything)
		if err != nil {
			t.Fatal(err)
		}
		assertHidden(t, name, string(out), true)
	}
	out, err := xml.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	assertHidden(t, "XML", string(out), true)
	assertHidden(t, "String", s.String(), true)
	assertHidden(t, "GoString", s.GoString(), true)
	assertHidden(t, "LogValue", s.LogValue().String(), true)
	if s.Reveal() != marker {
		t.Error("Reveal does not give the value")
	}
}

func assertHidden(t *testing.T, where, output string, stars bool) {
	t.Helper()
	hex := fmt.Sprintf("%x", marker)
	if strings.Contains(output, marker) || strings.Contains(strings.ToLower(output), hex) {
		t.Errorf("%s shows the secret: %s", where, output)
	}
	if stars && !strings.Contains(output, "***") {
		t.Errorf("%s has no ***: %s", where, output)
	}
}

func TestV25NoFaultAndNoDumpShowsASecret(t *testing.T) {
	w := inMemory()
	w.env = func(string) (string, bool) { return marker, true }
	good := doc{users: `[{name: app, password: "env:X"}]`, rest: `admin: {tokens: [{name: t, role: viewer, token: "env:X"}]}`}
	c, err := parse("f", []byte(good.text()), w)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	assertHidden(t, "JSON of the configuration", string(asJSON), true)
	assertHidden(t, "the configuration", fmt.Sprintf("%+v %#v", c, *c), true)
	for _, written := range []string{
		marker, "'" + marker + "'", "[" + marker + "]", "{" + marker + ": x}", "|" + marker, ">" + marker + "\n  x",
		"env:" + marker, `"` + marker + `\q"`, "!" + marker + " x", "&" + marker, "`" + marker,
	} {
		for _, key := range []string{"password", "verifier"} {
			text := "users:\n  - name: app\n    " + key + ": " + written + "\n"
			_, err := parse("f", []byte(text), w)
			if err == nil {
				t.Fatalf("%s: %s is no fault", key, written)
			}
			assertHidden(t, key+": "+written, err.Error(), false)
		}
	}
}

func TestSecretsComeFromTheEnvironmentOrAFile(t *testing.T) {
	cases := []struct{ name, written, value, fault string }{
		{"a variable", "env:APP_PASSWORD", "app-secret", ""},
		{"a file without its last newline", "file:target", "target-secret", ""},
		{"a file from elsewhere", "file:/run/secrets/target", "target-secret", ""},
		{"a file written on Windows", "file:crlf", "crlf-secret", ""},
		{"only one newline is dropped", "file:two-lines", "two\n", ""},
		{"a literal", "hunter2", "", "is not written in this file: give env:NAME or file:PATH"},
		{"nothing", "", "", "is not written in this file: give env:NAME or file:PATH"},
		{"a variable that is not set", "env:ABSENT", "", "the environment variable ABSENT is not set"},
		{"a variable that is empty", "env:EMPTY", "", "the environment variable EMPTY is empty"},
		{"no variable", "env:", "", "after env: the name of an environment variable is expected (letters, digits, _)"},
		{"a file that is absent", "file:absent", "", "read secret: open absent: file does not exist"},
		{"a file that is empty", "file:empty", "", "the file empty is empty"},
		{"no file", "file:", "", "after file: a path is expected"},
		{"a file with NUL", "file:nul", "", "what it refers to contains a NUL byte"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := doc{users: fmt.Sprintf("[{name: app, password: %q}]", c.written)}.text()
			got, err := parse("f", []byte(text), inMemory())
			if c.fault == "" {
				if err != nil || got.Users[0].Password.Reveal() != c.value {
					t.Errorf("want %q without a fault, got %v", c.value, err)
				}
				return
			}
			if err == nil || err.Error() != "f:3:21: users[0].password: "+c.fault {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSecretsAreEqualByValue(t *testing.T) {
	a, b := newSecret("x"), newSecret("x")
	if !a.Equal(b) || a.Equal(newSecret("y")) || a.Equal(Secret{}) || !(Secret{}).Equal(Secret{}) {
		t.Error("Equal does not compare values")
	}
}
