package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lifeboat/examples"
)

// TestBacktestStopped: Ctrl-C leaves a report that says it is partial, on the screen and in the folder, and the exit
// code of an interruption.
func TestBacktestStopped(t *testing.T) {
	dir := t.TempDir()
	plan, out := filepath.Join(dir, "plan"), filepath.Join(dir, "out")
	if err := os.CopyFS(plan, examples.All()[0].Files); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var told, errs bytes.Buffer
	if code := run(ctx, []string{"backtest", "--plan", plan, "--out", out}, &told, &errs); code != 130 {
		t.Errorf("exit code %d", code)
	}
	if first, _, _ := strings.Cut(told.String(), "\n"); !strings.HasSuffix(first, "PARTIAL, it was stopped") {
		t.Errorf("the screen begins with %q", first)
	}
	if !strings.Contains(errs.String(), "lifeboat: stopped before it was done") {
		t.Errorf("stderr says %q", errs.String())
	}
	page, err := os.ReadFile(filepath.Join(out, "backtest.html"))
	if err != nil || !strings.Contains(string(page), "<b>Partial.</b>") {
		t.Errorf("the page does not say that it is partial (%v)", err)
	}
	contract, err := os.ReadFile(filepath.Join(out, "backtest.json"))
	if err != nil || !strings.Contains(string(contract), `"partial": true`) {
		t.Errorf("the JSON does not say that it is partial (%v)", err)
	}
}
