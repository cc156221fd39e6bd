package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/backtest"
	"lifeboat/backtest/report"
	"lifeboat/drill/scenario"
	"lifeboat/watch/history"
)

// backtestOptions are the flags of backtest.
type backtestOptions struct {
	drillOptions
	scenarios, compare string
}

func backtestCommand() *cobra.Command {
	var o backtestOptions
	c := &cobra.Command{
		Use: "backtest", Short: "Measure what the plan's triggers would have been worth", Args: cobra.ArbitraryArgs,
		Long: `backtest plays past disasters, and the calm between them, through the plan's
triggers, and tells for each of them how often it fired, how long before the
point of no return, what acting on it was worth against doing nothing, what it
cost where holding was right, whether one bad value makes it fire, and what
another threshold would have done. Its first lines name the triggers that never
fire on what they are meant for, fire falsely, or fire too late.

  lifeboat backtest --plan myplan --scenarios all
  lifeboat backtest --plan myplan --scenarios covid-2020,usdc-2023 --out report
  lifeboat backtest --plan myplan --history prices.csv --from 2015-01-01
  lifeboat backtest --plan edited --compare myplan

--history takes CSV files, or one folder that lifeboat history import made.
Without it, --scenarios all is meant. With --out DIR it writes backtest.html,
one file with all drawings in it, and backtest.json. --compare plays another
plan, the one before an edit, on the same histories and tells what changed.

Ctrl-C leaves what was found until then, marked as partial.

Exit code 0 when it was played, whatever it showed; 3 when the plan or the
history is wrong; 130 when it was stopped.`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	f := c.Flags()
	f.StringVar(&o.plan, "plan", ".", "`DIR` of the plan")
	f.StringVar(&o.scenarios, "scenarios", "", "play these scenarios: all, or their `NAMES` with commas between them")
	f.StringArrayVar(&o.history, "history", nil, "CSV `FILE` with prices, or the folder of a history store; may be repeated, or followed by more files")
	f.StringVar(&o.from, "from", "", "first `DAY` of --history (2020-01-02); earlier rows are warm-up")
	f.StringVar(&o.to, "to", "", "last `DAY` of --history")
	f.StringVar(&o.calendar, "calendar", "", "whose days those of --history are, `NAME` being nyse or 24/7; found out from the dates when absent")
	f.BoolVar(&o.quarantine, "quarantine", false, "treat each bad value of --history as missing instead of refusing the file")
	f.StringVar(&o.compare, "compare", "", "`DIR` of the plan before an edit; tell what changed")
	f.StringVar(&o.out, "out", "", "`DIR` for the report")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object on stdout")
	return c
}

func (o backtestOptions) run(c *cobra.Command, args []string) error {
	if err := o.check(c, args); err != nil {
		return err
	}
	now, base, err := o.both(c.Context(), args)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := makeBeside(o.out, o.plans()...); err != nil {
			return err
		}
	}
	bar := newBar(c.ErrOrStderr())
	defer bar.clear()
	result, err := playBoth(c.Context(), bar, now, base)
	bar.clear()
	if result.Plan == "" { // nothing was begun
		return err
	}
	if told := o.tell(c, result); told != nil {
		return told
	}
	return err
}

// plans are the directories of both, or of the one.
func (o backtestOptions) plans() []string {
	if o.compare == "" {
		return []string{o.plan}
	}
	return []string{o.plan, o.compare}
}

// both plans, read before either is played; base is nil without --compare.
func (o backtestOptions) both(ctx context.Context, args []string) (now backtest.Options, base *backtest.Options, err error) {
	if now, err = o.options(ctx, o.plan, args); err != nil || o.compare == "" {
		return now, nil, err
	}
	before, err := o.options(ctx, o.compare, args)
	return now, &before, err
}

// playBoth plays the plan and then, if there is one, the base. What was found until somebody stopped it comes beside the
// error.
func playBoth(ctx context.Context, bar *bar, now backtest.Options, base *backtest.Options) (backtest.Result, error) {
	parts := 1.0
	if base != nil {
		parts = 2
	}
	now.Progress = func(share float64, what string) { bar.show(share/parts, what) }
	result, err := backtest.Run(ctx, now)
	if err != nil || base == nil {
		return result, err
	}
	base.Progress = func(share float64, what string) { bar.show((1+share)/parts, "the base, "+what) }
	before, err := backtest.Run(ctx, *base)
	if err != nil {
		result.Partial = true
		result.Warnings = append(result.Warnings, "it was stopped before the base plan was played, so nothing is said about changes")
		return result, err
	}
	changes := backtest.Compare(before, result)
	result.Changes = &changes
	return result, nil
}

func (o backtestOptions) check(c *cobra.Command, args []string) error {
	switch {
	case o.scenarios != "" && len(o.history) > 0:
		return usage(c, "backtest plays either --scenarios or --history, not both")
	case len(o.history) == 0 && len(args) > 0:
		return usage(c, fmt.Sprintf("%s does not take %q; files come after --history", c.CommandPath(), args[0]))
	case len(o.history) == 0 && (o.from != "" || o.to != ""):
		return usage(c, "--from and --to are for --history; a scenario has its own days")
	}
	return nil
}

