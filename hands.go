package lifeboat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Hands carry out intents: venues for orders, channels for messages.
type Hands interface {
	// CarryOut does the act once. An error means that nobody knows whether it happened: it is asked for later,
	// never repeated blindly.
	CarryOut(ctx context.Context, at time.Time, act Intent) (Receipt, error)
	// Ask says where the act stands. ErrAbsent is proof that the act never reached the other side; any other
	// error is none.
	Ask(ctx context.Context, at time.Time, act Intent) (Receipt, error)
	// Stop is Ask for a task that was cancelled: it is left off as soon as nothing of it is out, or never begun, and what is out goes on to its
	// end. It is said again for as long as that end is not known.
	Stop(ctx context.Context, at time.Time, task Intent) (Receipt, error)
	// Memory is how long the other side knows a key again; 0 is for ever. After that its not knowing a key proves nothing.
	Memory(act Intent) time.Duration
	// Orders lists what the venue of an account has received since a time under keys of lifeboat's, open ones always.
	Orders(ctx context.Context, at time.Time, account string, since time.Time) ([]PlacedOrder, error)
}

// ErrAbsent is a venue's proof that it never saw a key, so that sending is safe.
var ErrAbsent = errors.New("the venue never saw this key")

// An undertaking is an intent in the journal whose end is not.
type undertaking struct {
	intent  Intent
	written time.Time
	last    Receipt // zero Status when nothing is known
}

// askAfterOpen asks the other side about every open undertaking, and lists what provably never arrived.
func (f *Flow) askAfterOpen(ctx context.Context, at time.Time) (absent []Key, err error) {
	for _, u := range slices.Clone(f.open) {
		arrived, err := f.askAfter(ctx, at, u)
		if err != nil {
			return nil, err
		}
		if !arrived {
			absent = append(absent, u.intent.Key)
		}
	}
	return absent, nil
}

func (f *Flow) askAfter(ctx context.Context, at time.Time, u undertaking) (arrived bool, err error) {
	if u.intent.Act == PerformTask && f.canceled[u.intent.Key] { // it must not go on after a crash, whether or not anybody had heard of it
		receipt, err := f.Hands.Stop(ctx, at, u.intent)
		return f.answered(at, u, receipt, err)
	}
	receipt, err := f.Hands.Ask(ctx, at, u.intent)
	return f.answered(at, u, receipt, err)
}

// answered takes in what the other side says of an undertaking, and reports whether it has it.
func (f *Flow) answered(at time.Time, u undertaking, receipt Receipt, err error) (arrived bool, _ error) {
	if errors.Is(err, ErrAbsent) {
		return false, nil
	}
	if err != nil {
		receipt = unknown(u.intent, err)
	}
	if u.intent.Act == PerformTask && receipt.Status == Accepted && u.last.Status == Accepted && receipt.Why != u.last.Why {
		return true, f.record(at, receipt) // it tells how far it has come, or what it waits for; whoever performs it bounds how often
	}
	return true, f.receive(at, receipt, u.last)
}

// send sends what never arrived. What was cancelled is not sent, and neither is what the other side has confirmed
// before: that it forgot is no proof, so the order stays open until it is cancelled, with what was filled of it.
func (f *Flow) send(ctx context.Context, at time.Time, key Key) error {
	i := f.find(key)
	if i < 0 {
		return nil // its end has become known
	}
	u := f.open[i]
	if _, held := f.quarantine.Holds(u.intent.AccountOf()); u.last.Lost || held && u.intent.Act != CancelOrder {
		return nil // a person is asked already, or nothing is sent there yet
	}
	if memory := f.Hands.Memory(u.intent); memory > 0 && at.Sub(u.written) > memory-clocksDiffer {
		return f.receive(at, lost(u, fmt.Sprintf("the other side forgets keys after %s, so that it does not know this one proves nothing", memory)), u.last)
	}
	confirmed := u.last.Status != "" && u.last.Status != Unknown
	if f.canceled[u.intent.Key] && u.intent.Act == PerformTask {
		if confirmed {
			return f.receive(at, lost(u, "it was stopped, and whoever was to perform it does not know it any more"), u.last)
		}
		return f.receive(at, Receipt{Key: key, Status: NotPerformed, Why: "it was stopped before it was begun"}, u.last)
	}
	if f.canceled[u.intent.Key] {
		end := u.last
		end.Key, end.Account, end.Status, end.Why = u.intent.Key, u.intent.AccountOf(), Canceled, "canceled before it reached the venue"
		if confirmed {
			end.Why = "canceled; the venue does not know the order any more"
		}
		return f.receive(at, end, u.last)
	}
	if confirmed {
		return nil
	}
	if until, limited := f.consent.until(u.intent); limited && !at.Before(until) {
		return f.receive(at, Receipt{Key: key, Account: u.intent.AccountOf(), Status: Expired,
			Why: fmt.Sprintf("the yes to it counted until %s, and it had not reached the venue by then", until.Format(time.RFC3339))}, u.last)
	}
	if u.intent.Act == PlaceOrder { // who stood behind it when it was written may not any more
		if err := f.Allow(u.intent); err != nil {
			return f.receive(at, Receipt{Key: key, Account: u.intent.AccountOf(), Status: OrderRejected, Why: err.Error()}, u.last)
		}
	}
	return f.carryOut(ctx, at, u.intent, u.last)
}

// clocksDiffer is by how much an act may be older than it looks: this machine's clock may have been set back meanwhile, and a
// daemon does not go on when it was set back farther.
const clocksDiffer = 5 * time.Minute

