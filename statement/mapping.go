package statement

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/shopspring/decimal"

	"lifeboat"
)

// Mapping describes a table that no form fits, in the owner's words. It is a YAML file of its own, which must not lie in
// the plan directory, where it would be read as plan.
type Mapping struct {
	Name string `yaml:"name"` // of the form, for reports
	// Columns are the names in the header under which each thing stands. Symbol and quantity are needed.
	Columns struct {
		Symbol   string `yaml:"symbol"`
		Name     string `yaml:"name"`
		Quantity string `yaml:"quantity"`
		Free     string `yaml:"free"`
		Price    string `yaml:"price"`
		Value    string `yaml:"value"`
		Cost     string `yaml:"cost"`
		Account  string `yaml:"account"`
		Currency string `yaml:"currency"`
		AsOf     string `yaml:"as_of"`
	} `yaml:"columns"`
	SkipRows     int               `yaml:"skip_rows"`     // lines above the header, whatever stands in them
	Delimiter    string            `yaml:"delimiter"`     // between cells; a comma when absent
	DecimalComma bool              `yaml:"decimal_comma"` // 1.234,56 instead of 1,234.56
	Multiplier   string            `yaml:"multiplier"`    // what quantities are multiplied by: 0.00000001 for satoshi
	Currency     string            `yaml:"currency"`      // where no column has it
	AsOf         string            `yaml:"as_of"`         // when the file was true, where no column has it
	TimeZone     string            `yaml:"time_zone"`     // of as_of; UTC when absent
	Accounts     map[string]string `yaml:"accounts"`      // :: the custodian's number or name → the plan's account
	Symbols      map[string]string `yaml:"symbols"`       // :: the custodian's symbol → the plan's
	Ignore       []string          `yaml:"ignore"`        // what stands first, or as the symbol, in rows that are no holdings: Total
	Partial      bool              `yaml:"partial"`       // the file does not list all that the account holds

	multiplier decimal.Decimal
	zone       *time.Location
}

// mappingMax bounds a mapping file in bytes.
const mappingMax = 1 << 20

// ReadMapping reads a mapping file, and refuses keys that it does not know.
func ReadMapping(name string, text []byte) (*Mapping, error) {
	m := &Mapping{}
	if err := m.decode(text); err != nil {
		return nil, &lifeboat.Problem{Reason: "statement-refused", What: fmt.Sprintf("the mapping file %s cannot be used: %v", name, err),
			Money: "nothing was read", Next: "lifeboat import --help shows a mapping file", Err: err}
	}
	return m, nil
}

func (m *Mapping) decode(text []byte) (err error) {
	defer func() { // the library is somebody else's code
		if recover() != nil {
			err = errors.New("it is not YAML")
		}
	}()
	if len(text) > mappingMax {
		return errors.New("it is too large")
	}
	err = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(m)
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty")
	}
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return errors.New(first)
	}
	return m.check()
}

func (m *Mapping) check() error {
	if m.Columns.Symbol == "" || m.Columns.Quantity == "" {
		return errors.New("columns: needs symbol and quantity, the names in the header under which they stand")
	}
	if utf8.RuneCountInString(m.Delimiter) > 1 || strings.ContainsAny(m.Delimiter, "\"\r\n\ufffd") {
		return fmt.Errorf("delimiter: %q is not one character", m.Delimiter)
	}
	if m.SkipRows < 0 || m.SkipRows > rowsMax {
		return errors.New("skip_rows: is no number of lines")
	}
	if m.AsOf != "" && m.Columns.AsOf != "" {
		return errors.New("as_of stands there twice, as a time and as a column")
	}
	var said bool
	var err error
	if m.multiplier, said, err = parseAmount(strings.TrimSpace(m.Multiplier), false); err != nil || said && !m.multiplier.IsPositive() {
		return fmt.Errorf("multiplier: %q is not a number above zero", m.Multiplier)
	}
	if !said {
		m.multiplier = decimal.NewFromInt(1)
	}
	if m.zone, err = time.LoadLocation(cmp.Or(m.TimeZone, "UTC")); err != nil {
		return fmt.Errorf("time_zone: there is no zone %q", m.TimeZone)
	}
	if m.AsOf != "" {
		if _, ok := parseTime(m.AsOf, m.zone); !ok {
			return fmt.Errorf("as_of: %q is not a time such as 2026-11-27 16:05", m.AsOf)
		}
	}
	return nil
}

