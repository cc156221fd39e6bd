package journaltest_test

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/journal/journaltest"
)

// forgetful keeps nothing after opening again, as a store without a sync may.
type forgetful struct{ *journal.Mem }

// liar acknowledges every third append and keeps nothing of it.
type liar struct {
	journal.Store
	n int
}

func (l *liar) Append(at time.Time, events ...lifeboat.Event) error {
	if l.n++; l.n%3 == 0 {
		return nil
	}
	return l.Store.Append(at, events...)
}

// halver keeps the events before the one that it refuses.
type halver struct{ journal.Store }

func (h halver) Append(at time.Time, events ...lifeboat.Event) error {
	for _, e := range events {
		if err := h.Store.Append(at, e); err != nil {
			return err
		}
	}
	return nil
}

// turner gives a batch back in the wrong order.
type turner struct{ journal.Store }

func (t turner) Entries(ctx context.Context, from int64) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		var all []journal.Entry
		for e := range t.Store.Entries(ctx, from) {
			all = append([]journal.Entry{e}, all...)
		}
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// TestBadStoresAreCaught proves the suite: each way to be a bad store breaks the clause that is there for it.
func TestBadStoresAreCaught(t *testing.T) {
	same := func(s journal.Store) (journal.Store, func() journal.Store) {
		return s, func() journal.Store { return s }
	}
	for name, c := range map[string]struct {
		open   journaltest.Open
		clause string
	}{
		"forgets": {func(*testing.T) (journal.Store, func() journal.Store) {
			return forgetful{journal.Memory()}, func() journal.Store { return forgetful{journal.Memory()} }
		}, "what was acknowledged survives opening again"},
		"lies": {func(*testing.T) (journal.Store, func() journal.Store) { return same(&liar{Store: journal.Memory()}) },
			"entries come back in order, as they were appended"},
		"keeps half": {func(*testing.T) (journal.Store, func() journal.Store) { return same(halver{journal.Memory()}) },
			"an append is all or nothing"},
		"turns round": {func(*testing.T) (journal.Store, func() journal.Store) { return same(turner{journal.Memory()}) },
			"entries come back in order, as they were appended"},
	} {
		if broken := journaltest.Errors(t, c.open); broken[c.clause] == nil {
			t.Errorf("a store that %s was not caught by %q, only by %v", name, c.clause, broken)
		}
	}
	good := func(*testing.T) (journal.Store, func() journal.Store) { return same(journal.Memory()) }
	if broken := journaltest.Errors(t, good); len(broken) > 0 {
		t.Errorf("a good store was blamed: %v", broken)
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
	f := &journaltest.Faulty{Store: m, At: 3}
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
	if err := (&journaltest.Faulty{Store: m, At: 1, Err: own}).Append(noon, event); err != own {
		t.Errorf("got %v", err)
	}
	if err := (&journaltest.Faulty{Store: m}).Append(noon, event); err != nil {
		t.Errorf("a Faulty that is not told when to fail failed: %v", err)
	}
}
