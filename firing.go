package lifeboat

import "fmt"

// Tier is how grave a trigger is: 1 Watch, 2 Action, 3 Emergency.
type Tier int

const (
	Watch     Tier = 1
	Action    Tier = 2
	Emergency Tier = 3
)

func (t Tier) String() string {
	switch t {
	case Watch:
		return "Watch"
	case Action:
		return "Action"
	case Emergency:
		return "Emergency"
	}
	return fmt.Sprintf("tier %d", int(t))
}

// Severity is the word a message carries: WARNING, HIGH or CRITICAL unless the owner's rule says otherwise.
type Severity string

// Severity of a tier when the owner named none.
func (t Tier) Severity() Severity {
	switch t {
	case Emergency:
		return "CRITICAL"
	case Action:
		return "HIGH"
	}
	return "WARNING"
}

// FiringState is fired or cleared.
type FiringState string

const (
	Fired   FiringState = "fired"
	Cleared FiringState = "cleared"
)

// Firing says that a trigger's condition became true, or that its all-clear did.
type Firing struct {
	Trigger  string      `json:"trigger"`
	Tier     Tier        `json:"tier"`
	Severity Severity    `json:"severity"`
	State    FiringState `json:"state"`
	// Values holds every signal the condition read, by the name the owner used; fractions, not percent.
	Values map[string]float64 `json:"values"`
	// Sources lists who agreed, for a trigger that needs n of m.
	Sources []string `json:"sources,omitempty"`
}
