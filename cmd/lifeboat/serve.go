package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
)

func serveCommand() *cobra.Command {
	var planDir, dataDir, listen, journal string
	var allowExec []string
	var rehearse bool
	c := &cobra.Command{
		Use: "serve", Short: "Watch and act: the daemon", Args: arguments(0, 0),
		Long: `serve watches the plan's feeds, evaluates its triggers and carries out its
playbooks, until it is stopped by Ctrl-C or SIGTERM. Everything it takes in and
does goes to the journal in the data directory first; started again on the same
directory it goes on where it stopped, and asks the venues before it repeats
anything.

  /healthz          the process answers
  /api/v1/status    what is wrong, how bad, what can be done now
  /metrics          for Prometheus

With --journal the journal lies in a PostgreSQL database instead of a file. A
second lifeboat that is started on the same database stands by, and takes over
within three seconds when the first is gone; whoever was taken over can neither
write nor act any more. A password for it stands in PGPASSWORD, not here.
Second factors lie in the data directory: copy factors.json to the standby's, or
nobody can sign there.

A file called HALT in the data directory is a kill switch: while it is there
nothing automatic passes.

Accounts with venue: paper trade with a simulated broker, on the prices of the
plan's feeds. With --sandbox all accounts do, whatever venue the plan gives
them: the same plan and the same feeds, and nothing leaves the house.

Until sign-in is built it listens on loopback only.`,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := app.LoadPlan(planDir)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			d, err := app.NewDaemon(c.Context(), app.DaemonOptions{
				Plan: p, PlanDir: planDir, DataDir: dataDir, Journal: journal, Listen: listen, Version: version(), AllowExec: allowExec, Sandbox: rehearse,
				Clock: lifeboat.WallClock{}, People: c.OutOrStdout(), Log: log,
				Waiting: func(holder string) {
					fmt.Fprintf(c.OutOrStdout(), "standing by: %s holds the journal\n", holder)
				},
			})
			if err != nil {
				return err
			}
			if rehearse {
				fmt.Fprintln(c.OutOrStdout(), "SANDBOX: every account trades with a simulated broker; no order leaves this machine")
			}
			fmt.Fprintf(c.OutOrStdout(), "lifeboat watches %q on http://%s (status: lifeboat status --data %s)\n", p.Portfolio.Name, d.Address(), dataDir)
			if len(p.Feeds) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "note: the plan has no feeds, so every trigger is blind; see feeds: in the docs")
			}
			err = d.Run(c.Context())
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), "stopped; open runs go on at the next start")
			}
			return err
		},
	}
	c.Flags().StringVar(&planDir, "plan", ".", "`DIR` of the plan")
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR`: the journal and the paper accounts")
	c.Flags().BoolVar(&rehearse, "sandbox", false, "trade with simulated brokers only, whatever the plan says; wants a data directory of its own")
	c.Flags().StringVar(&journal, "journal", "", "`URL` of a PostgreSQL database for the journal, as postgres://user@host/database; a file in the data directory when absent")
	c.Flags().StringArrayVar(&allowExec, "allow-exec", nil, "`NAME` of a command of the plan that exec steps may run on this machine; repeatable")
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:7070", "`ADDRESS` to serve on; loopback only")
	return c
}
