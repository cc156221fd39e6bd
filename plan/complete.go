package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// complete fills in what the owner left to be understood: defaults, names, and the playbooks that actions imply.
// It comes before the checks, which then see the plan as it will be used.
func (d *decoder) complete(p *Plan) {
	completePortfolio(p)
	if p.Limits != nil {
		fill(&p.Limits.StatementAge, Duration(5*time.Minute))
	}
	for i := range p.Accounts {
		a := &p.Accounts[i]
		fill(&a.Venue, "manual")
		a.Address = spelt(a.Address)
		if a.Connect != nil {
			fill(&a.Connect.Every, Duration(time.Minute))
		}
		a.Canary.complete()
		a.Recovery.complete()
	}
	for i := range p.Dependencies {
		completeDependency(&p.Dependencies[i])
	}
	p.lookThrough()
	for i := range p.Documents {
		p.Documents[i].Recovery.complete()
	}
	for i := range p.People {
		fill(&p.People[i].Reaction, Duration(15*time.Minute))
		fill(&p.People[i].Answers, "yes")
	}
	for _, a := range p.Accounts {
		if a.Remote() && a.Name != "" {
			p.Feeds = append(p.Feeds, Feed{Series: "session." + a.Name, Account: a.Name, Source: a.Venue, Level: true})
		}
		if a.Canary != nil && a.Name != "" {
			p.Feeds = append(p.Feeds, Feed{Series: latencyOf + a.Name, Account: a.Name, Source: "canary", Level: true})
		}
	}
	p.completeChainFeeds()
	for i := range p.Feeds {
		completeFeed(&p.Feeds[i], p.Portfolio.Calendar)
	}
	for i := range p.Models {
		for j := range p.Models[i].Targets {
			target := &p.Models[i].Targets[j]
			target.Of = p.symbolOrClass(target.Of)
		}
	}
	d.completeTriggers(p)
	for i := range p.Playbooks {
		completeSteps(p, p.Playbooks[i].Steps)
	}
}

func completeDependency(x *Dependency) {
	x.Recovery.complete()
	if x.Chain != nil {
		x.Chain.complete(x.Name)
	}
	if c := x.Contract; c != nil && c.Adapter == "chainlink" {
		fill(&c.Heartbeat, Duration(time.Hour))
	}
}

// fill sets what is still unset.
func fill[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}

func completePortfolio(p *Plan) {
	fill(&p.Portfolio.BaseCurrency, "USD")
	fill(&p.Portfolio.TimeZone, "UTC")
	fill(&p.Portfolio.Benchmark, "SPY")
	chains, cash := 0, 0
	for i := range p.Holdings {
		h := &p.Holdings[i]
		if h.Symbol == p.Portfolio.BaseCurrency {
			fill(&h.Class, "cash")
		}
		if h.Fractional == nil {
			fractional := slices.Contains([]string{"crypto", "stablecoin", "cash"}, h.Class)
			h.Fractional = &fractional
		}
		switch h.Class {
		case "crypto", "stablecoin":
			chains++
		case "cash":
			cash++
		}
		h.Recovery.complete()
	}
	calendar := "nyse"
	if chains > 0 && chains+cash == len(p.Holdings) {
		calendar = "24/7"
	}
	fill(&p.Portfolio.Calendar, calendar)
}

func (r *Recovery) complete() {
	fill(&r.Criticality, 3)
	span := map[int]time.Duration{1: time.Hour, 2: 4 * time.Hour, 3: 24 * time.Hour}[r.Criticality]
	fill(&r.RTO, Duration(span))
	fill(&r.RPO, r.RTO)
}

func completeFeed(f *Feed, calendar string) {
	if known, is := presets[f.From]; is {
		known.complete(f, calendar)
	}
	if f.Plugin != "" {
		fill(&f.Source, f.Plugin)
	}
	if f.Account != "" {
		fill(&f.Source, "alpaca")
	}
	if f.Webhook != "" {
		fill(&f.Source, "webhook")
		f.Level = true
	}
	fill(&f.Every, Duration(time.Minute))
	fill(&f.StaleAfter, 5*f.Every)
	if f.File != "" {
		fill(&f.Source, f.File)
	}
	if u, err := parseURL(f.URL); err == nil {
		fill(&f.Source, u.Hostname())
	}
	format := "json"
	if f.File != "" || f.Column != "" {
		format = "csv"
	}
	fill(&f.Format, format)
}

// symbolOrClass lets a class be written as equity or equities, unless something held is called so.
func (p *Plan) symbolOrClass(word string) string {
	if _, held := p.Holding(word); held {
		return word
	}
	if class, ok := ClassName(word); ok {
		return class
	}
	return word
}

