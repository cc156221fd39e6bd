// Package node asks one server of a chain that is read over HTTP: a path that answers JSON or a line of text, or a method of
// JSON-RPC. It exists so that the connectors of the chains say the same when a server is down, slow, full or not what it
// should be: one sentence that names its host.
//
// Calls go out once and are never repeated, answers are bounded, and what is secret in an address – user, password, key in the
// path or the query – is in no error. What one server is asked in a minute is bounded too, by all accounts together when they share their
// [Servers]; who comes too late waits a little. It knows no chain; what a method or a field means is the connectors'.
package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// Node is one server. It is safe for concurrent use.
type Node struct {
	caller rest.Caller
	host   string
}

const (
	// perMinute bounds what one server is asked, so that an account with many pages cannot get everybody else throttled.
	perMinute = 600
	// waitMax is how long a call waits for its place in that.
	waitMax = 10 * time.Second
)

// Servers are those that the accounts of one process ask, each opened once: whoever asks it, it is one budget and one set of connections.
// There are as many as a plan names. It is for who opens the accounts, one after the other.
type Servers struct {
	clock  lifeboat.Clock
	client *http.Client
	opened map[string]*Node // :: address → the server there
}

// NewServers opens none yet. client may be nil.
func NewServers(clock lifeboat.Clock, client *http.Client) *Servers {
	return &Servers{clock, client, map[string]*Node{}}
}

// At an address.
func (s *Servers) At(address string) (*Node, error) {
	address = strings.TrimSpace(address)
	if n := s.opened[address]; n != nil {
		return n, nil
	}
	n, err := New(address, s.clock, s.client)
	if err == nil {
		s.opened[address] = n
	}
	return n, err
}

// New takes the address of a server, with user and password or a key in it where it wants one. client may be nil.
func New(address string, clock lifeboat.Clock, client *http.Client) (*Node, error) {
	at, err := url.Parse(strings.TrimSpace(address))
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, errors.New("the address of a node starts with https:// or http:// and names a host")
	}
	if at.Fragment != "" {
		return nil, fmt.Errorf("the address of the node %s has a part after #, which no server would see", at.Host)
	}
	n := &Node{host: at.Host}
	user, secrets := at.User, secretsOf(at)
	query := at.RawQuery
	at.User, at.RawQuery = nil, ""
	n.caller = rest.Caller{
		Venue: at.Host, Base: strings.TrimRight(at.String(), "/"), Client: client, Clock: clock, Budget: rest.NewBudget(perMinute),
		Explain: explain,
		Sign: func(r *http.Request, _ []byte) error {
			if user != nil {
				password, _ := user.Password()
				r.SetBasicAuth(user.Username(), password)
			}
			r.URL.RawQuery = strings.Trim(query+"&"+r.URL.RawQuery, "&")
			return nil
		},
		Scrub: func(text string) string { return secrets.Replace(text) },
	}
	return n, nil
}

// secretsOf an address are whatever a server might repeat in its complaint and nobody else should read.
func secretsOf(at *url.URL) *strings.Replacer {
	var pairs []string
	hide := func(text string) {
		if len(text) >= 8 { // shorter ones are versions and words: v1, api
			pairs = append(pairs, text, "…")
		}
	}
	for part := range strings.SplitSeq(at.EscapedPath(), "/") {
		hide(part)
	}
	for _, values := range at.Query() {
		for _, value := range values {
			hide(value)
		}
	}
	hide(at.User.Username()) // which is the key itself with some
	if password, ok := at.User.Password(); ok && password != "" {
		pairs = append(pairs, password, "…")
	}
	return strings.NewReplacer(pairs...)
}

