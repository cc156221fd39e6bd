package statement

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Schwab: a line that says of which account and when, then a table that ends with the account's total; in the export of
// all accounts, one table after the other, each below the account's name.

var schwabTitle = regexp.MustCompile(`(?i)^positions for (?:account )?(.+?) as of (.+)$`)

func isSchwab(w row) bool {
	return schwabTitle.MatchString(w.cell(0)) || isSchwabHeader(w) && headerOf(w).has("Security Type", "Asset Type")
}

func isSchwabHeader(w row) bool {
	h := headerOf(w)
	return h.has("Symbol") && h.has("Description") && h.has("Quantity", "Qty (Quantity)", "Qty") && h.has("Market Value", "Mkt Val (Market Value)", "Mkt Val")
}

func readSchwab(r *reading, at int) {
	var (
		account string // that the next table is of
		when    time.Time
		head    *row
		e       *Export
	)
	for _, w := range r.table[at:] {
		symbol := plain(w.cell(0))
		switch title := schwabTitle.FindStringSubmatch(w.cell(0)); {
		case title != nil:
			account = strings.TrimSpace(title[1])
			when = r.schwabTime(w, title[2])
		case isSchwabHeader(w):
			if e != nil {
				r.fault(w.line, fmt.Sprintf("the table of %s has no total; the file may be cut off", e.Title()))
			}
			head, e = &w, r.export(account, "")
			if len(e.entries) > 0 {
				r.fault(w.line, "a second table is of the same account")
			}
			e.At = when
		case w.filled() == 0:
		case head == nil || e == nil:
			if w.filled() == 1 {
				account = w.cell(0)
			} else {
				r.fault(w.line, "a row stands outside of any table")
			}
		case slices.Contains([]string{"account total", "positions total"}, symbol):
			e = nil
		case r.fits(w, *head):
			r.schwabRow(e, w, headerOf(*head))
		}
	}
	if e != nil {
		r.fault(0, fmt.Sprintf("the table of %s has no total; the file may be cut off", e.Title()))
	}
}

func (r *reading) schwabTime(w row, text string) time.Time {
	t, ok := parseTime(text, newYork())
	if !ok && r.At.IsZero() {
		r.fault(w.line, fmt.Sprintf("%q is no time that can be read; say it with --as-of", shorten(text)))
	}
	return t
}

func (r *reading) schwabRow(e *Export, w row, h header) {
	c := columns{symbol: h.column("Symbol"), name: h.column("Description"), quantity: h.column("Quantity", "Qty (Quantity)", "Qty"), free: -1,
		price: h.column("Price"), value: h.column("Market Value", "Mkt Val (Market Value)", "Mkt Val"), cost: h.column("Cost Basis"), currency: -1}
	switch label := plain(w.cell(c.symbol)); {
	case strings.HasPrefix(label, "cash &"), label == "cash":
		amount, said := r.amount(w, c.value, "value", false)
		if !said {
			amount, said = r.amount(w, c.quantity, "quantity", false)
		}
		if !said {
			r.fault(w.line, "the cash has no amount")
			return
		}
		e.entries = append(e.entries, cash("USD", amount, w.line))
	case strings.HasPrefix(label, "futures "):
		e.Notes = append(e.Notes, fmt.Sprintf("%s on line %d is no holding: %s", w.cell(c.symbol), w.line, cmp.Or(w.cell(c.value), "no amount")))
	default:
		if in, ok := r.entry(w, c); ok {
			in.Currency = "USD"
			e.entries = append(e.entries, in)
		}
	}
}
