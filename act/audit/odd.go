package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// A move is what an act of lifeboat's own did to an account, and whose doing it was.
type move struct {
	lifeboat.Move
	by string
}

// odd is what of one symbol nothing explains: how much has gone, and how much has come. The two are not set off against each other,
// because what comes must not cover what was taken.
type odd struct {
	gone, came side
	since      time.Time // of what has gone and is not told yet
	from, to   string    // the share of a pool in the book before, and in the statement that brought it
}

// A side counts upwards, whichever way it went.
type side struct {
	untold decimal.Decimal
	told   decimal.Decimal // and may still be explained
}

// take as much of an amount as there is, of what was not told first.
func (s *side) take(amount decimal.Decimal) (left, wasTold decimal.Decimal) {
	part := decimal.Min(s.untold, amount)
	wasTold = decimal.Min(s.told, amount.Sub(part))
	s.untold, s.told = s.untold.Sub(part), s.told.Sub(wasTold)
	return amount.Sub(part).Sub(wasTold), wasTold
}

// A rest is a difference and how much of it nothing explains.
type rest struct {
	difference
	amount decimal.Decimal // below zero for what has gone
}

// settle takes the differences over into the book, and says what nothing explains of them. What is explained is forgotten.
func (k *account) settle(at time.Time) (rests []rest) {
	for _, d := range k.differ {
		left := k.unexplained(d, at)
		if strange := d.own.IsZero() && d.there.Quantity.Equal(d.book) && !k.byItself(d, at); strange || !left.IsZero() {
			rests = append(rests, rest{d, left}) // another share of a pool is strange, though it is worth the same
		}
	}
	k.reach(k.statement.Height)
	return rests
}

// unexplained is what is left of a difference once what lifeboat's own acts have moved is taken off it: what the statement has to show,
// and what shows some time. What an act has moved and the statement does not show may have been told before, as nobody's.
func (k *account) unexplained(d difference, at time.Time) decimal.Decimal {
	if k.shared(d) || d.own.IsZero() && k.byItself(d, at) || !d.own.IsZero() && d.there.Unexplained(d.book, d.own).IsZero() {
		return decimal.Zero
	}
	change, own := d.there.Quantity.Sub(d.book), d.own
	if change.Sign() == own.Sign() {
		both := decimal.Min(change.Abs(), own.Abs()).Mul(decimal.NewFromInt(int64(change.Sign())))
		change, own = change.Sub(both), own.Sub(both)
	}
	if !own.IsZero() {
		change = change.Sub(k.explain(d.symbol, own, strings.Join(d.by, " and ")))
	}
	return k.arrive(d.symbol, change)
}

// arrive takes off a change what was to show some time. A withdrawal comes whole: what is less is something else.
func (k *account) arrive(symbol string, change decimal.Decimal) decimal.Decimal {
	k.coming = slices.DeleteFunc(k.coming, func(m move) bool {
		if m.Symbol != symbol || m.Quantity.Sign() != change.Sign() || m.Quantity.Abs().GreaterThan(change.Abs()) {
			return false
		}
		change = change.Sub(m.Quantity)
		return true
	})
	return change
}

// expect that something shows some time, unless it has already, or what was expected is taken back.
func (k *account) expect(at time.Time, m move) {
	if m.Quantity = k.explain(m.Symbol, m.Quantity, m.by); m.Quantity.IsZero() {
		return
	}
	if i := slices.IndexFunc(k.coming, func(c move) bool { return c.Symbol == m.Symbol && c.Quantity.Equal(m.Quantity.Neg()) }); i >= 0 {
		k.coming = slices.Delete(k.coming, i, i+1)
		return
	}
	k.coming = append(k.coming[max(0, len(k.coming)-movesMax+1):], m)
}

// explain what was nobody's doing until now by a move, and give back what it explains nothing of.
func (k *account) explain(symbol string, quantity decimal.Decimal, by string) (left decimal.Decimal) {
	o := k.odd[symbol]
	if o == nil {
		return quantity
	}
	from, word := &o.came, "came"
	if quantity.IsNegative() {
		from, word = &o.gone, "went"
	}
	left, told := from.take(quantity.Abs())
	if told.IsPositive() && len(k.notes) < notesMax {
		k.notes = append(k.notes, fmt.Sprintf("%s %s %s, as %s said", told, symbol, word, by))
	}
	if k.trifle(symbol, from.untold.Neg(), quantity.Abs()) {
		from.untold = decimal.Zero
	}
	if k.trifle(symbol, left, quantity.Abs()) {
		return decimal.Zero
	}
	return left.Mul(decimal.NewFromInt(int64(quantity.Sign())))
}

// trifle says that a remainder of what was moved is interest, or the difference between two looks at it.
func (k *account) trifle(symbol string, left, of decimal.Decimal) bool {
	return lifeboat.StatementLine{Quantity: of.Add(left), Accrues: k.accrues[symbol]}.Unexplained(of, decimal.Zero).IsZero()
}

