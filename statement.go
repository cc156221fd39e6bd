package lifeboat

import (
	"time"

	"github.com/shopspring/decimal"
)

// Statement is what a custodian says of one account at one time: evidence that the book is held against, and what is
// looked at before an order goes there. It does not move the book; [Restated] does.
type Statement struct {
	Account string    `json:"account"`
	Source  string    `json:"source"`           // the venue, or the file that it was read from
	At      time.Time `json:"at"`               // when it was true there
	Height  uint64    `json:"height,omitempty"` // of the block of a chain that it was true at; 0 at a venue
	// Lines are all that the account holds, cash under its currency. What no line names is not held.
	Lines []StatementLine `json:"lines"`
	// Placed says where the orders under lifeboat's keys that were open, or ended within the last minutes, stood when the
	// lines were true, so that no fill is counted in both.
	Placed []Receipt `json:"placed,omitempty"`
	// Foreign are open orders that lifeboat did not place.
	Foreign []ForeignOrder `json:"foreign,omitempty"`
	// BuyingPower is what purchases may cost; nil where the venue does not say.
	BuyingPower *decimal.Decimal `json:"buying_power,omitempty"`
	// Market of the venue, by its own clock; nil where it never closes or does not say.
	Market *MarketClock `json:"market,omitempty"`
	// Barred are symbols that cannot be traded there now, and why: halted, inactive, suspended.
	Barred map[string]string `json:"barred,omitempty"`
	// Blocked says why the account as a whole may not trade; "" when it may.
	Blocked string `json:"blocked,omitempty"`
	// RequestsLeft in the running minute, as the venue counts them; nil where it does not say.
	RequestsLeft *int `json:"requests_left,omitempty"`
}

// StatementLine is one asset of an account.
type StatementLine struct {
	Symbol   string          `json:"symbol"` // as the plan calls it
	Name     string          `json:"name,omitempty"`
	Quantity decimal.Decimal `json:"quantity"`           // negative for what is owed
	Free     decimal.Decimal `json:"free"`               // what no open order and no lock-up claims
	Price    decimal.Decimal `json:"price,omitzero"`     // the custodian's own
	Value    decimal.Decimal `json:"value,omitzero"`     // in Currency
	Cost     decimal.Decimal `json:"cost,omitzero"`      // what was paid in all, where it is known
	Currency string          `json:"currency,omitempty"` // of price, value and cost; the base currency when absent
	// Accrues says that the quantity moves by itself, a little all the time: what is lent or owed at interest, a token that is
	// rebased. It is never the same number twice, and is compared by Says, Alike and Grew.
	Accrues bool `json:"accrues,omitempty"`
	// Share is a digest of what the account has in a trading pool, of which the quantity, which may be nothing, is what that would pay out
	// now. Each trade of anybody's makes it another quantity, and none makes it another share. "" for what is in no pool.
	Share string `json:"share,omitempty"`
}

// ForeignOrder is open at a venue and not lifeboat's.
type ForeignOrder struct {
	Symbol   string          `json:"symbol"`
	Side     Side            `json:"side"`
	Quantity decimal.Decimal `json:"quantity"` // what may still fill
	Limit    decimal.Decimal `json:"limit,omitzero"`
}

// MarketClock is a venue's own word on its hours.
type MarketClock struct {
	Open  bool      `json:"open"`
	Turns time.Time `json:"turns,omitzero"` // the next opening, or the next close while open
}

// Line of a symbol; false when the account does not hold it.
func (s *Statement) Line(symbol string) (StatementLine, bool) {
	for _, l := range s.Lines {
		if l.Symbol == symbol {
			return l, true
		}
	}
	return StatementLine{}, false
}

// Restated moves the book of one account to what its custodian said more than once. Positions are all that it holds.
type Restated struct {
	Account   string     `json:"account"`
	Source    string     `json:"source"`
	At        time.Time  `json:"at"` // of the statement
	Positions []Position `json:"positions"`
	// Placed are the receipts that the positions include already.
	Placed []Receipt `json:"placed,omitempty"`
	Why    string    `json:"why"` // what differed, in a sentence
}
