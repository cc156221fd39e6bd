package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/prose"
)

// preflightOptions are the flags of preflight.
type preflightOptions struct {
	plan, data, last string
	all, asJSON      bool
}

func preflightCommand() *cobra.Command {
	var o preflightOptions
	c := &cobra.Command{
		Use: "preflight [PLAYBOOK]", Short: "Ask every rule about every order that a playbook would send now, and send nothing", Args: arguments(0, 1),
		Long: `preflight goes through a playbook as if every step went well at once, and asks
every rule about every order that it would send: a line for each, with the
numbers, and with what would make it pass. Nothing is sent, nobody is asked.

  lifeboat preflight emergency --plan myplan                  by the plan's register and prices
  lifeboat preflight emergency --plan myplan --data mydata    as things stand in the journal
  lifeboat preflight --all --plan myplan --data mydata --last preflight.json

With --data it knows what the daemon on that directory knows: holdings, open
orders, what the venues said of the accounts, the last prices and the breaker.
Without, it takes the quantities and prices that the plan registers; then no
venue has said anything, and rules that want its word do not pass.

With --all it goes through every playbook. With --last FILE it also says what
has changed since the last result there, and puts this one in its place.

Exit code 0 when all would pass; 6 when anything would not, or would have to
wait.`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	f := c.Flags()
	f.StringVar(&o.plan, "plan", ".", "`DIR` of the plan")
	f.StringVar(&o.data, "data", "", "data `DIR` of the daemon, running or not; the plan's register alone when absent")
	f.BoolVar(&o.all, "all", false, "every playbook of the plan")
	f.StringVar(&o.last, "last", "", "`FILE` with the last result of --all, which is compared and replaced")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return c
}

func (o preflightOptions) run(c *cobra.Command, args []string) error {
	switch {
	case o.all == (len(args) == 1):
		return usage(c, "preflight wants one PLAYBOOK, or --all")
	case o.last != "" && !o.all:
		return usage(c, "--last keeps the result of all playbooks; add --all")
	}
	p, err := app.LoadPlan(o.plan)
	if err != nil {
		return err
	}
	if o.last != "" {
		if inside, err := liesIn(o.plan, o.last); err != nil || inside {
			return usage(c, fmt.Sprintf("%s cannot lie in the plan directory: what is there is read as part of the plan", o.last))
		}
	}
	at := lifeboat.WallClock{}.Now()
	system, err := o.system(c, p, at)
	if err != nil {
		return err
	}
	previews, drift, err := o.look(system, at, args)
	if err != nil {
		return err
	}
	if o.asJSON {
		err = writeJSON(c, map[string]any{"at": at, "playbooks": previews, "drift": drift})
	} else {
		tellPreviews(c.OutOrStdout(), p, previews, drift, o.last != "")
	}
	if err != nil {
		return err
	}
	return stopped(previews)
}

// system knows the journal, or what the plan registers.
func (o preflightOptions) system(c *cobra.Command, p *plan.Plan, at time.Time) (*app.System, error) {
	if o.data == "" {
		return app.Registered(p, at)
	}
	return app.Recall(c.Context(), p, o.data, at)
}

func (o preflightOptions) look(s *app.System, at time.Time, args []string) (previews []app.Preview, drift []string, err error) {
	switch {
	case o.last != "":
		return s.DailyPreflight(at, o.last)
	case o.all:
		return s.Preflight(at), nil, nil
	}
	b, known := s.Plan.Playbook(args[0])
	if !known {
		what := fmt.Sprintf("the plan has no playbook %q", args[0])
		var names []string
		for _, b := range s.Plan.Playbooks {
			names = append(names, b.Name)
		}
		if near := prose.Nearest(args[0], names); near != "" {
			what += fmt.Sprintf("; did you mean %q?", near)
		}
		return nil, nil, &lifeboat.Problem{Reason: "not-found", What: what, Money: "nothing was sent", Next: "lifeboat preflight --all goes through every one"}
	}
	return []app.Preview{s.Player.Preview(at, b)}, nil, nil
}

// stopped is the failure of a preflight in which something would not pass.
func stopped(previews []app.Preview) error {
	held := slices.DeleteFunc(slices.Clone(previews), app.Preview.Passes)
	if len(held) == 0 {
		return nil
	}
	what := fmt.Sprintf("playbook %s would not go through now", held[0].Playbook)
	if len(previews) > 1 {
		what = fmt.Sprintf("%d of %s would not go through now", len(held), prose.Count(len(previews), "playbook"))
	}
	return &lifeboat.Problem{Reason: "preflight", What: what, Money: "nothing was sent"}
}

func tellPreviews(w io.Writer, p *plan.Plan, previews []app.Preview, drift []string, compared bool) {
	for _, v := range previews {
		fmt.Fprintf(w, "%s: %s at %s\n", v.Playbook, prose.Count(len(v.Orders), "order"), stamp(v.At))
		for _, s := range v.Stops {
			fmt.Fprintf(w, "  no  %s\n", s)
		}
		for _, s := range v.Notes {
			fmt.Fprintf(w, "      %s\n", s)
		}
		for _, o := range v.Orders {
			tellExamined(w, p.Portfolio.BaseCurrency, o)
		}
	}
	for _, d := range drift {
		fmt.Fprintf(w, "changed: %s\n", d)
	}
	if compared && len(drift) == 0 {
		fmt.Fprintln(w, "nothing has changed since the last result, or there is none yet")
	}
}

func tellExamined(w io.Writer, currency string, o app.Examined) {
	price := fmt.Sprintf("at about %s", o.Arrival)
	if o.Type == lifeboat.Limit {
		price = fmt.Sprintf("limit %s", o.Limit)
	}
	fmt.Fprintf(w, "  step %s (%s): %s %s %s in %s %s, %s %s\n", o.Step, o.Name, o.Side, o.Quantity, o.Symbol, o.Account, price,
		prose.Grouped(o.Quantity.Mul(o.Arrival).StringFixed(2)), currency)
	for _, v := range o.Verdicts {
		word := "ok"
		if !v.Passes {
			word = "no"
		}
		fmt.Fprintf(w, "    %s  %-14s  %s%s\n", word, v.Rule, v.Says, prose.After("; ", v.Remedy))
	}
}
