package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/drill"
	"lifeboat/drill/scenario"
	"lifeboat/plan"
	"lifeboat/watch/history"
	"lifeboat/watch/rule"
)

// evalOptions are the flags of eval.
type evalOptions struct {
	drillOptions
	scenario, every string
	asCSV, changes  bool
}

func evalCommand() *cobra.Command {
	var o evalOptions
	c := &cobra.Command{
		Use: "eval EXPR", Short: "Show what an expression would have said in the past", Args: arguments(1, filesMax),
		Long: `eval plays a history through the signals and prints the series of one
expression: its value, or true, false or not known.

  lifeboat eval 'drawdown(SPY)' --scenario covid-2020
  lifeboat eval 'portfolio_drawdown >= 15%' --scenario covid-2020 --plan myplan --changes
  lifeboat eval 'zscore(VIX, 60d)' --history vix.csv --from 2020-02-01 --csv
  lifeboat eval 'USDC < 0.97 for 72h' --history history --every 1h

--history takes CSV files, the folder of a history store, or a folder of CSV
files. Rows before --from warm the signals up. An expression about the portfolio
wants --plan, and means what the plan registers, held unchanged all the time.

A line is printed for each session, as it was after the session's last reading;
or for each reading, or for each span of wall time, as --every says. A condition
that was true in between, and is not at the end, is told as such. With --changes
only what differs from the line before is printed, each with its own time.

An expression of several lines comes through standard input when EXPR is -.
In CSV and JSON, shares are fractions (0.15), times are seconds, and what is not
known is empty or null.`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args[0], args[1:]) },
	}
	f := c.Flags()
	f.StringArrayVar(&o.history, "history", nil, "CSV `FILE` with prices, or a folder; may be repeated, or followed by more")
	f.StringVar(&o.scenario, "scenario", "", "`NAME` of a scenario, instead of --history")
	f.StringVar(&o.plan, "plan", "", "plan `DIR` whose holdings and signals may be named")
	f.StringVar(&o.from, "from", "", "first `DAY` that is printed (2020-01-02); earlier rows are warm-up")
	f.StringVar(&o.to, "to", "", "last `DAY`")
	f.StringVar(&o.every, "every", "", "print a line for every `WHAT`: session (the usual), reading, or a span such as 1h")
	f.BoolVar(&o.changes, "changes", false, "print only what differs from the line before")
	f.BoolVar(&o.asCSV, "csv", false, "print CSV")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	f.StringVar(&o.calendar, "calendar", "", "whose days those of --history are, `NAME` being nyse or 24/7; found out from the dates when absent")
	f.BoolVar(&o.quarantine, "quarantine", false, "treat each bad value of --history as missing instead of refusing the file")
	return c
}

// filesMax bounds the arguments: the expression and the files after --history.
const filesMax = 1_000

// check refuses flags that contradict each other.
func (o evalOptions) check(c *cobra.Command, files []string) error {
	switch {
	case len(o.history) > 0 && o.scenario != "":
		return usage(c, "eval plays either --history or --scenario, not both")
	case len(o.history) == 0 && len(files) > 0:
		return usage(c, fmt.Sprintf("%s does not take %q; files come after --history, and an expression stands in quotes", c.CommandPath(), files[0]))
	case len(o.history) == 0 && o.scenario == "":
		return usage(c, "eval needs --history FILE, or --scenario NAME")
	case o.asCSV && o.asJSON:
		return usage(c, "eval prints either --csv or --json, not both")
	}
	return nil
}

