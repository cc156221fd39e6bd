package journal

import (
	"context"
	"fmt"
	"math"
	"time"

	"lifeboat"
)

// Report is what [Verify] found.
type Report struct {
	Entries     int64 // that fit
	First, Last time.Time
	Head        Mark   // of the last entry that fits; note it elsewhere
	Broken      *Break // nil when the whole chain holds
}

// Break is the first place where the chain does not hold.
type Break struct {
	Seq int64
	Why string // a clause that follows "entry 7": "was changed after it was written"
}

// rememberer is a store that notes, apart from its entries, how far it reached.
type rememberer interface {
	Remembered(ctx context.Context) (Mark, bool, error)
}

// Verify walks the whole chain, and holds it against every mark that was remembered: the ones given, the one the
// store itself keeps apart from its entries, and the head it knows. A chain that does not hold is a
// [lifeboat.Problem] with the reason journal-broken, and the report says where; any other error says that the journal
// could not be read to its end.
//
// It judges the chain only: whether this version understands every entry is for [Entry.Event] to say.
func Verify(ctx context.Context, r Reader, remembered ...Mark) (Report, error) {
	marks, err := allMarks(ctx, r, remembered)
	if err != nil {
		return Report{}, fmt.Errorf("verify journal: %w", err)
	}
	var report Report
	var prev Entry
	for e, err := range r.Entries(ctx, math.MinInt64) { // also what was put in before the first
		if err != nil {
			return report, fmt.Errorf("verify journal: %w", err)
		}
		if why := misfit(prev, e, marks); why != "" {
			// After a gap it is the missing entry that is named.
			return report.broken(min(e.Seq, prev.Seq+1), why)
		}
		if report.Entries == 0 {
			report.First = e.At
		}
		report.Entries, report.Last, report.Head = report.Entries+1, e.At, e.Mark()
		prev = e
	}
	for _, m := range marks {
		if m.Seq > prev.Seq {
			return report.broken(prev.Seq+1, fmt.Sprintf("is missing: the journal once reached entry %d, its end was cut off", m.Seq))
		}
	}
	return report, nil
}

// allMarks gathers them before the walk, so that what is appended meanwhile cannot be missing from it.
func allMarks(ctx context.Context, r Reader, marks []Mark) ([]Mark, error) {
	marks = marks[:len(marks):len(marks)]
	if head, ok := r.Head(); ok {
		marks = append(marks, head.Mark())
	}
	if r, ok := r.(rememberer); ok {
		m, ok, err := r.Remembered(ctx)
		if err != nil {
			return nil, err
		}
		if ok {
			marks = append(marks, m)
		}
	}
	return marks, nil
}

// misfit says why e cannot be the entry after prev; "" when it can.
func misfit(prev, e Entry, marks []Mark) string {
	switch want := prev.Seq + 1; {
	case e.Seq > want:
		return fmt.Sprintf("is missing: entry %d stands in its place", e.Seq)
	case e.Seq < want:
		return fmt.Sprintf("stands in a wrong place, after entry %d", prev.Seq)
	case e.digest() != e.Hash:
		return "was changed after it was written"
	case e.Prev != prev.Hash && want == 1:
		return "was not written as the first: what stood before it was removed"
	case e.Prev != prev.Hash:
		return fmt.Sprintf("was not written after the entry %d that stands before it: one of the two was put in, taken out or replaced", prev.Seq)
	}
	for _, m := range marks {
		if m.Seq == e.Seq && m.Hash != e.Hash {
			return "is not the one that was remembered: it, or an entry before it, was replaced and sealed anew"
		}
	}
	return ""
}

func (r Report) broken(seq int64, why string) (Report, error) {
	r.Broken = &Break{Seq: seq, Why: why}
	return r, &lifeboat.Problem{
		Reason: "journal-broken",
		What:   fmt.Sprintf("the journal does not hold: entry %d %s", seq, why),
		Money:  fmt.Sprintf("the %d entries before it are as they were written; what the venues hold is not touched by this", r.Entries),
		Next:   "stop lifeboat, keep a copy of the data directory, and compare it with a backup",
	}
}
