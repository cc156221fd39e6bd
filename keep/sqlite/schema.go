package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"lifeboat/keep/sqlstore"
)

// schemaVersion is the one this program writes.
const schemaVersion = 1

// schema makes an empty journal. An entry follows the last one without a gap, and never changes or goes; the first
// trigger is also what stands in the way of INSERT OR REPLACE.
const schema = `
CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE entries (
	seq  INTEGER PRIMARY KEY,
	at   INTEGER NOT NULL, -- nanoseconds since 1970, UTC
	word TEXT    NOT NULL,
	body BLOB    NOT NULL, -- canonical JSON
	prev BLOB    NOT NULL,
	hash BLOB    NOT NULL
) STRICT;
CREATE TRIGGER entries_follow BEFORE INSERT ON entries
	WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM entries)
	BEGIN SELECT RAISE(ABORT, 'an entry follows the last one'); END;
CREATE TRIGGER entries_stay BEFORE UPDATE ON entries
	BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entries_remain BEFORE DELETE ON entries
	BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
`

// errForeign is a database that some other program made.
var errForeign = errors.New("the file is a database, but not a journal of lifeboat")

// prepareSchema makes the tables in a new database, all at once or not at all, and checks those of an old one.
func prepareSchema(db *sql.DB) error {
	empty, err := isEmpty(db)
	if err != nil {
		return err
	}
	if !empty {
		return checkSchema(db)
	}
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if _, err := tx.Exec(schema); err != nil {
		return fmt.Errorf("make tables: %w", err)
	}
	if _, err := tx.Exec(`INSERT INTO meta (name, value) VALUES ('schema', ?)`, strconv.Itoa(schemaVersion)); err != nil {
		return fmt.Errorf("note schema: %w", err)
	}
	return tx.Commit()
}

func isEmpty(db *sql.DB) (bool, error) {
	var tables int
	err := db.QueryRow(`SELECT count(*) FROM sqlite_schema`).Scan(&tables)
	return tables == 0, err
}

func checkSchema(db *sql.DB) error {
	var tables int
	if err := db.QueryRow(`SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('meta', 'entries')`).Scan(&tables); err != nil {
		return err
	}
	if tables != 2 {
		return errForeign
	}
	return sqlstore.Tables{DB: db}.CheckVersion(context.Background(), schemaVersion, errForeign)
}
