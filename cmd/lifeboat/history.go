package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
	"lifeboat/watch/history"
)

func historyCommand() *cobra.Command {
	c := &cobra.Command{Use: "history", Short: "Keep prices of the past for drills and backtests"}
	c.AddCommand(historyImportCommand(), historyListCommand(), historyCheckCommand())
	return c
}

// historyStore is where the store is when nothing else is said.
const historyStore = "history"

// importOptions are the flags of history import, as they were typed.
type importOptions struct {
	history.Options
	store, series, from, to, calendar, interval string
	asJSON                                      bool
}

func historyImportCommand() *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use: "import FILE...", Short: "Take price history into the store", Args: arguments(1, 1000),
		Long: `import reads files of history and keeps what they say in a store, a folder of
Parquet files. The form of a file is found from its content and told; gzip and
zip around it are opened. A file "-" is stdin.

  lifeboat history import SPY.csv --adjusted raw
  lifeboat history import BTCUSDT-1h.csv.gz --series BTC --source binance
  lifeboat history import DGS10.csv VIX.csv --store markets

The forms are:

` + forms() + `
The time of a row is when its values were known. A date is known when that day's
session closes; a kline is known when it is complete, so its time is moved by
its length. The time of another bar that has a time of day is taken for the
bar's beginning, which cannot make a drill see the future; --stamp end says
otherwise.

What cannot be right is left out, counted and listed, never mended. Rows that
come twice are dropped when they agree and left out when they do not. What is
stored stands against what contradicts it, unless --keep last. Rows behind a
halt and a jump of five times or more may belong to another asset that took
over the name: they are left out and you are told; --split imports them as
NAME-2, --same as the same series. Adjusted and raw prices cannot share a name.

Exit code 0 when every file was imported, 3 when one was refused; those before
it stay imported.`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	f := c.Flags()
	f.StringVar(&o.store, "store", historyStore, "`DIR` of the store; it is made when it does not exist")
	f.StringVar(&o.series, "series", "", "`NAME` of the file's one series, as plans call it; the file's own name when absent")
	f.StringVar(&o.Source, "source", "", "`NAME` of who says so, when a series has several sources")
	f.StringVar(&o.Column, "column", "", "the one column to read of a table with several, `NAME`")
	f.StringVar(&o.Form, "form", "", "`FORM` of the file, instead of finding it out")
	f.StringVar(&o.Adjusted, "adjusted", "", "whether prices are `raw or adjusted` for dividends and splits; found out and told when absent")
	f.StringVar(&o.calendar, "calendar", "", "whose days and hours they are, `NAME` being nyse or 24/7; found out from the dates when absent")
	f.StringVar(&o.interval, "interval", "", "how long a bar lasts, such as `1h`; the usual step between rows when absent")
	f.StringVar(&o.Stamp, "stamp", "", "which end of its bar a row's time is, `start or end`")
	f.StringVar(&o.Keep, "keep", "", "which of contradicting rows stands, `first or last`; neither when absent")
	f.StringVar(&o.from, "from", "", "leave out what was known before this `TIME` (2022-05-31 or 2022-05-31T06:00:00Z)")
	f.StringVar(&o.to, "to", "", "leave out what was known after this `TIME`; a day is included")
	f.StringVar(&o.Unit, "unit", "", "`UNIT` of the values, kept as a remark")
	f.BoolVar(&o.Level, "level", false, "values may be zero or negative, as yields and spreads are")
	f.BoolVar(&o.Split, "split", false, "import rows behind a halt and a jump as NAME-2")
	f.BoolVar(&o.Same, "same", false, "import rows behind a halt and a jump as the same series")
	f.BoolVar(&o.asJSON, "json", false, "print the reports as JSON")
	return c
}

