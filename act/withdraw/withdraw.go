// Package withdraw gets money out of a venue, to addresses of the owner's own and to no others: the two tasks of a withdraw step,
// and the trial of a canary, which is both in one.
//
// It is a worker of the crew in act/task. The first task (withdraw-plan) only reads: what is free, what the venue keeps, whether
// it lets the asset out at all, and then says in words what would leave and what would arrive, with a hash over all of it. The
// second one (withdraw-apply) asks for that very withdrawal under the key of its intent. If anything has become worse than what
// was shown, nothing is asked for and a new plan wants a new yes.
// A trial wants no yes beside the plan's own entry: it is refused unless it is word for word what the plan in force says, and
// the fee is what the venue wants at the time.
//
// A withdrawal is asked for at most once per key. That the venue has taken it is kept in the task's note before anything else,
// so that a process after this one never takes it for lost because the venue does not list it yet. When an answer is lost the
// venue is asked, and only its proof that nothing came of the request lets it be made again, within retryMax of the first. What
// is older than the venue's memory proves nothing; then a person must look. "Taken", "sent" and "arrived" are three things:
// the task ends when the venue says that it was sent, with the transaction, and says nothing about the last.
//
// The package decides nothing, knows no venue by name and reads no plan but for the address that an account has now.
package withdraw

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/act/venue"
	"lifeboat/plan"
	"lifeboat/prose"
)

// Kinds of tasks that a desk performs.
const (
	Planning = "withdraw-plan"
	Applying = "withdraw-apply"
)

const (
	// askFirst and askMost are between two questions after a withdrawal, doubled each time. Binance counts one as a tenth of
	// what an account may ask in a minute.
	askFirst = 10 * time.Second
	askMost  = time.Minute
	// retryMax is how long after the first request it may be made again, once the venue has proved that none arrived.
	retryMax = 30 * time.Minute
	// memoryLeft is how much of the venue's memory must be left for a miss to count.
	memoryLeft = time.Hour
	planTime   = 2 * time.Minute
)

// Options say for whom a desk withdraws, and with what.
type Options struct {
	Plan  *plan.Plan
	Clock lifeboat.Clock
	// Open opens the way to the venue of an account, and says what people call it. It is called once for each account.
	Open func(ctx context.Context, a plan.Account) (v venue.Withdrawer, name string, err error)
	// Fence fails when another lifeboat has taken over; it is asked right before each request. Nil never fails.
	Fence func() error
}

// Desk withdraws. It is safe for concurrent use, and makes one call to a venue at a time.
type Desk struct {
	Options
	mu       sync.Mutex // guards counters
	counters map[string]*counter
}

// A counter is the way to the venue of one account.
type counter struct {
	mu   sync.Mutex // one goroutine at a time, the opening included
	v    venue.Withdrawer
	name string
}

// New makes a desk. Nothing is opened yet.
func New(o Options) *Desk { return &Desk{Options: o, counters: map[string]*counter{}} }

// LooksFirst reports that a task may be begun again: the planning only reads, and a withdrawal is asked after first.
func (d *Desk) LooksFirst(string) bool { return true }

// A step is what both tasks are told.
type step struct {
	plan.WithdrawOrder
	Timeout plan.Duration     `json:"timeout,omitempty"`
	Hash    string            `json:"hash,omitempty"`
	Planned map[string]string `json:"planned,omitempty"`
}

