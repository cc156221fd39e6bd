package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/keep/review"
)

func runsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "runs", Short: "Playbooks as they are carried out: look, start, pause, resume, skip, retry, abandon",
		Long: `A run is one execution of one playbook, pinned as it was when the run started.
list and show tell it from the journal, with or without a daemon; the others ask
the running daemon, which writes into the journal who wanted it. A step is named
by its path as show tells it: 2, or 2.1 for the first within the second.`,
	}
	c.AddCommand(runsListCommand(), runsShowCommand(),
		saying(&cobra.Command{Use: "start PLAYBOOK", Short: "Start a playbook without a trigger", Args: arguments(1, 1),
			Long: `start asks the daemon to carry a playbook out now. The plan says who may
(playbooks: start); where it wants several persons, each of them says so, within
an hour.`}, lifeboat.StartPlaybook, "to start"),
		saying(&cobra.Command{Use: "pause RUN", Short: "Let a run begin nothing new; what is open at a venue stays open", Args: arguments(1, 1),
			Long: `pause lets a run begin nothing new, until somebody resumes it. Orders that are
open at a venue stay open, and time-outs stand still.

An exit that waits, for cheaper gas for one, is not sent meanwhile, and a
withdrawal that was not asked for is not asked for. What is out already is
followed. Calls and commands that have begun go on.`}, lifeboat.PauseRun, "to pause"),
		saying(&cobra.Command{Use: "resume RUN", Short: "Let a paused run go on", Args: arguments(1, 1)}, lifeboat.ResumeRun, "to resume"),
		saying(&cobra.Command{Use: "skip-step RUN STEP", Short: "Cancel what a step has open, and go on behind it", Args: arguments(2, 2)}, lifeboat.SkipStep, "to skip step"),
		saying(&cobra.Command{Use: "retry-step RUN STEP", Short: "Begin a step anew", Args: arguments(2, 2)}, lifeboat.RetryStep, "to retry step"),
		saying(&cobra.Command{Use: "abandon RUN", SuggestFor: []string{"stop", "cancel", "end"}, Short: "Cancel what a run has open, and end it", Args: arguments(1, 1),
			Long: `abandon cancels the open orders of a run and ends it. What was filled stays
filled, and nothing is undone: the steps under compensate are for a run that
fails, not for one that a person ends.

An exit on a chain that waits is never sent then. One that is out is followed to
its end, and the run ends after it. Calls, commands and withdrawals that have
begun go on.`}, lifeboat.AbandonRun, "to abandon"))
	return c
}

func runsListCommand() *cobra.Command {
	var dataDir string
	var asJSON, open bool
	c := &cobra.Command{
		Use: "list", Short: "List the runs, the latest last", Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			record, err := readRecord(c.Context(), dataDir)
			if err != nil {
				return err
			}
			runs := record.Runs
			if open {
				runs = record.Open()
			}
			if asJSON {
				return writeJSON(c, runsListed(runs))
			}
			if len(runs) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "no run so far")
			}
			for _, r := range runs {
				fmt.Fprintf(c.OutOrStdout(), "%s  %-10s  %q by %s, started %s%s\n", r.Run, r.Status, r.Playbook, r.By, stamp(r.At), whereItStands(r))
			}
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&open, "open", false, "only those that have not ended")
	return c
}

func whereItStands(r app.RecordedRun) string {
	if r.Ended.IsZero() {
		return fmt.Sprintf(", at step %q", r.Step)
	}
	return fmt.Sprintf(", ended %s: %s", stamp(r.Ended), r.Why)
}

// A listedRun is a run for a program to read.
type listedRun struct {
	Run      string          `json:"run"`
	Playbook string          `json:"playbook"`
	Trigger  string          `json:"trigger,omitempty"`
	Incident string          `json:"incident,omitempty"`
	By       string          `json:"by"`
	Started  time.Time       `json:"started"`
	Ended    time.Time       `json:"ended,omitzero"`
	Status   lifeboat.Status `json:"status"`
	Step     string          `json:"step,omitempty"`
	Why      string          `json:"why,omitempty"`
}

func runsListed(runs []app.RecordedRun) []listedRun {
	all := []listedRun{}
	for _, r := range runs {
		all = append(all, listedRun{Run: r.Run, Playbook: r.Playbook, Trigger: r.Trigger, Incident: r.Incident, By: r.By, Started: r.At, Ended: r.Ended,
			Status: r.Status, Step: r.Step, Why: r.Why})
	}
	return all
}

func runsShowCommand() *cobra.Command {
	var dataDir string
	c := &cobra.Command{
		Use: "show RUN", Short: "Tell the story of one run, from the firing to its end", Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			reader, err := app.ReadJournal(c.Context(), dataDir)
			if err != nil {
				return err
			}
			defer reader.Close()
			text, found := review.Run(args[0], nil, eventsOf(reader.Entries(c.Context(), 0)))
			if !found {
				return notFound(fmt.Sprintf("there is no run %s", args[0]), "lifeboat runs list")
			}
			fmt.Fprint(c.OutOrStdout(), text)
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	return c
}