// forms as the help lists them.
func forms() string {
	var b strings.Builder
	for _, f := range history.Forms() {
		line := fmt.Sprintf("  %-10s", f.Name)
		for _, word := range strings.Fields(f.Meaning) {
			if len(line)+1+len(word) > 79 {
				b.WriteString(line + "\n")
				line = strings.Repeat(" ", 12)
			}
			line += " " + word
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func (o *importOptions) run(c *cobra.Command, files []string) error {
	if err := o.read(c); err != nil {
		return err
	}
	if o.series != "" && len(files) > 1 {
		return usage(c, "--series names one series; import its files one after the other")
	}
	store, err := history.Create(o.store)
	if err != nil {
		return err
	}
	reports := []history.Report{}
	for _, name := range files {
		report, err := importFile(c, store, name, o.Options)
		if err != nil {
			return err
		}
		if reports = append(reports, report); !o.asJSON {
			tellImport(c, report)
		}
	}
	if o.asJSON {
		return writeJSON(c, reports)
	}
	return nil
}

// read the flags that are more than text.
func (o *importOptions) read(c *cobra.Command) error {
	o.Series = lifeboat.Series(o.series)
	if o.calendar != "" {
		calendar, err := session.ByName(o.calendar)
		if err != nil {
			return usage(c, err.Error())
		}
		o.Calendar = calendar
	}
	if o.interval != "" {
		interval, err := time.ParseDuration(o.interval)
		if days, isDays := strings.CutSuffix(o.interval, "d"); isDays {
			interval, err = time.ParseDuration(days + "h")
			interval *= 24
		}
		if err != nil || interval <= 0 {
			return usage(c, fmt.Sprintf("--interval %q is no length of time such as 15m, 1h or 1d", o.interval))
		}
		o.Interval = interval
	}
	for _, bound := range []struct {
		flag, text string
		into       *time.Time
		more       time.Duration
	}{{"--from", o.from, &o.From, 0}, {"--to", o.to, &o.To, 24*time.Hour - 1}} {
		if bound.text == "" {
			continue
		}
		at, form := tape.ParseTime(bound.text)
		if form == tape.NoTime {
			return usage(c, fmt.Sprintf("%s %q is neither a date such as 2022-05-31 nor a time such as 2022-05-31T06:00:00Z", bound.flag, bound.text))
		}
		if *bound.into = at; form == tape.Date {
			*bound.into = at.Add(bound.more)
		}
	}
	return nil
}

func importFile(c *cobra.Command, store *history.Store, name string, o history.Options) (history.Report, error) {
	var r io.Reader = c.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return history.Report{}, notFound(fmt.Sprintf("the history %s cannot be opened: %v", name, reasonOf(err)), "give the path of a file")
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return history.Report{}, notFound(fmt.Sprintf("the history %s is a directory", name), "give the path of a file")
		}
		r = f
	}
	return store.Import(c.Context(), name, r, o)
}

// tellImport says in a line or two what came in, and warns of what did not.
func tellImport(c *cobra.Command, r history.Report) {
	var names []string
	for _, s := range r.Series {
		names = append(names, string(s))
	}
	kind := "raw"
	if r.Adjusted {
		kind = "adjusted"
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %s, %s: %s of %s\n", r.File, r.Form, listed(names, r.Source), count(r.Rows, "new row", "new rows"), count(r.Read, "row", "rows"))
	if len(r.Series) == 0 {
		fmt.Fprintln(c.OutOrStdout(), "  the store has all of it already")
	} else {
		fmt.Fprintf(c.OutOrStdout(), "  %s to %s, every %s, calendar %s, %s\n", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339), paceOf(r), r.Calendar, kind)
	}
	var counts []string
	for _, n := range []struct {
		n    int
		said string
	}{{r.Duplicates, "already known or twice the same"}, {r.BackFilled, "back-filled"}, {r.OutOfOrder, "out of order"}, {r.Blank, "blank"},
		{r.Quarantined, "quarantined"}, {r.LeftOut, "left out"}} {
		if n.n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n.n, n.said))
		}
	}
	if len(counts) > 0 {
		fmt.Fprintf(c.OutOrStdout(), "  rows: %s\n", strings.Join(counts, ", "))
	}
	if r.Gaps > 0 {
		fmt.Fprintf(c.OutOrStdout(), "  %s, the longest %s\n", count(r.Gaps, "gap", "gaps"), r.LongestGap)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(c.ErrOrStderr(), "lifeboat: note:", note)
	}
	const shown = 5
	for _, bad := range r.Bad[:min(shown, len(r.Bad))] {
		fmt.Fprintln(c.ErrOrStderr(), "lifeboat: quarantined:", bad)
	}
	if more := r.Quarantined - shown; more > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "lifeboat: quarantined: %d more; --json lists the first 50\n", more)
	}
}

// listed names of a bar's series: SPY with open, high, low, volume.
func listed(names []string, source string) string {
	if source != "" {
		source = " from " + source
	}
	const few = 8
	if len(names) > few {
		names = append(slices.Clone(names[:few]), fmt.Sprintf("and %d more", len(names)-few))
	}
	if len(names) == 0 {
		return "nothing new" + source
	}
	return strings.Join(names, ", ") + source
}

