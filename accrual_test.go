package lifeboat

import (
	"testing"

	"github.com/shopspring/decimal"
)

func TestWhatAccruesIsTheSameWithinATenthOfAPerCent(t *testing.T) {
	for _, c := range []struct {
		accrues     bool
		there, book string
		says, grew  bool
	}{
		{false, "10", "10", true, false},
		{false, "10", "10.000000000000000001", false, false},
		{true, "10", "10", true, false},
		{true, "10.01", "10", true, true},
		{true, "10.0101", "10", false, true},
		{true, "10.1", "10", false, true},
		{true, "10.100001", "10", false, false},
		{true, "9.99", "10", true, false},
		{true, "9.98", "10", false, false},
		{true, "-12100", "-12000", false, true}, // a debt with its interest
		{true, "-12121", "-12000", false, false},
		{true, "-11900", "-12000", false, false},
		{true, "-10.001", "10", false, false},
		{true, "0.001", "0", false, false},
		{true, "0", "0.001", false, false},
		{true, "0", "0", true, false},
	} {
		l := StatementLine{Symbol: "WETH", Quantity: decimal.RequireFromString(c.there), Accrues: c.accrues}
		if book := decimal.RequireFromString(c.book); l.Says(book) != c.says || l.Grew(book) != c.grew {
			t.Errorf("%s where the book has %s (accrues: %t): says %t, grew %t", c.there, c.book, c.accrues, l.Says(book), l.Grew(book))
		}
	}
}

func TestLinesAlike(t *testing.T) {
	n := decimal.RequireFromString
	line := StatementLine{Symbol: "WETH", Quantity: n("10"), Free: n("4"), Accrues: true}
	for what, other := range map[string]StatementLine{
		"yes: a minute of interest": {Symbol: "WETH", Quantity: n("10.000001"), Free: n("4.000001"), Accrues: true, Price: n("2000")},
		"no: another asset":         {Symbol: "USDC", Quantity: n("10"), Free: n("4"), Accrues: true},
		"no: one is exact":          {Symbol: "WETH", Quantity: n("10"), Free: n("4")},
		"no: less can be withdrawn": {Symbol: "WETH", Quantity: n("10"), Free: n("3.9"), Accrues: true},
		"no: there is less":         {Symbol: "WETH", Quantity: n("9.9"), Free: n("4"), Accrues: true},
	} {
		if got := line.Alike(other); got != (what[:3] == "yes") || got != other.Alike(line) {
			t.Errorf("%s, and it says %t", what, got)
		}
	}
}
