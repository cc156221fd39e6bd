package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/watch/rule"
	"lifeboat/watch/signal"
)

var tuesday = time.Date(2020, 3, 17, 14, 0, 0, 0, time.UTC)

// TestOldOpeningIsNoPrice: a file of daily bars brings yesterday's opening and close together, today. The opening is not
// the newer of the two, and neither is fresh for ever.
func TestOldOpeningIsNoPrice(t *testing.T) {
	_, stale := fed([]plan.Feed{{Series: "SPY", Source: "file", StaleAfter: plan.Duration(2 * time.Hour)}})
	engine := signal.New(signal.Config{StaleAfter: stale, Calendar: session.NYSE()})
	v := &view{signals: engine, calendars: &calendars{portfolio: session.NYSE()}}
	yesterday := time.Date(2020, 3, 16, 20, 0, 0, 0, time.UTC)
	take := func(at time.Time, readings ...lifeboat.Reading) {
		in := lifeboat.Instant{At: at, Readings: readings}
		engine.Take(at, in)
	}
	take(tuesday,
		lifeboat.Reading{Series: "SPY.open", Source: "file", Value: 280, At: yesterday},
		lifeboat.Reading{Series: "SPY.volume", Source: "file", Value: 1e6, At: yesterday},
		lifeboat.Reading{Series: "SPY", Source: "file", Value: 240, At: yesterday})
	if price, seen, _ := v.Quote("SPY", tuesday); price != 240 || !seen.Equal(yesterday) {
		t.Errorf("price %v seen %v, want yesterday's close", price, seen)
	}
	take(tuesday.Add(time.Minute), lifeboat.Reading{Series: "SPY.open", Source: "file", Value: 250, At: tuesday})
	if price, _, quality := v.Quote("SPY", tuesday.Add(time.Minute)); price != 250 || quality != lifeboat.Good {
		t.Errorf("price %v (%s), want today's opening", price, quality)
	}
	friday := tuesday.AddDate(0, 0, 3)
	if _, _, quality := v.Quote("SPY", friday); quality != lifeboat.Stale {
		t.Errorf("an opening of three days ago is %s", quality)
	}
	for _, series := range []lifeboat.Series{"SPY.open", "SPY.volume"} {
		if at := engine.StaleAt(series, "file", tuesday); at.IsZero() {
			t.Errorf("%s never goes stale", series)
		}
	}
}

// TestRunOutlivesThePlan: what a pinned playbook asks for may have left the plan since. The run gets no answer to it;
// the daemon starts all the same, because nothing is watched while it does not.
func TestRunOutlivesThePlan(t *testing.T) {
	old := plan.Plan{Playbooks: []plan.Playbook{{Name: "old", Steps: []plan.Step{{Name: "look", Verify: &plan.Verify{That: "gone > 1"}}}}}}
	content, _ := old.PlaybookContent(old.Playbooks[0])
	engine := signal.New(signal.Config{})
	board := rule.NewBoard(engine, nil)
	v := &view{signals: engine, conditions: map[string]*rule.Cond{}}
	if err := v.compile(&plan.Plan{}, []json.RawMessage{content, []byte("torn")}, rule.Env{}, board); err != nil {
		t.Fatal(err)
	}
	if _, known, _ := v.Holds("gone > 1", tuesday); known {
		t.Error("nobody can know")
	}
	if err := v.compile(&old, nil, rule.Env{}, board); err == nil {
		t.Error("in the plan itself it is a fault")
	}
}

// TestOrderOutlivesThePlan: an order rests in an account that the plan has taken away from lifeboat. It must still be
// asked for and cancelled, or its run waits for its end for ever.
func TestOrderOutlivesThePlan(t *testing.T) {
	order := lifeboat.Order{ID: "k", Account: "broker", Symbol: "SPY"}
	d := &Daemon{DaemonOptions: DaemonOptions{DataDir: t.TempDir(), People: t.Output(), Log: slog.New(slog.DiscardHandler),
		Plan: &plan.Plan{Portfolio: plan.Portfolio{BaseCurrency: "USD", Calendar: "nyse"}}}}
	var err error
	if d.crew, err = task.Open(task.Options{Plan: d.DaemonOptions.Plan, DataDir: d.DataDir}); err != nil {
		t.Fatal(err)
	}
	defer d.crew.Close()
	d.record.Orders = []RecordedOrder{{Order: order, Receipt: lifeboat.Receipt{Key: "k", Status: lifeboat.Accepted}}}
	desk, err := d.openVenues()
	if err != nil {
		t.Fatal(err)
	}
	defer d.ledgers[0].Close()
	if _, err := desk.Ask(t.Context(), tuesday, lifeboat.Intent{Key: "k", Act: lifeboat.PlaceOrder, Order: &order}); !errors.Is(err, lifeboat.ErrAbsent) {
		t.Errorf("asked for the order: %v; want its venue's answer", err)
	}
}

type stopped time.Time

func (c stopped) Now() time.Time                         { return time.Time(c) }
func (c stopped) Sleep(context.Context, time.Time) error { return nil }

// TestClockSetBack: a few minutes are lived with; a day in which nothing ages is not.
func TestClockSetBack(t *testing.T) {
	for back, fine := range map[time.Duration]bool{-time.Hour: true, 0: true, 2 * time.Minute: true, 24 * time.Hour: false} {
		d := &Daemon{DaemonOptions: DaemonOptions{Clock: stopped(tuesday.Add(-back))}, last: tuesday}
		if err := d.clockHolds(); (err == nil) != fine {
			t.Errorf("set back by %s: %v", back, err)
		}
	}
}
