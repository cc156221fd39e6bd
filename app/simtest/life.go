package simtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/app"
	"lifeboat/keep/journal"
)

// A life is one process, from its start to its death: what is in memory is gone with it.
type life struct {
	w      *World
	number int
	store  Store
	system *app.System
	record app.Record
	last   time.Time // no entry may be older than the one before, whatever the machine's clock does
	failed error     // what the store said once, it says for ever
}

// start begins a life as the daemon begins: prove the journal, fold it, say since when nobody watched, put every account
// into quarantine, and ask.
func (w *World) start() {
	store, err := w.Shelf.Open()
	if err != nil {
		w.stopped(err)
		return
	}
	w.lives++
	w.Tally.Lives++
	w.life = &life{w: w, number: w.lives, store: store}
	w.alive((*life).begin)
}

func (l *life) begin() error {
	if _, err := journal.Verify(context.Background(), l.store); err != nil {
		return err
	}
	entries, err := all(l.store)
	if err != nil {
		return err
	}
	l.w.judge.reopened(entries)
	if err := l.join(entries); err != nil {
		return err
	}
	if err := l.clockHolds(); err != nil {
		return err
	}
	flow, now := l.system.Flow, l.now()
	if l.record.Entries > 0 {
		if err := flow.Resume(now, lifeboat.Resumed{Since: l.record.Last}); err != nil {
			return err
		}
	}
	if loaded := app.Loaded(l.w.plan, "live"); l.record.Plan.Hash != loaded.Hash {
		if err := flow.Begin(now, loaded); err != nil {
			return err
		}
	}
	if err := flow.Isolate(now, lifeboat.Quarantine{Accounts: l.w.accounts(), Why: "lifeboat was started"}); err != nil {
		return err
	}
	return flow.Advance(context.Background(), now)
}

// join makes the stages and folds the journal into them.
func (l *life) join(entries []journal.Entry) (err error) {
	var pinned []json.RawMessage
	if err := replay(entries, l.record.Apply); err != nil {
		return err
	}
	for _, run := range l.record.Open() {
		pinned = append(pinned, run.Content)
	}
	traders := map[string]venue.Venue{}
	for name, a := range l.w.desks {
		traders[name] = &line{l, a}
	}
	l.system, err = app.Build(app.Parts{
		Plan: l.w.plan, Sources: sources, StaleAfter: func(lifeboat.Series, string) time.Duration { return 5 * time.Hour },
		Journal: mortal{l}, Hands: hands{l, venue.NewDesk(traders, nil)}, Pinned: pinned,
	})
	if err != nil {
		return err
	}
	l.system.Flow.Fence = l.store.Fence
	l.last = l.record.Last
	return replay(entries, l.system.Flow.Recover)
}

