package journaltest

import (
	"context"
	"iter"
	"slices"
	"time"

	"lifeboat/keep/journal"
)

// Tampering is one way to falsify a journal of five entries, and what [journal.Verify] has to say to it.
type Tampering struct {
	What string
	Do   func([]journal.Entry) []journal.Entry // returns a falsified copy
	Seq  int64                                 // the entry to be named
	Why  string                                // part of the reason to be given
}

// Tamperings is every way we know. The mark of the fifth entry is remembered.
var Tamperings = []Tampering{
	{"a number is changed", edit(2, func(e *journal.Entry) { e.Seq = 7 }), 3, "is missing"},
	{"a time is changed", edit(2, func(e *journal.Entry) { e.At = e.At.Add(time.Nanosecond) }), 3, "was changed"},
	{"a word is changed", edit(2, func(e *journal.Entry) { e.Word = "refused" }), 3, "was changed"},
	{"a body is changed", edit(2, func(e *journal.Entry) { e.Body = slices.Concat(e.Body[:9], []byte("X"), e.Body[10:]) }), 3, "was changed"},
	{"a body is emptied", edit(2, func(e *journal.Entry) { e.Body = nil }), 3, "was changed"},
	{"a letter moves from the body to the word", edit(2, func(e *journal.Entry) { e.Word, e.Body = e.Word+"{", e.Body[1:] }), 3, "was changed"},
	{"the hash of the entry before is changed", edit(2, func(e *journal.Entry) { e.Prev[0] ^= 1 }), 3, "was changed"},
	{"a hash is changed", edit(2, func(e *journal.Entry) { e.Hash[31] ^= 1 }), 3, "was changed"},
	{"an entry is changed and sealed again", edit(2, reseal), 4, "was not written after"},
	{"the last entry is changed and sealed again", edit(4, reseal), 5, "not the one that was remembered"},
	{"an entry is removed", func(all []journal.Entry) []journal.Entry { return slices.Delete(slices.Clone(all), 2, 3) }, 3, "is missing"},
	{"an entry is removed and the rest numbered anew", removeAndNumber, 3, "was changed"},
	{"the first entry is removed", func(all []journal.Entry) []journal.Entry { return all[1:] }, 1, "is missing"},
	{"an entry is put in twice", func(all []journal.Entry) []journal.Entry { return slices.Insert(slices.Clone(all), 3, all[2]) }, 3, "in a wrong place"},
	{"a sealed entry is put in between", putIn, 4, "was changed"},
	{"two entries change places", swap, 2, "is missing"},
	{"two bodies change places", swapBodies, 2, "was changed"},
	{"the end is cut off", func(all []journal.Entry) []journal.Entry { return all[:3] }, 4, "cut off"},
	{"everything is removed", func([]journal.Entry) []journal.Entry { return nil }, 1, "cut off"},
	{"the whole journal is sealed anew with another event", sealAnew, 5, "not the one that was remembered"},
}

// edit changes the entry at an index in a copy.
func edit(i int, change func(*journal.Entry)) func([]journal.Entry) []journal.Entry {
	return func(all []journal.Entry) []journal.Entry {
		all = slices.Clone(all)
		change(&all[i])
		return all
	}
}

// reseal puts another event into an entry and seals it as if it had always been there.
func reseal(e *journal.Entry) {
	before := journal.Entry{Seq: e.Seq - 1, Hash: e.Prev}
	*e, _ = journal.Seal(before, e.At, news(99))
}

func removeAndNumber(all []journal.Entry) []journal.Entry {
	all = slices.Delete(slices.Clone(all), 2, 3)
	for i := range all {
		all[i].Seq = int64(i + 1)
	}
	return all
}

func putIn(all []journal.Entry) []journal.Entry {
	extra, _ := journal.Seal(all[1], all[1].At, news(99))
	all = slices.Insert(slices.Clone(all), 2, extra)
	for i := range all {
		all[i].Seq = int64(i + 1)
	}
	return all
}

func swap(all []journal.Entry) []journal.Entry {
	all = slices.Clone(all)
	all[1], all[2] = all[2], all[1]
	return all
}

func swapBodies(all []journal.Entry) []journal.Entry {
	all = slices.Clone(all)
	all[1].Body, all[2].Body = all[2].Body, all[1].Body
	return all
}

func sealAnew(all []journal.Entry) []journal.Entry {
	all = slices.Clone(all)
	all[1], _ = journal.Seal(all[0], all[1].At, news(99))
	for i := 2; i < len(all); i++ {
		event, _ := all[i].Event()
		all[i], _ = journal.Seal(all[i-1], all[i].At, event)
	}
	return all
}

// Slice reads entries from a slice, whatever they are.
type Slice []journal.Entry

// Head knows nothing: what was falsified cannot vouch for itself.
func (s Slice) Head() (journal.Entry, bool) { return journal.Entry{}, false }

// Entries implements [journal.Reader].
func (s Slice) Entries(_ context.Context, from int64) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		for _, e := range s {
			if e.Seq >= from && !yield(e, nil) {
				return
			}
		}
	}
}
