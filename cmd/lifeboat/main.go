// Command lifeboat is the whole product in one binary: it checks a plan, rehearses it, and runs it.
//
// This file is the root of the commands and the one place where an error becomes words and an exit code; every other
// file is one command.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/statement"
	"lifeboat/watch/feed/tape"
)

func main() {
	// A disk limit must come back as an error of the write, so that it can be told, not end the process.
	signal.Ignore(syscall.SIGXFSZ)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	if err := root.ExecuteContext(ctx); err != nil {
		return explain(errs, err)
	}
	return 0
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "lifeboat",
		Short: "Disaster recovery for a portfolio",
		Long: `lifeboat is a disaster-recovery system for a portfolio: you write down what you
own, what it depends on, what you fear and what you will do; lifeboat checks
that, rehearses it on past disasters, watches, acts with your authority, and
keeps the evidence.

  lifeboat init myplan --template brokerage     write a complete example plan
  lifeboat check myplan                         find everything that is wrong with a plan
  lifeboat drill run covid-2020 --plan myplan   see what the plan would have done in March 2020
  lifeboat serve --plan myplan --data mydata    watch and act`,
		SilenceErrors: true, SilenceUsage: true, Version: version(),
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		what, _, _ := strings.Cut(err.Error(), ": strconv.") // what Go's parser says is no help
		return usage(c, what)
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpCommand(helpCommand())
	root.AddCommand(initCommand(), checkCommand(), fmtCommand(), schemaCommand(), drillCommand(), backtestCommand(), preflightCommand(), feasibleCommand(), exitsCommand(), serveCommand(),
		statusCommand(), answerCommand(), questionCommand(), runsCommand(), breakerCommand(), factorCommand(), tierCommand(), ackCommand(), notifyCommand(), silenceCommand(), releaseCommand(), preauthoriseCommand(), revokeCommand(),
		incidentCommand(), logCommand(), journalCommand(), coverageCommand(), ruleCommand(), evalCommand(), historyCommand(), riskCommand(),
		importCommand(), positionsCommand(), custodyCommand(), syncCommand(), paperCommand(), canaryCommand())
	for _, c := range append(root.Commands(), root) {
		refuseUnknown(c)
	}
	return root
}

// refuseUnknown makes a group of commands answer an unknown one, or none, with a sentence instead of its help alone.
func refuseUnknown(c *cobra.Command) {
	if c.HasSubCommands() && c.RunE == nil {
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return unknownCommand(c, args[0])
		}
	}
}

func unknownCommand(c *cobra.Command, name string) error {
	c.SuggestionsMinimumDistance = 2
	what := fmt.Sprintf("unknown command %q", name)
	if near := c.SuggestionsFor(name); len(near) > 0 {
		what += fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usage(c, what)
}

// helpCommand is cobra's, except that it fails for a command that does not exist.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]...", Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(found, rest[0])
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

func usage(c *cobra.Command, what string) error {
	return &lifeboat.Problem{Reason: "usage", What: what, Next: c.CommandPath() + " --help"}
}

// arguments checks their number and names them when it is wrong.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least {
			return usage(c, fmt.Sprintf("%s needs %s", c.CommandPath(), strings.TrimPrefix(c.Use, c.Name()+" ")))
		}
		if len(args) > most {
			return usage(c, fmt.Sprintf("%s does not take %q", c.CommandPath(), args[most]))
		}
		return nil
	}
}

// explain tells an error in up to three lines – what happened, where the money stands, what to do next – and returns
// its exit code.
func explain(w io.Writer, err error) int {
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "lifeboat: stopped before it was done")
		return 130
	}
	if plans, ok := errors.AsType[*plan.Faults](err); ok {
		for _, f := range plans.List {
			fmt.Fprintln(w, f)
		}
	} else if tapes, ok := errors.AsType[*tape.Faults](err); ok {
		fmt.Fprintln(w, tapes)
	} else if sheets, ok := errors.AsType[*statement.Faults](err); ok {
		for _, f := range sheets.List {
			fmt.Fprintln(w, f)
		}
	}
	fmt.Fprintln(w, "lifeboat:", sentence(err))
	var p *lifeboat.Problem
	if errors.As(err, &p) {
		if p.Money != "" {
			fmt.Fprintln(w, "lifeboat:", p.Money)
		}
		if p.Next != "" {
			fmt.Fprintln(w, "lifeboat: hint:", p.Next)
		}
	}
	return lifeboat.KindOf(err).ExitCode()
}

// sentence is the first line of an error; the list that may follow it is told line by line.
func sentence(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSuffix(first, ".")
}

// version of the build: the module's, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
