package statement

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// Coinbase's account statement lists what moved, with the balance after it. The last balance of each unit is what is
// held; what did not move within the time of the report is not in it.

func isCoinbase(w row) bool {
	h := headerOf(w)
	return h.has("balance") && h.has("amount/balance unit") && h.has("time") && h.has("amount")
}

// A movement of one unit.
type movement struct {
	row
	at              time.Time
	amount, balance decimal.Decimal
}

func readCoinbase(r *reading, at int) {
	head := r.table[at]
	h := headerOf(head)
	portfolio, when, amount, balance, unit := h.column("portfolio"), h.column("time"), h.column("amount"), h.column("balance"), h.column("amount/balance unit")
	moves := map[[2]string][]movement{} // :: portfolio, unit → its movements
	var units [][2]string
	for _, w := range r.table[at+1:] {
		if w.filled() == 0 || !r.fits(w, head) {
			continue
		}
		m := movement{row: w}
		var timed, moved, left bool
		m.at, timed = parseTime(w.cell(when), time.UTC)
		m.amount, moved = r.amount(w, amount, "amount", false)
		m.balance, left = r.amount(w, balance, "balance", false)
		if !timed || !moved || !left || w.cell(unit) == "" {
			r.fault(w.line, "this row lacks a time, an amount, a balance or a unit")
			continue
		}
		key := [2]string{w.cell(portfolio), strings.ToUpper(w.cell(unit))}
		if moves[key] == nil {
			units = append(units, key)
		}
		moves[key] = append(moves[key], m)
	}
	for _, key := range units {
		r.lastBalance(key, moves[key])
	}
}

// lastBalance takes the balance after the last movement, once every balance follows from the one before: a missing row
// would otherwise pass unseen.
func (r *reading) lastBalance(key [2]string, moves []movement) {
	if moves[0].at.After(moves[len(moves)-1].at) {
		slices.Reverse(moves)
	}
	slices.SortStableFunc(moves, func(a, b movement) int { return a.at.Compare(b.at) })
	for i := 1; i < len(moves); i++ {
		if before := moves[i-1]; !before.balance.Add(moves[i].amount).Equal(moves[i].balance) {
			r.fault(moves[i].line, fmt.Sprintf("the balance %s %s does not follow from %s on line %d; a row is missing", moves[i].balance, key[1], before.balance, before.line))
			return
		}
	}
	last := moves[len(moves)-1]
	e := r.export(key[0], "")
	e.Partial = "it lists what moved, and what did not move in its time is not in it"
	if last.at.After(e.At) {
		e.At = last.at
	}
	e.entries = append(e.entries, entry{at: last.line, StatementLine: lifeboat.StatementLine{Symbol: key[1], Quantity: last.balance, Free: last.balance, Currency: r.Currency}})
}

func isCoinbaseHistory(w row) bool {
	h := headerOf(w)
	return h.has("Timestamp") && h.has("Transaction Type") && h.has("Asset") && h.has("Quantity Transacted")
}

func refuseCoinbaseHistory() string {
	return "is Coinbase's transaction history, which lists transactions and no balances: what is held does not follow from it; " +
		"export the account statement with balances, or connect the account with venue: coinbase"
}

// Binance's spot balances: one row a coin, no time.

func isBinance(w row) bool {
	h := headerOf(w)
	return h.has("Coin") && h.has("Total", "Total balance") && h.has("Available", "Available balance")
}

func readBinance(r *reading, at int) {
	head := r.table[at]
	h := headerOf(head)
	c := columns{symbol: h.column("Coin"), name: h.column("Name", "Coin name"), quantity: h.column("Total", "Total balance"),
		free: h.column("Available", "Available balance"), price: -1, value: -1, cost: -1, currency: -1}
	e := r.export("", "Binance spot")
	for _, w := range r.table[at+1:] {
		if w.filled() == 0 || !r.fits(w, head) {
			continue
		}
		in, ok := r.entry(w, c)
		if !ok {
			continue
		}
		if in.Free.GreaterThan(in.Quantity) {
			r.fault(w.line, fmt.Sprintf("more %s is available than there is", cmp.Or(in.Symbol, "of it")))
			continue
		}
		e.entries = append(e.entries, in)
	}
}
