package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/keep/journal"
)

func journalCommand() *cobra.Command {
	c := &cobra.Command{Use: "journal", Short: "The append-only record of everything"}
	c.AddCommand(journalVerifyCommand())
	return c
}

func journalVerifyCommand() *cobra.Command {
	var dataDir string
	var marks []string
	c := &cobra.Command{
		Use: "verify", Short: "Prove that no entry was changed, removed or added", Args: arguments(0, 0),
		Long: `verify walks the journal's hash chain from its first entry to its last and names
the first that does not fit. With --mark it also proves that the journal still
holds an entry seen before: keep the mark that verify prints somewhere else, and
a journal that was cut off or rewritten whole is found too.

Exit code 0 when the chain holds, 9 when it does not.`,
		RunE: func(c *cobra.Command, _ []string) error {
			var remembered []journal.Mark
			for _, text := range marks {
				mark, err := journal.ParseMark(text)
				if err != nil {
					return usage(c, err.Error())
				}
				remembered = append(remembered, mark)
			}
			reader, err := app.ReadJournal(c.Context(), dataDir)
			if err != nil {
				return err
			}
			defer reader.Close()
			report, err := journal.Verify(c.Context(), reader, remembered...)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "the chain holds: %s\nmark %s\n", count(int(report.Entries), "entry", "entries"), report.Head)
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	c.Flags().StringArrayVar(&marks, "mark", nil, "`MARK` that an earlier verify printed; may be repeated")
	return c
}

func logCommand() *cobra.Command {
	var dataDir, zone string
	var from int64
	var readings bool
	c := &cobra.Command{
		Use: "log", Short: "Tell the journal, one line an entry", Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			location, err := time.LoadLocation(zone)
			if err != nil {
				return usage(c, fmt.Sprintf("there is no time zone %q", zone))
			}
			reader, err := app.ReadJournal(c.Context(), dataDir)
			if err != nil {
				return err
			}
			defer reader.Close()
			for entry, err := range reader.Entries(c.Context(), from) {
				if err != nil {
					return err
				}
				if entry.Word == (lifeboat.Instant{}).Word() && !readings {
					continue
				}
				fmt.Fprintln(c.OutOrStdout(), journal.Tell(entry, location))
			}
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	c.Flags().StringVar(&zone, "zone", "UTC", "time `ZONE` of the times, for example Europe/Berlin")
	c.Flags().Int64Var(&from, "from", 0, "`NUMBER` of the first entry to tell")
	c.Flags().BoolVar(&readings, "readings", false, "tell the readings too")
	return c
}
