package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lifeboat"
)

// TestWritePlan: whatever goes wrong, the plan is what it was, and nothing else lies in its directory.
func TestWritePlan(t *testing.T) {
	files := map[string][]byte{"a.yaml": []byte("new a"), "b.yaml": []byte("new b"), "c.yaml": []byte("new c")}
	for _, tt := range []struct {
		name     string
		obstacle string // a directory where a file has to be written
		accepted error
		want     string
	}{
		{"accepted", "", nil, "a.yaml=new a b.yaml=new b c.yaml=new c"},
		{"not accepted", "", errors.New("a fault"), "a.yaml=old a b.yaml=old b"},
		{"the second cannot be written", "b.yaml.new", nil, "a.yaml=old a b.yaml=old b"},
		{"the new one cannot be written", "c.yaml.new", nil, "a.yaml=old a b.yaml=old b"},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"a.yaml": "old a", "b.yaml": "old b"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if tt.obstacle != "" {
			if err := os.MkdirAll(filepath.Join(dir, tt.obstacle, "x"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		err := writePlan(dir, files, func() error { return tt.accepted })
		if failed := tt.obstacle != "" || tt.accepted != nil; failed != (err != nil) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if p, ok := errors.AsType[*lifeboat.Problem](err); err != nil && (!ok || p.Money != "the plan is what it was") {
			t.Errorf("%s: told as %v", tt.name, err)
		}
		if have := plainFiles(t, dir); have != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, have, tt.want)
		}
		if info, err := os.Stat(filepath.Join(dir, "a.yaml")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: the rights of a file were changed", tt.name)
		}
	}
}

func plainFiles(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Name()+"="+string(text))
		}
	}
	return strings.Join(all, " ")
}
