package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/keep/review"
)

func incidentCommand() *cobra.Command {
	c := &cobra.Command{Use: "incident", Short: "Episodes: what happened, from the first firing to the all-clear"}
	c.AddCommand(incidentListCommand(), incidentShowCommand())
	return c
}

func incidentListCommand() *cobra.Command {
	var dataDir string
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the incidents", Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			record, err := readRecord(c.Context(), dataDir)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c, append([]lifeboat.Incident{}, record.Incidents.All...))
			}
			if len(record.Incidents.All) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "no incident so far")
			}
			for _, i := range record.Incidents.All {
				end := "open"
				if !i.Closed.IsZero() {
					end = "closed " + stamp(i.Closed)
				}
				fmt.Fprintf(c.OutOrStdout(), "%s  tier %d %-9s  opened %s, %s  (%s)\n", i.ID, i.Tier, i.Tier, stamp(i.Opened), end, count(len(i.Triggers), "trigger", "triggers"))
			}
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func incidentShowCommand() *cobra.Command {
	var dataDir string
	c := &cobra.Command{
		Use: "show ID", Short: "Write up one incident: timeline, decisions, runs, orders, open questions", Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			record, err := readRecord(c.Context(), dataDir)
			if err != nil {
				return err
			}
			for _, i := range record.Incidents.All {
				if i.ID == args[0] {
					return writeUp(c, dataDir, review.Subject{Incident: i.ID, Portfolio: record.Plan.Name})
				}
			}
			return notFound(fmt.Sprintf("there is no incident %s", args[0]), "lifeboat incident list")
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	return c
}

func writeUp(c *cobra.Command, dataDir string, subject review.Subject) error {
	reader, err := app.ReadJournal(c.Context(), dataDir)
	if err != nil {
		return err
	}
	defer reader.Close()
	if head, ok := reader.Head(); ok {
		subject.Digest = fmt.Sprintf("%x", head.Hash)
	}
	fmt.Fprint(c.OutOrStdout(), review.PostIncident(subject, eventsOf(reader.Entries(c.Context(), 0))))
	return nil
}
