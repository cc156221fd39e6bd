package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
)

// Reader reads a journal without holding it: beside the daemon that writes it, or after that has ended in whatever
// way. What is appended meanwhile is seen by the next call.
type Reader struct {
	dir  string
	read *sql.DB
	head journal.Entry // as last seen
}

// OpenReader opens the journal in a data directory to read it. It makes no directory and no journal. A chain that does
// not hold is no reason to refuse: looking at it is what this is for.
func OpenReader(dir string) (*Reader, error) {
	info, err := os.Stat(filepath.Join(dir, File))
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, &lifeboat.Problem{
			Reason: "not-found",
			What:   fmt.Sprintf("there is no journal in %s", dir),
			Next:   "give the data directory of a lifeboat that has run with --data, or start one with lifeboat serve",
			Err:    err,
		}
	}
	if err == nil && !info.Mode().IsRegular() {
		err = errNoFile
	}
	if err != nil {
		return nil, readProblem(dir, err)
	}
	parameters := reading
	if atRest(dir) {
		// Nobody writes it and nobody can: a backup on a medium that is read-only, where SQLite could not make the
		// files that it shares with a writer.
		parameters = append([]string{"immutable=1"}, reading...)
	}
	db, err := connect(dir, readersMax, parameters...)
	if err != nil {
		return nil, readProblem(dir, err)
	}
	r := &Reader{dir: dir, read: db}
	if err := r.check(); err != nil {
		db.Close()
		return nil, readProblem(dir, err)
	}
	return r, nil
}

func (r *Reader) check() (err error) {
	if err := checkSchema(r.read); err != nil {
		return err
	}
	r.head, _, err = lastEntry(r.read)
	return err
}

// Head implements [journal.Reader].
func (r *Reader) Head() (journal.Entry, bool) {
	if head, found, err := lastEntry(r.read); err == nil {
		return head, found
	}
	return r.head, r.head.Seq > 0
}

// Entries implements [journal.Reader].
func (r *Reader) Entries(ctx context.Context, from int64) iter.Seq2[journal.Entry, error] {
	return entries(ctx, r.dir, r.read, from)
}

// Remembered is the head as the writer noted it apart from the entries; [journal.Verify] asks for it.
func (r *Reader) Remembered(ctx context.Context) (journal.Mark, bool, error) {
	return notedHead(ctx, r.read)
}

// Close lets go of the journal.
func (r *Reader) Close() error { return r.read.Close() }

const columns = `seq, at, word, body, prev, hash`

func lastEntry(db *sql.DB) (journal.Entry, bool, error) {
	e, err := scan(db.QueryRow(`SELECT ` + columns + ` FROM entries ORDER BY seq DESC LIMIT 1`))
	if errors.Is(err, sql.ErrNoRows) {
		return journal.Entry{}, false, nil
	}
	return e, err == nil, err
}

// pageRows is how many entries are read in one go. Between two pages no lock is held, so that a reader who takes his
// time does not keep the log from being folded into the database.
const pageRows = 1000

// entries yields page after page, up to the entry that was last at the start.
func entries(ctx context.Context, dir string, db *sql.DB, from int64) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		last, found, err := lastEntry(db)
		if err != nil {
			yield(journal.Entry{}, readProblem(dir, err))
			return
		}
		for next := from; found && next <= last.Seq; {
			page, err := readPage(ctx, db, next, last.Seq, "")
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if ctx.Err() != nil { // the caller gave up, which is no failure of the journal
				yield(journal.Entry{}, ctx.Err())
				return
			}
			if err != nil {
				yield(journal.Entry{}, readProblem(dir, err))
				return
			}
			if len(page) == 0 {
				return
			}
			next = page[len(page)-1].Seq + 1
		}
	}
}

// entriesWithout are those up to a number that are not of the word, page after page too.
func entriesWithout(ctx context.Context, dir string, db *sql.DB, word string, to int64) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		for next := int64(1); ; {
			page, err := readPage(ctx, db, next, to, word)
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
				next = e.Seq + 1
			}
			if err != nil {
				yield(journal.Entry{}, readProblem(dir, err))
			}
			if err != nil || len(page) < pageRows {
				return
			}
		}
	}
}

// readPage returns what it could read before an error. Entries of the given word are passed over; there is none that is
// called "".
func readPage(ctx context.Context, db *sql.DB, from, to int64, without string) (page []journal.Entry, err error) {
	rows, err := db.QueryContext(ctx, `SELECT `+columns+` FROM entries WHERE seq BETWEEN ? AND ? AND word <> ? ORDER BY seq LIMIT ?`, from, to, without, pageRows)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return page, err
		}
		page = append(page, e)
	}
	return page, rows.Err()
}

type scanner interface{ Scan(...any) error }

func scan(row scanner) (journal.Entry, error) {
	var e journal.Entry
	var at int64
	var prev, hash []byte
	if err := row.Scan(&e.Seq, &at, &e.Word, &e.Body, &prev, &hash); err != nil {
		return journal.Entry{}, err
	}
	e.At = time.Unix(0, at).UTC()
	if len(prev) == len(e.Prev) && len(hash) == len(e.Hash) {
		e.Prev, e.Hash = [32]byte(prev), [32]byte(hash)
	} // Else lifeboat did not write it; an entry without a hash does not fit the chain, and Verify says so.
	return e, nil
}
