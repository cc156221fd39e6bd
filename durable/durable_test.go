package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"lifeboat/durable"
)

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "notes")
	if err := durable.Dir(dir); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "a")
	for _, content := range []string{"first", "", "a longer one than before"} {
		if err := durable.Write(name, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if read, err := os.ReadFile(name); err != nil || string(read) != content {
			t.Errorf("it holds %q, %v; %q was written", read, err, content)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("something was left beside it: %v", entries)
	}
}

// TestWhatCannotBeWrittenLeavesTheOld puts a directory where the file should go, which no rename replaces.
func TestWhatCannotBeWrittenLeavesTheOld(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.Write(filepath.Join(dir, "a"), []byte("new")); err == nil {
		t.Error("a directory was written over")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("something was left beside it: %v", entries)
	}
}
