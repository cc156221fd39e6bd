package lifeboat

import "errors"

// Kind of a failure; it decides the exit code, the HTTP status and whether trying again can help.
type Kind uint8

const (
	Internal  Kind = iota // a bug, or something nobody foresaw
	Usage                 // the command line is wrong
	Invalid               // the plan, the tape or the data is wrong
	NotFound              // what was named does not exist
	Conflict              // somebody else holds it: a port, a data directory
	Denied                // nobody with the authority stood behind it
	Transient             // the other side did not answer; trying again may help
	Storage               // the journal could not be written or read
	Tampered              // the journal's chain does not hold
)

// Reason is the stable code of a lasting failure, explained in docs/reasons.md.
type Reason string

// Problem is a failure as a person must be told of it: what happened, where the money stands, what to do next.
type Problem struct {
	Reason Reason
	What   string // one clause, no full stop
	Money  string // "no order was placed"; "" when no money can be concerned
	Next   string // a command or an act; "" when there is nothing to do
	Err    error  // the cause, already told in What
}

func (p *Problem) Error() string { return p.What }
func (p *Problem) Unwrap() error { return p.Err }

// Kind of the problem's reason.
func (p *Problem) Kind() Kind { return Reasons[p.Reason].Kind }

// KindOf finds the kind of an error; Internal when nobody classified it.
func KindOf(err error) Kind {
	var p *Problem
	if errors.As(err, &p) {
		return p.Kind()
	}
	return Internal
}

// ExitCode of each kind: the one table. 0 is success.
func (k Kind) ExitCode() int {
	return [...]int{Internal: 1, Usage: 2, Invalid: 3, NotFound: 4, Conflict: 5, Denied: 6, Transient: 7, Storage: 8, Tampered: 9}[k]
}

func (k Kind) String() string {
	return [...]string{"internal", "usage", "invalid", "not found", "conflict", "denied", "transient", "storage", "tampered"}[k]
}
