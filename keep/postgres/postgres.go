// Package postgres keeps the journal in a PostgreSQL database: the store for a pair of machines, or for a fund that has
// such a database anyway. The tables, the chain and the group commit are those of keep/sqlite.
//
// One lifeboat at a time holds the journal. It has a lease, which it renews at a third of its length, and an epoch, which
// every claim raises by one; the time of the lease is the server's. [Open] claims the lease, or stands by until it runs
// out. Every append looks for its epoch within its own transaction, so that one who was taken over – stopped, cut off,
// asleep – cannot write any more, and who cannot write does not act: [Store.Fence] is asked before every act, and fails
// as soon as the lease may have run out by the machine's own reckoning and the server does not say otherwise.
//
// A connection that breaks is opened again, and the server restarted meanwhile: an append whose end is not known looks
// whether its entries are there before it writes them again, and gives up before the lease can have run out. Then, as
// after every failed write, the store refuses everything until it is opened again.
//
// It does not replicate: that is the server's own, with synchronous_standby_names for entries that survive the loss of a
// machine. When a replica is promoted its clock counts: it must not be ahead by more than a tenth of the lease. It wants
// connections of its own, which a pool that shares them between transactions does not give.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/sqlstore"
)

// Options of [Open].
type Options struct {
	// URL says where the database is: postgres://user@host/database. A password in it is never repeated. The journal
	// lies in the schema that search_path names, lifeboat when it names none.
	URL string
	// Holder is who we are, as the other one will be told; host and process when empty.
	Holder string
	// Lease is how long nobody else may take over after the holder was last heard; 2 s when zero.
	Lease time.Duration
	// Wait makes Open stand by, for as long as it takes, while somebody else holds the journal. Without it Open waits
	// only for a lease that nobody renews any more.
	Wait bool
	// Waiting is called when standing by begins, and when the holder has changed.
	Waiting func(holder string)
	// Clock for the time between two renewals; the machine's when nil.
	Clock lifeboat.Clock

	uptime func() time.Duration // the machine's, for tests of one that slept
}

// leaseMin is the shortest: a renewal and an append must be able to fail once and succeed.
const leaseMin = 100 * time.Millisecond

func (o *Options) complete() error {
	if o.Lease == 0 {
		o.Lease = 2 * time.Second
	}
	if o.Lease < leaseMin {
		return &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("a lease of %s is too short, %s is the least", o.Lease, leaseMin)}
	}
	if o.Holder == "" {
		host, _ := os.Hostname()
		o.Holder = fmt.Sprintf("%s, process %d", host, os.Getpid())
	}
	if o.Clock == nil {
		o.Clock = lifeboat.WallClock{}
	}
	if o.uptime == nil {
		o.uptime = uptime
	}
	return nil
}

// Store is the journal in the hands of the lifeboat that holds its lease. It is safe for use from several goroutines;
// those who append at the same time share a transaction.
type Store struct {
	*sqlstore.Group
	lease *lease
	read  sqlstore.Tables // by connections that cannot write

	address  address
	patience time.Duration // with a server that does not answer: the term for which an append is attempted
	write    *sql.DB       // one connection
	keep     *sql.DB       // the lease's own connection, so that no append delays a renewal
	insert   *sqlstore.Insert
	stop     context.CancelFunc // ends the renewals
	stopped  chan struct{}
}

// Open claims the journal in a database, and makes its tables when there are none. A journal that stops before the entry
// it once reached is refused: [journal.Verify] on an [OpenReader] says more.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	a, err := parse(o.URL)
	if err != nil {
		return nil, err
	}
	s := &Store{
		address:  a,
		patience: o.Lease * 2 / 5,
		read:     a.tables(a.connect(readersMax, reading)),
		write:    a.connect(1, writing(o.Lease)),
		keep:     a.connect(1, writing(o.Lease)),
	}
	s.lease = &lease{options: o, address: a, db: s.keep}
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	if err := prepareSchema(ctx, s.keep, a); err != nil {
		return nil, a.openProblem(err)
	}
	if err := s.lease.await(ctx); err != nil {
		return nil, err
	}
	head, err := s.begin(ctx)
	if err != nil {
		s.lease.giveUp()
		return nil, err
	}
	s.Group = sqlstore.NewGroup(head, s.commit)
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.stopped = stop, make(chan struct{})
	go func() {
		defer close(s.stopped)
		s.lease.keep(renewing)
	}()
	return s, nil
}

// begin takes up the chain where it ends, if it ends where it should. No append of an earlier epoch can come after it: the
// claim waited for those under way. The connection is a new one, since the network may have changed while Open stood by.
func (s *Store) begin(ctx context.Context) (journal.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, s.lease.own())
	defer cancel()
	tables := s.address.tables(s.write)
	head, noted, sound, err := tables.End(ctx)
	if err == nil {
		s.insert, err = tables.PrepareInsert(ctx)
	}
	if err != nil {
		return head, s.address.openProblem(err)
	}
	if !sound {
		return head, &lifeboat.Problem{
			Reason: "journal-broken",
			What:   fmt.Sprintf("the journal in %s ends at entry %d, and that is not the last one that was written to it (%d)", s.address, head.Seq, noted.Seq),
			Money:  "nothing was started; what the venues hold is not touched by this",
			Next:   "keep a copy of the database, run lifeboat journal verify, and restore a backup",
		}
	}
	return head, nil
}

// retryAfter is the pause between two attempts at an append.
const retryAfter = 20 * time.Millisecond

// commit writes a group, again and again while the server is out of reach, but not for as long as the lease lasts. It has
// two terms for that instead of one: who was stopped wakes up with the first one over, and finds out in the second whether
// he was taken over.
func (s *Store) commit(before journal.Entry, sealed []journal.Entry) error {
	err := s.insist(before, sealed)
	if passing(err) {
		err = s.insist(before, sealed)
	}
	return s.address.writeProblem(err)
}

