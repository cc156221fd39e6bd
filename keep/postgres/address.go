package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"lifeboat"
	"lifeboat/keep/sqlstore"
)

// An address is where a journal lies, read from a URL that is then forgotten: it may hold a password.
type address struct {
	config *pgx.ConnConfig
	schema string
}

// Is reports whether text is the address of a database rather than the name of a directory.
func Is(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

// schemaNames need no quoting anywhere.
var schemaNames = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// parse reads a URL. What is wrong with one is not said in the words of the driver, which quote it.
func parse(text string) (address, error) {
	refused := &lifeboat.Problem{
		Reason: "usage",
		What:   "the address of the database cannot be read",
		Next:   "write it as postgres://user@host:5432/database; a password may stand in PGPASSWORD or in ~/.pgpass",
	}
	if !Is(text) {
		return address{}, refused
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		return address{}, refused
	}
	a := address{config: config, schema: "lifeboat"}
	if name := config.RuntimeParams["search_path"]; name != "" {
		a.schema = name
	}
	if !schemaNames.MatchString(a.schema) {
		refused.What = "the search_path of the database's address is not the name of one schema, in small letters, digits and underscores"
		return address{}, refused
	}
	return a, nil
}

// String names the journal to a person: where it is, and nothing of who may go there.
func (a address) String() string {
	where := a.config.Host
	if !strings.HasPrefix(where, "/") {
		where += ":" + strconv.Itoa(int(a.config.Port))
	}
	name := fmt.Sprintf("the database %s at %s", a.config.Database, where)
	if a.schema != "lifeboat" {
		name += ", schema " + a.schema
	}
	return name
}

func (a address) tables(db *sql.DB) sqlstore.Tables {
	return sqlstore.Tables{DB: db, Numbered: true, Problem: a.readProblem}
}

const (
	readersMax = 4
	// connectMax bounds an attempt to connect that nobody else bounds, as when a command reads.
	connectMax = 5 * time.Second
)

// reading is how those talk to the database who only look.
var reading = map[string]string{"default_transaction_read_only": "on"}

// writing is how the holder of the lease does. A transaction in which he falls silent, because his process was stopped, is
// ended by the server when his lease ends, so that it does not stand in the way of who takes over.
func writing(lease time.Duration) map[string]string {
	return map[string]string{
		"default_transaction_isolation":       "read committed", // note and claim look again at a row that they waited for
		"idle_in_transaction_session_timeout": strconv.FormatInt(lease.Milliseconds(), 10),
	}
}

// durable keeps a server whose default is otherwise from acknowledging what is not on its disk.
const durable = `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`

// connect opens a pool of connections with parameters of the session.
func (a address) connect(connections int, parameters map[string]string) *sql.DB {
	config := a.config.Copy()
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectMax
	}
	maps.Copy(config.RuntimeParams, parameters)
	config.RuntimeParams["search_path"] = a.schema
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "lifeboat"
	}
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, durable)
		return err
	}))
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

// scrub takes a password out of a text, however it got there.
func (a address) scrub(text string) string {
	if secret := a.config.Password; secret != "" {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("", secret).String()[1:]} {
			text = strings.ReplaceAll(text, form, "…")
		}
	}
	return text
}
