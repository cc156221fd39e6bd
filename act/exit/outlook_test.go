package exit

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lifeboat"
)

// A history is what looks found one after the other: state, kit, causes. What is said must be said once, and another stage that
// folds the same journal must be where the first one is.
func TestOutlooks(t *testing.T) {
	for _, tc := range []struct{ name, history, want string }{
		{"in order from the start", "armed a, armed a", ""},
		{"stale, once", "armed a, stale a nonce, stale a nonce", "1 2"},
		{"another cause of the same kit", "stale a nonce, stale a nonce trial", "0 2, 1 2"},
		{"a cause less is no news", "stale a nonce trial, stale a nonce", "0 2"},
		{"in order again, then once more", "stale a trial, armed a, stale a trial", "0 2, 1 0, 2 2"},
		{"signed anew", "unsigned - unprepared, unsigned a signatures, armed a, stale a age", "0 0, 1 0, 2 0, 3 2"},
		{"another kit, the same cause", "stale a nonce, stale b nonce", "0 2, 1 2"},
		{"nothing to leave", "fails - fails, nothing -", "0 2, 1 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			type entry struct {
				at time.Time
				e  lifeboat.Event
			}
			var journal []entry
			var told []string
			first := NewOutlooks([]string{"Ada"})
			record := func(at time.Time, e lifeboat.Event) {
				journal = append(journal, entry{at, e})
				first.Apply(at, e)
			}
			for i, look := range strings.Split(tc.history, ", ") {
				at, words := time.Date(2026, 11, 1+i, 12, 0, 0, 0, time.UTC), strings.Fields(look)
				found := lifeboat.Outlook{Playbook: "leave", Step: "out", Account: "vault", State: words[0], Kit: strings.Trim(words[1], "-"), Causes: words[2:], Why: words[2:], Good: len(words) == 2}
				if !first.News(found) {
					continue
				}
				record(at, found)
				again := NewOutlooks([]string{"Ada"})
				for _, one := range journal {
					again.Apply(one.at, one.e)
				}
				said := again.Next(at)
				for _, e := range first.Next(at) {
					if len(said) != 1 || said[0].(lifeboat.Intent).Key != e.(lifeboat.Intent).Key {
						t.Error("after a restart it says something else")
					}
					record(at, e)
					told = append(told, fmt.Sprintf("%d %d", i, e.(lifeboat.Intent).Message.Tier))
				}
				if len(first.Next(at)) > 0 {
					t.Fatal("it says the same twice")
				}
			}
			if got := strings.Join(told, ", "); got != tc.want {
				t.Errorf("told %q instead of %q", got, tc.want)
			}
		})
	}
}
