package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/act/task"
	"lifeboat/act/venue"
	"lifeboat/act/venue/paper"
	"lifeboat/act/withdraw"
	"lifeboat/app"
	"lifeboat/plan"
	"lifeboat/watch/feed/guard"
)

// A world is the plan in the shadow: the system that the daemon would build of it, with a clock that is moved by hand, a
// journal in memory, simulated venues and phones that nobody holds. A second world can be folded from the journal of the
// first; the venues outlive both.
type world struct {
	ctx     context.Context
	kit     *kit
	plan    *plan.Plan
	journal *memory
	system  *app.System
	venues  map[string]*paper.Venue
	phones  *phones
	line    *line
	guard   *guard.Guard
	prices  map[lifeboat.Series]float64 // what every source says now
	now     time.Time
	last    time.Time // no entry may be older than the one before; the daemon sees to it in the same way
	hand    *hand
	acts    int
	asked   int
}

// A hand puts events on the flow from outside the stages, so that they take the same way as those of the stages: through
// authority, journal and venue.
type hand struct{ holds []lifeboat.Event }

func (h *hand) Apply(time.Time, lifeboat.Event) {}
func (h *hand) Due() time.Time                  { return time.Time{} }

// Next lets go of what the hand holds. Unlike a stage of the product it forgets at once: it is no part of what is refolded.
func (h *hand) Next(time.Time) []lifeboat.Event {
	held := h.holds
	h.holds = nil
	return held
}

// phones keep what people would have been told or asked, and what other systems would have been made to do.
type phones struct {
	messages map[lifeboat.Key]lifeboat.Message
	tasks    map[lifeboat.Key]lifeboat.Task
	slow     bool // no task of theirs ends
}

func (p *phones) Send(_ context.Context, _ time.Time, key lifeboat.Key, m lifeboat.Message) error {
	p.messages[key] = m
	return nil
}

func (p *phones) Perform(_ context.Context, _ time.Time, key lifeboat.Key, t lifeboat.Task) (lifeboat.Receipt, error) {
	p.tasks[key] = t
	return p.stands(key), nil
}

func (p *phones) stands(key lifeboat.Key) lifeboat.Receipt {
	if p.slow {
		return lifeboat.Receipt{Key: key, Status: lifeboat.Accepted}
	}
	return lifeboat.Receipt{Key: key, Status: lifeboat.Performed}
}

func (p *phones) Ask(_ context.Context, _ time.Time, key lifeboat.Key, _ lifeboat.Task) (lifeboat.Receipt, error) {
	if _, taken := p.tasks[key]; taken {
		return p.stands(key), nil
	}
	return lifeboat.Receipt{}, lifeboat.ErrAbsent
}

// A line to the venues. While it is dead nothing gets through.
type line struct{ dead bool }

var errDead = errors.New("the venue is out of reach")

// wired is a venue at the end of the line.
type wired struct {
	*paper.Venue
	*line
}

func (v wired) Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	if v.dead {
		return lifeboat.Receipt{}, errDead
	}
	return v.Venue.Place(ctx, at, o)
}

func (v wired) Ask(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	if v.dead {
		return lifeboat.Receipt{}, errDead
	}
	return v.Venue.Ask(ctx, at, id)
}

func (v wired) Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	if v.dead {
		return lifeboat.Receipt{}, errDead
	}
	return v.Venue.Cancel(ctx, at, id)
}

// taskKinds are all that a step can make of other systems, and of what lies in custody.
var taskKinds = slices.Concat(task.Kinds, exit.Kinds, []string{withdraw.Planning, withdraw.Applying})

// begin opens a fresh world at the kit's start, under a plan, with every price shown once.
func (k *kit) begin(p *plan.Plan) (*world, error) {
	w, err := k.join(p, &memory{}, nil)
	if err != nil {
		return nil, err
	}
	if err := w.system.Flow.Begin(w.now, app.Loaded(p, "drill")); err != nil {
		return nil, err
	}
	return w, w.show()
}

