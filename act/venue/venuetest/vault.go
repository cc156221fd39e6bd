package venuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
)

// Vault is a venue in memory that sends what it is asked to, and keeps the promises of venue.Withdrawer; for the tests of
// whoever withdraws. What it forgets, or does not list yet, if Memory and Lags say so, is a key never seen, and makes a second
// withdrawal of whatever is asked for under it, as an exchange does. It holds for ever what Says says.
type Vault struct {
	Account string
	Clock   lifeboat.Clock
	Says    venue.Terms   // what Terms answers
	Sends   time.Duration // from being asked to having sent
	Memory  time.Duration // 0 is for ever
	Lags    time.Duration // until its list shows what it has taken

	own  []venue.Address
	mu   sync.Mutex
	made []entry
}

type entry struct {
	key lifeboat.Key
	w   venue.Withdrawal
	at  time.Time
}

// Own lists where withdrawals may go.
func (v *Vault) Own(addresses []venue.Address) { v.own = addresses }

// WithdrawalMemory is how long a key is known.
func (v *Vault) WithdrawalMemory() time.Duration { return v.Memory }

// Terms answers what it was told to say.
func (v *Vault) Terms(ctx context.Context, w venue.Withdrawal) (venue.Terms, error) {
	t := v.Says
	t.Obstacles = slices.Clone(t.Obstacles)
	if !slices.Contains(v.own, w.Address) {
		t.Obstacles = append(t.Obstacles, "the address is not in the plan's list of the owner's own")
	}
	return t, ctx.Err()
}

// Withdraw takes a withdrawal in, unless it knows the key.
func (v *Vault) Withdraw(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return lifeboat.Receipt{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	refused := lifeboat.Receipt{Key: key, Account: v.Account, Status: lifeboat.NotPerformed}
	i := v.find(key)
	switch {
	case !slices.Contains(v.own, w.Address):
		refused.Why = "the address is not in the plan's list of the owner's own"
	case i >= 0 && (v.made[i].w.Address != w.Address || !v.made[i].w.Amount.Equal(w.Amount)):
		refused.Why = "the key belongs to another withdrawal"
	case i >= 0:
		return v.tell(i), nil
	case !w.Amount.IsPositive() || w.Amount.GreaterThan(v.Says.Free):
		refused.Why = fmt.Sprintf("%s cannot leave, and %s is free", w.Amount, v.Says.Free)
	default:
		v.made = append(v.made, entry{key, w, v.Clock.Now()})
		return v.tell(len(v.made) - 1), nil
	}
	return refused, nil
}

// AskWithdrawal says where a withdrawal stands.
func (v *Vault) AskWithdrawal(ctx context.Context, key lifeboat.Key, _ venue.Withdrawal) (lifeboat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return lifeboat.Receipt{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	i := v.find(key)
	if i < 0 {
		return lifeboat.Receipt{}, lifeboat.ErrAbsent
	}
	return v.tell(i), nil
}

// Made is how many withdrawals were taken in under a key, or under all of them for "".
func (v *Vault) Made(key lifeboat.Key) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.made {
		if key == "" || e.key == key {
			n++
		}
	}
	return n
}

func (v *Vault) find(key lifeboat.Key) int {
	for i, e := range slices.Backward(v.made) {
		if age := v.Clock.Now().Sub(e.at); e.key == key && age >= v.Lags && (v.Memory == 0 || age <= v.Memory) {
			return i
		}
	}
	return -1
}

func (v *Vault) tell(i int) lifeboat.Receipt {
	r := lifeboat.Receipt{Key: v.made[i].key, Account: v.Account, Status: lifeboat.Accepted, VenueID: fmt.Sprint("vault-", i)}
	if !v.Clock.Now().Before(v.made[i].at.Add(v.Sends)) {
		r.Status, r.Facts = lifeboat.Performed, map[string]string{"txid": fmt.Sprint("tx-", i)}
	}
	return r
}

// FaultyWithdrawer is a venue whose calls go wrong by a script, the terms among them. Requests that are late arrive as those
// of [Faulty] do; while one is on its way the venue cannot prove that it does not come, and does not say that it is absent.
func FaultyWithdrawer(v venue.Withdrawer, script Script) venue.Withdrawer {
	return &faultyWithdrawer{Withdrawer: v, calls: faulty{script: script, replies: map[lifeboat.Key]lifeboat.Receipt{}}}
}

type faultyWithdrawer struct {
	venue.Withdrawer
	calls faulty
}

func (f *faultyWithdrawer) Terms(ctx context.Context, w venue.Withdrawal) (t venue.Terms, err error) {
	_, err = f.calls.call("Terms", "", func() (_ lifeboat.Receipt, err error) {
		t, err = f.Withdrawer.Terms(ctx, w)
		return lifeboat.Receipt{}, err
	})
	return t, err
}

func (f *faultyWithdrawer) Withdraw(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return lifeboat.Receipt{}, err
	}
	after := context.WithoutCancel(ctx) // what is late arrives when nobody waits for it any more
	return f.calls.call("Withdraw", key, func() (lifeboat.Receipt, error) { return f.Withdrawer.Withdraw(after, key, w) })
}

func (f *faultyWithdrawer) AskWithdrawal(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	coming := len(f.calls.late) > 0
	r, err := f.calls.call("AskWithdrawal", key, func() (lifeboat.Receipt, error) { return f.Withdrawer.AskWithdrawal(ctx, key, w) })
	if coming && errors.Is(err, lifeboat.ErrAbsent) {
		err = errors.New("ask for withdrawal: it cannot be proved not to come")
	}
	return r, err
}
