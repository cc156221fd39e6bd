package statement

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// A sheet is the rows of a file, before anybody knows what they mean.
type sheet struct {
	table  []row
	faults []Fault
}

// A row and the line that it begins on.
type row struct {
	line  int
	cells []string
}

// rows splits the file. Quotes are taken strictly: one that is never closed would swallow the holdings behind it.
func (r *reading) rows(text []byte) error {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	switch {
	case len(text) > SizeMax:
		return refusal(r.File, fmt.Sprintf("is larger than %d MiB", SizeMax>>20), "give the list of holdings alone")
	case !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
		return refusal(r.File, "is not UTF-8 text", "save it as CSV in UTF-8; a workbook has to be exported first")
	}
	skipped := 0
	if r.Map != nil { // what is skipped may be anything, so it goes before anybody looks for quotes in it
		for ; skipped < r.Map.SkipRows && len(text) > 0; skipped++ {
			_, text, _ = bytes.Cut(text, []byte("\n"))
		}
	}
	reader := csv.NewReader(bytes.NewReader(text))
	reader.FieldsPerRecord = -1
	if r.Map != nil {
		reader.Comma = r.Map.delimiter()
	}
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if bad, ok := errors.AsType[*csv.ParseError](err); ok {
			r.fault(skipped+bad.StartLine, fmt.Sprintf("this is not CSV: %v", bad.Err))
			return r.faulty()
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", r.File, err)
		}
		if len(r.table) == rowsMax {
			return refusal(r.File, fmt.Sprintf("has more than %d rows", rowsMax), "give the list of holdings alone")
		}
		line, _ := reader.FieldPos(0)
		r.table = append(r.table, row{line: skipped + line, cells: cells})
	}
}

func (r *reading) fault(line int, what string) {
	if len(r.faults) < faultsMax {
		r.faults = append(r.faults, Fault{File: r.File, Line: line, What: what})
	}
}

// cell without the space around it; "" beyond the row's end and for a column that there is not.
func (w row) cell(column int) string {
	if column < 0 || column >= len(w.cells) {
		return ""
	}
	return strings.TrimSpace(w.cells[column])
}

func (w row) filled() int {
	n := 0
	for i := range w.cells {
		if w.cell(i) != "" {
			n++
		}
	}
	return n
}

// names are the row's cells as a message repeats them.
func (w row) names() []string {
	const namesMax, lengthMax = 30, 40
	var names []string
	for i := range w.cells[:min(len(w.cells), namesMax)] {
		if name := []rune(w.cell(i)); len(name) > lengthMax {
			names = append(names, string(name[:lengthMax])+"…")
		} else if len(name) > 0 {
			names = append(names, string(name))
		}
	}
	return names
}

// isProse reports an empty row or a text around the table: alone in its row, or so long that it is no account's number.
func (w row) isProse() bool {
	const words = 6
	return w.filled() == 0 || w.filled() == 1 && len(w.cells) <= 2 && strings.Contains(w.cell(0), " ") ||
		len(strings.Fields(w.cell(0))) >= words
}

// A header finds columns by their names.
type header map[string]int

// repeated marks a name that several columns have.
const repeated = -2

func headerOf(w row) header {
	h := header{}
	for i := range w.cells {
		name := plain(w.cell(i))
		if _, twice := h[name]; twice {
			i = repeated
		}
		h[name] = i
	}
	return h
}

// plain is how names are compared: in small letters, with one kind of space and apostrophe.
func plain(name string) string {
	name = strings.NewReplacer("\ufeff", "", "’", "'", "\u00a0", " ").Replace(name)
	return strings.ToLower(strings.Join(strings.Fields(name), " "))
}

// column by the first of the names that there is; -1 for none.
func (h header) column(names ...string) int {
	for _, name := range names {
		if i, ok := h[plain(name)]; ok && i != repeated {
			return i
		}
	}
	return -1
}

func (h header) has(names ...string) bool { return h.column(names...) >= 0 }

// columns are where a table keeps what a statement wants; -1 where it does not.
type columns struct {
	symbol, name, quantity, free, price, value, cost, currency int
	decimalComma                                               bool
}

// fits reports whether a row is as long as its header, and faults it when it is not: the file may be cut off, or an
// unquoted comma may have moved its cells.
func (r *reading) fits(w row, header row) bool {
	width := len(header.cells)
	for width > 0 && header.cell(width-1) == "" {
		width--
	}
	if len(w.cells) < width {
		r.fault(w.line, fmt.Sprintf("this row ends after %d of %d columns; the file may be cut off here", len(w.cells), width))
		return false
	}
	for i := width; i < len(w.cells); i++ {
		if w.cell(i) != "" && header.cell(i) == "" {
			r.fault(w.line, fmt.Sprintf("this row has %q in column %d, and the header has %d columns; a comma may want quotes", w.cell(i), i+1, width))
			return false
		}
	}
	return true
}

// entry reads a row; false, with a fault, when the row is not one holding with a quantity.
func (r *reading) entry(w row, c columns) (entry, bool) {
	before := len(r.faults)
	in := entry{at: w.line}
	in.Symbol, in.Name = w.cell(c.symbol), w.cell(c.name)
	in.Currency = strings.ToUpper(w.cell(c.currency))
	if in.Currency == "" {
		in.Currency = r.Currency
	}
	if in.Symbol == "" {
		r.fault(w.line, "this row has no symbol")
	}
	quantity, said := r.amount(w, c.quantity, "quantity", c.decimalComma)
	if !said && before == len(r.faults) {
		r.fault(w.line, fmt.Sprintf("%s has no quantity", in.Symbol))
	}
	in.Quantity, in.Free = quantity, quantity
	if free, said := r.amount(w, c.free, "free quantity", c.decimalComma); said {
		in.Free = free
	}
	in.Price, _ = r.amount(w, c.price, "price", c.decimalComma)
	in.Value, _ = r.amount(w, c.value, "value", c.decimalComma)
	in.Cost, _ = r.amount(w, c.cost, "cost", c.decimalComma)
	if in.Price.IsNegative() {
		r.fault(w.line, fmt.Sprintf("the price %s of %s is negative", in.Price, in.Symbol))
	}
	return in, before == len(r.faults)
}

// amount of a cell; false when it says nothing, or nothing that is a number, which is a fault.
func (r *reading) amount(w row, column int, what string, decimalComma bool) (decimal.Decimal, bool) {
	amount, said, err := parseAmount(w.cell(column), decimalComma)
	if err != nil {
		r.fault(w.line, fmt.Sprintf("the %s %v", what, err))
	}
	return amount, said && err == nil
}

// cash is an entry of a currency.
func cash(currency string, amount decimal.Decimal, at int) entry {
	return entry{at: at, StatementLine: lifeboat.StatementLine{Symbol: currency, Name: "cash", Quantity: amount, Free: amount, Value: amount, Currency: currency}}
}