// join builds a system on a journal that may hold something already. venues is nil for new ones.
func (k *kit) join(p *plan.Plan, journal *memory, venues map[string]*paper.Venue) (*world, error) {
	w := &world{ctx: k.ctx, kit: k, plan: p, journal: journal, venues: venues, now: k.start, hand: &hand{}, line: &line{}, prices: maps.Clone(k.calm),
		phones: &phones{messages: map[lifeboat.Key]lifeboat.Message{}, tasks: map[lifeboat.Key]lifeboat.Task{}}, guard: guard.New(guard.Feeds(p.Feeds))}
	if w.venues == nil {
		if err := w.openVenues(); err != nil {
			return nil, err
		}
	}
	traders := map[string]venue.Venue{}
	for name, v := range w.venues {
		traders[name] = wired{v, w.line}
	}
	desk := venue.NewDesk(traders, w.phones)
	for _, kind := range append(slices.Clone(taskKinds), plan.TrialTask) {
		desk.Perform(kind, w.phones)
	}
	parts := k.parts(p)
	parts.Journal, parts.Hands = journal, desk
	system, err := app.Build(parts)
	if err != nil {
		return nil, err
	}
	w.system = system
	if k.twin != nil {
		k.twin(system)
	}
	system.Flow.Stages = append(system.Flow.Stages, w.hand)
	return w, nil
}

func (w *world) openVenues() error {
	w.venues = map[string]*paper.Venue{}
	for _, a := range w.plan.Accounts {
		if !w.plan.Tradable(a.Name) {
			continue
		}
		v, err := paper.New(app.PaperAccount(w.plan, a.Name, nil)) // always open: the kit is not about market hours
		if err != nil {
			return fmt.Errorf("open the simulated account %s: %w", a.Name, err)
		}
		w.venues[a.Name] = v
	}
	return nil
}

// again is another process on the same journal, as after kill -9 or on a second machine: it folds what there is, says
// that it was away, compares every account with its venue, and goes on under the plan that it was given.
func (w *world) again(p *plan.Plan) (*world, error) {
	next, err := w.fold(p, w.journal, w.venues)
	if err != nil {
		return nil, err
	}
	return next, next.show()
}

