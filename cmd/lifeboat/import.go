package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/prose"
	"lifeboat/statement"
)

// importWish are what the command line says.
type importWish struct {
	plan, form, mapping, asOf string
	accounts, symbols         []string // NAME=NUMBER, THEIRS=OURS
	classes, skip             []string
	write, gone, asJSON       bool
}

func importCommand() *cobra.Command {
	var o importWish
	c := &cobra.Command{
		Use: "import FILE", Short: "Hold a custodian's file against the register, and take it over", Args: arguments(1, 1),
		Long: `import reads the list of holdings that a custodian lets you download, and shows
how it stands against the register: what is the same, what differs, what only
one of the two has. The file is recognised by its header:

` + formList() + `
A file is read whole or not at all. With --write the quantities go into the
plan's files: numbers are changed where they stand, with as_of and source beside
them, comments and layout stay, and what is new goes into a file of its own.
Nothing is written when anything is unclear, and all is put back when the plan
would not be valid afterwards. Accounts that lifeboat trades in are compared,
not written: their book is moved by every fill.

Any other file is described by a mapping file, kept outside of the plan:

  skip_rows: 1               # lines above the header
  delimiter: ";"
  decimal_comma: true        # 1.234,56
  columns:                   # the names in the header; symbol and quantity are needed
    {symbol: ISIN, name: Title, quantity: Units, price: Price, value: Value,
     cost: Paid, currency: Ccy, account: Depot, free: Available, as_of: Date}
  multiplier: 0.00000001     # of quantities: satoshi
  currency: EUR              # where no column has it
  as_of: 2026-11-27 18:00    # where no column has it
  time_zone: Europe/Berlin
  accounts: {"4711": savings}          # the custodian's number: the plan's account
  symbols: {IE00B4L5Y983: IWDA}        # the custodian's symbol: the plan's
  ignore: [Total]                      # rows that are no holdings
  partial: true                        # the file does not list all

Exit code 0 when register and file agree or --write took it over, 3 when they
differ or the file is refused.`,
		Example: "  lifeboat import positions.csv --account taxable=Z00000001 --account ira=200000002\n  lifeboat import positions.csv --account taxable --write --class NVDA=equities",
		RunE:    func(c *cobra.Command, args []string) error { return importStatement(c, args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.plan, "plan", ".", "plan `DIR`")
	f.StringArrayVar(&o.accounts, "account", nil, "the plan's account that the file is of; `NAME=NUMBER` for each when it holds several, by the custodian's number or name")
	f.StringVar(&o.form, "form", "", "`FORM` of the file instead of recognising it")
	f.StringVar(&o.mapping, "map", "", "mapping `FILE` that describes it")
	f.StringVar(&o.asOf, "as-of", "", "`TIME` at which it was true, in the plan's time zone, for a file that does not say")
	f.StringArrayVar(&o.symbols, "symbol", nil, "what the plan calls the custodian's symbol: `THEIRS=OURS`")
	f.BoolVar(&o.write, "write", false, "put the custodian's quantities into the plan")
	f.StringArrayVar(&o.classes, "class", nil, "class of new holdings: `SYMBOL=CLASS`, or CLASS for all of them")
	f.BoolVar(&o.gone, "gone", false, "with --write, set to 0 what the custodian does not hold")
	f.StringArrayVar(&o.skip, "skip", nil, "with --write, leave a `SYMBOL` as it is")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

func formList() string {
	var b strings.Builder
	for _, f := range statement.Forms() {
		fmt.Fprintf(&b, "  %-10s%s\n", f[0], f[1])
	}
	return b.String()
}

func importStatement(c *cobra.Command, path string, o importWish) error {
	p, err := app.LoadPlan(o.plan)
	if err != nil {
		return err
	}
	options, err := readOptions(c, p, path, o)
	if err != nil {
		return err
	}
	text, err := readBounded(path, statement.SizeMax)
	if err != nil {
		return err
	}
	exports, err := statement.Read(text, options)
	if err != nil {
		return err
	}
	named, err := namedExports(p, path, exports)
	if err != nil {
		return err
	}
	var all []statement.Differences
	for _, e := range named {
		all = append(all, statement.Compare(app.Positions(p), e.Statement))
	}
	if o.write {
		return takeOver(c, p, exports, named, all, o)
	}
	if err := tellStatements(c, p, exports, named, all, o.asJSON); err != nil {
		return err
	}
	return whetherDiffers(all)
}

func whetherDiffers(all []statement.Differences) error {
	for _, d := range all {
		if !d.Agree() {
			return &lifeboat.Problem{Reason: "register-differs", What: fmt.Sprintf("register and custodian differ on %s: %s", d.Account, d.Summary()),
				Money: "nothing was changed", Next: "find out which is right; --write takes the custodian's quantities over"}
		}
	}
	return nil
}

// readOptions are what plan and command line say of the file.
func readOptions(c *cobra.Command, p *plan.Plan, path string, o importWish) (statement.Options, error) {
	options := statement.Options{File: filepath.Base(path), Form: o.form, Accounts: map[string]string{}, Currency: p.Portfolio.BaseCurrency}
	for _, a := range p.Accounts { // what the plan says of an account's number already
		if a.Connect != nil && a.Connect.Login != "" {
			options.Accounts[a.Connect.Login] = a.Name
		}
	}
	for _, text := range o.accounts {
		name, number, several := strings.Cut(text, "=")
		if err := isAccount(p, name); err != nil {
			return options, err
		}
		if several {
			options.Accounts[number] = name
		} else if options.Account != "" {
			return options, usage(c, "several accounts want their numbers: --account NAME=NUMBER")
		} else {
			options.Account = name
		}
	}
	symbols, err := pairs(c, "--symbol THEIRS=OURS", o.symbols)
	if err != nil {
		return options, err
	}
	options.Symbol = func(account, theirs string) string { return symbolOf(p, symbols, account, theirs) }
	options.Registered = func(account, symbol string) bool { return holdingAt(p, account, symbol) >= 0 }
	if o.asOf != "" {
		zone, err := time.LoadLocation(p.Portfolio.TimeZone)
		if err != nil {
			return options, err
		}
		if options.At, err = statement.AsOf(o.asOf, zone); err != nil {
			return options, usage(c, "--as-of "+err.Error())
		}
	}
	if o.mapping != "" && o.form != "" {
		return options, usage(c, "--form and --map exclude each other")
	}
	if o.mapping != "" {
		text, err := readBounded(o.mapping, statement.SizeMax)
		if err != nil {
			return options, err
		}
		options.Map, err = statement.ReadMapping(o.mapping, text)
		return options, err
	}
	return options, nil
}

func isAccount(p *plan.Plan, name string) error {
	if _, ok := p.Account(name); ok {
		return nil
	}
	var names []string
	for _, a := range p.Accounts {
		names = append(names, a.Name)
	}
	what := fmt.Sprintf("the plan has no account %q", name)
	if near := prose.Nearest(name, names); near != "" {
		what += fmt.Sprintf("; did you mean %q?", near)
	}
	return notFound(what, "the plan's accounts are "+strings.Join(names, ", "))
}

// pairs reads A=B.
func pairs(c *cobra.Command, form string, texts []string) (map[string]string, error) {
	all := map[string]string{}
	for _, text := range texts {
		left, right, ok := strings.Cut(text, "=")
		if !ok || left == "" || right == "" {
			return nil, usage(c, fmt.Sprintf("%q is not of the form %s", text, form))
		}
		all[left] = right
	}
	return all, nil
}

// symbolOf is the plan's word for a custodian's symbol: the command line's, the connection's, or the same.
func symbolOf(p *plan.Plan, said map[string]string, account, theirs string) string {
	if ours := said[theirs]; ours != "" {
		return ours
	}
	if a, ok := p.Account(account); ok && a.Connect != nil {
		for ours, venues := range a.Connect.Symbols {
			if venues == theirs {
				return ours
			}
		}
	}
	return theirs
}

func holdingAt(p *plan.Plan, account, symbol string) int {
	return slices.IndexFunc(p.Holdings, func(h plan.Holding) bool { return h.Account == account && h.Symbol == symbol })
}

func readBounded(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("%s cannot be read: %v", path, errors.Unwrap(err)), Next: "check the path and the rights", Err: err}
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return text, nil
}

// namedExports are those of which the plan's account is known.
func namedExports(p *plan.Plan, path string, exports []*statement.Export) ([]*statement.Export, error) {
	var named []*statement.Export
	var titles []string
	for _, e := range exports {
		titles = append(titles, strings.TrimSuffix(fmt.Sprintf("%s (%s)", e.Title(), e.Name), " ()"))
		if e.Account == "" {
			continue
		}
		if err := isAccount(p, e.Account); err != nil {
			return nil, err
		}
		named = append(named, e)
	}
	if len(named) > 0 {
		return named, nil
	}
	return nil, &lifeboat.Problem{Reason: "statement-refused", What: fmt.Sprintf("%s does not say which account of the plan it is of; it holds %s", path, strings.Join(titles, ", ")),
		Money: "nothing was taken from it", Next: "--account NAME for one, --account NAME=NUMBER for each of several"}
}

// imported is one account in JSON.
type imported struct {
	statement.Differences
	Form    string   `json:"form"`
	Number  string   `json:"number,omitempty"`
	Partial string   `json:"partial,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

func tellStatements(c *cobra.Command, p *plan.Plan, exports, named []*statement.Export, all []statement.Differences, asJSON bool) error {
	if asJSON {
		var list []imported
		for i, e := range named {
			list = append(list, imported{Differences: all[i], Form: e.Form, Number: e.Number, Partial: e.Partial, Notes: e.Notes})
		}
		return writeJSON(c, list)
	}
	out := c.OutOrStdout()
	for i, e := range named {
		fmt.Fprintf(out, "%s: %s, %s, as of %s\n%s", e.Account, e.Title(), e.Form, stamp(e.At), all[i].Report())
		if e.Partial != "" {
			fmt.Fprintf(out, "note: holdings may be missing: %s\n", e.Partial)
		}
		if p.Tradable(e.Account) {
			fmt.Fprintln(out, "note: lifeboat trades in this account; what it traded is in the book (lifeboat positions --data DIR), not in the register")
		}
		for _, n := range e.Notes {
			fmt.Fprintln(out, "note:", n)
		}
	}
	for _, e := range exports {
		if e.Account == "" {
			fmt.Fprintf(out, "note: %s was left out; --account NAME=%s names it\n", e.Title(), e.Title())
		}
	}
	return nil
}
