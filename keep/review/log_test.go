package review

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogName(t *testing.T) {
	for when, want := range map[string]string{
		"2023-10-26T00:00:00Z":      "DRP_Log_2023_Q4.md",
		"2020-01-01T00:00:00Z":      "DRP_Log_2020_Q1.md",
		"2020-03-31T23:59:59Z":      "DRP_Log_2020_Q1.md",
		"2020-04-01T00:00:00Z":      "DRP_Log_2020_Q2.md",
		"2019-12-31T23:00:00-05:00": "DRP_Log_2019_Q4.md", // the reader's own calendar, not that of Greenwich
	} {
		if got := LogName(at(when)); got != want {
			t.Errorf("%s: got %s, want %s", when, got, want)
		}
	}
}

func TestAppendKeepsWhatStands(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs") // made on the way
	february, march, april := at("2020-02-01T00:00:00Z"), at("2020-03-16T00:00:00Z"), at("2020-04-01T00:00:00Z")
	path, err := Append(dir, february, "2020-02-01: Drill. First.")
	if err != nil {
		t.Fatal(err)
	}
	// A person adds a note, and their editor leaves no newline at the end.
	before := contents(t, path) + "  My own note, *with* markup."
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Append(dir, march, "2020-03-16: Incident i1.\nSecond\nline."); err != nil {
		t.Fatal(err)
	}
	const want = `# Disaster recovery log, 2020 Q1

Drills and incidents, newest last. lifeboat only adds lines at the end; what people write here stays.

- 2020-02-01: Drill. First.
  My own note, *with* markup.
- 2020-03-16: Incident i1. Second line.
`
	if got := contents(t, path); got != want || !strings.HasPrefix(got, before) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the rights changed: %v %v", info.Mode(), err)
	}
	if next, err := Append(dir, april, "2020-04-01: Drill."); err != nil || filepath.Base(next) != "DRP_Log_2020_Q2.md" {
		t.Errorf("got %s, %v", next, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".log-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestAppendThatFailsChangesNothing: what cannot be replaced stays, and nothing is left beside it.
func TestAppendThatFailsChangesNothing(t *testing.T) {
	dir := t.TempDir()
	when := at("2020-03-16T00:00:00Z")
	if err := os.MkdirAll(filepath.Join(dir, LogName(when)), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Append(dir, when, "entry"); err == nil || !strings.HasPrefix(err.Error(), "read log: ") {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Append(filepath.Join(file, "logs"), when, "entry"); err == nil {
		t.Error("a log below a file was taken")
	}
}

// FuzzAppend: whatever is written, the log only grows, by one line.
func FuzzAppend(f *testing.F) {
	f.Add("old\n", "2020-03-16: Incident i1.")
	f.Add("no newline", "two\nlines")
	f.Add("", "\r\n\u2028")
	f.Fuzz(func(t *testing.T, before, entry string) {
		dir := t.TempDir()
		when := at("2020-03-16T00:00:00Z")
		path := filepath.Join(dir, LogName(when))
		if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Append(dir, when, entry); err != nil {
			t.Fatal(err)
		}
		after := contents(t, path)
		if !strings.HasPrefix(after, before) {
			t.Fatalf("%q became %q", before, after)
		}
		added := strings.TrimPrefix(after[len(before):], "\n")
		if strings.Count(added, "\n") != 1 || !strings.HasPrefix(added, "- ") {
			t.Fatalf("added %q", added)
		}
	})
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
