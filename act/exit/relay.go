package exit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ohler55/ojg/jp"
	"github.com/ohler55/ojg/oj"

	"lifeboat/act/safe"
	"lifeboat/act/task"
	"lifeboat/chain"
	"lifeboat/plan"
)

// Relay is a service that is given what a Safe's owners have signed, and pays for the gas. Anybody may send that, with the same effect, and
// the Safe's nonce lets one of many through: that is why it may be asked again when its answer was lost, why the key here may send the same
// beside it, and why nothing that it says has to be believed.
type Relay struct {
	plan.Relay // as in the plan, with what its references stand for
	Host       string

	id, state, hash jp.Expr // nil where the plan has none
	transport       http.RoundTripper
	fence           func() error
}

// Bounds on a relay's patience and ours.
const (
	relayAnswer   = 10 * time.Second // for one answer: meanwhile nobody looks at the chain
	relayPauseMax = 15 * time.Second // before it is asked again
	relayIDMax    = 200              // letters of what it calls a request
)

// OpenRelay makes one of what the plan says. Read finds what a text stands for; fence fails when another lifeboat has taken over, and is
// asked before each request. Nothing is asked of the relay yet.
func OpenRelay(r plan.Relay, read func(text string) (string, error), fence func() error) (*Relay, error) {
	o := &Relay{Relay: r, fence: fence, transport: task.OneCallEach(nil)}
	o.Headers = map[string]string{}
	texts := []*string{&o.URL, &o.Body}
	paths := map[*jp.Expr]string{&o.id: r.ID}
	if r.Status != nil {
		status := *r.Status
		o.Status = &status
		texts = append(texts, &status.URL, &status.Body)
		paths[&o.state], paths[&o.hash] = r.Status.State, r.Status.Hash
	}
	for _, text := range texts {
		value, err := read(*text)
		if err != nil {
			return nil, err
		}
		*text = value
	}
	for name, text := range r.Headers {
		value, err := read(text)
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(value, "\r\n") {
			return nil, fmt.Errorf("the header %s has more than one line", name)
		}
		o.Headers[name] = value
	}
	for into, path := range paths {
		if path == "" {
			continue
		}
		var err error
		if *into, err = jp.ParseString(path); err != nil {
			return nil, fmt.Errorf("%s is no JSONPath", path)
		}
	}
	u, err := plan.RelayURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("the url of the relay %w", err)
	}
	o.Host = u.Hostname()
	if o.Status != nil {
		if _, err := plan.RelayURL(o.Status.URL); err != nil {
			return nil, fmt.Errorf("the url of the relay's status %w", err)
		}
	}
	if body := plan.Filled(o.Body, plan.RequestPlaces); strings.HasPrefix(body, "{") && !json.Valid([]byte(body)) {
		return nil, errors.New("the body of the relay is no JSON with the keys that were put into it")
	}
	return o, nil
}

// entrusted is what a relay was given of an exit. It is durable before the relay hears of it.
type entrusted struct {
	Host string         `json:"host"`
	Safe common.Address `json:"safe,omitzero"` // which is called
	Data hexutil.Bytes  `json:"data"`          // the call, the same however often it is asked
	Gas  uint64         `json:"gas"`
	At   time.Time      `json:"at"` // when it was first asked
	// Heard says that the relay may have it. From then on it may be executed, whatever the relay says, until the Safe's nonce is spent.
	Heard  bool        `json:"heard,omitempty"`
	Taken  bool        `json:"taken,omitempty"`  // it said so
	ID     string      `json:"id,omitempty"`     // what it calls it
	Tx     common.Hash `json:"tx,omitzero"`      // the transaction that it names
	Off    bool        `json:"off,omitempty"`    // nobody waits for it: it said no, or that it failed
	Barred bool        `json:"barred,omitempty"` // it must not be asked: the Safe looks at who sends

	next  time.Time     // when it is asked again; not kept
	pause time.Duration // before that
}

// heard says that a relay may have the exit.
func (n *note) heard() bool { return n.Relay != nil && n.Relay.Heard }

// out says that something of it may be out on the network, or with a relay.
func (n *note) out() bool { return len(n.Sent) > 0 || n.heard() }

