package lifeboat

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

// bank is a broker that can be compared with the journal.
type bank struct {
	*broker
	orders []PlacedOrder
	silent bool
	memory time.Duration
}

func (b *bank) Orders(context.Context, time.Time, string, time.Time) ([]PlacedOrder, error) {
	if b.silent {
		return nil, errors.New("timeout")
	}
	return b.orders, nil
}

func (b *bank) Memory(Intent) time.Duration { return b.memory }

func placed(key Key, status ReceiptStatus, filled int64) PlacedOrder {
	o := *sale().Order
	o.ID = key
	return PlacedOrder{Order: o, Receipt: Receipt{Key: key, Account: "a", Status: status, Filled: decimal.NewFromInt(filled), Price: decimal.NewFromInt(100)}}
}

// A flow that was killed with an order on its way: the intent is in the journal, nobody knows whether it left.
func restarted(t *testing.T, b *bank) (*Flow, *tape) {
	t.Helper()
	journal := &tape{}
	flow := newFlow(journal, b.broker)
	flow.Hands = b
	flow.Recover(noon, PlanLoaded{Positions: []Position{{Account: "a", Symbol: "SPY", Quantity: decimal.NewFromInt(100)}}})
	flow.Recover(noon, sale())
	if err := flow.Isolate(noon, Quarantine{Accounts: []string{"a"}, Why: "lifeboat was started again"}); err != nil {
		t.Fatal(err)
	}
	return flow, journal
}

