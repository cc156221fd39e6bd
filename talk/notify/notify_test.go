package notify

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"lifeboat"
)

var noon = time.Date(2020, 3, 16, 16, 0, 0, 0, time.UTC)

// What stands on the console, character by character.
func TestConsole(t *testing.T) {
	roles := map[string]string{"Ana": "cio", "Ben": "trustee", "owner": "owner"}
	for _, tc := range []struct {
		name  string
		roles bool
		m     lifeboat.Message
		want  string
	}{
		{"one person", true, lifeboat.Message{To: []string{"Ana"}, Text: "SPY fell 12 %"}, "→ Ana (cio): SPY fell 12 %\n"},
		{"two people", true, lifeboat.Message{To: []string{"Ana", "Ben"}, Text: "look"}, "→ Ana (cio), Ben (trustee): look\n"},
		{"nobody knows the role", true, lifeboat.Message{To: []string{"Cy"}, Text: "look"}, "→ Cy: look\n"},
		{"the role is the name", true, lifeboat.Message{To: []string{"owner"}, Text: "look"}, "→ owner: look\n"},
		{"names only", false, lifeboat.Message{To: []string{"Ana"}, Text: "look"}, "→ Ana: look\n"},
		{
			"a runbook of several lines", true, lifeboat.Message{To: []string{"Ana"}, Text: "Call the desk:\n1. ask for Joe\n2. confirm\n", Question: true},
			"→ Ana (cio): Call the desk:\n    1. ask for Joe\n    2. confirm\n",
		},
		{
			"what would steer a terminal is left out", true,
			lifeboat.Message{To: []string{"A\x1b[2Jna"}, Text: "fine\r\x1b[31mred\x07\u202egnp"}, "→ A[2Jna: fine[31mredgnp\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out strings.Builder
			c := Console{Out: &out}
			if tc.roles {
				c.Role = func(name string) string { return roles[name] }
			}
			if err := c.Send(t.Context(), noon, "lb-1", tc.m); err != nil {
				t.Fatal(err)
			}
			if out.String() != tc.want {
				t.Errorf("got  %q\nwant %q", out.String(), tc.want)
			}
		})
	}
}

// A console that is gone is an error: the message comes again.
func TestConsoleGone(t *testing.T) {
	if err := (Console{Out: gone{}}).Send(t.Context(), noon, "lb-1", lifeboat.Message{}); err == nil {
		t.Error("written to nowhere")
	}
}

type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestLog(t *testing.T) {
	var out bytes.Buffer
	l := Log{Handler: slog.NewTextHandler(&out, nil)}
	if err := l.Send(t.Context(), noon, "lb-1", lifeboat.Message{To: []string{"Ana", "Ben"}, Text: "sell?", Question: true}); err != nil {
		t.Fatal(err)
	}
	want := "time=2020-03-16T16:00:00.000Z level=INFO msg=message key=lb-1 to=\"[Ana Ben]\" question=true text=sell?\n"
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", out.String(), want)
	}
	out.Reset()
	silent := Log{Handler: slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError})}
	if err := silent.Send(t.Context(), noon, "lb-1", lifeboat.Message{}); err != nil || out.Len() > 0 {
		t.Errorf("a log of errors only holds %q, %v", out.String(), err)
	}
}

// flaky fails the first times.
type flaky struct {
	fails int
	took  []lifeboat.Key
}

func (f *flaky) Send(_ context.Context, _ time.Time, key lifeboat.Key, _ lifeboat.Message) error {
	if f.fails > 0 {
		f.fails--
		return errors.New("no line")
	}
	f.took = append(f.took, key)
	return nil
}

// A repeat goes to the channel that failed, and not again to the one that did not.
func TestTeeRepeatsOnlyWhereItFailed(t *testing.T) {
	sound, weak := &flaky{}, &flaky{fails: 2}
	tee := NewTee(sound, weak)
	for attempt := range 3 {
		err := tee.Send(t.Context(), noon, "lb-1", lifeboat.Message{})
		if failed := err != nil; failed != (attempt < 2) {
			t.Errorf("attempt %d: %v", attempt+1, err)
		}
	}
	if len(sound.took) != 1 || len(weak.took) != 1 {
		t.Errorf("the sound channel took it %d times, the weak one %d times", len(sound.took), len(weak.took))
	}
	if err := tee.Send(t.Context(), noon, "lb-2", lifeboat.Message{}); err != nil || len(sound.took) != 2 || len(tee.took) != 0 {
		t.Errorf("the next message: %v, %d, %d on their way", err, len(sound.took), len(tee.took))
	}
}
