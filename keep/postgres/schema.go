package postgres

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

// schema makes an empty journal. An entry follows the last one without a gap, and never changes or goes; ALWAYS means
// also for a session that plays itself up as a replica. There is one lease. Its key is the epoch, so that a renewal and
// an append, which holds the key, do not wait for each other, and a claim, which changes it, waits for both. Triggers
// name the schema: the one who writes may have another search_path.
const schema = `
CREATE TABLE %[1]s.meta (
	name  text PRIMARY KEY,
	value text NOT NULL
);
CREATE TABLE %[1]s.entries (
	seq  bigint PRIMARY KEY,
	at   bigint NOT NULL, -- nanoseconds since 1970, UTC
	word text   NOT NULL,
	body bytea  NOT NULL, -- canonical JSON
	prev bytea  NOT NULL,
	hash bytea  NOT NULL
);
CREATE TABLE %[1]s.lease (
	epoch  bigint PRIMARY KEY,
	holder text NOT NULL,
	until  timestamptz NOT NULL
);
CREATE UNIQUE INDEX one_lease ON %[1]s.lease ((true));
INSERT INTO %[1]s.lease VALUES (0, '', '-infinity');
INSERT INTO %[1]s.meta VALUES ('schema', '%[2]s'), ('head', '');

CREATE FUNCTION %[1]s.follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq), 0) + 1 FROM %[1]s.entries) THEN
		RAISE EXCEPTION 'an entry follows the last one';
	END IF;
	RETURN NEW;
END $$;
CREATE FUNCTION %[1]s.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	RAISE EXCEPTION 'the journal is append-only';
END $$;
CREATE TRIGGER entries_follow BEFORE INSERT ON %[1]s.entries FOR EACH ROW EXECUTE FUNCTION %[1]s.follow();
CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON %[1]s.entries FOR EACH ROW EXECUTE FUNCTION %[1]s.refuse();
CREATE TRIGGER entries_remain BEFORE TRUNCATE ON %[1]s.entries FOR EACH STATEMENT EXECUTE FUNCTION %[1]s.refuse();
ALTER TABLE %[1]s.entries ENABLE ALWAYS TRIGGER entries_follow;
ALTER TABLE %[1]s.entries ENABLE ALWAYS TRIGGER entries_stay;
ALTER TABLE %[1]s.entries ENABLE ALWAYS TRIGGER entries_remain;
`

var (
	// errForeign are tables that some other program made.
	errForeign = errors.New("the schema has tables, but not those of a journal of lifeboat")
	// errNoSync is a server on which to be written means nothing.
	errNoSync = errors.New("the server does not sync to its disk what it acknowledges (fsync is off)")
)

// schemaLock is the number under which two programs that make the tables of one database wait for each other.
const schemaLock = 0x6c69666562

// prepareSchema makes the tables in a new database, all at once or not at all, and checks those of an old one.
func prepareSchema(ctx context.Context, db *sql.DB, a address) error {
	var fsync string
	if err := db.QueryRowContext(ctx, `SHOW fsync`).Scan(&fsync); err != nil {
		return err
	}
	if fsync != "on" {
		return errNoSync
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(schemaLock)); err != nil {
		return err
	}
	empty, err := isEmpty(ctx, tx)
	if err != nil {
		return err
	}
	if !empty {
		tx.Rollback()
		return checkSchema(ctx, db)
	}
	if err := makeSchema(ctx, tx, a.schema); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(schema, a.schema, strconv.Itoa(schemaVersion))); err != nil {
		return fmt.Errorf("make tables: %w", err)
	}
	return tx.Commit()
}

// makeSchema leaves one alone that is there: to ask for it again takes a right that its user may lack.
func makeSchema(ctx context.Context, tx *sql.Tx, name string) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM pg_namespace WHERE nspname = $1`, name).Scan(&n); err != nil || n > 0 {
		return err
	}
	_, err := tx.ExecContext(ctx, `CREATE SCHEMA `+name)
	return err
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// isEmpty reports that the schema is missing or has no table.
func isEmpty(ctx context.Context, db queryer) (bool, error) {
	var tables int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM pg_tables WHERE schemaname = current_setting('search_path')`).Scan(&tables)
	return tables == 0, err
}

func checkSchema(ctx context.Context, db *sql.DB) error {
	var tables int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM pg_tables
		WHERE schemaname = current_setting('search_path') AND tablename IN ('meta', 'entries', 'lease')`).Scan(&tables)
	if err != nil {
		return err
	}
	if tables != 3 {
		return errForeign
	}
	return sqlstore.Tables{DB: db}.CheckVersion(ctx, schemaVersion, errForeign)
}
