// Package statement is for accounts that no program may ask: it reads what a custodian lets its customers download into
// [lifeboat.Statement], and compares that with the register.
//
// [Read] finds the table's header in the file, knows by it whose file it is, and from then on goes by the names of the
// columns, never by their order, because custodians move columns and owners choose them. What no form fits is described
// by a [Mapping]. Amounts keep every digit. A file is read whole or not at all: a row that cannot be right, a total that
// is missing, a file that is cut off are told with their lines, and nothing is taken from it. [Compare] holds a statement
// against what the register says.
//
// It asks nobody, writes nothing, and moves no book: what the owner does with a difference is decided elsewhere. It
// computes no holdings from lists of transactions, which do not say where they began.
package statement

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/prose"
)

// Bounds on what is read. No custodian's list of one household's holdings comes near them.
const (
	SizeMax = 8 << 20 // bytes of one file
	rowsMax = 100_000
)

// Options say what a file does not.
type Options struct {
	File string   // its name, for faults and as the source
	Form string   // one of [Forms]; "" recognises it
	Map  *Mapping // describes a file of no known form
	// Account of the plan that the file is about, when it holds one.
	Account string
	// Accounts are the plan's by the custodian's own number or name, for a file that holds several.
	Accounts map[string]string
	// Symbol is the plan's name for the custodian's one; nil leaves them as they are.
	Symbol func(account, theirs string) string
	// Registered reports that the register has the symbol in the account. A fund that a custodian keeps cash in is
	// reported as cash unless it has.
	Registered func(account, symbol string) bool
	Currency   string    // of a file that names none
	At         time.Time // when the file was true; what the file itself says when zero
}

// Export is what a file says of one account.
type Export struct {
	lifeboat.Statement
	Form   string // by which it was read
	Number string // the custodian's own for the account, "" where the file has none
	Name   string // the custodian's own
	// Partial says why holdings may be missing in the lines; "" when they are all that the account holds.
	Partial string
	Notes   []string // rows that are no holdings, and what was made of others

	entries []entry
}

// An entry is a line before its symbol is the plan's.
type entry struct {
	lifeboat.StatementLine
	core bool // a fund that stands for cash
	at   int  // line in the file
}

// Title is how a person finds the account at the custodian.
func (e *Export) Title() string { return cmp.Or(e.Number, e.Name, "the account of "+e.Source) }

// Read reads a custodian's file. Accounts that neither the options nor the mapping name come without
// [lifeboat.Statement.Account]. All that is wrong is told at once, in [*Faults] that unwrap to a [*lifeboat.Problem].
func Read(text []byte, o Options) ([]*Export, error) {
	r := &reading{Options: o}
	if err := r.rows(text); err != nil {
		return nil, err
	}
	f, header, err := r.recognise()
	if err != nil {
		return nil, err
	}
	f.read(r, header)
	for _, e := range r.exports {
		e.Form = f.name
	}
	r.finish()
	if faults := r.faulty(); faults != nil {
		return nil, faults
	}
	return r.exports, nil
}

// A reading collects what is found in one file.
type reading struct {
	Options
	sheet
	exports []*Export
	stamp   time.Time // when the file says that it was made
}

// export of an account, by the custodian's number and name for it.
func (r *reading) export(number, name string) *Export {
	for _, e := range r.exports {
		if e.Number == number && (number != "" || e.Name == name) {
			return e
		}
	}
	e := &Export{Number: number, Name: name}
	e.Source = r.File
	r.exports = append(r.exports, e)
	return e
}

// finish gives each account its plan's name, its time and its lines.
func (r *reading) finish() {
	if len(r.exports) == 0 && len(r.faults) == 0 {
		r.fault(0, "no account and no holding stand in it")
	}
	named := map[string]*Export{}
	for _, e := range r.exports {
		e.Account = cmp.Or(r.Accounts[e.Number], r.Accounts[e.Name])
		if e.Account == "" && len(r.exports) == 1 {
			e.Account = r.Account
		}
		if other := named[e.Account]; other != nil && e.Account != "" {
			r.fault(0, fmt.Sprintf("%s and %s are both said to be the account %q", other.Title(), e.Title(), e.Account))
		}
		named[e.Account] = e
		if !r.At.IsZero() {
			e.At = r.At
		}
		if e.At.IsZero() {
			r.fault(0, "it does not say when it was true; say it with --as-of")
			return
		}
		r.lines(e)
	}
}

// lines are the entries under the plan's names, what stands twice added up.
func (r *reading) lines(e *Export) {
	e.Lines = []lifeboat.StatementLine{}
	first := map[string]int{} // :: symbol → its line in the file
	for _, in := range e.entries {
		l := in.StatementLine
		theirs := l.Symbol
		if r.Symbol != nil {
			l.Symbol = r.Symbol(e.Account, theirs)
		}
		if in.core && l.Symbol == theirs && (r.Registered == nil || !r.Registered(e.Account, theirs)) {
			l.Symbol = l.Currency
			e.Notes = append(e.Notes, fmt.Sprintf("%s of line %d is where cash is kept; it counts as %s", theirs, in.at, l.Currency))
		}
		i := slices.IndexFunc(e.Lines, func(o lifeboat.StatementLine) bool { return o.Symbol == l.Symbol })
		if i < 0 {
			first[l.Symbol] = in.at
			e.Lines = append(e.Lines, l)
			continue
		}
		if e.Lines[i].Currency != l.Currency {
			r.fault(in.at, fmt.Sprintf("%s is in %s here and in %s on line %d", l.Symbol, l.Currency, e.Lines[i].Currency, first[l.Symbol]))
			continue
		}
		e.Lines[i] = together(e.Lines[i], l)
		e.Notes = append(e.Notes, fmt.Sprintf("%s stands on line %d and on line %d; both were added up", l.Symbol, first[l.Symbol], in.at))
	}
	slices.SortStableFunc(e.Lines, func(a, b lifeboat.StatementLine) int { return cmp.Compare(a.Symbol, b.Symbol) })
}

