package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	files, _ := filepath.Glob("testdata/format/*.yaml")
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Format(src)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		golden(t, strings.TrimSuffix(name, ".yaml")+".golden", string(out))
	}
}

func TestFormatJSON(t *testing.T) {
	out, err := Format([]byte(printedTrigger))
	if err != nil || strings.Count(string(out), "\n") != 6 {
		t.Errorf("%s %v", out, err)
	}
}

func TestFormatRefuses(t *testing.T) {
	if _, err := Format([]byte("a: [")); err == nil {
		t.Error("what is not YAML was formatted")
	}
}

// TestFormatKeepsTheHash and every comment of the examples.
func TestFormatKeepsTheHash(t *testing.T) {
	files, _ := filepath.Glob("testdata/good/*.*")
	formatted := map[string]string{}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Format(src)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Count(string(out), "#"), strings.Count(string(src), "#"); got != want {
			t.Errorf("%s: %d of %d comments are left", name, got, want)
		}
		formatted[filepath.Base(name)] = string(out)
	}
	before, _, err := Load("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	after, _, err := Load(write(t, formatted))
	if err != nil || before.Hash() != after.Hash() {
		t.Errorf("the plan is another one: %v", err)
	}
}

func FuzzFormat(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		once, err := Format([]byte(src))
		if err != nil {
			return
		}
		twice, err := Format(once)
		if err != nil || string(twice) != string(once) {
			t.Errorf("formatted twice: %v\n%q\n%q", err, once, twice)
		}
	})
}

// seeds are all the plans of the tests, good, bad and ugly.
func seeds(f *testing.F) []string {
	var all []string
	for _, pattern := range []string{"testdata/format/*.yaml", "testdata/good/*.*", "testdata/bad/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, name := range files {
			src, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			all = append(all, string(src))
		}
	}
	return append(all, printedTrigger, printedRule)
}