func all(store journal.Reader) (entries []journal.Entry, err error) {
	for e, err := range store.Entries(context.Background(), 0) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func replay(entries []journal.Entry, apply func(time.Time, lifeboat.Event)) error {
	for _, entry := range entries {
		event, err := entry.Event()
		if err != nil {
			return err
		}
		apply(entry.At, event)
	}
	return nil
}

// now is the machine's clock, never earlier than the last entry.
func (l *life) now() time.Time {
	if now := l.w.machine(); now.After(l.last) {
		l.last = now
	}
	return l.last
}

// clockHolds is the daemon's: it does not go on while time stands still.
func (l *life) clockHolds() error {
	if now := l.w.machine(); now.Before(l.last.Add(-5 * time.Minute)) {
		return &lifeboat.Problem{Reason: "clock-behind", What: fmt.Sprintf("the clock says %s and the journal %s", now, l.last), Money: "nothing more is sent"}
	}
	return nil
}

func (l *life) take(in lifeboat.Instant) error {
	in.At = l.now() // readings keep the time of their source
	return l.system.Flow.Take(context.Background(), in)
}

func (l *life) advance() error { return l.system.Flow.Advance(context.Background(), l.now()) }

func (l *life) tell(said lifeboat.Event) error {
	return l.system.Flow.Tell(context.Background(), l.now(), said)
}

// alarm is when the flow wants to be asked again, in true time.
func (l *life) alarm() time.Time {
	if due := l.system.Flow.Due(); due.After(l.last) {
		return due.Add(-l.w.skew)
	}
	return l.w.now.Add(idleMax)
}

// death is how a killed process leaves every call it is in.
type death struct{ at Point }

// An exit is how a call of a process ended.
type exit struct {
	died *death
	err  error
}

// alive lets the process do something; it may die of it, or stand still in the middle while another one takes its place.
func (w *World) alive(do func(*life) error) {
	l := w.life
	if l == nil {
		return
	}
	ended := make(chan exit, 1)
	go func() {
		defer func() {
			switch r := recover().(type) {
			case nil:
			case death:
				ended <- exit{died: &r}
			default:
				panic(r)
			}
		}()
		err := do(l)
		if err == nil {
			err = l.clockHolds()
		}
		ended <- exit{err: err}
	}()
	select {
	case e := <-ended:
		if e.died != nil {
			w.bury(*e.died)
		} else if e.err != nil {
			w.stopped(e.err)
		}
	case thaw := <-w.frozen:
		w.haunt(l, thaw, ended)
	}
}

// haunt lets another process take the place of one that stands still, and later lets that one go on where it stood: with an
// intent in the journal and its hand on the wire.
func (w *World) haunt(l *life, thaw chan<- struct{}, ended <-chan exit) {
	w.Tally.Takeovers++
	w.life, w.wakes = nil, w.now.Add(2*time.Second)
	w.agenda.add(w.now.Add(w.span("haunt", time.Minute, 3*time.Hour)), func() {
		close(thaw)
		e := <-ended
		if problem, ok := errors.AsType[*lifeboat.Problem](e.err); !ok || problem.Reason != "fenced" {
			w.judge.breaks(Fenced, "process %d went on after %d had taken its place: %v", l.number, w.lives, e)
		}
		if err := l.store.Close(); err != nil {
			w.judge.fault("the journal of process %d could not be closed: %v", l.number, err)
		}
	})
}

// stands lets the process stand still in the middle of an act: for a minute, or until another one has taken its place.
func (l *life) stands(p Point, acts bool) {
	w := l.w
	if w.standing > 0 && w.chance("stand", 0.1) {
		w.standing--
		w.now = w.now.Add(time.Minute)
		count(&w.Tally.Stopped, "SIGSTOP", 1)
	}
	if w.haunting > 0 && acts && l == w.life {
		w.haunting--
		thaw := make(chan struct{})
		w.frozen <- thaw
		<-thaw
	}
}

// point is passed before and after every act: here a process may die, or stand still.
func (l *life) point(p Point) { l.passes(p, false) }

func (l *life) passes(p Point, acts bool) {
	w := l.w
	if l != w.life {
		return // what it does now is nobody's business but the fence's
	}
	count(&w.Tally.Passed, p, 1)
	if w.settling {
		return
	}
	if w.KillAt == p && w.armed > 0 {
		if w.armed--; w.armed == 0 {
			panic(death{p})
		}
	}
	if w.doomed && p == "append:after" {
		panic(death{p})
	}
	chance := w.Kill
	if kind, _, _ := strings.Cut(string(p), ":"); kind != "append" && kind != "ask" { // those are passed all the time
		chance *= 6
	}
	if chance > 0 && w.chance("kill", chance) {
		panic(death{p})
	}
	l.stands(p, acts)
}

// bury ends a killed process. Its store is left as the kill found it; closing only lets go of the files.
func (w *World) bury(d death) {
	w.Tally.Kills++
	count(&w.Tally.Died, d.at, 1)
	w.end(w.outage())
}

func (w *World) end(after time.Duration) {
	if w.life != nil {
		if err := w.life.store.Close(); err != nil {
			w.judge.fault("the journal could not be closed: %v", err)
		}
	}
	w.life, w.wakes = nil, w.now.Add(after)
}

// outage is how long it takes until somebody or something starts the process again.
func (w *World) outage() time.Duration {
	if w.doomed {
		w.doomed = false
		return w.span("outage", 26*time.Hour, 40*time.Hour)
	}
	switch d := w.die("outage").Float64(); {
	case d < 0.5:
		return time.Second
	case d < 0.8:
		return w.span("outage", time.Second, 10*time.Minute)
	case d < 0.95:
		return w.span("outage", time.Hour, 6*time.Hour)
	}
	return w.span("outage", 12*time.Hour, 30*time.Hour)
}

// stopped ends a process that stopped itself, which it has to say in one clear sentence.
func (w *World) stopped(err error) {
	problem, ok := errors.AsType[*lifeboat.Problem](err)
	if !ok || problem.What == "" || lifeboat.Reasons[problem.Reason].Meaning == "" {
		w.judge.fault("it stopped without a clear sentence: %v", err)
		w.end(24 * time.Hour)
		return
	}
	count(&w.Tally.Stopped, string(problem.Reason), 1)
	if problem.Reason == "clock-behind" {
		w.end(3 * time.Hour)
		return
	}
	w.end(20 * time.Minute)
}

// mortal is the journal of a process that may die around every append.
type mortal struct{ l *life }

func (m mortal) Append(at time.Time, events ...lifeboat.Event) error {
	l, w := m.l, m.l.w
	l.point("append:before")
	if w.sick != nil && l.failed == nil {
		l.failed = w.sick
	}
	if l.failed != nil {
		return l.failed
	}
	if l == w.life {
		if err := w.chain.begin(at, events); err != nil {
			return err
		}
	}
	if err := l.store.Append(at, events...); err != nil {
		l.failed = err
		return err
	}
	l.passes("append:after", slices.ContainsFunc(events, orders))
	if l != w.life {
		return nil
	}
	w.chain.acknowledged()
	w.Tally.Entries += len(events)
	for _, e := range events {
		l.record.Apply(at, e)
		w.judge.apply(at, e)
	}
	return nil
}

func orders(e lifeboat.Event) bool {
	i, ok := e.(lifeboat.Intent)
	return ok && i.Act == lifeboat.PlaceOrder
}

// hands are the process's: orders go over the wire, messages to people, tasks to systems.
type hands struct {
	l    *life
	desk *venue.Desk
}

func (h hands) CarryOut(ctx context.Context, at time.Time, act lifeboat.Intent) (lifeboat.Receipt, error) {
	switch act.Act {
	case lifeboat.SendMessage:
		h.l.point("message:before")
		h.l.w.people.hear(act)
		h.l.point("message:after")
		return lifeboat.Receipt{Key: act.Key, Status: lifeboat.Sent}, nil
	case lifeboat.PerformTask:
		h.l.point("task:before")
		receipt := h.l.w.perform(act)
		h.l.point("task:after")
		return receipt, nil
	}
	return h.desk.CarryOut(ctx, at, act)
}

func (h hands) Ask(ctx context.Context, at time.Time, act lifeboat.Intent) (lifeboat.Receipt, error) {
	switch act.Act {
	case lifeboat.SendMessage:
		return lifeboat.Receipt{}, lifeboat.ErrAbsent
	case lifeboat.PerformTask:
		return h.l.w.performed(act)
	}
	return h.desk.Ask(ctx, at, act)
}

func (h hands) Stop(ctx context.Context, at time.Time, act lifeboat.Intent) (lifeboat.Receipt, error) {
	return h.Ask(ctx, at, act)
}

func (h hands) Memory(act lifeboat.Intent) time.Duration { return h.desk.Memory(act) }

func (h hands) Orders(ctx context.Context, at time.Time, account string, since time.Time) ([]lifeboat.PlacedOrder, error) {
	return h.desk.Orders(ctx, at, account, since)
}