func (d *decoder) completeTriggers(p *Plan) {
	taken := map[string]bool{}
	for _, t := range p.Triggers {
		taken[t.Name] = true
	}
	for i := range p.Triggers {
		t := &p.Triggers[i]
		if t.Tier == 0 && t.Severity != "" {
			t.Tier = tierOf(t.Severity)
		}
		if t.Tier != 0 {
			fill(&t.Severity, t.Tier.Severity())
		}
		fill(&t.Sources, 1)
		fill(&t.Authority, "automatic")
		if t.Name == "" && t.Condition != "" {
			t.Name = unused(shorten(strings.Join(strings.Fields(t.Condition), " "), nameMax), taken)
			taken[t.Name] = true
		}
		if t.Action != "" && t.Playbook == "" {
			d.implied(p, t, fmt.Sprintf("triggers[%d]", i))
		}
	}
}

// nameMax is how long a name that lifeboat gives may be.
const nameMax = 60

// unused is the name, numbered when it is taken.
func unused(name string, taken map[string]bool) string {
	for n, try := 2, name; ; n++ {
		if !taken[try] {
			return try
		}
		try = fmt.Sprintf("%s (%d)", name, n)
	}
}

// implied makes the playbook that an action stands for, under the action's own text as its name.
func (d *decoder) implied(p *Plan, t *Trigger, path string) {
	steps, ok := d.stepsOf(p, t, path+".action")
	if !ok {
		return
	}
	if steps == nil { // the action names a playbook
		d.places.alias(path+".playbook", path+".action")
		return
	}
	t.Playbook = t.Action
	if _, exists := p.Playbook(t.Action); exists {
		return
	}
	d.places.alias(fmt.Sprintf("playbooks[%d]", len(p.Playbooks)), path+".action")
	p.Playbooks = append(p.Playbooks, Playbook{Name: t.Action, Steps: steps})
}

// stepsOf an action. No steps and true means that it names a playbook.
func (d *decoder) stepsOf(p *Plan, t *Trigger, path string) ([]Step, bool) {
	function, argument, isCall := parseCall(t.Action)
	sentence, isSentence := ParseSentence(t.Action)
	switch {
	case isSentence:
		return p.impliedSteps(t.Action, sentence), true
	case isCall && function == "execute_rebalance_to_model":
		if _, known := p.Model(argument); !known && !d.unread[""] {
			d.faultAt(path, fmt.Sprintf("no model is called %q", argument), d.nearest(argument, p.names("model")))
			return nil, false
		}
		return p.impliedSteps(t.Action, Rebalance{Model: argument}), true
	case isCall && function == "run_playbook":
		if _, known := p.Playbook(argument); !known && !d.unread[""] {
			d.faultAt(path, fmt.Sprintf("no playbook is called %q", argument), d.nearest(argument, p.names("playbook")))
			return nil, false
		}
		t.Playbook = argument
		return nil, true
	case isCall && function == "notify" && argument != "":
		return []Step{{Notify: &Notify{Text: argument}}}, true
	case isCall:
		d.faultAt(path, fmt.Sprintf("no action is called %q: there are %s", function, orList(actions)), d.nearest(function, actions))
	case straightCall(t.Action) != "":
		d.faultAt(path, "the name in an action stands in single quotes", straightCall(t.Action))
	default:
		d.faultAt(path, `an action reads execute_rebalance_to_model('MODEL'), run_playbook('PLAYBOOK'), notify('text'), or "reduce equities by 25% and raise cash to 40%"`, "")
	}
	return nil, false
}

// impliedSteps are those of a careful person: look whether the market can be acted on, act, look whether it is done,
// and tell everybody.
func (p *Plan) impliedSteps(action string, r Rebalance) []Step {
	steps := []Step{
		{Name: "pre-flight", Check: &Check{Market: "open", DataAge: Duration(15 * time.Minute)}},
		{Name: "rebalance", Rebalance: &r},
	}
	if that := p.aftermath(r); that != "" {
		// That the weights are not reached is worth telling, not worth silence.
		steps = append(steps, Step{Name: "verify", Verify: &Verify{That: that}, OnFailure: "continue"})
	}
	return append(steps, Step{Name: "tell everybody", Notify: &Notify{Text: "Done: " + strings.TrimSuffix(action, ".") + "."}})
}

// impliedTolerance is how far a weight may end from its target: prices move while orders fill, and units are whole.
const impliedTolerance = 0.02

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// aftermath is what must hold after a rebalance, in the rule language; "" where it cannot be said. Weights are of the
// whole portfolio there, so nothing can be said when a part of it lies in accounts that lifeboat does not trade.
func (p *Plan) aftermath(r Rebalance) string {
	for _, h := range p.Holdings {
		if !p.Tradable(h.Account) && !h.Quantity.IsZero() {
			return ""
		}
	}
	if len(p.Holdings) == 0 {
		return ""
	}
	if r.Model == "" {
		if r.RaiseCashTo == 0 {
			return ""
		}
		return fmt.Sprintf("cash_weight >= %s", max(0, r.RaiseCashTo-impliedTolerance))
	}
	model, _ := p.Model(r.Model)
	var that []string
	for _, target := range model.Targets {
		of := p.symbolOrClass(target.Of)
		if !identifier.MatchString(of) {
			continue
		}
		that = append(that, fmt.Sprintf("weight(%s) >= %s AND weight(%s) <= %s",
			of, max(0, target.Weight-impliedTolerance), of, min(1, target.Weight+impliedTolerance)))
	}
	return strings.Join(that, " AND ")
}

