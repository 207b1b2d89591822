package pgwire

import (
	"strings"

	"github.com/crossfade-db/crossfade/wire"
)

// ownPrefix marks the settings of a startup packet's options that are for us.
const ownPrefix = "crossfade."

// SplitOptions takes the settings named crossfade.* out of the options of a
// startup packet and returns them and the rest, every other word as it was
// written. The forms are the server's own (postgres.c, pg_split_opts and
// process_postgres_switches): `-c name=value`, `-cname=value`,
// `--name=value`; white space separates, a backslash quotes.
func SplitOptions(text string) (own []wire.Param, rest string) {
	var kept []string
	words := optionWords(text)
	for len(words) > 0 {
		setting := words[:1]
		if words[0].value == "-c" && len(words) > 1 {
			setting = words[:2]
		}
		words = words[len(setting):]
		if param, ok := ownSetting(setting); ok {
			own = append(own, param)
			continue
		}
		for _, word := range setting {
			kept = append(kept, word.raw)
		}
	}
	return own, strings.Join(kept, " ")
}

// ownSetting reads one setting, of one word or of two, if it is for us.
func ownSetting(setting []optionWord) (param wire.Param, ok bool) {
	text := setting[len(setting)-1].value
	if len(setting) == 1 {
		if !strings.HasPrefix(text, "-c") && !strings.HasPrefix(text, "--") {
			return param, false
		}
		text = text[2:]
	}
	if !strings.HasPrefix(text, ownPrefix) {
		return param, false
	}
	param.Name, param.Value, _ = strings.Cut(text, "=")
	return param, true
}

// optionWord is one word as it was written and as it is meant.
type optionWord struct{ raw, value string }

// optionWords splits at white space. Each round takes at least one byte, so
// that it ends for every text (PgBouncer CVE-2026-107349).
func optionWords(text string) []optionWord {
	var words []optionWord
	for text = strings.TrimLeft(text, optionSpace); text != ""; text = strings.TrimLeft(text, optionSpace) {
		var value strings.Builder
		at := 0
		for at < len(text) && !strings.ContainsRune(optionSpace, rune(text[at])) {
			if text[at] == '\\' && at+1 < len(text) {
				at++
			}
			value.WriteByte(text[at])
			at++
		}
		words = append(words, optionWord{raw: text[:at], value: value.String()})
		text = text[at:]
	}
	return words
}

// optionSpace is what the server's isspace takes for white space.
const optionSpace = " \t\n\v\f\r"
