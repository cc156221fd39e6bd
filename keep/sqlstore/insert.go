package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math/bits"
	"strings"

	"lifeboat/keep/journal"
)

// Insert puts sealed entries into the table, many with one statement: a round trip each is what a batch would wait for.
type Insert struct {
	// statements take 1, 2, 4, … entries: few to prepare, and every batch is a sum of them.
	statements [powers]*sql.Stmt
}

// powers bounds a statement to 128 entries, 768 parameters.
const powers = 8

// PrepareInsert prepares the statements on the connection that writes.
func (t Tables) PrepareInsert(ctx context.Context) (_ *Insert, err error) {
	var in Insert
	for power := range in.statements {
		rows := strings.Repeat(`, (?, ?, ?, ?, ?, ?)`, 1<<power)
		in.statements[power], err = t.DB.PrepareContext(ctx, t.query(`INSERT INTO entries (`+columns+`) VALUES `+rows[2:]))
		if err != nil {
			return nil, errors.Join(err, in.Close())
		}
	}
	return &in, nil
}

// Do inserts the entries within a transaction.
func (in *Insert) Do(ctx context.Context, tx *sql.Tx, sealed []journal.Entry) error {
	values := make([]any, 0, 6*min(len(sealed), 1<<(powers-1)))
	for len(sealed) > 0 {
		power := min(bits.Len(uint(len(sealed)))-1, powers-1)
		values = values[:0]
		for _, e := range sealed[:1<<power] {
			values = append(values, e.Seq, e.At.UnixNano(), e.Word, e.Body, e.Prev[:], e.Hash[:])
		}
		if _, err := tx.StmtContext(ctx, in.statements[power]).ExecContext(ctx, values...); err != nil {
			return err
		}
		sealed = sealed[1<<power:]
	}
	return nil
}

// Close forgets the statements.
func (in *Insert) Close() error {
	var errs []error
	for _, s := range in.statements {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
