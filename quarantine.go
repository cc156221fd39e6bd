package lifeboat

import (
	"maps"
	"slices"
)

// Quarantine begins with every start, restore and promotion: what the journal says of each account may be older than what
// the venue knows, so nothing is sent there until the two were compared.
type Quarantine struct {
	Accounts []string `json:"accounts"`
	Why      string   `json:"why"`
}

// Reconciled says what the comparison of an account found. Without strange orders its quarantine ends; with some, a person
// releases it with a [Request].
type Reconciled struct {
	Account string `json:"account"`
	Known   int    `json:"known"` // orders that venue and journal both have
	// Strange are orders with a key of lifeboat's that the journal does not know: those of a lost part of the journal.
	// The book takes in what was filled of them.
	Strange []PlacedOrder `json:"strange,omitempty"`
}

// PlacedOrder was found at a venue.
type PlacedOrder struct {
	Order   Order   `json:"order"`
	Receipt Receipt `json:"receipt"`
}

// Quarantined folds which accounts nothing may be sent to, and why.
type Quarantined struct {
	accounts map[string]string // :: account → why
	asked    map[string]bool   // :: account → its venue was compared since the quarantine began
	strange  map[string]bool   // :: account → a person must release it, however often lifeboat is started meanwhile
}

// Apply takes in one event.
func (q *Quarantined) Apply(e Event) {
	switch e := e.(type) {
	case Quarantine:
		if q.accounts == nil {
			q.accounts, q.strange = map[string]string{}, map[string]bool{}
		}
		q.asked = map[string]bool{}
		for _, account := range e.Accounts {
			q.accounts[account] = e.Why
		}
	case Reconciled:
		if q.asked == nil {
			break // nothing is in quarantine
		}
		q.asked[e.Account] = true
		if len(e.Strange) > 0 {
			q.strange[e.Account] = true
		}
		if q.strange[e.Account] {
			q.accounts[e.Account] = "the venue has orders that the journal does not know"
		} else {
			delete(q.accounts, e.Account)
		}
	case Request:
		if e.Verb == ReleaseAccount && q.strange[e.Object] {
			delete(q.strange, e.Object)
			if q.asked[e.Object] {
				delete(q.accounts, e.Object)
			}
		}
	}
}

// Holds says why nothing may be sent to an account; false when something may.
func (q *Quarantined) Holds(account string) (why string, held bool) {
	why, held = q.accounts[account]
	return why, held
}

// Unasked are the accounts whose venue has not been compared yet.
func (q *Quarantined) Unasked() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(q.accounts)), func(account string) bool { return q.asked[account] })
}

// Strange are the accounts that wait for a person.
func (q *Quarantined) Strange() []string { return slices.Sorted(maps.Keys(q.strange)) }
