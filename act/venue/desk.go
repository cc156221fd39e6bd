package venue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"lifeboat"
)

// Desk carries out the intents of a flow: it is the flow's lifeboat.Hands.
//
// Orders happen at most once, because venues can be asked about a key. Messages and cancellations happen at least
// once: after a crash between the act and its receipt nobody can be asked whether they arrived, so they go out again
// under the same key. A person may be told twice and an order cancelled twice; neither moves money.
//
// An order that is cancelled before it reached its venue is not sent afterwards: the desk remembers it until the
// program ends.
type Desk struct {
	venues    map[string]Venue // :: account → where it trades
	notifier  Notifier
	performs  map[string]Performer  // :: kind of task → who does it
	withdrawn map[lifeboat.Key]bool // cancelled when the venue had never seen it
}

// NewDesk joins the venue of each account, and whoever hands messages over at once.
func NewDesk(venues map[string]Venue, people Teller) *Desk {
	return &Desk{venues: venues, notifier: atOnce{people}, withdrawn: map[lifeboat.Key]bool{}}
}

// Notify lets a notifier bring the messages from now on.
func (d *Desk) Notify(by Notifier) { d.notifier = by }

// Perform lets a performer carry out the tasks of a kind.
func (d *Desk) Perform(kind string, by Performer) {
	if d.performs == nil {
		d.performs = map[string]Performer{}
	}
	d.performs[kind] = by
}

// CarryOut does the act once. An error means that nobody knows whether it happened.
func (d *Desk) CarryOut(ctx context.Context, at time.Time, act lifeboat.Intent) (lifeboat.Receipt, error) {
	switch {
	case act.Act == lifeboat.PlaceOrder && act.Order != nil:
		return d.place(ctx, at, act)
	case act.Act == lifeboat.CancelOrder && act.Cancel != "":
		return d.cancel(ctx, at, act)
	case act.Act == lifeboat.SendMessage && act.Message != nil:
		return d.send(ctx, at, act)
	case act.Act == lifeboat.PerformTask && act.Task != nil:
		by := d.performs[act.Task.Kind]
		if by == nil {
			return lifeboat.Receipt{Key: act.Key, Status: lifeboat.NotPerformed, Why: fmt.Sprintf("nobody here performs a task of kind %q", act.Task.Kind)}, nil
		}
		return by.Perform(ctx, at, act.Key, *act.Task)
	}
	return rejected(act, fmt.Sprintf("the intent says %q and holds nothing of the kind", act.Act)), nil
}

// Memory of the venue of an act.
func (d *Desk) Memory(act lifeboat.Intent) time.Duration {
	if v := d.venues[act.AccountOf()]; v != nil && act.Act == lifeboat.PlaceOrder {
		return v.Memory()
	}
	return 0
}

// Orders of an account's venue. An account without one has none, and nothing can be sent to it.
func (d *Desk) Orders(ctx context.Context, at time.Time, account string, since time.Time) ([]lifeboat.PlacedOrder, error) {
	if v := d.venues[account]; v != nil {
		return v.Since(ctx, at, since)
	}
	return nil, nil
}

// Ask says where an order, a task or a message stands. Cancellations are absent by definition, so that they are sent again.
//
// An account without a venue is no proof of absence: its venue may have left the plan while the order was open there.
func (d *Desk) Ask(ctx context.Context, at time.Time, act lifeboat.Intent) (lifeboat.Receipt, error) {
	if act.Act == lifeboat.PerformTask && act.Task != nil && d.performs[act.Task.Kind] != nil {
		return d.performs[act.Task.Kind].Ask(ctx, at, act.Key, *act.Task)
	}
	if act.Act == lifeboat.SendMessage {
		return d.notifier.Ask(ctx, at, act.Key)
	}
	if act.Act != lifeboat.PlaceOrder {
		return lifeboat.Receipt{}, lifeboat.ErrAbsent
	}
	v := d.venues[act.AccountOf()]
	if v == nil {
		return lifeboat.Receipt{}, fmt.Errorf("ask for order %s: the account %q has no venue that could be asked", act.Key, act.AccountOf())
	}
	return v.Ask(ctx, at, act.Key)
}

