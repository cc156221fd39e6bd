package withdraw

import (
	"context"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/act/venue"
	"lifeboat/plan"
)

// Simulated is the counter of an account that is simulated here: it says what a withdrawal would do and takes it for sent at
// once, and nothing moves. There is nothing to be kept, because nothing can be done twice.
type Simulated struct {
	// Held is what the account holds now.
	Held func() []lifeboat.Position
	own  []venue.Address
}

// Own lists where withdrawals may go.
func (s *Simulated) Own(addresses []venue.Address) { s.own = addresses }

// WithdrawalMemory is for ever.
func (s *Simulated) WithdrawalMemory() time.Duration { return 0 }

// Terms of a venue that takes no fee.
func (s *Simulated) Terms(_ context.Context, w venue.Withdrawal) (venue.Terms, error) {
	t := venue.Terms{Asset: w.Symbol, Free: decimal.Zero, Notes: []string{"This is a rehearsal: nothing leaves, and the account holds afterwards what it held before"}}
	for _, held := range s.Held() {
		if held.Symbol == w.Symbol {
			t.Free = held.Quantity
		}
	}
	if !s.ours(w) {
		t.Obstacles = append(t.Obstacles, "the address is not in the plan's list of the owner's own")
	}
	return t, nil
}

// Withdraw takes it for sent.
func (s *Simulated) Withdraw(_ context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	if !s.ours(w) {
		return lifeboat.Receipt{Key: key, Status: lifeboat.NotPerformed, Why: "the address is not in the plan's list of the owner's own"}, nil
	}
	return lifeboat.Receipt{Key: key, Status: lifeboat.Performed, VenueID: "simulated", Facts: map[string]string{"simulated": "true"}}, nil
}

// AskWithdrawal knows nothing of any: to simulate one again does no harm.
func (s *Simulated) AskWithdrawal(context.Context, lifeboat.Key, venue.Withdrawal) (lifeboat.Receipt, error) {
	return lifeboat.Receipt{}, lifeboat.ErrAbsent
}

func (s *Simulated) ours(w venue.Withdrawal) bool { return slices.Contains(s.own, w.Address) }

// Rehearsal performs the tasks of withdrawals in a drill: at once, at the drill's time, over simulated accounts.
type Rehearsal struct {
	desk *Desk
	done map[lifeboat.Key]lifeboat.Receipt
}

// NewRehearsal over the accounts that the drill simulates.
func NewRehearsal(p *plan.Plan, held func(account string) []lifeboat.Position, own func(account string) []venue.Address) *Rehearsal {
	open := func(_ context.Context, a plan.Account) (venue.Withdrawer, string, error) {
		return &Simulated{Held: func() []lifeboat.Position { return held(a.Name) }, own: own(a.Name)}, "a simulated venue", nil
	}
	return &Rehearsal{New(Options{Plan: p, Open: open}), map[lifeboat.Key]lifeboat.Receipt{}}
}

// Perform does a task to its end: a simulated venue never makes anybody wait.
func (r *Rehearsal) Perform(ctx context.Context, at time.Time, key lifeboat.Key, t lifeboat.Task) (lifeboat.Receipt, error) {
	if receipt, done := r.done[key]; done {
		return receipt, nil
	}
	work, err := r.desk.Prepare(key, t)
	receipt := no("%v; nothing was begun", err)
	if err == nil {
		receipt = work.Do(ctx, task.Progress{At: at, Keep: func(string, map[string]string) error { return nil }})
	}
	receipt.Key = key
	r.done[key] = receipt
	return receipt, nil
}

// Ask says how a task ended.
func (r *Rehearsal) Ask(_ context.Context, _ time.Time, key lifeboat.Key, _ lifeboat.Task) (lifeboat.Receipt, error) {
	if receipt, done := r.done[key]; done {
		return receipt, nil
	}
	return lifeboat.Receipt{}, lifeboat.ErrAbsent
}
