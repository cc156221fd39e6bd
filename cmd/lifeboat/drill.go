package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/drill"
	"lifeboat/drill/report"
	"lifeboat/drill/scenario"
	"lifeboat/keep/journal"
	"lifeboat/keep/review"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
	"lifeboat/watch/history"
)

func drillCommand() *cobra.Command {
	c := &cobra.Command{Use: "drill", Short: "Rehearse a disaster on the plan"}
	c.AddCommand(drillListCommand(), drillRunCommand())
	return c
}

func drillListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the scenarios", Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if asJSON {
				return writeJSON(c, scenario.All())
			}
			for _, s := range scenario.All() {
				right := "leaving was right"
				if s.Kind == scenario.Hold {
					right = "holding was right"
				}
				fmt.Fprintf(c.OutOrStdout(), "%-14s %s to %s  %s (%s)\n", s.Name, s.From.Format(time.DateOnly), s.To.Format(time.DateOnly), s.Title, right)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the scenarios as JSON, with their sources")
	return c
}

// drillOptions are the flags of drill run.
type drillOptions struct {
	plan, out, from, to, calendar string
	history                       []string
	asJSON, quarantine            bool
}

func drillRunCommand() *cobra.Command {
	var o drillOptions
	c := &cobra.Command{
		Use: "run [SCENARIO]", Short: "Play a disaster through the plan and measure", Args: cobra.ArbitraryArgs,
		Long: `run plays a scenario, or your own price history, through the very same code as
the daemon: virtual time, a simulated broker, and people who answer after the
reaction times that the plan states. It tells what fired when and why, what was
decided, the orders with their slippage, and what it was worth against doing
nothing.

Your own history is CSV with a date column and one column per series, or
SERIES.open, .high, .low, .close, .volume:

  lifeboat drill run --history prices.csv --from 2020-01-02 --to 2020-06-30 --plan myplan

or a store that lifeboat history import made:

  lifeboat drill run --history history --from 2022-05-01 --to 2022-06-30 --plan myplan

Rows before --from warm the signals up. With --out DIR it writes a report
(Markdown, charts, JSON), a post-incident review, and a line in the log of the
quarter (DRP_Log_2026_Q4.md). With --json one JSON object goes to stdout.

Exit code 0 when the drill was played, whatever it showed; 3 when the plan or
the history is wrong.`,
		RunE: func(c *cobra.Command, args []string) error {
			result, story, err := rehearse(c, o, args)
			if err != nil {
				return err
			}
			return o.tell(c, result, story)
		},
	}
	f := c.Flags()
	f.StringVar(&o.plan, "plan", ".", "`DIR` of the plan")
	f.StringVar(&o.out, "out", "", "`DIR` for the report, the review and the quarter's log")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object on stdout")
	f.StringArrayVar(&o.history, "history", nil, "CSV `FILE` with prices, or the folder of a history store, instead of a scenario; may be repeated, or followed by more")
	f.StringVar(&o.from, "from", "", "first `DAY` of the drill (2020-01-02); earlier rows are warm-up")
	f.StringVar(&o.to, "to", "", "last `DAY` of the drill")
	f.StringVar(&o.calendar, "calendar", "", "whose days those of --history are, `NAME` being nyse or 24/7; found out from the dates when absent")
	f.BoolVar(&o.quarantine, "quarantine", false, "treat each bad value of --history as missing instead of refusing the file")
	return c
}

// rehearse reads what is to be played and plays it.
func rehearse(c *cobra.Command, o drillOptions, args []string) (drill.Result, *journal.Mem, error) {
	var none drill.Result
	options, err := o.choose(args)
	if err != nil {
		return none, nil, err
	}
	if options.Plan, err = app.LoadPlan(o.plan, options.Tape.Names()...); err != nil {
		return none, nil, err
	}
	if o.out != "" {
		if err := makeBeside(o.out, o.plan); err != nil {
			return none, nil, err
		}
	}
	options.Tape = options.Tape.Rename(drill.Cast(options.Plan, options.Scenario))
	for _, warning := range options.Tape.Warnings {
		fmt.Fprintln(c.ErrOrStderr(), "lifeboat: warning:", warning)
	}
	if warning := strangers(options.Plan, options.Tape); warning != "" {
		fmt.Fprintln(c.ErrOrStderr(), "lifeboat: warning:", warning)
	}
	story := journal.Memory()
	options.Journal = story
	result, err := drill.Rehearse(c.Context(), options)
	return result, story, err
}

