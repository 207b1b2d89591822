package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/crossfade-db/crossfade/internal/dbserver"
)

// salt places the browsers so that the smallest share of the demo has some.
const salt = "shop-18"

// configText is the configuration of the proxy. Its verbs: the addresses of the
// source and the target.
const configText = `listeners:
  - name: shop
    address: 127.0.0.1:0
source: {address: "%s", database: shop, service: {user: ` + serviceName + `, password: "file:service.password"}}
target: {address: "%s", database: shop, service: {user: ` + serviceName + `, password: "file:service.password"}}
users:
  - name: shop
    password: "file:shop.password"
    source: {user: shop, password: "file:server.password"}
    target: {user: shop, password: "file:server.password"}
` + mappingText + `mirror: {budget: 250ms}
canary:
  key: [application_name]
  salt: ` + salt + `
  force_out: ["application_name=` + tillName + `"]
  wait: 20ms
state: {dir: ` + stateDir + `}
admin: {address: "127.0.0.1:0"}
limits: {drain: 2s}
log: {level: warn}
`

// mappingText says how the two shapes belong together. Tables that it does not
// name are paired by their names.
const mappingText = `migration:
  name: shop-18
  tables:
    - source: public.payments
      targets:
        - {target: public.receipts, key: {id: id}}
        - {target: public.receipt_methods, key: {receipt_id: id}}
      columns:
        - {source: order_id, target: receipts.order_no}
        - {source: amount, target: receipts.total}
        - {source: paid_at, target: receipts.taken_at}
        - {source: method, target: receipt_methods.method, values: {c: card, k: cash, v: voucher}}
        - {target: receipts.currency, up: "'EUR'"}
`

// stateDir is where the proxy keeps its state, in the directory of the demo.
const stateDir = "state"

// writeConfig stores the configuration and the passwords it refers to in dir:
// the one that clients give, and those that both servers want.
func writeConfig(dir string, servers dbserver.Pair, outer string, inner secrets) (file string, err error) {
	const name = "crossfade.yaml"
	for file, text := range map[string]string{
		name:            fmt.Sprintf(configText, servers.Source.Addr(), servers.Target.Addr()),
		"shop.password": outer, "server.password": inner.shop, "service.password": inner.service,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("write the proxy's configuration: %w", err)
		}
	}
	return filepath.Join(dir, name), nil
}

// front is the running proxy.
type front struct {
	clients, admin string // addresses
	stop           context.CancelFunc
	ended          chan struct{} // closed when err is set
	err            error
}

// openFront starts the proxy and waits until it is ready. When the proxy ends,
// lost is told errLost, or context.Canceled where it was asked to end.
//
// The end of ctx does not end the proxy: it hears the same signal as we do, and
// would take the two together for a second one.
func openFront(ctx context.Context, opt Options, file string, lost context.CancelCauseFunc) (*front, error) {
	f := &front{ended: make(chan struct{})}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	f.stop = stop
	first := &firstLine{found: make(chan string, 1)}
	go func() {
		defer close(f.ended)
		f.err = opt.Serve(serving, file, first, opt.Talk)
		lost(reasonOf(f.err))
	}()
	select {
	case line := <-first.found:
		f.clients, f.admin = addressIn(line, "shop"), addressIn(line, "admin")
		if f.clients != "" && f.admin != "" {
			return f, nil
		}
		return nil, errors.Join(fmt.Errorf("start the proxy: no addresses in %q", line), f.close())
	case <-f.ended:
		return nil, errors.Join(errLost, f.close())
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), f.close())
	}
}

// errLost says that the proxy has failed; why is told by its close.
var errLost = errors.New("the proxy has ended")

func reasonOf(end error) error {
	if end == nil {
		return context.Canceled
	}
	return errLost
}

// addressIn is the value of one word of "ready shop=1.2.3.4:5 admin=1.2.3.4:6".
func addressIn(line, name string) string {
	for _, word := range strings.Fields(line) {
		if address, ok := strings.CutPrefix(word, name+"="); ok {
			return address
		}
	}
	return ""
}

// headStart is how long the proxy has to act on a signal that it heard too,
// before close would make that one look like a second.
const headStart = 50 * time.Millisecond

// close ends the proxy and waits for it. The error is that of the proxy, also
// where it has ended before.
func (f *front) close() error {
	select {
	case <-f.ended:
	case <-time.After(headStart):
	}
	f.stop()
	<-f.ended
	if f.err != nil {
		return fmt.Errorf("run the proxy: %w", f.err)
	}
	return nil
}

// firstLine is a writer that finds the first line of what is written to it and
// drops the rest.
type firstLine struct {
	found chan string // with room for one

	mu   sync.Mutex
	text strings.Builder
	done bool
}

var _ io.Writer = (*firstLine)(nil)

// Write never fails.
func (w *firstLine) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return len(p), nil
	}
	w.text.Write(p)
	if line, _, whole := strings.Cut(w.text.String(), "\n"); whole {
		w.done = true
		w.found <- line
	}
	return len(p), nil
}
