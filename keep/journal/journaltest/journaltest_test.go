package journaltest_test

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/journal/journaltest"
)

// memory is a good store: the twins below are it with one fault each.
func memory() journaltest.Subject { return around(journal.Memory()) }

func around(k journal.Keeper) journaltest.Subject {
	same := func() journal.Keeper { return k }
	return journaltest.Subject{Keeper: k, Reopen: same, Crash: same}
}

// liar acknowledges every third append and keeps nothing of it.
type liar struct {
	journal.Keeper
	n atomic.Int64
}

func (l *liar) Append(at time.Time, events ...lifeboat.Event) error {
	if l.n.Add(1)%3 == 0 {
		return nil
	}
	return l.Keeper.Append(at, events...)
}

// halver keeps the events before the one that it refuses.
type halver struct{ journal.Keeper }

func (h halver) Append(at time.Time, events ...lifeboat.Event) error {
	for _, e := range events {
		if err := h.Keeper.Append(at, e); err != nil {
			return err
		}
	}
	return nil
}

// turner gives a batch back in the wrong order.
type turner struct{ journal.Keeper }

func (t turner) Entries(ctx context.Context, from int64) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		var all []journal.Entry
		for e := range t.Keeper.Entries(ctx, from) {
			all = append([]journal.Entry{e}, all...)
		}
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// reorderer keeps the events of one caller in the wrong order.
type reorderer struct{ journal.Keeper }

func (r reorderer) Append(at time.Time, events ...lifeboat.Event) error {
	turned := slices.Clone(events)
	slices.Reverse(turned)
	return r.Keeper.Append(at, turned...)
}

// mixer commits callers together who wait, and gives all of them the error of one.
type mixer struct {
	journal.Keeper
	mu   sync.Mutex
	last error
}

func (m *mixer) Append(at time.Time, events ...lifeboat.Event) error {
	err := m.Keeper.Append(at, events...)
	m.mu.Lock()
	defer m.mu.Unlock()
	err, m.last = errors.Join(err, m.last), err
	return err
}

// late acknowledges an append and keeps it with the next one, or when it is closed.
type late struct {
	*journal.Mem
	mu      sync.Mutex
	pending []func() error
}

func (l *late) Append(at time.Time, events ...lifeboat.Event) error {
	if _, err := journal.SealAll(journal.Entry{}, at, events); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.flush()
	l.pending = append(l.pending, func() error { return l.Mem.Append(at, events...) })
	return err
}

func (l *late) flush() (err error) {
	for _, p := range l.pending {
		err = errors.Join(err, p())
	}
	l.pending = nil
	return err
}

func lateStore(*testing.T) journaltest.Subject {
	l := &late{Mem: journal.Memory()}
	return journaltest.Subject{
		Keeper: l,
		Reopen: func() journal.Keeper { l.flush(); return l.Mem },
		Crash:  func() journal.Keeper { return l.Mem },
	}
}

// forgetsLast loses the last append in a crash.
func forgetsLast(*testing.T) journaltest.Subject {
	m := journal.Memory()
	its := around(m)
	its.Crash = func() journal.Keeper {
		kept := journal.Memory()
		head, _ := m.Head()
		for e := range m.Entries(context.Background(), 1) {
			if event, err := e.Event(); err == nil && e.Seq < head.Seq {
				kept.Append(e.At, event)
			}
		}
		return kept
	}
	return its
}

// leased is a store that another process can take over. Its own process may then be deaf to that when it appends, or
// when it acts.
type leased struct {
	*journal.Mem
	taken                 atomic.Bool
	appendsOn, actsOn, no bool
}

func (l *leased) refused() error {
	if l.taken.Load() {
		return &lifeboat.Problem{Reason: "fenced", What: "another lifeboat has taken over"}
	}
	return nil
}

func (l *leased) Append(at time.Time, events ...lifeboat.Event) error {
	if err := l.refused(); err != nil && !l.appendsOn {
		return err
	}
	return l.Mem.Append(at, events...)
}

func (l *leased) Fence() error {
	if l.actsOn {
		return nil
	}
	return l.refused()
}

func takenOver(l *leased) journaltest.Open {
	return func(*testing.T) journaltest.Subject {
		l := &leased{Mem: journal.Memory(), appendsOn: l.appendsOn, actsOn: l.actsOn, no: l.no}
		its := around(l)
		its.Second = func() (journal.Keeper, error) {
			l.taken.Store(true)
			if l.no {
				return nil, &lifeboat.Problem{Reason: "data-in-use", What: "another lifeboat runs"}
			}
			return l.Mem, nil
		}
		return its
	}
}