// waitsForRelay says that only the relay has it, or is to have it, for now.
func (n *note) waitsForRelay(at time.Time, within time.Duration) bool {
	return within > 0 && len(n.Sent) == 0 && (n.Relay == nil || !n.Relay.Off && at.Sub(n.Relay.At) < within)
}

// relayed says that a prepared exit is given to a relay first. A role's call is not: there it counts who sends.
func (d *Desk) relayed(p Prepared) bool { return d.Relay != nil && p.Role == nil }

// entrust gives the exit to the relay, or asks it what became of it; not more often than it bears.
func (s *sending) entrust(ctx context.Context, saw seen) (*Ending, error) {
	if s.note.Relay == nil {
		if ending, err := s.hopeful(ctx, saw); ending != nil || err != nil {
			return ending, err
		}
	}
	e := s.note.Relay
	if e.Barred || s.Clock.Now().Before(e.next) {
		return nil, nil
	}
	if s.Relay.fence != nil {
		if err := s.Relay.fence(); err != nil {
			return nil, err
		}
	}
	asks := s.inquire
	if !e.Taken || e.Off {
		asks = s.submit
		if m, err := s.heldBack(move{do: entrust}); m.do != entrust || err != nil || s.Insist.stop.heard() { // since it was looked at
			return nil, err
		}
	}
	clear, err := asks(ctx) // that it answered what it is expected to
	if e.pause = min(2*max(e.pause, s.Policy.Poll/2), relayPauseMax); clear {
		e.pause = s.Policy.Poll
	}
	e.next = s.Clock.Now().Add(e.pause)
	return nil, err
}

// hopeful looks whether the call would go through, whoever sends it, and works out what the relay is asked for.
func (s *sending) hopeful(ctx context.Context, saw seen) (*Ending, error) {
	limit, estimate, ending, err := s.limit(ctx, saw)
	if ending != nil || err != nil {
		return ending, err
	}
	e := &entrusted{Host: s.Relay.Host, Safe: s.To, Data: s.Data, Gas: limit, At: saw.at}
	call := s.transaction()
	answers, _, err := s.Chain.Read(ctx, nil, []chain.Query{{What: chain.Call, To: call.To, Data: call.Data, From: stranger}})
	if err != nil {
		return nil, fmt.Errorf("try it as somebody else would send it: %w", err)
	}
	if a := answers[0]; a.Err != nil || s.Says != nil && s.Says(a) != nil {
		s.tell("the Safe would not take it from anybody but our key (%s), so that no relay is asked", safe.Explain(a.Data))
		e.Off, e.Barred = true, true
	} else {
		s.tell("given to the relay %s, which pays the gas: up to %d (estimated %d); our key steps in after %s", e.Host, limit, estimate, s.Policy.Relay)
	}
	s.note.Relay = e
	return nil, s.keep()
}

// stranger is an address of nobody's.
var stranger = common.HexToAddress("0x000000000000000000000000000000005a7e11ed")

// submit asks the relay to carry the exit out. It is the same request each time, under the same Idempotency-Key.
func (s *sending) submit(ctx context.Context) (clear bool, err error) {
	e, before := s.note.Relay, s.note.Relay.Heard
	e.Heard = true
	if err := s.keep(); err != nil {
		e.Heard = before
		return false, err
	}
	s.signed.add(callOf(s.To, crypto.Keccak256Hash(e.Data))) // before the relay hears of it, as the note
	a := s.ask(ctx, s.Relay.URL, s.Relay.Body, s.Hash.Hex(), map[string]string{"chain": s.Chain.ID().String(), "to": s.To.Hex(),
		"data": hexutil.Encode(e.Data), "gas": strconv.FormatUint(e.Gas, 10), "hash": s.Hash.Hex()})
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	switch {
	case a.Good() && s.Relay.id == nil, a.Status == http.StatusConflict:
		e.Taken, e.Off = true, false
		s.tell("the relay has taken it (%s)", a.Why)
	case a.Good():
		id, ok := said(s.Relay.id, a.Body)
		if ok = ok && id != "" && len(id) <= relayIDMax && !strings.ContainsFunc(id, unicode.IsControl); !ok {
			s.tell("the relay does not say what it did with it: %s, with nothing at %s; it is asked again", a.Why, s.Relay.ID)
			return false, nil
		}
		e.Taken, e.Off, e.ID = true, false, id
		s.tell("the relay has taken it")
	case a.Passing() || a.Vague():
		s.tell("the relay is no help yet: %s; it is asked again", a.Why)
		if e.Heard = before || a.Reached; !e.Heard {
			return false, s.keep()
		}
		return false, nil
	default: // though it may do it all the same: it has the signatures
		e.Off = true
		s.tell("the relay refuses it: %s", a.Why)
		return false, s.keep()
	}
	return true, s.keep()
}

