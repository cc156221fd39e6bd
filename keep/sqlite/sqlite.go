// Package sqlite keeps the journal in one file on disk: journal.db in the data directory, a SQLite database in WAL
// mode. It is the store for one machine.
//
// [Open] is for the one program that writes. It holds a lock on the data directory, so that two daemons cannot act on
// one journal; every Append is part of one transaction, synced to the disk before it returns. [OpenReader] is for commands
// that look, with or without a daemon running. Triggers in the database refuse to change or remove an entry, and the
// head of the chain is noted apart from the entries, so that a journal whose end was cut off is found when it is
// opened.
//
// When a write fails the store refuses every later one until it is opened again: after a failed commit nobody knows
// what the disk holds, and opening is what finds out. Nothing is ever repaired here.
//
// It does not copy or compress anything, and it protects against mishap and tampering that leaves traces, not against
// the owner of the machine.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/sqlstore"
)

// File is the journal's name in the data directory. SQLite keeps File-wal and File-shm beside it: they belong to it,
// and a copy without them lacks the newest entries.
const File = "journal.db"

// Options of [Open]; the zero value is right for most.
type Options struct {
	// BusyWait is how long a write waits for another program that locked the database, such as a backup; 5 s when
	// zero.
	BusyWait time.Duration

	pagesMax int // limits the size of the database, for tests of a full disk
}

// Store is the journal of the one program that writes it. It is safe for use from several goroutines; those who append
// at the same time share a transaction.
type Store struct {
	*sqlstore.Group
	read sqlstore.Tables // by connections that cannot write

	dir    string
	lock   *os.File
	write  *sql.DB // one connection
	insert *sqlstore.Insert
	note   *sql.Stmt
}

// Open opens the journal in a data directory, and makes both when they do not exist. Only one program at a time gets
// it. A journal that stops before the entry it once reached is refused: [journal.Verify] on an [OpenReader] says more.
func Open(dir string, options Options) (_ *Store, err error) {
	if err := makeDir(dir); err != nil {
		return nil, openProblem(dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, lock: lock}
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	if err := makeFile(filepath.Join(dir, File)); err != nil {
		return nil, openProblem(dir, err)
	}
	if s.write, err = connect(dir, 1, writing(options)...); err != nil {
		return nil, openProblem(dir, err)
	}
	if err := prepareSchema(s.write); err != nil {
		return nil, openProblem(dir, err)
	}
	if err := s.prepare(); err != nil {
		return nil, openProblem(dir, err)
	}
	head, err := s.find()
	if err != nil {
		return nil, err
	}
	s.Group = sqlstore.NewGroup(head, s.commit)
	return s, nil
}

// writing is how the one writer talks to the database: FULL syncs the log before a commit returns.
func writing(o Options) []string {
	wait := o.BusyWait
	if wait == 0 {
		wait = 5 * time.Second
	}
	parameters := []string{
		"_txlock=immediate",
		fmt.Sprintf("_pragma=busy_timeout(%d)", wait.Milliseconds()),
		"_pragma=journal_mode(WAL)",
		"_pragma=synchronous(FULL)",
	}
	if o.pagesMax > 0 {
		parameters = append(parameters, fmt.Sprintf("_pragma=max_page_count(%d)", o.pagesMax))
	}
	return parameters
}

// reading is how everybody else does.
var reading = []string{"mode=ro", "_pragma=busy_timeout(5000)", "_pragma=query_only(1)"}

const readersMax = 4

// connect opens the database with as many connections as asked for.
func connect(dir string, connections int, parameters ...string) (*sql.DB, error) {
	path, err := filepath.Abs(filepath.Join(dir, File))
	if err != nil {
		return nil, err
	}
	// The URL form is the one in which a path may hold a question mark.
	address := url.URL{Scheme: "file", Path: path}
	query := ""
	for _, p := range parameters {
		query += p + "&"
	}
	address.RawQuery = query
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

func (s *Store) prepare() error {
	read, err := connect(s.dir, readersMax, reading...)
	if err != nil {
		return err
	}
	s.read = tables(s.dir, read)
	if s.insert, err = tables(s.dir, s.write).PrepareInsert(context.Background()); err != nil {
		return err
	}
	s.note, err = s.write.Prepare(`INSERT INTO meta (name, value) VALUES ('head', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`)
	return err
}

// find takes up the chain where it ends, if it ends where it should.
func (s *Store) find() (journal.Entry, error) {
	head, noted, sound, err := tables(s.dir, s.write).End(context.Background())
	if err != nil {
		return head, openProblem(s.dir, err)
	}
	if !sound {
		return head, &lifeboat.Problem{
			Reason: "journal-broken",
			What:   fmt.Sprintf("the journal in %s ends at entry %d, and that is not the last one that was written to it (%d)", s.dir, head.Seq, noted.Seq),
			Money:  "nothing was started; what the venues hold is not touched by this",
			Next:   "keep a copy of the directory, run lifeboat journal verify, and restore a backup",
		}
	}
	return head, nil
}

// commit is one transaction, on the disk when it returns nil.
func (s *Store) commit(_ journal.Entry, sealed []journal.Entry) error {
	if err := s.transact(sealed); err != nil {
		return writeProblem(s.dir, err)
	}
	return nil
}

func (s *Store) transact(sealed []journal.Entry) error {
	tx, err := s.write.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if err := s.insert.Do(context.Background(), tx, sealed); err != nil {
		return err
	}
	if _, err := tx.Stmt(s.note).Exec(sealed[len(sealed)-1].Mark().String()); err != nil {
		return err
	}
	return tx.Commit()
}

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

// Close lets go of the journal and of the data directory.
func (s *Store) Close() error {
	if !s.Group.Close() {
		return nil
	}
	if err := s.release(); err != nil {
		return fmt.Errorf("close journal in %s: %w", s.dir, err)
	}
	return nil
}

// release closes the readers first: the last connection to close folds the log into the database file, and a reader
// cannot.
func (s *Store) release() error {
	var errs []error
	for _, db := range []*sql.DB{s.read.DB, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
