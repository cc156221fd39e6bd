package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ohler55/ojg/jp"
	"golang.org/x/net/http/httpguts"

	"lifeboat/prose"
	"lifeboat/secret"
)

// Relay is a service that brings what a Safe's owners have signed to the chain and pays the gas, so that an exit does not hang on what the
// relayer's key holds. It is asked by HTTP. Nothing that it says is believed: whether it was done the chain says, and when it is not done in
// time, the relayer's key sends the same. What a role permits never goes through it, because there it counts who sends.
type Relay struct {
	// URL that a request is sent to, by POST: https://, or a reference to it. ${NAME} in it is taken from the environment, for keys.
	URL string `json:"url" plan:"required"`
	// Headers are sent along with each request: {Authorization: "env:RELAY"} or {Authorization: "Bearer ${KEY}"}.
	Headers map[string]string `json:"headers,omitempty"`
	// Body of the request. In it {chain} is the number of the chain, {to} the Safe, {data} the call with all signatures, {gas} what it may
	// take, {hash} the safeTxHash. ${NAME} as in url.
	Body string `json:"body" plan:"required"`
	// ID is the JSONPath in the answer to what the service calls the request ($.taskId).
	ID     string       `json:"id,omitempty"`
	Status *RelayStatus `json:"status,omitempty"` // how it is asked what became of it; it is not asked when absent
	// Within is for how long only the relay has it, from 10s to 1h; then the relayer's key sends it too. 2m when absent.
	Within Duration `json:"within,omitempty"`
}

// RelayStatus is how a relay is asked what became of a request.
type RelayStatus struct {
	URL  string `json:"url" plan:"required"` // {id} in it is what the service calls the request, ${NAME} as in the relay's url
	Body string `json:"body,omitempty"`      // when it is written the status is asked by POST; {id} and ${NAME} as in url
	// State is the JSONPath to its state, a word or a number ($.task.taskState).
	State string `json:"state,omitempty"`
	// Hash is the JSONPath to the hash of its transaction.
	Hash   string   `json:"hash,omitempty"`
	Done   []string `json:"done,omitempty"`   // states that say that it is done, which the chain has to confirm
	Failed []string `json:"failed,omitempty"` // states after which nobody waits for it any longer
}

// Places in the texts of a relay, and what stands there in an example.
var (
	RequestPlaces = map[string]string{"chain": "1", "to": "0x00000000219ab540356cBB839Cbe05303d7705Fa", "data": "0x6a761202", "gas": "500000", "hash": "0x" + strings.Repeat("0", 64)}
	StatusPlaces  = map[string]string{"id": "1"}
)

var placeForm = regexp.MustCompile(`\{([a-zA-Z_]+)\}`)

