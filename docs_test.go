package lifeboat_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lifeboat"
)

// TestDocsReasons keeps docs/reasons.md the same as the table in reasons.go; make generate writes it.
func TestDocsReasons(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Reasons and exit codes\n\nMade from `reasons.go` and `error.go` by `make generate`. Every lasting failure has a stable code.\n\n")
	b.WriteString("| exit code | kind |\n|---|---|\n| 0 | done |\n")
	for k := lifeboat.Internal; k <= lifeboat.Tampered; k++ {
		fmt.Fprintf(&b, "| %d | %s |\n", k.ExitCode(), k)
	}
	b.WriteString("| 130 | stopped by Ctrl-C before it was done |\n\n| reason | exit code | what it means | what to do |\n|---|---|---|---|\n")
	for _, reason := range slices.Sorted(maps.Keys(lifeboat.Reasons)) {
		r := lifeboat.Reasons[reason]
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s |\n", reason, r.Kind.ExitCode(), r.Meaning, r.Do)
	}
	const path = "docs/reasons.md"
	if os.Getenv("LIFEBOAT_WRITE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != b.String() {
		t.Errorf("%s is not what the code says; run make generate (%v)", path, err)
	}
}

// TestDocsNameWhatExists checks every path in backticks in the README and the docs.
func TestDocsNameWhatExists(t *testing.T) {
	path := regexp.MustCompile("`((?:[a-z0-9_-]+/)+[A-Za-z0-9_.*-]*|[a-z_]+\\.(?:go|md|yaml|json)|Makefile|\\.ci/run)`")
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range path.FindAllStringSubmatch(string(text), -1) {
			if found, _ := filepath.Glob(strings.TrimSuffix(m[1], "/")); len(found) == 0 && !strings.HasPrefix(m[1], "out/") {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			}
		}
	}
}

func pages(t *testing.T) []string {
	t.Helper()
	found := []string{"README.md"}
	for _, pattern := range []string{"docs/*.md", "docs/decisions/*.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, more...)
	}
	return found
}
