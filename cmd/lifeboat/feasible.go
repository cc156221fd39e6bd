package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/backtest/disaster"
	"lifeboat/drill/feasible"
	"lifeboat/plan"
	"lifeboat/prose"
)

// feasibleOptions are the flags of feasible.
type feasibleOptions struct {
	plan, disaster string
	within         time.Duration
	asJSON         bool
}

func feasibleCommand() *cobra.Command {
	var o feasibleOptions
	c := &cobra.Command{
		Use: "feasible [PLAYBOOK]", Short: "Say beforehand whether a playbook is over before a window closes", Args: arguments(0, 1),
		Long: `feasible adds up how long a playbook takes, from the first sign that could be
seen to the last act that matters: how often the feeds are asked, how long the
condition must hold, the reaction times of those whose yes is needed, and what
the plan allows for each step. Of two of three who must say yes the second
fastest counts. The run alone is held against the playbook's own rto, the
whole against the time that past disasters left, or another window.

  lifeboat feasible --plan myplan
  lifeboat feasible "leave Aave" --plan myplan --disaster kelp-aave-2026
  lifeboat feasible --plan myplan --within 30m

It is arithmetic on what the plan says: no price is asked, nobody is told. On a
real day things take longer, so what is too late here will be too late.

Exit code 0 when every playbook that was asked about is over in time; 6 when
one is not, or can never be carried out.`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	f := c.Flags()
	f.StringVar(&o.plan, "plan", ".", "`DIR` of the plan")
	f.StringVar(&o.disaster, "disaster", "", "`ID` of a past disaster whose window is to be kept")
	f.DurationVar(&o.within, "within", 0, "the window that is to be kept, such as 84m")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return c
}

func (o feasibleOptions) run(c *cobra.Command, args []string) error {
	if o.within != 0 && o.disaster != "" {
		return usage(c, "--disaster brings its own window; leave --within out")
	}
	if o.within < 0 {
		return usage(c, "--within wants a time longer than nothing")
	}
	p, err := app.LoadPlan(o.plan)
	if err != nil {
		return err
	}
	window, of, err := o.window()
	if err != nil {
		return err
	}
	estimates, err := estimatesOf(p, args)
	if err != nil {
		return err
	}
	var judged []verdict
	for _, e := range estimates {
		judged = append(judged, judge(p, e, window, of))
	}
	if o.asJSON {
		err = writeJSON(c, map[string]any{"playbooks": judged})
	} else {
		for _, v := range judged {
			v.tell(c.OutOrStdout())
		}
	}
	if err != nil {
		return err
	}
	return tooLate(judged)
}

// window that is to be kept, and whose it is; zero for each playbook's own.
func (o feasibleOptions) window() (time.Duration, string, error) {
	if o.disaster == "" {
		return o.within, "the window", nil
	}
	var ids []string
	for _, d := range disaster.All() {
		if d.ID == o.disaster {
			return d.Window(), d.ID, nil
		}
		ids = append(ids, d.ID)
	}
	what := fmt.Sprintf("there is no disaster %q", o.disaster)
	if near := prose.Nearest(o.disaster, ids); near != "" {
		what += fmt.Sprintf("; did you mean %q?", near)
	}
	return 0, "", notFound(what, "lifeboat feasible --json lists those that a playbook would miss")
}

func estimatesOf(p *plan.Plan, args []string) ([]feasible.Estimate, error) {
	all := feasible.All(p)
	if len(args) == 0 {
		return all, nil
	}
	var names []string
	for _, b := range p.Playbooks {
		names = append(names, b.Name)
	}
	if !slices.Contains(names, args[0]) {
		what := fmt.Sprintf("the plan has no playbook %q", args[0])
		if near := prose.Nearest(args[0], names); near != "" {
			what += fmt.Sprintf("; did you mean %q?", near)
		}
		return nil, notFound(what, "lifeboat feasible without a name goes through every one")
	}
	return slices.DeleteFunc(all, func(e feasible.Estimate) bool { return e.Playbook != args[0] }), nil
}

// A verdict holds an estimate against a window.
type verdict struct {
	feasible.Estimate
	Window time.Duration `json:"window,omitempty"` // 0 where there is none
	Of     string        `json:"window_of,omitempty"`
	InTime bool          `json:"in_time"`
	// Missed are the exits of the catalogue whose window is shorter, the shortest first.
	Missed []string `json:"missed,omitempty"`
	exits  int
}

func judge(p *plan.Plan, e feasible.Estimate, window time.Duration, of string) verdict {
	v := verdict{Estimate: e, Window: window, Of: of}
	v.InTime = e.Within(window)
	if window == 0 {
		b, _ := p.Playbook(e.Playbook)
		v.Window, v.Of = time.Duration(b.RTO), "its rto"
		v.InTime = e.Never == "" && (b.RTO == 0 || e.Run <= v.Window)
	}
	exits := slices.DeleteFunc(disaster.All(), func(d disaster.Disaster) bool { return d.Kind != disaster.Exit })
	slices.SortStableFunc(exits, func(a, b disaster.Disaster) int { return int(a.Window() - b.Window()) })
	v.exits = len(exits)
	for _, d := range exits {
		if !e.Within(d.Window()) {
			v.Missed = append(v.Missed, fmt.Sprintf("%s (%s)", d.ID, prose.Span(d.Window())))
		}
	}
	return v
}

// missedMax is how many disasters a line names.
const missedMax = 4

func (v verdict) tell(w io.Writer) {
	head := v.Playbook
	if v.Trigger != "" {
		head += fmt.Sprintf(", started by %q", v.Trigger)
	}
	switch {
	case v.Never != "":
		fmt.Fprintf(w, "%s: infeasible: %s\n", head, v.Never)
	case v.Window == 0:
		fmt.Fprintf(w, "%s: %s\n", head, v.takes())
	case v.InTime:
		fmt.Fprintf(w, "%s: %s, in time: %s leaves %s\n", head, v.takes(), v.Of, prose.Span(v.Window))
	default:
		fmt.Fprintf(w, "%s: infeasible: %s, and %s leaves %s\n", head, v.takes(), v.Of, prose.Span(v.Window))
	}
	for _, s := range v.Stages {
		fmt.Fprintf(w, "  %12s  %s: %s\n", prose.Span(s.Takes), s.Name, s.Why)
	}
	if len(v.Missed) > 0 && v.Never == "" {
		missed := strings.Join(v.Missed[:min(len(v.Missed), missedMax)], ", ")
		if more := len(v.Missed) - missedMax; more > 0 {
			missed += fmt.Sprintf(" and %d more", more)
		}
		fmt.Fprintf(w, "  too late for %d of the %d past disasters that one should have left: %s\n", len(v.Missed), v.exits, missed)
	}
}

// takes is the whole way, and the run's part of it where that is another.
func (v verdict) takes() string {
	if v.Run == v.Takes {
		return "takes " + prose.Span(v.Takes)
	}
	return fmt.Sprintf("takes %s from the first sign, %s of it the run", prose.Span(v.Takes), prose.Span(v.Run))
}

func tooLate(judged []verdict) error {
	late := slices.DeleteFunc(slices.Clone(judged), func(v verdict) bool { return v.InTime })
	if len(late) == 0 {
		return nil
	}
	what := fmt.Sprintf("the playbook %s would not be over in time", late[0].Playbook)
	if len(judged) > 1 {
		what = fmt.Sprintf("%d of %s would not be over in time", len(late), prose.Count(len(judged), "way"))
	}
	return &lifeboat.Problem{Reason: "infeasible", What: what, Money: "nothing was sent; this was only reckoned",
		Next: "approve it in advance, ask fewer or faster people, keep less there, or decide not to leave"}
}
