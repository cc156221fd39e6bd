package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/journal/journaltest"
	"lifeboat/keep/postgres/postgrestest"
	"lifeboat/keep/sqlstore"
)

var noon = time.Date(2020, 3, 12, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, o Options) *Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openReader(t testing.TB, url string) *sqlstore.Reader {
	t.Helper()
	r, err := OpenReader(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// said is the event that the tests write as the n-th.
func said(n int64) lifeboat.Event {
	return lifeboat.RunFinished{Run: fmt.Sprintf("R-%d", n), Status: lifeboat.Done, Why: strings.Repeat("y", 200)}
}

// write appends one event at a time until n entries are there.
func write(t testing.TB, s journal.Store, n int64) {
	t.Helper()
	for head, _ := s.Head(); head.Seq < n; head, _ = s.Head() {
		if err := s.Append(noon, said(head.Seq+1)); err != nil {
			t.Fatal(err)
		}
	}
}

// holds checks that a journal verifies and holds exactly said(1) to said(n).
func holds(t testing.TB, r journal.Reader, n int64) {
	t.Helper()
	report, err := journal.Verify(context.Background(), r)
	if err != nil || report.Entries != n {
		t.Fatalf("%d entries, %v, want %d", report.Entries, err, n)
	}
	for e, err := range r.Entries(context.Background(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if event, err := e.Event(); err != nil || event != said(e.Seq) {
			t.Fatalf("entry %d is %v, %v", e.Seq, event, err)
		}
	}
}

// expectProblem holds an error to the three parts that a person is told, on one line.
func expectProblem(t testing.TB, err error, reason lifeboat.Reason, what string) {
	t.Helper()
	p, ok := errors.AsType[*lifeboat.Problem](err)
	if !ok || p.Reason != reason || !strings.Contains(p.What, what) || p.Next == "" || strings.Contains(p.What, "\n") {
		t.Errorf("got %#v, want %s, %q", err, reason, what)
	}
}

// crash ends a store as kill -9 does: nothing is given up, every connection is gone.
func (s *Store) crash() {
	s.stop()
	<-s.stopped
	s.release()
}

func TestContract(t *testing.T) {
	server := postgrestest.Start(t)
	journaltest.Run(t, func(t *testing.T) journaltest.Subject {
		o := Options{URL: server.NewJournal(), Lease: time.Second} // shorter ones run out by themselves when the machine is busy
		s := open(t, o)
		return journaltest.Subject{
			Keeper: s,
			Reopen: func() journal.Keeper {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, o)
				return s
			},
			Crash: func() journal.Keeper {
				s.crash()
				s = open(t, o)
				return s
			},
			Second: func() (journal.Keeper, error) {
				s.stop() // it is out of reach: it renews no more
				<-s.stopped
				return open(t, o), nil
			},
		}
	})
}

// execute does to a journal what somebody with psql can.
func execute(t *testing.T, url string, statements ...string) error {
	t.Helper()
	a, err := parse(url)
	if err != nil {
		t.Fatal(err)
	}
	db := a.connect(1, nil)
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// TestTheDatabaseItselfRefuses: a slip in psql does no harm.
func TestTheDatabaseItselfRefuses(t *testing.T) {
	url := postgrestest.Start(t).NewJournal()
	write(t, open(t, Options{URL: url}), 3)
	for _, statement := range []string{
		`UPDATE entries SET body = 'x' WHERE seq = 2`,
		`UPDATE entries SET body = body`,
		`DELETE FROM entries`,
		`DELETE FROM entries WHERE seq = 3`,
		`TRUNCATE entries`,
		`TRUNCATE meta, entries CASCADE`,
		`INSERT INTO entries SELECT seq, at, 'refused', body, prev, hash FROM entries WHERE seq = 2 ON CONFLICT (seq) DO UPDATE SET word = 'refused'`,
		`INSERT INTO entries SELECT seq + 7, at, word, body, prev, hash FROM entries WHERE seq = 2`,
		`INSERT INTO entries SELECT seq - 7, at, word, body, prev, hash FROM entries WHERE seq = 2`,
		`INSERT INTO entries SELECT NULL, at, word, body, prev, hash FROM entries WHERE seq = 2`,
		`SET session_replication_role = replica; DELETE FROM entries WHERE seq = 3`,
		`INSERT INTO lease VALUES (77, 'a second one', now())`,
	} {
		if err := execute(t, url, statement); err == nil {
			t.Errorf("%s: was done", statement)
		}
	}
	holds(t, openReader(t, url), 3)
	if _, err := openReader(t, url).DB.Exec(`UPDATE meta SET value = ''`); err == nil {
		t.Error("a reader could write")
	}
}

// TestTamperingIsFound falsifies the tables, after taking the triggers away. A daemon does not go on from an end that is
// not the end.
func TestTamperingIsFound(t *testing.T) {
	server := postgrestest.Start(t)
	for _, c := range []struct {
		statement string
		seq       int64
		why       string
	}{
		{`UPDATE entries SET seq = 99 WHERE seq = 3`, 3, "is missing"},
		{`UPDATE entries SET at = at + 1 WHERE seq = 3`, 3, "was changed"},
		{`UPDATE entries SET word = 'refused' WHERE seq = 3`, 3, "was changed"},
		{`UPDATE entries SET body = body || ' ' WHERE seq = 3`, 3, "was changed"},
		{`UPDATE entries SET prev = decode(repeat('00', 32), 'hex') WHERE seq = 3`, 3, "was changed"},
		{`UPDATE entries SET hash = '' WHERE seq = 3`, 3, "was changed"},
		{`DELETE FROM entries WHERE seq = 3`, 3, "is missing"},
		{`DELETE FROM entries WHERE seq > 3`, 4, "its end was cut off"},
		{`DELETE FROM entries`, 1, "its end was cut off"},
	} {
		url := server.NewJournal()
		s := open(t, Options{URL: url})
		write(t, s, 5)
		s.Close()
		if err := execute(t, url, `ALTER TABLE entries DISABLE TRIGGER ALL`, c.statement); err != nil {
			t.Fatal(err)
		}
		report, err := journal.Verify(context.Background(), openReader(t, url))
		expectProblem(t, err, "journal-broken", "the journal does not hold")
		if b := report.Broken; b == nil || b.Seq != c.seq || !strings.Contains(b.Why, c.why) {
			t.Errorf("%s: %+v, want entry %d, %q", c.statement, b, c.seq, c.why)
		}
	}
	for _, statement := range []string{`DELETE FROM entries WHERE seq > 3`, `DELETE FROM entries`, `DELETE FROM meta WHERE name = 'head'`, `UPDATE meta SET value = '' WHERE name = 'head'`, `UPDATE entries SET hash = '' WHERE seq = 5`} {
		url := server.NewJournal()
		s := open(t, Options{URL: url})
		write(t, s, 5)
		s.Close()
		if err := execute(t, url, `ALTER TABLE entries DISABLE TRIGGER ALL`, statement); err != nil {
			t.Fatal(err)
		}
		for range 2 { // who was refused does not keep the lease
			_, err := Open(context.Background(), Options{URL: url, Lease: time.Minute})
			expectProblem(t, err, "journal-broken", "not the last one that was written")
		}
	}
}

// A write past the store, by somebody who switched the trigger off, is noticed with the next append.
func TestAStrangeHeadIsNoticed(t *testing.T) {
	url := postgrestest.Start(t).NewJournal()
	s := open(t, Options{URL: url})
	write(t, s, 3)
	if err := execute(t, url, `UPDATE meta SET value = '2:`+strings.Repeat("0", 64)+`' WHERE name = 'head'`); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		expectProblem(t, s.Append(noon, said(4)), "journal-broken", "does not end where it did")
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	server := postgrestest.Start(t)
	ctx := context.Background()
	_, err := OpenReader(ctx, server.NewJournal())
	expectProblem(t, err, "not-found", "there is no journal in the database postgres at")

	made := func(statements ...string) string {
		url := server.NewJournal()
		open(t, Options{URL: url}).Close()
		if err := execute(t, url, statements...); err != nil {
			t.Fatal(err)
		}
		return url
	}
	nobody := strings.Replace(server.NewJournal(), "user=lifeboat", "user=nobody", 1)
	for _, c := range []struct{ name, url, what string }{
		{"newer", made(`UPDATE meta SET value = '7' WHERE name = 'schema'`), "a newer lifeboat wrote it (schema 7, this one knows 1)"},
		{"unversioned", made(`DELETE FROM meta WHERE name = 'schema'`), "not those of a journal of lifeboat"},
		{"foreign", made(`DROP TABLE entries`), "not those of a journal of lifeboat"},
		{"no database", strings.Replace(server.NewJournal(), "/postgres?", "/nowhere?", 1), "the server has no such database"},
		{"no user", nobody, "the server refuses the user or the password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(ctx, Options{URL: c.url})
			expectProblem(t, err, "journal-unreadable", c.what)
			_, err = OpenReader(ctx, c.url)
			expectProblem(t, err, "journal-unreadable", c.what)
		})
	}

	other := server.NewJournal()
	if err := execute(t, other, `CREATE USER guest`); err != nil {
		t.Fatal(err)
	}
	_, err = Open(ctx, Options{URL: strings.Replace(other, "user=lifeboat", "user=guest", 1)})
	expectProblem(t, err, "journal-unreadable", "the user lacks the rights")

	_, err = Open(ctx, Options{URL: other + "&options=-c%20default_transaction_read_only%3Don"})
	expectProblem(t, err, "journal-full", "the server may only be read")

	server.Stop(t)
	_, err = Open(ctx, Options{URL: other})
	expectProblem(t, err, "journal-unreachable", "the journal in the database postgres at")
	_, err = OpenReader(ctx, other)
	expectProblem(t, err, "journal-unreachable", "is out of reach")
	server.StartAgain(t)
}

// TestSecretsStaySecret: whatever is wrong with an address, its password is in no error, however one looks at it.
func TestSecretsStaySecret(t *testing.T) {
	server := postgrestest.Start(t)
	const secret = "sw0rd/f%sh"
	for _, url := range []string{
		"postgres://ann:sw0rd%2Ff%25sh@127.0.0.1:1/db",
		"postgres://ann:sw0rd%2Ff%25sh@/nowhere?host=" + strings.TrimSuffix(server.Socket, "/.s.PGSQL.5432"),
		"postgres://ann:sw0rd/f%sh@127.0.0.1:1/db",
		"postgres://ann:sw0rd/f%sh@[::1/db",
		"postgres://127.0.0.1:1/db?user=ann&password=sw0rd%2Ff%25sh",
		"postgres://ann@127.0.0.1:1/db?password=sw0rd%2Ff%25sh&sslmode=perhaps",
		"postgres://ann:sw0rd%2Ff%25sh@127.0.0.1:1/db?search_path=Not,One",
		"mysql://ann:sw0rd%2Ff%25sh@127.0.0.1:1/db",
	} {
		_, err := Open(context.Background(), Options{URL: url})
		_, errReader := OpenReader(context.Background(), url)
		if err == nil || errReader == nil {
			t.Fatalf("%s was opened", url)
		}
		for _, err := range []error{err, errReader} {
			for ; err != nil; err = errors.Unwrap(err) {
				for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
					if strings.Contains(text, "sw0rd") || strings.Contains(text, secret) {
						t.Errorf("%s: %s", url, text)
					}
				}
			}
		}
	}
	a, err := parse("postgres://ann:sw0rd%2Ff%25sh@127.0.0.1/db")
	if err != nil {
		t.Fatal(err)
	}
	if got := a.scrub("no sw0rd/f%sh and no sw0rd%2Ff%25sh"); strings.Contains(got, "sw0rd") {
		t.Errorf("got %q", got)
	}
}

// TestTheWriterSyncs: a kill does not show whether a commit was synced, so the settings are looked at.
func TestTheWriterSyncs(t *testing.T) {
	server := postgrestest.Start(t)
	if err := execute(t, server.URL+"&search_path=public", `ALTER SYSTEM SET synchronous_commit = off`, `SELECT pg_reload_conf()`); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{URL: server.NewJournal()})
	for setting, want := range map[string]string{"synchronous_commit": "on", "idle_in_transaction_session_timeout": "2s", "transaction_isolation": "read committed"} {
		for name, db := range map[string]*sql.DB{"appends": s.write, "renewals": s.keep} {
			var got string
			if err := db.QueryRow("SHOW " + setting).Scan(&got); err != nil || got != want {
				t.Errorf("for %s %s is %q, %v, want %q", name, setting, got, err, want)
			}
		}
	}
	if n := s.write.Stats().MaxOpenConnections; n != 1 {
		t.Errorf("%d writers", n)
	}
	if err := execute(t, server.URL+"&search_path=public", `ALTER SYSTEM SET fsync = off`, `SELECT pg_reload_conf()`, `SELECT pg_sleep(0.3)`); err != nil {
		t.Fatal(err)
	}
	_, err := Open(context.Background(), Options{URL: server.NewJournal()})
	expectProblem(t, err, "journal-unreadable", "does not sync to its disk what it acknowledges")
}

func TestClosedIsClosed(t *testing.T) {
	s := open(t, Options{URL: postgrestest.Start(t).NewJournal()})
	write(t, s, 1)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Append(noon, said(2)); !errors.Is(err, sqlstore.ErrClosed) {
		t.Errorf("append to a closed journal: %v", err)
	}
	if err := s.Fence(); !errors.Is(err, sqlstore.ErrClosed) {
		t.Errorf("a closed journal lets act: %v", err)
	}
}
