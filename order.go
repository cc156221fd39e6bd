package lifeboat

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/shopspring/decimal"
)

// Side of an order.
type Side string

const (
	Buy  Side = "buy"
	Sell Side = "sell"
)

// OrderType is market or limit.
type OrderType string

const (
	Market OrderType = "market"
	Limit  OrderType = "limit"
)

// Key identifies one intent for ever: the client order id of an order, the thread of a message. It is a function of
// what the journal says – the run, the step, the attempt at it – and of what is acted on, never of the clock, so that
// a resumed run asks for the same key.
type Key string

// NewKey derives a key from the parts that make an act the act it is.
func NewKey(parts ...any) Key {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%v\x00", part)
	}
	return Key("lb-" + hex.EncodeToString(h.Sum(nil))[:24])
}

// Order is one act on one account at a venue.
type Order struct {
	ID       Key             `json:"client_order_id"`
	Account  string          `json:"account"`
	Symbol   string          `json:"symbol"`
	Side     Side            `json:"side"`
	Type     OrderType       `json:"type"`
	Quantity decimal.Decimal `json:"quantity"`       // positive, in units of the symbol
	Limit    decimal.Decimal `json:"limit,omitzero"` // price; zero for a market order
	// Arrival is the price when the order was decided; slippage is measured against it.
	Arrival decimal.Decimal `json:"arrival"`
}

// Act is what an intent does.
type Act string

const (
	PlaceOrder  Act = "order"
	CancelOrder Act = "cancel" // or a task that can be stopped
	SendMessage Act = "message"
	PerformTask Act = "task"
)

// Intent is one act on money, people or systems, durable before it is carried out. Exactly one of Order, Cancel, Message
// and Task is set, as Act says.
type Intent struct {
	Key     Key      `json:"key"`
	Act     Act      `json:"act"`
	Run     string   `json:"run,omitempty"`
	Step    string   `json:"step,omitempty"`
	Order   *Order   `json:"order,omitempty"`
	Cancel  Key      `json:"cancel,omitempty"`
	Account string   `json:"account,omitempty"` // of the order to cancel, or that a canary tries; "" for a task to cancel
	Message *Message `json:"message,omitempty"`
	Task    *Task    `json:"task,omitempty"`
}

// Task is an act on a system: a call, a command, a change of endpoints.
type Task struct {
	Kind string          `json:"kind"` // http, exec, failover, terraform-plan, terraform-apply, or what a worker performs
	Spec json.RawMessage `json:"spec"` // the step's own text, pinned; secrets stay references
	// Repeatable says that it may be carried out again under the same key when nobody knows whether it was.
	Repeatable bool `json:"repeatable,omitempty"`
	// Shown says in words for people what it will do, where that was worked out beforehand; those who approve read it.
	Shown string `json:"shown,omitempty"`
	// Consent is every yes that it was approved with, for a task that needs what came with them, such as signatures. It is no
	// part of what was asked.
	Consent []Answer `json:"consent,omitempty"`
}

// LooksOnly reports a task that works out what an exit or a withdrawal would do, so that people can be asked: nothing leaves, and nothing
// changes anywhere.
func (t Task) LooksOnly() bool { return t.Kind == "exit-plan" || t.Kind == "withdraw-plan" }

// Message is what people are told, or asked.
type Message struct {
	To   []string `json:"to"` // names of people in the plan
	Text string   `json:"text"`
	// Question is set when an [Answer] with the intent's key is awaited.
	Question bool `json:"question,omitempty"`
	// Tier says how urgent it is: which channels are used, whether quiet hours count, whether it climbs when nobody
	// acknowledges; 0 is a word of information.
	Tier Tier `json:"tier,omitempty"`
	// Thread is the key of the message that this one repeats or passes on; "" for a first one.
	Thread Key `json:"thread,omitempty"`
	// Subject is a short line for channels that have one.
	Subject string `json:"subject,omitempty"`
	// Proposal is what a yes permits, and Content its digest, which a second factor signs; "" where there is nothing to sign.
	Proposal *Proposal `json:"proposal,omitempty"`
	Content  string    `json:"content,omitempty"`
	// Factor is the second factor that an answer needs; "" for none.
	Factor string `json:"factor,omitempty"`
}

// Refused says that an intent was not carried out because nobody with the authority for it stood behind it.
type Refused struct {
	Key Key    `json:"key"`
	Run string `json:"run,omitempty"`
	Why string `json:"why"`
}

// ReceiptStatus is where an act stands.
type ReceiptStatus string

const (
	Accepted      ReceiptStatus = "accepted"
	PartialFill   ReceiptStatus = "partial"
	Filled        ReceiptStatus = "filled"
	Canceled      ReceiptStatus = "canceled"
	OrderRejected ReceiptStatus = "rejected"
	Expired       ReceiptStatus = "expired"
	// Sent is a message handed to a channel, or a cancellation handed to a venue or to whoever performs the task.
	Sent ReceiptStatus = "sent"
	// Performed is a task that was carried out, NotPerformed one that was carried out and failed.
	Performed    ReceiptStatus = "performed"
	NotPerformed ReceiptStatus = "not-performed"
	// Unknown: the venue did not say. It is asked again; nothing is sent twice.
	Unknown ReceiptStatus = "unknown"
)

// Final reports whether nothing more can come.
func (s ReceiptStatus) Final() bool {
	switch s {
	case Filled, Canceled, OrderRejected, Expired, Sent, Performed, NotPerformed:
		return true
	}
	return false
}

// Receipt is what the venue says happened to one intent so far. A later receipt replaces an earlier one: Filled and
// Price are totals, not increments.
type Receipt struct {
	Key     Key             `json:"key"`
	Account string          `json:"account,omitempty"`
	Status  ReceiptStatus   `json:"status"`
	Filled  decimal.Decimal `json:"filled,omitzero"` // quantity filled in all
	Price   decimal.Decimal `json:"price,omitzero"`  // average price of what was filled
	Fee     decimal.Decimal `json:"fee,omitzero"`    // in the base currency, in all
	VenueID string          `json:"venue_id,omitempty"`
	Why     string          `json:"why,omitempty"`
	// Output is what a task said, shortened to 4 KiB, and Facts what a later step needs of it: a plan's hash, a file's name.
	Output string            `json:"output,omitempty"`
	Facts  map[string]string `json:"facts,omitempty"`
	// Lost says that nobody can find out by asking any more: a person must look.
	Lost bool `json:"lost,omitempty"`
	// FilledAt is when the last fill happened at the venue.
	FilledAt time.Time `json:"filled_at,omitzero"`
}

// SlippageBps is what the fill cost against the arrival price, in hundredths of a percent; positive is a loss to the
// owner.
func SlippageBps(order Order, fill Receipt) float64 {
	if fill.Filled.IsZero() || order.Arrival.IsZero() {
		return 0
	}
	bps := fill.Price.Sub(order.Arrival).Div(order.Arrival).InexactFloat64() * 1e4
	if order.Side == Sell {
		return -bps
	}
	return bps
}
