package lifeboat

import (
	"encoding/json"
	"maps"

	"github.com/shopspring/decimal"
)

// A Move is by how much an act of lifeboat's own changed what an account holds, as the chain or the venue said after it. It does not
// move the book, which follows the custodian; it says of a difference whose doing that was.
type Move struct {
	Account  string          `json:"account"`
	Symbol   string          `json:"symbol"`
	Quantity decimal.Decimal `json:"quantity"` // below zero for what went
	// Height of the block that it is in: a statement of that block or a later one shows it. 0 is for what shows some time: at a venue,
	// and where something is still on its way.
	Height uint64 `json:"height,omitempty"`
	// From and Share are the share of a trading pool before and after ([StatementLine.Share]), where the account has one.
	From  string `json:"from,omitempty"`
	Share string `json:"share,omitempty"`
}

// Same reports that both are the same move.
func (m Move) Same(other Move) bool {
	return m.Account == other.Account && m.Symbol == other.Symbol && m.Height == other.Height && m.Quantity.Equal(other.Quantity)
}

// factMoved is the fact of a task's receipt under which its moves stand. Facts are what a task's note keeps over a crash.
const factMoved = "moved"

// WithMoves adds what was moved to the facts of a task.
func WithMoves(facts map[string]string, moves []Move) map[string]string {
	if len(moves) == 0 {
		return facts
	}
	text, err := json.Marshal(moves)
	if err != nil {
		panic(err) // its types always marshal
	}
	all := maps.Clone(facts)
	if all == nil {
		all = map[string]string{}
	}
	all[factMoved] = string(text)
	return all
}

// Moved is what a task has moved so far. What cannot be read explains nothing.
func (r Receipt) Moved() []Move { return MovesOf(r.Facts) }

// MovesOf the facts of a task.
func MovesOf(facts map[string]string) (moves []Move) {
	if json.Unmarshal([]byte(facts[factMoved]), &moves) != nil {
		return nil
	}
	return moves
}
