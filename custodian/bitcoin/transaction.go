package bitcoin

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// transaction is one that has been confirmed, as far as it matters to an account.
type transaction struct {
	hash    string
	at      time.Time
	inputs  []coin // what it spends
	outputs []coin
}

// coin is an output of a transaction.
type coin struct {
	script, address string // address is "" where the script has none
	value           decimal.Decimal
}

// change that the transaction makes to what an account holds.
func (t transaction) change(w wallet) decimal.Decimal {
	sum := decimal.Zero
	for _, c := range t.outputs {
		if w.scripts[c.script] {
			sum = sum.Add(c.value)
		}
	}
	for _, c := range t.inputs {
		if w.scripts[c.script] {
			sum = sum.Sub(c.value)
		}
	}
	return sum
}

// counterpart is the one address on the other side; "" where there are several, or none.
func (t transaction) counterpart(w wallet, out bool) string {
	side := t.inputs
	if out {
		side = t.outputs
	}
	one := ""
	for _, c := range side {
		switch {
		case w.scripts[c.script] || c.address == one || c.value.IsZero(): // an output of nothing carries a note
		case one != "" || c.address == "":
			return ""
		default:
			one = c.address
		}
	}
	return one
}

// supply is more than there will ever be.
var supply = decimal.NewFromInt(21_000_000)

const digits = 8 // of a bitcoin

var errAmount = errors.New("it names an amount that is none of Bitcoin")

// satoshi reads an amount in whole satoshi.
func satoshi(n json.Number) (decimal.Decimal, error) {
	if text := string(n); text == "" || len(text) > 16 || strings.Trim(text, "0123456789") != "" {
		return decimal.Zero, errAmount
	}
	d, err := decimal.NewFromString(string(n))
	if err != nil {
		return decimal.Zero, errAmount
	}
	return d.Shift(-digits), nil
}

// bitcoins reads an amount in bitcoins with no more than eight digits, which btcd may write as 1e-08.
func bitcoins(n json.Number) (decimal.Decimal, error) {
	if n == "" || len(n) > 24 {
		return decimal.Zero, errAmount
	}
	d, err := decimal.NewFromString(string(n))
	if err != nil || d.Exponent() < -20 || d.Exponent() > digits || d.IsNegative() || !d.Equal(d.Truncate(digits)) || d.GreaterThan(supply) {
		return decimal.Zero, errAmount
	}
	return d, nil
}

// hash reports whether a text is the hash of a block or a transaction.
func isHash(text string) bool {
	return len(text) == 64 && strings.Trim(text, "0123456789abcdef") == ""
}
