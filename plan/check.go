package plan

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a plan names its time zone, and a bare machine knows none
)

// check looks for what no single value shows: names that nothing answers to, names used twice, circles, sums.
func (d *decoder) check(p *Plan) {
	d.checkPortfolio(p)
	d.checkMoney(p)
	d.walk(p, func(path string, r rules, v reflect.Value) { d.checkName(p, path, r, v.String()) })
	d.checkNames(p)
	d.checkRegister(p)
	d.checkCircles(p)
	d.checkHoldings(p)
	d.checkFeeds(p)
	d.checkTriggers(p)
	d.checkModels(p)
	d.checkAuthority(p)
	for i, playbook := range p.Playbooks {
		d.checkSteps(p, fmt.Sprintf("playbooks[%d].steps", i), playbook.Steps)
	}
	d.checkPlaybookCircles(p)
	d.checkTasks(p)
	d.checkPeople(p)
	d.checkConnections(p)
	d.checkChains(p)
	d.checkExits(p)
	d.checkWithdraws(p)
	d.checkCanaries(p)
	d.checkWallets(p)
	d.checkCustody(p)
}

// walk visits every text of the plan that was read, with its path and rules.
func (d *decoder) walk(p *Plan, visit func(path string, r rules, v reflect.Value)) {
	walk(p, func(path string, r rules, v reflect.Value) {
		if v.Len() > 0 && !d.bad[path] {
			visit(path, r, v)
		}
	})
}

// checkName holds a name to what it must be the name of.
func (d *decoder) checkName(p *Plan, path string, r rules, name string) {
	if r.to == "" || stands(path, name) {
		return
	}
	if d.knows(p, r.to, name) {
		return
	}
	what := map[string]string{"register": "account, holding, dependency or document", "affected": "account, holding, dependency, document or person",
		"copied": "document, account or dependency", "person": "person or role", "authority": "person, role or mandate",
		"approver": "person, role or mandate", "symbol": "holding", "chain": "dependency with a chain",
		"contract": "dependency with a contract"}[r.to]
	if what == "" {
		what = r.to
	}
	d.faultAt(path, fmt.Sprintf("no %s is called %q", what, shorten(name, textMax)), d.nearest(name, p.names(r.to)))
}

// knows keeps the names of each kind at hand, for plans in which everything names everything.
func (d *decoder) knows(p *Plan, what, name string) bool {
	if d.unread[""] || slices.ContainsFunc(listsOf[what], func(list string) bool { return d.unread[list] }) {
		return true // it may stand in what could not be read
	}
	if d.known[what] == nil {
		if d.known == nil {
			d.known = map[string]map[string]bool{}
		}
		d.known[what] = map[string]bool{}
		for _, one := range p.names(what) {
			d.known[what][one] = true
		}
	}
	return d.known[what][name]
}

// listsOf the plan in which each kind of name stands.
var listsOf = map[string][]string{
	"account": {"accounts"}, "model": {"models"}, "playbook": {"playbooks"}, "symbol": {"holdings"},
	"person": {"people"}, "authority": {"people", "mandates"}, "approver": {"people", "mandates"}, "dependency": {"dependencies"},
	"command": {"commands"}, "chain": {"dependencies"}, "contract": {"dependencies"}, "copied": {"accounts", "dependencies", "documents"},
	"register": {"accounts", "dependencies", "documents", "holdings"},
	"affected": {"accounts", "dependencies", "documents", "holdings", "people"},
}