// fold is the new process before it has seen anything but the journal.
func (w *world) fold(p *plan.Plan, journal *memory, venues map[string]*paper.Venue) (*world, error) {
	next, err := w.kit.join(p, journal, venues)
	if err != nil {
		return nil, err
	}
	hash := ""
	err = journal.each(0, func(at time.Time, e lifeboat.Event) {
		next.system.Flow.Recover(at, e)
		next.last = at
		switch e := e.(type) {
		case lifeboat.PlanLoaded:
			hash = e.Hash
		case lifeboat.Instant:
			next.guard.Note(e.At, e.Readings)
		}
	})
	if err != nil {
		return nil, err
	}
	next.now, next.acts, next.asked, next.prices = later(w.now, next.last), w.acts, w.asked, maps.Clone(w.prices)
	maps.Copy(next.phones.messages, w.phones.messages)
	maps.Copy(next.phones.tasks, w.phones.tasks)
	next.phones.slow = w.phones.slow
	flow := next.system.Flow
	if err := flow.Resume(next.now, lifeboat.Resumed{Since: next.last}); err != nil {
		return nil, err
	}
	if err := flow.Isolate(next.now, lifeboat.Quarantine{Accounts: slices.Sorted(maps.Keys(next.venues)), Why: "lifeboat was started again"}); err != nil {
		return nil, err
	}
	if loaded := app.Loaded(p, "drill"); loaded.Hash != hash {
		if err := flow.Begin(next.now, loaded); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// show lets venues and flow see what every source says now.
func (w *world) show() error {
	in := lifeboat.Instant{At: w.at()}
	for _, s := range slices.Sorted(maps.Keys(w.kit.sources)) {
		for _, source := range w.kit.sources[s] {
			if price, ok := w.prices[s]; ok {
				in.Readings = append(in.Readings, lifeboat.Reading{Series: s, Source: source, Value: price})
			}
		}
	}
	return w.take(in)
}

// take lets one instant of readings in, past the guard that stands before the flow of the daemon too.
func (w *world) take(in lifeboat.Instant) error {
	in.Readings = w.guard.Pass(in.At, in.Readings)
	for _, name := range slices.Sorted(maps.Keys(w.venues)) {
		if err := w.venues[name].Show(in); err != nil {
			return err
		}
	}
	return w.system.Flow.Take(w.ctx, in)
}

// at is the time that the journal gets: never earlier than the last entry.
func (w *world) at() time.Time {
	w.last = later(w.last, w.now)
	return w.last
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// until lets time pass as the daemon does, from alarm to alarm, and shows every price again at its end.
func (w *world) until(t time.Time) error {
	if err := w.silentUntil(t); err != nil {
		return err
	}
	return w.show()
}

// alarmsMax bounds the alarms between two times; more of them is a flow that wakes itself.
const alarmsMax = 10_000

// silentUntil lets time pass without a word from any source.
func (w *world) silentUntil(t time.Time) error {
	for range alarmsMax {
		due := w.system.Flow.Due()
		if !due.After(w.now) || due.After(t) {
			w.now = t
			return w.system.Flow.Advance(w.ctx, w.at())
		}
		w.now = due
		if err := w.system.Flow.Advance(w.ctx, w.at()); err != nil {
			return err
		}
	}
	return fmt.Errorf("more than %d alarms until %s", alarmsMax, t.Format(time.RFC3339))
}

func (w *world) wait(d time.Duration) error { return w.until(w.now.Add(d)) }

// jump sets the clock, in one leap and to either side.
func (w *world) jump(d time.Duration) error {
	w.now = w.now.Add(d)
	return w.show()
}

// put lets events onto the flow and everything that follows from them.
func (w *world) put(events ...lifeboat.Event) error {
	w.hand.holds = append(w.hand.holds, events...)
	return w.system.Flow.Advance(w.ctx, w.at())
}

// state is where the breaker stands: as it says itself, which must be what the journal says. A status page that says one
// thing while orders do another is how breakers fail in the field.
func (w *world) state() (lifeboat.BreakerState, error) {
	last, since := lifeboat.BreakerMove{To: lifeboat.Active}, time.Time{}
	for _, e := range w.journal.entries {
		if e.word != last.Word() {
			continue
		}
		if m, moved := e.event().(lifeboat.BreakerMove); moved {
			last, since = m, e.at
		}
	}
	b := w.system.Breaker
	switch {
	case b.State() != last.To:
		return b.State(), w.broken("the breaker says that it is %s, and the journal that it is %s", b.State(), last.To)
	case !b.Since().Equal(since):
		return b.State(), w.broken("the breaker says that it is %s since %s, and the journal since %s", b.State(), b.Since(), since)
	case !strings.Contains(b.Why(), last.Why) || b.Why() == "":
		return b.State(), w.broken("the breaker says that it is %s because of %q, and the journal because of %q", b.State(), b.Why(), last.Why)
	}
	return last.To, nil
}

// want holds the breaker to a state.
func (w *world) want(state lifeboat.BreakerState, when string) error {
	is, err := w.state()
	if err == nil && is != state {
		err = w.broken("%s the breaker is %s instead of %s", when, is, state)
	}
	return err
}

// An outcome is what became of an act.
type outcome struct {
	key     lifeboat.Key
	passed  bool   // its intent is in the journal
	refused string // why, as the journal says
	arrived bool   // the venue, the phone or the other system saw it
}

// act tries an act through the flow. An act that is neither in the journal nor refused there is the worst of all.
func (w *world) act(i lifeboat.Intent) (outcome, error) {
	before := len(w.journal.entries)
	if err := w.put(i); err != nil {
		return outcome{}, err
	}
	out := outcome{key: i.Key, arrived: w.arrived(i)}
	for _, written := range all[lifeboat.Intent](w.journal, before) {
		out.passed = out.passed || written.Key == i.Key
	}
	for _, r := range all[lifeboat.Refused](w.journal, before) {
		if r.Key == i.Key {
			out.refused = r.Why
		}
	}
	switch {
	case out.passed && out.refused != "":
		return out, w.broken("the journal has %s both as done and as refused", i.Key)
	case !out.passed && out.refused == "":
		return out, w.broken("an act (%s) was held back and the journal does not say why", i.Act)
	case !out.passed && out.arrived:
		return out, w.broken("an act (%s) was refused and carried out all the same", i.Act)
	}
	return out, nil
}

func (w *world) arrived(i lifeboat.Intent) bool {
	switch i.Act {
	case lifeboat.PlaceOrder:
		return w.placed(i.Order.Account, i.Key)
	case lifeboat.SendMessage:
		_, sent := w.phones.messages[i.Key]
		return sent
	case lifeboat.PerformTask:
		_, done := w.phones.tasks[i.Key]
		return done
	}
	return false
}

// placed reports that a venue has seen an order.
func (w *world) placed(account string, key lifeboat.Key) bool {
	v := w.venues[account]
	return v != nil && slices.ContainsFunc(v.Orders(), func(p paper.Placed) bool { return p.Order.ID == key })
}

// orders counts what every venue has seen.
func (w *world) orders() int {
	n := 0
	for _, v := range w.venues {
		n += len(v.Orders())
	}
	return n
}

// key is a new one.
func (w *world) key(what string) lifeboat.Key {
	w.acts++
	return lifeboat.NewKey("conformance", what, w.acts)
}

// run starts a run of a playbook by itself, as the plan would, and returns its name.
func (w *world) run(b plan.Playbook) (string, error) {
	content, hash := w.plan.PlaybookContent(b)
	w.acts++
	name := fmt.Sprintf("R-shadow-%d", w.acts)
	return name, w.put(lifeboat.RunStarted{Run: name, Playbook: b.Name, Hash: hash, Content: content, Tier: lifeboat.Emergency, By: "plan"})
}

// idle starts a run that does nothing by itself, for the acts that the kit tries in its name.
func (w *world) idle() (string, error) {
	return w.run(plan.Playbook{Name: "conformance", Steps: []plan.Step{{Name: "wait", Wait: &plan.Wait{For: plan.Duration(10 * 365 * 24 * time.Hour)}}}})
}

// order of a run that does nothing else; price is a multiple of the last one, and 0 for the market.
func (w *world) order(run string, side lifeboat.Side, q quantity, price float64) lifeboat.Intent {
	key := w.key("order")
	arrival := decimal.NewFromFloat(w.prices[lifeboat.Series(q.symbol)])
	o := &lifeboat.Order{ID: key, Account: q.account, Symbol: q.symbol, Side: side, Type: lifeboat.Market, Quantity: q.units, Arrival: arrival}
	if price > 0 {
		o.Type, o.Limit = lifeboat.Limit, arrival.Mul(decimal.NewFromFloat(price)).Round(8)
	}
	return lifeboat.Intent{Key: key, Act: lifeboat.PlaceOrder, Run: run, Step: "1", Order: o}
}

// cancel of an order of a run.
func (w *world) cancel(run string, order lifeboat.Intent) lifeboat.Intent {
	return lifeboat.Intent{Key: w.key("cancel"), Act: lifeboat.CancelOrder, Run: run, Step: "1", Cancel: order.Key, Account: order.Order.Account}
}

// message of a run to everybody.
func (w *world) message(run string) lifeboat.Intent {
	return lifeboat.Intent{Key: w.key("message"), Act: lifeboat.SendMessage, Run: run, Step: "1",
		Message: &lifeboat.Message{To: names(w.plan.People), Text: "a word of the conformance kit"}}
}

// broken is what was seen instead, with the journal that shows it.
func (w *world) broken(format string, args ...any) error {
	return &broken{fmt.Sprintf(format, args...), w.journal.lines()}
}

func names(people []plan.Person) []string {
	var names []string
	for _, p := range people {
		names = append(names, p.Name)
	}
	return names
}