// TestBadStoresAreCaught proves the suite: each way to be a bad store breaks the clause that is there for it.
func TestBadStoresAreCaught(t *testing.T) {
	bad := func(twin func(journal.Keeper) journal.Keeper) journaltest.Open {
		return func(*testing.T) journaltest.Subject { return around(twin(journal.Memory())) }
	}
	for name, c := range map[string]struct {
		open   journaltest.Open
		clause string
	}{
		"forgets": {func(*testing.T) journaltest.Subject {
			its := memory()
			its.Reopen = func() journal.Keeper { return journal.Memory() }
			return its
		}, "what was acknowledged survives opening again"},
		"lies": {bad(func(k journal.Keeper) journal.Keeper { return &liar{Keeper: k} }),
			"entries come back in order, as they were appended"},
		"keeps half": {bad(func(k journal.Keeper) journal.Keeper { return halver{k} }),
			"an append is all or nothing"},
		"keeps half of one among many": {bad(func(k journal.Keeper) journal.Keeper { return halver{k} }),
			"an event that cannot be recorded is refused to its caller alone"},
		"turns round": {bad(func(k journal.Keeper) journal.Keeper { return turner{k} }),
			"entries come back in order, as they were appended"},
		"reorders a batch": {bad(func(k journal.Keeper) journal.Keeper { return reorderer{k} }),
			"callers at the same time each find their events whole and in order"},
		"blames all for one": {bad(func(k journal.Keeper) journal.Keeper { return &mixer{Keeper: k} }),
			"an event that cannot be recorded is refused to its caller alone"},
		"acknowledges before it is durable": {lateStore, "what was acknowledged survives a crash at once"},
		"loses the last append":             {forgetsLast, "what was acknowledged survives a crash at once"},
		"ignores the epoch":                 {takenOver(&leased{appendsOn: true}), "who was taken over writes no more"},
		"acts although it was taken over":   {takenOver(&leased{actsOn: true}), "who was taken over writes no more"},
		"gives up though nobody took over":  {takenOver(&leased{no: true}), "who was taken over writes no more"},
	} {
		if broken := journaltest.Errors(t, c.open); broken[c.clause] == nil {
			t.Errorf("a store that %s was not caught by %q, only by %v", name, c.clause, broken)
		}
	}
	for name, open := range map[string]journaltest.Open{
		"in memory": func(*testing.T) journaltest.Subject { return memory() }, "with a lease": takenOver(&leased{}),
	} {
		if broken := journaltest.Errors(t, open); len(broken) > 0 {
			t.Errorf("a good store %s was blamed: %v", name, broken)
		}
	}
}

// TestEveryWordSetsEveryField notices a field that the root package gained and the suite does not show yet.
func TestEveryWordSetsEveryField(t *testing.T) {
	set := map[string]bool{}
	for _, event := range journaltest.EveryWord() {
		v := reflect.ValueOf(event)
		for i := range v.NumField() {
			name := event.Word() + "." + v.Type().Field(i).Name
			set[name] = set[name] || !v.Field(i).IsZero()
		}
	}
	for name, ok := range set {
		if !ok {
			t.Errorf("no event in EveryWord sets %s", name)
		}
	}
}

func TestFaulty(t *testing.T) {
	noon := time.Date(2020, 3, 12, 12, 0, 0, 0, time.UTC)
	m := journal.Memory()
	f := &journaltest.Faulty{Keeper: m, At: 3}
	event := lifeboat.RunFinished{Run: "r"}
	for i := 1; i <= 5; i++ {
		err := f.Append(noon, event)
		if failed := err != nil; failed != (i >= 3) || failed && lifeboat.KindOf(err) != lifeboat.Storage {
			t.Errorf("append %d: %v", i, err)
		}
	}
	if head, _ := m.Head(); head.Seq != 2 || f.Appends() != 5 {
		t.Errorf("%d entries after %d appends", head.Seq, f.Appends())
	}
	own := errors.New("power cut")
	if err := (&journaltest.Faulty{Keeper: m, At: 1, Err: own}).Append(noon, event); err != own {
		t.Errorf("got %v", err)
	}
	if err := (&journaltest.Faulty{Keeper: m}).Append(noon, event); err != nil {
		t.Errorf("a Faulty that is not told when to fail failed: %v", err)
	}
}
