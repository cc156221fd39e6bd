package journal

import (
	"context"
	"encoding/hex"
	"iter"
	"sync"
	"time"

	"lifeboat"
)

// Mem is a journal that lives as long as the program: the one that drills write. It seals every entry as a journal on
// disk does, so that a drill's digest is the digest of what would have been kept.
type Mem struct {
	mu      sync.RWMutex
	entries []Entry // only ever appended to, so a slice taken under mu may be read without it
}

// Memory opens an empty journal in memory.
func Memory() *Mem { return &Mem{} }

// Append implements [Store].
func (m *Mem) Append(at time.Time, events ...lifeboat.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	sealed, err := SealAll(m.head(), at, events)
	if err != nil {
		return err
	}
	m.entries = append(m.entries, sealed...)
	return nil
}

// Head implements [Reader].
func (m *Mem) Head() (Entry, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.head(), len(m.entries) > 0
}

// Entries implements [Reader].
func (m *Mem) Entries(ctx context.Context, from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m.mu.RLock()
		entries := m.entries
		m.mu.RUnlock()
		first := min(max(from, 1)-1, int64(len(entries)))
		for _, e := range entries[first:] {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// EntriesWithout implements [Keeper].
func (m *Mem) EntriesWithout(ctx context.Context, word string, to int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range m.Entries(ctx, 1) {
			if err == nil && e.Seq > to {
				return
			}
			if (err != nil || e.Word != word) && !yield(e, err) {
				return
			}
		}
	}
}

// Remembered implements [Keeper]; memory forgets nothing as long as it lasts.
func (m *Mem) Remembered(context.Context) (Mark, bool, error) {
	head, ok := m.Head()
	return head.Mark(), ok, nil
}

// Fence implements [Keeper]: nobody else can hold it.
func (m *Mem) Fence() error { return nil }

// Digest is the hash of the last entry in hexadecimal: equal digests, equal histories. It is "" for an empty journal.
func (m *Mem) Digest() string {
	head, ok := m.Head()
	if !ok {
		return ""
	}
	return hex.EncodeToString(head.Hash[:])
}

// Close implements [Store]; the entries stay readable.
func (m *Mem) Close() error { return nil }

func (m *Mem) head() Entry {
	if n := len(m.entries); n > 0 {
		return m.entries[n-1]
	}
	return Entry{}
}
