package pgsql

import (
	"strings"
	"testing"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

func TestKeywordsAgreeWithPostgreSQL(t *testing.T) {
	traits := map[pg_query.KeywordKind]trait{
		pg_query.KeywordKind_NO_KEYWORD:             0,
		pg_query.KeywordKind_UNRESERVED_KEYWORD:     keyword,
		pg_query.KeywordKind_TYPE_FUNC_NAME_KEYWORD: keyword,
		pg_query.KeywordKind_COL_NAME_KEYWORD:       keyword | notFunction,
		pg_query.KeywordKind_RESERVED_KEYWORD:       keyword | notFunction | reserved,
	}
	newer := map[string]bool{"enforced": true, "objects": true, "period": true, "virtual": true}
	keywords := 0
	for word, known := range words {
		result, err := pg_query.Scan(word)
		if err != nil || len(result.Tokens) != 1 {
			t.Errorf("%s: not one word: %v", word, err)
			continue
		}
		want := traits[result.Tokens[0].KeywordKind]
		if want != 0 {
			keywords++
		}
		if got := known &^ harmless; got != want && !newer[word] {
			t.Errorf("%s: traits %04b, PostgreSQL 17 says %04b", word, got, want)
		}
	}
	for name := range pg_query.Token_value {
		word := strings.ToLower(strings.TrimSuffix(name, "_P"))
		if result, err := pg_query.Scan(word); err == nil && len(result.Tokens) == 1 &&
			result.Tokens[0].KeywordKind != pg_query.KeywordKind_NO_KEYWORD && words[word]&keyword == 0 {
			t.Errorf("%s: a keyword of PostgreSQL 17 that is not listed", word)
		}
	}
	if keywords < 480 {
		t.Errorf("only %d keywords", keywords)
	}
}

func TestEveryWordFitsTheFolder(t *testing.T) {
	var f folder
	for word := range words {
		if got := string(f.fold([]byte(strings.ToUpper(word)))); got != word {
			t.Errorf("%s folds to %q", word, got)
		}
	}
	if got := f.fold([]byte(strings.Repeat("a", maxName+1))); got != nil {
		t.Errorf("a word of %d bytes folds to %q", maxName+1, got)
	}
}

func TestWhatCanRunOtherCodeIsNotHarmless(t *testing.T) {
	for _, name := range []string{
		"query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema", "cursor_to_xml",
		"cursor_to_xmlschema", "table_to_xml", "table_to_xmlschema", "table_to_xml_and_xmlschema",
		"schema_to_xml", "schema_to_xmlschema", "schema_to_xml_and_xmlschema", "database_to_xml",
		"database_to_xmlschema", "database_to_xml_and_xmlschema", "ts_stat", "ts_rewrite",
		"set_config", "setseed", "pg_advisory_lock", "pg_advisory_lock_shared",
		"pg_try_advisory_lock", "pg_try_advisory_lock_shared", "pg_replication_origin_session_setup",
		"pg_backup_start", "pg_start_backup", "pg_reload_conf", "plpgsql_validator",
		"plpgsql_inline_handler", "dblink", "dblink_exec", "binary_upgrade_create_empty_extension",
	} {
		if words[name]&harmless != 0 {
			t.Errorf("%s is listed as harmless", name)
		}
	}
}

func TestTheListsDoNotRepeatThemselves(t *testing.T) {
	seen := map[string]string{}
	for line := range strings.Lines(wordList + newerList) {
		word, letters, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "#" || word == "" {
			continue
		}
		if before, ok := seen[word]; ok && strings.ContainsAny(before, letters) {
			t.Errorf("%s: %s and again %s", word, before, letters)
		}
		seen[word] += letters
	}
}
