// Package ibkr sends orders to Interactive Brokers by its Client Portal gateway: a program on the owner's machine into which
// a person logs in with a browser, and which then speaks for that login.
//
// The gateway is a dependency that fails on its own: its session ends every night, after minutes of silence, and when the
// same user logs in elsewhere. [Venue.Run] keeps it alive, [Venue.Session] says how it stands, and everything else fails
// with one sentence while nobody is logged in. An order may be answered with a question; those that ask for nothing the plan
// has not decided already are confirmed (see [Questions]), all others are declined and become a refusal that quotes them.
//
// The order's key travels as cOID, which Interactive Brokers wants to be unique for 24 hours: a second order under it is
// refused within that time, and [Venue.Memory] is that long. A key is absent only by all of these: the order list, read
// afresh, does not have it (it holds every open order, and those that ended in the session); the executions of seven days
// do not have it; and both were read more than 30 seconds after the last request under that key was cut off, after this
// process began, since the gateway may still be passing on what a process before it sent, and after the session began. What a session before this one
// ended without any fill is absent too: it moved nothing and cannot any more.
//
// It trades shares and funds in whole units and in the account's base currency, within regular hours, good till cancelled.
// It modifies no order, sells nothing short knowingly, and never suppresses questions at the broker.
package ibkr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/rest"
)

// Venue is one account at Interactive Brokers. Run may go on beside the other methods, which are called one at a time.
type Venue struct {
	c      venue.Connection
	rest   *rest.Caller
	budget *rest.Budget
	pace   pace
	born   time.Time // nothing that was sent before it is waited for longer than settles

	number    string                     // the broker's own of the account, as the step under way found it
	contracts map[string]contract        // :: plan's symbol → what it is there
	tickets   map[lifeboat.Key]ticket    // :: key → the order as this process sent or saw it
	doubtful  map[lifeboat.Key]time.Time // :: key → when a request under it was cut off

	mu      sync.Mutex // guards all below: Run has its own goroutine
	session Session
	heard   time.Time // when the gateway last said how the session stands
	revived time.Time // when a new brokerage session was last asked for
	account string    // the broker's number; "" until it was opened in this session
}

const (
	name     = "Interactive Brokers"
	baseURL  = "https://localhost:5000/v1/api"
	minutely = 600 // requests: the gateway allows ten in a second

	// settles is after what time a request that was cut off cannot arrive any more.
	settles = 30 * time.Second
	// ticketsMax is how many orders are remembered; what is forgotten is looked up again.
	ticketsMax = 2000
	// keyLasts is how long the broker refuses a second order under a key.
	keyLasts = 24 * time.Hour
)

// New makes the connector; it calls nobody.
func New(c venue.Connection) (*Venue, error) {
	switch {
	case c.Account == "" || c.Currency == "":
		return nil, errors.New("connect to Interactive Brokers: an account needs a name and a base currency")
	case c.Key != "" || c.Secret != "":
		return nil, fmt.Errorf("connect %q to Interactive Brokers: the gateway takes no key: a person logs in to it in a browser", c.Account)
	}
	if c.Clock == nil {
		c.Clock = lifeboat.WallClock{}
	}
	c.URL = strings.TrimRight(cmp.Or(c.URL, baseURL), "/")
	v := &Venue{
		c: c, budget: rest.NewBudget(cmp.Or(c.PerMinute, minutely)), born: c.Clock.Now(),
		contracts: map[string]contract{}, tickets: map[lifeboat.Key]ticket{}, doubtful: map[lifeboat.Key]time.Time{},
	}
	v.rest = &rest.Caller{Venue: name, Base: c.URL, Client: c.Client, Clock: c.Clock, Budget: v.budget, Log: c.Log, Explain: explain, Scrub: c.Scrub}
	return v, nil
}

// Memory is how long a key is refused a second time.
func (v *Venue) Memory() time.Duration { return keyLasts }

