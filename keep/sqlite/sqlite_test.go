package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/journal/journaltest"
	"lifeboat/keep/sqlstore"
)

var noon = time.Date(2020, 3, 12, 12, 0, 0, 0, time.UTC)

// open opens a store and closes it at the test's end.
func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openReader(t testing.TB, dir string) *Reader {
	t.Helper()
	r, err := OpenReader(dir)
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
func write(t testing.TB, s *Store, n int64) {
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

func TestContract(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Subject {
		dir := t.TempDir()
		s := open(t, dir)
		return journaltest.Subject{
			Keeper: s,
			Reopen: func() journal.Keeper {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, dir)
				return s
			},
			Crash: func() journal.Keeper {
				dir = asItIsNow(t, dir)
				s = open(t, dir)
				return s
			},
			Second: func() (journal.Keeper, error) { return Open(dir, Options{}) },
		}
	})
}

// asItIsNow copies the files of an open journal: what a process that was killed at this moment leaves behind. Nobody may
// be writing.
func asItIsNow(t *testing.T, dir string) string {
	t.Helper()
	copied := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, File+suffix))
		if err == nil {
			err = os.WriteFile(filepath.Join(copied, File+suffix), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

func TestDirectoryAndFilesAreTheOwnersAlone(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := open(t, dir)
	write(t, s, 1)
	for name, want := range map[string]os.FileMode{"": 0o700, File: 0o600, File + "-wal": 0o600, File + "-shm": 0o600, lockFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q has rights %v, %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
}

func TestAnyNameOfADirectoryWill(t *testing.T) {
	for _, name := range []string{"with space", "what?", "a#b", "100%20", "é", "a&b=c", "file:x"} {
		dir := filepath.Join(t.TempDir(), name)
		s := open(t, dir)
		write(t, s, 2)
		holds(t, openReader(t, dir), 2)
		if _, err := os.Stat(filepath.Join(dir, File)); err != nil {
			t.Errorf("%q: the journal lies elsewhere: %v", name, err)
		}
	}
	t.Chdir(t.TempDir())
	write(t, open(t, "data"), 1)
	holds(t, openReader(t, "./data"), 1)
}

// TestTheWriterSyncs: a kill does not show whether a commit was synced, so the settings are looked at.
func TestTheWriterSyncs(t *testing.T) {
	s := open(t, t.TempDir())
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000"} {
		var got string
		if err := s.write.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", pragma, got, err, want)
		}
	}
	if n := s.write.Stats().MaxOpenConnections; n != 1 {
		t.Errorf("%d writers", n)
	}
	if _, err := s.read.DB.Exec(`DELETE FROM meta`); err == nil {
		t.Error("a reader could write")
	}
}

func TestOneDaemonPerDirectory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := Open(dir, Options{})
	expectProblem(t, err, "data-in-use", fmt.Sprintf("another lifeboat (process %d) runs on %s", os.Getpid(), dir))
	write(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	holds(t, open(t, dir), 1)
}

func TestReadersNeedNoDaemonAndDisturbNone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	before := openReader(t, dir)
	holds(t, before, 0)
	write(t, s, 3)
	holds(t, before, 3)
	if head, ok := before.Head(); !ok || head.Seq != 3 {
		t.Errorf("the head is %d", head.Seq)
	}
	s.Close()
	holds(t, before, 3)
	after := openReader(t, dir)
	holds(t, after, 3)
	again := open(t, dir)
	write(t, again, 5)
	holds(t, after, 5)
}

func TestReaderSaysWhenThereIsNothing(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenReader(filepath.Join(dir, "nowhere"))
	expectProblem(t, err, "not-found", "there is no journal in")
	if _, err := os.Stat(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("looking made the directory")
	}
	// A daemon that was killed before it had made its tables leaves an empty file.
	os.WriteFile(filepath.Join(dir, File), nil, 0o600)
	_, err = OpenReader(dir)
	expectProblem(t, err, "not-found", "there is no journal in")
	write(t, open(t, dir), 1)
}