// names that a rule to=what allows.
func (p *Plan) names(what string) []string {
	var all []string
	switch what {
	case "account":
		return nameAll(p.Accounts, func(a Account) string { return a.Name })
	case "model":
		return nameAll(p.Models, func(m Model) string { return m.Name })
	case "playbook":
		return nameAll(p.Playbooks, func(b Playbook) string { return b.Name })
	case "symbol":
		return append(p.Symbols(), p.Portfolio.BaseCurrency)
	case "person":
		for _, person := range p.People {
			all = append(all, person.Name)
			if person.Role != "" {
				all = append(all, person.Role)
			}
		}
	case "approver":
		return append(p.names("person"), nameAll(p.Mandates, func(m Mandate) string { return m.Name })...)
	case "authority":
		return append(p.names("approver"), "automatic")
	case "dependency":
		return nameAll(p.Dependencies, func(x Dependency) string { return x.Name })
	case "chain", "contract":
		for _, x := range p.Dependencies {
			if what == "chain" && x.Chain != nil || what == "contract" && x.Contract != nil {
				all = append(all, x.Name)
			}
		}
	case "command":
		return nameAll(p.Commands, func(c Command) string { return c.Name })
	case "copied":
		all = append(p.names("account"), nameAll(p.Dependencies, func(x Dependency) string { return x.Name })...)
		all = append(all, nameAll(p.Documents, func(x Document) string { return x.Name })...)
	case "register":
		all = append(p.names("copied"), nameAll(p.Holdings, func(h Holding) string { return h.Symbol })...)
	case "affected":
		all = append(p.names("register"), p.names("person")...)
	}
	return all
}

func nameAll[T any](all []T, name func(T) string) []string {
	var out []string
	for _, one := range all {
		out = append(out, name(one))
	}
	return out
}

var currencyForm = regexp.MustCompile(`^[A-Z]{3,5}$`)

func (d *decoder) checkPortfolio(p *Plan) {
	if _, written := d.places.at["portfolio"]; !written {
		if d.unread[""] || d.unread["portfolio"] {
			return // it may stand in what could not be read
		}
		f := Fault{File: d.file, Line: 1, Column: 1, Message: "no file has a portfolio: write portfolio: {name: …} in one of them"}
		d.faults = append(d.faults, f)
		return
	}
	if !d.bad["portfolio.base_currency"] && !currencyForm.MatchString(p.Portfolio.BaseCurrency) {
		meant := strings.ToUpper(p.Portfolio.BaseCurrency)
		if !currencyForm.MatchString(meant) {
			meant = ""
		}
		d.faultAt("portfolio.base_currency", fmt.Sprintf("base_currency wants a code such as USD, not %q", p.Portfolio.BaseCurrency), meant)
		d.bad["portfolio.base_currency"] = true
	}
	if _, err := time.LoadLocation(p.Portfolio.TimeZone); err != nil || p.Portfolio.TimeZone == "Local" {
		d.faultAt("portfolio.time_zone", fmt.Sprintf("time_zone wants a name such as America/New_York, not %q", p.Portfolio.TimeZone), "")
	}
}

func (d *decoder) checkMoney(p *Plan) {
	if d.bad["portfolio.base_currency"] {
		return
	}
	for _, m := range d.money {
		if base := p.Portfolio.BaseCurrency; m.currency != base {
			d.fault(m.node, fmt.Sprintf("amounts are in the base currency %s, not in %s", base, m.currency), "")
		}
	}
}

// checkNames holds lists to names that are used once.
func (d *decoder) checkNames(p *Plan) {
	seen := map[string]string{}
	d.walk(p, func(path string, r rules, v reflect.Value) {
		if !r.name {
			return
		}
		list := path[:strings.LastIndexByte(path, '[')]
		if first, twice := seen[list+"\x00"+v.String()]; twice {
			d.faultAt(path, fmt.Sprintf("the name %q is already used at %s", shorten(v.String(), textMax), d.where(first)), "")
			return
		}
		seen[list+"\x00"+v.String()] = path
	})
}

// where a path stands, for a sentence.
func (d *decoder) where(path string) string {
	f := d.places.At(path, 0)
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}

// A part of the register: what depends_on can name.
type part struct {
	path, list, name string
	dependsOn        []string
}

func (p *Plan) parts() []part {
	var all []part
	for i, a := range p.Accounts {
		all = append(all, part{fmt.Sprintf("accounts[%d]", i), "accounts", a.Name, a.DependsOn})
	}
	for i, x := range p.Dependencies {
		all = append(all, part{fmt.Sprintf("dependencies[%d]", i), "dependencies", x.Name, x.DependsOn})
	}
	for i, x := range p.Documents {
		all = append(all, part{fmt.Sprintf("documents[%d]", i), "documents", x.Name, x.DependsOn})
	}
	for i, h := range p.Holdings {
		all = append(all, part{fmt.Sprintf("holdings[%d]", i), "holdings", h.Symbol, h.DependsOn})
	}
	return all
}

