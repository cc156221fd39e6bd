package approve

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-webauthn/webauthn/webauthn"

	"lifeboat"
	"lifeboat/prose"
)

// Checker verifies second factors. It stands outside the flow, because a push takes a person's minute, and is safe for concurrent use.
//
// What was used once is never accepted again. Steps of codes and counters of passkeys come from the journal, folded by Apply, so
// that a restart or a restored store file changes nothing; between a check and its entry in the journal they are remembered here.
type Checker struct {
	store    *Store
	passkeys *webauthn.WebAuthn // nil: none
	duo      *Duo               // nil: none

	mu         sync.Mutex
	last       map[credentialKey]int64 // :: credential → the highest step or counter that was accepted
	ceremonies []ceremony              // begun and not ended, the oldest first
	wrong      map[attemptKey]attempts // :: person and kind → failures in a row
	pushing    map[string]bool         // persons who have a push on their telephone
}

type (
	credentialKey struct{ kind, id string }
	attemptKey    struct{ person, kind string }
)

type attempts struct {
	n    int
	last time.Time
}

// Options say which factors there are besides codes.
type Options struct {
	Passkeys *RelyingParty
	Duo      *Duo
}

// Claim is what somebody puts forward as a second factor.
type Claim struct {
	Person    string
	Kind      string          // totp, webauthn, duo or wallet
	Content   string          // the digest that is signed for
	Shown     string          // the words that stand behind it; Duo shows them
	Code      string          // totp
	Assertion json.RawMessage // webauthn: what the browser made of a Challenge
	// Of a wallet: what it made of the transaction in the proposal, whose digest is the content, and which wallets are the person's.
	Signature string
	Proposal  *lifeboat.Proposal
	Wallets   []common.Address
}

const (
	// wrongMax failures in a row lock a person's codes, or pushes, for lockedFor: six digits can be guessed, and a person who is
	// pushed often enough says yes in the end. Passkeys are not locked. They cannot be guessed, and are the way out for somebody
	// whose codes a stranger has locked.
	wrongMax  = 5
	lockedFor = 15 * time.Minute
	// ceremonyMax is how long a challenge or an enrolment stays open, ceremoniesMax how many of one person and purpose do, and
	// ceremoniesAll how many in all; the oldest make room.
	ceremonyMax   = 5 * time.Minute
	ceremoniesMax = 4
	ceremoniesAll = 200
	claimMax      = 64 << 10 // bytes of an assertion
)

// NewChecker verifies against what the store holds.
func NewChecker(store *Store, with Options) (*Checker, error) {
	c := &Checker{store: store, duo: with.Duo, last: map[credentialKey]int64{}, wrong: map[attemptKey]attempts{}, pushing: map[string]bool{}}
	if with.Passkeys != nil {
		party, err := with.Passkeys.party()
		if err != nil {
			return nil, err
		}
		c.passkeys = party
	}
	return c, nil
}

// Apply takes in one event of the journal: which steps and counters are used up.
func (c *Checker) Apply(_ time.Time, e lifeboat.Event) {
	var f *lifeboat.Factor
	switch e := e.(type) {
	case lifeboat.Answer:
		f = e.Factor
	case lifeboat.Request:
		f = e.Factor
	}
	if f == nil || f.Counter == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.use(*f)
}

func (c *Checker) use(f lifeboat.Factor) {
	key := credentialKey{f.Kind, f.ID}
	c.last[key] = max(c.last[key], f.Counter)
}