// strangers warns of a history that prices nothing of what the plan holds: most often a file or column has another name.
func strangers(p *plan.Plan, t *tape.Tape) string {
	held, brought := p.Symbols(), t.Names()
	if len(held) == 0 || slices.ContainsFunc(held, func(s string) bool { return slices.Contains(brought, s) }) {
		return ""
	}
	const few = 6
	return fmt.Sprintf("nothing that the plan holds has a price here: it holds %s, and the history has %s; a column or file has to be called as the plan calls the series",
		strings.Join(held[:min(few, len(held))], ", "), strings.Join(brought[:min(few, len(brought))], ", "))
}

// choose reads the scenario or the owner's own history.
func (o drillOptions) choose(args []string) (drill.Options, error) {
	if len(o.history) > 0 {
		return o.ownHistory(append(slices.Clone(o.history), args...))
	}
	if len(args) != 1 {
		return drill.Options{}, &lifeboat.Problem{Reason: "usage", What: "drill run needs one SCENARIO, or --history FILE.csv",
			Next: "lifeboat drill list"}
	}
	s, err := scenario.ByName(args[0])
	if err != nil {
		return drill.Options{}, err
	}
	t, err := drill.TapeOf(s)
	if err != nil {
		return drill.Options{}, err
	}
	return o.within(drill.Options{Tape: t, From: s.From, To: s.To, Scenario: &s})
}

func (o drillOptions) ownHistory(files []string) (drill.Options, error) {
	options := tape.Options{Quarantine: o.quarantine}
	if o.calendar != "" {
		calendar, err := session.ByName(o.calendar)
		if err != nil {
			return drill.Options{}, &lifeboat.Problem{Reason: "usage", What: err.Error(), Next: "lifeboat drill run --help"}
		}
		options.Calendar = calendar
	}
	var tapes []*tape.Tape
	for _, name := range files {
		t, err := readTape(name, options)
		if err != nil {
			return drill.Options{}, err
		}
		tapes = append(tapes, t)
	}
	t, err := tape.Merge(tapes...)
	if err != nil {
		return drill.Options{}, err
	}
	if len(t.Instants) == 0 {
		return drill.Options{}, &lifeboat.Problem{Reason: "tape-invalid", What: "the history holds no price at all", Money: "nothing was played", Next: "look at the file: a date column, then one column per series"}
	}
	return o.within(drill.Options{Tape: t, From: t.Instants[0].At, To: t.Instants[len(t.Instants)-1].At})
}

func readTape(name string, options tape.Options) (*tape.Tape, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, noHistory(fmt.Sprintf("the history %s cannot be opened: %v", name, reasonOf(err)))
	}
	defer f.Close()
	if history.Is(name) {
		return storeTape(context.Background(), name)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, noHistory(fmt.Sprintf("the history %s is a directory", name))
	}
	return tape.Read(name, f, options)
}

func noHistory(what string) error {
	return &lifeboat.Problem{Reason: "not-found", What: what, Money: "nothing was played", Next: "give the path of a CSV file"}
}

