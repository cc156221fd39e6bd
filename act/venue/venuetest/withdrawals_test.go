package venuetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
)

// vaultHarness is an honest venue, and the wire to it.
func vaultHarness(*testing.T) (WithdrawalHarness, *Vault) {
	clock := &hands{time.Date(2026, 3, 16, 15, 0, 0, 0, time.UTC)}
	v := &Vault{Account: "vault", Clock: clock, Sends: time.Hour, Says: venue.Terms{Asset: "BTC", Free: decimal.NewFromInt(10)}}
	w := &wire{Vault: v}
	return WithdrawalHarness{
		Venue: w, Account: "vault", To: venue.Address{Symbol: "BTC", Network: "BTC", Address: "bc1qmine"},
		Amount: decimal.NewFromInt(1), TooMuch: decimal.NewFromInt(11),
		Made: func() int { return v.Made("") }, Send: func() { clock.now = clock.now.Add(time.Hour) },
		LoseRequest: func() { w.lose = LoseRequest }, LoseAnswer: func() { w.lose = LoseReply },
		Later:  func() { w.unsure, clock.now = false, clock.now.Add(time.Minute) },
		Reopen: func() venue.Withdrawer { return &wire{Vault: v} },
	}, v
}

type hands struct{ now time.Time }

func (c *hands) Now() time.Time { return c.now }

func (c *hands) Sleep(_ context.Context, until time.Time) error { c.now = until; return nil }

// A wire loses the next request, or the answer to it, and cannot prove for a while that it was lost.
type wire struct {
	*Vault
	lose   Fault
	unsure bool
}

var errLost = errors.New("lost")

func (w *wire) Withdraw(ctx context.Context, key lifeboat.Key, asked venue.Withdrawal) (lifeboat.Receipt, error) {
	lose := w.lose
	switch w.lose = None; {
	case w.unsure:
		return lifeboat.Receipt{}, errLost
	case lose == LoseRequest:
		w.unsure = true
		return lifeboat.Receipt{}, errLost
	}
	r, err := w.Vault.Withdraw(ctx, key, asked)
	if lose == LoseReply {
		err = errLost
	}
	return r, err
}

func (w *wire) AskWithdrawal(ctx context.Context, key lifeboat.Key, asked venue.Withdrawal) (lifeboat.Receipt, error) {
	if w.unsure {
		return lifeboat.Receipt{}, errLost
	}
	return w.Vault.AskWithdrawal(ctx, key, asked)
}

func TestVault(t *testing.T) {
	RunWithdrawals(t, func(t *testing.T) WithdrawalHarness { h, _ := vaultHarness(t); return h })
}

// Each of these breaks one promise, and the suite must say which.
func TestBrokenWithdrawersAreCaught(t *testing.T) {
	for _, tc := range []struct {
		name, breaks string
		spoil        func(h *WithdrawalHarness, v *Vault)
	}{
		{"sends to whoever asks", "nothing leaves to an address that is not listed", func(h *WithdrawalHarness, v *Vault) { h.Venue = open{h.Venue} }},
		{"makes a repeat a second time", "a withdrawal is made once per key", func(h *WithdrawalHarness, v *Vault) { h.Venue = &repeats{Withdrawer: h.Venue} }},
		{"takes any withdrawal for the one that has the key", "a key stays with its withdrawal", func(h *WithdrawalHarness, v *Vault) { h.Venue = inattentive{h.Venue} }},
		{"calls taken sent", "taken is not sent", func(h *WithdrawalHarness, v *Vault) { v.Sends = 0 }},
		{"lends", "what is refused moves nothing", func(h *WithdrawalHarness, v *Vault) { v.Says.Free = decimal.NewFromInt(100) }},
		{"withdraws when it is asked what that would do", "asking for the terms changes nothing", func(h *WithdrawalHarness, v *Vault) { h.Venue = hasty{h.Venue} }},
		{"never knows", "a key never seen is absent once that is proved", func(h *WithdrawalHarness, v *Vault) { h.Venue = unsure{h.Venue} }},
		{"calls what may still come absent", "a lost request is found out and may be made again", func(h *WithdrawalHarness, v *Vault) { h.Venue = rash{h.Venue, v} }},
		{"forgets what it was not heard to say", "a lost answer is found out and nothing is made again", func(h *WithdrawalHarness, v *Vault) { v.Memory = -1 }},
		{"forgets with its process", "another process finds a withdrawal", func(h *WithdrawalHarness, v *Vault) {
			h.Reopen = func() venue.Withdrawer { other, _ := vaultHarness(nil); return other.Venue }
		}},
		{"does not look at the context", "a call out of time fails and says so", func(h *WithdrawalHarness, v *Vault) { h.Venue = timeless{h.Venue} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, p := range withdrawalPromises {
				if p.name != tc.breaks {
					continue
				}
				h, v := vaultHarness(t)
				tc.spoil(&h, v)
				err := p.check(h)
				if err == nil {
					t.Fatal("not caught")
				}
				t.Log(err)
				return
			}
			t.Fatalf("there is no promise %q", tc.breaks)
		})
	}
}

type open struct{ venue.Withdrawer }

func (v open) Withdraw(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	v.Own([]venue.Address{w.Address})
	return v.Withdrawer.Withdraw(ctx, key, w)
}

type repeats struct {
	venue.Withdrawer
	n int
}

func (v *repeats) Withdraw(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	if v.n++; v.n > 1 {
		_, _ = v.Withdrawer.Withdraw(ctx, lifeboat.NewKey(key, v.n), w)
	}
	return v.Withdrawer.Withdraw(ctx, key, w)
}

type inattentive struct{ venue.Withdrawer }

func (v inattentive) Withdraw(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	if r, err := v.AskWithdrawal(ctx, key, w); err == nil {
		return r, nil
	}
	return v.Withdrawer.Withdraw(ctx, key, w)
}

type hasty struct{ venue.Withdrawer }

func (v hasty) Terms(ctx context.Context, w venue.Withdrawal) (venue.Terms, error) {
	_, _ = v.Withdraw(ctx, "lb-hasty", w)
	return v.Withdrawer.Terms(ctx, w)
}

type unsure struct{ venue.Withdrawer }

func (v unsure) AskWithdrawal(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	r, err := v.Withdrawer.AskWithdrawal(ctx, key, w)
	if errors.Is(err, lifeboat.ErrAbsent) {
		err = errLost
	}
	return r, err
}

type rash struct {
	venue.Withdrawer
	behind *Vault
}

func (v rash) AskWithdrawal(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	return v.behind.AskWithdrawal(ctx, key, w)
}

type timeless struct{ venue.Withdrawer }

func (v timeless) Withdraw(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	return v.Withdrawer.Withdraw(context.WithoutCancel(ctx), key, w)
}
