package statement

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Interactive Brokers' Flex: sections one below the other, each with its own header that begins with ClientAccountID;
// with headers and trailers switched on, records of BOF, BOA, BOS, EOS, EOA and EOF stand around them.

func isFlex(w row) bool {
	return w.cell(0) == "BOF" || plain(w.cell(0)) == "clientaccountid"
}

// A flexSection is one header and the rows below it.
type flexSection struct {
	h    header
	head row
	rows []row
}

func readFlex(r *reading, at int) {
	sections := r.flexSections(at)
	positions, cashReport := false, false
	for _, s := range sections {
		switch {
		case s.h.has("TradeID", "TradePrice", "TransactionType", "ActivityCode", "IBExecID"):
		case s.h.has("Symbol") && s.h.has("Quantity", "Position") && s.h.has("MarkPrice", "PositionValue", "CostBasisMoney"):
			positions = true
			r.flexPositions(s)
		case s.h.has("EndingCash"):
			cashReport = true
			r.flexCash(s)
		}
	}
	if !positions && !cashReport {
		r.fault(0, "no section has open positions or a cash report; add Open Positions and Cash Report to the Flex query")
	}
	for _, e := range r.exports {
		if !positions {
			e.Partial = "the Flex query has no Open Positions"
		}
		if !cashReport {
			e.Partial = "the Flex query has no Cash Report"
		}
	}
}

// flexSections cuts the file up, and refuses one that begins with BOF and does not reach EOF.
func (r *reading) flexSections(at int) []flexSection {
	var sections []flexSection
	framed, ended := false, false
	for _, w := range r.table[at:] {
		switch first := w.cell(0); {
		case first == "BOF":
			framed = true
		case first == "EOF":
			ended = true
		case slices.Contains([]string{"BOA", "EOA", "BOS", "EOS", "MSG"}, first), w.filled() == 0:
		case plain(first) == "clientaccountid":
			sections = append(sections, flexSection{h: headerOf(w), head: w})
		case len(sections) == 0:
			r.fault(w.line, "a row stands above every header")
		default:
			if s := &sections[len(sections)-1]; r.fits(w, s.head) {
				s.rows = append(s.rows, w)
			}
		}
	}
	if framed && !ended {
		r.fault(0, "it begins with BOF and has no EOF; the file is cut off")
	}
	return sections
}

func (r *reading) flexPositions(s flexSection) {
	c := columns{symbol: s.h.column("Symbol"), name: s.h.column("Description"), quantity: s.h.column("Quantity", "Position"), free: -1,
		price: s.h.column("MarkPrice"), value: s.h.column("PositionValue"), cost: s.h.column("CostBasisMoney"), currency: s.h.column("CurrencyPrimary", "Currency")}
	account, alias, date, level := s.h.column("ClientAccountID"), s.h.column("AccountAlias"), s.h.column("ReportDate"), s.h.column("LevelOfDetail")
	summed := slices.ContainsFunc(s.rows, func(w row) bool { return plain(w.cell(level)) == "summary" })
	seen := map[string]int{} // :: account and symbol → line
	for _, w := range s.rows {
		if detail := plain(w.cell(level)); summed && detail != "summary" {
			continue // the lots of what the summary has already
		}
		e := r.export(w.cell(account), w.cell(alias))
		r.flexDate(e, w, w.cell(date))
		in, ok := r.entry(w, c)
		if !ok {
			continue
		}
		in.Symbol = strings.Join(strings.Fields(in.Symbol), " ")
		key := e.Number + "\x00" + in.Symbol
		if first := seen[key]; first > 0 && level < 0 {
			r.fault(w.line, fmt.Sprintf("%s stands here and on line %d, and without the column LevelOfDetail it cannot be told whether these are lots or a summary and its lots", in.Symbol, first))
			continue
		}
		seen[key] = w.line
		e.entries = append(e.entries, in)
	}
}

func (r *reading) flexCash(s flexSection) {
	account, alias, currency, ending := s.h.column("ClientAccountID"), s.h.column("AccountAlias"), s.h.column("CurrencyPrimary", "Currency"), s.h.column("EndingCash")
	date, level := s.h.column("ToDate", "ReportDate"), s.h.column("LevelOfDetail")
	told := map[*Export]bool{} // :: account → whether its currencies stand there one by one
	for _, w := range s.rows {
		e := r.export(w.cell(account), w.cell(alias))
		r.flexDate(e, w, w.cell(date))
		code := strings.ToUpper(w.cell(currency))
		if code == "BASE_SUMMARY" || plain(w.cell(level)) == "basecurrency" {
			told[e] = told[e] || false
			continue
		}
		amount, said := r.amount(w, ending, "ending cash", false)
		if !said || code == "" {
			r.fault(w.line, "the cash has no amount, or no currency")
			continue
		}
		told[e] = true
		e.entries = append(e.entries, cash(code, amount, w.line))
	}
	for _, e := range r.exports {
		if currencies, seen := told[e]; seen && !currencies {
			r.fault(s.head.line, fmt.Sprintf("the cash of %s stands there as one sum only; choose the currency breakout in the Cash Report of the Flex query", e.Title()))
		}
	}
}

// flexDate is the close of the day that is reported, in New York.
func (r *reading) flexDate(e *Export, w row, text string) {
	t, ok := parseTime(text, newYork())
	if text == "" || !ok {
		if text != "" && r.At.IsZero() {
			r.fault(w.line, fmt.Sprintf("%q is no date that can be read", shorten(text)))
		}
		return
	}
	if local := t.In(newYork()); local.Hour() == 0 && local.Minute() == 0 {
		t = time.Date(local.Year(), local.Month(), local.Day(), 16, 0, 0, 0, newYork()).UTC()
	}
	if e.At.IsZero() || t.Before(e.At) { // the older of two: nothing is taken for younger than it is
		e.At = t
	}
}