func completeSteps(p *Plan, steps []Step) {
	taken := map[string]bool{}
	for _, s := range steps {
		taken[s.Name] = true
	}
	for i := range steps {
		s := &steps[i]
		if s.Name == "" {
			s.Name = unused(s.Kind(), taken)
			taken[s.Name] = true
		}
		completeStep(p, s)
		for _, inside := range s.inside() {
			completeSteps(p, *inside.steps)
		}
	}
}

func completeStep(p *Plan, s *Step) {
	fill(&s.OnFailure, "stop")
	if s.Retries > 0 {
		fill(&s.RetryAfter, Duration(time.Minute))
		fill(&s.RetryGrowth, 1)
		fill(&s.RetryMax, Duration(time.Hour))
	}
	switch s.Kind() {
	case "check":
		fill(&s.Timeout, Duration(24*time.Hour))
		if s.Check.MaxDaysToExit > 0 {
			fill(&s.Check.Participation, 0.1)
		}
	case "http":
		fill(&s.Timeout, Duration(time.Minute))
		fill(&s.HTTP.Method, "POST")
	case "exec", "failover":
		fill(&s.Timeout, Duration(10*time.Minute))
	case "terraform", "communicate":
		fill(&s.Timeout, Duration(time.Hour))
		if s.Communicate != nil {
			fill(&s.Communicate.Need, "all")
			fill(&s.Communicate.After, Duration(5*time.Minute))
		}
	case "exit":
		completeExit(p, s)
	case "withdraw":
		fill(&s.Timeout, Duration(24*time.Hour))
	case "manual":
		fill(&s.Timeout, Duration(24*time.Hour))
		fill(&s.Manual.Who, p.owner())
	case "verify":
		fill(&s.Timeout, Duration(24*time.Hour))
	case "approve":
		fill(&s.Timeout, Duration(time.Hour))
		fill(&s.Approve.ValidFor, Duration(time.Hour))
		fill(&s.Approve.OnTimeout, "abort")
	case "rebalance":
		fill(&s.Timeout, Duration(48*time.Hour))
		fill(&s.Rebalance.MinTrade, 0.005)
		if s.Rebalance.Participation > 0 {
			fill(&s.Rebalance.SliceEvery, Duration(30*time.Minute))
		}
		s.Rebalance.Reduce = p.symbolOrClass(s.Rebalance.Reduce)
	case "order":
		fill(&s.Timeout, Duration(48*time.Hour))
		fill(&s.Order.Account, p.onlyAccountOf(s.Order.Symbol))
	case "for_each":
		s.ForEach.Of = p.symbolOrClass(s.ForEach.Of)
		completeAccounts(s.ForEach.Do)
	case "notify":
		if len(s.Notify.To) == 0 || slices.Equal(s.Notify.To, []string{"everybody"}) {
			s.Notify.To = nil
			for _, person := range p.People {
				s.Notify.To = append(s.Notify.To, person.Name)
			}
		}
	}
}

func completeExit(p *Plan, s *Step) {
	if c, ok := p.Crossing(*s.Exit); ok && c.Home {
		fill(&s.Timeout, Duration(15*24*time.Hour)) // a week in which it can be challenged, and a week for people to do what is left
	}
	fill(&s.Timeout, Duration(24*time.Hour))
	fill(&s.Exit.To, s.Exit.Account)
	fill(&s.Exit.Via, "owners")
	if s.Exit.Via == "presigned" {
		fill(&s.Exit.ProvenWithin, Duration(7*day))
	}
	if slices.Contains(s.Exit.Do, "swap") || slices.Contains(s.Exit.Do, "remove-liquidity") {
		fill(&s.Exit.MaxSlippage, 0.01)
	}
	if slices.Contains(s.Exit.Do, "withdraw") || slices.Contains(s.Exit.Do, "unwind") || slices.Contains(s.Exit.Do, "repay") {
		fill(&s.Exit.MinHealth, 1.1)
	}
}

// completeAccounts lets an order for each holding be an order in the account of that holding.
func completeAccounts(steps []Step) {
	for i := range steps {
		s := &steps[i]
		if s.Order != nil && s.Order.Symbol == "{symbol}" {
			fill(&s.Order.Account, "{account}")
		}
		for _, inside := range s.inside() {
			completeAccounts(*inside.steps)
		}
	}
}

// owner is the person whose role that is, else the first.
func (p *Plan) owner() string {
	for _, person := range p.People {
		if strings.EqualFold(person.Role, "owner") {
			return person.Name
		}
	}
	if len(p.People) > 0 {
		return p.People[0].Name
	}
	return ""
}

// onlyAccountOf a symbol, or "" when none or several hold it.
func (p *Plan) onlyAccountOf(symbol string) string {
	account := ""
	for _, h := range p.Holdings {
		if h.Symbol != symbol {
			continue
		}
		if account != "" && account != h.Account {
			return ""
		}
		account = h.Account
	}
	return account
}