// insist makes attempts for one term.
func (s *Store) insist(before journal.Entry, sealed []journal.Entry) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	for {
		err := s.attempt(ctx, before, sealed)
		if !passing(err) || s.lease.options.Clock.Sleep(ctx, s.lease.options.Clock.Now().Add(retryAfter)) != nil {
			return err
		}
	}
}

// note moves the head in the name of our epoch, if it is still where we left it. The lock on the lease that it takes lets
// renewals pass and makes a claim wait for the end of the transaction; one that waited for a claim finds no epoch.
const note = `
WITH mine AS (SELECT epoch FROM lease WHERE epoch = $1 FOR KEY SHARE)
UPDATE meta SET value = $2 WHERE name = 'head' AND value = $3 AND EXISTS (SELECT FROM mine)`

// attempt is one transaction, durable when it returns nil. When another transaction of ours is under way, whose end we
// never heard, note waits for it and then finds that the head has moved.
func (s *Store) attempt(ctx context.Context, before journal.Entry, sealed []journal.Entry) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	noted, err := tx.ExecContext(ctx, note, s.lease.epoch, sealed[len(sealed)-1].Mark().String(), markOf(before))
	if err != nil {
		return err
	}
	if n, err := noted.RowsAffected(); err != nil || n == 0 {
		tx.Rollback()
		return errors.Join(err, s.settle(ctx, before, sealed))
	}
	if err := s.insert.Do(ctx, tx, sealed); err != nil {
		return err
	}
	return tx.Commit()
}

// errNotThere says that the entries are not in the journal, and that its head is where it was.
var errNotThere = errors.New("the entries were not written")

// look also writes the head as it stands: that waits for a transaction of ours that may be under way still, and, where the
// server has a synchronous replica, for all that was written before to be there too. No claim can come in between.
const look = `
WITH now AS (SELECT epoch, holder FROM lease FOR KEY SHARE)
UPDATE meta SET value = value FROM now WHERE name = 'head' RETURNING value, epoch, holder`

// settle finds out what became of entries: nil when they are there. After a claim it does not: whoever took over may have
// written the very same.
func (s *Store) settle(ctx context.Context, before journal.Entry, sealed []journal.Entry) error {
	var epoch int64
	var holder, head string
	if err := s.write.QueryRowContext(ctx, look).Scan(&head, &epoch, &holder); err != nil {
		return err
	}
	switch {
	case epoch != s.lease.epoch:
		return s.lease.lose(holder)
	case head == sealed[len(sealed)-1].Mark().String():
		return nil
	case head == markOf(before):
		return errNotThere
	}
	return errStrangeHead
}

// markOf is how the head is noted; there is none before the first entry.
func markOf(e journal.Entry) string {
	if e.Seq == 0 {
		return ""
	}
	return e.Mark().String()
}

// Fence implements [journal.Keeper]. Within the lease it costs nothing; after it, and so after a sleep, it asks the server.
func (s *Store) Fence() error {
	if err := s.Group.Fence(); err != nil {
		return err
	}
	return s.lease.hold()
}

// Epoch counts the claims on the journal, ours the last that we know of.
func (s *Store) Epoch() int64 { return s.lease.epoch }

// Entries implements [journal.Reader].
func (s *Store) Entries(ctx context.Context, from int64) iter.Seq2[journal.Entry, error] {
	return s.read.Entries(ctx, from)
}

// EntriesWithout implements [journal.Keeper].
func (s *Store) EntriesWithout(ctx context.Context, word string, to int64) iter.Seq2[journal.Entry, error] {
	return s.read.EntriesWithout(ctx, word, to)
}

// Remembered implements [journal.Keeper].
func (s *Store) Remembered(ctx context.Context) (journal.Mark, bool, error) {
	return s.read.Remembered(ctx)
}

// Close gives the lease up, so that a standby need not wait for its end. A server that cannot be reached is not waited for:
// the lease runs out by itself.
func (s *Store) Close() error {
	if !s.Group.Close() {
		return nil
	}
	s.stop()
	<-s.stopped
	if err := errors.Join(s.lease.giveUp(), s.release()); err != nil {
		return fmt.Errorf("close journal in %s: %s", s.address, s.address.cause(err))
	}
	return nil
}

func (s *Store) release() error {
	return errors.Join(s.read.DB.Close(), s.write.Close(), s.keep.Close())
}

// OpenReader opens the journal in a database to read it, beside the daemon that writes it, or on a standby server. It
// makes no tables. A chain that does not hold is no reason to refuse: looking at it is what this is for.
func OpenReader(ctx context.Context, url string) (*sqlstore.Reader, error) {
	a, err := parse(url)
	if err != nil {
		return nil, err
	}
	db := a.connect(readersMax, reading)
	r, err := lookAt(ctx, db, a)
	if err != nil {
		db.Close()
		return nil, err
	}
	return r, nil
}

func lookAt(ctx context.Context, db *sql.DB, a address) (*sqlstore.Reader, error) {
	empty, err := isEmpty(ctx, db)
	if err == nil && empty {
		return nil, &lifeboat.Problem{
			Reason: "not-found",
			What:   fmt.Sprintf("there is no journal in %s", a),
			Next:   "give the database of a lifeboat that has run, or start one with lifeboat serve",
		}
	}
	if err == nil {
		err = checkSchema(ctx, db)
	}
	if err != nil {
		return nil, a.readProblem(err)
	}
	r, err := sqlstore.NewReader(ctx, a.tables(db))
	if err != nil {
		return nil, a.readProblem(err)
	}
	return r, nil
}