// inquire asks the relay what became of it. What it says is told, and decides only how long anybody waits for it.
func (s *sending) inquire(ctx context.Context) (clear bool, err error) {
	e, status := s.note.Relay, s.Relay.Status
	if status == nil || e.ID == "" && s.Relay.id != nil {
		return true, nil
	}
	a := s.ask(ctx, status.URL, status.Body, "", map[string]string{"id": e.ID})
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if !a.Good() {
		s.tell("the relay does not say how it stands: %s", a.Why)
		return false, nil
	}
	if text, ok := said(s.Relay.hash, a.Body); ok && hashForm(text) && e.Tx != common.HexToHash(text) {
		e.Tx = common.HexToHash(text)
		s.tell("the relay says that it sent it as %s", e.Tx.Hex())
		err = s.keep()
	}
	state, ok := said(s.Relay.state, a.Body)
	switch {
	case s.Relay.state == nil:
	case !ok:
		s.tell("the relay does not say how it stands: %s, with nothing at %s", a.Why, status.State)
		return false, err
	case slices.Contains(status.Done, state):
		s.tell("the relay says that it is done (%s); that counts when the chain says so", state)
	case slices.Contains(status.Failed, state):
		e.Off, e.Taken, e.ID = true, false, ""
		s.tell("the relay says that it failed (%s)", state)
		err = s.keep()
	}
	return true, err
}

// ask sends a request with what belongs in its places, by POST when it has a body. A relay that is silent does not keep our key from
// stepping in when its time is over.
func (s *sending) ask(ctx context.Context, address, body, key string, places map[string]string) task.Answer {
	patience := relayAnswer
	if left := s.note.Relay.At.Add(s.Policy.Relay).Sub(s.Clock.Now()); left > 0 {
		patience = min(patience, max(left, time.Second))
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	inPath, inBody := map[string]string{}, map[string]string{}
	for name, value := range places {
		quoted, _ := json.Marshal(value) // text always marshals
		inPath[name], inBody[name] = url.PathEscape(value), string(quoted[1:len(quoted)-1])
	}
	call := task.Call{Method: http.MethodPost, URL: plan.Filled(address, inPath), Body: plan.Filled(body, inBody), Headers: http.Header{}}
	if body == "" {
		call.Method = http.MethodGet
	} else {
		call.Headers.Set("Content-Type", "application/json")
	}
	for name, value := range s.Relay.Headers {
		call.Headers.Set(name, value)
	}
	if key != "" {
		call.Headers.Set("Idempotency-Key", key)
	}
	return call.Once(ctx, s.Relay.transport)
}

// said is the one value that stands at a path of an answer, as a text.
func said(path jp.Expr, body string) (string, bool) {
	if path == nil {
		return "", false
	}
	document, err := oj.Parse([]byte(body))
	if err != nil {
		return "", false
	}
	found := path.Get(document)
	if len(found) != 1 {
		return "", false
	}
	switch v := found[0].(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

func hashForm(text string) bool {
	b, err := hexutil.Decode(text)
	return err == nil && len(b) == common.HashLength && !bytes.Equal(b, make([]byte, common.HashLength))
}

// other is who carried it out in a transaction that is none of ours.
func (n *note) other(tx common.Hash) string {
	const somebody = "somebody else who had the signatures"
	switch {
	case !n.heard():
		return somebody
	case n.Relay.Tx == tx:
		return "the relay " + n.Relay.Host
	}
	return "the relay " + n.Relay.Host + " or " + somebody
}
