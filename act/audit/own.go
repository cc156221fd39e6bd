package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

const (
	// patience is for how long it is not told that something has gone where an act of lifeboat's own is under way that has not said yet
	// what it moved, and perBlock what is added for each block that the plan wants on top of an exit: Ethereum's take 12 s, others less.
	patience    = 5 * time.Minute
	perBlock    = 15 * time.Second
	patienceMax = time.Hour
	// movesMax bounds what is remembered of one account until its custodian has shown it.
	movesMax = 64
	notesMax = 16 // things that are explained in one message
)

// An act is one of lifeboat's own that is no order and changes what accounts hold: an exit on a chain, a withdrawal, a canary's trial.
type act struct {
	name    string // for people
	touches []string
	moved   []lifeboat.Move // what it has said so far
}

// begin notes an act of lifeboat's own, and which accounts it touches.
func (a *Audit) begin(i lifeboat.Intent) {
	if i.Act != lifeboat.PerformTask || i.Task == nil {
		return
	}
	var spec struct {
		Account, To, Chain, Wallet, Receiver string
		Beyond                               *struct{ Chain string }
	}
	what, exits := map[string]string{"exit-apply": "the exit", "withdraw-apply": "the withdrawal", plan.TrialTask: "the canary"}[i.Task.Kind], i.Task.Kind == "exit-apply"
	if what == "" || json.Unmarshal(i.Task.Spec, &spec) != nil {
		return
	}
	one := &act{name: what, touches: []string{spec.Account, spec.To}}
	if i.Run != "" {
		one.name += " of run " + i.Run
	}
	if exits {
		one.touches = a.at(spec.Chain, append(a.payers(spec.Account), spec.Wallet, spec.Receiver)...)
		if spec.Beyond != nil {
			one.touches = append(one.touches, a.at(spec.Beyond.Chain, append(a.payers(spec.To), spec.Receiver)...)...)
		}
	}
	a.acts[i.Key] = one
}

// payers are the addresses of those whose keys may pay for an exit of an account.
func (a *Audit) payers(account string) (addresses []string) {
	of, _ := a.plan.Account(account)
	for _, key := range of.Payers() {
		addresses = append(addresses, key.Address)
	}
	return addresses
}

// at are the accounts that lie at addresses of a chain.
func (a *Audit) at(chain string, addresses ...string) (names []string) {
	for _, account := range a.plan.Accounts {
		if account.Chain == chain && slices.ContainsFunc(addresses, func(address string) bool { return address != "" && strings.EqualFold(account.Address, address) }) {
			names = append(names, account.Name)
		}
	}
	return names
}

// hear what an act has moved, and whether more of it can come.
func (a *Audit) hear(at time.Time, r lifeboat.Receipt) {
	one := a.acts[r.Key]
	if one == nil {
		return
	}
	moves := r.Moved()
	for _, m := range news(moves, one.moved, r.Status == lifeboat.NotPerformed) {
		a.moved(at, move{m, one.name})
		if m.Height > 0 {
			one.touches = slices.DeleteFunc(one.touches, func(name string) bool { return name == m.Account })
		}
	}
	if len(moves) > 0 {
		one.moved = moves
	}
	if r.Status.Final() || r.Lost {
		delete(a.acts, r.Key)
	}
	for _, known := range a.accounts {
		if !a.busy(known, 0) {
			known.close()
		}
	}
}

// news of a later receipt over an earlier one. What has no height is a total, and is taken back when the act failed.
func news(now, before []lifeboat.Move, failed bool) (all []lifeboat.Move) {
	total := func(moves []lifeboat.Move, of lifeboat.Move) (sum decimal.Decimal) {
		for _, m := range moves {
			if m.Account == of.Account && m.Symbol == of.Symbol && m.Height == 0 {
				sum = sum.Add(m.Quantity)
			}
		}
		return sum
	}
	for _, m := range now {
		switch {
		case m.Height == 0 && failed || m.Height > 0 && slices.ContainsFunc(before, m.Same):
			continue
		case m.Height == 0:
			m.Quantity = m.Quantity.Sub(total(before, m))
		}
		all = append(all, m)
	}
	for _, m := range before {
		if failed && m.Height == 0 {
			m.Quantity = m.Quantity.Neg()
			all = append(all, m)
		}
	}
	return slices.DeleteFunc(all, func(m lifeboat.Move) bool { return m.Quantity.IsZero() })
}

