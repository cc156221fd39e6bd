package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lifeboat"
	"lifeboat/keep/sqlstore"
)

// Reader reads a journal without holding it.
type Reader = sqlstore.Reader

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
	r, err := look(dir, db)
	if err != nil {
		db.Close()
		return nil, readProblem(dir, err)
	}
	return r, nil
}

func look(dir string, db *sql.DB) (*Reader, error) {
	if err := checkSchema(db); err != nil {
		return nil, err
	}
	return sqlstore.NewReader(context.Background(), tables(dir, db))
}

func tables(dir string, db *sql.DB) sqlstore.Tables {
	return sqlstore.Tables{DB: db, Problem: func(err error) error { return readProblem(dir, err) }}
}
