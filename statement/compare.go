package statement

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/prose"
)

// Finding says how register and custodian stand on one symbol.
type Finding string

const (
	Same         Finding = "same"             // of what accrues, as nearly as two looks at it can be the same
	Interest     Finding = "interest"         // the custodian has more, or is owed more, by what interest may have added
	Differs      Finding = "differs"          // both hold it, in other quantities
	Unregistered Finding = "not in register"  // the custodian holds it and the register does not
	Missing      Finding = "not at custodian" // the register holds it and the custodian does not
)

// Difference is one symbol, on both sides.
type Difference struct {
	Symbol    string          `json:"symbol"`
	Name      string          `json:"name,omitempty"`
	Finding   Finding         `json:"finding"`
	Register  decimal.Decimal `json:"register"`
	Custodian decimal.Decimal `json:"custodian"`
	Price     decimal.Decimal `json:"price,omitzero"`     // the custodian's
	Value     decimal.Decimal `json:"value,omitzero"`     // the custodian's, of all of it
	Currency  string          `json:"currency,omitempty"` // of price and value
}

// Differences is one account, register against custodian.
type Differences struct {
	Account string       `json:"account"`
	Source  string       `json:"source"`
	At      time.Time    `json:"at"` // of the statement
	Lines   []Difference `json:"lines"`
}

// Compare holds what the register says of the statement's account against the statement, to the last digit but for what accrues.
// Symbols that neither holds any of are left out: the register names with 0 what a playbook may buy.
func Compare(register []lifeboat.Position, s lifeboat.Statement) Differences {
	d := Differences{Account: s.Account, Source: s.Source, At: s.At, Lines: []Difference{}}
	var symbols []string
	registered, stated := map[string]decimal.Decimal{}, map[string]lifeboat.StatementLine{}
	for _, p := range register {
		if p.Account == s.Account {
			symbols = append(symbols, p.Symbol)
			registered[p.Symbol] = registered[p.Symbol].Add(p.Quantity)
		}
	}
	for _, l := range s.Lines {
		symbols = append(symbols, l.Symbol)
		if before, twice := stated[l.Symbol]; twice {
			l = together(before, l)
		}
		stated[l.Symbol] = l
	}
	slices.Sort(symbols)
	for _, symbol := range slices.Compact(symbols) {
		have, said := registered[symbol], stated[symbol]
		if have.IsZero() && said.Quantity.IsZero() {
			continue
		}
		_, known := registered[symbol]
		d.Lines = append(d.Lines, Difference{Symbol: symbol, Name: said.Name, Finding: find(have, said, known), Register: have,
			Custodian: said.Quantity, Price: said.Price, Value: said.Value, Currency: said.Currency})
	}
	return d
}

func find(have decimal.Decimal, said lifeboat.StatementLine, registered bool) Finding {
	switch {
	case said.Says(have):
		return Same
	case said.Grew(have):
		return Interest
	case said.Quantity.IsZero():
		return Missing
	case !registered:
		return Unregistered
	}
	return Differs
}

// Agree reports that nothing differs, but for interest.
func (d Differences) Agree() bool { return d.Count(Same)+d.Count(Interest) == len(d.Lines) }

// Count the lines of a finding.
func (d Differences) Count(f Finding) int {
	n := 0
	for _, l := range d.Lines {
		if l.Finding == f {
			n++
		}
	}
	return n
}

// Summary is the differences in a clause: 3 same, 1 differs.
func (d Differences) Summary() string {
	var parts []string
	for _, f := range []Finding{Same, Interest, Differs, Unregistered, Missing} {
		if n := d.Count(f); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, f))
		}
	}
	if len(parts) == 0 {
		return "nothing is held on either side"
	}
	return strings.Join(parts, ", ")
}

// Report is the differences as a table for people.
func (d Differences) Report() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if len(d.Lines) > 0 {
		fmt.Fprintln(table, "  SYMBOL\tREGISTER\tCUSTODIAN\tCHANGE\tVALUE\tFINDING")
	}
	for _, l := range d.Lines {
		change, value := "", "unknown"
		if l.Finding != Same {
			change = l.Custodian.Sub(l.Register).String()
			if !strings.HasPrefix(change, "-") {
				change = "+" + change
			}
		}
		if !l.Value.IsZero() {
			value = prose.Grouped(l.Value.String()) + prose.After(" ", l.Currency)
		} else if l.Custodian.IsZero() {
			value = ""
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\n", prose.OneLine(l.Symbol), l.Register, l.Custodian, change, value, l.Finding)
	}
	_ = table.Flush() // to memory
	return b.String() + d.Summary() + "\n"
}