// options of one plan.
func (o backtestOptions) options(ctx context.Context, dir string, args []string) (backtest.Options, error) {
	if len(o.history) > 0 {
		return o.onHistory(ctx, dir, append(slices.Clone(o.history), args...))
	}
	return o.onScenarios(dir)
}

func (o backtestOptions) onScenarios(dir string) (backtest.Options, error) {
	p, err := app.LoadPlan(dir)
	if err != nil {
		return backtest.Options{}, err
	}
	options := backtest.Options{Plan: p}
	chosen, err := o.chosen()
	if err != nil {
		return options, err
	}
	for _, s := range chosen {
		scene, whyNot, err := backtest.SceneOf(p, s)
		switch {
		case err != nil:
			return options, err
		case whyNot != "":
			options.Skipped = append(options.Skipped, backtest.Skipped{Name: s.Name, Why: whyNot})
		default:
			options.Scenes = append(options.Scenes, scene)
		}
	}
	return options, nil
}

// chosen scenarios, oldest first when all are meant.
func (o backtestOptions) chosen() ([]scenario.Scenario, error) {
	if o.scenarios == "" || o.scenarios == "all" {
		return scenario.All(), nil
	}
	var chosen []scenario.Scenario
	for name := range strings.SplitSeq(o.scenarios, ",") {
		s, err := scenario.ByName(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(chosen, func(other scenario.Scenario) bool { return other.Name == s.Name }) {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

func (o backtestOptions) onHistory(ctx context.Context, dir string, files []string) (backtest.Options, error) {
	if slices.ContainsFunc(files, history.Is) {
		if len(files) > 1 {
			return backtest.Options{}, &lifeboat.Problem{Reason: "usage", What: "a history store is played alone, and there are other files beside it",
				Next: "lifeboat history import, to put them into the store"}
		}
		return o.onStore(ctx, dir, files[0])
	}
	brought, err := o.ownHistory(files)
	if err != nil {
		return backtest.Options{}, err
	}
	p, err := app.LoadPlan(dir, brought.Tape.Names()...)
	if err != nil {
		return backtest.Options{}, err
	}
	return backtest.Options{Plan: p, Scenes: []backtest.Scene{backtest.SceneOfHistory(p, brought.Tape, brought.From, brought.To)}}, nil
}

func (o backtestOptions) onStore(ctx context.Context, dir, store string) (backtest.Options, error) {
	s, err := history.Open(store)
	if err != nil {
		return backtest.Options{}, err
	}
	var names []string
	for _, series := range s.List() {
		if symbol, _ := series.Name.Column(); !slices.Contains(names, symbol) {
			names = append(names, symbol)
		}
	}
	from, to, err := o.days("lifeboat backtest --help")
	if err != nil {
		return backtest.Options{}, err
	}
	p, err := app.LoadPlan(dir, names...)
	if err != nil {
		return backtest.Options{}, err
	}
	scene, err := backtest.SceneOfStore(ctx, p, s, from, to)
	return backtest.Options{Plan: p, Scenes: []backtest.Scene{scene}}, err
}

// tell shows the result and files it.
func (o backtestOptions) tell(c *cobra.Command, result backtest.Result) error {
	if o.out != "" {
		if err := report.Write(o.out, result); err != nil {
			return notWritten(o.out, err)
		}
		fmt.Fprintf(c.ErrOrStderr(), "lifeboat: report in %s\n", filepath.Join(o.out, report.Page))
	}
	if o.asJSON {
		return report.JSON(c.OutOrStdout(), result)
	}
	width, _ := screenOf(c)
	report.Text(c.OutOrStdout(), result, width)
	return nil
}

// A bar shows on a terminal how far long work is. On anything else it is silent.
type bar struct {
	out          io.Writer // nil: nobody looks
	begun, drawn time.Time
}

const (
	barAfter = time.Second            // shorter work needs no bar
	barEvery = 100 * time.Millisecond // between two drawings
	barWidth = 30
)

func newBar(errs io.Writer) *bar {
	f, ok := errs.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &bar{}
	}
	return &bar{out: f, begun: lifeboat.WallClock{}.Now()}
}

func (b *bar) show(share float64, what string) {
	if b.out == nil {
		return
	}
	now := lifeboat.WallClock{}.Now()
	if now.Sub(b.begun) < barAfter || now.Sub(b.drawn) < barEvery {
		return
	}
	b.drawn = now
	full := int(min(max(share, 0), 1) * barWidth)
	fmt.Fprintf(b.out, "\r\x1b[K[%s%s] %3.0f %% %s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*share, what)
}

// clear takes the bar away, so that what follows begins on a clean line.
func (b *bar) clear() {
	if b.out != nil && !b.drawn.IsZero() {
		fmt.Fprint(b.out, "\r\x1b[K")
		b.drawn = time.Time{}
	}
}
