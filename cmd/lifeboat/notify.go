package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/prose"
	"lifeboat/talk/escalate"
	"lifeboat/talk/notify"
)

func notifyCommand() *cobra.Command {
	c := &cobra.Command{Use: "notify", Short: "How people are reached: test every channel, tell how a call tree went"}
	c.AddCommand(notifyTestCommand(), notifyTreeCommand())
	return c
}

func notifyTestCommand() *cobra.Command {
	var planDir string
	c := &cobra.Command{
		Use: "test", Short: "Send a test message to every channel of every person, and say what really took it", Args: arguments(0, 0),
		Long: `test sends one message to every channel of everybody in the plan, quiet hours or
not, and says how long each took; calls are followed until they end, so that it
says which phones really rang. It fails (exit code 7) when a channel fails.`,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := app.LoadPlan(planDir)
			if err != nil {
				return err
			}
			trials, err := notify.Test(c.Context(), p, notify.Options{Clock: lifeboat.WallClock{}})
			if err != nil {
				return err
			}
			failed := 0
			for _, t := range trials {
				fmt.Fprintf(c.OutOrStdout(), "%s by %s: %s\n", t.Person, t.Channel, howItWent(t))
				if !t.OK && t.Channel != "none" {
					failed++
				}
			}
			if failed > 0 {
				return &lifeboat.Problem{Reason: "channel-down", What: fmt.Sprintf("%s did not take the test message", count(failed, "channel", "channels")),
					Next: "mend what is named above, and test again"}
			}
			return nil
		},
	}
	c.Flags().StringVar(&planDir, "plan", ".", "`DIR` of the plan")
	return c
}

func howItWent(t notify.Trial) string {
	switch {
	case t.OK && t.Rang != "":
		return fmt.Sprintf("took it in %s; the phone: %s", prose.Span(t.Took), t.Rang)
	case t.OK:
		return "took it in " + prose.Span(t.Took.Round(time.Millisecond))
	}
	return t.Why
}

func notifyTreeCommand() *cobra.Command {
	var planDir, dataDir string
	c := &cobra.Command{
		Use: "tree KEY", Short: "Tell how a message went round: who was told when, and who acknowledged it after how long", Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := app.LoadPlan(planDir)
			if err != nil {
				return err
			}
			reader, err := app.ReadJournal(c.Context(), dataDir)
			if err != nil {
				return err
			}
			defer reader.Close()
			thread, found := escalate.CallTree(p, lifeboat.Key(args[0]), eventsOf(reader.Entries(c.Context(), 0)))
			if !found {
				return notFound(fmt.Sprintf("no message with the key %s was waited for", args[0]), "lifeboat log")
			}
			fmt.Fprintf(c.OutOrStdout(), "%s\n", prose.OneLine(thread.Text))
			for _, t := range thread.Told {
				fmt.Fprintf(c.OutOrStdout(), "%s was told at %s%s: %s\n", t.Person, stamp(t.First), again(t.Again), heard(t))
			}
			if thread.Over != "" {
				fmt.Fprintf(c.OutOrStdout(), "it is over: %s\n", thread.Over)
			}
			return nil
		},
	}
	c.Flags().StringVar(&planDir, "plan", ".", "`DIR` of the plan")
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon, or the address of its journal's database")
	return c
}

func again(times int) string {
	if times == 0 {
		return ""
	}
	return fmt.Sprintf(" and %s again", count(times, "time", "times"))
}

func heard(t escalate.Told) string {
	if t.Acknowledged.IsZero() {
		return "no word"
	}
	return "acknowledged after " + prose.Span(t.Took)
}