// reach a height: what was moved up to there is in the book.
func (k *account) reach(height uint64) {
	k.height = max(k.height, height)
	k.own = slices.DeleteFunc(k.own, func(m move) bool { return m.Height <= k.height })
}

// ownOf a symbol, up to a height, and whose it was.
func (k *account) ownOf(symbol string, height uint64) (sum decimal.Decimal, by []string) {
	for _, m := range k.own {
		if m.Symbol == symbol && m.Height <= height {
			sum, by = sum.Add(m.Quantity), append(by, m.by)
		}
	}
	slices.Sort(by)
	return sum, slices.Compact(by)
}

// add to what nothing explains.
func (k *account) add(at time.Time, symbol string, amount decimal.Decimal) {
	if amount.IsZero() {
		return
	}
	if k.odd == nil {
		k.odd = map[string]*odd{}
	}
	o := k.odd[symbol]
	if o == nil {
		o = &odd{}
		k.odd[symbol] = o
	}
	if amount.IsPositive() {
		o.came.untold = o.came.untold.Add(amount)
		return
	}
	if o.gone.untold.IsZero() {
		o.since = at
	}
	o.gone.untold = o.gone.untold.Sub(amount)
}

// A sum of a symbol that nothing explains, below zero for what has gone.
type sum struct {
	symbol string
	amount decimal.Decimal
}

// due to be told is all, unless an act of lifeboat's own may explain it: then what has gone waits for a while, and what has come, which
// is no reason for haste, as long as the act takes.
func (k *account) due(at time.Time, busy bool) (all []sum) {
	for _, symbol := range slices.Sorted(maps.Keys(k.odd)) {
		o := k.odd[symbol]
		if gone := o.gone.untold; gone.IsPositive() && (!busy || !at.Before(o.since.Add(k.patience))) {
			all = append(all, sum{symbol, gone.Neg()})
		}
		if o.came.untold.IsPositive() && !busy {
			all = append(all, sum{symbol, o.came.untold})
		}
	}
	return all
}

// tell notes that sums were told.
func (k *account) tell(all []sum) {
	for _, s := range all {
		o := k.odd[s.symbol]
		if o == nil {
			continue
		}
		from := &o.came
		if s.amount.IsNegative() {
			from = &o.gone
		}
		part := decimal.Min(from.untold, s.amount.Abs())
		from.untold, from.told = from.untold.Sub(part), from.told.Add(part)
	}
}

// close forgets what was told: no act is under way any more that could explain it.
func (k *account) close() {
	maps.DeleteFunc(k.odd, func(_ string, o *odd) bool {
		o.gone.told, o.came.told = decimal.Zero, decimal.Zero
		return o.gone.untold.IsZero() && o.came.untold.IsZero()
	})
}

// copy for a look ahead.
func (k *account) copy() *account {
	c := *k
	c.odd, c.own, c.coming, c.notes = map[string]*odd{}, slices.Clone(k.own), slices.Clone(k.coming), slices.Clone(k.notes)
	for symbol, o := range k.odd {
		one := *o
		c.odd[symbol] = &one
	}
	return &c
}

// strange is the key of the next message of what nothing explains, and cleared of what was explained after it was told.
func (k *account) strange() lifeboat.Key { return lifeboat.NewKey("unexplained", k.name, k.words) }
func (k *account) cleared() lifeboat.Key { return lifeboat.NewKey("explained", k.name, k.words) }

// restated is the key of the message that the book follows a statement.
func (k *account) restated() lifeboat.Key {
	return lifeboat.NewKey("restated", k.name, k.statement.At.UnixNano())
}

// wrote notes that a message was written, or that it must not be.
func (k *account) wrote(at time.Time, key lifeboat.Key, busy bool) {
	switch key {
	case k.silence(k.name):
		k.told = k.told || k.venue != ""
	case k.restated():
		k.tell(k.fresh)
	case k.strange():
		k.tell(k.due(at, busy))
		k.words++
	case k.cleared():
		k.notes = nil
		k.words++
	default:
		return
	}
	if !busy {
		k.close()
	}
}

// sums in words.
func sums(all []sum) string {
	var words []string
	for _, s := range all {
		words = append(words, fmt.Sprintf("%s %s %s", s.amount.Abs(), s.symbol, went(s.amount)))
	}
	return list(words)
}

func went(amount decimal.Decimal) string {
	if amount.IsNegative() {
		return "went"
	}
	return "came"
}

// words of what nothing explains of a difference, beside what something does.
func (r rest) words() string {
	whole := r.difference.words()
	own := r.there.Quantity.Sub(r.book).Sub(r.amount)
	if own.IsZero() {
		return whole
	}
	by := "lifeboat's own acts"
	if len(r.by) > 0 {
		by = strings.Join(r.by, " and ")
	}
	return fmt.Sprintf("%s: %s %s by %s, and %s %s otherwise", whole, own.Abs(), went(own), by, r.amount.Abs(), went(r.amount))
}
