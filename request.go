package lifeboat

import (
	"time"

	"github.com/shopspring/decimal"
)

// Verb of a request.
type Verb string

const (
	StartPlaybook   Verb = "start"        // Object is the playbook
	MoveTier        Verb = "tier"         // Object is the tier: 1, 2 or 3; 0 closes the incident
	MoveBreaker     Verb = "breaker"      // Object is the state that is wanted
	PauseRun        Verb = "pause"        // Object is the run, here and in the next five
	ResumeRun       Verb = "resume"       //
	SkipStep        Verb = "skip-step"    // Step is the step
	RetryStep       Verb = "retry-step"   // Step is the step, the one that failed or runs
	AbandonRun      Verb = "abandon"      // what is open is cancelled, then the run ends
	ReleaseAccount  Verb = "release"      // Object is the account in quarantine
	Preauthorise    Verb = "preauthorise" // Bound says what
	RevokeAuthority Verb = "revoke"       // Object is the ID of the request that preauthorised
	Acknowledge     Verb = "acknowledge"  // Object is the key of the message
	KeepSilent      Verb = "silence"      // Object is for how long: below tier 3 the person wants to hear nothing
)

// Request is what a person wants on their own initiative. It is in the journal only when the plan lets that person ask for
// it; whether it takes more persons, or time, before anything follows from it is for the stage that it concerns.
type Request struct {
	ID     string  `json:"id"` // names it for ever; two persons who want the same thing make two requests
	Verb   Verb    `json:"verb"`
	Object string  `json:"object,omitempty"`
	Step   string  `json:"step,omitempty"`
	By     string  `json:"by"` // a person of the plan, or what stands in for one: the kill file
	Note   string  `json:"note,omitempty"`
	Factor *Factor `json:"factor,omitempty"`
	Bound  *Bound  `json:"bound,omitempty"`
}

// Factor is a second factor that was verified: the evidence of it, never the secret.
type Factor struct {
	Kind string `json:"kind"` // totp, webauthn, duo or wallet
	ID   string `json:"id"`   // of the credential or of the transaction; the address of the wallet
	// Content is the SHA-256, in hex, of what was shown and signed for.
	Content string `json:"content"`
	// Counter goes up with every use of a TOTP secret or an authenticator; what was used once is never accepted again.
	Counter int64 `json:"counter,omitempty"`
	// Signature of a wallet, in hex: of the transaction that the proposal holds, which carries it in public once it is executed.
	Signature string `json:"signature,omitempty"`
}

// Bound is an act that an owner approves in advance: one order within these limits, once.
type Bound struct {
	Account  string          `json:"account"`
	Symbol   string          `json:"symbol"`
	Side     Side            `json:"side"`
	Quantity decimal.Decimal `json:"quantity"`       // at most
	Price    decimal.Decimal `json:"price,omitzero"` // a sale not below it, a purchase not above; zero is no bound
	Until    time.Time       `json:"until"`
}

// Proposal is exactly what a yes permits: the orders as they will be sent. Its digest is what second factors sign.
type Proposal struct {
	Run      string          `json:"run,omitempty"`
	Step     string          `json:"step,omitempty"` // the one that will act
	Playbook string          `json:"playbook"`
	Hash     string          `json:"hash"` // of the pinned playbook
	Orders   []ProposedOrder `json:"orders,omitempty"`
	Task     *Task           `json:"task,omitempty"`
	Until    time.Time       `json:"until"` // a yes counts no longer
}

// ProposedOrder is an order with what it is expected to cost.
type ProposedOrder struct {
	Order
	SlippageBps float64 `json:"slippage_bps"` // expected, in hundredths of a percent of its value
	How         string  `json:"how"`          // how that was worked out: what was simulated
}