// Prepare reads a task.
func (d *Desk) Prepare(key lifeboat.Key, t lifeboat.Task) (task.Work, error) {
	var s step
	decoder := json.NewDecoder(strings.NewReader(string(t.Spec)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return task.Work{}, fmt.Errorf("the step cannot be read: %w", err)
	}
	a, known := d.Plan.Account(s.Account)
	switch {
	case !known:
		return task.Work{}, fmt.Errorf("the plan has no account %q", s.Account)
	case t.Kind == Planning && (s.Hash != "" || s.Planned != nil):
		return task.Work{}, errors.New("what is to be worked out has no hash yet")
	}
	if err := d.owns(s.WithdrawOrder); err != nil {
		return task.Work{}, err
	}
	if t.Kind == plan.TrialTask {
		if written, is := d.Plan.Trial(s.Account); !is || !bytes.Equal(written.Spec, t.Spec) {
			return task.Work{}, fmt.Errorf("the plan in force has another canary for %s, or none", s.Account)
		}
		return task.Work{Do: func(ctx context.Context, so task.Progress) lifeboat.Receipt { return d.trial(ctx, key, a, s, so) }}, nil
	}
	if t.Kind == Planning {
		return task.Work{Limit: planTime, Do: func(ctx context.Context, _ task.Progress) lifeboat.Receipt { return d.plan(ctx, a, s) }}, nil
	}
	p, err := approved(s)
	if err != nil {
		return task.Work{}, err
	}
	return task.Work{Limit: time.Duration(s.Timeout), Do: func(ctx context.Context, so task.Progress) lifeboat.Receipt {
		return d.apply(ctx, key, a, p, so)
	}}, nil
}

// owns refuses every address but that which the account has in the plan in force.
func (d *Desk) owns(w plan.WithdrawOrder) error {
	switch now, err := d.Plan.WithdrawOrder(w.Withdraw); {
	case err != nil:
		return err
	case now.Address != w.Address:
		return fmt.Errorf("the plan in force has another address for %s than the one that was approved", w.To)
	}
	return nil
}

// at lets one call be made at the venue of an account.
func (d *Desk) at(ctx context.Context, a plan.Account, call func(v venue.Withdrawer, name string) error) error {
	d.mu.Lock()
	c := d.counters[a.Name]
	if c == nil {
		c = &counter{}
		d.counters[a.Name] = c
	}
	d.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.v == nil {
		var err error
		if c.v, c.name, err = d.Open(ctx, a); err != nil {
			return err
		}
	}
	return call(c.v, c.name)
}

// A proposed withdrawal is what a yes permits: exactly this.
type proposed struct {
	Account string          `json:"account"`
	Symbol  string          `json:"symbol"`
	Amount  decimal.Decimal `json:"amount"` // that leaves
	Fee     decimal.Decimal `json:"fee"`    // of it, at most
	To      string          `json:"to"`
	Address string          `json:"address"`
	Network string          `json:"network"`
	Tag     string          `json:"tag"`
}

func (p proposed) hash() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // its types always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (p proposed) arrives() decimal.Decimal { return p.Amount.Sub(p.Fee) }

func (p proposed) withdrawal() venue.Withdrawal {
	return venue.Withdrawal{Address: venue.Address{Symbol: p.Symbol, Network: p.Network, Address: p.Address, Tag: p.Tag}, Amount: p.Amount}
}

func of(w plan.WithdrawOrder, amount, fee decimal.Decimal) proposed {
	return proposed{Account: w.Account, Symbol: w.Symbol, Amount: amount, Fee: fee, To: w.To, Address: w.Address, Network: w.Network, Tag: w.Tag}
}

// approved is the withdrawal that the second task was told, if it is the one that its hash stands for.
func approved(s step) (proposed, error) {
	amount, err := decimal.NewFromString(s.Planned["amount"])
	fee, wrong := decimal.NewFromString(s.Planned["fee"])
	if err = errors.Join(err, wrong); err != nil || s.Hash == "" {
		return proposed{}, errors.New("nothing was approved: the step has no amount, no fee or no hash")
	}
	p := of(s.WithdrawOrder, amount, fee)
	if p.hash() != s.Hash {
		return proposed{}, errors.New("the withdrawal is not the one that was approved")
	}
	return p, nil
}

// plan works out what would leave and arrive. It only reads.
func (d *Desk) plan(ctx context.Context, a plan.Account, s step) lifeboat.Receipt {
	var terms venue.Terms
	var name string
	err := d.at(ctx, a, func(v venue.Withdrawer, called string) (err error) {
		name = called
		terms, err = v.Terms(ctx, of(s.WithdrawOrder, s.Amount, decimal.Zero).withdrawal())
		return err
	})
	if err != nil {
		r := no("%s could not be asked what a withdrawal would do: %s", cmp.Or(name, a.Name), prose.OneLine(err.Error()))
		r.Facts = map[string]string{"failure": "transient"}
		return r
	}
	p := of(s.WithdrawOrder, amountOf(s.Withdraw, terms), terms.Fee)
	if against := p.against(terms); len(against) > 0 {
		return no("%s would not withdraw it: %s", name, strings.Join(against, "; "))
	}
	return lifeboat.Receipt{Status: lifeboat.Performed, Why: "the withdrawal is worked out and waits for a yes", Output: p.shown(name, terms),
		Facts: map[string]string{"hash": p.hash(), "amount": p.Amount.String(), "fee": p.Fee.String()}}
}

// amountOf a step: what it says, or the share of what is free that it says, in steps of the venue's.
func amountOf(w plan.Withdraw, t venue.Terms) decimal.Decimal {
	if w.Fraction == 0 {
		return w.Amount
	}
	amount := t.Free.Mul(decimal.NewFromFloat(float64(w.Fraction)))
	if t.Step.IsPositive() {
		return amount.Div(t.Step).Floor().Mul(t.Step)
	}
	return amount.Truncate(amountPlaces)
}

// amountPlaces of an amount where the venue names no step.
const amountPlaces = 8

// against is what stands in the way of a withdrawal.
func (p proposed) against(t venue.Terms) []string {
	against := t.Obstacles
	add := func(format string, args ...any) { against = append(against, fmt.Sprintf(format, args...)) }
	amount := func(d decimal.Decimal) string { return d.String() + " " + p.Symbol }
	switch {
	case !p.Amount.IsPositive():
		add("nothing of %s is free there", p.Symbol)
	case p.Amount.GreaterThan(t.Free):
		add("%s would leave, and %s is free", amount(p.Amount), amount(t.Free))
	case p.Amount.LessThan(t.Least):
		add("%s would leave, and the least is %s", amount(p.Amount), amount(t.Least))
	case t.Most.IsPositive() && p.Amount.GreaterThan(t.Most):
		add("%s would leave, and the most at once is %s", amount(p.Amount), amount(t.Most))
	case t.Step.IsPositive() && !p.Amount.Mod(t.Step).IsZero():
		add("%s is no multiple of %s", amount(p.Amount), amount(t.Step))
	case t.FeeOnTop && p.Amount.Equal(t.Free):
		add("all of %s would leave, and nothing would be there for the fee, which comes on top: withdraw a little less", amount(t.Free))
	case !p.arrives().IsPositive():
		add("its fee of %s takes all of it", amount(p.Fee))
	}
	return against
}

// shown is the withdrawal in words, a line for each thing that people must compare.
func (p proposed) shown(name string, t venue.Terms) string {
	lines := []string{
		fmt.Sprintf("%s %s leaves %s at %s, where %s is free.", prose.Grouped(p.Amount.String()), p.Symbol, p.Account, name, prose.Grouped(t.Free.String())),
		p.cost(name, t),
		fmt.Sprintf("%s %s arrives at %s.", prose.Grouped(p.arrives().String()), p.Symbol, p.To),
		fmt.Sprintf("Address: %s, on the network %s%s.", p.Address, p.Network, prose.After(", with the tag ", p.Tag)),
	}
	if t.Takes > 0 {
		lines = append(lines, fmt.Sprintf("%s estimates that it takes %s.", name, prose.Span(t.Takes)))
	}
	for _, note := range t.Notes {
		lines = append(lines, note+".")
	}
	return strings.Join(lines, "\n")
}

// cost of it to the owner.
func (p proposed) cost(name string, t venue.Terms) string {
	if t.FeeOnTop {
		return fmt.Sprintf("%s takes its fee on top, and names it only once it has taken the withdrawal.", name)
	}
	return fmt.Sprintf("%s %s of it is the fee, which %s keeps.", prose.Grouped(p.Fee.String()), p.Symbol, name)
}

func no(why string, args ...any) lifeboat.Receipt {
	return lifeboat.Receipt{Status: lifeboat.NotPerformed, Why: fmt.Sprintf(why, args...)}
}