// Place sends an order once. What is asked back is answered by the table of questions.
func (v *Venue) Place(ctx context.Context, _ time.Time, o lifeboat.Order) (lifeboat.Receipt, error) {
	const step = "place order"
	why := unfit(o)
	if why == "" && o.Symbol == v.c.Currency { // a fund may have that ticker
		why = fmt.Sprintf("%s is the account's cash", o.Symbol)
	}
	if why != "" {
		return v.rejected(o.ID, why), nil
	}
	account, err := v.open(ctx, step)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	what, why, err := v.contract(ctx, o.Symbol)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	if why == "" && !o.Quantity.IsInteger() {
		why = fmt.Sprintf("%s of %s cannot be traded: Interactive Brokers takes whole units here", o.Quantity, o.Symbol)
	}
	if why != "" {
		return v.rejected(o.ID, why), nil
	}
	t := ticketFor(o, what)
	if t.kind == lifeboat.Limit && !t.limit.IsPositive() {
		return v.rejected(o.ID, fmt.Sprintf("the limit %s is less than the smallest step of the price of %s", o.Limit, o.Symbol)), nil
	}
	request := rest.Request{Step: step, Method: http.MethodPost, Path: "/iserver/account/" + account + "/orders", Urgent: true,
		Body: map[string]any{"orders": []wireOrder{t.wire(account)}}}
	return v.converse(ctx, o, t, request)
}

// converse sends an order and answers questions until there is an order, a refusal or a question too many.
func (v *Venue) converse(ctx context.Context, o lifeboat.Order, t ticket, request rest.Request) (lifeboat.Receipt, error) {
	for asked := 0; ; asked++ {
		said, err := v.say(ctx, o.ID, request)
		switch {
		case err != nil:
			return lifeboat.Receipt{}, err
		case said.refusal != "":
			return v.refused(ctx, o, t, said.refusal)
		case said.order != "":
			return v.taken(ctx, o.ID, t, said)
		}
		if asked < questionsMax && said.question.harmless(o) {
			request = rest.Request{Step: "confirm the question about the order", Method: http.MethodPost, Path: "/iserver/reply/" + said.question.id, Urgent: true,
				Body: map[string]bool{"confirmed": true}}
			continue
		}
		return v.decline(ctx, o, t, said.question, asked)
	}
}

// say makes one call under a key that may create an order. When nobody knows whether it did, the time is noted.
func (v *Venue) say(ctx context.Context, key lifeboat.Key, r rest.Request) (answer, error) {
	got, err := v.do(ctx, anyCall, r, nil)
	if err != nil {
		e, told := rest.As(err)
		switch {
		case told && e.Status == http.StatusBadRequest || told && e.Status == http.StatusForbidden:
			return answer{refusal: e.Message}, nil
		case told && (!e.Reached || e.Throttled):
			return answer{}, err // it was turned away, or never left
		case told || ctx.Err() != nil:
			v.doubt(key)
		}
		return answer{}, err
	}
	said, err := readAnswer(got.Body)
	if err == nil && said.key != "" && said.key != key {
		err = fmt.Errorf("the answer is about %q", v.scrub(string(said.key)))
	}
	if err != nil {
		v.doubt(key)
		return answer{}, fmt.Errorf("%s: %s: %w", name, r.Step, err)
	}
	return said, nil
}

// taken is the receipt of an order that the broker took. A status that is not simply open is looked up with its fills.
func (v *Venue) taken(ctx context.Context, key lifeboat.Key, t ticket, said answer) (lifeboat.Receipt, error) {
	delete(v.doubtful, key)
	t.id = said.order
	v.remember(key, t)
	if status, known := statuses[strings.ToLower(said.status)]; known && status == lifeboat.Accepted {
		return lifeboat.Receipt{Key: key, Account: v.c.Account, Status: lifeboat.Accepted, VenueID: said.order}, nil
	}
	return v.ask(ctx, "place order", key)
}

// refused believes a refusal only once the broker shows no order under the key: it may have been refused because the key
// is taken, in whatever words.
func (v *Venue) refused(ctx context.Context, o lifeboat.Order, t ticket, why string) (lifeboat.Receipt, error) {
	const step = "place order"
	settled := v.settled(o.ID)
	found, listed, err := v.find(ctx, step, o.ID)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	if listed {
		r, err := v.receipt(ctx, step, o.ID, found)
		if err == nil && !t.same(found) {
			r.Status, r.Why = lifeboat.OrderRejected, fmt.Sprintf("the key %s belongs to another order: %s %s %s", o.ID, found.side, found.total, v.ours(found.conid, found.ticker))
		}
		return r, err
	}
	dealt, err := v.executions(ctx, step)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	if d := dealt[o.ID]; d != nil {
		return v.ended(o.ID, d), nil
	}
	if taken(why) && !settled {
		return lifeboat.Receipt{}, fmt.Errorf("%s: %s: it has the key %s already and does not list its order yet", name, step, o.ID)
	}
	return v.rejected(o.ID, name+" refuses it: "+why), nil
}

