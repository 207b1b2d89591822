package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// Client asks a running proxy. It follows no redirect and uses no HTTP proxy:
// the token goes to the address that was named, and nowhere else.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// clientTime bounds one request with its answer; answerBytes is the longest
// answer that is read: a page of records.
const (
	clientTime  = 30 * time.Second
	answerBytes = 64 << 20
)

// NewClient makes the client of one address, http://host:port. Close ends its
// connections.
func NewClient(address, token string) (*Client, error) {
	base, err := url.Parse(address)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return nil, errors.New("the admin address is not of the form http://host:port")
	case base.User != nil:
		return nil, errors.New("the admin address has a user in it: give the token by itself")
	}
	if base.Scheme == "http" && !Loopback(base.Hostname()) {
		return nil, fmt.Errorf("admin address %s would send the token in the clear: use https://", address)
	}
	c := &Client{base: base, token: token}
	c.http = &http.Client{
		Timeout: clientTime, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Loopback says that a host can only be this machine.
func Loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// Close ends the connections that wait for the next request.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Unreached is a proxy that could not be asked, or did not answer as one.
type Unreached struct {
	Address string
	Err     error
}

func (e *Unreached) Error() string {
	return fmt.Sprintf("ask the proxy at %s: %v: is it running, and is this its admin.address?", e.Address, e.Err)
}

func (e *Unreached) Unwrap() error { return e.Err }

// Do carries out a verb and returns the JSON of its answer. The error is a
// *Refusal of the proxy's, or *Unreached. Without a version a change is meant
// for any.
func (c *Client) Do(ctx context.Context, v Verb, call Call) ([]byte, error) {
	request, err := c.request(ctx, v, call)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		var inner *url.Error // says the address again
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, &Unreached{c.base.String(), err}
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytes))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, &Unreached{c.base.String(), err}
	}
	if answer.StatusCode == http.StatusOK {
		return text, nil
	}
	var refusal Refusal
	if json.Unmarshal(text, &refusal) != nil || refusal.Status != answer.StatusCode {
		return nil, &Unreached{c.base.String(), fmt.Errorf("it answers %s, and not as crossfade does", answer.Status)}
	}
	return nil, &refusal
}

func (c *Client) request(ctx context.Context, v Verb, call Call) (*http.Request, error) {
	at := c.base.JoinPath(Root, v.Path)
	var body io.Reader
	if v.Changes {
		text, err := bodyOf(v, call)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	} else {
		query := url.Values{}
		for name, value := range call.Args {
			query.Set(name, value)
		}
		at.RawQuery = query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, v.Method, at.String(), body)
	if err != nil {
		return nil, fmt.Errorf("make admin request: %w", err)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if v.Changes {
		request.Header.Set("Content-Type", "application/json")
	}
	switch {
	case call.IfVersion != nil:
		request.Header.Set("If-Match", strconv.Quote(strconv.FormatUint(*call.IfVersion, 10)))
	case v.Version == VersionRequired:
		request.Header.Set("If-Match", "*")
	}
	return request, nil
}

func bodyOf(v Verb, call Call) ([]byte, error) {
	members := object{}
	if call.Reason != "" {
		members[reasonName] = call.Reason
	}
	for name, value := range call.Args {
		arg, _ := v.arg(name)
		switch arg.Kind {
		case Number, Count:
			number, err := strconv.ParseFloat(value, 64)
			if err != nil || math.IsInf(number, 0) || math.IsNaN(number) {
				return nil, Refuse(Invalid, fmt.Sprintf("%s %q is not a number", arg.Name, value), arg.Short)
			}
			members[name] = json.Number(strconv.FormatFloat(number, 'f', -1, 64))
		case Names:
			members[name] = json.RawMessage(value)
		case Text:
			members[name] = value
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("make admin request: %w", err)
	}
	return text, nil
}

// Resolve makes the address of a door of what a configuration has for it: an
// empty host or all interfaces is this machine.
func Resolve(address string, encrypted bool) string {
	scheme := "http"
	if encrypted {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return scheme + "://" + address
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
