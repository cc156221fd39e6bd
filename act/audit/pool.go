package audit

import (
	"fmt"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// pooled is a share of a trading pool and what it was in the book when the two were last brought together.
type pooled struct {
	share    string
	quantity decimal.Decimal
}

// traded says that the trades of others alone made the difference: the share is the one that the book was brought to, and nobody has
// moved the book since.
func (k *account) traded(d difference) bool {
	p, known := k.pools[d.symbol]
	return known && d.there.Share == p.share && d.book.Equal(p.quantity)
}

// sameShare says that a line is of the share that the book was brought to; of a share that is seen for the first time nothing is known.
func (k *account) sameShare(symbol string, l lifeboat.StatementLine) bool {
	p, known := k.pools[symbol]
	return !known || p.share == l.Share
}

// shared says that lifeboat's own acts alone changed the share: one began with the book's, each next one with what that had left, and the
// last left the one that is there. Then trades of others made whatever of the difference the acts did not move.
func (k *account) shared(d difference) bool {
	p, known := k.pools[d.symbol]
	share := p.share
	for _, m := range k.own {
		if m.Symbol == d.symbol && m.Height <= k.statement.Height && m.From == share {
			share = m.Share
		}
	}
	return known && !d.own.IsZero() && share == d.there.Share && share != p.share
}

// swept takes back what nobody seemed to have done to a share, when an act says that it left just this one of the one before.
func (k *account) swept(m move) bool {
	o := k.odd[m.Symbol]
	if o == nil || o.from == "" || m.From != o.from || m.Share != o.to {
		return false
	}
	told := o.gone.told.Sub(o.came.told)
	if !told.IsZero() && len(k.notes) < notesMax {
		k.notes = append(k.notes, fmt.Sprintf("%s %s %s, as %s said", told.Abs(), m.Symbol, went(told.Neg()), m.by))
	}
	delete(k.odd, m.Symbol)
	return true
}

// meet takes a share that was not known for the book's, where both say the same quantity. It stays the book's until the book follows, so
// that small portions taken of it are told when the book has to.
func (k *account) meet(l lifeboat.StatementLine, book decimal.Decimal) {
	if _, known := k.pools[l.Symbol]; !known && l.Share != "" && l.Says(book) {
		k.hold(l.Symbol, pooled{l.Share, book})
	}
}

// bring notes the shares that the book has followed to.
func (k *account) bring() {
	k.pools = nil
	for _, l := range k.statement.Lines {
		if l.Share != "" {
			k.hold(l.Symbol, pooled{l.Share, l.Quantity})
		}
	}
}

func (k *account) hold(symbol string, p pooled) {
	if k.pools == nil {
		k.pools = map[string]pooled{}
	}
	k.pools[symbol] = p
}
