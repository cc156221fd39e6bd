// Package venue is where orders leave the house: [Venue] is what every broker, exchange and wallet has to do for
// lifeboat, and [Desk] brings each intent of the flow to the venue of its account, or to the notifier.
//
// The one promise that matters is kept by both sides: an order is placed at most once per key. The flow chooses the
// key before it sends, and in doubt asks; the venue answers a key it has seen with the state of that order and never
// makes a second one of it. venuetest holds every venue to this.
//
// The package knows no venue by name: paper is the simulated one, and app chooses. It keeps nothing: what was sent
// is in the journal, what happened is at the venue.
package venue

import (
	"context"
	"time"

	"lifeboat"
)

// Venue places orders at most once per key.
//
// Time is an argument, so that a drill and a live day are the same calls; a real venue may use it for nothing but its
// log. An error from any method means that nobody knows what happened: the caller asks later. What the venue knows
// and does not like is no error but a receipt with status rejected and a Why for people.
//
// The totals in the receipts of one key (Filled, Fee) never go down, and a final status never changes.
type Venue interface {
	// Place sends an order. The same key with the same content again answers where that order stands; with other
	// content it is rejected, and the order that has the key stays as it is.
	Place(ctx context.Context, at time.Time, o lifeboat.Order) (lifeboat.Receipt, error)
	// Ask says where an order stands. lifeboat.ErrAbsent is proof that it never arrived and will not arrive later by
	// itself; a venue that cannot prove this returns another error.
	Ask(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error)
	// Cancel takes back what is not filled yet and answers with the order's receipt after the request. For an order
	// that is already final this is its last receipt; for one that never arrived it is lifeboat.ErrAbsent.
	Cancel(ctx context.Context, at time.Time, id lifeboat.Key) (lifeboat.Receipt, error)
	// Since lists the orders under keys of lifeboat's that arrived since a time, refused ones left out, and all that are
	// open whenever they came.
	Since(ctx context.Context, at, since time.Time) ([]lifeboat.PlacedOrder, error)
	// Memory is how long the venue knows a key again; 0 is for ever.
	Memory() time.Duration
}

// Stater is a venue that can say what the account holds. The lines and the orders that they include are of one moment: what
// moved while they were read is read again. An error means that nothing is known, never that nothing is there.
type Stater interface {
	State(ctx context.Context, at time.Time) (lifeboat.Statement, error)
}

// Performer carries out tasks, each kind of them by one performer. Ask answers lifeboat.ErrAbsent when it can prove that
// the task was not begun, or when doing it again under the same key does no harm; a receipt that is Lost when nobody can
// know.
type Performer interface {
	Perform(ctx context.Context, at time.Time, key lifeboat.Key, t lifeboat.Task) (lifeboat.Receipt, error)
	Ask(ctx context.Context, at time.Time, key lifeboat.Key, t lifeboat.Task) (lifeboat.Receipt, error)
}

// Stopper is a performer that can leave a task off on the way. Stop answers as Ask does, and what it was told holds after a crash, too. A
// task that is out already, or of a kind that cannot be stopped, goes on to its end.
type Stopper interface {
	Stop(ctx context.Context, at time.Time, key lifeboat.Key, t lifeboat.Task) (lifeboat.Receipt, error)
}

// Teller hands a message over while it is called and knows nothing of it afterwards: a console, the simulated people of a
// drill. An error means that it may not have arrived; the same key then comes again.
type Teller interface {
	Send(ctx context.Context, at time.Time, key lifeboat.Key, m lifeboat.Message) error
}

// Notifier brings messages to people by channels that take their time, and never makes the flow wait for one: Send
// answers Accepted as soon as the message is queued. Two messages with one key are one message.
type Notifier interface {
	Send(ctx context.Context, at time.Time, key lifeboat.Key, m lifeboat.Message) (lifeboat.Receipt, error)
	// Ask says where a message stands: Unknown while it is under way, then Sent, with what took it, or rejected when
	// nothing did. lifeboat.ErrAbsent is for one that it does not know; it is sent again, under the same key.
	Ask(ctx context.Context, at time.Time, key lifeboat.Key) (lifeboat.Receipt, error)
}
