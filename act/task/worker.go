package task

import (
	"context"
	"time"

	"lifeboat"
)

// A Worker performs kinds of tasks that this package does not know. It is given to a crew in Options.Workers, once for each
// kind, and is used from many goroutines.
type Worker interface {
	// Prepare reads a task, so that what cannot be right is refused before anything is noted. It does nothing yet.
	Prepare(key lifeboat.Key, t lifeboat.Task) (Work, error)
	// LooksFirst reports that a task of a kind whose end is not known may be begun again, because the work itself finds out
	// what became of it before it does anything.
	LooksFirst(kind string) bool
}

// A Waiter is a worker of which some kinds of tasks mostly wait for something that nobody can hurry, such as a withdrawal from a rollup,
// which can be challenged for a week.
type Waiter interface {
	// Waits reports that a task of a kind may last 31 days, where its work says so; any other ends after 24 hours.
	Waits(kind string) bool
}

// A Stopper is a worker of which some kinds of tasks can be left off on the way, such as an exit that waits for cheaper gas.
type Stopper interface {
	// Stops reports that a task of a kind heeds [Progress].Stop.
	Stops(kind string) bool
}

// A Work is a task ready to be done.
type Work struct {
	Limit time.Duration // zero for the kind's own, which is 24 h for a worker's
	// Do does it, to its end or to the end of ctx, and says how it ended: performed, not performed, or lost. What ctx cut off
	// because lifeboat stops is begun again by the next start, whatever the receipt says, unless it was performed.
	Do func(ctx context.Context, p Progress) lifeboat.Receipt
}

// Progress is how far a task had come when its work begins.
type Progress struct {
	At time.Time // when it was taken on
	// Again says that it may have been begun before, by an earlier start or by another machine: look first.
	Again bool
	// Elsewhere says that another machine may have begun it, whose notes are not here.
	Elsewhere bool
	Facts     map[string]string // what was kept when it was begun before
	// Stop is closed when what the task is for was ended, by a person most of all. As long as nothing of it is out on the network it is not
	// performed then; what is out is followed to its end all the same. It is closed from the beginning where an earlier start was told.
	Stop <-chan struct{}
	// Held says why nothing more of it may begin for now, such as that a person has paused its run; "" when it may. It is asked just before
	// something leaves. What is out already is followed all the same.
	Held func() string
	// Keep makes durable what must not be forgotten while the task is under way, and tells people how far it has come. When it
	// returns nil a later start finds the facts. Only the goroutine of Do may call it.
	Keep func(why string, facts map[string]string) error
}

// factsMax bounds the facts of a task in bytes.
const factsMax = 64 << 10

func sizeOf(facts map[string]string) int {
	size := 0
	for name, value := range facts {
		size += len(name) + len(value)
	}
	return size
}
