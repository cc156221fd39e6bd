package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/watch/coverage"
)

func coverageCommand() *cobra.Command {
	var dataDir, planDir string
	var asJSON bool
	c := &cobra.Command{
		Use: "coverage", Short: "What was really watched, and what was missed and why", Args: arguments(0, 0),
		Long: `coverage reads the journal and tells, for each source of each series, from
when to when it was evaluated and in which stretches of time it was not: because
lifeboat was not running, the source was silent, or its values were suspect.
Where a source keeps a steady pace it also tells how many bars were missed and
how many of them were caught up afterwards.

The journal does not know when markets are open. With --plan the nights and
weekends of the plan's holdings are left out, and a source that was silent for
longer than its feed's stale_after is found even if no trigger reads it.`,
		RunE: func(c *cobra.Command, _ []string) error {
			ledger := coverage.New(coverage.Options{})
			if planDir != "" {
				p, err := app.LoadPlan(planDir)
				if err != nil {
					return err
				}
				if ledger, err = app.Coverage(p); err != nil {
					return err
				}
			}
			last, err := foldCoverage(c.Context(), dataDir, ledger)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c, coverageReport(ledger, last))
			}
			tellCoverage(c.OutOrStdout(), ledger)
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	c.Flags().StringVar(&planDir, "plan", "", "plan `DIR` whose market hours and feeds are to be known")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// foldCoverage takes a journal into a ledger, and returns the time of the last entry.
func foldCoverage(ctx context.Context, dataDir string, l *coverage.Ledger) (last time.Time, err error) {
	reader, err := app.ReadJournal(ctx, dataDir)
	if err != nil {
		return last, err
	}
	defer reader.Close()
	for entry, err := range reader.Entries(ctx, 0) {
		if err != nil {
			return last, err
		}
		event, err := entry.Event()
		if err != nil {
			return last, err
		}
		l.Apply(entry.At, event)
		last = entry.At
	}
	return last, nil
}

func tellCoverage(w io.Writer, l *coverage.Ledger) {
	all, never := l.Series(), l.Never()
	if len(all)+len(never) == 0 {
		fmt.Fprintln(w, "nothing was evaluated so far")
	}
	for _, s := range all {
		fmt.Fprintln(w, s.Tell())
	}
	for _, s := range slices.Sorted(maps.Keys(never)) {
		fmt.Fprintf(w, "%s: never evaluated; nothing was heard of it since %s\n", s, stamp(never[s]))
	}
	if n := l.Untracked(); n > 0 {
		fmt.Fprintf(w, "and %s of sources beyond those that can be followed\n", count(n, "reading", "readings"))
	}
}

// seriesCoverage is one source in --json.
type seriesCoverage struct {
	coverage.Series
	Evaluated     []coverage.Span `json:"evaluated"`
	PaceSeconds   float64         `json:"pace_seconds,omitempty"`
	MissedSeconds float64         `json:"missed_seconds"`
}

func coverageReport(l *coverage.Ledger, last time.Time) any {
	report := struct {
		Until  time.Time                     `json:"until"` // the last entry of the journal
		Series []seriesCoverage              `json:"series"`
		Never  map[lifeboat.Series]time.Time `json:"never"` // and since when each is missed
	}{last, []seriesCoverage{}, l.Never()}
	for _, s := range l.Series() {
		evaluated := s.Evaluated()
		if evaluated == nil {
			evaluated = []coverage.Span{}
		}
		report.Series = append(report.Series, seriesCoverage{s, evaluated, s.Pace.Seconds(), s.Missed(last).Seconds()})
	}
	return report
}