// together is two lots of one thing. A value or cost that one of them does not have is not known of both.
func together(a, b lifeboat.StatementLine) lifeboat.StatementLine {
	a.Quantity, a.Free, a.Accrues = a.Quantity.Add(b.Quantity), a.Free.Add(b.Free), a.Accrues || b.Accrues
	if a.Value.IsZero() || b.Value.IsZero() {
		a.Value, b.Value = b.Value.Sub(b.Value), b.Value.Sub(b.Value)
	}
	if a.Cost.IsZero() || b.Cost.IsZero() {
		a.Cost, b.Cost = b.Cost.Sub(b.Cost), b.Cost.Sub(b.Cost)
	}
	a.Value, a.Cost = a.Value.Add(b.Value), a.Cost.Add(b.Cost)
	if a.Price.IsZero() {
		a.Price = b.Price
	}
	return a
}

// A form is how one custodian writes.
type form struct {
	name, what string
	header     func(row) bool       // recognises it by the first row that only it has
	read       func(*reading, int)  // from that row on
	refuse     func() (what string) // instead of reading, where the form does not say what is held
}

// forms in the order in which they are tried.
func forms() []form {
	return []form{
		{name: "fidelity", what: "Fidelity, Portfolio Positions", header: isFidelity, read: readFidelity},
		{name: "schwab", what: "Schwab, Positions of one account or of all", header: isSchwab, read: readSchwab},
		{name: "ibkr", what: "Interactive Brokers, Activity Flex Query as CSV with Open Positions and Cash Report", header: isFlex, read: readFlex},
		{name: "coinbase", what: "Coinbase, account statement with running balances", header: isCoinbase, read: readCoinbase},
		{name: "binance", what: "Binance, spot balances", header: isBinance, read: readBinance},
		{name: "coinbase transactions", header: isCoinbaseHistory, refuse: refuseCoinbaseHistory},
	}
}

// Forms are the names that [Options.Form] may have, each with the file it stands for.
func Forms() [][2]string {
	var all [][2]string
	for _, f := range forms() {
		if f.read != nil {
			all = append(all, [2]string{f.name, f.what})
		}
	}
	return all
}

// headerWithin is how far down a header is looked for.
const headerWithin = 200

// recognise finds the form and the row that its table begins with.
func (r *reading) recognise() (form, int, error) {
	if r.Map != nil {
		return form{name: cmp.Or(r.Map.Name, "mapping"), read: readMapped}, 0, nil
	}
	known := forms()
	if r.Form != "" {
		known = slices.DeleteFunc(known, func(f form) bool { return f.name != r.Form })
		if len(known) == 0 {
			return form{}, 0, &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("there is no form %q; there are %s", r.Form, formNames())}
		}
	}
	for i, row := range r.table[:min(len(r.table), headerWithin)] {
		for _, f := range known {
			if !f.header(row) {
				continue
			}
			if f.refuse != nil {
				return form{}, 0, refusal(r.File, f.refuse(), mappingHint)
			}
			return f, i, nil
		}
	}
	return form{}, 0, r.unknown()
}

const mappingHint = "describe the file in a mapping file and give it with --map; lifeboat import --help shows one"

// unknown tells what the columns seem to be called, so that a mapping file can be written from the message.
func (r *reading) unknown() error {
	var widest row
	for _, row := range r.table[:min(len(r.table), headerWithin)] {
		if row.filled() > widest.filled() {
			widest = row
		}
	}
	what := "is of no form that lifeboat knows: " + formNames()
	if r.Form != "" {
		what = fmt.Sprintf("has no header of the form %s", r.Form)
	}
	if names := widest.names(); len(names) > 0 {
		what += fmt.Sprintf("; its line %d reads %s", widest.line, strings.Join(names, " | "))
	}
	return refusal(r.File, what, mappingHint)
}

func formNames() string {
	var names []string
	for _, f := range Forms() {
		names = append(names, f[0])
	}
	return strings.Join(names, ", ")
}

func refusal(file, what, next string) error {
	return &lifeboat.Problem{Reason: "statement-refused", What: file + " " + what, Money: "nothing was taken from it", Next: next}
}

// Fault is one thing in a file that cannot be right.
type Fault struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // from 1; 0 for the file as a whole
	What string `json:"what"`
}

func (f Fault) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.What
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.What)
}

// Faults is all that is wrong with a file, in the order of its lines.
type Faults struct {
	List    []Fault
	problem *lifeboat.Problem
}

func (f *Faults) Error() string { return f.problem.What }
func (f *Faults) Unwrap() error { return f.problem }

// faultsMax bounds the list; a file with more is of another form.
const faultsMax = 100

func (r *reading) faulty() error {
	if len(r.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return &Faults{List: r.faults, problem: &lifeboat.Problem{Reason: "statement-refused",
		What:  fmt.Sprintf("%s was not read: it has %s", r.File, prose.Count(len(r.faults), "fault")),
		Money: "nothing was taken from it", Next: "download the file anew, or mend the listed lines"}}
}