func (f *Flow) carryOut(ctx context.Context, at time.Time, intent Intent, last Receipt) error {
	if f.Fence != nil {
		if err := f.Fence(); err != nil {
			return err
		}
	}
	if i := f.find(intent.Cancel); i >= 0 && f.open[i].intent.Act == PerformTask {
		return f.stop(ctx, at, intent, last)
	}
	receipt, err := f.Hands.CarryOut(ctx, at, intent)
	if err != nil {
		receipt = unknown(intent, err)
	}
	if err := f.receive(at, receipt, last); err != nil || intent.Act != CancelOrder {
		return err
	}
	i := f.find(intent.Cancel)
	if i < 0 {
		return nil
	}
	if arrived, err := f.askAfter(ctx, at, f.open[i]); arrived || err != nil { // what the cancellation left of the order
		return err
	}
	return f.send(ctx, at, intent.Cancel)
}

// stop carries out the cancellation of a task: whoever performs it is told, and says how it stands then.
func (f *Flow) stop(ctx context.Context, at time.Time, cancel Intent, last Receipt) error {
	u := f.open[f.find(cancel.Cancel)]
	stands, err := f.Hands.Stop(ctx, at, u.intent)
	absent := errors.Is(err, ErrAbsent)
	if err != nil && !absent {
		return f.receive(at, unknown(cancel, err), last)
	}
	if err := f.receive(at, Receipt{Key: cancel.Key, Status: Sent}, last); err != nil {
		return err
	}
	if absent {
		return f.send(ctx, at, u.intent.Key)
	}
	return f.receive(at, stands, u.last)
}

func (f *Flow) find(key Key) int {
	return slices.IndexFunc(f.open, func(u undertaking) bool { return u.intent.Key == key })
}

// receive records a receipt that says something new. A reply that was overtaken on its way says less than what is known.
func (f *Flow) receive(at time.Time, r, last Receipt) error {
	if r.Status == last.Status && r.Filled.Equal(last.Filled) && r.Lost == last.Lost && maps.Equal(r.Facts, last.Facts) || r.Status != Unknown && r.Filled.LessThan(last.Filled) {
		return nil
	}
	if r.Status == Unknown && last.Status != "" && (!r.Lost || last.Lost) {
		return nil // that the venue is out of reach does not unmake what it said before
	}
	return f.record(at, r)
}

func unknown(intent Intent, err error) Receipt {
	return Receipt{Key: intent.Key, Account: intent.AccountOf(), Status: Unknown, Why: err.Error()}
}

// lost is the receipt of an act about which nobody can be asked any more. What was filled of it as far as is known stays.
func lost(u undertaking, why string) Receipt {
	r := u.last
	r.Key, r.Account, r.Status, r.Why, r.Lost = u.intent.Key, u.intent.AccountOf(), Unknown, why, true
	return r
}

// reconcileBefore is how far before the last entry a comparison with a venue reaches: what was sent last may be older at
// the venue than its entry here.
const reconcileBefore = 24 * time.Hour

// reconcile compares every account in quarantine with its venue. One that is out of reach stays where it is.
func (f *Flow) reconcile(ctx context.Context, at time.Time) error {
	for _, account := range f.quarantine.Unasked() {
		placed, err := f.Hands.Orders(ctx, at, account, f.since)
		if err != nil {
			continue // it is asked again at the next round; until then nothing is sent to it
		}
		found := Reconciled{Account: account}
		for _, o := range placed {
			if f.known[o.Order.ID] {
				found.Known++
			} else {
				found.Strange = append(found.Strange, o)
			}
		}
		if err := f.record(at, found); err != nil {
			return err
		}
	}
	return nil
}

// adopt takes in orders that the journal did not know: they are never sent, and those still open are asked about.
func (f *Flow) adopt(at time.Time, found Reconciled) {
	for _, s := range found.Strange {
		f.know(s.Order.ID)
		if !s.Receipt.Status.Final() {
			order := s.Order
			f.open = append(f.open, undertaking{intent: Intent{Key: order.ID, Act: PlaceOrder, Order: &order}, written: at, last: s.Receipt})
		}
	}
}

func (f *Flow) know(order Key) {
	if f.known == nil {
		f.known = map[Key]bool{}
	}
	f.known[order] = true
}

func (f *Flow) cancel(key Key) {
	if f.canceled == nil {
		f.canceled = map[Key]bool{}
	}
	f.canceled[key] = true
}

// AccountOf is the account an act concerns; "" for a message.
func (i Intent) AccountOf() string {
	if i.Order != nil {
		return i.Order.Account
	}
	return i.Account
}

// consent folds until when the yes behind each step that acts counts. A step forms its orders in time; one that was lost on its
// way may be found missing much later.
type consent struct {
	asked   map[Key]permitted       // :: question → what a yes to it permits
	granted map[[2]string]time.Time // :: run and step → until when
}

type permitted struct {
	step  [2]string
	until time.Time
	shown string
}

func (c *consent) apply(e Event) {
	switch e := e.(type) {
	case Intent:
		if e.Message == nil || !e.Message.Question || e.Message.Proposal == nil {
			break
		}
		if c.asked == nil {
			c.asked, c.granted = map[Key]permitted{}, map[[2]string]time.Time{}
		}
		p := e.Message.Proposal
		c.asked[e.Key] = permitted{step: [2]string{p.Run, p.Step}, until: p.Until, shown: e.Message.Content}
	case Answer:
		if p, ok := c.asked[Key(e.Question)]; ok && e.Yes && e.Content == p.shown {
			c.granted[p.step] = p.until
		}
	case RunFinished:
		maps.DeleteFunc(c.asked, func(_ Key, p permitted) bool { return p.step[0] == e.Run })
	}
}

// until is when what permits an act ends; false for an act that needs no yes.
func (c *consent) until(i Intent) (time.Time, bool) {
	until, ok := c.granted[[2]string{i.Run, i.Step}]
	return until, ok
}