// Filled puts what belongs in the places of a text there.
func Filled(text string, places map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(places)) {
		pairs = append(pairs, "{"+name+"}", places[name])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// relayTimes that a relay may have an exit to itself.
const (
	relayTime    = 2 * time.Minute
	relayTimeMin = 10 * time.Second
	relayTimeMax = time.Hour
)

// checkRelay holds a relay to what can be asked of it, and to somebody who steps in for it.
func (d *decoder) checkRelay(p *Plan, path string, x Dependency) {
	r := x.Chain.Relay
	if r == nil || !x.EVM() { // which is told already
		return
	}
	path += ".relay"
	if !slices.ContainsFunc(p.AccountsOn(x.Name), func(a Account) bool { return a.Safe != nil && a.Safe.Relayer != nil }) {
		d.faultAt(path, fmt.Sprintf("a relay carries what the owners of a Safe have signed, and no account on %s has safe.relayer, whose key steps in when the relay does not do it; "+
			"what a role permits only the role's own key can send", shorten(x.Name, textMax)), "")
	}
	if within := time.Duration(r.Within); within < relayTimeMin || within > relayTimeMax {
		d.faultAt(path+".within", fmt.Sprintf("within lies between %s and %s: so long an exit waits for the relay", prose.Span(relayTimeMin), prose.Span(relayTimeMax)), "")
	}
	d.checkRelayURL(path+".url", r.URL, nil)
	d.checkRelayHeaders(path+".headers", r.Headers)
	d.checkRelayBody(path+".body", r.Body, RequestPlaces)
	if r.Body != "" && !d.bad[path+".body"] && !strings.Contains(r.Body, "{data}") {
		d.faultAt(path+".body", "the body wants {data}, the call with the signatures, or the relay has nothing to send", "")
	}
	d.checkJSONPath(path+".id", r.ID)
	if r.Status != nil {
		d.checkRelayStatus(path+".status", *r.Status, r.ID)
	}
}

func (d *decoder) checkRelayStatus(path string, s RelayStatus, id string) {
	d.checkRelayURL(path+".url", s.URL, StatusPlaces)
	d.checkRelayBody(path+".body", s.Body, StatusPlaces)
	d.checkJSONPath(path+".state", s.State)
	d.checkJSONPath(path+".hash", s.Hash)
	switch words := len(s.Done) + len(s.Failed); {
	case strings.Contains(s.URL+s.Body, "{id}") && id == "":
		d.faultAt(path, "{id} is what the relay calls the request: write id, the JSONPath to it in the answer", "")
	case s.State == "" && words > 0:
		d.faultAt(path, "done and failed are states: write state, the JSONPath to it", "")
	case s.State != "" && words == 0:
		d.faultAt(path+".state", "a state wants done or failed, the words that it is compared with", "")
	case s.State == "" && s.Hash == "":
		d.faultAt(path, "a status wants state or hash, or nothing is learnt from it", "")
	}
	for i, word := range s.Failed {
		if slices.Contains(s.Done, word) {
			d.faultAt(fmt.Sprintf("%s.failed[%d]", path, i), fmt.Sprintf("%q cannot mean done and failed", shorten(word, textMax)), "")
		}
	}
}

// checkRelayURL holds an address to one that is asked by HTTP, and in which no key stands.
func (d *decoder) checkRelayURL(path, text string, places map[string]string) {
	if d.bad[path] || text == "" {
		return
	}
	if strings.HasPrefix(text, "ws://") || strings.HasPrefix(text, "wss://") {
		d.faultSecret(path, "a relay is asked by https://")
		return
	}
	d.checkPlaces(path, text, places)
	d.checkNode(path, "url", Filled(text, places))
}

// RelayURL reads the address of a relay once it is known what its references stand for, and holds it to what the plan holds one to that is
// written out: it goes through TLS, or to this machine. An error repeats nothing of it.
func RelayURL(text string) (*url.URL, error) {
	return closedURL(Filled(text, StatusPlaces), "https", "http")
}

func (d *decoder) checkRelayHeaders(path string, headers map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		switch value := headers[name]; {
		case strings.EqualFold(name, "Idempotency-Key"):
			d.faultAt(path, "lifeboat sets Idempotency-Key itself, so that a repeated request can be told from a new one", "")
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
			d.faultAt(path, fmt.Sprintf("%q cannot be sent as a header", shorten(name, textMax)), "")
		case !secret.IsReference(value) && holdsKey(environmentForm.ReplaceAllString(value, " ")):
			d.faultSecret(path, fmt.Sprintf("the header %s holds a key: write env:NAME, or ${NAME} in its place, and take the key for known", shorten(name, textMax)))
		}
	}
}

// hexAddress is no key, though it has letters and digits.
var hexAddress = regexp.MustCompile(`0x[0-9a-fA-F]{40}\b`)

func (d *decoder) checkRelayBody(path, text string, places map[string]string) {
	if d.bad[path] || text == "" {
		return
	}
	d.checkPlaces(path, text, places)
	plain := Filled(environmentForm.ReplaceAllString(text, "x"), places)
	switch {
	case holdsKey(hexAddress.ReplaceAllString(environmentForm.ReplaceAllString(text, " "), " ")):
		d.faultSecret(path, "the body holds a key: write ${NAME} in its place and put the key in the environment, and take the key for known")
	case strings.ContainsAny(plain[:1], "{[") && !json.Valid([]byte(plain)):
		d.faultAt(path, "the body is no JSON once its places are filled; a place is written {data}, within quotes where a text is wanted", "")
	}
}

// checkPlaces refuses a place that nothing is put into.
func (d *decoder) checkPlaces(path, text string, places map[string]string) {
	known := slices.Sorted(maps.Keys(places))
	for _, m := range placeForm.FindAllStringSubmatch(environmentForm.ReplaceAllString(text, ""), -1) {
		if _, ok := places[m[1]]; !ok {
			d.faultAt(path, fmt.Sprintf("nothing is put in the place of {%s}%s", shorten(m[1], textMax), only(known)), "")
		}
	}
}

func only(known []string) string {
	if len(known) == 0 {
		return ""
	}
	return "; what is known here: {" + strings.Join(known, "}, {") + "}"
}

func (d *decoder) checkJSONPath(path, text string) {
	if text == "" || d.bad[path] {
		return
	}
	if _, err := jp.ParseString(text); err != nil || !strings.HasPrefix(text, "$") {
		d.faultAt(path, "no JSONPath such as $.data.id", "")
	}
}

// relayCautions are of exits that people may think go through a relay.
func (p *Plan) relayCautions() []string {
	var all []string
	for _, a := range p.Accounts {
		on, chained := p.Chained(a.Chain)
		if chained && on.Chain.Relay != nil && a.Safe != nil && a.Safe.Roles != nil {
			all = append(all, fmt.Sprintf("what the role of %s permits does not go through the relay of %s: there it counts who sends, so keep gas on the bot's key", a.Name, a.Chain))
		}
	}
	return all
}
