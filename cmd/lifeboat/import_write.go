package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/statement"
)

// takeOver puts the custodians' quantities into the plan, all of them or none.
func takeOver(c *cobra.Command, p *plan.Plan, exports, named []*statement.Export, all []statement.Differences, o importWish) error {
	change, err := planChange(c, p, named, all, o)
	if err != nil {
		return err
	}
	if err := tellStatements(c, p, exports, named, all, o.asJSON); err != nil {
		return err
	}
	files, err := plan.Rewrite(o.plan, change.said)
	if err != nil {
		return unclear(err.Error(), err)
	}
	if change.added != "" {
		name, err := freeName(o.plan)
		if err != nil {
			return err
		}
		files[name] = []byte(change.added)
	}
	if len(files) == 0 {
		say(c, o, "nothing to write\n")
		return nil
	}
	if err := writePlan(o.plan, files, func() error { return tookOver(o, named) }); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		say(c, o, "wrote %s\n", filepath.Join(o.plan, name))
	}
	return nil
}

// say keeps JSON clean.
func say(c *cobra.Command, o importWish, format string, args ...any) {
	if !o.asJSON {
		fmt.Fprintf(c.OutOrStdout(), format, args...)
	}
}

func unclear(what string, err error) error {
	return &lifeboat.Problem{Reason: "register-unclear", What: what, Money: "the plan is what it was", Next: "change it by hand, or leave the symbol as it is with --skip", Err: err}
}

// A change is what becomes of the plan.
type change struct {
	said  map[int]plan.Said // :: place in the plan's holdings → the custodian's word
	added string            // a plan file with what is new
}

// planChange decides line by line, and refuses what it would have to guess.
func planChange(c *cobra.Command, p *plan.Plan, named []*statement.Export, all []statement.Differences, o importWish) (change, error) {
	change := change{said: map[int]plan.Said{}}
	classes, err := classesOf(c, o.classes)
	if err != nil {
		return change, err
	}
	var gone []string
	for i, e := range named {
		if p.Tradable(e.Account) {
			return change, &lifeboat.Problem{Reason: "register-unclear", What: fmt.Sprintf("lifeboat trades in %s: its book is the register moved by every fill, and a new quantity in the register would move it twice", e.Account),
				Money: "the plan is what it was", Next: "leave the register as it is; the venue's own statements restate the book"}
		}
		head := ""
		for _, l := range all[i].Lines {
			at := holdingAt(p, e.Account, l.Symbol)
			if slices.Contains(o.skip, l.Symbol) {
				continue
			}
			if later, err := overtaken(p, at, e); later {
				return change, err
			}
			switch {
			case l.Custodian.IsNegative():
				return change, unclear(fmt.Sprintf("%s owes %s %s, and the register holds nothing negative", e.Account, l.Custodian.Neg(), l.Symbol), nil)
			case l.Finding == statement.Missing && e.Partial != "":
				say(c, o, "note: %s in %s stays as it is: the file may not list it\n", l.Symbol, e.Account)
			case l.Finding == statement.Missing && !o.gone:
				gone = append(gone, l.Symbol)
			case at >= 0:
				change.said[at] = plan.Said{Quantity: l.Custodian, AsOf: asOf(e), Source: oneLine(e.Source)}
			default:
				text, err := newHolding(p, e, l, classes)
				if err != nil {
					return change, err
				}
				if head == "" {
					head = fmt.Sprintf("# Taken over by lifeboat import from %s (%s), as of %s.\n# These are holdings like all others: edit or move them.\n", oneLine(e.Source), e.Form, stamp(e.At))
					change.added += head
				}
				change.added += text
			}
		}
	}
	if len(gone) > 0 {
		return change, &lifeboat.Problem{Reason: "register-unclear", What: fmt.Sprintf("the register has %s, which the custodian does not name; it may be sold, or be called otherwise there", strings.Join(gone, ", ")),
			Money: "the plan is what it was", Next: "--symbol THEIRS=OURS when it is called otherwise, --gone to set it to 0, --skip SYMBOL to leave it"}
	}
	if change.added != "" {
		change.added = "holdings:\n" + change.added
	}
	return change, nil
}

// asOf is written into the plan.
func asOf(e *statement.Export) string { return e.At.UTC().Format(time.RFC3339) }

// overtaken reports a holding of which the register knows something later than the file.
func overtaken(p *plan.Plan, at int, e *statement.Export) (bool, error) {
	if at < 0 {
		return false, nil
	}
	when, ok := p.Holdings[at].When()
	if !ok || !when.After(e.At) {
		return false, nil
	}
	return true, unclear(fmt.Sprintf("the register has %s in %s as of %s, and the file is older", p.Holdings[at].Symbol, e.Account, stamp(when)), nil)
}

