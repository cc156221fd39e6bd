package lifeboat

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// office performs one task, and tells how it was asked.
type office struct {
	*broker
	asked  []string
	stands Receipt
	err    error
}

func (o *office) CarryOut(_ context.Context, _ time.Time, i Intent) (Receipt, error) {
	o.asked = append(o.asked, "do "+string(i.Key))
	if i.Act == CancelOrder {
		return Receipt{Key: i.Key, Status: Sent}, nil // its task has ended
	}
	return o.stands, o.err
}

func (o *office) Ask(_ context.Context, _ time.Time, i Intent) (Receipt, error) {
	if i.Act == CancelOrder {
		return Receipt{}, ErrAbsent
	}
	o.asked = append(o.asked, "ask "+string(i.Key))
	return o.stands, o.err
}

func (o *office) Stop(_ context.Context, _ time.Time, i Intent) (Receipt, error) {
	o.asked = append(o.asked, "stop "+string(i.Key))
	return o.stands, o.err
}

var (
	errand   = Intent{Key: "t", Act: PerformTask, Run: "R1", Task: &Task{Kind: "exit-apply"}}
	stopping = Intent{Key: "c", Act: CancelOrder, Run: "R1", Cancel: "t"}
)

// A flow that was killed with a task under way and with its cancellation written. Whoever performs the task is told to stop before it is asked
// anything else, because the question alone would let the task go on.
func TestStoppedTask(t *testing.T) {
	underWay := Receipt{Key: "t", Status: Accepted}
	left := Receipt{Key: "t", Status: NotPerformed, Why: "it was stopped before anything was sent"}
	for name, c := range map[string]struct {
		last   Receipt // of the task, in the journal
		stands Receipt // says the other side
		err    error
		end    ReceiptStatus // of the task in the journal afterwards
		lost   bool
		open   int // what is open afterwards
		asked  []string
	}{
		"it stops":                        {underWay, left, nil, NotPerformed, false, 0, []string{"stop t", "do c"}},
		"it is out":                       {underWay, underWay, nil, "", false, 1, []string{"stop t", "stop t"}},
		"it never arrived":                {Receipt{}, Receipt{}, ErrAbsent, NotPerformed, false, 0, []string{"stop t", "do c"}},
		"it is forgotten":                 {underWay, Receipt{}, ErrAbsent, Unknown, true, 1, []string{"stop t", "stop t"}},
		"nobody hears of it":              {underWay, Receipt{}, errors.New("the disk is full"), "", false, 2, []string{"stop t", "stop t"}},
		"nobody hears of it or its start": {Receipt{}, Receipt{}, errors.New("the disk is full"), Unknown, false, 2, []string{"stop t", "stop t"}},
	} {
		t.Run(name, func(t *testing.T) {
			journal, o := &tape{}, &office{stands: c.stands, err: c.err}
			flow := newFlow(journal, &broker{})
			flow.Hands, flow.Stages = o, nil
			flow.Recover(noon, errand)
			if c.last.Status != "" {
				flow.Recover(noon, c.last)
			}
			flow.Recover(noon, stopping)
			advance(t, flow, noon.Add(time.Hour))
			var end Receipt
			for _, e := range journal.events {
				if r, is := e.(Receipt); is && r.Key == "t" {
					end = r
				}
			}
			if end.Status != c.end || end.Lost != c.lost || len(flow.open) != c.open || !slices.Equal(o.asked, c.asked) {
				t.Errorf("it ended as %+v with %d open, after %v", end, len(flow.open), o.asked)
			}
		})
	}
}

// What is stopped while the flow lives is told at once, and the cancellation is over when that was heard.
func TestTaskIsStoppedAtOnce(t *testing.T) {
	journal, o := &tape{}, &office{stands: Receipt{Key: "t", Status: Accepted}}
	flow := newFlow(journal, &broker{})
	flow.Hands, flow.Stages = o, []Stage{&once{intent: errand}}
	advance(t, flow, noon)
	flow.Stages = []Stage{&once{intent: stopping}}
	advance(t, flow, noon)
	o.stands = Receipt{Key: "t", Status: NotPerformed, Why: "stopped"}
	advance(t, flow, noon)
	if !slices.Equal(o.asked, []string{"do t", "ask t", "stop t", "stop t"}) || len(flow.open) > 0 {
		t.Errorf("it was asked %v, and %d are open", o.asked, len(flow.open))
	}
	if !slices.Equal(words(journal), []string{"intent", "receipt", "intent", "receipt", "receipt"}) {
		t.Errorf("the journal says %v", words(journal))
	}
	flow.Stages = []Stage{&once{intent: Intent{Key: "d", Act: CancelOrder, Cancel: "t"}}}
	advance(t, flow, noon)
	if o.asked[len(o.asked)-1] != "do d" || len(flow.open) > 0 {
		t.Errorf("a cancellation of what has ended: %v, %d open", o.asked, len(flow.open))
	}
}

// A task that is under way says what it waits for, and that is told once each time it says something else.
func TestTaskTellsWhatItWaitsFor(t *testing.T) {
	journal, o := &tape{}, &office{}
	flow := newFlow(journal, &broker{})
	flow.Hands, flow.Stages = o, nil
	flow.Recover(noon, errand)
	flow.Recover(noon, Receipt{Key: "t", Status: Accepted, Why: "it is under way"})
	for i, why := range []string{"it is under way", "gas is dear", "gas is dear", "sent", "sent"} {
		o.stands = Receipt{Key: "t", Status: Accepted, Why: why}
		advance(t, flow, noon.Add(time.Duration(i)*time.Minute))
	}
	var told []string
	for _, e := range journal.events {
		if r, is := e.(Receipt); is {
			told = append(told, r.Why)
		}
	}
	if want := []string{"gas is dear", "sent"}; !slices.Equal(told, want) {
		t.Errorf("it tells %q, not %q", told, want)
	}
}
