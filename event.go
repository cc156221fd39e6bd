package lifeboat

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

// Event is anything that the journal records. The set is closed: these are the words of this package.
type Event interface {
	// Word is the one under which the journal files the event.
	Word() string
}

// PlanLoaded says under which plan all that follows happened, and what the owner registered as held. A later plan
// moves the book by the difference to the one before: that is how the owner tells of a purchase made elsewhere.
type PlanLoaded struct {
	Name      string     `json:"name"`
	Hash      string     `json:"hash"`
	Mode      string     `json:"mode"` // live or drill; for the reader, no stage asks
	Positions []Position `json:"positions,omitempty"`
	// Venues are the accounts at real venues, :: account → venue. What their custodians say outweighs what the owner
	// registered, and an order must never be looked for at another venue than the one it was sent to.
	Venues map[string]string `json:"venues,omitempty"`
	// Chains are the accounts of which a chain says what they hold, :: account → chain. Its word outweighs the owner's as a venue's does;
	// there are no orders there.
	Chains map[string]string `json:"chains,omitempty"`
}

// Custodian of an account is the venue or the chain that says what it holds; "" where the owner alone does.
func (p PlanLoaded) Custodian(account string) string {
	return cmp.Or(p.Venues[account], p.Chains[account])
}

// Resumed says that lifeboat runs again, and since when there is no evidence that it did: the time of the entry before.
// What the sources told meanwhile was evaluated late, if at all.
type Resumed struct {
	Since time.Time `json:"since"`
}

func (PlanLoaded) Word() string     { return "plan" }
func (Resumed) Word() string        { return "resumed" }
func (Instant) Word() string        { return "readings" }
func (Gap) Word() string            { return "gap" }
func (Firing) Word() string         { return "firing" }
func (IncidentChange) Word() string { return "incident" }
func (Decision) Word() string       { return "decision" }
func (Answer) Word() string         { return "answer" }
func (RunStarted) Word() string     { return "run-started" }
func (StepStarted) Word() string    { return "step-started" }
func (StepFinished) Word() string   { return "step-finished" }
func (RunFinished) Word() string    { return "run-finished" }
func (Intent) Word() string         { return "intent" }
func (Refused) Word() string        { return "refused" }
func (Receipt) Word() string        { return "receipt" }
func (Request) Word() string        { return "request" }
func (BreakerMove) Word() string    { return "breaker" }
func (Quarantine) Word() string     { return "quarantine" }
func (Reconciled) Word() string     { return "reconciled" }
func (Statement) Word() string      { return "statement" }
func (Restated) Word() string       { return "restated" }
func (Outlook) Word() string        { return "outlook" }

// Decode turns a journalled body back into its event. A word this version does not know is an error, never skipped:
// what was recorded must be understood before money moves again.
func Decode(word string, body []byte) (Event, error) {
	decode, known := decoders[word]
	if !known {
		return nil, fmt.Errorf("journal entry of unknown kind %q", word)
	}
	return decode(body)
}

var decoders = map[string]func([]byte) (Event, error){
	"plan":          decodeAs[PlanLoaded],
	"resumed":       decodeAs[Resumed],
	"readings":      decodeAs[Instant],
	"gap":           decodeAs[Gap],
	"firing":        decodeAs[Firing],
	"incident":      decodeAs[IncidentChange],
	"decision":      decodeAs[Decision],
	"answer":        decodeAs[Answer],
	"run-started":   decodeAs[RunStarted],
	"step-started":  decodeAs[StepStarted],
	"step-finished": decodeAs[StepFinished],
	"run-finished":  decodeAs[RunFinished],
	"intent":        decodeAs[Intent],
	"refused":       decodeAs[Refused],
	"receipt":       decodeAs[Receipt],
	"request":       decodeAs[Request],
	"breaker":       decodeAs[BreakerMove],
	"quarantine":    decodeAs[Quarantine],
	"reconciled":    decodeAs[Reconciled],
	"statement":     decodeAs[Statement],
	"restated":      decodeAs[Restated],
	"outlook":       decodeAs[Outlook],
}

func decodeAs[E Event](body []byte) (Event, error) {
	var event E
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, fmt.Errorf("decode %s: %w", event.Word(), err)
	}
	return event, nil
}
