package app

import (
	"context"
	"errors"
	"io"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/postgres"
	"lifeboat/keep/sqlite"
	"lifeboat/keep/sqlstore"
)

// openJournal takes hold of the journal: the file in the data directory, or a database that a standby waits for as well.
// Then it returns when this lifeboat is the one that may act.
func openJournal(ctx context.Context, o DaemonOptions) (journal.Keeper, error) {
	if o.Journal == "" {
		store, err := sqlite.Open(o.DataDir, sqlite.Options{})
		if err != nil {
			return nil, err
		}
		return store, nil
	}
	dir, err := sqlite.HoldDir(o.DataDir)
	if err != nil {
		return nil, err
	}
	store, err := postgres.Open(ctx, postgres.Options{URL: o.Journal, Lease: o.Lease, Wait: true, Clock: o.Clock, Waiting: o.Waiting})
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return held{store, dir}, nil
}

// held is a journal elsewhere, with the data directory of the one that writes it.
type held struct {
	*postgres.Store
	dir io.Closer
}

func (h held) Close() error { return errors.Join(h.Store.Close(), h.dir.Close()) }

// ReadJournal opens the journal of a data directory, or of a database's address, to look at it.
func ReadJournal(ctx context.Context, where string) (*sqlstore.Reader, error) {
	if postgres.Is(where) {
		return postgres.OpenReader(ctx, where)
	}
	return sqlite.OpenReader(where)
}

// EachEntry reads a journal from its first entry on, event by event.
func EachEntry(ctx context.Context, where string, apply func(time.Time, lifeboat.Event)) error {
	reader, err := ReadJournal(ctx, where)
	if err != nil {
		return err
	}
	defer reader.Close()
	for entry, err := range reader.Entries(ctx, 0) {
		if err != nil {
			return err
		}
		event, err := entry.Event()
		if err != nil {
			return err
		}
		apply(entry.At, event)
	}
	return nil
}

// fenceEvery is how often a daemon with nothing to write finds out whether it still holds the journal.
const fenceEvery = time.Second

// watchFence ends a daemon that was taken over, by the machine's own clock: what it shows is no longer true, and it would not
// notice before it has something to write. A database out of reach is no reason to end; every act asks for itself.
func (d *Daemon) watchFence(ctx context.Context) error {
	var clock lifeboat.WallClock
	for {
		var p *lifeboat.Problem
		if err := d.store.Fence(); errors.As(err, &p) && p.Reason == "fenced" {
			return err
		}
		if err := clock.Sleep(ctx, clock.Now().Add(fenceEvery)); err != nil {
			return err
		}
	}
}
