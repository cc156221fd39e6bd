package venue

import (
	"log/slog"
	"net/http"

	"lifeboat"
)

// Connection is what a connector needs to speak for one account at a real venue. The constructor of each connector takes
// one and returns a [Venue] that is a [Stater] too.
type Connection struct {
	Account  string // as the plan calls it; receipts carry this name
	Currency string // the base currency
	URL      string // base address; the connector's own for real trading when empty
	DataURL  string // of market data, where that is another
	Login    string // the venue's number of the account, where one login has several
	Key      string // the values that the plan's references stand for; never logged
	Secret   string
	// Symbols are the venue's names of what the plan calls otherwise, :: plan's symbol → venue's.
	Symbols   map[string]string
	PerMinute int // requests that the venue allows in a minute; the connector's usual figure when 0
	// Fractional reports that the plan permits parts of a unit of a symbol.
	Fractional func(symbol string) bool
	Client     *http.Client // with the roots that a gateway's certificate needs; a plain one when nil
	Clock      lifeboat.Clock
	Log        *slog.Logger
	Scrub      func(string) string // takes keys out of texts
}

// Theirs is the venue's name of a symbol of the plan.
func (c *Connection) Theirs(symbol string) string {
	if theirs := c.Symbols[symbol]; theirs != "" {
		return theirs
	}
	return symbol
}

// Ours is the plan's name of a symbol of the venue.
func (c *Connection) Ours(symbol string) string {
	for ours, theirs := range c.Symbols {
		if theirs == symbol {
			return ours
		}
	}
	return symbol
}
