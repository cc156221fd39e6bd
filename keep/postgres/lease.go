package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"lifeboat"
)

// A lease is the right to append, for an epoch. The server grants it until a time of its own clock. Here it is counted
// from the moment at which the renewal was sent, which is earlier than the moment at which the server counts from, and a
// tenth less, for clocks that do not run alike: so it has run out here before it does there.
type lease struct {
	options Options
	address address
	db      *sql.DB
	epoch   int64 // of our claim; 0 before it, and no claim has that number

	renewing sync.Mutex // one question at a time

	mu     sync.Mutex // guards the rest
	safe   moment     // until then nobody else can have claimed it
	lostTo error      // set for ever when somebody did
}

// A moment is read from two clocks, because each has its blindness: the wall clock may be set back, and the machine's
// uptime may stand still while a virtual machine is frozen.
type moment struct {
	wall   time.Time
	uptime time.Duration
}

func (l *lease) now() moment { return moment{l.options.Clock.Now(), l.options.uptime()} }

func (m moment) add(d time.Duration) moment { return moment{m.wall.Add(d), m.uptime + d} }

// before reports that neither clock has reached the other moment.
func (m moment) before(other moment) bool {
	return m.wall.Before(other.wall) && m.uptime < other.uptime
}

// claim raises the epoch if the lease has run out. It waits for an append that is under way.
const claim = `
UPDATE lease SET epoch = epoch + 1, holder = $1, until = clock_timestamp() + make_interval(secs => $2)
WHERE until <= clock_timestamp() RETURNING epoch`

// await claims the lease, when its turn has come. A standby outlives a restart of the server.
func (l *lease) await(ctx context.Context) error {
	for before := (held{}); ; {
		now, err := l.claim(ctx)
		switch {
		case err == nil && now.epoch == l.epoch:
			return nil
		case passing(err) && l.options.Wait && before.epoch > 0:
			now = before
		case err != nil:
			return l.address.openProblem(err)
		case !l.options.Wait && before.epoch > 0 && now.until.After(before.until):
			return l.inUse(now) // it is renewed
		case l.options.Waiting != nil && l.options.Wait && now.epoch != before.epoch:
			l.options.Waiting(now.holder)
		}
		before = now
		if err := l.options.Clock.Sleep(ctx, l.options.Clock.Now().Add(l.options.Lease/10)); err != nil {
			return err
		}
	}
}

// claim tries once, for as long as an append of somebody else's may be under way and not longer: over a network that has
// gone nobody answers at all. It returns the lease as it then is.
func (l *lease) claim(ctx context.Context) (held, error) {
	bounded, cancel := context.WithTimeout(ctx, 2*l.options.Lease)
	defer cancel()
	sent := l.now()
	err := l.db.QueryRowContext(bounded, claim, l.options.Holder, l.options.Lease.Seconds()).Scan(&l.epoch)
	switch {
	case err == nil:
		l.safe = sent.add(l.own())
		return held{epoch: l.epoch, holder: l.options.Holder}, nil
	case errors.Is(err, sql.ErrNoRows):
		return l.look(bounded)
	}
	return held{}, err
}

// held is the lease as somebody else sees it.
type held struct {
	epoch  int64
	holder string
	until  time.Time
}

func (l *lease) look(ctx context.Context) (h held, err error) {
	var until sql.NullTime // infinitely long ago has no time in Go
	row := l.db.QueryRowContext(ctx, `SELECT epoch, holder, CASE WHEN isfinite(until) THEN until END FROM lease`)
	err = row.Scan(&h.epoch, &h.holder, &until)
	h.until = until.Time
	return h, err
}

func (l *lease) inUse(h held) error {
	return &lifeboat.Problem{
		Reason: "data-in-use",
		What:   fmt.Sprintf("another lifeboat (%s) runs on %s", h.holder, l.address),
		Money:  "nothing was started here; the running one goes on",
		Next:   "look at it with lifeboat status, or start this one as its standby",
	}
}

// own is how much of a lease we trust.
func (l *lease) own() time.Duration { return l.options.Lease - l.options.Lease/10 }

// keep renews the lease until the context ends or the lease is lost: at a third of its length, and at a tenth after a
// renewal that failed.
func (l *lease) keep(ctx context.Context) {
	pause := l.options.Lease / 3
	for {
		if l.options.Clock.Sleep(ctx, l.options.Clock.Now().Add(pause)) != nil || l.lost() != nil {
			return
		}
		pause = l.options.Lease / 3
		if l.renew(ctx) != nil {
			pause = l.options.Lease / 10
		}
	}
}

const renewal = `UPDATE lease SET until = clock_timestamp() + make_interval(secs => $2) WHERE epoch = $1`

// renew asks the server for another term, and gives up on an answer when the term would be over before it came.
func (l *lease) renew(ctx context.Context) error {
	l.renewing.Lock()
	defer l.renewing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, l.options.Lease*2/3)
	defer cancel()
	sent := l.now()
	result, err := l.db.ExecContext(ctx, renewal, l.epoch, l.options.Lease.Seconds())
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		other, _ := l.look(ctx)
		return errors.Join(err, l.lose(other.holder))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.safe = sent.add(l.own())
	return nil
}

// hold says whether we still may act. When the term may be over, the server knows.
func (l *lease) hold() error {
	if l.certain() {
		return nil
	}
	if err := l.lost(); err != nil {
		return err
	}
	err := l.renew(context.Background())
	if passing(err) { // the connection may be the one that broke while we slept
		err = l.renew(context.Background())
	}
	if lost := l.lost(); lost != nil {
		return lost
	}
	if err != nil {
		return l.address.unreachable("nothing is sent while another lifeboat may have taken over", err)
	}
	return nil
}

func (l *lease) certain() bool {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lostTo == nil && now.before(l.safe)
}

func (l *lease) lost() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lostTo
}

// lose notes that somebody else holds the journal, for ever.
func (l *lease) lose(holder string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lostTo == nil {
		if holder == "" {
			holder = "its name is not known"
		}
		l.lostTo = &lifeboat.Problem{
			Reason: "fenced",
			What:   fmt.Sprintf("another lifeboat (%s) has taken over the journal in %s", holder, l.address),
			Money:  "nothing was sent that is not in the journal; the other one goes on with it",
			Next:   "start this one again as its standby",
		}
	}
	return l.lostTo
}

// giveUp ends the lease now, if it is still ours. It does not wait for a server that has gone for longer than the lease lasts.
func (l *lease) giveUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), l.own())
	defer cancel()
	_, err := l.db.ExecContext(ctx, `UPDATE lease SET until = '-infinity' WHERE epoch = $1`, l.epoch)
	return err
}