func (o evalOptions) run(c *cobra.Command, expr string, files []string) error {
	if err := o.check(c, files); err != nil {
		return err
	}
	expr, err := exprOf(c, expr)
	if err != nil {
		return err
	}
	sampling, err := o.sampling(c)
	if err != nil {
		return err
	}
	past, err := o.past(files)
	if err != nil {
		return ofEval(err)
	}
	for _, warning := range past.Tape.Warnings {
		fmt.Fprintln(c.ErrOrStderr(), "lifeboat: warning:", warning)
	}
	meaning, err := meaningOf(c, expr, app.Env(past.Plan, sourcesOf(past)), false)
	if err != nil {
		return err
	}
	e, err := newEvaluation(expr, past, sampling, o.plan == "")
	if err != nil {
		return err
	}
	p := printer{Command: c, meaning: meaning, evalOptions: o, expr: expr, by: sampling.by}
	if err := p.begin(); err != nil {
		return err
	}
	e.tell = p.row
	if err := e.play(c.Context(), past.Tape.Instants); err != nil {
		return err
	}
	return p.end()
}

// past is the history that is played, and the plan; an empty one when none is named.
func (o evalOptions) past(files []string) (drill.Options, error) {
	past, err := o.played(files)
	if err != nil {
		return past, err
	}
	if o.plan == "" {
		past.Plan = &plan.Plan{Portfolio: plan.Portfolio{BaseCurrency: "USD"}}
		return past, nil
	}
	if past.Plan, err = app.LoadPlan(o.plan, past.Tape.Names()...); err != nil {
		return past, err
	}
	past.Tape = past.Tape.Rename(drill.Cast(past.Plan, past.Scenario))
	return past, nil
}

func (o evalOptions) played(files []string) (drill.Options, error) {
	if o.scenario == "" {
		opened, err := csvFilesIn(append(slices.Clone(o.history), files...))
		if err != nil {
			return drill.Options{}, err
		}
		return o.ownHistory(opened)
	}
	s, err := scenario.ByName(o.scenario)
	if err != nil {
		return drill.Options{}, err
	}
	t, err := drill.TapeOf(s)
	if err != nil {
		return drill.Options{}, err
	}
	return o.within(drill.Options{Tape: t, From: s.From, To: s.To, Scenario: &s})
}

// csvFilesIn puts the files of a folder in its place. The folder of a history store is read as a whole by others.
func csvFilesIn(names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || !info.IsDir() || history.Is(name) {
			files = append(files, name)
			continue
		}
		found, err := filepath.Glob(filepath.Join(name, "*.csv*"))
		if err != nil || len(found) == 0 {
			return nil, noHistory(fmt.Sprintf("the folder %s holds no CSV file and is no history store", name))
		}
		files = append(files, found...)
	}
	return files, nil
}

// ofEval says for this command what is said of drills.
func ofEval(err error) error {
	p, ok := errors.AsType[*lifeboat.Problem](err)
	if !ok {
		return err
	}
	told := *p
	told.Money = ""
	if told.Next == "lifeboat drill run --help" {
		told.Next = "lifeboat eval --help"
	}
	return &told
}

func sourcesOf(past drill.Options) map[lifeboat.Series][]string {
	return drill.Heard(past.Plan, past.Tape, past.Scenario, past.From).Sources
}

// rowsMax bounds what one call prints with --every SPAN: a row a second for eleven days.
const rowsMax = 1_000_000

func (o evalOptions) sampling(c *cobra.Command) (sampling, error) {
	switch o.every {
	case "":
		if o.changes {
			return sampling{by: byStep}, nil
		}
		return sampling{by: bySession}, nil
	case "session":
		return sampling{by: bySession}, nil
	case "reading":
		return sampling{by: byReading}, nil
	}
	span, err := time.ParseDuration(o.every)
	if err != nil || span < time.Second {
		return sampling{}, usage(c, fmt.Sprintf("--every %q is not session, reading, or a span such as 1h", o.every))
	}
	return sampling{by: bySpan, span: span}, nil
}

// A printer writes rows as the flags say, and counts them for the last line.
type printer struct {
	*cobra.Command
	evalOptions
	meaning rule.Meaning
	expr    string
	by      by

	csv                     *csv.Writer
	rows                    []jsonRow
	written, total, unknown int
	trueRows                int
	last                    *sample
	low, high               *sample
}

