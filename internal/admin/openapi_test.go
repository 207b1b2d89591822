package admin

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// described asks for the description with the smallest role.
func described(t *testing.T, h *house) map[string]any {
	t.Helper()
	got := h.send(t, "GET", schemaPath, secrets[Viewer], "")
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	return document.(map[string]any)
}

func member[T any](t *testing.T, document any, path ...string) T {
	t.Helper()
	for _, name := range path {
		here, ok := document.(map[string]any)
		if !ok || here[name] == nil {
			t.Fatalf("the description has no %s", strings.Join(path, " > "))
		}
		document = here[name]
	}
	found, ok := document.(T)
	if !ok {
		t.Fatalf("%s is a %T", strings.Join(path, " > "), document)
	}
	return found
}

func TestTheDescriptionListsTheVerbsAndNothingElse(t *testing.T) {
	h := open(t)
	document := described(t, h)
	if version := member[string](t, document, "openapi"); !strings.HasPrefix(version, "3.1.") {
		t.Errorf("openapi %s", version)
	}
	var got, want []string
	for path, methods := range member[map[string]any](t, document, "paths") {
		for method, operation := range methods.(map[string]any) {
			got = append(got, strings.ToUpper(method)+" "+path+" "+member[string](t, operation, "x-role")+" "+member[string](t, operation, "operationId"))
			member[map[string]any](t, operation, "responses", "200")
			member[map[string]any](t, operation, "responses", "default")
		}
	}
	for _, v := range Verbs() {
		want = append(want, v.Method+" /api/v1"+v.Path+" "+v.Role.String()+" "+v.ID())
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(got) != len(leastRole) {
		t.Errorf("%d operations, %d verbs", len(got), len(leastRole))
	}
}

// schemaAt compiles a schema of the description.
func schemaAt(t *testing.T, document map[string]any, pointer string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource("openapi.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("openapi.json#" + pointer)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func fits(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return schema.Validate(value)
}

// operationOf is the pointer to a verb in the description.
func operationOf(v Verb) string {
	return "/paths/" + strings.ReplaceAll(Root+v.Path, "/", "~1") + "/" + strings.ToLower(v.Method)
}

func TestAnswersAndRequestsAreAsDescribed(t *testing.T) {
	h := open(t)
	document := described(t, h)
	for _, v := range Verbs() {
		path, body := rightRequest(v)
		got := h.send(t, v.Method, path, secrets[Operator], body, "If-Match: *")
		answer := schemaAt(t, document, operationOf(v)+"/responses/200/content/application~1json/schema")
		if err := fits(t, answer, got.body); err != nil {
			t.Errorf("%s: %v\n%s", v.Name, err, got.body)
		}
		if err := fits(t, answer, "{}"); err == nil {
			t.Errorf("%s: the schema takes anything", v.Name)
		}
		if !v.Changes {
			continue
		}
		request := schemaAt(t, document, operationOf(v)+"/requestBody/content/application~1json/schema")
		if err := fits(t, request, body); err != nil {
			t.Errorf("%s: %v\n%s", v.Name, err, body)
		}
		if err := fits(t, request, `{"reason": "x", "phase": "canary", "share": 1, "force": true}`); err == nil {
			t.Errorf("%s: the schema takes an unknown member, which the door refuses", v.Name)
		}
	}
	refusal := schemaAt(t, document, "/components/responses/Refusal/content/application~1problem+json/schema")
	if err := fits(t, refusal, h.send(t, "GET", "/nowhere", secrets[Viewer], "").body); err != nil {
		t.Error(err)
	}
}

// promised are the keys that INTERFACE promises; more may be there.
var promised = map[string][]string{
	"status": {
		"phase", "authority", "epoch", "share", "version", "sessions.source", "sessions.target", "sessions.pending",
		"target.state", "dirty", "divergences.suspected", "divergences.confirmed", "divergences.repaired", "divergences.verified", "divergences.waived",
	},
	"phase set":         {"phase", "authority", "epoch", "share", "version", "sessions.pending"},
	"abort":             {"phase", "authority", "epoch", "share", "version", "sessions.pending"},
	"canary get":        {"share", "version"},
	"canary set":        {"share", "version"},
	"canary explain":    {"key", "bucket", "in"},
	"table list":        {"tables.source", "tables.target", "tables.ready", "tables.ranges", "tables.dirty", "tables.reason"},
	"table ready":       {"tables.source", "tables.ready"},
	"dirty list":        {"dirty", "oldest_seconds", "repaired", "flapping", "items.table", "items.cause"},
	"reconcile status":  {"dirty", "oldest_seconds", "repaired", "flapping"},
	"reconcile pause":   {"dirty", "oldest_seconds", "repaired", "flapping"},
	"reconcile resume":  {"dirty", "oldest_seconds", "repaired", "flapping"},
	"reconcile run":     {"dirty", "oldest_seconds", "repaired", "flapping"},
	"mirror":            {"phase", "authority", "epoch", "share", "version", "sessions.pending"},
	"backfill":          {"tables.table", "tables.copied", "tables.total", "tables.state"},
	"divergence list":   prefixed("divergences.", divergenceKeys),
	"divergence export": prefixed("divergences.", divergenceKeys),
	"divergence show":   divergenceKeys,
	"divergence waive":  divergenceKeys,
	"coverage": {
		"statements.digest", "statements.seen", "statements.mirrored", "statements.compared", "statements.matched", "statements.diverged",
		"statements.skipped.volatile",
	},
	"explain": {"kind", "tables", "digest", "side", "reason", "text.source", "text.target", "mirrored", "compared"},
	"audit list": {
		"records.seq", "records.time", "records.actor", "records.act", "records.object", "records.before", "records.after",
		"records.reason", "records.hash",
	},
}

var divergenceKeys = []string{"id", "state", "kind", "table", "key", "columns", "digest", "first_seen", "last_seen", "epoch", "cause"}

func prefixed(prefix string, words []string) (all []string) {
	for _, w := range words {
		all = append(all, prefix+w)
	}
	return all
}

func TestThePromisedKeysAreThere(t *testing.T) {
	h := open(t)
	h.send(t, "POST", "/api/v1/abort", secrets[Operator], "")
	for _, v := range Verbs() {
		path, body := rightRequest(v)
		var answer map[string]any
		if err := json.Unmarshal([]byte(h.send(t, v.Method, path, secrets[Operator], body, "If-Match: *").body), &answer); err != nil {
			t.Fatal(err)
		}
		for _, key := range promised[v.Name] {
			if !has(answer, strings.Split(key, ".")) {
				t.Errorf("%s has no %s: has %v", v.Name, key, slices.Sorted(maps.Keys(answer)))
			}
		}
	}
}

func has(value any, path []string) bool {
	if list, ok := value.([]any); ok && len(path) > 0 {
		return len(list) > 0 && has(list[0], path)
	}
	if len(path) == 0 {
		return true
	}
	members, ok := value.(map[string]any)
	if !ok {
		return false
	}
	next, there := members[path[0]]
	return there && has(next, path[1:])
}
