package tape

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var csvBlock = regexp.MustCompile("(?ms)^```csv (\\S+)\n(.*?)^```$")

// TestDocsHistory reads every table that docs/history.md shows, and finds in the page what the code knows.
func TestDocsHistory(t *testing.T) {
	text, err := os.ReadFile("../../../docs/history.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := csvBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 3 {
		t.Fatalf("docs/history.md shows %d tables", len(blocks))
	}
	for _, b := range blocks {
		if _, err := Read(b[1], strings.NewReader(b[2]), Options{}); err != nil {
			t.Errorf("%s: %v", b[1], err)
		}
	}
	for _, name := range dateColumns {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/history.md does not name the date column %s", name)
		}
	}
	for _, form := range regexp.MustCompile("`([0-9][0-9T:Z -]{7,})`").FindAllStringSubmatch(string(text), -1) {
		if _, known := ParseTime(form[1]); known == NoTime {
			t.Errorf("docs/history.md says that %s is a time", form[1])
		}
	}
}