// paceOf an import is told as that of a series.
func paceOf(r history.Report) string {
	cadence, err := time.ParseDuration(r.Cadence)
	if err != nil {
		return r.Cadence
	}
	return history.Pace(cadence, r.Calendar)
}

func historyListCommand() *cobra.Command {
	var store string
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the series of the store", Args: arguments(0, 0),
		Long: `list shows every series of the store: its sources, the columns of its bars, how
often it has a value, whether prices are adjusted, from when to when it goes.`,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := history.Open(store)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c, s.List())
			}
			listSeries(c.OutOrStdout(), s.List())
			return nil
		},
	}
	c.Flags().StringVar(&store, "store", historyStore, "`DIR` of the store")
	c.Flags().BoolVar(&asJSON, "json", false, "print every column with its files as JSON")
	return c
}

// listSeries shows one line for all columns of a symbol from one source.
func listSeries(w io.Writer, all []history.Series) {
	if len(all) == 0 {
		fmt.Fprintln(w, "the store is empty: lifeboat history import FILE")
		return
	}
	const usual = 20
	wide := usual
	for _, s := range all {
		symbol, _ := s.Name.Column()
		wide = max(wide, len(history.Series{Name: lifeboat.Series(symbol), Source: s.Source}.String()))
	}
	told := map[string]bool{}
	for _, s := range all {
		symbol, _ := s.Name.Column()
		name := history.Series{Name: lifeboat.Series(symbol), Source: s.Source}.String()
		if told[name] {
			continue
		}
		told[name] = true
		var columns []string
		shown := s
		for _, other := range all {
			if same, column := other.Name.Column(); same == symbol && other.Source == s.Source {
				if column == "" {
					shown, column = other, "close"
				}
				columns = append(columns, column)
			}
		}
		kind := "raw"
		if shown.Adjusted {
			kind = "adjusted"
		}
		fmt.Fprintf(w, "%-*s %s to %s %8d rows every %-8s %-5s %-8s %s\n", wide, name, shown.From.Format(time.DateOnly), shown.To.Format(time.DateOnly),
			shown.Rows, history.Pace(shown.Cadence, shown.Calendar), shown.Calendar, kind, strings.Join(columns, " "))
	}
}

func historyCheckCommand() *cobra.Command {
	var store string
	var asJSON bool
	c := &cobra.Command{
		Use: "check", Short: "Look for what in the store could mislead a drill", Args: arguments(0, 0),
		Long: `check reads every file of the store, compares it with its SHA-256, and looks at
every series: gaps against its calendar and its usual step, stuck values, wicks
and jumps, suspended stretches, opens and closes outside low..high, a series
that ends before the others of its source, a halt and then values of another
scale (a ticker that was given to another asset), and raw and adjusted prices
under one name.

Most of what it finds is true of the market: an exchange was down, a coin was
delisted. Signals say "no data" in a hole. What is not true of the market wants
an import of better data.

Exit code 0 when there is no finding, 3 when there are some, 8 when a file is
damaged.`,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := history.Open(store)
			if err != nil {
				return err
			}
			found, err := s.Check(c.Context())
			if err != nil {
				return err
			}
			return tellFindings(c, store, found, asJSON)
		},
	}
	c.Flags().StringVar(&store, "store", historyStore, "`DIR` of the store")
	c.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return c
}

func tellFindings(c *cobra.Command, store string, found []history.Finding, asJSON bool) error {
	reason := lifeboat.Reason("history-unsound")
	for _, f := range found {
		if f.Kind == history.Damaged {
			reason = "history-damaged"
		}
		if !asJSON {
			fmt.Fprintln(c.OutOrStdout(), f)
		}
	}
	if asJSON {
		if err := writeJSON(c, append([]history.Finding{}, found...)); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		if !asJSON {
			fmt.Fprintln(c.OutOrStdout(), "nothing in the store could mislead a drill")
		}
		return nil
	}
	return &lifeboat.Problem{Reason: reason, What: fmt.Sprintf("the history store %s has %s", store, count(len(found), "finding", "findings")),
		Next: "look at each: what is missing can be imported, and what the market did can stay"}
}

// storeTape reads a store as a drill's history.
func storeTape(ctx context.Context, dir string) (*tape.Tape, error) {
	s, err := history.Open(dir)
	if err != nil {
		return nil, err
	}
	return s.Tape(ctx, nil, time.Time{}, time.Time{})
}
