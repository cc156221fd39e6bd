package statement

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// Fidelity: one header, rows of all accounts, a blank line, paragraphs, and when it was downloaded.

func isFidelity(w row) bool {
	h := headerOf(w)
	return h.has("Account Number", "Account Name/Number") && h.has("Symbol") && h.has("Quantity") && h.has("Current Value")
}

var downloaded = regexp.MustCompile(`(?i)date downloaded:?\s+(.+)`)

func readFidelity(r *reading, at int) {
	head := r.table[at]
	h := headerOf(head)
	number, name := h.column("Account Number", "Account Name/Number"), h.column("Account Name")
	c := columns{symbol: h.column("Symbol"), name: h.column("Description"), quantity: h.column("Quantity"), free: -1, price: h.column("Last Price"),
		value: h.column("Current Value"), cost: h.column("Cost Basis Total"), currency: -1}
	ended := false
	for _, w := range r.table[at+1:] {
		switch {
		case w.isProse():
			ended = ended || w.filled() > 0
			r.fidelityDate(w)
		case ended:
			r.fault(w.line, "a row stands below the disclaimers, where none belongs")
		case r.fits(w, head):
			r.fidelityRow(r.export(w.cell(number), w.cell(name)), w, c)
		}
	}
	for _, w := range r.table[:at] {
		r.fidelityDate(w)
	}
	for _, e := range r.exports {
		if !ended {
			e.Partial = "the paragraphs at the end are missing; the file may be cut off"
		}
		e.At = r.stamp
	}
}

func (r *reading) fidelityDate(w row) {
	found := downloaded.FindStringSubmatch(strings.Join(w.cells, " "))
	if found == nil {
		return
	}
	t, ok := parseTime(found[1], newYork())
	if !ok && r.At.IsZero() {
		r.fault(w.line, fmt.Sprintf("%q is no time that can be read; say it with --as-of", shorten(found[1])))
	}
	if ok {
		r.stamp = t
	}
}

func (r *reading) fidelityRow(e *Export, w row, c columns) {
	symbol := w.cell(c.symbol)
	switch label := plain(symbol + " " + w.cell(c.name)); {
	case strings.HasPrefix(label, "pending activity"):
		e.Notes = append(e.Notes, fmt.Sprintf("pending activity on line %d is not settled and counts as nothing: %s", w.line, cmp.Or(w.cell(c.value), "no amount")))
		return
	case strings.HasPrefix(label, "brokeragelink"):
		e.Notes = append(e.Notes, fmt.Sprintf("line %d points to a BrokerageLink account, which is an account of its own", w.line))
		return
	}
	w.cells = append([]string(nil), w.cells...)
	core := strings.HasSuffix(symbol, "**")
	w.cells[c.symbol] = strings.TrimLeft(strings.TrimRight(symbol, "*"), "-")
	if core && w.cell(c.quantity) == "" && c.value >= 0 { // a dollar of the money market is a share
		w.cells[c.quantity] = w.cells[c.value]
	}
	in, ok := r.entry(w, c)
	if !ok {
		return
	}
	in.core = core
	if in.Currency == "" || core {
		in.Currency = "USD"
	}
	if strings.HasPrefix(symbol, "-") {
		in, ok = r.fidelityOption(in, w, c)
	}
	if ok {
		e.entries = append(e.entries, in)
	}
}

// fidelityOption settles whether contracts are owned or owed. The minus before the symbol is read by some as a mark of
// every option and by others as a short one, so that only the signs of quantity and value count, and they must agree.
func (r *reading) fidelityOption(in entry, w row, c columns) (entry, bool) {
	value, said := r.amount(w, c.value, "value", false)
	switch {
	case in.Quantity.IsNegative() && (!said || !value.IsPositive()):
		return in, true
	case in.Quantity.IsPositive() && said && value.IsPositive():
		return in, true
	case in.Quantity.IsPositive() && said && value.IsNegative(): // written without its sign
		in.Quantity, in.Free = in.Quantity.Neg(), in.Free.Neg()
		return in, true
	case in.Quantity.IsZero():
		return in, true
	}
	r.fault(w.line, fmt.Sprintf("whether %s contracts of %s are owned or owed cannot be told: the value is %s", in.Quantity, in.Symbol, cmp.Or(w.cell(c.value), "missing")))
	return in, false
}