// checkRegister refuses one name for two kinds of things: depends_on could mean either.
func (d *decoder) checkRegister(p *Plan) {
	first := map[string]part{}
	for _, one := range p.parts() {
		before, twice := first[one.name]
		if !twice {
			first[one.name] = one
		} else if one.name != "" && before.list != one.list {
			d.faultAt(one.path, fmt.Sprintf("%q is also one of the %s at %s, and depends_on could mean either",
				shorten(one.name, textMax), before.list, d.where(before.path)), "")
		}
	}
}

// checkCircles follows depends_on from every part and reports each circle once, where it closes.
func (d *decoder) checkCircles(p *Plan) {
	parts := map[string][]part{}
	for _, one := range p.parts() {
		parts[one.name] = append(parts[one.name], one)
	}
	const entered, left = 1, 2
	state := map[string]int{}
	var trail []string
	var follow func(name string)
	follow = func(name string) {
		state[name] = entered
		trail = append(trail, name)
		for _, one := range parts[name] {
			for i, next := range one.dependsOn {
				if state[next] == entered {
					circle := append(slices.Clone(trail[slices.Index(trail, next):]), next)
					d.faultAt(fmt.Sprintf("%s.depends_on[%d]", one.path, i), "depends_on goes in a circle: "+shorten(strings.Join(circle, " → "), 3*textMax), "")
				} else if state[next] == 0 {
					follow(next)
				}
			}
		}
		state[name] = left
		trail = trail[:len(trail)-1]
	}
	for _, one := range p.parts() {
		if state[one.name] == 0 {
			follow(one.name)
		}
	}
}

func (d *decoder) checkHoldings(p *Plan) {
	seen, class := map[[2]string]string{}, map[string]Holding{}
	for i, h := range p.Holdings {
		path := fmt.Sprintf("holdings[%d]", i)
		if h.Symbol == "" {
			continue
		}
		if first, twice := seen[[2]string{h.Symbol, h.Account}]; twice {
			d.faultAt(path+".symbol", fmt.Sprintf("%s in %s is already held at %s", h.Symbol, h.Account, d.where(first)), "")
		}
		seen[[2]string{h.Symbol, h.Account}] = path
		perhapsCash := d.bad["portfolio.base_currency"] && currencyForm.MatchString(h.Symbol)
		if h.Class == "" && !d.bad[path+".class"] && !perhapsCash {
			d.faultAt(path, "a holding wants class", "")
		}
		if a, known := p.Account(h.Account); h.Quantity.IsNegative() && known && a.Protocol == "" {
			owed := ""
			if a.Chain != "" {
				owed = "; what is owed stands in an account with protocol"
			}
			d.faultAt(path+".quantity", fmt.Sprintf("quantity wants a number such as 12.5 that is 0 or more, not %s%s", h.Quantity, owed), "")
		}
		if _, ok := h.When(); h.AsOf != "" && !ok {
			d.faultAt(path+".as_of", fmt.Sprintf("as_of wants a time such as 2026-11-27T22:45:00Z, not %q", shorten(h.AsOf, textMax)), "")
		}
		if before, twice := class[h.Symbol]; twice && before.Class != h.Class {
			d.faultAt(path+".class", fmt.Sprintf("%s is %s here and %s elsewhere", h.Symbol, h.Class, before.Class), "")
		} else if !twice {
			class[h.Symbol] = h
		}
	}
}

func (d *decoder) checkTriggers(p *Plan) {
	for i, t := range p.Triggers {
		path := fmt.Sprintf("triggers[%d]", i)
		if t.Tier == 0 && !d.bad[path] && !d.bad[path+".tier"] && !d.bad[path+".severity"] {
			d.faultAt(path, "a trigger wants tier: 1 (Watch), 2 (Action) or 3 (Emergency)", "")
		}
	}
}

