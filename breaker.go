package lifeboat

// BreakerState says which acts pass.
type BreakerState string

const (
	// Active lets everything pass that is authorised.
	Active BreakerState = "active"
	// Reducing lets cancellations pass, and orders that reduce exposure.
	Reducing BreakerState = "reducing"
	// Halted lets nothing automatic pass.
	Halted BreakerState = "halted"
)

// Stricter reports that s lets less pass than other. Anything that is no state at all is the strictest.
func (s BreakerState) Stricter(other BreakerState) bool { return s.rank() > other.rank() }

func (s BreakerState) rank() int {
	switch s {
	case Active:
		return 0
	case Reducing:
		return 1
	}
	return 2
}

// BreakerMove says that the breaker changed its state.
type BreakerMove struct {
	To  BreakerState `json:"to"`
	By  string       `json:"by"` // "plan" for a trigger or a limit, "kill file" for the file on disk, else the persons
	Why string       `json:"why"`
	// Trigger that tripped it, if one did.
	Trigger string `json:"trigger,omitempty"`
}
