package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/drill/scenario"
	"lifeboat/plan"
)

func checkCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "check [DIR]", Short: "Find everything that is wrong with a plan", Args: arguments(0, 1),
		Long: `check reads every YAML and JSON file of a plan directory (the current one when
none is given) and lists everything that is wrong with it: file, line, column,
the offending text and, where there is one, a suggestion.

Exit code 0 when the plan is valid, 3 when it is not. With --json the list goes
to stdout.`,
		RunE: func(c *cobra.Command, args []string) error {
			p, err := app.LoadPlan(dirOf(args))
			if asJSON {
				return checkJSON(c, p, err)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is valid: %s\nplan hash %s\n", p.Portfolio.Name, summary(p), p.Hash())
			for _, note := range notes(p) {
				fmt.Fprintln(c.OutOrStdout(), "note:", note)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object on stdout")
	return c
}

// notes are what a valid plan may still have forgotten, or mistyped where only this program knows the names.
func notes(p *plan.Plan) []string {
	var all []string
	for _, t := range p.Threats {
		if t.Priority() && t.Playbook == "" {
			all = append(all, fmt.Sprintf("threat %q scores %d, above 12, and names no playbook", t.Name, t.Score()))
		}
	}
	for _, t := range p.Triggers {
		if t.Cooldown == 0 && t.ClearFor == 0 && sellsAnew(p, t.Playbook) {
			all = append(all, fmt.Sprintf("trigger %q has neither cooldown nor clear_for: when it clears and fires anew, playbook %q sells a further share", t.Name, t.Playbook))
		}
	}
	for _, x := range p.Dependencies {
		if x.EVM() && x.Chain.Quorum < 2 {
			all = append(all, fmt.Sprintf("chain %q: what one node says is believed, and acted on; name three that have nothing in common", x.Name))
		}
	}
	all = append(all, p.Cautions()...)
	unfed, _ := app.UnfedTriggers(p) // what does not compile was told as a fault
	for _, u := range unfed {
		all = append(all, fmt.Sprintf("trigger %q reads %s, and no feed of the plan brings it: live it has no data", u.Trigger, joined(u.Series)))
	}
	for _, d := range p.Drills {
		s, err := scenario.ByName(d.Scenario)
		if err != nil {
			all = append(all, fmt.Sprintf("drill %q: %v", d.Name, err))
			continue
		}
		for _, from := range slices.Sorted(maps.Keys(d.Cast)) {
			if !slices.ContainsFunc(s.Sources, func(o scenario.Source) bool { return slices.ContainsFunc(o.Series, plays(from)) }) {
				all = append(all, fmt.Sprintf("drill %q casts %s, which %s does not have", d.Name, from, d.Scenario))
			}
			if to := d.Cast[from]; !slices.Contains(p.Symbols(), to) {
				all = append(all, fmt.Sprintf("drill %q lets %s play %s, which the plan does not hold", d.Name, from, to))
			}
		}
	}
	return all
}

func joined(series []lifeboat.Series) string {
	names := make([]string, len(series))
	for i, s := range series {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// sellsAnew reports a playbook that sells a share of what is held then, so that carrying it out twice sells twice. Moving
// to a model, or selling all, does not.
func sellsAnew(p *plan.Plan, playbook string) bool {
	b, _ := p.Playbook(playbook)
	content, _ := p.PlaybookContent(b)
	pinned, err := plan.Unpin(content) // with the playbooks that its steps name
	sells := err != nil
	for _, b := range append(pinned.Playbooks, pinned.Playbook) {
		plan.Walk(b.Steps, func(s plan.Step) {
			sells = sells || s.Rebalance != nil && s.Rebalance.By > 0 && s.Rebalance.By < 1 ||
				s.Order != nil && s.Order.Side == lifeboat.Sell && s.Order.Fraction < 1
		})
	}
	return sells
}

// plays finds a symbol among a scenario's series, which may name one source of it: USDC@dex.
func plays(symbol string) func(lifeboat.Series) bool {
	return func(s lifeboat.Series) bool {
		name, _, _ := strings.Cut(string(s), "@")
		return name == symbol
	}
}

// checkJSON prints {valid, plan, plan_hash, faults[], error}; the exit code is that of the check.
func checkJSON(c *cobra.Command, p *plan.Plan, err error) error {
	report := struct {
		Valid  bool         `json:"valid"`
		Plan   string       `json:"plan,omitempty"`
		Hash   string       `json:"plan_hash,omitempty"`
		Error  string       `json:"error,omitempty"`
		Faults []plan.Fault `json:"faults"`
	}{Valid: err == nil, Faults: []plan.Fault{}}
	if err != nil {
		report.Error = sentence(err)
		var faults *plan.Faults
		if errors.As(err, &faults) {
			report.Faults = faults.List
		}
	} else {
		report.Plan, report.Hash = p.Portfolio.Name, p.Hash()
	}
	if e := writeJSON(c, report); e != nil {
		return e
	}
	return err
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of a plan file", Args: arguments(0, 0),
		Long: `schema prints the JSON Schema (draft 2020-12) of one plan file. Editors complete
and check plan files with it:

  lifeboat schema > lifeboat.schema.json
  # yaml-language-server: $schema=./lifeboat.schema.json   (first line of a plan file)`,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(plan.Schema())
			return err
		},
	}
}

func fmtCommand() *cobra.Command {
	var list bool
	c := &cobra.Command{
		Use: "fmt [DIR]", Short: "Lay out plan files canonically; comments survive", Args: arguments(0, 1),
		Long: `fmt rewrites the YAML and JSON files of a plan directory in one layout. Comments
survive and the meaning – the plan's hash – stays. When something in the plan
cannot be understood, nothing is rewritten.`,
		RunE: func(c *cobra.Command, args []string) error { return formatAll(c, dirOf(args), list) },
	}
	c.Flags().BoolVarP(&list, "list", "l", false, "only list the files whose layout differs")
	return c
}

func formatAll(c *cobra.Command, dir string, list bool) error {
	if _, _, err := plan.Load(dir); err != nil {
		return err // never rewrite what is not understood
	}
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") && path != dir
		if entry.IsDir() && hidden {
			return filepath.SkipDir
		}
		if entry.IsDir() || hidden || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			return nil
		}
		return formatFile(c, path, list)
	})
}

func formatFile(c *cobra.Command, path string, list bool) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	formatted, err := plan.Format(src)
	if err != nil {
		return fmt.Errorf("format %s: %w", path, err)
	}
	if string(formatted) == string(src) {
		return nil
	}
	fmt.Fprintln(c.OutOrStdout(), path)
	if list {
		return nil
	}
	return replaceFile(path, formatted)
}

// replaceFile writes beside and renames, so that a full disk never leaves half a plan.
func replaceFile(path string, text []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	next := path + ".new"
	if err := os.WriteFile(next, text, info.Mode().Perm()); err != nil {
		_ = os.Remove(next)
		return err
	}
	return os.Rename(next, path)
}

func summary(p *plan.Plan) string {
	return strings.Join([]string{
		count(len(p.Holdings), "holding", "holdings"), count(len(p.Accounts), "account", "accounts"),
		count(len(p.Triggers), "trigger", "triggers"), count(len(p.Playbooks), "playbook", "playbooks"),
		count(len(p.Threats), "threat", "threats"), count(len(p.People), "person", "people"),
	}, ", ")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func dirOf(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return "."
}

func writeJSON(c *cobra.Command, v any) error {
	encoder := json.NewEncoder(c.OutOrStdout())
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

func notFound(what, next string) error {
	return &lifeboat.Problem{Reason: "not-found", What: what, Next: next}
}