func (d *decoder) checkModels(p *Plan) {
	for i, m := range p.Models {
		path := fmt.Sprintf("models[%d].weights", i)
		sum, seen, readable := 0.0, map[string]bool{}, !d.bad[path]
		for j, target := range m.Targets {
			at := fmt.Sprintf("%s[%d]", path, j)
			d.checkSymbolOrClass(p, at+".of", target.Of)
			if seen[target.Of] {
				d.faultAt(at, fmt.Sprintf("%s stands here twice", target.Of), "")
			}
			seen[target.Of] = true
			sum += float64(target.Weight)
			readable = readable && !d.bad[at+".weight"]
		}
		if readable && len(m.Targets) > 0 && math.Abs(sum-1) > 1e-9 {
			d.faultAt(path, fmt.Sprintf("the weights of %s add up to %s, not to 100%%", shorten(m.Name, textMax), Ratio(sum)), "")
		}
	}
}

// checkSymbolOrClass holds a word to something that is held, or a class.
func (d *decoder) checkSymbolOrClass(p *Plan, path, word string) {
	if _, class := ClassName(word); class || word == "" || d.knows(p, "symbol", word) {
		return
	}
	known := append(p.names("symbol"), Classes()...)
	d.faultAt(path, fmt.Sprintf("%q is neither a holding nor a class; what is not held yet is registered with quantity 0", shorten(word, textMax)),
		d.nearest(word, known))
}

func (d *decoder) checkSteps(p *Plan, path string, steps []Step) {
	for i, s := range steps {
		d.checkStep(p, fmt.Sprintf("%s[%d]", path, i), s)
	}
}

func (d *decoder) checkStep(p *Plan, path string, s Step) {
	for _, inside := range s.inside() {
		d.checkSteps(p, join(path, inside.key), *inside.steps)
	}
	kinds := kindsOf(reflect.ValueOf(s))
	if len(kinds) != 1 {
		if !d.bad[path] {
			d.faultAt(path, fmt.Sprintf("a step does one thing (%s), and this one %s", orList(allKinds(reflect.TypeFor[Step]())), didWhat(kinds)), "")
		}
		return
	}
	path += "." + kinds[0]
	if d.bad[path] {
		return
	}
	switch kinds[0] {
	case "check":
		if *s.Check == (Check{}) {
			d.faultAt(path, "a check wants something to look at: market, data_age, max_position, max_days_to_exit or that", "")
		}
	case "rebalance":
		d.checkRebalance(p, path, *s.Rebalance)
	case "order":
		d.checkOrder(p, path, *s.Order)
	case "manual":
		if s.Manual.Who == "" && !d.unread["people"] {
			d.faultAt(path, "a manual step wants who, and the plan has no people", "")
		}
	case "wait":
		if (s.Wait.For == 0) == (s.Wait.Until == "") {
			d.faultAt(path, "a wait is for a span, or until open or close", "")
		}
	case "approve":
		d.checkApprove(path, *s.Approve)
	case "for_each":
		d.checkForEach(p, path, *s.ForEach)
	case "if":
		if len(s.If.Then) == 0 && len(s.If.Else) == 0 {
			d.faultAt(path, "an if wants steps, under then or else", "")
		}
	}
}

// checkApprove wants each policy of silence and what it needs to stand together.
func (d *decoder) checkApprove(path string, a Approve) {
	switch {
	case (a.OnTimeout == "escalate") != (a.EscalateTo != ""):
		d.faultAt(path, "on_timeout: escalate and escalate_to go together: who is asked when nobody answered", "")
	case (a.OnTimeout == "smaller") != (a.Smaller > 0):
		d.faultAt(path, "on_timeout: smaller and smaller go together: which share of the amounts silence permits", "")
	}
}

func (d *decoder) checkForEach(p *Plan, path string, f ForEach) {
	if stands(path, "{symbol}") {
		d.faultAt(path, "a for_each within a for_each could mean either by {symbol}; put the inner one into a playbook of its own", "")
	}
	if f.Of == "holdings" || f.Of == "" || d.knows(p, "account", f.Of) {
		return
	}
	d.checkSymbolOrClass(p, path+".of", f.Of)
}

