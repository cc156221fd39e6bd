package app

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"lifeboat/act/exit"
)

// A Passage is a sum that has left over a bridge and is not known to have arrived.
type Passage struct {
	What    string     `json:"what"` // in one phrase
	Left    time.Time  `json:"left"`
	Tx      string     `json:"tx"`      // by which it left
	Message string     `json:"message"` // by which the other chain knows it; "" when it could not be found out
	Stage   string     `json:"stage"`
	Words   string     `json:"words"` // where the money is, and what comes next
	Due     *time.Time `json:"due,omitempty"`
	// Where and Call are what anybody can send on the other chain to bring it further.
	Where string `json:"where,omitempty"`
	Call  string `json:"call,omitempty"`
}

// UnknownStage is that of a passage about which the chains could not be asked.
const UnknownStage = "not known"

// Underway asks both chains where everything is that has left over a bridge and is not known to have arrived.
func (e *Exits) Underway(ctx context.Context) ([]Passage, error) {
	crossings, err := exit.Crossings(e.dir)
	if err != nil {
		return nil, err
	}
	var all []Passage
	for _, x := range crossings {
		all = append(all, e.underway(ctx, x)...)
	}
	return all, nil
}

func (e *Exits) underway(ctx context.Context, x exit.Crossing) (all []Passage) {
	ctx, cancel := context.WithTimeout(ctx, outlookMax)
	defer cancel()
	p := Passage{What: x.Order.Told() + ", from " + x.Order.Chain + " to " + x.Order.Beyond.Chain, Left: x.At, Tx: x.Tx.Hex()}
	stands, err := e.Worker().Passages(ctx, x.Order, x.Tx)
	if err != nil {
		p.Stage, p.Words = UnknownStage, e.scrub(err.Error())
		return []Passage{p}
	}
	for _, s := range stands {
		one := p
		one.Message, one.Stage, one.Words = s.Hash.Hex(), string(s.Stage), s.Words
		if !s.Due.IsZero() {
			due := s.Due
			one.Due = &due
		}
		if len(s.Call) > 0 {
			one.Where, one.Call = s.Where.Hex(), hexutil.Encode(s.Call)
		}
		all = append(all, one)
	}
	return all
}
