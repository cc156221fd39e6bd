package lifeboat

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

var noon = time.Date(2020, 3, 16, 12, 0, 0, 0, time.UTC)

// tape is a journal in memory that can refuse.
type tape struct {
	events []Event
	full   bool
}

func (t *tape) Append(_ time.Time, events ...Event) error {
	if t.full {
		return errors.New("disk full")
	}
	t.events = append(t.events, events...)
	return nil
}

// once is a stage that wants one act, and stops wanting it when the intent is in the journal.
type once struct {
	intent Intent
	done   bool
}

func (s *once) Apply(_ time.Time, e Event) {
	switch e := e.(type) {
	case Intent:
		s.done = s.done || e.Key == s.intent.Key
	case Refused:
		s.done = s.done || e.Key == s.intent.Key
	}
}

func (s *once) Next(time.Time) []Event {
	if s.done {
		return nil
	}
	return []Event{s.intent}
}

func (s *once) Due() time.Time { return time.Time{} }

// broker is a venue whose replies can be lost.
type broker struct {
	placed    []Key
	loseReply bool
	loseOrder bool
	down      bool
}

func (b *broker) CarryOut(_ context.Context, _ time.Time, i Intent) (Receipt, error) {
	if !b.loseOrder {
		b.placed = append(b.placed, i.Key)
	}
	if b.loseReply || b.loseOrder {
		b.loseReply, b.loseOrder = false, false
		return Receipt{}, errors.New("connection reset")
	}
	return Receipt{Key: i.Key, Account: "a", Status: Accepted}, nil
}

func (b *broker) Ask(_ context.Context, _ time.Time, i Intent) (Receipt, error) {
	if b.down {
		return Receipt{}, errors.New("timeout")
	}
	if !slices.Contains(b.placed, i.Key) {
		return Receipt{}, ErrAbsent
	}
	return Receipt{Key: i.Key, Account: "a", Status: Filled, Filled: decimal.NewFromInt(10), Price: decimal.NewFromInt(100)}, nil
}

func (b *broker) Stop(ctx context.Context, at time.Time, i Intent) (Receipt, error) {
	return b.Ask(ctx, at, i)
}

func (b *broker) Memory(Intent) time.Duration { return 0 }

func (b *broker) Orders(context.Context, time.Time, string, time.Time) ([]PlacedOrder, error) {
	return nil, nil
}

func sale() Intent {
	return Intent{Key: "k", Act: PlaceOrder, Run: "R1", Order: &Order{
		ID: "k", Account: "a", Symbol: "SPY", Side: Sell, Type: Market, Quantity: decimal.NewFromInt(10), Arrival: decimal.NewFromInt(100)}}
}

func newFlow(j *tape, b *broker) *Flow {
	return &Flow{Journal: j, Book: NewBook("USD"), Hands: b, Allow: func(Intent) error { return nil }, Stages: []Stage{&once{intent: sale()}}}
}

func words(j *tape) []string {
	var all []string
	for _, e := range j.events {
		all = append(all, e.Word())
	}
	return all
}

func TestIntentIsWrittenBeforeTheAct(t *testing.T) {
	journal, venue := &tape{full: true}, &broker{}
	if err := newFlow(journal, venue).Advance(t.Context(), noon); err == nil {
		t.Fatal("a journal that refuses must stop the flow")
	}
	if len(venue.placed) != 0 {
		t.Errorf("placed %v without a journal", venue.placed)
	}
}