// checkPlaybookCircles refuses playbooks that would carry themselves out, where the circle closes.
func (d *decoder) checkPlaybookCircles(p *Plan) {
	const entered, left = 1, 2
	state := map[string]int{}
	var trail []string
	var enter func(i int)
	enter = func(i int) {
		b := p.Playbooks[i]
		state[b.Name] = entered
		trail = append(trail, b.Name)
		walkPaths(fmt.Sprintf("playbooks[%d].steps", i), b.Steps, func(path string, s Step) {
			next := slices.IndexFunc(p.Playbooks, func(other Playbook) bool { return other.Name == s.Playbook })
			switch {
			case s.Playbook == "" || next < 0:
			case state[s.Playbook] == entered:
				circle := append(slices.Clone(trail[slices.Index(trail, s.Playbook):]), s.Playbook)
				d.faultAt(path+".playbook", "playbooks go in a circle: "+shorten(strings.Join(circle, " → "), 3*textMax), "")
			case state[s.Playbook] == 0:
				enter(next)
			}
		})
		state[b.Name] = left
		trail = trail[:len(trail)-1]
	}
	for i, b := range p.Playbooks {
		if state[b.Name] == 0 {
			enter(i)
		}
	}
}

// walkPaths is Walk with the path at which each step stands.
func walkPaths(path string, steps []Step, visit func(path string, s Step)) {
	for i, s := range steps {
		at := fmt.Sprintf("%s[%d]", path, i)
		visit(at, s)
		for _, inside := range s.inside() {
			walkPaths(join(at, inside.key), *inside.steps, visit)
		}
	}
}

// kindsOf a step or a channel: the keys that say what it is, of which exactly one should be written.
func kindsOf(v reflect.Value) []string {
	var kinds []string
	for _, k := range keysOf(v.Type()) {
		if k.rules.kind && !v.FieldByIndex(k.index).IsZero() {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

func allKinds(t reflect.Type) []string {
	var kinds []string
	for _, k := range keysOf(t) {
		if k.rules.kind {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

func didWhat(kinds []string) string {
	if len(kinds) == 0 {
		return "does nothing"
	}
	return "does " + strings.Join(kinds, " and ")
}

func (d *decoder) checkRebalance(p *Plan, path string, r Rebalance) {
	switch {
	case r.Model == "" && r.Reduce == "" && r.RaiseCashTo == 0:
		d.faultAt(path, "a rebalance wants a model, reduce and by, or raise_cash_to", "")
	case r.Model != "" && (r.Reduce != "" || r.RaiseCashTo != 0):
		d.faultAt(path, "a rebalance goes to a model or follows a sentence, not both", "")
	case (r.Reduce == "") != (r.By == 0):
		d.faultAt(path, "reduce and by go together: which class or symbol, and by what share of it", "")
	}
	switch {
	case r.CashBuffer >= 1 || r.Participation > 1:
		d.faultAt(path, "cash_buffer leaves something to trade with, and participation is at most 100%", "")
	case r.CashBuffer > 0 && r.Model == "":
		d.faultAt(path+".cash_buffer", "only a rebalance to a model buys, so only there cash_buffer means something; raise_cash_to sells", "")
	case r.SliceEvery > 0 && r.Participation == 0:
		d.faultAt(path+".slice_every", "slices want participation: the share of the usual volume that one may be", "")
	}
	d.checkSymbolOrClass(p, path+".reduce", r.Reduce)
	if r.Reduce == "cash" {
		d.faultAt(path+".reduce", "cash cannot be sold", "")
	}
}

func (d *decoder) checkOrder(p *Plan, path string, o Order) {
	if o.Quantity.IsPositive() == (o.Fraction > 0) {
		d.faultAt(path, "an order wants quantity or fraction, one of them", "")
	}
	if o.Symbol == p.Portfolio.BaseCurrency {
		d.faultAt(path+".symbol", "the base currency cannot be ordered", "")
	}
	if _, known := p.Account(o.Account); known && !p.Tradable(o.Account) {
		d.faultAt(path, fmt.Sprintf("only people act in %s (venue: manual), so no order can be sent there; write a manual step", o.Account), "")
	}
	if _, held := p.Holding(o.Symbol); o.Account == "" && held {
		d.faultAt(path, fmt.Sprintf("several accounts hold %s, so the order wants account", o.Symbol), "")
	}
}
