package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a request.
const (
	bodyBytes   = 64 << 10
	reasonBytes = 1000
	textBytes   = 4 << 10 // an argument
)

// reasonName is the member of every body that says why.
const reasonName = "reason"

// callOf reads the arguments of a request, each of which the verb must know.
func callOf(w http.ResponseWriter, r *http.Request, v Verb) (Call, error) {
	query, err := queryArgs(r, v)
	if err != nil || !v.Changes {
		return Call{Args: query}, err
	}
	call, err := bodyCall(w, r, v)
	if err != nil {
		return Call{}, err
	}
	if err := required(v, call.Args); err != nil {
		return Call{}, err
	}
	if call.Reason, err = reasonOf(v, call.Reason); err != nil {
		return Call{}, err
	}
	call.IfVersion, err = ifMatch(r, v)
	return call, err
}

func queryArgs(r *http.Request, v Verb) (map[string]string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, Refuse(Invalid, "the query cannot be read", "write it as NAME=VALUE&NAME=VALUE")
	}
	args := map[string]string{}
	for name, given := range values {
		arg, ok := v.arg(name)
		if !ok || v.Changes || len(given) != 1 {
			return nil, Refuse(Invalid, fmt.Sprintf("the query has no place for %q, or not twice", name), "")
		}
		if args[name], err = textArg(arg, given[0]); err != nil {
			return nil, err
		}
	}
	if v.Changes {
		return args, nil
	}
	return args, required(v, args)
}

func (v Verb) arg(name string) (Arg, bool) {
	for _, a := range v.Args {
		if a.Name == name {
			return a, true
		}
	}
	return Arg{}, false
}

func required(v Verb, args map[string]string) error {
	for _, a := range v.Args {
		if _, ok := args[a.Name]; a.Required && !ok {
			return Refuse(Invalid, v.Name+" needs "+a.Name, a.Short)
		}
	}
	return nil
}

// bodyCall reads a JSON object. No body is an empty one.
func bodyCall(w http.ResponseWriter, r *http.Request, v Verb) (Call, error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytes))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return Call{}, Refuse(TooLarge, fmt.Sprintf("the body is longer than %d bytes", bodyBytes), "")
	case err != nil:
		return Call{}, Refuse(Invalid, "the body did not arrive whole", "")
	case len(text) == 0:
		return Call{Args: map[string]string{}}, nil
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return Call{}, Refuse(Media, "the body is not application/json", "send the header Content-Type: application/json")
	}
	if !utf8.Valid(text) {
		return Call{}, Refuse(Invalid, "the body is not UTF-8", "")
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		return Call{}, Refuse(Invalid, "the body is not one JSON object", "")
	}
	return callOfMembers(v, members)
}

func callOfMembers(v Verb, members map[string]json.RawMessage) (Call, error) {
	call := Call{Args: map[string]string{}}
	for name, raw := range members {
		if name == reasonName {
			if json.Unmarshal(raw, &call.Reason) != nil {
				return Call{}, Refuse(Invalid, "reason is not a string", "")
			}
			continue
		}
		arg, ok := v.arg(name)
		if !ok {
			return Call{}, Refuse(Invalid, fmt.Sprintf("%s has no member %q", v.Name, name), "")
		}
		text, err := memberText(arg, raw)
		if err != nil {
			return Call{}, err
		}
		if call.Args[name], err = textArg(arg, text); err != nil {
			return Call{}, err
		}
	}
	return call, nil
}

// memberText is the text of a member: of a number its digits, as they came.
func memberText(arg Arg, raw json.RawMessage) (string, error) {
	switch arg.Kind {
	case Number, Count:
		var number json.Number
		if raw[0] == '"' || json.Unmarshal(raw, &number) != nil || number == "" {
			return "", Refuse(Invalid, arg.Name+" is not a number", arg.Short)
		}
		return number.String(), nil
	case Names:
		return namesText(arg, raw)
	case Text:
	}
	var text string
	if raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return "", Refuse(Invalid, arg.Name+" is not a string", arg.Short)
	}
	return text, nil
}

// namesText is a list of names as it came, without white space.
func namesText(arg Arg, raw json.RawMessage) (string, error) {
	var names []*string
	if raw[0] != '[' || json.Unmarshal(raw, &names) != nil || slices.Contains(names, nil) {
		return "", Refuse(Invalid, arg.Name+" is not a list of strings", arg.Short)
	}
	text, err := json.Marshal(names)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", arg.Name, err)
	}
	return string(text), nil
}

// textArg checks an argument against what the table says of it.
func textArg(arg Arg, text string) (string, error) {
	if len(text) > textBytes && arg.Kind != Names || !utf8.ValidString(text) {
		return "", Refuse(Invalid, arg.Name+" is too long, or not UTF-8", arg.Short)
	}
	if len(arg.Words) == 0 {
		return text, nil
	}
	for _, w := range arg.Words {
		if w == text {
			return text, nil
		}
	}
	return "", Refuse(Invalid, fmt.Sprintf("%s %q is not known", arg.Name, text), "it is "+strings.Join(arg.Words, ", "))
}

// reasonOf checks why something is changed: it will be read in terminals and
// tables, so it is one line.
func reasonOf(v Verb, given string) (string, error) {
	reason := strings.TrimSpace(given)
	switch {
	case reason == "" && v.DefaultReason() != "":
		return v.DefaultReason(), nil
	case reason == "":
		return "", Refuse(NoReason, v.Name+" needs a reason", `say why: --reason "..." (the member reason of the body)`)
	case len(reason) > reasonBytes:
		return "", Refuse(Invalid, fmt.Sprintf("the reason is longer than %d bytes", reasonBytes), "")
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unprintable):
		return "", Refuse(Invalid, "the reason is not one line of plain text", "")
	}
	return reason, nil
}

// unprintable are control characters, and those that turn a line around.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// ifMatch is the version that a change is meant for. "*" is any.
func ifMatch(r *http.Request, v Verb) (*uint64, error) {
	given := r.Header.Values("If-Match")
	switch {
	case len(given) == 0 && v.Version == VersionRequired:
		return nil, Refuse(NoVersion, v.Name+" needs the version that it changes",
			`send the header If-Match with the ETag of status, or If-Match: * for any`)
	case len(given) == 0, len(given) == 1 && given[0] == "*":
		return nil, nil
	}
	if len(given) == 1 {
		text, opened := strings.CutPrefix(given[0], `"`)
		text, closed := strings.CutSuffix(text, `"`)
		if version, err := strconv.ParseUint(text, 10, 64); err == nil && opened && closed {
			return &version, nil
		}
	}
	return nil, Refuse(Invalid, "If-Match is not one version in quotes", `as If-Match: "7"`)
}