// explain reads the complaint of a JSON-RPC server or of a REST server of Cosmos, which come with any status.
func explain(_ int, body []byte) (code, message string) {
	var said struct {
		Code    json.Number     `json:"code"`
		Message string          `json:"message"`
		Error   json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil {
		return "", ""
	}
	var inner struct {
		Code    json.Number `json:"code"`
		Message string      `json:"message"`
	}
	if len(said.Error) > 0 && json.Unmarshal(said.Error, &inner) == nil && inner.Message != "" {
		return inner.Code.String(), inner.Message
	}
	return said.Code.String(), said.Message
}

// ask makes one call, when the budget has room for it. One that was made is not made again, whatever comes of it.
func (n *Node) ask(ctx context.Context, r rest.Request, out any) (rest.Answer, error) {
	for until := n.caller.Clock.Now().Add(waitMax); ; {
		answer, err := n.caller.Do(ctx, r, out)
		e, ok := rest.As(err)
		if !ok || !e.Throttled || e.Reached {
			return answer, err
		}
		turn := n.caller.Clock.Now().Add(e.RetryAfter)
		if turn.After(until) || n.caller.Clock.Sleep(ctx, turn) != nil {
			return answer, err
		}
	}
}

// Host is what people know the server by; it holds no secret.
func (n *Node) Host() string { return n.host }

// Get reads the JSON at a path into out and gives the answer's header.
func (n *Node) Get(ctx context.Context, step, path string, query url.Values, header http.Header, out any) (http.Header, error) {
	answer, err := n.ask(ctx, rest.Request{Step: step, Method: http.MethodGet, Path: path, Query: query, Header: header}, out)
	return answer.Header, err
}

// textMax bounds an answer that is a line of text.
const textMax = 256

// Text reads the line of text at a path.
func (n *Node) Text(ctx context.Context, step, path string) (string, error) {
	answer, err := n.ask(ctx, rest.Request{Step: step, Method: http.MethodGet, Path: path}, nil)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(answer.Body))
	switch {
	case text == "":
		return "", n.Fault(step, "the answer is empty")
	case strings.HasPrefix(text, "<"):
		return "", n.Fault(step, "the answer is a page and not what its API should say")
	case len(text) > textMax:
		return "", n.Fault(step, "the answer is longer than any that makes sense")
	}
	return text, nil
}

// RPCError is what a JSON-RPC server said in place of a result.
type RPCError struct {
	Code    string
	Message string
	text    string
}

func (e *RPCError) Error() string { return e.text }

// NoResult is an answer without an error and without a result, which some methods mean.
type NoResult struct{ text string }

func (e *NoResult) Error() string { return e.text }

// Call asks for a method of JSON-RPC and reads its result into out. A result that is missing or null is a [NoResult].
func (n *Node) Call(ctx context.Context, step, method string, params []any, out any) error {
	if params == nil {
		params = []any{}
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	body := map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
	_, err := n.ask(ctx, rest.Request{Step: step, Method: http.MethodPost, Path: "", Body: body}, &answer)
	if e, ok := rest.As(err); ok && e.Code != "" {
		return &RPCError{Code: e.Code, Message: e.Message, text: e.Error()}
	}
	if err != nil {
		return err
	}
	if len(answer.Error) > 0 && string(answer.Error) != "null" {
		code, message := explain(0, []byte(`{"error":`+string(answer.Error)+`}`))
		if message = n.caller.Scrub(cut(message)); message == "" {
			message = "it reports an error and does not say which"
		}
		return &RPCError{Code: code, Message: message, text: n.Fault(step, "%s (code %s)", message, code).Error()}
	}
	if len(answer.Result) == 0 || string(answer.Result) == "null" {
		return &NoResult{n.Fault(step, "the answer has no result").Error()}
	}
	if err := decode(answer.Result, out); err != nil {
		return n.Fault(step, "the result is not what %s should say", method)
	}
	return nil
}

// saidMax is how many characters of what a server says are told on.
const saidMax = 300

func cut(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if told := []rune(text); len(told) > saidMax {
		return string(told[:saidMax]) + "…"
	}
	return text
}

func decode(data []byte, out any) error {
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	return decoder.Decode(out)
}

// Fault is an error of this server: its host, the step, and what is wrong.
func (n *Node) Fault(step, format string, arguments ...any) error {
	return fmt.Errorf("%s: %s: %s", n.host, step, n.caller.Scrub(fmt.Sprintf(format, arguments...)))
}
