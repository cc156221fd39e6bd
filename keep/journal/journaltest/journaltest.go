// Package journaltest holds what every store of a journal must do. A store's own tests call [Run]; the stages that
// write to a journal test their bad hours with [Faulty], a store whose disk fills up on command.
//
// It does not test what a store does when its process is really killed, its disk full or its network cut: that takes the
// store's own means, and its own tests.
package journaltest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/keep/journal"
)

// Subject is an empty store under test, and what may befall it.
type Subject struct {
	Keeper journal.Keeper
	// Reopen closes the store, if it is open, and opens what it kept.
	Reopen func() journal.Keeper
	// Crash ends the store as kill -9 does, without closing it, and opens what was kept by then.
	Crash func() journal.Keeper
	// Second opens the store as another process does while the first one is alive, but was out of reach for as long as it
	// takes. It either fails, and the first goes on, or the first may not write any more. Nil where a store belongs to
	// one process by its nature.
	Second func() (journal.Keeper, error)
}

// Open makes an empty store for one test.
type Open func(t *testing.T) Subject

// Run holds a store to the contract.
func Run(t *testing.T, open Open) {
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			its := open(t)
			if err := c.holds(its.Keeper, its); err != nil {
				t.Error(err)
			}
		})
	}
}

// Errors says which clauses a store breaks, by name. It is how a test proves that [Run] would catch a bad store.
func Errors(t *testing.T, open Open) map[string]error {
	broken := map[string]error{}
	for _, c := range contract {
		its := open(t)
		if err := c.holds(its.Keeper, its); err != nil {
			broken[c.name] = err
		}
	}
	return broken
}

var contract = []struct {
	name  string
	holds func(s journal.Keeper, its Subject) error
}{
	{"an empty journal has no head and holds", empty},
	{"entries come back in order, as they were appended", keepsOrder},
	{"entries are sealed one to the next", isChained},
	{"every word comes back as it was", keepsEveryWord},
	{"what was acknowledged survives opening again", survives},
	{"what was acknowledged survives a crash at once", survivesCrash},
	{"an append is all or nothing", allOrNothing},
	{"callers at the same time each find their events whole and in order", keepsCallersApart},
	{"an event that cannot be recorded is refused to its caller alone", refusesAlone},
	{"who was taken over writes no more", fences},
	{"appending nothing changes nothing", nothing},
	{"reading begins where it is told to", readsFrom},
	{"reading can pass over a word", passesOver},
	{"readers and a writer do not disturb each other", readsWhileWriting},
	{"a loop over the entries may append", appendsInLoop},
	{"reading stops when the reader gives up", stops},
	{"a change of any field is found", findsTampering},
	{"the last entry cannot be taken away unseen", remembersHead},
}

// Start is the time of the first entry that the contract's tests write.
var start = time.Date(2020, 3, 12, 20, 0, 0, 123456789, time.UTC)

// news is the n-th event of a test, different from every other.
func news(n int) lifeboat.Event {
	return lifeboat.Firing{
		Trigger: fmt.Sprintf("trigger %d <&> \"é\"", n), Tier: lifeboat.Emergency, Severity: "CRITICAL", State: lifeboat.Fired,
		Values: map[string]float64{"drawdown(SPX)": float64(n) / 7, "vix": 75.47}, Sources: []string{"alpaca", "cboe"},
	}
}

// write appends n events, one at a time.
func write(s journal.Store, n int) error {
	for i := range n {
		if err := s.Append(start.Add(time.Duration(i)*time.Minute), news(i)); err != nil {
			return fmt.Errorf("append event %d: %w", i, err)
		}
	}
	return nil
}

