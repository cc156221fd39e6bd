package simtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/postgres"
	"lifeboat/keep/sqlite"
)

// Store is a journal and the word that this process may still act on it.
type Store interface {
	journal.Store
	Fence() error
}

// A Shelf keeps the journal of a world while no process has it open.
type Shelf interface {
	Open() (Store, error)
	// Copy makes a backup of the closed journal, and Restore puts the latest one in its place.
	Copy() error
	Restore() error
}

// SQLite keeps the journal in a directory.
func SQLite(dir string) Shelf { return onDisk{dir} }

type onDisk struct{ dir string }

func (d onDisk) Open() (Store, error) { return sqlite.Open(d.home(), sqlite.Options{}) }

func (d onDisk) Copy() error {
	if err := os.RemoveAll(d.backup()); err != nil {
		return err
	}
	return os.CopyFS(d.backup(), os.DirFS(d.home()))
}

func (d onDisk) Restore() error {
	if _, err := os.Stat(d.backup()); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no backup: %w", err)
	}
	if err := os.RemoveAll(d.home()); err != nil {
		return err
	}
	return os.CopyFS(d.home(), os.DirFS(d.backup()))
}

func (d onDisk) home() string   { return filepath.Join(d.dir, "data") }
func (d onDisk) backup() string { return filepath.Join(d.dir, "backup") }

// Postgres keeps the journal in a schema of a server. db talks to the same server, for what an administrator does.
func Postgres(db *sql.DB, url, schema string) Shelf {
	return &inDatabase{db: db, url: url, schema: schema}
}

type inDatabase struct {
	db          *sql.DB
	url, schema string
	copied      bool
}

// lease is long: virtual time does not wait for it, and a machine under load is late to renew one.
const lease = 30 * time.Second

func (d *inDatabase) Open() (Store, error) {
	return postgres.Open(context.Background(), postgres.Options{URL: d.url, Holder: "simulated", Lease: lease})
}

func (d *inDatabase) Copy() error {
	d.copied = true
	return d.run(`DROP TABLE IF EXISTS %[1]s_entries, %[1]s_meta`,
		`CREATE TABLE %[1]s_entries AS TABLE %[1]s.entries`, `CREATE TABLE %[1]s_meta AS TABLE %[1]s.meta`)
}

// Restore does what pg_restore does to the two tables.
func (d *inDatabase) Restore() error {
	if !d.copied {
		return errors.New("there is no backup")
	}
	return d.run(`ALTER TABLE %[1]s.entries DISABLE TRIGGER USER`,
		`TRUNCATE %[1]s.entries, %[1]s.meta`,
		`INSERT INTO %[1]s.entries TABLE %[1]s_entries`, `INSERT INTO %[1]s.meta TABLE %[1]s_meta`,
		`ALTER TABLE %[1]s.entries ENABLE ALWAYS TRIGGER entries_follow`,
		`ALTER TABLE %[1]s.entries ENABLE ALWAYS TRIGGER entries_stay`,
		`ALTER TABLE %[1]s.entries ENABLE ALWAYS TRIGGER entries_remain`)
}

func (d *inDatabase) run(statements ...string) error {
	for _, s := range statements {
		if _, err := d.db.Exec(fmt.Sprintf(s, d.schema)); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// Shared keeps the journal in memory under a lease that whoever opens it takes at once, as if the one before had been out of
// reach for long enough: what two machines on one database come to, without the waiting.
func Shared() Shelf { return &shared{kept: journal.Memory()} }

type shared struct {
	kept, backup *journal.Mem
	epoch        int
}

func (s *shared) Open() (Store, error) {
	s.epoch++
	return &claim{Mem: s.kept, shelf: s, epoch: s.epoch}, nil
}

func (s *shared) Copy() (err error) {
	s.backup, err = again(s.kept)
	return err
}

func (s *shared) Restore() (err error) {
	s.kept, err = again(s.backup)
	return err
}

func again(from *journal.Mem) (*journal.Mem, error) {
	to := journal.Memory()
	entries, err := all(from)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		event, err := e.Event()
		if err != nil {
			return nil, err
		}
		if err := to.Append(e.At, event); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// A claim on the journal is good until the next one is made.
type claim struct {
	*journal.Mem
	shelf *shared
	epoch int
}

func (c *claim) Fence() error {
	if c.epoch == c.shelf.epoch {
		return nil
	}
	return &lifeboat.Problem{Reason: "fenced", What: "another lifeboat has taken over the journal", Money: "nothing was sent"}
}

func (c *claim) Append(at time.Time, events ...lifeboat.Event) error {
	if err := c.Fence(); err != nil {
		return err
	}
	return c.Mem.Append(at, events...)
}