// decline takes back an order that a question stands before, and tells the question.
func (v *Venue) decline(ctx context.Context, o lifeboat.Order, t ticket, q question, asked int) (lifeboat.Receipt, error) {
	got, err := v.do(ctx, anyCall, rest.Request{Step: "decline the question about the order", Method: http.MethodPost, Path: "/iserver/reply/" + q.id, Urgent: true,
		Body: map[string]bool{"confirmed": false}}, nil)
	if err != nil {
		if e, told := rest.As(err); !told || e.Status != http.StatusBadRequest {
			v.doubt(o.ID)
			return lifeboat.Receipt{}, err
		}
	}
	if said, err := readAnswer(got.Body); err == nil && said.order != "" {
		return v.taken(ctx, o.ID, t, said) // it went through nevertheless
	}
	if asked == questionsMax {
		return v.rejected(o.ID, fmt.Sprintf("%s asks more than %d questions about it; the last one: %s", name, questionsMax, q)), nil
	}
	return v.rejected(o.ID, fmt.Sprintf("%s asks what only a person may answer: %s", name, q)), nil
}

// Ask says where an order stands.
func (v *Venue) Ask(ctx context.Context, _ time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	if _, err := v.open(ctx, "ask for order"); err != nil {
		return lifeboat.Receipt{}, err
	}
	return v.ask(ctx, "ask for order", id)
}

// ask looks by the broker's number first, which answers at once, then in the list, then among the executions.
func (v *Venue) ask(ctx context.Context, step string, id lifeboat.Key) (lifeboat.Receipt, error) {
	if t, known := v.tickets[id]; known && t.id != "" {
		found, listed, err := v.byNumber(ctx, step, t)
		if err != nil {
			return lifeboat.Receipt{}, err
		}
		if listed {
			return v.receipt(ctx, step, id, found)
		}
	}
	settled := v.settled(id)
	found, listed, err := v.find(ctx, step, id)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	if listed {
		return v.receipt(ctx, step, id, found)
	}
	dealt, err := v.executions(ctx, step)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	switch d := dealt[id]; {
	case d != nil:
		return v.ended(id, d), nil
	case v.tickets[id].id != "":
		return lifeboat.Receipt{}, fmt.Errorf("%s: %s: it took order %s and does not list it any more", name, step, id)
	case !settled:
		return lifeboat.Receipt{}, fmt.Errorf("%s: %s: order %s is not listed, and may still be on its way for %s", name, step, id, settles)
	}
	delete(v.doubtful, id)
	return lifeboat.Receipt{}, fmt.Errorf("%s: order %s: %w", step, id, lifeboat.ErrAbsent)
}

// Cancel takes back what is not filled.
func (v *Venue) Cancel(ctx context.Context, _ time.Time, id lifeboat.Key) (lifeboat.Receipt, error) {
	const step = "cancel order"
	account, err := v.open(ctx, step)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	before, err := v.ask(ctx, step, id)
	if err != nil || before.Status.Final() {
		return before, err
	}
	_, err = v.do(ctx, anyCall, rest.Request{Step: step, Method: http.MethodDelete, Path: "/iserver/account/" + account + "/order/" + before.VenueID, Urgent: true}, nil)
	if e, told := rest.As(err); told && e.Status == http.StatusBadRequest {
		if t, known := v.tickets[id]; known {
			t.dead = true
			v.remember(id, t)
		}
	} else if err != nil {
		return lifeboat.Receipt{}, err
	}
	return v.afterCancel(ctx, step, id)
}

// afterCancel waits a moment for the destination's word: the broker acknowledges the request, not the cancellation.
func (v *Venue) afterCancel(ctx context.Context, step string, id lifeboat.Key) (lifeboat.Receipt, error) {
	for try := 0; ; try++ {
		r, err := v.ask(ctx, step, id)
		if err != nil || r.Status.Final() || try == 3 {
			return r, err
		}
		if err := v.c.Clock.Sleep(ctx, v.c.Clock.Now().Add(time.Second)); err != nil {
			return r, nil
		}
	}
}

