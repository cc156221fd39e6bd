package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"lifeboat"
)

// Teller hands a message over while it is called: to somebody who looks on, or to a file. An error means that it may not
// have arrived; the same key then comes again.
type Teller interface {
	Send(ctx context.Context, at time.Time, key lifeboat.Key, m lifeboat.Message) error
}

// Console writes each message as one line, "→ Ana (cio): text"; further lines of the text are indented under it.
type Console struct {
	Out io.Writer
	// Role of a person, to be told beside the name; nil when names say enough.
	Role func(name string) string
}

// Send writes the message in one piece, so that lines of several writers do not mix.
func (c Console) Send(_ context.Context, _ time.Time, _ lifeboat.Key, m lifeboat.Message) error {
	to := make([]string, len(m.To))
	for i, name := range m.To {
		to[i] = plain(name)
		if c.Role == nil {
			continue
		}
		if role := c.Role(name); role != "" && role != name {
			to[i] += " (" + plain(role) + ")"
		}
	}
	text := strings.ReplaceAll(strings.TrimSpace(plain(m.Text)), "\n", "\n    ")
	if _, err := fmt.Fprintf(c.Out, "→ %s: %s\n", strings.Join(to, ", "), text); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}

// plain leaves out what steers a terminal: a text may quote what a stranger's server answered.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, text)
}

// Log leaves each message in a structured log, stamped with the flow's time and not the machine's.
type Log struct {
	Handler slog.Handler
}

// Send hands the message to the log's handler.
func (l Log) Send(ctx context.Context, at time.Time, key lifeboat.Key, m lifeboat.Message) error {
	if !l.Handler.Enabled(ctx, slog.LevelInfo) {
		return nil
	}
	record := slog.NewRecord(at, slog.LevelInfo, "message", 0)
	record.AddAttrs(slog.String("key", string(key)), slog.Any("to", m.To), slog.Bool("question", m.Question), slog.String("text", m.Text))
	if err := l.Handler.Handle(ctx, record); err != nil {
		return fmt.Errorf("log message: %w", err)
	}
	return nil
}

// Tee sends every message to several channels. It has arrived when all of them took it; until then a repeat goes only
// to those that have not, so that one broken channel does not make the others say everything twice.
type Tee struct {
	channels []Teller
	took     map[lifeboat.Key][]bool // :: a message on its way → which channels have it
}

// NewTee joins channels. Like the flow that uses it, a Tee takes one message at a time.
func NewTee(channels ...Teller) *Tee {
	return &Tee{channels: channels, took: map[lifeboat.Key][]bool{}}
}

// Send tries every channel that does not have the message yet, and tells of all that failed.
func (t *Tee) Send(ctx context.Context, at time.Time, key lifeboat.Key, m lifeboat.Message) error {
	took := t.took[key]
	if took == nil {
		took = make([]bool, len(t.channels))
	}
	var failed []error
	for i, channel := range t.channels {
		if took[i] {
			continue
		}
		if err := channel.Send(ctx, at, key, m); err != nil {
			failed = append(failed, err)
			continue
		}
		took[i] = true
	}
	if len(failed) > 0 {
		t.took[key] = took
		return errors.Join(failed...)
	}
	delete(t.took, key)
	return nil
}
