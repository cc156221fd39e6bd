package drill

import (
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// Custom is the scenario's name when the owner's own history was played.
const Custom = "custom"

// Result is a drill as it is told: the contract of lifeboat drill run --json. Times are RFC 3339 UTC, a daily bar is
// stamped with its session's close, shares are fractions, money is a decimal string.
type Result struct {
	Scenario  string     `json:"scenario"` // the name, or "custom" for the owner's own history
	Title     string     `json:"title"`
	Plan      string     `json:"plan"` // the portfolio's name
	PlanHash  string     `json:"plan_hash"`
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	Verdict   string     `json:"verdict"` // one sentence: what the plan did and what it was worth
	Firings   []Firing   `json:"firings"`
	Decisions []Decision `json:"decisions"`
	Runs      []Run      `json:"runs"`
	Orders    []Order    `json:"orders"`
	Outcome   Outcome    `json:"outcome"`
	Times     Times      `json:"times"`
	Incidents []Incident `json:"incidents"`
	// Reflex is what selling at the first fright would have come to; nil when the scenario names no reflex.
	Reflex *Reflex `json:"reflex,omitempty"`
	// Gaps, Uncovered and Warnings say where the drill knew less than it seems.
	Gaps      []Gap    `json:"gaps"`
	Uncovered []string `json:"uncovered"` // holdings without a price on the tape, held flat at the plan's price
	Warnings  []string `json:"warnings"`
	// Failures are steps and orders that did not do what the playbook wanted.
	Failures []string `json:"failures"`
	// JournalDigest is the hash of the last entry of the drill's journal: equal digests, equal histories.
	JournalDigest string `json:"journal_digest"`

	Curve  []Point   `json:"-"` // the portfolio at every session's end, for the charts
	Events []Told    `json:"-"` // the timeline as a person reads it
	Notes  []string  `json:"-"` // the scenario's sources and notes
	Made   time.Time `json:"-"` // the virtual time at the end: reports carry no other clock
}

// Firing of a trigger.
type Firing struct {
	Time     time.Time            `json:"time"`
	Trigger  string               `json:"trigger"`
	Tier     lifeboat.Tier        `json:"tier"`
	Severity lifeboat.Severity    `json:"severity"`
	State    lifeboat.FiringState `json:"state"`
	Values   map[string]float64   `json:"values"`
	Sources  []string             `json:"sources,omitempty"`
}

// Decision on a firing.
type Decision struct {
	Time     time.Time        `json:"time"`
	Trigger  string           `json:"trigger"`
	Playbook string           `json:"playbook"`
	Verdict  lifeboat.Verdict `json:"verdict"`
	By       string           `json:"by"`
	Why      string           `json:"why"`
	Run      string           `json:"run,omitempty"`
}

// Run of a playbook.
type Run struct {
	ID       string          `json:"id"`
	Playbook string          `json:"playbook"`
	Trigger  string          `json:"trigger"`
	Started  time.Time       `json:"started"`
	Finished *time.Time      `json:"finished"` // null while it is open
	Status   lifeboat.Status `json:"status"`
	Why      string          `json:"why,omitempty"`
	Budget   float64         `json:"rto_s,omitempty"` // the playbook's RTO in seconds; 0 when it has none
	Steps    []Step          `json:"steps"`
}

// Step of a run.
type Step struct {
	Place    string          `json:"place,omitempty"` // its path in the run: 2, and 2.1 for the first inside it
	Name     string          `json:"name"`
	Kind     string          `json:"kind"`
	Started  time.Time       `json:"started"`
	Finished *time.Time      `json:"finished"`
	Status   lifeboat.Status `json:"status"`
	Why      string          `json:"why,omitempty"`
	Attempts int             `json:"attempts"`
	Budget   float64         `json:"rto_s,omitempty"`
}

// Order with what came of it. Quantity and Price are what was filled; Ordered is what was asked for.
type Order struct {
	Time          time.Time              `json:"time"` // when it was sent
	FilledAt      *time.Time             `json:"filled_at"`
	Venue         string                 `json:"venue"`
	Account       string                 `json:"account"`
	Symbol        string                 `json:"symbol"`
	Side          lifeboat.Side          `json:"side"`
	Ordered       decimal.Decimal        `json:"ordered"`
	Quantity      decimal.Decimal        `json:"quantity"`
	Price         decimal.Decimal        `json:"price"`
	Arrival       decimal.Decimal        `json:"arrival_price"`
	Status        lifeboat.ReceiptStatus `json:"status"`
	ClientOrderID lifeboat.Key           `json:"client_order_id"`
	SlippageBps   float64                `json:"slippage_bps"`
	Run           string                 `json:"run"`
}

// Outcome against doing nothing, from the drill's first session end to its last.
type Outcome struct {
	ValueStart             decimal.Decimal `json:"value_start"`
	ValueEnd               decimal.Decimal `json:"value_end"`
	ValueEndUnprotected    decimal.Decimal `json:"value_end_unprotected"`
	MaxDrawdown            float64         `json:"max_drawdown"` // positive fraction
	MaxDrawdownUnprotected float64         `json:"max_drawdown_unprotected"`
	// LossAvoided is ValueEnd − ValueEndUnprotected: negative when acting cost more than it saved.
	LossAvoided decimal.Decimal `json:"loss_avoided"`
	// LowUnprotected and Low are the worst values on the way.
	Low            decimal.Decimal `json:"low"`
	LowUnprotected decimal.Decimal `json:"low_unprotected"`
}

// Times to detect, decide and act, in seconds; null where it did not come to that.
type Times struct {
	// Detect runs from the scenario's first observable signal (for the owner's own history, the peak before the
	// first firing) to the firing behind the first run that traded; behind the first run when none traded; else to
	// the first firing.
	Detect *float64 `json:"detect_s"`
	// Decide runs from that firing to the last approval of its run, or to the decision when nobody had to be asked.
	Decide *float64 `json:"decide_s"`
	// Act runs from there to the end of the run.
	Act *float64 `json:"act_s"`
}

// Incident as an episode.
type Incident struct {
	ID       string        `json:"id"`
	Opened   time.Time     `json:"opened"`
	Closed   *time.Time    `json:"closed"`
	Tier     lifeboat.Tier `json:"tier"`
	Triggers []string      `json:"triggers"`
}

// Reflex is the sale at the first fright that the plan did not make: everything of Symbol at the first price below
// Below, never bought back.
type Reflex struct {
	Symbol string          `json:"symbol"`
	Below  float64         `json:"below"`
	Time   time.Time       `json:"time"`
	Price  decimal.Decimal `json:"price"`
	// Cost is what was held at the end less what the reflex would have left: positive when holding was right.
	Cost decimal.Decimal `json:"cost"`
}

// Gap is a span without fresh data of a series.
type Gap struct {
	Series   string     `json:"series"`
	Since    time.Time  `json:"since"` // the last good reading
	Until    *time.Time `json:"until"`
	Triggers []string   `json:"triggers"` // blind meanwhile
}

// Point of the value curve.
type Point struct {
	At                     time.Time
	Protected, Unprotected float64
}

// Told is one line of the timeline.
type Told struct {
	At   time.Time
	Text string
}