// Stop has a task left off, where its performer can. Where it cannot, the task goes on to its end.
func (d *Desk) Stop(ctx context.Context, at time.Time, task lifeboat.Intent) (lifeboat.Receipt, error) {
	if by, can := d.performs[task.Task.Kind].(Stopper); can {
		return by.Stop(ctx, at, task.Key, *task.Task)
	}
	return d.Ask(ctx, at, task)
}

func (d *Desk) place(ctx context.Context, at time.Time, act lifeboat.Intent) (lifeboat.Receipt, error) {
	v := d.venues[act.Order.Account]
	switch {
	case v == nil:
		return rejected(act, fmt.Sprintf("the account %q has no venue: it is acted on by people only", act.Order.Account)), nil
	case act.Order.ID != act.Key:
		// The flow would ask for one key and the venue would know another: the order could be sent twice.
		return rejected(act, fmt.Sprintf("the intent's key %s is not its order's id %s", act.Key, act.Order.ID)), nil
	case d.withdrawn[act.Key]:
		return lifeboat.Receipt{Key: act.Key, Account: act.Order.Account, Status: lifeboat.Canceled, Why: "it was cancelled before it reached the venue"}, nil
	}
	return v.Place(ctx, at, *act.Order)
}

// cancel answers for the request alone: the order's own receipt comes when the flow asks for the order. Tasks are cancelled by Stop; what
// comes here is the cancellation of one that has ended meanwhile.
func (d *Desk) cancel(ctx context.Context, at time.Time, act lifeboat.Intent) (lifeboat.Receipt, error) {
	if act.Account == "" {
		return lifeboat.Receipt{Key: act.Key, Status: lifeboat.Sent, Why: "there was nothing to stop: the task has ended"}, nil
	}
	v := d.venues[act.Account]
	if v == nil {
		return rejected(act, fmt.Sprintf("the account %q has no venue that could cancel", act.Account)), nil
	}
	after, err := v.Cancel(ctx, at, act.Cancel)
	sent := lifeboat.Receipt{Key: act.Key, Account: act.Account, Status: lifeboat.Sent}
	switch {
	case errors.Is(err, lifeboat.ErrAbsent):
		d.withdrawn[act.Cancel] = true
		sent.Why = "the order had not reached the venue, and will not be sent"
	case err != nil:
		return lifeboat.Receipt{}, err
	case after.Status != lifeboat.Canceled && after.Status.Final():
		sent.Why = fmt.Sprintf("there was nothing to cancel: the order is %s", after.Status)
	}
	return sent, nil
}

// send hands a message to the notifier. What the notifier accepted it holds in memory only, so to the flow that is not yet
// an answer: it never repeats what the other side has confirmed, and a crash would swallow the message.
func (d *Desk) send(ctx context.Context, at time.Time, act lifeboat.Intent) (lifeboat.Receipt, error) {
	receipt, err := d.notifier.Send(ctx, at, act.Key, *act.Message)
	if err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("send message: %w", err)
	}
	if receipt.Status == lifeboat.Accepted {
		receipt.Status, receipt.Why = lifeboat.Unknown, cmp.Or(receipt.Why, "the message is on its way")
	}
	return receipt, nil
}

// atOnce is a teller as the desk knows notifiers: what it was given is sent, and it remembers nothing.
type atOnce struct{ people Teller }

func (a atOnce) Send(ctx context.Context, at time.Time, key lifeboat.Key, m lifeboat.Message) (lifeboat.Receipt, error) {
	if err := a.people.Send(ctx, at, key, m); err != nil {
		return lifeboat.Receipt{}, err
	}
	return lifeboat.Receipt{Key: key, Status: lifeboat.Sent}, nil
}

func (atOnce) Ask(context.Context, time.Time, lifeboat.Key) (lifeboat.Receipt, error) {
	return lifeboat.Receipt{}, lifeboat.ErrAbsent
}

func rejected(act lifeboat.Intent, why string) lifeboat.Receipt {
	return lifeboat.Receipt{Key: act.Key, Account: act.AccountOf(), Status: lifeboat.OrderRejected, Why: why}
}