func TestRefusedIntentIsNotCarriedOut(t *testing.T) {
	journal, venue := &tape{}, &broker{}
	flow := newFlow(journal, venue)
	flow.Allow = func(Intent) error { return errors.New("nobody decided it") }
	if err := flow.Advance(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if len(venue.placed) != 0 || !slices.Equal(words(journal), []string{"refused"}) {
		t.Errorf("placed %v, journal %v", venue.placed, words(journal))
	}
}

// An order that the venue has confirmed is never sent again, even when the venue was out of reach after that and then
// denies that it knows the order.
func TestConfirmedOrderIsNotSentAfterASilence(t *testing.T) {
	journal, venue := &tape{}, &broker{}
	flow := newFlow(journal, venue)
	flow.apply(noon, sale())
	flow.apply(noon, Receipt{Key: "k", Account: "a", Status: Accepted})
	venue.down = true
	if err := flow.Advance(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	venue.down = false
	if err := flow.Advance(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if len(venue.placed) != 0 || flow.Open() != 1 {
		t.Errorf("placed %v, %d open: a confirmed order was sent again", venue.placed, flow.Open())
	}
}

func TestLostReplyIsAskedForNotSentAgain(t *testing.T) {
	journal, venue := &tape{}, &broker{loseReply: true}
	flow := newFlow(journal, venue)
	for range 3 {
		if err := flow.Advance(t.Context(), noon); err != nil {
			t.Fatal(err)
		}
	}
	if len(venue.placed) != 1 {
		t.Errorf("placed %d times, want once", len(venue.placed))
	}
	if got, want := words(journal), []string{"intent", "receipt", "receipt"}; !slices.Equal(got, want) { // unknown, then filled
		t.Errorf("journal %v, want %v", got, want)
	}
	if flow.Open() != 0 {
		t.Errorf("%d orders open after the fill", flow.Open())
	}
}

func TestOrderThatProvablyNeverArrivedIsSent(t *testing.T) {
	journal, venue := &tape{}, &broker{loseOrder: true}
	flow := newFlow(journal, venue)
	for range 3 {
		if err := flow.Advance(t.Context(), noon); err != nil {
			t.Fatal(err)
		}
	}
	if len(venue.placed) != 1 || flow.Open() != 0 {
		t.Errorf("placed %d times, %d open", len(venue.placed), flow.Open())
	}
}

func TestVenueOutOfReachIsNotProof(t *testing.T) {
	journal, venue := &tape{}, &broker{loseReply: true, down: true}
	flow := newFlow(journal, venue)
	for range 5 {
		if err := flow.Advance(t.Context(), noon); err != nil {
			t.Fatal(err)
		}
	}
	if len(venue.placed) != 1 || flow.Open() != 1 {
		t.Errorf("placed %d times, %d open; want one order, still open", len(venue.placed), flow.Open())
	}
	if got, want := words(journal), []string{"intent", "receipt"}; !slices.Equal(got, want) {
		t.Errorf("journal %v, want one unknown receipt however often it is asked", got)
	}
}

func TestRestartAsksBeforeItSends(t *testing.T) {
	for name, arrived := range map[string]bool{"the order had arrived": true, "the order had not arrived": false} {
		t.Run(name, func(t *testing.T) {
			venue := &broker{}
			if arrived {
				venue.placed = []Key{"k"}
			}
			flow := newFlow(&tape{}, venue)
			flow.Recover(noon, sale()) // killed right after the intent was written
			if err := flow.Advance(t.Context(), noon); err != nil {
				t.Fatal(err)
			}
			if len(venue.placed) != 1 {
				t.Errorf("the venue has %d orders, want 1", len(venue.placed))
			}
		})
	}
}

func TestOrderCanceledBeforeItArrivedIsNeverSent(t *testing.T) {
	journal, venue := &tape{}, &broker{}
	flow := newFlow(journal, venue)
	flow.Recover(noon, sale()) // written, not sent; then its cancellation was written; then the process was killed
	flow.Recover(noon, Intent{Key: "c", Act: CancelOrder, Run: "R1", Cancel: "k", Account: "a"})
	flow.Recover(noon, Receipt{Key: "c", Status: Sent})
	if err := flow.Advance(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if len(venue.placed) != 0 || flow.Open() != 0 {
		t.Errorf("placed %v, %d open", venue.placed, flow.Open())
	}
}

func TestReplyThatWasOvertakenIsIgnored(t *testing.T) {
	journal := &tape{}
	flow := newFlow(journal, &broker{})
	flow.Recover(noon, sale())
	last := Receipt{Key: "k", Status: PartialFill, Filled: decimal.NewFromInt(5), Price: decimal.NewFromInt(100)}
	if err := flow.receive(noon, Receipt{Key: "k", Status: PartialFill, Filled: decimal.NewFromInt(3)}, last); err != nil || len(journal.events) != 0 {
		t.Errorf("journal %v, %v", words(journal), err)
	}
}

func TestBookFollowsTotalsNotRepeats(t *testing.T) {
	book := NewBook("USD")
	d := decimal.NewFromInt
	book.Apply(noon, PlanLoaded{Positions: []Position{{"a", "SPY", d(50)}, {"a", "USD", d(0)}}})
	book.Apply(noon, sale())
	partial := Receipt{Key: "k", Status: PartialFill, Filled: d(4), Price: d(100), Fee: d(1)}
	for range 3 { // a venue may repeat itself
		book.Apply(noon, partial)
	}
	book.Apply(noon, Receipt{Key: "k", Status: Unknown})
	book.Apply(noon, Receipt{Key: "k", Status: Filled, Filled: d(10), Price: d(98), Fee: d(2)})
	if got := book.Quantity("a", "SPY"); !got.Equal(d(40)) {
		t.Errorf("SPY %s, want 40", got)
	}
	if got := book.Quantity("a", "USD"); !got.Equal(d(978)) {
		t.Errorf("USD %s, want 10 × 98 less 2 of fees", got)
	}
	if open := book.OpenOrders("a"); len(open) != 0 {
		t.Errorf("open orders %v", open)
	}
	book.Apply(noon, PlanLoaded{Positions: []Position{{"a", "SPY", d(60)}, {"a", "USD", d(0)}}})
	if got := book.Quantity("a", "SPY"); !got.Equal(d(50)) {
		t.Errorf("SPY %s after the owner registered ten more, want 50", got)
	}
}

func TestSlippageIsALossWhicheverSide(t *testing.T) {
	fill := Receipt{Filled: decimal.NewFromInt(1), Price: decimal.NewFromInt(99)}
	order := Order{Side: Sell, Arrival: decimal.NewFromInt(100)}
	if got := SlippageBps(order, fill); got != 100 {
		t.Errorf("sold below arrival: %v bps, want 100", got)
	}
	order.Side = Buy
	if got := SlippageBps(order, fill); got != -100 {
		t.Errorf("bought below arrival: %v bps, want -100", got)
	}
}

func TestEveryEventReadsBack(t *testing.T) {
	for _, e := range []Event{PlanLoaded{}, Instant{}, Gap{}, Firing{}, IncidentChange{}, Decision{}, Answer{}, RunStarted{Content: []byte("{}")},
		StepStarted{}, StepFinished{}, RunFinished{}, Intent{}, Refused{}, Receipt{}} {
		if _, known := decoders[e.Word()]; !known {
			t.Errorf("the journal cannot read back %q", e.Word())
		}
	}
	if _, err := Decode("horoscope", nil); err == nil {
		t.Error("an unknown word must be an error")
	}
}

// TestVenueThatForgetsIsNotSentAnOrderTwice: once a venue has said that it has an order, its "never seen" is a fault of
// its memory and no proof.
func TestVenueThatForgetsIsNotSentAnOrderTwice(t *testing.T) {
	journal, venue := &tape{}, &broker{} // it knows nothing any more
	flow := newFlow(journal, venue)
	flow.Recover(noon, sale())
	flow.Recover(noon, Receipt{Key: "k", Account: "a", Status: PartialFill, Filled: decimal.NewFromInt(4), Price: decimal.NewFromInt(100)})
	if err := flow.Advance(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if len(venue.placed) != 0 {
		t.Fatalf("placed %v again", venue.placed)
	}
	flow.Recover(noon, Intent{Key: "c", Act: CancelOrder, Run: "R1", Cancel: "k", Account: "a"})
	flow.Recover(noon, Receipt{Key: "c", Status: Sent})
	if err := flow.Advance(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if flow.Open() != 0 || !flow.Book.Quantity("a", "SPY").Equal(decimal.NewFromInt(-4)) {
		t.Errorf("%d open, book moved by %s; want the order canceled with 4 filled", flow.Open(), flow.Book.Quantity("a", "SPY"))
	}
}

// TestWhatIsCanceledAtRestartIsNotSentFirst: an order that was written and never sent may be overdue when the program
// starts again. Its run has the first word.
func TestWhatIsCanceledAtRestartIsNotSentFirst(t *testing.T) {
	journal, venue := &tape{}, &broker{}
	flow := newFlow(journal, venue)
	flow.Stages = []Stage{&once{intent: Intent{Key: "c", Act: CancelOrder, Run: "R1", Cancel: "k", Account: "a"}}}
	flow.Recover(noon, sale())
	if err := flow.Advance(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(venue.placed, "k") {
		t.Errorf("placed %v, although its run cancels it", venue.placed)
	}
}

// TestAuthorityIsAskedAgainBeforeAnOrderIsSentLate: the plan may have changed between the intent and the restart.
func TestAuthorityIsAskedAgainBeforeAnOrderIsSentLate(t *testing.T) {
	journal, venue := &tape{}, &broker{}
	flow := newFlow(journal, venue)
	flow.Recover(noon, sale())
	flow.Allow = func(Intent) error { return errors.New("not any more") }
	if err := flow.Advance(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if len(venue.placed) != 0 || flow.Open() != 0 {
		t.Errorf("placed %v, %d open", venue.placed, flow.Open())
	}
}