// Check verifies a claim and gives the evidence of it for the journal. A refusal is a Problem "factor" of one sentence, which never
// repeats what was put forward.
func (c *Checker) Check(ctx context.Context, at time.Time, claim Claim) (lifeboat.Factor, error) {
	if !isDigest(claim.Content) {
		return lifeboat.Factor{}, refused("there is nothing that a second factor could sign")
	}
	switch claim.Kind {
	case "duo":
		return c.checkPush(ctx, at, claim)
	case "wallet": // nothing is enrolled but the address in the plan, nothing can be guessed, and nothing can be used for anything else
		return checkWallet(claim)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, err := c.enrolled(at, claim.Person, claim.Kind)
	if err != nil {
		return lifeboat.Factor{}, err
	}
	var f lifeboat.Factor
	switch claim.Kind {
	case "totp":
		f, err = c.checkCode(at, claim, e)
	case "webauthn":
		f, err = c.checkPasskey(at, claim, e)
	}
	if err != nil {
		c.failed(at, claim.Person, claim.Kind)
		return lifeboat.Factor{}, err
	}
	c.use(f)
	c.succeeded(claim.Person, claim.Kind)
	return f, nil
}

// enrolled is what a person enrolled, when there is something of the kind and it is not locked.
func (c *Checker) enrolled(at time.Time, person, kind string) (enrolment, error) {
	e, err := c.store.of(person)
	if err != nil {
		return enrolment{}, err
	}
	switch n, known := map[string]int{"totp": len(e.TOTP), "webauthn": len(e.Passkeys), "duo": len(e.Duo)}[kind]; {
	case !known:
		return enrolment{}, refused("there is no second factor of kind %q; use totp, webauthn, duo or wallet", kind)
	case kind == "webauthn" && c.passkeys == nil, kind == "duo" && c.duo == nil:
		return enrolment{}, refused("this lifeboat is not set up for %s", kind)
	case n == 0:
		return enrolment{}, refused("%s has enrolled no %s", person, kind)
	}
	return e, c.locked(at, person, kind)
}

func (c *Checker) locked(at time.Time, person, kind string) error {
	tried := c.wrong[attemptKey{person, kind}]
	until := tried.last.Add(lockedFor)
	if kind == "webauthn" || tried.n < wrongMax || !at.Before(until) {
		return nil
	}
	return &lifeboat.Problem{Reason: "factor", Money: "nothing was decided", Next: "use another factor, or wait",
		What: fmt.Sprintf("%s failed %d times with %s, which is locked for another %s", person, tried.n, kind, prose.Span(until.Sub(at)))}
}

func (c *Checker) failed(at time.Time, person, kind string) {
	key := attemptKey{person, kind}
	tried := c.wrong[key]
	if tried.n >= wrongMax { // the lock is over: it takes as many again
		tried.n = 0
	}
	c.wrong[key] = attempts{tried.n + 1, at}
}

func (c *Checker) succeeded(person, kind string) { delete(c.wrong, attemptKey{person, kind}) }

// A ceremony is something that was begun and waits for its end: a challenge, an enrolment. A restart forgets them.
type ceremony struct {
	purpose, name string // name is unique within a purpose: the challenge, or the person
	person        string
	content       string
	secret        string               // of a TOTP that is being enrolled
	session       webauthn.SessionData // of a passkey
	until         time.Time
}

// begin keeps a ceremony, and drops those that are over and the oldest of too many.
func (c *Checker) begin(at time.Time, begun ceremony) {
	begun.until = at.Add(ceremonyMax)
	c.end(begun.purpose, begun.name)
	c.ceremonies = slices.DeleteFunc(c.ceremonies, func(o ceremony) bool { return !at.Before(o.until) })
	alike := func(o ceremony) bool { return o.person == begun.person && o.purpose == begun.purpose }
	n := 0
	for _, o := range c.ceremonies {
		if alike(o) {
			n++
		}
	}
	if oldest := slices.IndexFunc(c.ceremonies, alike); n >= ceremoniesMax {
		c.ceremonies = slices.Delete(c.ceremonies, oldest, oldest+1)
	}
	if c.ceremonies = append(c.ceremonies, begun); len(c.ceremonies) > ceremoniesAll {
		c.ceremonies = slices.Delete(c.ceremonies, 0, 1)
	}
}

func (c *Checker) begun(at time.Time, purpose, name string) (ceremony, bool) {
	for _, o := range c.ceremonies {
		if o.purpose == purpose && o.name == name {
			return o, at.Before(o.until)
		}
	}
	return ceremony{}, false
}

func (c *Checker) end(purpose, name string) {
	c.ceremonies = slices.DeleteFunc(c.ceremonies, func(o ceremony) bool { return o.purpose == purpose && o.name == name })
}

func refused(format string, args ...any) error {
	return &lifeboat.Problem{Reason: "factor", What: fmt.Sprintf(format, args...), Money: "nothing was decided"}
}

func isDigest(content string) bool {
	return len(content) == 64 && !slices.ContainsFunc([]byte(content), func(b byte) bool {
		return (b < '0' || b > '9') && (b < 'a' || b > 'f')
	})
}
