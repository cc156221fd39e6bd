package venue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/paper"
	"lifeboat/act/venue/venuetest"
)

var noon = time.Date(2020, 3, 16, 16, 0, 0, 0, time.UTC)

// sheet is a notifier that keeps what it is sent, and loses what it is told to.
type sheet struct {
	lines []string
	fails bool
}

func (s *sheet) Send(_ context.Context, _ time.Time, key lifeboat.Key, m lifeboat.Message) error {
	if s.fails {
		return errors.New("no line")
	}
	s.lines = append(s.lines, fmt.Sprintf("%s to %s: %s", key, strings.Join(m.To, ","), m.Text))
	return nil
}

func broker(t *testing.T) *paper.Venue {
	t.Helper()
	v, err := paper.New(paper.Config{Account: "broker", Currency: "USD", Positions: holdings()})
	if err != nil {
		t.Fatal(err)
	}
	quote(t, v, noon, 50, 1e6)
	return v
}

func holdings() []lifeboat.Position {
	return []lifeboat.Position{
		{Account: "broker", Symbol: "SPY", Quantity: decimal.NewFromInt(1000)},
		{Account: "broker", Symbol: "USD", Quantity: decimal.NewFromInt(100_000)},
	}
}

func quote(t *testing.T, v *paper.Venue, at time.Time, price, volume float64) {
	t.Helper()
	if err := v.Show(lifeboat.Instant{At: at, Readings: []lifeboat.Reading{{Series: "SPY", Value: price}, {Series: "SPY.volume", Value: volume}}}); err != nil {
		t.Fatal(err)
	}
}

func sale(id lifeboat.Key, limit int64) lifeboat.Intent {
	return lifeboat.Intent{Key: id, Act: lifeboat.PlaceOrder, Order: &lifeboat.Order{
		ID: id, Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Limit,
		Quantity: decimal.NewFromInt(10), Limit: decimal.NewFromInt(limit),
	}}
}

func cancel(id, of lifeboat.Key) lifeboat.Intent {
	return lifeboat.Intent{Key: id, Act: lifeboat.CancelOrder, Cancel: of, Account: "broker"}
}

func message(id lifeboat.Key) lifeboat.Intent {
	return lifeboat.Intent{Key: id, Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: []string{"Ana"}, Text: "look"}}
}

func elsewhere(act lifeboat.Intent) lifeboat.Intent {
	if act.Order != nil {
		o := *act.Order
		o.Account = "elsewhere"
		act.Order = &o
	} else {
		act.Account = "elsewhere"
	}
	return act
}

// Each act goes where it belongs, and its receipt is its own.
func TestCarryOut(t *testing.T) {
	filled, open := sale("lb-filled", 40), sale("lb-open", 60)
	for _, tc := range []struct {
		name   string
		act    lifeboat.Intent
		status lifeboat.ReceiptStatus
		why    string // a part of it
	}{
		{"an order that fills", sale("lb-1", 40), lifeboat.Filled, ""},
		{"an order that rests", sale("lb-1", 60), lifeboat.Accepted, ""},
		{"an order nobody can place", elsewhere(sale("lb-1", 60)), lifeboat.OrderRejected, `"elsewhere" has no venue`},
		{"an order under another key", lifeboat.Intent{Key: "lb-1", Act: lifeboat.PlaceOrder, Order: open.Order}, lifeboat.OrderRejected, "is not its order's id"},
		{"a cancellation", cancel("lb-1", open.Key), lifeboat.Sent, ""},
		{"of what is filled", cancel("lb-1", filled.Key), lifeboat.Sent, "the order is filled"},
		{"of what never arrived", cancel("lb-1", "lb-nobody"), lifeboat.Sent, "had not reached the venue"},
		{"of what nobody could place", elsewhere(cancel("lb-1", open.Key)), lifeboat.OrderRejected, `"elsewhere" has no venue`},
		{"a message", message("lb-1"), lifeboat.Sent, ""},
		{"an act without its object", lifeboat.Intent{Key: "lb-1", Act: lifeboat.PlaceOrder}, lifeboat.OrderRejected, "holds nothing of the kind"},
		{"an act nobody knows", lifeboat.Intent{Key: "lb-1", Act: "pray"}, lifeboat.OrderRejected, "pray"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			told := &sheet{}
			desk := venue.NewDesk(map[string]venue.Venue{"broker": broker(t)}, told)
			for _, act := range []lifeboat.Intent{filled, open} {
				if _, err := desk.CarryOut(t.Context(), noon, act); err != nil {
					t.Fatal(err)
				}
			}
			r, err := desk.CarryOut(t.Context(), noon, tc.act)
			if err != nil || r.Key != "lb-1" || r.Status != tc.status || !strings.Contains(r.Why, tc.why) {
				t.Errorf("got %+v, %v", r, err)
			}
			if tc.act.Act == lifeboat.SendMessage != (len(told.lines) == 1) {
				t.Errorf("people were told %q", told.lines)
			}
		})
	}
}

