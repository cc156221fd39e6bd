// Package sqlstore is what a journal in SQLite and a journal in PostgreSQL have in common: the tables, how entries are
// read from them page by page, how sealed entries are put in, and the group commit that lets many callers share one
// transaction. The packages keep/sqlite and keep/postgres open a database, say who may write to it, and carry out one
// transaction; everything else is here, once.
//
//	meta     name, value                        the schema's version, and the head as it was noted with the last append
//	entries  seq, at, word, body, prev, hash    the chain
//
// It opens nothing, locks nothing and makes no tables: that is where the two databases differ.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"lifeboat/keep/journal"
)

// Tables are the journal's in one database.
type Tables struct {
	DB *sql.DB
	// Numbered parameters are written $1, $2, …; the others ?.
	Numbered bool
	// Problem tells a person why reading stopped.
	Problem func(error) error
}

const columns = `seq, at, word, body, prev, hash`

// Last entry of the chain; false while there is none.
func (t Tables) Last(ctx context.Context) (journal.Entry, bool, error) {
	e, err := scan(t.DB.QueryRowContext(ctx, `SELECT `+columns+` FROM entries ORDER BY seq DESC LIMIT 1`))
	if errors.Is(err, sql.ErrNoRows) {
		return journal.Entry{}, false, nil
	}
	return e, err == nil, err
}

// Remembered is the head as every append notes it apart from the entries; [journal.Verify] asks for it.
func (t Tables) Remembered(ctx context.Context) (journal.Mark, bool, error) {
	var text string
	err := t.DB.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'head'`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) || err == nil && text == "" {
		return journal.Mark{}, false, nil
	}
	if err != nil {
		return journal.Mark{}, false, fmt.Errorf("read noted head: %w", err)
	}
	m, err := journal.ParseMark(text)
	return m, err == nil, err
}

// End is where the chain ends. It is sound when that is where the last append left it.
func (t Tables) End(ctx context.Context) (last journal.Entry, noted journal.Mark, sound bool, err error) {
	last, found, err := t.Last(ctx)
	if err != nil {
		return last, noted, false, err
	}
	noted, known, err := t.Remembered(ctx)
	return last, noted, found == known && (!found || noted == last.Mark()), err
}

// CheckVersion refuses tables that a newer program made, and with the given error those that none of ours made.
func (t Tables) CheckVersion(ctx context.Context, known int, foreign error) error {
	var text string
	if err := t.DB.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'schema'`).Scan(&text); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	version, err := strconv.Atoi(text)
	if err != nil {
		return foreign
	}
	if version > known {
		return fmt.Errorf("a newer lifeboat wrote it (schema %d, this one knows %d)", version, known)
	}
	return nil
}

// Entries implements [journal.Reader].
func (t Tables) Entries(ctx context.Context, from int64) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		last, found, err := t.Last(ctx)
		switch {
		case ctx.Err() != nil: // the caller gave up, which is no failure of the journal
			yield(journal.Entry{}, ctx.Err())
		case err != nil:
			yield(journal.Entry{}, t.Problem(err))
		case found:
			t.pages(ctx, from, last.Seq, "")(yield)
		}
	}
}

// EntriesWithout yields, in order, the entries up to the given sequence number that are not of the given word. Those are
// passed over inside the database, which is what makes it cheap to leave out the readings, nearly all of a journal.
func (t Tables) EntriesWithout(ctx context.Context, word string, to int64) iter.Seq2[journal.Entry, error] {
	return t.pages(ctx, 1, to, word)
}

// pageRows is how many entries are read in one go. Between two pages no lock is held, so that a reader who takes his
// time does not keep the database from tidying up.
const pageRows = 1000

// pages yields page after page of the entries between two numbers that are not of a word; there is none called "".
func (t Tables) pages(ctx context.Context, from, to int64, without string) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		for {
			page, err := t.page(ctx, from, to, without)
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
				from = e.Seq + 1
			}
			if ctx.Err() != nil {
				err = ctx.Err()
			} else if err != nil {
				err = t.Problem(err)
			}
			if err != nil {
				yield(journal.Entry{}, err)
			}
			if err != nil || len(page) < pageRows {
				return
			}
		}
	}
}

// page returns what it could read before an error.
func (t Tables) page(ctx context.Context, from, to int64, without string) (page []journal.Entry, err error) {
	query := t.query(`SELECT ` + columns + ` FROM entries WHERE seq BETWEEN ? AND ? AND word <> ? ORDER BY seq LIMIT ?`)
	rows, err := t.DB.QueryContext(ctx, query, from, to, without, pageRows)
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

// query writes parameters the way the database wants them.
func (t Tables) query(text string) string {
	if !t.Numbered {
		return text
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(text, "?") {
		if n > 0 {
			fmt.Fprintf(&b, "$%d", n)
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

// Reader reads a journal without holding it: beside the daemon that writes it, or after that has ended in whatever
// way. What is appended meanwhile is seen by the next call.
type Reader struct {
	Tables
	head journal.Entry // as last seen
}

// NewReader looks at the tables once.
func NewReader(ctx context.Context, t Tables) (*Reader, error) {
	head, _, err := t.Last(ctx)
	return &Reader{Tables: t, head: head}, err
}

// Head implements [journal.Reader].
func (r *Reader) Head() (journal.Entry, bool) {
	if head, found, err := r.Last(context.Background()); err == nil {
		return head, found
	}
	return r.head, r.head.Seq > 0
}

// Close lets go of the journal.
func (r *Reader) Close() error { return r.DB.Close() }