// classesOf new holdings by symbol; "" stands for all others.
func classesOf(c *cobra.Command, texts []string) (map[string]string, error) {
	classes := map[string]string{}
	for _, text := range texts {
		symbol, word, ok := strings.Cut(text, "=")
		if !ok {
			symbol, word = "", text
		}
		class, known := plan.ClassName(word)
		if !known {
			return nil, usage(c, fmt.Sprintf("there is no class %q; there are %s", word, strings.Join(plan.Classes(), ", ")))
		}
		classes[symbol] = class
	}
	return classes, nil
}

// newHolding is the YAML of one item.
func newHolding(p *plan.Plan, e *statement.Export, l statement.Difference, classes map[string]string) (string, error) {
	class := p.Class(l.Symbol)
	switch {
	case class != "":
	case classes[l.Symbol] != "":
		class = classes[l.Symbol]
	case l.Symbol == l.Currency:
		class = "cash"
	case classes[""] != "":
		class = classes[""]
	default:
		return "", &lifeboat.Problem{Reason: "register-unclear", What: fmt.Sprintf("%s%s is new, and what class it is of cannot be told", l.Symbol, parenthesis(l.Name)),
			Money: "the plan is what it was", Next: fmt.Sprintf("--class %s=CLASS with one of %s", l.Symbol, strings.Join(plan.Classes(), ", "))}
	}
	name := ""
	if l.Name != "" && l.Symbol != l.Currency {
		name = ", name: " + quoted(l.Name)
	}
	return fmt.Sprintf("  - {symbol: %s%s, account: %s, quantity: %s, class: %s, as_of: %s, source: %s}\n",
		quoted(l.Symbol), name, quoted(e.Account), l.Custodian, class, quoted(asOf(e)), quoted(oneLine(e.Source))), nil
}

func parenthesis(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// quoted is a text as YAML and JSON both read it.
func quoted(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a text can always be
	return strings.TrimSpace(b.String())
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// freeName of a file for what is new.
func freeName(dir string) (string, error) {
	const most = 1000
	for n := 1; n <= most; n++ {
		name := "holdings-imported.yaml"
		if n > 1 {
			name = fmt.Sprintf("holdings-imported-%d.yaml", n)
		}
		if _, err := os.Lstat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
	}
	return "", unclear(fmt.Sprintf("%s has too many files holdings-imported", dir), nil)
}

// tookOver reads the plan anew and holds it against the statements once more.
func tookOver(o importWish, named []*statement.Export) error {
	p, err := app.LoadPlan(o.plan)
	if err != nil {
		return err
	}
	for _, e := range named {
		for _, l := range statement.Compare(app.Positions(p), e.Statement).Lines {
			if l.Finding != statement.Same && l.Finding != statement.Missing && !slices.Contains(o.skip, l.Symbol) {
				return fmt.Errorf("%s in %s would be %s and not %s", l.Symbol, e.Account, l.Register, l.Custodian)
			}
		}
	}
	return nil
}

// writePlan replaces files of a plan and adds others. When one cannot be written, or the plan is not accepted afterwards,
// all are put back.
func writePlan(dir string, files map[string][]byte, accepted func() error) error {
	before := map[string][]byte{} // :: name → what it was; nil for a file that there was not
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return planNotWritten(filepath.Join(dir, name), err)
		}
		before[name] = text
	}
	var done []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := writeFile(path, files[name], before[name] != nil); err != nil {
			return cmp.Or(putBack(dir, done, before), planNotWritten(path, err))
		}
		done = append(done, name)
	}
	if err := accepted(); err != nil {
		if back := putBack(dir, done, before); back != nil {
			return back
		}
		return unclear("the plan would not be valid afterwards, so all was put back: "+sentence(err), err)
	}
	return nil
}

func planNotWritten(path string, err error) error {
	return &lifeboat.Problem{Reason: "not-written", What: fmt.Sprintf("%s cannot be written: %v", path, reasonOf(err)),
		Money: "the plan is what it was", Next: "free space, or mend the rights", Err: err}
}

// writeFile replaces a file, or makes it; in both cases the whole text appears at once.
func writeFile(path string, text []byte, exists bool) error {
	if exists {
		return replaceFile(path, text)
	}
	next := path + ".new"
	if err := os.WriteFile(next, text, 0o644); err != nil {
		_ = os.Remove(next)
		return err
	}
	return os.Rename(next, path)
}

func putBack(dir string, names []string, before map[string][]byte) error {
	var failed []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		var err error
		if before[name] == nil {
			if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		} else {
			err = replaceFile(path, before[name])
		}
		if err != nil {
			failed = append(failed, path)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &lifeboat.Problem{Reason: "not-written", What: "the plan was changed in part and could not be put back: " + strings.Join(failed, ", "),
		Money: "no order was placed", Next: "restore these files from your backup or repository, and run lifeboat check"}
}
