package play

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// A node is one step of a run as folded from its events, and the steps inside it.
type node struct {
	path   string
	kind   string
	step   plan.Step // in a for_each, with the holding's names in the place of {symbol} and {account}
	parent *node
	inside []*node // in their order

	status  lifeboat.Status // "" before it began, and when what it is part of begins anew
	attempt int             // begun in all: what makes keys different
	tries   int             // of them since what it is part of began: what retries are counted by
	began   time.Time       // first attempt
	tried   time.Time       // this attempt
	retryAt time.Time       // when the next attempt may start; zero when one runs
	items   []string        // what a for_each goes through
	branch  string          // which way an if went
	acts    []*act          // of this attempt
	earlier []*act          // of the attempts before it; what they filled is not traded again
	wish    *outcome        // how a person wants it to end
	broken  string          // why it cannot be carried out at all
}

// over reports a step that has ended, well or badly.
func (n *node) over() bool { return n.status != "" && n.status != lifeboat.Running }

// bad reports a step that ended in a way that stops what it is part of.
func (n *node) bad() bool { return n.status == lifeboat.Failed || n.status == lifeboat.TimedOut }

// resting reports a step between two attempts.
func (n *node) resting() bool { return n.status == lifeboat.Running && !n.retryAt.IsZero() }

// composite steps are made of other steps.
func (n *node) composite() bool {
	return slices.Contains([]string{"do", "parallel", "for_each", "if", "playbook", "compensate"}, n.kind)
}

func (n *node) trades() bool { return n.kind == "order" || n.kind == "rebalance" }

// acting steps are those that a yes is asked for. A step in two phases asks for its own.
func (n *node) acting() bool {
	return n.trades() || n.kind == "http" || n.kind == "exec" || n.kind == "failover"
}

func (n *node) all() []*act { return append(slices.Clone(n.earlier), n.acts...) }

// act of the node under a key; nil when it was not formed.
func (n *node) act(key lifeboat.Key) *act {
	for _, a := range n.acts {
		if a.Key == key {
			return a
		}
	}
	return nil
}

// within yields the node and all nodes inside it, each before those inside it.
func (n *node) within(visit func(*node)) {
	visit(n)
	for _, inner := range n.inside {
		inner.within(visit)
	}
}

// label names a step for people.
func (n *node) label() string { return fmt.Sprintf("step %s (%s)", n.path, n.step.Name) }

// depthMax is how deep steps may lie within steps. The plan's check refuses circles; this holds a run that was pinned without.
const depthMax = 64

// grow makes the node of a step. What is inside a for_each or an if is known only when it starts.
func (r *run) grow(parent *node, path string, step plan.Step) *node {
	n := &node{path: path, kind: step.Kind(), step: step, parent: parent}
	r.nodes[path] = n
	r.order = append(r.order, n)
	switch n.kind {
	case "do":
		r.fill(n, n.path, step.Do)
	case "parallel":
		r.fill(n, n.path, step.Parallel)
	case "playbook":
		named, pinned := r.pinned.Named(step.Playbook)
		if !pinned {
			n.broken = fmt.Sprintf("the run has pinned no playbook %q", step.Playbook)
		}
		r.fill(n, n.path, named.Steps)
	}
	return n
}

// fill puts steps inside a node, under paths that begin with a prefix.
func (r *run) fill(n *node, prefix string, steps []plan.Step) {
	depth := 0
	for up := n; up != nil; up = up.parent {
		depth++
	}
	if depth > depthMax {
		n.broken = fmt.Sprintf("steps lie more than %d deep", depthMax)
		return
	}
	for i, step := range steps {
		n.inside = append(n.inside, r.grow(n, under(prefix, fmt.Sprint(i+1)), step))
	}
}

func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// open puts the steps inside a for_each or an if, when its StepStarted says which they are.
func (r *run) open(n *node, e lifeboat.StepStarted) {
	if len(n.inside) > 0 {
		return // an attempt before this one opened it: it goes on with the same
	}
	n.items, n.branch = e.Items, e.Branch
	switch {
	case n.kind == "for_each":
		for _, item := range e.Items {
			symbol, account, _ := strings.Cut(item, "@")
			r.fill(n, under(n.path, item), n.step.ForEach.For(symbol, account))
		}
	case n.kind == "if" && e.Branch == "then":
		r.fill(n, n.path, n.step.If.Then)
	case n.kind == "if" && e.Branch == "else":
		r.fill(n, n.path, n.step.If.Else)
	}
}

// items that a for_each goes through: what the tradable accounts hold of a class, a symbol or an account, in the book's order.
func (p *Player) items(r *run, of string) []string {
	var all []string
	for _, held := range p.book.Positions() {
		if !p.plan.Tradable(held.Account) || held.Symbol == p.book.Currency() || !held.Quantity.IsPositive() {
			continue
		}
		if of == "holdings" || of == held.Symbol || of == held.Account || of == r.pinned.Classes[held.Symbol] {
			all = append(all, held.Symbol+"@"+held.Account)
		}
	}
	return all
}

// undoing grows the steps that undo what was done, the last first.
func (r *run) undoing() *node {
	root := &node{kind: "undo", status: lifeboat.Running}
	for _, n := range slices.Backward(r.done) {
		if len(n.step.Compensate) == 0 {
			continue
		}
		undo := r.grow(root, n.path+".undo", plan.Step{Name: "undo " + n.step.Name, Do: n.step.Compensate, OnFailure: "stop"})
		undo.kind = "compensate"
		root.inside = append(root.inside, undo)
	}
	return root
}