// reasonOf a failure without the path, which the sentence around it names already.
func reasonOf(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// within narrows a drill to --from and --to.
func (o drillOptions) within(options drill.Options) (drill.Options, error) {
	from, to, err := o.days("lifeboat drill run --help")
	if err != nil {
		return options, err
	}
	if o.from != "" {
		options.From = from
	}
	if o.to != "" {
		options.To = to
	}
	if options.To.Before(options.From) || o.to != "" && o.to < o.from {
		return options, &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("the drill would end (%s) before it begins (%s)", lastDay(o, options), options.From.Format(time.DateOnly)),
			Money: "nothing was played", Next: "give --to a later day than --from"}
	}
	played := options.Tape.Between(options.From, options.To)
	if len(played.Instants) == 0 {
		first, last := options.Tape.Instants[0].At, options.Tape.Instants[len(options.Tape.Instants)-1].At
		return options, &lifeboat.Problem{Reason: "tape-invalid", What: fmt.Sprintf("there is no price between %s and %s; the history runs from %s to %s",
			options.From.Format(time.DateOnly), lastDay(o, options), first.Format(time.DateOnly), last.Format(time.DateOnly)),
			Money: "nothing was played", Next: "choose --from and --to within it"}
	}
	options.To = played.Instants[len(played.Instants)-1].At
	return options, nil
}

// days of --from and --to; zero where a flag is absent. help is the command that tells of them.
func (o drillOptions) days(help string) (from, to time.Time, err error) {
	for _, bound := range []struct {
		flag, text string
		time       *time.Time
		more       time.Duration
	}{{"--from", o.from, &from, 0}, {"--to", o.to, &to, 30 * time.Hour}} { // a session of the last day closes before 06:00 UTC of the next
		if bound.text == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, bound.text)
		if err != nil {
			return from, to, &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("%s %q is not a date such as 2020-03-16", bound.flag, bound.text), Next: help}
		}
		*bound.time = day.Add(bound.more)
	}
	return from, to, nil
}

// lastDay as the person gave it, or as the scenario has it.
func lastDay(o drillOptions, options drill.Options) string {
	if o.to != "" {
		return o.to
	}
	return options.To.Format(time.DateOnly)
}

// tell shows the result and files it.
func (o drillOptions) tell(c *cobra.Command, result drill.Result, story *journal.Mem) error {
	if o.out != "" {
		if err := file(o.out, result, story); err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "lifeboat: report in %s\n", filepath.Join(o.out, "report.md"))
	}
	if o.asJSON {
		return report.JSON(c.OutOrStdout(), result)
	}
	width, colour := screenOf(c)
	report.Terminal(c.OutOrStdout(), result, width, colour)
	return nil
}

// screenOf says how wide what a command prints may be, and whether it may have colours.
func screenOf(c *cobra.Command) (width int, colour bool) {
	const usual = 100
	f, ok := c.OutOrStdout().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return usual, false
	}
	colour = os.Getenv("NO_COLOR") == ""
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		return w, colour
	}
	return usual, colour
}

// file writes the report, the review and the line in the quarter's log. The log is dated by the real clock: it says
// when the drill was held.
func file(out string, result drill.Result, story *journal.Mem) error {
	if err := report.Write(out, result); err != nil {
		return notWritten(out, err)
	}
	subject := review.Subject{Drill: result.Title, Portfolio: result.Plan, Digest: result.JournalDigest}
	events := eventsOf(story.Entries(context.Background(), 0))
	if err := os.WriteFile(filepath.Join(out, "review.md"), []byte(review.PostIncident(subject, events)), 0o644); err != nil {
		return notWritten(out, err)
	}
	now := lifeboat.WallClock{}.Now()
	if _, err := review.Append(out, now, review.LogEntry(now, subject, events)); err != nil {
		return notWritten(out, err)
	}
	return nil
}

func notWritten(dir string, err error) error {
	return &lifeboat.Problem{Reason: "not-written", What: fmt.Sprintf("the report cannot be written to %s: %v", dir, reasonOf(err)),
		Money: "a drill moves no money", Next: "free space, or name another directory with --out", Err: err}
}

// eventsOf decodes entries; those of a journal in memory always decode.
func eventsOf(entries iter.Seq2[journal.Entry, error]) iter.Seq2[time.Time, lifeboat.Event] {
	return func(yield func(time.Time, lifeboat.Event) bool) {
		for entry, err := range entries {
			if err != nil {
				return
			}
			event, err := entry.Event()
			if err != nil || !yield(entry.At, event) {
				return
			}
		}
	}
}
