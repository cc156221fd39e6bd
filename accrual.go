package lifeboat

import "github.com/shopspring/decimal"

// A loan with its interest is another number in every block, and what somebody took is another number too. These two limits tell
// them apart, here and nowhere else. Of a share of a trading pool only the first is used: whose doing a difference is, the share says.
var (
	// accrualNoise is how far apart two amounts of what accrues may lie, as a share of the larger, and still be the same one. What is
	// taken in smaller portions adds up: the book stays where it is until the limit is passed.
	accrualNoise = decimal.New(1, -3)
	// accrualMax is how much larger than before, as a share of it, an amount may be and pass for what interest added: a week at half
	// as much again in a year, three months at four per cent.
	accrualMax = decimal.New(1, -2)
)

// Says reports that the line says this quantity: to the last digit, or, of what accrues or is in a pool, as nearly as two looks at it can.
func (l StatementLine) Says(quantity decimal.Decimal) bool { return l.near(l.Quantity, quantity) }

// Alike reports that both lines say the same of the same asset. Prices and values do not count: they move all the time.
func (l StatementLine) Alike(other StatementLine) bool {
	return l.Symbol == other.Symbol && l.Accrues == other.Accrues && l.Share == other.Share && l.Says(other.Quantity) && l.near(l.Free, other.Free)
}

func (l StatementLine) near(a, b decimal.Decimal) bool {
	if !l.Accrues && l.Share == "" {
		return a.Equal(b)
	}
	return a.Sub(b).Abs().LessThanOrEqual(accrualNoise.Mul(decimal.Max(a.Abs(), b.Abs())))
}

// Grew reports that the line says what the quantity may have become by itself: of what accrues, up to one per cent more, owned or
// owed. What shrank, or grew faster, was somebody.
func (l StatementLine) Grew(from decimal.Decimal) bool {
	more := l.Quantity.Abs().Sub(from.Abs())
	return l.Accrues && l.Quantity.Sign() == from.Sign() && more.IsPositive() && more.LessThanOrEqual(accrualMax.Mul(from.Abs()))
}

// Unexplained is what is left of a change once the moves of lifeboat's own are taken off it: from what the book had to what the line
// says. Of what accrues, interest and the difference between two looks at it are nothing.
func (l StatementLine) Unexplained(book, own decimal.Decimal) decimal.Decimal {
	left := l.Quantity.Sub(book).Sub(own)
	largest := decimal.Max(l.Quantity.Abs(), book.Abs(), own.Abs())
	limit := accrualNoise
	if left.Sign() == book.Sign() {
		limit = accrualMax
	}
	if l.Accrues && left.Abs().LessThanOrEqual(limit.Mul(largest)) {
		return decimal.Zero
	}
	return left
}