func advance(t *testing.T, f *Flow, at time.Time) {
	t.Helper()
	if err := f.Advance(t.Context(), at); err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsSentUntilTheVenueWasCompared(t *testing.T) {
	b := &bank{broker: &broker{}, silent: true}
	flow, journal := restarted(t, b)
	advance(t, flow, noon)
	if len(b.placed) != 0 {
		t.Fatalf("placed %v while the venue could not be compared", b.placed)
	}
	b.silent = false
	advance(t, flow, noon)
	if len(b.placed) != 1 || !slices.Contains(words(journal), "reconciled") {
		t.Errorf("placed %v, journal %v", b.placed, words(journal))
	}
}

func TestStrangeOrdersWaitForAPerson(t *testing.T) {
	b := &bank{broker: &broker{}, orders: []PlacedOrder{placed("strange", Filled, 40)}}
	flow, journal := restarted(t, b)
	for range 3 {
		advance(t, flow, noon)
	}
	if len(b.placed) != 0 {
		t.Errorf("placed %v beside an order that the journal does not know", b.placed)
	}
	if got := flow.Book.Quantity("a", "SPY"); !got.Equal(decimal.NewFromInt(60)) {
		t.Errorf("the book has %s SPY, want 60: 40 were sold in the lost part of the journal", got)
	}
	if n := len(slices.DeleteFunc(words(journal), func(w string) bool { return w != "reconciled" })); n != 1 {
		t.Errorf("compared %d times, want once", n)
	}
	if err := flow.Tell(t.Context(), noon, Request{ID: "q", Verb: ReleaseAccount, Object: "a", By: "Ana"}); err != nil {
		t.Fatal(err)
	}
	if len(b.placed) != 1 {
		t.Errorf("placed %v after the release, want the one order", b.placed)
	}
}

// An order that the journal knows is none to worry about, and one that is still open at the venue is followed.
func TestStrangeOpenOrderIsFollowed(t *testing.T) {
	b := &bank{broker: &broker{placed: []Key{"strange"}}, orders: []PlacedOrder{placed("k", Accepted, 0), placed("strange", PartialFill, 4)}}
	b.placed = append(b.placed, "k")
	flow, _ := restarted(t, b)
	advance(t, flow, noon)
	if got := flow.Book.Quantity("a", "SPY"); !got.Equal(decimal.NewFromInt(80)) || flow.Open() != 0 {
		t.Errorf("the book has %s SPY and %d open orders, want 80 and none: both filled", got, flow.Open())
	}
}

// Starting lifeboat again is not the word of a person.
func TestARestartReleasesNothing(t *testing.T) {
	b := &bank{broker: &broker{}, orders: []PlacedOrder{placed("strange", Filled, 40)}}
	flow, _ := restarted(t, b)
	advance(t, flow, noon)
	if err := flow.Isolate(noon, Quarantine{Accounts: []string{"a"}, Why: "lifeboat was started again"}); err != nil {
		t.Fatal(err)
	}
	advance(t, flow, noon)
	if len(b.placed) != 0 {
		t.Errorf("placed %v after another start, and nobody has looked", b.placed)
	}
}

// A run of the restored journal forms the key again under which the lost part had sent an order, perhaps of another size.
func TestWhatTheLostPartSentIsNotSentAgain(t *testing.T) {
	b := &bank{broker: &broker{}, orders: []PlacedOrder{placed("again", Filled, 40)}}
	flow, journal := restarted(t, b)
	advance(t, flow, noon)
	if err := flow.Tell(t.Context(), noon, Request{ID: "q", Verb: ReleaseAccount, Object: "a", By: "Ana"}); err != nil {
		t.Fatal(err)
	}
	again := sale()
	again.Key, again.Order = "again", &Order{ID: "again", Account: "a", Symbol: "SPY", Side: Sell, Quantity: decimal.NewFromInt(30)}
	flow.Stages = []Stage{&once{intent: again}}
	advance(t, flow, noon)
	if slices.Contains(b.placed, "again") || !slices.Contains(words(journal), "refused") {
		t.Errorf("placed %v, journal %v", b.placed, words(journal))
	}
}

// memoir is a bank that notes how far back it was asked.
type memoir struct {
	*bank
	since []time.Time
}

func (m *memoir) Orders(ctx context.Context, at time.Time, account string, since time.Time) ([]PlacedOrder, error) {
	m.since = append(m.since, since)
	return m.bank.Orders(ctx, at, account, since)
}

// Who dies before the venues were compared leaves the whole stretch to whoever comes next.
func TestAComparisonReachesBackOverStartsThatDidNotFinishTheirs(t *testing.T) {
	m := &memoir{bank: &bank{broker: &broker{}}}
	flow := newFlow(&tape{}, m.broker)
	flow.Hands = m
	flow.Recover(noon.Add(72*time.Hour), Resumed{Since: noon}) // restored, started, and killed at once
	if err := flow.Resume(noon.Add(75*time.Hour), Resumed{Since: noon.Add(72 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	isolate := func() {
		t.Helper()
		if err := flow.Isolate(noon.Add(75*time.Hour), Quarantine{Accounts: []string{"a"}, Why: "lifeboat was started"}); err != nil {
			t.Fatal(err)
		}
		advance(t, flow, noon.Add(75*time.Hour))
	}
	isolate()
	flow.Recover(noon.Add(80*time.Hour), Resumed{Since: noon.Add(76 * time.Hour)})
	isolate()
	if want := []time.Time{noon.Add(-24 * time.Hour), noon.Add(52 * time.Hour)}; !slices.EqualFunc(m.since, want, time.Time.Equal) {
		t.Errorf("the venue was asked for what came since %v, want %v", m.since, want)
	}
}

// What the venue has forgotten was not cancelled either: nobody knows what became of it, and what is known of it stays.
func TestACancellationProvesNothingAfterTheVenueForgot(t *testing.T) {
	b := &bank{broker: &broker{}, memory: time.Hour}
	journal := &tape{}
	flow := newFlow(journal, b.broker)
	flow.Hands = b
	flow.Recover(noon, sale())
	flow.Recover(noon, Receipt{Key: "k", Account: "a", Status: PartialFill, Filled: decimal.NewFromInt(4), Price: decimal.NewFromInt(100)})
	flow.Recover(noon, Intent{Key: "c", Act: CancelOrder, Cancel: "k", Account: "a"})
	advance(t, flow, noon.Add(2*time.Hour))
	for _, e := range journal.events {
		if r, ok := e.(Receipt); ok && r.Key == "k" && (!r.Lost || !r.Filled.Equal(decimal.NewFromInt(4))) {
			t.Errorf("journalled %+v", r)
		}
	}
	if flow.Open() != 1 {
		t.Errorf("%d open, want the one that a person must look after", flow.Open())
	}
}

func TestAfterTheVenueForgotAPersonIsAsked(t *testing.T) {
	b := &bank{broker: &broker{}, memory: time.Hour}
	journal := &tape{}
	flow := newFlow(journal, b.broker)
	flow.Hands = b
	flow.Recover(noon, sale())
	advance(t, flow, noon.Add(2*time.Hour))
	advance(t, flow, noon.Add(3*time.Hour))
	if len(b.placed) != 0 {
		t.Errorf("placed %v two hours after the intent at a venue that forgets after one", b.placed)
	}
	last, _ := journal.events[len(journal.events)-1].(Receipt)
	if len(journal.events) != 1 || !last.Lost || flow.Open() != 1 {
		t.Errorf("journal %+v with %d open, want one receipt that says it is lost", journal.events, flow.Open())
	}
	advance(t, flow, noon.Add(4*time.Hour))
	if err := flow.Begin(noon, PlanLoaded{}); err != nil || len(b.placed) != 0 {
		t.Errorf("placed %v, %v", b.placed, err)
	}
}

func TestWhoLostTheFenceDoesNotAct(t *testing.T) {
	venue := &broker{}
	flow := newFlow(&tape{}, venue)
	taken := errors.New("another one has taken over")
	flow.Fence = func() error { return taken }
	if err := flow.Advance(t.Context(), noon); !errors.Is(err, taken) || len(venue.placed) != 0 {
		t.Errorf("got %v and placed %v", err, venue.placed)
	}
}

func TestBreakerStatesAreOrdered(t *testing.T) {
	for _, c := range []struct {
		s, other BreakerState
		stricter bool
	}{
		{Halted, Reducing, true}, {Halted, Active, true}, {Reducing, Active, true}, {Active, Active, false},
		{Active, Halted, false}, {Reducing, Halted, false}, {"nonsense", Reducing, true}, {Halted, "nonsense", false},
	} {
		if c.s.Stricter(c.other) != c.stricter {
			t.Errorf("%s stricter than %s: want %v", c.s, c.other, c.stricter)
		}
	}
}
