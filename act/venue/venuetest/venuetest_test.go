package venuetest

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/paper"
)

// A sound venue passes; each of these breaks one promise, and the suite must say which.
func TestBrokenVenuesAreCaught(t *testing.T) {
	for _, tc := range []struct {
		name   string
		breaks string
		spoil  func(h *Harness, v *paper.Venue)
	}{
		{"places a repeated order a second time", "an order is placed once per key", func(h *Harness, v *paper.Venue) {
			h.Venue = twice{v}
		}},
		{"answers a repeat with a refusal", "an order is placed once per key", func(h *Harness, v *paper.Venue) {
			h.Venue = strict{v}
		}},
		{"takes any order for the one that has the key", "a key stays with its order", func(h *Harness, v *paper.Venue) {
			h.Venue = careless{v}
		}},
		{"cannot say that it never saw a key", "a key never seen is absent", func(h *Harness, v *paper.Venue) {
			h.Venue = vague{v}
		}},
		{"says cancelled and does not cancel", "cancelling ends an open order", func(h *Harness, v *paper.Venue) {
			h.Venue = idle{v}
		}},
		{"calls a filled order cancelled", "cancelling leaves a filled order filled", func(h *Harness, v *paper.Venue) {
			h.Venue = eager{v}
		}},
		{"tells the last fill and not the total", "partial fills add up and totals never go back", func(h *Harness, v *paper.Venue) {
			h.Venue = &increments{Venue: v, told: map[lifeboat.Key]decimal.Decimal{}}
		}},
		{"sells at the market what has a limit", "a limit is never passed", func(h *Harness, v *paper.Venue) {
			h.Venue = unlimited{v}
		}},
		{"lends shares", "nothing is sold that is not there", func(h *Harness, v *paper.Venue) {
			h.Venue = generous{v}
		}},
		{"keeps two sets of books", "receipts and positions tell the same", func(h *Harness, v *paper.Venue) {
			holds := h.Holds
			h.Holds = func() (decimal.Decimal, decimal.Decimal) {
				shares, cash := holds()
				return shares, cash.Add(decimal.New(2, -2))
			}
		}},
		{"forgets its orders with its process", "another process finds every order once", func(h *Harness, v *paper.Venue) {
			h.Reopen = func() venue.Venue { return account(t, nil).Venue }
		}},
		{"does not look at the context", "a call out of time fails and says so", func(h *Harness, v *paper.Venue) {
			h.Venue = patient{v}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, p := range promises {
				if p.name != tc.breaks {
					continue
				}
				var v *paper.Venue
				h := account(t, &v)
				if err := p.check(h); err != nil {
					t.Fatalf("the sound venue breaks it too: %v", err)
				}
				h = account(t, &v)
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

type twice struct{ *paper.Venue }

func (v twice) Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	r, err := v.Ask(ctx, at, o.ID)
	if err != nil {
		return v.Venue.Place(ctx, at, o)
	}
	second := o
	second.ID = lifeboat.NewKey(o.ID, len(v.Orders()))
	_, _ = v.Venue.Place(ctx, at, second)
	return r, nil
}

type strict struct{ *paper.Venue }

func (v strict) Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	r, err := v.Ask(ctx, at, o.ID)
	if err != nil {
		return v.Venue.Place(ctx, at, o)
	}
	r.Status, r.Why = lifeboat.OrderRejected, "client_order_id must be unique"
	return r, nil
}

type careless struct{ *paper.Venue }

func (v careless) Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	if r, err := v.Ask(ctx, at, o.ID); err == nil {
		return r, nil
	}
	return v.Venue.Place(ctx, at, o)
}

type vague struct{ *paper.Venue }

func (v vague) Ask(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	r, err := v.Venue.Ask(ctx, at, id)
	if err != nil {
		return r, errors.New("404")
	}
	return r, nil
}

type idle struct{ *paper.Venue }

func (v idle) Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	r, err := v.Ask(ctx, at, id)
	r.Status = lifeboat.Canceled
	return r, err
}

type eager struct{ *paper.Venue }

func (v eager) Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	r, err := v.Venue.Cancel(ctx, at, id)
	r.Status = lifeboat.Canceled
	return r, err
}

type increments struct {
	*paper.Venue
	told map[lifeboat.Key]decimal.Decimal
}

func (v *increments) Ask(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	r, err := v.Venue.Ask(ctx, at, id)
	total := r.Filled
	r.Filled = total.Sub(v.told[id])
	v.told[id] = total
	return r, err
}

type unlimited struct{ *paper.Venue }

func (v unlimited) Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	o.Type, o.Limit = lifeboat.Market, decimal.Zero
	return v.Venue.Place(ctx, at, o)
}

type generous struct{ *paper.Venue }

func (v generous) Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	r, err := v.Venue.Place(ctx, at, o)
	if r.Status == lifeboat.OrderRejected {
		r.Status = lifeboat.Accepted
	}
	return r, err
}

type patient struct{ *paper.Venue }

func (v patient) Place(_ context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	return v.Venue.Place(context.Background(), at, o)
}

