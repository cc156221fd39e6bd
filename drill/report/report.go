// Package report tells a drill's result: as Markdown with two charts for the record, as JSON for programs, and as one
// screen of text for the person who just ran it, perhaps in the worst hour of their year.
//
// [Write] fills a directory, [JSON] and [Terminal] write to a stream. The order is the same everywhere: first the
// verdict, then what it was worth, then what fired, who decided, what was traded and how long everything took, and
// at the end what the drill could not know. The same result gives the same bytes.
//
// It measures and judges nothing: every figure is in the [drill.Result], or is a sum or difference of such figures.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lifeboat/drill"
)

// Write makes report.md, report.json, value.svg and drawdown.svg in a directory, which it creates if need be.
func Write(dir string, r drill.Result) error {
	var contract bytes.Buffer
	if err := JSON(&contract, r); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make report directory: %w", err)
	}
	for _, file := range []struct {
		name string
		text []byte
	}{
		{"report.md", []byte(markdown(r))},
		{"report.json", contract.Bytes()},
		{"value.svg", []byte(valueChart(r))},
		{"drawdown.svg", []byte(drawdownChart(r))},
	} {
		if err := os.WriteFile(filepath.Join(dir, file.name), file.text, 0o644); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// JSON writes the contract of lifeboat drill run --json: one object, indented, lists never null.
func JSON(w io.Writer, r drill.Result) error {
	r.Firings = listed(r.Firings)
	r.Decisions = listed(r.Decisions)
	r.Orders = listed(r.Orders)
	r.Gaps = listed(r.Gaps)
	r.Uncovered = listed(r.Uncovered)
	r.Warnings = listed(r.Warnings)
	r.Failures = listed(r.Failures)
	r.Runs = append([]drill.Run{}, r.Runs...)
	for i := range r.Runs {
		r.Runs[i].Steps = listed(r.Runs[i].Steps)
	}
	r.Incidents = append([]drill.Incident{}, r.Incidents...)
	for i := range r.Incidents {
		r.Incidents[i].Triggers = listed(r.Incidents[i].Triggers)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
