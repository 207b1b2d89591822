package admin

import (
	"net/http"
	"strings"
)

// Why says what kind of refusal it is. Its word is in the type of the problem.
type Why string

// Why's words.
const (
	Invalid     Why = "invalid"         // an argument cannot be what it is
	NoReason    Why = "reason"          // a change without a reason
	Stale       Why = "stale"           // somebody was faster
	NoVersion   Why = "version"         // a change that does not say what it changes
	Conflict    Why = "phase"           // not in this phase
	Unprepared  Why = "unprepared"      // the configuration lacks something
	NotYet      Why = "not-yet"         // promised for a later version
	Unwritten   Why = "unwritten"       // the state database cannot be used; nothing has changed
	Anonymous   Why = "anonymous"       // no token, or a wrong one
	Forbidden   Why = "forbidden"       // the role is too small
	TooMany     Why = "too-many-logins" // wrong tokens from this address
	ForeignHost Why = "foreign-host"
	CrossSite   Why = "cross-site"
	NoSuch      Why = "no-such-thing"
	Method      Why = "method"
	Media       Why = "media-type"
	TooLarge    Why = "too-large"
	Fault       Why = "fault" // ours; the log has it
)

var meaning = map[Why]struct {
	status int
	title  string
}{
	Invalid:     {http.StatusUnprocessableEntity, "An argument is wrong"},
	NoReason:    {http.StatusUnprocessableEntity, "A change needs a reason"},
	Stale:       {http.StatusPreconditionFailed, "Somebody changed it in the meantime"},
	NoVersion:   {http.StatusPreconditionRequired, "The version to be changed is missing"},
	Conflict:    {http.StatusConflict, "Not in this phase"},
	Unprepared:  {http.StatusConflict, "The configuration is not prepared for it"},
	NotYet:      {http.StatusNotImplemented, "Not in this version"},
	Unwritten:   {http.StatusServiceUnavailable, "The state database cannot be used"},
	Anonymous:   {http.StatusUnauthorized, "Not logged in"},
	Forbidden:   {http.StatusForbidden, "The role does not allow it"},
	TooMany:     {http.StatusTooManyRequests, "Too many wrong tokens"},
	ForeignHost: {http.StatusMisdirectedRequest, "Not this host"},
	CrossSite:   {http.StatusForbidden, "Asked by another site"},
	NoSuch:      {http.StatusNotFound, "No such thing"},
	Method:      {http.StatusMethodNotAllowed, "Not with this method"},
	Media:       {http.StatusUnsupportedMediaType, "JSON only"},
	TooLarge:    {http.StatusRequestEntityTooLarge, "The request is too large"},
	Fault:       {http.StatusInternalServerError, "A fault of the proxy"},
}

// Refusal is a request that was not carried out, as an error and as a document
// (RFC 9457, application/problem+json).
type Refusal struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail" doc:"what is wrong"`
	Hint   string `json:"hint" doc:"what to do"`
}

const urn = "urn:crossfade:"

// Refuse makes a refusal: detail says what is wrong, hint what to do.
func Refuse(why Why, detail, hint string) *Refusal {
	m := meaning[why]
	return &Refusal{Type: urn + string(why), Title: m.title, Status: m.status, Detail: detail, Hint: hint}
}

// Why is the kind of refusal; it may be one that this program does not know.
func (r *Refusal) Why() Why { return Why(strings.TrimPrefix(r.Type, urn)) }

// Error is one or two sentences.
func (r *Refusal) Error() string {
	text := r.Detail
	if text == "" {
		text = r.Title
	}
	if r.Hint != "" {
		text += ": " + r.Hint
	}
	return text
}
