package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// door is the one way in: every request passes through ServeHTTP.
type door struct {
	opt    Options
	open   map[string]http.Handler // what needs no token, by its path
	routes map[string]route        // what does
	hosts  hosts
	cross  *http.CrossOriginProtection
	wrong  *strikes // wrong tokens, by address
	read   *strikes // readings of the chain, by who and what
}

// route is a path: its verbs by method.
type route map[string]Verb

// schemaPath is the path of the description of all others.
const schemaPath = Root + "/openapi.json"

func newDoor(opt Options, open map[string]http.Handler) *door {
	d := &door{
		opt: opt, open: open, routes: map[string]route{}, hosts: hostsOf(opt), cross: http.NewCrossOriginProtection(),
		wrong: newStrikes(time.Now), read: newStrikes(time.Now),
	}
	if opt.Control == nil {
		return d
	}
	for _, v := range append(Verbs(), schemaVerb()) {
		path := Root + v.Path
		if d.routes[path] == nil {
			d.routes[path] = route{}
		}
		d.routes[path][v.Method] = v
	}
	return d
}

// schemaVerb is no verb of the table: it tells which there are.
func schemaVerb() Verb {
	return Verb{
		Name: "openapi", Role: Viewer, Method: http.MethodGet, Path: strings.TrimPrefix(schemaPath, Root),
		run: func(context.Context, Control, Call) (any, error) { return OpenAPI(), nil },
	}
}

var headers = map[string]string{
	"Cache-Control":                "no-store",
	"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
}

// ServeHTTP lets a request in or says why not.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	if handler, ok := d.open[r.URL.Path]; ok {
		monitor(handler, w, r)
		return
	}
	v, token, err := d.admit(r)
	if err != nil {
		d.refuse(w, r, asked{verb: v.Name, actor: token.Name}, err)
		return
	}
	d.answer(w, r, v, token)
}

func monitor(handler http.Handler, w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		say(w, http.StatusMethodNotAllowed, "only GET and HEAD")
		return
	}
	handler.ServeHTTP(w, r)
}