// slow is a notifier whose channels take their time, and which forgets everything in a crash.
type slow struct {
	under  map[lifeboat.Key]bool
	took   []lifeboat.Key
	queued []lifeboat.Key
}

func (s *slow) Send(_ context.Context, _ time.Time, key lifeboat.Key, _ lifeboat.Message) (lifeboat.Receipt, error) {
	s.under[key] = true
	s.queued = append(s.queued, key)
	return lifeboat.Receipt{Key: key, Status: lifeboat.Accepted}, nil
}

func (s *slow) Ask(_ context.Context, _ time.Time, key lifeboat.Key) (lifeboat.Receipt, error) {
	switch {
	case slices.Contains(s.took, key):
		return lifeboat.Receipt{Key: key, Status: lifeboat.Sent, Why: "Ana by mail"}, nil
	case s.under[key]:
		return lifeboat.Receipt{Key: key, Status: lifeboat.Unknown, Why: "on its way"}, nil
	}
	return lifeboat.Receipt{}, lifeboat.ErrAbsent
}

// A message that was queued and not delivered when the program ended is queued again under its key, once; one that was
// delivered is not, and its receipt says by what.
func TestQueuedMessageOutlivesACrash(t *testing.T) {
	journal, wants := &tape{}, map[time.Time][]lifeboat.Event{noon: {message("lb-1")}}
	start := func() (*lifeboat.Flow, *slow) {
		people, desk := &slow{under: map[lifeboat.Key]bool{}}, venue.NewDesk(nil, &sheet{})
		desk.Notify(people)
		f := &lifeboat.Flow{Journal: journal, Book: lifeboat.NewBook("USD"), Allow: func(lifeboat.Intent) error { return nil },
			Stages: []lifeboat.Stage{&script{wants: wants, done: map[time.Time]bool{}}}, Hands: desk}
		for _, e := range journal.entries {
			f.Recover(e.at, e.event)
		}
		return f, people
	}
	advance := func(f *lifeboat.Flow, minutes int) {
		t.Helper()
		for range 2 { // asking twice changes nothing
			if err := f.Advance(t.Context(), noon.Add(time.Duration(minutes)*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	flow, people := start()
	advance(flow, 0)
	flow, again := start()
	advance(flow, 1)
	if len(people.queued) != 1 || len(again.queued) != 1 {
		t.Errorf("queued %d times before the crash and %d times after it", len(people.queued), len(again.queued))
	}
	again.took = append(again.took, "lb-1")
	advance(flow, 2)
	flow, after := start()
	advance(flow, 3)
	last, _ := journal.entries[len(journal.entries)-1].event.(lifeboat.Receipt)
	if len(after.queued) != 0 || last.Status != lifeboat.Sent || last.Why != "Ana by mail" {
		t.Errorf("queued %d times after it was sent; the journal ends with %+v", len(after.queued), last)
	}
}

// Only orders can be asked about where people are told at once; that an account has no venue proves nothing about its orders.
func TestAsk(t *testing.T) {
	desk := venue.NewDesk(map[string]venue.Venue{"broker": broker(t)}, &sheet{})
	placed := sale("lb-placed", 60)
	if _, err := desk.CarryOut(t.Context(), noon, placed); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		act    lifeboat.Intent
		absent bool
		fails  bool
	}{
		{"a placed order", placed, false, false},
		{"an order that never arrived", sale("lb-1", 60), true, true},
		{"an order of an account without a venue", elsewhere(placed), false, true},
		{"a message", message("lb-2"), true, true},
		{"a cancellation", cancel("lb-3", placed.Key), true, true},
	} {
		if _, err := desk.Ask(t.Context(), noon, tc.act); (err != nil) != tc.fails || errors.Is(err, lifeboat.ErrAbsent) != tc.absent {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// When the other side is out of reach nobody knows, and the desk says so instead of guessing.
func TestOutOfReach(t *testing.T) {
	lost := venuetest.Faulty(broker(t), func(venuetest.Call) venuetest.Fault { return venuetest.LoseRequest })
	desk := venue.NewDesk(map[string]venue.Venue{"broker": lost}, &sheet{fails: true})
	for _, act := range []lifeboat.Intent{sale("lb-1", 60), cancel("lb-2", "lb-1"), message("lb-3")} {
		if r, err := desk.CarryOut(t.Context(), noon, act); err == nil {
			t.Errorf("%s: %+v", act.Act, r)
		}
	}
	if _, err := desk.Ask(t.Context(), noon, sale("lb-1", 60)); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("silence was taken for proof: %v", err)
	}
}

// An order that was cancelled while it was on its way is not sent when the venue turns out never to have had it.
func TestCancelledBeforeItArrived(t *testing.T) {
	v := broker(t)
	desk := venue.NewDesk(map[string]venue.Venue{"broker": venuetest.Faulty(v, venuetest.InTurn(venuetest.LoseRequest))}, &sheet{})
	order := sale("lb-1", 40)
	if _, err := desk.CarryOut(t.Context(), noon, order); err == nil {
		t.Fatal("the request was not lost")
	}
	if r, err := desk.CarryOut(t.Context(), noon, cancel("lb-2", order.Key)); err != nil || r.Status != lifeboat.Sent {
		t.Fatalf("got %+v, %v", r, err)
	}
	if r, err := desk.CarryOut(t.Context(), noon, order); err != nil || r.Status != lifeboat.Canceled || len(v.Orders()) != 0 {
		t.Errorf("got %+v, %v and %d orders", r, err, len(v.Orders()))
	}
}

// script is a stage that wants something done at given times, whatever becomes of it.
type script struct {
	wants map[time.Time][]lifeboat.Event
	done  map[time.Time]bool
}

func (s *script) Apply(at time.Time, e lifeboat.Event) {
	if _, ok := e.(lifeboat.Intent); ok {
		s.done[at] = true
	}
}

func (s *script) Next(at time.Time) []lifeboat.Event {
	if s.done[at] {
		return nil
	}
	return s.wants[at]
}

func (s *script) Due() time.Time { return time.Time{} }

// tape is a journal in memory; a flow that recovers from it has crashed and started again.
type tape struct{ entries []entry }

type entry struct {
	at    time.Time
	event lifeboat.Event
}

func (j *tape) Append(at time.Time, events ...lifeboat.Event) error {
	for _, e := range events {
		j.entries = append(j.entries, entry{at, e})
	}
	return nil
}

// A flow whose venue drops, delays, repeats and forgets answers, and which crashes now and then, ends with each order
// at the venue once, with every open undertaking resolved, and with the same money in its book as at the venue.
func TestFlowOverAFaultyVenue(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 3))
		v := broker(t)
		quiet := false
		wire := venuetest.Faulty(v, func(venuetest.Call) venuetest.Fault {
			if quiet || random.IntN(2) == 0 {
				return venuetest.None
			}
			return venuetest.Faults[random.IntN(len(venuetest.Faults))]
		})
		journal, wants := &tape{}, map[time.Time][]lifeboat.Event{}
		start := func() *lifeboat.Flow {
			f := &lifeboat.Flow{
				Journal: journal, Book: lifeboat.NewBook("USD"), Allow: func(lifeboat.Intent) error { return nil },
				Stages: []lifeboat.Stage{&script{wants: wants, done: map[time.Time]bool{}}},
				Hands:  venue.NewDesk(map[string]venue.Venue{"broker": wire}, &sheet{}),
			}
			for _, e := range journal.entries {
				f.Recover(e.at, e.event)
			}
			return f
		}
		flow := start()
		if err := flow.Begin(noon, lifeboat.PlanLoaded{Positions: holdings()}); err != nil {
			t.Fatal(err)
		}
		at := noon
		for minute := range 40 {
			at = at.Add(time.Minute)
			if quiet = minute >= 25; minute < 20 {
				act := sale(lifeboat.NewKey("order", minute), 45+random.Int64N(10))
				if random.IntN(2) == 0 {
					act.Order.Side = lifeboat.Buy
				}
				wants[at] = []lifeboat.Event{act}
			}
			quote(t, v, at, 45+10*random.Float64(), float64(random.IntN(300)))
			if random.IntN(6) == 0 {
				flow = start()
			}
			if err := flow.Take(t.Context(), lifeboat.Instant{At: at}); err != nil {
				t.Fatal(err)
			}
		}
		at = at.Add(time.Minute)
		wants[at] = nil
		for minute := range 20 { // what never reached its limit is taken back
			wants[at] = append(wants[at], cancel(lifeboat.NewKey("cancel", minute), lifeboat.NewKey("order", minute)))
		}
		if err := flow.Take(t.Context(), lifeboat.Instant{At: at}); err != nil {
			t.Fatal(err)
		}
		checkResolved(t, seed, flow, v)
	}
}

func checkResolved(t *testing.T, seed uint64, flow *lifeboat.Flow, v *paper.Venue) {
	t.Helper()
	once := map[lifeboat.Key]int{}
	for _, o := range v.Orders() {
		if once[o.Order.ID]++; once[o.Order.ID] > 1 {
			t.Errorf("seed %d: the order %s exists %d times", seed, o.Order.ID, once[o.Order.ID])
		}
	}
	if len(once) != 20 || flow.Open() != 0 {
		t.Errorf("seed %d: %d orders reached the venue, %d have no end", seed, len(once), flow.Open())
	}
	for _, p := range v.Positions() {
		if booked := flow.Book.Quantity(p.Account, p.Symbol); !booked.Equal(p.Quantity) {
			t.Errorf("seed %d: the venue holds %s %s, the book %s", seed, p.Quantity, p.Symbol, booked)
		}
	}
}
