package main

import (
	"strings"
	"testing"
	"time"

	"lifeboat/serve/api"
)

// TestTellBreaker: whoever has halted sees what that holds.
func TestTellBreaker(t *testing.T) {
	var told strings.Builder
	tellBreaker(&told, api.Breaker{State: "halted", Since: time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC), Why: "smell of fire", Next: "Ana lets it go",
		Holds: []api.Task{{Run: "R1", Step: "1.2", Kind: "exit-apply"}, {Kind: "withdraw-trial"}}})
	const want = `breaker: halted since 2026-03-16 12:00:00Z: smell of fire
  Ana lets it go
  step 1.2 of R1 was under way (exit-apply): what has not left waits, what is out goes on
  a task of lifeboat's own was under way (withdraw-trial): what has not left waits, what is out goes on
`
	if told.String() != want {
		t.Errorf("got\n%s\nwant\n%s", told.String(), want)
	}
}