type jsonRow struct {
	Time    time.Time `json:"time"`
	Session string    `json:"session,omitempty"`
	Value   any       `json:"value"` // a number, true or false; null when it is not known
	WasTrue bool      `json:"was_true,omitempty"`
}

func (p *printer) begin() error {
	switch {
	case p.asCSV:
		p.csv = csv.NewWriter(p.OutOrStdout())
		return p.csv.Write([]string{"time", "value"})
	case !p.asJSON:
		fmt.Fprintf(p.OutOrStdout(), "%s\n\n", p.meaning.Sentence)
	}
	return nil
}

func (p *printer) row(s sample) error {
	p.count(s)
	same := p.last != nil && p.last.known == s.known && p.last.v == s.v && p.last.was == s.was
	p.last = &s
	if p.changes && same {
		return nil
	}
	p.written++
	switch {
	case p.asCSV:
		return p.csv.Write([]string{s.at.Format(time.RFC3339), p.plain(s)})
	case p.asJSON:
		p.rows = append(p.rows, jsonRow{s.at, s.day, p.value(s), s.was && s.known && s.v == 0})
		return nil
	}
	_, err := fmt.Fprintf(p.OutOrStdout(), "%s  %s\n", p.when(s), p.said(s))
	return err
}

func (p *printer) count(s sample) {
	p.total++
	switch {
	case !s.known:
		p.unknown++
		return
	case p.condition() && s.v != 0:
		p.trueRows++
	}
	if p.low == nil || s.v < p.low.v {
		p.low = &s
	}
	if p.high == nil || s.v > p.high.v {
		p.high = &s
	}
}

func (p *printer) condition() bool { return p.meaning.IsCondition() }

func (p *printer) when(s sample) string {
	if s.day != "" {
		return s.day
	}
	return s.at.Format("2006-01-02 15:04:05")
}

func (p *printer) said(s sample) string {
	switch {
	case !s.known && s.was:
		return "not known (was true in between)"
	case !s.known:
		return "not known"
	case s.v == 0 && s.was:
		return "false (was true in between)"
	}
	return p.meaning.Say(s.v)
}

func (p *printer) value(s sample) any {
	switch {
	case !s.known:
		return nil
	case p.condition():
		return s.v != 0
	}
	return s.v
}

// plain is a value for programs; what is not known is empty.
func (p *printer) plain(s sample) string {
	switch {
	case !s.known:
		return ""
	case p.condition():
		return strconv.FormatBool(s.v != 0)
	}
	return strconv.FormatFloat(s.v, 'g', -1, 64)
}

func (p *printer) end() error {
	switch {
	case p.asCSV:
		p.csv.Flush()
		return p.csv.Error()
	case p.asJSON:
		if p.rows == nil {
			p.rows = []jsonRow{}
		}
		return writeJSON(p.Command, map[string]any{"expr": p.expr, "sentence": p.meaning.Sentence, "type": p.meaning.Type, "rows": p.rows})
	}
	_, err := fmt.Fprintf(p.OutOrStdout(), "\n%s\n", p.summary())
	return err
}

// looks are what a sampling looks at, one and many.
var looks = map[by][2]string{
	bySession: {"session", "sessions"}, byReading: {"reading", "readings"}, bySpan: {"time", "times"}, byStep: {"step", "steps"},
}

// summary is the last line: how often it was true, or between what it moved.
func (p *printer) summary() string {
	gone := ""
	if p.unknown > 0 {
		gone = fmt.Sprintf("; not known in %d", p.unknown)
	}
	lines := count(p.total, looks[p.by][0], looks[p.by][1])
	switch {
	case p.condition():
		return fmt.Sprintf("true in %d of %s%s", p.trueRows, lines, gone)
	case p.low == nil:
		return fmt.Sprintf("not known in any of %s", lines)
	}
	return fmt.Sprintf("%s: lowest %s on %s, highest %s on %s%s", lines,
		p.meaning.Say(p.low.v), p.low.at.Format(time.DateOnly), p.meaning.Say(p.high.v), p.high.at.Format(time.DateOnly), gone)
}
