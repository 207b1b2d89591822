package schema

import (
	"strings"
	"testing"
)

func TestWhatATriggerSets(t *testing.T) {
	for source, want := range map[string]string{
		"BEGIN NEW.v = upper(NEW.v); RETURN NEW; END":               "v",
		`BEGIN new . "id" := 5; NEW.v := NEW.w; RETURN NEW; END`:    "id,v",
		"BEGIN IF NEW.id <> OLD.id THEN RETURN NULL; END IF; END":   "",
		"BEGIN SELECT 1 INTO NEW.id; RETURN NEW; END":               "*",
		"BEGIN SELECT 1, 2 INTO STRICT x, NEW.id; RETURN NEW; END":  "*",
		"BEGIN NEW := NEW #= hstore('id', '5'); RETURN NEW; END":    "*",
		`BEGIN NEW."Odd name" := 5; RETURN NEW; END`:                "*",
		"BEGIN INSERT INTO log VALUES (1); RETURN NEW; END":         "",
		"BEGIN INSERT INTO log VALUES (NEW.id); RETURN NEW; END":    "",
		"BEGIN NEW.updated_at = now(); NEW.id = NEW.id; RETURN NEW": "updated_at,id",
	} {
		if got := strings.Join(sets("f", "plpgsql", source), ","); got != want {
			t.Errorf("%s sets %s, want %s", source, got, want)
		}
	}
	for _, test := range []struct{ function, language, want string }{
		{"moddatetime", "c", ""}, {"autoinc", "c", "*"}, {"suppress_redundant_updates_trigger", "internal", ""}, {"f", "plpython3u", "*"},
	} {
		if got := strings.Join(sets(test.function, test.language, ""), ","); got != test.want {
			t.Errorf("%s sets %s, want %s", test.function, got, test.want)
		}
	}
}