// moved takes in what an act says of an account whose custodian shows such things.
func (a *Audit) moved(at time.Time, m move) {
	known := a.accounts[m.Account]
	switch {
	case known == nil || known.venue == "":
	case m.Height == 0:
		known.expect(at, m)
	case !known.onChain || !slices.ContainsFunc(a.plan.Counted(m.Account), func(h plan.Holding) bool { return h.Symbol == m.Symbol }):
	case m.Height > known.height:
		known.own = append(known.own[max(0, len(known.own)-movesMax+1):], m)
		slices.SortStableFunc(known.own, func(a, b move) int { return cmp.Compare(a.Height, b.Height) })
	case known.swept(m):
	default: // it was shown already, or should have been
		known.add(at, m.Symbol, known.explain(m.Symbol, m.Quantity, m.by).Neg())
	}
}

// busy reports that what an account holds may be changing by an act of lifeboat's own: one has not said yet what it moved there, or
// no statement is as new as a block, later than the one at height, that it says it is in.
func (a *Audit) busy(k *account, height uint64) bool {
	for _, one := range a.acts {
		if slices.Contains(one.touches, k.name) {
			return true
		}
	}
	return slices.ContainsFunc(k.own, func(m move) bool { return m.Height > height })
}

// Awaits reports that a statement is one of those that show whether what an act says it has moved is all, though they may say nothing new.
func (a *Audit) Awaits(s lifeboat.Statement) bool {
	known := a.accounts[s.Account]
	return known != nil && slices.ContainsFunc(known.own, func(m move) bool { return m.Height <= s.Height })
}

// patient is for how long what has gone from an account of a chain may wait for the receipt of an act.
func (a *Audit) patient(chain string) time.Duration {
	if x, ok := a.plan.Chained(chain); ok {
		return min(patience+time.Duration(x.Chain.Confirmations)*perBlock, patienceMax)
	}
	return patience
}

// whose acts are under way at an account, in words.
func (a *Audit) whose(k *account) string {
	var names []string
	for _, one := range a.acts {
		if slices.Contains(one.touches, k.name) {
			names = append(names, one.name)
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " and ")
}

// strangeness of every account that is due to be told, and what has been cleared up of what was told.
func (a *Audit) strangeness(at time.Time) (events []lifeboat.Event) {
	to := a.plan.Owners()
	if len(to) == 0 {
		return nil
	}
	say := func(key lifeboat.Key, tier lifeboat.Tier, subject, text string) {
		events = append(events, lifeboat.Intent{Key: key, Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: to, Tier: tier, Subject: subject, Text: text}})
	}
	for _, name := range a.names {
		known := a.accounts[name]
		if len(known.odd) == 0 && len(known.notes) == 0 {
			continue
		}
		if due := known.due(at, a.busy(known, 0)); len(due) > 0 {
			text := fmt.Sprintf("%s holds something else than the book, and nothing that lifeboat did explains it: %s. The book follows. If this was not you, halt and look.", name, sums(due))
			if whose := a.whose(known); whose != "" {
				text += fmt.Sprintf(" It has not come to an end yet what %s moves there.", whose)
			}
			say(known.strange(), grave(due), fmt.Sprintf("%s holds something else than the book", name), text)
		}
		if len(known.notes) > 0 {
			say(known.cleared(), 0, fmt.Sprintf("What was told of %s is explained", name),
				fmt.Sprintf("What was told of %s was lifeboat's own doing in part or in whole: %s.", name, strings.Join(known.notes, "; ")))
		}
	}
	return events
}
