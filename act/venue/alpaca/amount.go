package alpaca

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/shopspring/decimal"
)

// Amount is money or a quantity with every digit that the venue sent. Said is false where it sent null, "" or nothing.
type Amount struct {
	decimal.Decimal
	Said bool
}

// What no amount of money or shares needs. A number beyond could be written in few bytes and not be computed with.
const (
	amountMax = 64 // characters
	digitsMax = 40 // before or after the point
)

var errAmount = errors.New("an amount is no number that money could be")

// UnmarshalJSON reads "12.50" and 12.50 alike, never through binary fractions.
func (a *Amount) UnmarshalJSON(text []byte) error {
	*a = Amount{}
	text = bytes.Trim(text, `"`)
	switch {
	case len(text) == 0 || string(text) == "null":
		return nil
	case len(text) > amountMax:
		return errAmount
	}
	value, err := decimal.NewFromString(string(text))
	if err != nil || value.Exponent() > digitsMax || value.Exponent() < -digitsMax {
		return errAmount
	}
	*a = Amount{value, true}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (a Amount) MarshalJSON() ([]byte, error) {
	if !a.Said {
		return []byte("null"), nil
	}
	return []byte(strconv.Quote(a.Decimal.String())), nil
}

// number is a status that the documents call a string and the servers send as a number.
type number int

func (n *number) UnmarshalJSON(text []byte) error {
	var value int
	if err := json.Unmarshal(bytes.Trim(text, `"`), &value); err != nil {
		return err
	}
	*n = number(value)
	return nil
}

// written is a decimal as it goes out: all digits, no exponent; "" for zero, which means absent.
func written(d decimal.Decimal) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}