func read(s journal.Reader, from int64) (all []journal.Entry, err error) {
	for e, err := range s.Entries(context.Background(), from) {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

// expect holds a store to exactly the first n events of write.
func expect(s journal.Store, n int) error {
	all, err := read(s, 1)
	if err != nil {
		return err
	}
	if len(all) != n {
		return fmt.Errorf("%d entries, want %d", len(all), n)
	}
	for i, e := range all {
		event, err := e.Event()
		if err != nil {
			return err
		}
		if want := news(i); e.Seq != int64(i+1) || !reflect.DeepEqual(event, want) {
			return fmt.Errorf("entry %d is %d %v, want %v", i+1, e.Seq, event, want)
		}
		if want := start.Add(time.Duration(i) * time.Minute); e.At != want {
			return fmt.Errorf("entry %d is of %v, want %v", i+1, e.At, want)
		}
	}
	head, ok := s.Head()
	if ok != (n > 0) || ok && !reflect.DeepEqual(head, all[n-1]) {
		return fmt.Errorf("the head is %v %v, the last entry another one", head.Seq, ok)
	}
	_, err = journal.Verify(context.Background(), s)
	return err
}

func empty(s journal.Keeper, its Subject) error {
	if err := expect(s, 0); err != nil {
		return err
	}
	return expect(its.Reopen(), 0)
}

func keepsOrder(s journal.Keeper, _ Subject) error {
	if err := write(s, 20); err != nil {
		return err
	}
	return expect(s, 20)
}

// isChained compares with entries that were sealed here, so that a store cannot have its own idea of a seal.
func isChained(s journal.Keeper, _ Subject) error {
	if err := s.Append(start, news(0), news(1)); err != nil {
		return err
	}
	if err := s.Append(start.Add(time.Hour), news(2)); err != nil {
		return err
	}
	own := journal.Memory()
	own.Append(start, news(0), news(1))
	own.Append(start.Add(time.Hour), news(2))
	want, _ := read(own, 1)
	got, err := read(s, 1)
	if err == nil && !reflect.DeepEqual(got, want) {
		err = fmt.Errorf("got %v, want %v", got, want)
	}
	return err
}

// EveryWord is at least one event of each word, and sets every field of each at least once.
func EveryWord() []lifeboat.Event {
	d := decimal.RequireFromString
	order := lifeboat.Order{
		ID: "lb-0123", Account: "ibkr", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Limit,
		Quantity: d("412.5"), Limit: d("243.15"), Arrival: d("245.000000000000000001"),
	}
	power, left := d("2500.1"), 180
	return []lifeboat.Event{
		lifeboat.PlanLoaded{Name: "Family", Hash: "9f86d081884c7d65", Mode: "drill",
			Positions: []lifeboat.Position{{Account: "ibkr", Symbol: "SPY", Quantity: d("1000.5")}}, Venues: map[string]string{"ibkr": "ibkr"}, Chains: map[string]string{"cold": "Bitcoin"}},
		lifeboat.Resumed{Since: start.Add(-time.Minute)},
		lifeboat.Instant{At: start, Readings: []lifeboat.Reading{
			{Series: "SPY", Value: 248.11}, {Series: "SPY.volume", Value: 3.922e8, Source: "alpaca", At: start.Add(-time.Second)},
			{Series: "VIX", Quality: lifeboat.Suspect, Why: "not a number"}, {Series: "UST", Value: 1e-9, Quality: lifeboat.Stale},
		}},
		lifeboat.Gap{Series: "UST", State: lifeboat.GapOpened, Since: start, Triggers: []string{"Depeg"}},
		news(1),
		lifeboat.IncidentChange{ID: "2020-03-12-1", State: lifeboat.IncidentOpened, Tier: lifeboat.Action, Trigger: "Crash", By: "Ann"},
		lifeboat.Decision{Incident: "2020-03-12-1", Trigger: "Crash", Tier: lifeboat.Action, Playbook: "defend",
			Verdict: lifeboat.Ask, By: "plan", Why: "the trigger's authority is cio", Run: "r1", Question: "lb-q1", Repeats: "R200312-0a1b2c"},
		lifeboat.Answer{Question: "lb-q1", By: "Ann", Yes: true, Note: "go", Content: "abc",
			Factor: &lifeboat.Factor{Kind: "webauthn", ID: "key", Content: "abc", Counter: 3, Signature: "0xabc"}, Evidence: map[string]string{"confirmation number": "77"}},
		lifeboat.RunStarted{Run: "r1", Playbook: "defend", Hash: "abc", Content: []byte(`{"if":"a < b & c > d"}`),
			Incident: "2020-03-12-1", Trigger: "Crash", Tier: lifeboat.Action, By: "Ann", Supersedes: []string{"r0"}},
		lifeboat.StepStarted{Run: "r1", Step: "1", Name: "sell", Kind: "order", Attempt: 2, Items: []string{"SPY@ibkr"}, Branch: "then"},
		lifeboat.StepFinished{Run: "r1", Step: "1", Status: lifeboat.Failed, Why: "the venue refused", Retry: true, Again: start.Add(time.Minute),
			Values: map[string]float64{"weight": 0.4}, Preauthorised: []string{"q1"}},
		lifeboat.RunFinished{Run: "r1", Status: lifeboat.Done, Why: "5 of 5 steps done"},
		lifeboat.Intent{Key: "lb-0123", Act: lifeboat.PlaceOrder, Run: "r1", Step: "1", Order: &order},
		lifeboat.Intent{Key: "lb-0124", Act: lifeboat.CancelOrder, Run: "r1", Step: "1", Cancel: "lb-0123", Account: "ibkr"},
		lifeboat.Intent{Key: "lb-0125", Act: lifeboat.SendMessage, Run: "r1", Step: "2",
			Message: &lifeboat.Message{To: []string{"Ann", "Ben"}, Text: "Sell?\nYes or no.", Question: true, Tier: 3, Thread: "lb-0100", Subject: "Sell?", Content: "abc",
				Factor: "any", Proposal: &lifeboat.Proposal{Run: "r1", Step: "2", Playbook: "defend", Hash: "abc", Until: start, Task: &lifeboat.Task{Kind: "exec", Spec: []byte(`{}`), Repeatable: true},
					Orders: []lifeboat.ProposedOrder{{Order: order, SlippageBps: 3, How: "half a spread"}}}}},
		lifeboat.Refused{Key: "lb-0123", Run: "r1", Why: "the plan was halted"},
		lifeboat.Receipt{Key: "lb-0123", Account: "ibkr", Status: lifeboat.PartialFill, Filled: d("100.25"), Price: d("242.9"), Fee: d("1"),
			VenueID: "7", Why: "volume", Output: "ok", Facts: map[string]string{"hash": "abc"}, Lost: true, FilledAt: start},
		lifeboat.Intent{Key: "lb-0126", Act: lifeboat.PerformTask, Run: "r1", Step: "3.1", Task: &lifeboat.Task{Kind: "exec", Spec: []byte(`{"command":"x"}`),
			Shown: "x is run", Consent: []lifeboat.Answer{{Question: "lb-0125", By: "Ann", Yes: true, Content: "abc"}}}},
		lifeboat.Request{ID: "q1", Verb: lifeboat.Preauthorise, Object: "x", Step: "2", By: "Ann", Note: "away in May", Factor: &lifeboat.Factor{Kind: "totp", ID: "phone", Content: "abc", Counter: 7},
			Bound: &lifeboat.Bound{Account: "ibkr", Symbol: "SPY", Side: lifeboat.Sell, Quantity: d("10"), Price: d("400"), Until: start.Add(time.Hour)}},
		lifeboat.BreakerMove{To: lifeboat.Halted, By: "plan", Why: "9 orders in an hour", Trigger: "Crash"},
		lifeboat.Quarantine{Accounts: []string{"ibkr"}, Why: "lifeboat was started again"},
		lifeboat.Reconciled{Account: "ibkr", Known: 3, Strange: []lifeboat.PlacedOrder{{Order: order, Receipt: lifeboat.Receipt{Key: order.ID, Status: lifeboat.Accepted}}}},
		lifeboat.Statement{Account: "ibkr", Source: "Interactive Brokers", At: start, Height: 19_000_000,
			Lines:  []lifeboat.StatementLine{{Symbol: "SPY", Name: "an index fund", Quantity: d("1000.5"), Free: d("588"), Price: d("248.11"), Value: d("248234.055"), Cost: d("200000"), Currency: "USD"}, {Symbol: "WETH", Quantity: d("10.004"), Free: d("2"), Accrues: true, Share: "5d41402a"}},
			Placed: []lifeboat.Receipt{{Key: "lb-0123", Account: "ibkr", Status: lifeboat.Accepted}}, Foreign: []lifeboat.ForeignOrder{{Symbol: "SPY", Side: lifeboat.Buy, Quantity: d("1"), Limit: d("200")}},
			BuyingPower: &power, Market: &lifeboat.MarketClock{Open: true, Turns: start.Add(time.Hour)}, Barred: map[string]string{"UST": "halted"}, Blocked: "margin call", RequestsLeft: &left},
		lifeboat.Restated{Account: "ibkr", Source: "Interactive Brokers", At: start, Positions: []lifeboat.Position{{Account: "ibkr", Symbol: "SPY", Quantity: d("1000.5")}},
			Placed: []lifeboat.Receipt{{Key: "lb-0123", Account: "ibkr", Status: lifeboat.Accepted}}, Why: "1000.5 SPY where the book had 1000"},
	}
}

func keepsEveryWord(s journal.Keeper, its Subject) error {
	words := EveryWord()
	if err := s.Append(start, words...); err != nil {
		return err
	}
	all, err := read(its.Reopen(), 1)
	if err != nil || len(all) != len(words) {
		return fmt.Errorf("%d entries, want %d (%v)", len(all), len(words), err)
	}
	for i, e := range all {
		if event, err := e.Event(); err != nil || !reflect.DeepEqual(event, words[i]) {
			return fmt.Errorf("%s came back as %+v (%v), was %+v", e.Word, event, err, words[i])
		}
	}
	return nil
}

func survives(s journal.Keeper, its Subject) error {
	if err := write(s, 10); err != nil {
		return err
	}
	s = its.Reopen()
	if err := expect(s, 10); err != nil {
		return err
	}
	if err := s.Append(start.Add(10*time.Minute), news(10)); err != nil {
		return fmt.Errorf("append after opening again: %w", err)
	}
	return expect(its.Reopen(), 11)
}

// A foreign event has a word that no version of lifeboat knows.
type foreign struct{}

func (foreign) Word() string { return "rumour" }

func allOrNothing(s journal.Keeper, its Subject) error {
	if err := write(s, 3); err != nil {
		return err
	}
	zero := 0.0
	bad := map[string]lifeboat.Event{
		"not a number":    lifeboat.Instant{At: start, Readings: []lifeboat.Reading{{Series: "SPY", Value: zero / zero}}},
		"infinite":        lifeboat.Firing{Values: map[string]float64{"vix": 1 / zero}},
		"an unknown word": foreign{},
		"nothing at all":  nil,
	}
	for what, event := range bad {
		if err := s.Append(start, news(3), event); err == nil {
			return fmt.Errorf("an event that is %s was accepted", what)
		}
		if err := expect(s, 3); err != nil {
			return fmt.Errorf("after an event that is %s: %w", what, err)
		}
	}
	if err := s.Append(start.Add(3*time.Minute), news(3)); err != nil {
		return fmt.Errorf("append after a refused one: %w", err)
	}
	return expect(its.Reopen(), 4)
}

// survivesCrash looks after every single append: a store that is a little late is caught by the next.
func survivesCrash(s journal.Keeper, its Subject) error {
	for n := 1; n <= 3; n++ {
		if err := s.Append(start.Add(time.Duration(n-1)*time.Minute), news(n-1)); err != nil {
			return err
		}
		s = its.Crash()
		if err := expect(s, n); err != nil {
			return fmt.Errorf("crash %d: %w", n, err)
		}
	}
	return nil
}

const (
	callers = 8
	each    = 12 // appends of a caller
)

// told is the part-th event of the n-th append of a caller, each of which has 1, 2 or 3 parts.
func told(caller, n, part int) lifeboat.RunFinished {
	return lifeboat.RunFinished{Run: fmt.Sprintf("caller %d", caller), Status: lifeboat.Done, Why: fmt.Sprintf("%d.%d", n, part)}
}

func batch(caller, n int) (events []lifeboat.Event) {
	for part := range 1 + (caller+n)%3 {
		events = append(events, told(caller, n, part))
	}
	return events
}

// together lets all callers append at the same time; spoil may put something into a batch that must then be refused.
func together(s journal.Keeper, spoil func(caller, n int, events []lifeboat.Event) (_ []lifeboat.Event, refused bool)) error {
	errs := make([]error, callers)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for n := range each {
				events, refused := spoil(caller, n, batch(caller, n))
				if err := s.Append(start, events...); (err != nil) != refused {
					errs[caller] = errors.Join(errs[caller], fmt.Errorf("append %d of caller %d: %v, refused should be %t", n, caller, err, refused))
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// expectTogether wants each batch in one piece, those of one caller in order, and none of those that are left out.
func expectTogether(s journal.Keeper, leftOut func(caller, n int) bool) error {
	all, err := read(s, 1)
	if err != nil {
		return err
	}
	next := make([]int, callers)
	for len(all) > 0 {
		event, err := all[0].Event()
		if err != nil {
			return err
		}
		var caller int
		if _, err := fmt.Sscanf(event.(lifeboat.RunFinished).Run, "caller %d", &caller); err != nil {
			return err
		}
		for leftOut(caller, next[caller]) {
			next[caller]++
		}
		for _, want := range batch(caller, next[caller]) {
			if len(all) == 0 {
				return fmt.Errorf("the end lacks %v", want)
			}
			if got, err := all[0].Event(); err != nil || got != want {
				return fmt.Errorf("entry %d is %v (%v), want %v", all[0].Seq, got, err, want)
			}
			all = all[1:]
		}
		next[caller]++
	}
	for caller, n := range next {
		for leftOut(caller, n) {
			n++
		}
		if n != each {
			return fmt.Errorf("of caller %d the first %d appends are there, want %d", caller, n, each)
		}
	}
	_, err = journal.Verify(context.Background(), s)
	return err
}

func keepsCallersApart(s journal.Keeper, its Subject) error {
	err := together(s, func(_, _ int, events []lifeboat.Event) ([]lifeboat.Event, bool) { return events, false })
	if err != nil {
		return err
	}
	return expectTogether(its.Crash(), func(_, _ int) bool { return false })
}

func refusesAlone(s journal.Keeper, its Subject) error {
	spoiled := func(caller, n int) bool { return n < each && caller%2 == 0 && n%3 == 1 }
	err := together(s, func(caller, n int, events []lifeboat.Event) ([]lifeboat.Event, bool) {
		if spoiled(caller, n) {
			return append(events, foreign{}), true
		}
		return events, false
	})
	if err != nil {
		return err
	}
	return expectTogether(its.Crash(), spoiled)
}

// fences lets a second process open the store behind the first one's back.
func fences(s journal.Keeper, its Subject) error {
	if err := write(s, 2); err != nil {
		return err
	}
	if err := s.Fence(); err != nil {
		return fmt.Errorf("who holds the journal may not act: %w", err)
	}
	if its.Second == nil {
		return nil
	}
	second, err := its.Second()
	if err != nil {
		if kind := lifeboat.KindOf(err); kind != lifeboat.Conflict {
			return fmt.Errorf("a second process was refused as %v: %w", kind, err)
		}
		if err := errors.Join(s.Fence(), s.Append(start.Add(2*time.Minute), news(2))); err != nil {
			return fmt.Errorf("a second process was refused, but the first does not go on: %w", err)
		}
		return expect(s, 3)
	}
	// It is asked to act first: with what it wrote before it was taken over.
	if p, ok := errors.AsType[*lifeboat.Problem](s.Fence()); !ok || p.Reason != "fenced" {
		return errors.New("it may act after it was taken over")
	}
	for n := range 3 { // also once it knows
		err := s.Append(start.Add(2*time.Minute), news(99))
		if p, ok := errors.AsType[*lifeboat.Problem](err); !ok || p.Reason != "fenced" {
			return fmt.Errorf("attempt %d to append after it was taken over: %v", n, err)
		}
	}
	if err := errors.Join(second.Fence(), second.Append(start.Add(2*time.Minute), news(2))); err != nil {
		return fmt.Errorf("the second process does not go on: %w", err)
	}
	return expect(second, 3)
}

func nothing(s journal.Keeper, _ Subject) error {
	if err := write(s, 2); err != nil {
		return err
	}
	if err := s.Append(start); err != nil {
		return err
	}
	return expect(s, 2)
}

func readsFrom(s journal.Keeper, _ Subject) error {
	if err := write(s, 5); err != nil {
		return err
	}
	for from, want := range map[int64]int{-1: 5, 0: 5, 1: 5, 2: 4, 5: 1, 6: 0, 100: 0} {
		all, err := read(s, from)
		if err != nil || len(all) != want || want > 0 && all[want-1].Seq != 5 {
			return fmt.Errorf("from %d: %d entries (%v), want the last %d", from, len(all), err, want)
		}
	}
	return nil
}

func passesOver(s journal.Keeper, _ Subject) error {
	if err := write(s, 4); err != nil {
		return err
	}
	if err := s.Append(start, lifeboat.Instant{At: start}, lifeboat.Refused{Key: "k"}, lifeboat.Instant{At: start}, lifeboat.Refused{Key: "l"}); err != nil {
		return err
	}
	for to, want := range map[int64][]int64{-1: nil, 0: nil, 3: {1, 2, 3}, 5: {1, 2, 3, 4}, 6: {1, 2, 3, 4, 6}, 100: {1, 2, 3, 4, 6, 8}} {
		var got []int64
		for e, err := range s.EntriesWithout(context.Background(), "readings", to) {
			if err != nil {
				return err
			}
			got = append(got, e.Seq)
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("up to %d without readings: entries %v, want %v", to, got, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var last error
	for _, last = range s.EntriesWithout(ctx, "readings", 8) {
	}
	if !errors.Is(last, context.Canceled) {
		return fmt.Errorf("reading for somebody who gave up ended with %v", last)
	}
	return nil
}

func readsWhileWriting(s journal.Keeper, _ Subject) error {
	const n = 100
	done := make(chan struct{})
	errs := make([]error, 4)
	var readers sync.WaitGroup
	for i := range errs {
		readers.Go(func() {
			for before := int64(0); errs[i] == nil; {
				report, err := journal.Verify(context.Background(), s)
				if err == nil && report.Entries < before {
					err = fmt.Errorf("%d entries were there, now %d are", before, report.Entries)
				}
				before, errs[i] = report.Entries, err
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	err := write(s, n)
	close(done)
	readers.Wait()
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	return expect(s, n)
}

func appendsInLoop(s journal.Keeper, _ Subject) error {
	if err := write(s, 3); err != nil {
		return err
	}
	seen := 0
	for _, err := range s.Entries(context.Background(), 1) {
		if err != nil {
			return err
		}
		if err := s.Append(start.Add(time.Duration(3+seen)*time.Minute), news(3+seen)); err != nil {
			return err
		}
		seen++
	}
	if seen != 3 {
		return fmt.Errorf("the loop saw %d entries, want the 3 that were there when it began", seen)
	}
	return expect(s, 6)
}

func stops(s journal.Keeper, _ Subject) error {
	if err := write(s, 3); err != nil {
		return err
	}
	for e := range s.Entries(context.Background(), 1) {
		if e.Seq == 2 {
			break
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var last error
	for _, last = range s.Entries(ctx, 1) {
	}
	if !errors.Is(last, context.Canceled) {
		return fmt.Errorf("reading for somebody who gave up ended with %v", last)
	}
	return expect(s, 3)
}

// findsTampering shows Verify what the store holds, with one thing changed.
func findsTampering(s journal.Keeper, _ Subject) error {
	if err := write(s, 5); err != nil {
		return err
	}
	all, err := read(s, 1)
	if err != nil || len(all) != 5 {
		return fmt.Errorf("%d entries, want 5 (%v)", len(all), err)
	}
	head, _ := s.Head()
	for _, change := range Tamperings {
		report, err := journal.Verify(context.Background(), Slice(change.Do(all)), head.Mark())
		if lifeboat.KindOf(err) != lifeboat.Tampered || report.Broken == nil {
			return fmt.Errorf("%s: not found (%v)", change.What, err)
		}
		if report.Broken.Seq != change.Seq || !strings.Contains(report.Broken.Why, change.Why) {
			return fmt.Errorf("%s: blamed on entry %d, which %q; want %d, %q", change.What, report.Broken.Seq, report.Broken.Why, change.Seq, change.Why)
		}
	}
	return nil
}

// remembersHead takes the last entry away from under Verify.
func remembersHead(s journal.Keeper, _ Subject) error {
	if err := write(s, 5); err != nil {
		return err
	}
	head, _ := s.Head()
	all, err := read(s, 1)
	if err != nil || len(all) != 5 {
		return fmt.Errorf("%d entries, want 5 (%v)", len(all), err)
	}
	if _, err := journal.Verify(context.Background(), Slice(all[:4])); err != nil {
		return fmt.Errorf("a shorter journal does hold by itself: %w", err)
	}
	if _, err := journal.Verify(context.Background(), Slice(all[:4]), head.Mark()); lifeboat.KindOf(err) != lifeboat.Tampered {
		return fmt.Errorf("a shorter journal was not found out by its mark: %v", err)
	}
	return nil
}
