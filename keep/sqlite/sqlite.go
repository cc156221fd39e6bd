// Package sqlite keeps the journal in one file on disk: journal.db in the data directory, a SQLite database in WAL
// mode. It is the store for one machine.
//
// [Open] is for the one program that writes. It holds a lock on the data directory, so that two daemons cannot act on
// one journal; every Append is one transaction, synced to the disk before it returns. [OpenReader] is for commands
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
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver

	"lifeboat"
	"lifeboat/keep/journal"
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

// Store is the journal of the one program that writes it. It is safe for use from several goroutines.
type Store struct {
	dir    string
	lock   *os.File
	write  *sql.DB // one connection
	read   *sql.DB // connections that cannot write
	insert *sql.Stmt
	note   *sql.Stmt

	mu     sync.Mutex // guards head, failed and the order of appends
	head   journal.Entry
	failed error // set for ever by the first write that fails, and by Close
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
	return s, s.find()
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

func (s *Store) prepare() (err error) {
	if s.read, err = connect(s.dir, readersMax, reading...); err != nil {
		return err
	}
	s.insert, err = s.write.Prepare(`INSERT INTO entries (seq, at, word, body, prev, hash) VALUES (?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	s.note, err = s.write.Prepare(`INSERT INTO meta (name, value) VALUES ('head', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`)
	return err
}

// find takes up the chain where it ends, if it ends where it should.
func (s *Store) find() error {
	head, found, err := lastEntry(s.write)
	if err != nil {
		return openProblem(s.dir, err)
	}
	noted, known, err := notedHead(context.Background(), s.write)
	if err != nil {
		return openProblem(s.dir, err)
	}
	if found != known || found && noted != head.Mark() {
		return &lifeboat.Problem{
			Reason: "journal-broken",
			What:   fmt.Sprintf("the journal in %s ends at entry %d, and that is not the last one that was written to it (%d)", s.dir, head.Seq, noted.Seq),
			Money:  "nothing was started; what the venues hold is not touched by this",
			Next:   "keep a copy of the directory, run lifeboat journal verify, and restore a backup",
		}
	}
	s.head = head
	return nil
}

// Append implements [journal.Store]: one transaction, on the disk when it returns nil.
func (s *Store) Append(at time.Time, events ...lifeboat.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	sealed, err := journal.SealAll(s.head, at, events)
	if err != nil || len(sealed) == 0 {
		return err
	}
	if err := s.commit(sealed); err != nil {
		s.failed = writeProblem(s.dir, err)
		return s.failed
	}
	s.head = sealed[len(sealed)-1]
	return nil
}

func (s *Store) commit(sealed []journal.Entry) error {
	tx, err := s.write.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	insert := tx.Stmt(s.insert)
	for _, e := range sealed {
		if _, err := insert.Exec(e.Seq, e.At.UnixNano(), e.Word, e.Body, e.Prev[:], e.Hash[:]); err != nil {
			return err
		}
	}
	if _, err := tx.Stmt(s.note).Exec(sealed[len(sealed)-1].Mark().String()); err != nil {
		return err
	}
	return tx.Commit()
}

// Head implements [journal.Reader]: the last entry that this store wrote or found.
func (s *Store) Head() (journal.Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head, s.head.Seq > 0
}

// Entries implements [journal.Reader].
func (s *Store) Entries(ctx context.Context, from int64) iter.Seq2[journal.Entry, error] {
	return entries(ctx, s.dir, s.read, from)
}

// EntriesWithout yields, in order, the entries up to the given sequence number that are not of the given word. Those are
// passed over inside the database, which is what makes it cheap to leave out the readings, nearly all of a journal.
func (s *Store) EntriesWithout(ctx context.Context, word string, to int64) iter.Seq2[journal.Entry, error] {
	return entriesWithout(ctx, s.dir, s.read, word, to)
}

// Remembered is the head as it is noted apart from the entries; [journal.Verify] asks for it.
func (s *Store) Remembered(ctx context.Context) (journal.Mark, bool, error) {
	return notedHead(ctx, s.read)
}

// errClosed is what a store says that is no longer open.
var errClosed = errors.New("the journal is closed")

// Close lets go of the journal and of the data directory.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.failed, errClosed) {
		return nil
	}
	s.failed = errClosed
	if err := s.release(); err != nil {
		return fmt.Errorf("close journal in %s: %w", s.dir, err)
	}
	return nil
}

// release closes the readers first: the last connection to close folds the log into the database file, and a reader
// cannot.
func (s *Store) release() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// notedHead reads the mark that every append leaves beside the entries.
func notedHead(ctx context.Context, db *sql.DB) (journal.Mark, bool, error) {
	var text string
	err := db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'head'`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return journal.Mark{}, false, nil
	}
	if err != nil {
		return journal.Mark{}, false, fmt.Errorf("read noted head: %w", err)
	}
	m, err := journal.ParseMark(text)
	return m, err == nil, err
}