// account is a sound venue, also told as what it is when somebody wants to break it.
func account(t *testing.T, sound **paper.Venue) Harness {
	t.Helper()
	path := filepath.Join(t.TempDir(), "paper.jsonl")
	open := func() *paper.Venue {
		ledger, err := paper.FileLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ledger.Close() })
		v, err := paper.New(paper.Config{
			Account: "broker", Currency: "USD", Participation: 0.5, Ledger: ledger,
			Positions: []lifeboat.Position{
				{Account: "broker", Symbol: "SPY", Quantity: decimal.NewFromInt(Shares)},
				{Account: "broker", Symbol: "USD", Quantity: decimal.NewFromInt(Cash)},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := open()
	now := time.Date(2020, 3, 16, 14, 0, 0, 0, time.UTC)
	if sound != nil {
		*sound = v
	}
	return Harness{
		Venue: v, Account: "broker", Symbol: "SPY",
		Holds: func() (shares, cash decimal.Decimal) {
			for _, p := range v.Positions() {
				switch p.Symbol {
				case "SPY":
					shares = p.Quantity
				case "USD":
					cash = p.Quantity
				}
			}
			return shares, cash
		},
		Quote: func(price string, size int) time.Time {
			now = now.Add(time.Minute)
			if err := v.Show(lifeboat.Instant{At: now, Readings: []lifeboat.Reading{
				{Series: "SPY.volume", Value: 2 * float64(size)},
				{Series: "SPY", Value: decimal.RequireFromString(price).InexactFloat64()},
			}}); err != nil {
				t.Fatal(err)
			}
			return now
		},
		Reopen: func() venue.Venue { v = open(); return v },
	}
}

// Each fault is what its name says, seen from both ends of the wire.
func TestFaulty(t *testing.T) {
	order := lifeboat.Order{
		ID: "lb-1", Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Limit,
		Quantity: decimal.NewFromInt(10), Limit: decimal.NewFromInt(60),
	}
	for _, tc := range []struct {
		fault   Fault
		fails   bool
		arrives bool // at once
		late    bool // after the next call
	}{
		{None, false, true, true},
		{LoseReply, true, true, true},
		{LoseRequest, true, false, false},
		{Delay, true, false, true},
		{Late, true, false, true},
		{RepeatRequest, false, true, true},
		{RepeatReply, false, true, true},
		{SayUnknown, false, true, true},
	} {
		t.Run(string(tc.fault), func(t *testing.T) {
			var sound *paper.Venue
			h := account(t, &sound)
			at := h.Quote(Price, 1000)
			v := Faulty(sound, InTurn(tc.fault))
			r, err := v.Place(t.Context(), at, order)
			if (err != nil) != tc.fails || err != nil && !errors.Is(err, ErrConnection) {
				t.Errorf("the call ends with %v", err)
			}
			if tc.fault == SayUnknown && r.Status != lifeboat.Unknown {
				t.Errorf("the answer is %s", r.Status)
			}
			if got := len(sound.Orders()) == 1; got != tc.arrives {
				t.Errorf("arrived at once: %v", got)
			}
			_, _ = v.Ask(t.Context(), at, "lb-other")
			if got := len(sound.Orders()) == 1; got != tc.late {
				t.Errorf("arrived in the end: %v", got)
			}
		})
	}
}

// A forgetful venue keeps its promise within the window, never forgets what is open, and afterwards makes a second order
// of a key that it knew: what a flow that sends again without a thought does to its owner.
func TestForgetful(t *testing.T) {
	var sound *paper.Venue
	h := account(t, &sound)
	at := h.Quote(Price, 1000)
	now := at
	v := Forgetful(sound, time.Hour, func() time.Time { return now })
	order := func(key lifeboat.Key, limit int64) lifeboat.Order {
		return lifeboat.Order{ID: key, Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Limit,
			Quantity: decimal.NewFromInt(10), Limit: decimal.NewFromInt(limit)}
	}
	place := func(o lifeboat.Order) {
		t.Helper()
		if r, err := v.Place(t.Context(), at, o); err != nil || r.Key != o.ID {
			t.Fatalf("placed %+v, %v", r, err)
		}
	}
	filled, resting := order("lb-1", 40), order("lb-2", 90)
	place(filled)
	place(resting)
	now = at.Add(time.Hour)
	place(filled)
	if n := v.Times("lb-1"); n != 1 {
		t.Fatalf("%d orders under one key within the window", n)
	}
	now = at.Add(time.Hour + time.Second)
	if _, err := v.Ask(t.Context(), at, "lb-1"); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("asked after the window: %v", err)
	}
	if r, err := v.Ask(t.Context(), at, "lb-2"); err != nil || r.Status != lifeboat.Accepted || r.Key != "lb-2" {
		t.Errorf("an open order is not forgotten: %+v, %v", r, err)
	}
	place(filled)
	place(resting)
	if v.Times("lb-1") != 2 || v.Times("lb-2") != 1 || len(sound.Orders()) != 3 {
		t.Errorf("%d and %d orders under the keys, %d at the venue", v.Times("lb-1"), v.Times("lb-2"), len(sound.Orders()))
	}
	listed, err := v.Since(t.Context(), at, time.Time{})
	if err != nil || len(listed) != 3 || listed[2].Order.ID != "lb-1" {
		t.Errorf("listed %+v, %v", listed, err)
	}
}

// A repeated reply is older news of the same key.
func TestRepeatReply(t *testing.T) {
	var sound *paper.Venue
	h := account(t, &sound)
	at := h.Quote(Price, 1000)
	v := Faulty(sound, InTurn(None, RepeatReply))
	order := lifeboat.Order{
		ID: "lb-1", Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Limit,
		Quantity: decimal.NewFromInt(10), Limit: decimal.NewFromInt(60),
	}
	if _, err := v.Place(t.Context(), at, order); err != nil {
		t.Fatal(err)
	}
	at = h.Quote("61", 1000)
	if r, err := v.Ask(t.Context(), at, order.ID); err != nil || r.Status != lifeboat.Accepted {
		t.Errorf("the repeated reply is %s, %v", r.Status, err)
	}
	if r, err := v.Ask(t.Context(), at, order.ID); err != nil || r.Status != lifeboat.Filled {
		t.Errorf("the one after it is %s, %v", r.Status, err)
	}
}