func (m *Mapping) delimiter() rune {
	if m.Delimiter == "" {
		return ','
	}
	d, _ := utf8.DecodeRuneInString(m.Delimiter)
	return d
}

func readMapped(r *reading, _ int) {
	m := r.Map
	at := slices.IndexFunc(r.table, func(w row) bool { return w.filled() > 0 })
	if at < 0 {
		r.fault(0, fmt.Sprintf("no row stands below the %d that are skipped", m.SkipRows))
		return
	}
	head := r.table[at]
	c, account, asOf, ok := r.mappedColumns(head)
	if !ok {
		return
	}
	for _, w := range r.table[at+1:] {
		if w.filled() == 0 || slices.Contains(m.Ignore, cmp.Or(w.cell(0), w.cell(c.symbol))) || slices.Contains(m.Ignore, w.cell(c.symbol)) || !r.fits(w, head) {
			continue
		}
		in, ok := r.entry(w, c)
		if !ok {
			continue
		}
		e := r.export(w.cell(account), "")
		r.mappedTime(e, w, asOf)
		in.Symbol = cmp.Or(m.Symbols[in.Symbol], in.Symbol)
		in.Quantity, in.Free = in.Quantity.Mul(m.multiplier), in.Free.Mul(m.multiplier)
		e.entries = append(e.entries, in)
	}
	for _, e := range r.exports {
		if m.Partial {
			e.Partial = "the mapping file says that it does not list all"
		}
	}
}

// mappedColumns finds the columns that the mapping names, every one of them.
func (r *reading) mappedColumns(head row) (c columns, account, asOf int, ok bool) {
	m, h := r.Map, headerOf(head)
	ok = true
	find := func(name string) int {
		i, found := h[plain(name)]
		switch {
		case name == "":
			return -1
		case !found || i == repeated:
			how := "has no column"
			if found {
				how = "has more than one column"
			}
			r.fault(head.line, fmt.Sprintf("the header %s %q; it reads %s", how, name, strings.Join(head.names(), " | ")))
			ok = false
			return -1
		}
		return i
	}
	c = columns{symbol: find(m.Columns.Symbol), name: find(m.Columns.Name), quantity: find(m.Columns.Quantity), free: find(m.Columns.Free),
		price: find(m.Columns.Price), value: find(m.Columns.Value), cost: find(m.Columns.Cost), currency: find(m.Columns.Currency), decimalComma: m.DecimalComma}
	account, asOf = find(m.Columns.Account), find(m.Columns.AsOf)
	r.Currency = cmp.Or(strings.ToUpper(m.Currency), r.Currency)
	if r.Accounts == nil {
		r.Accounts = map[string]string{}
	}
	for theirs, ours := range m.Accounts {
		r.Accounts[theirs] = cmp.Or(r.Accounts[theirs], ours)
	}
	return c, account, asOf, ok
}

// mappedTime is the oldest of an account's rows.
func (r *reading) mappedTime(e *Export, w row, column int) {
	text := cmp.Or(w.cell(column), r.Map.AsOf)
	if text == "" || !r.At.IsZero() {
		return
	}
	t, ok := parseTime(text, r.Map.zone)
	if !ok {
		r.fault(w.line, fmt.Sprintf("%q is no time that can be read", shorten(text)))
	} else if e.At.IsZero() || t.Before(e.At) {
		e.At = t
	}
}