func TestWhatCannotBeOpened(t *testing.T) {
	garbage := func(t *testing.T, dir string) {
		os.WriteFile(filepath.Join(dir, File), []byte(strings.Repeat("not a database ", 1000)), 0o600)
	}
	foreign := func(t *testing.T, dir string) { execute(t, dir, `CREATE TABLE entries (x)`) }
	newer := func(t *testing.T, dir string) {
		open(t, dir).Close()
		execute(t, dir, `UPDATE meta SET value = '7' WHERE name = 'schema'`)
	}
	unversioned := func(t *testing.T, dir string) {
		open(t, dir).Close()
		execute(t, dir, `DELETE FROM meta WHERE name = 'schema'`)
	}
	for name, c := range map[string]struct {
		spoil func(*testing.T, string)
		what  string
	}{
		"garbage":      {garbage, "the file is not a database"},
		"foreign":      {foreign, "is a database, but not a journal of lifeboat"},
		"newer":        {newer, "a newer lifeboat wrote it (schema 7, this one knows 1)"},
		"unversioned":  {unversioned, "is a database, but not a journal of lifeboat"},
		"not a file":   {func(t *testing.T, dir string) { os.Mkdir(filepath.Join(dir, File), 0o700) }, "journal.db is not a file"},
		"half a table": {halve, "the file is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.spoil(t, dir)
			_, err := Open(dir, Options{})
			expectProblem(t, err, "journal-unreadable", c.what)
			_, err = OpenReader(dir)
			expectProblem(t, err, "journal-unreadable", c.what)
			if _, err := os.Stat(filepath.Join(dir, lockFile)); err != nil {
				t.Fatal(err)
			}
			f, err := lockDir(dir)
			if err != nil {
				t.Fatalf("the lock was kept: %v", err)
			}
			f.Close()
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	_, err := Open(file, Options{})
	expectProblem(t, err, "journal-unreadable", "not a directory")
}

// halve cuts a journal's file in two, as a copy that was broken off does.
func halve(t *testing.T, dir string) {
	s := open(t, dir)
	write(t, s, 500)
	s.Close()
	path := filepath.Join(dir, File)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2/4096*4096); err != nil {
		t.Fatal(err)
	}
}

// execute does to a closed journal what somebody with a SQLite shell can.
func execute(t *testing.T, dir string, statements ...string) {
	t.Helper()
	db, err := connect(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// TestTheDatabaseItselfRefuses: a slip in a SQLite shell does no harm.
func TestTheDatabaseItselfRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, open(t, dir), 3)
	db, err := sql.Open("sqlite", filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		`UPDATE entries SET body = x'00' WHERE seq = 2`,
		`UPDATE OR REPLACE entries SET seq = 3 WHERE seq = 2`,
		`DELETE FROM entries`,
		`INSERT OR REPLACE INTO entries SELECT seq, at, 'refused', body, prev, hash FROM entries WHERE seq = 2`,
		`INSERT INTO entries SELECT seq + 7, at, word, body, prev, hash FROM entries WHERE seq = 2`,
		`INSERT INTO entries SELECT seq - 7, at, word, body, prev, hash FROM entries WHERE seq = 2`,
		`INSERT INTO entries SELECT NULL, at, word, body, prev, hash FROM entries WHERE seq = 2`,
	} {
		if _, err := db.Exec(statement); err == nil {
			t.Errorf("%s: was done", statement)
		}
	}
	holds(t, openReader(t, dir), 3)
}

// TestTamperingIsFound falsifies the file itself, after taking the triggers away.
func TestTamperingIsFound(t *testing.T) {
	for _, c := range []struct {
		statement string
		seq       int64
		why       string
	}{
		{`UPDATE entries SET seq = 99 WHERE seq = 3`, 3, "is missing"},
		{`UPDATE entries SET at = at + 1 WHERE seq = 3`, 3, "was changed"},
		{`UPDATE entries SET word = 'refused' WHERE seq = 3`, 3, "was changed"},
		{`UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'R-3', 'R-4') AS BLOB) WHERE seq = 3`, 3, "was changed"},
		{`UPDATE entries SET prev = zeroblob(32) WHERE seq = 3`, 3, "was changed"},
		{`UPDATE entries SET prev = zeroblob(3) WHERE seq = 3`, 3, "was changed"},
		{`UPDATE entries SET hash = zeroblob(32) WHERE seq = 3`, 3, "was changed"},
		{`UPDATE entries SET hash = CAST(hash || x'01' AS BLOB) WHERE seq = 3`, 3, "was changed"},
		{`UPDATE entries SET prev = x'' WHERE seq = 1`, 1, "was changed"},
		{`DELETE FROM entries WHERE seq = 3`, 3, "is missing"},
		{`DELETE FROM entries WHERE seq = 1`, 1, "is missing"},
		{`DELETE FROM entries WHERE seq > 3`, 4, "its end was cut off"},
		{`DELETE FROM entries`, 1, "its end was cut off"},
		{`INSERT INTO entries SELECT 0, at, word, body, prev, hash FROM entries WHERE seq = 1`, 0, "in a wrong place"},
		{`INSERT INTO entries SELECT 6, at, word, body, prev, hash FROM entries WHERE seq = 5`, 6, "was changed"},
	} {
		dir := t.TempDir()
		s := open(t, dir)
		write(t, s, 5)
		s.Close()
		execute(t, dir, `DROP TRIGGER entries_follow`, `DROP TRIGGER entries_stay`, `DROP TRIGGER entries_remain`, c.statement)
		report, err := journal.Verify(context.Background(), openReader(t, dir))
		expectProblem(t, err, "journal-broken", "the journal does not hold")
		if b := report.Broken; b == nil || b.Seq != c.seq || !strings.Contains(b.Why, c.why) {
			t.Errorf("%s: %+v, want entry %d, %q", c.statement, b, c.seq, c.why)
		}
	}
}

// TestAWrongEndIsFoundAtOnce: the daemon does not go on from an end that is not the end.
func TestAWrongEndIsFoundAtOnce(t *testing.T) {
	for _, statement := range []string{`DELETE FROM entries WHERE seq > 3`, `DELETE FROM entries`, `DELETE FROM meta WHERE name = 'head'`, `UPDATE entries SET hash = zeroblob(32) WHERE seq = 5`} {
		dir := t.TempDir()
		s := open(t, dir)
		write(t, s, 5)
		s.Close()
		execute(t, dir, `DROP TRIGGER entries_stay`, `DROP TRIGGER entries_remain`, statement)
		_, err := Open(dir, Options{})
		expectProblem(t, err, "journal-broken", "not the last one that was written")
	}
}

// TestFullDisk lets the database reach its largest size, which SQLite answers as it answers a disk without space.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{pagesMax: 30})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := int64(0)
	for ; err == nil && n < 10_000; n++ {
		err = s.Append(noon, said(n+1))
	}
	n-- // the last was not acknowledged
	expectProblem(t, err, "journal-full", "the journal in "+dir+" could not be written: no space left on device")
	if p, ok := errors.AsType[*lifeboat.Problem](err); !ok || p.Money == "" || p.Kind().ExitCode() != 8 {
		t.Errorf("got %#v", err)
	}
	if _, ok := errors.AsType[*lifeboat.Problem](s.Append(noon, lifeboat.Refused{})); !ok {
		t.Error("after a failed append the store took another, smaller one")
	}
	holds(t, s, n)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	holds(t, again, n)
	write(t, again, n+10)
	holds(t, again, n+10)
}

// TestABatchThatDoesNotFitLeavesNothing: an append is one transaction.
func TestABatchThatDoesNotFitLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{pagesMax: 30})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write(t, s, 3)
	batch := make([]lifeboat.Event, 1000)
	for i := range batch {
		batch[i] = said(int64(i + 4))
	}
	expectProblem(t, s.Append(noon, batch...), "journal-full", "no space left")
	holds(t, s, 3)
	s.Close()
	holds(t, open(t, dir), 3)
}

func TestALockedDatabaseIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{BusyWait: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write(t, s, 1)
	other, err := connect(dir, 1, "_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	expectProblem(t, s.Append(noon, said(2)), "journal-full", "another program has locked the database")
	tx.Rollback()
	if s.Append(noon, said(2)) == nil {
		t.Error("the store went on after a failed append")
	}
}

func TestClosedIsClosed(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, 1)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Append(noon, said(2)); !errors.Is(err, sqlstore.ErrClosed) {
		t.Errorf("append to a closed journal: %v", err)
	}
}