// admit finds what is asked for and says whether it may be.
func (d *door) admit(r *http.Request) (Verb, Token, error) {
	if !d.hosts.allow(r) {
		return Verb{}, Token{}, Refuse(ForeignHost, "this address does not go by that name", "ask it by the address in admin.address")
	}
	if err := d.cross.Check(r); err != nil {
		return Verb{}, Token{}, Refuse(CrossSite, "another site made a browser ask this", "use the crossfade command")
	}
	token, err := d.login(r)
	if err != nil {
		return Verb{}, Token{}, err
	}
	methods, ok := d.routes[r.URL.Path]
	if !ok {
		return Verb{}, token, Refuse(NoSuch, "there is nothing under this path", "GET "+schemaPath+" lists what there is")
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	v, ok := methods[method]
	switch {
	case !ok:
		return Verb{}, token, Refuse(Method, "this path does not take "+r.Method, "GET "+schemaPath+" lists what there is")
	case !token.Role.may(v.Role):
		return v, token, Refuse(Forbidden, v.Name+" needs the role "+v.Role.String()+", and this token has "+token.Role.String(), "use a token of that role")
	}
	return v, token, nil
}

// login finds the token of a request. A wrong one is an act, at most one a
// minute for each address. The right one always gets in, however many wrong
// ones came from its address: else anybody there could keep operators from
// abort.
func (d *door) login(r *http.Request) (Token, error) {
	secret, given := bearer(r)
	if !given {
		return Token{}, Refuse(Anonymous, "there is no token", "send the header Authorization: Bearer TOKEN")
	}
	if token, ok := match(d.opt.Tokens, secret); ok {
		return token, nil
	}
	address := remote(r)
	struck := d.wrong.strike(network(address))
	if struck.first {
		d.note(r, Note{Change: Change{Door: DoorHTTP, Address: address, Reason: "wrong token"}, Act: "login", Result: ResultRefused})
	}
	if struck.over {
		return Token{}, Refuse(TooMany, "too many wrong tokens came from this address", "wait a minute, and correct whoever sends them")
	}
	return Token{}, Refuse(Anonymous, "this token is not known", "without admin.tokens it is in state.dir/"+TokenFile+" and new after each start")
}

// bearer is the token of a request. The word before it has no case (RFC 9110,
// section 11.1).
func bearer(r *http.Request) (secret string, ok bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, secret, found := strings.Cut(values[0], " ")
	return strings.TrimSpace(secret), found && strings.EqualFold(scheme, "Bearer")
}

// remote is the client's address without port.
func remote(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return from.Addr().Unmap().String()
}

// answer carries a request out.
func (d *door) answer(w http.ResponseWriter, r *http.Request, v Verb, token Token) {
	who := asked{verb: v.Name, actor: token.Name}
	call, err := callOf(w, r, v)
	if err != nil {
		d.refuse(w, r, who, err)
		return
	}
	call.Actor, call.Door, call.Address = token.Name, DoorHTTP, remote(r)
	if v.Noted && d.read.strike(token.Name+" "+v.Name).first {
		d.note(r, Note{Change: call.Change, Act: v.Name, Result: ResultDone})
	}
	reply, err := v.run(r.Context(), d.opt.Control, call)
	if err != nil {
		d.refuse(w, r, who, err)
		return
	}
	if version, ok := versionOf(reply); ok {
		w.Header().Set("ETag", strconv.Quote(strconv.FormatUint(version, 10)))
	}
	d.log(r, who, http.StatusOK, v.Changes, nil)
	write(w, http.StatusOK, "application/json", reply)
}

// versionOf is the version of phase and share that a reply shows, for If-Match.
func versionOf(reply any) (uint64, bool) {
	switch reply := reply.(type) {
	case Status:
		return reply.Version, true
	case Share:
		return reply.Version, true
	default:
		return 0, false
	}
}

// noteTime is how long an act that changed nothing may take to be written.
const noteTime = 5 * time.Second

// note adds an act that changed nothing, also when the caller has hung up. That
// it cannot be written must not keep anybody from reading, so it is only logged.
func (d *door) note(r *http.Request, n Note) {
	if d.opt.Control == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), noteTime)
	defer cancel()
	if err := d.opt.Control.Note(ctx, n); err != nil {
		d.opt.Log.Warn("an act at the admin address could not be written", "act", n.Act, "actor", n.Actor, "error", err)
	}
}

// refuse answers with a problem. Of a fault the caller learns nothing more.
func (d *door) refuse(w http.ResponseWriter, r *http.Request, who asked, err error) {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		refusal = Refuse(Fault, "the request was not carried out", "the log of the proxy has the reason")
	}
	switch refusal.Why() {
	case Anonymous, TooMany:
		w.Header().Set("WWW-Authenticate", `Bearer realm="crossfade"`)
	case Method:
		w.Header().Set("Allow", d.allowed(r.URL.Path))
	default:
	}
	d.log(r, who, refusal.Status, false, err)
	write(w, refusal.Status, "application/problem+json", refusal)
}

// allowed are the methods of a path.
func (d *door) allowed(path string) string {
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPost} {
		if _, ok := d.routes[path][m]; ok {
			methods = append(methods, m)
		}
	}
	return strings.Join(methods, ", ")
}

// asked is what the log says of a request.
type asked struct{ verb, actor string }

// log writes one line for a request: loud for changes and faults, quiet for
// readings and for strangers, who can ask as often as they like.
func (d *door) log(r *http.Request, who asked, status int, changes bool, err error) {
	level := slog.LevelDebug
	switch {
	case status >= http.StatusInternalServerError && status != http.StatusNotImplemented:
		level = slog.LevelError
	case changes, status >= http.StatusBadRequest && who.actor != "":
		level = slog.LevelInfo
	}
	attrs := []slog.Attr{
		slog.String("verb", who.verb), slog.String("actor", who.actor), slog.String("address", remote(r)), slog.Int("status", status),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	d.opt.Log.LogAttrs(r.Context(), level, "admin request", attrs...)
}

func write(w http.ResponseWriter, status int, media string, body any) {
	text, err := json.MarshalIndent(body, "", "  ")
	if err != nil { // a record that is no JSON: the store was tampered with
		status, media = http.StatusInternalServerError, "application/problem+json"
		text, _ = json.MarshalIndent(Refuse(Fault, "the answer is no JSON", "run audit verify"), "", "  ")
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