// Since lists the orders under lifeboat's keys that the broker still shows: all open ones, what ended in its session, and
// from before that what was executed since the time. The list does not say when an order came, so it may hold older ones.
func (v *Venue) Since(ctx context.Context, _, since time.Time) ([]lifeboat.PlacedOrder, error) {
	const step = "list orders"
	if _, err := v.open(ctx, step); err != nil {
		return nil, err
	}
	listed, err := v.orders(ctx, step)
	if err != nil {
		return nil, err
	}
	dealt, err := v.executions(ctx, step)
	if err != nil {
		return nil, err
	}
	var placed []lifeboat.PlacedOrder
	seen := map[lifeboat.Key]bool{}
	for _, s := range listed {
		seen[s.key] = true
		if !strings.HasPrefix(string(s.key), "lb-") {
			continue
		}
		r, err := v.tell(s.key, s, dealt[s.key])
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, step, err)
		}
		if r.Status != lifeboat.OrderRejected {
			placed = append(placed, lifeboat.PlacedOrder{Order: v.orderOf(s), Receipt: r})
		}
	}
	for key, d := range dealt {
		if !seen[key] && strings.HasPrefix(string(key), "lb-") && !d.last.Before(since) {
			r := v.ended(key, d)
			r.Status = lifeboat.Filled
			placed = append(placed, lifeboat.PlacedOrder{Receipt: r, Order: lifeboat.Order{ID: key, Account: v.c.Account, Symbol: v.ours(d.conid, d.ticker),
				Side: d.side, Type: lifeboat.Market, Quantity: d.size}})
		}
	}
	return sorted(placed), nil
}

// unfit says why nothing could be sent for an order; "" when it could.
func unfit(o lifeboat.Order) string {
	switch {
	case o.ID == "" || len(o.ID) > 40:
		return "the order has no key that could be sent"
	case o.Side != lifeboat.Buy && o.Side != lifeboat.Sell:
		return fmt.Sprintf("%q is neither buy nor sell", o.Side)
	case o.Type != lifeboat.Market && o.Type != lifeboat.Limit:
		return fmt.Sprintf("%q is neither a market nor a limit order", o.Type)
	case !o.Quantity.IsPositive():
		return fmt.Sprintf("%s is no quantity to trade", o.Quantity)
	case o.Type == lifeboat.Limit && !o.Limit.IsPositive():
		return fmt.Sprintf("%s is no limit price", o.Limit)
	case o.Type == lifeboat.Market && !o.Limit.IsZero():
		return "a market order has no limit price"
	}
	return ""
}

func (v *Venue) rejected(key lifeboat.Key, why string) lifeboat.Receipt {
	return lifeboat.Receipt{Key: key, Account: v.c.Account, Status: lifeboat.OrderRejected, Why: v.scrub(why)}
}

func (v *Venue) scrub(text string) string {
	if v.c.Scrub == nil {
		return text
	}
	return v.c.Scrub(text)
}

// doubt notes that a request under a key was cut off now.
func (v *Venue) doubt(key lifeboat.Key) {
	now := v.c.Clock.Now()
	for other, at := range v.doubtful {
		if now.Sub(at) > keyLasts {
			delete(v.doubtful, other)
		}
	}
	v.doubtful[key] = now
}

// settled reports that no request under a key can still be on its way, and that the broker has had time to show its orders
// in this session. It is asked before the lists are read.
func (v *Venue) settled(key lifeboat.Key) bool {
	v.mu.Lock()
	last := v.session.Since
	v.mu.Unlock()
	for _, at := range []time.Time{v.born, v.doubtful[key]} {
		if at.After(last) {
			last = at
		}
	}
	return v.c.Clock.Now().Sub(last) >= settles
}

// remember keeps an order by its key; beyond the limit all are forgotten, and looked up when they are asked for.
func (v *Venue) remember(key lifeboat.Key, t ticket) {
	if len(v.tickets) >= ticketsMax {
		clear(v.tickets)
	}
	v.tickets[key] = t
}
