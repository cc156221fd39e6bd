package drill_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/drill"
	"lifeboat/keep/journal"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
)

var update = flag.Bool("update", false, "write what happened into testdata/scenarios")

// TestScenarios plays every file of testdata/scenarios: a plan, a tape, and the journal that must come of them, one line
// an entry as lifeboat log tells it, without the readings. The comment at the head of each says what it shows.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../testdata/scenarios/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			var prices, want []byte
			for _, f := range archive.Files {
				switch f.Name {
				case "history.csv":
					prices = f.Data
				case "journal.txt":
					want = f.Data
				default:
					if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := play(t, dir, prices)
			if *update {
				rewrite(t, path, archive, got)
			} else if !bytes.Equal(got, want) {
				t.Errorf("the journal says\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func play(t *testing.T, planDir string, prices []byte) []byte {
	t.Helper()
	table, err := tape.Read("history.csv", bytes.NewReader(prices), tape.Options{Quarantine: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := app.LoadPlan(planDir)
	if err != nil {
		t.Fatal(err)
	}
	if p.Portfolio.Calendar == "24/7" {
		if table, err = tape.Read("history.csv", bytes.NewReader(prices), tape.Options{Quarantine: true, Calendar: session.AllDay()}); err != nil {
			t.Fatal(err)
		}
	}
	story := journal.Memory()
	last := table.Instants[len(table.Instants)-1].At
	if _, err := drill.Rehearse(t.Context(), drill.Options{Plan: p, Tape: table, From: table.Instants[0].At, To: last, Journal: story}); err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	for entry, err := range story.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if entry.Word != (lifeboat.Instant{}).Word() {
			told.WriteString(journal.Tell(entry, time.UTC) + "\n")
		}
	}
	return told.Bytes()
}

func rewrite(t *testing.T, path string, archive *txtar.Archive, journalText []byte) {
	t.Helper()
	kept := archive.Files[:0]
	for _, f := range archive.Files {
		if f.Name != "journal.txt" {
			kept = append(kept, f)
		}
	}
	archive.Files = append(kept, txtar.File{Name: "journal.txt", Data: journalText})
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
