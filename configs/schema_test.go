package configs

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "rewrite crossfade.schema.json")

const schemaFile = "crossfade.schema.json"

func TestTheCommittedSchemaIsUpToDate(t *testing.T) {
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run go test ./configs -update:\n%s", diff)
	}
}

func TestGoodFilesPassTheSchema(t *testing.T) {
	s := compileSchema(t)
	for name, text := range map[string][]byte{
		"the contract": contract, "the full example": fullExample, "the smallest file": minimalExample,
		"a verifier":  []byte(doc{users: `[{name: a, auth: scram-passthrough, verifier: "` + verifier + `"}]`}.text()),
		"plain bytes": []byte(doc{rest: "limits: {frame: 1048576}\nshadow: {sample: 0.25}"}.text()),
	} {
		mustParse(t, string(text))
		if err := validate(t, s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadFilesFailTheSchemaToo(t *testing.T) {
	s := compileSchema(t)
	literal := doc{users: `[{name: app, password: hunter2}]`}
	if validate(t, s, []byte(literal.text())) == nil {
		t.Error("a literal password passes")
	}
	for _, c := range badFiles {
		if !c.schema {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if validate(t, s, []byte(c.doc.text())) == nil {
				t.Error("passes")
			}
		})
	}
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(schemaID, parsed); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate checks a YAML file as an editor would: as the JSON that it means.
func validate(t testing.TB, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(instance)
}
