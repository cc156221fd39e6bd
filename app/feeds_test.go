package app_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/app"
)

// TestAPluginFeedsTheDaemon from its output to a firing; and without leave to run it does not start.
func TestAPluginFeedsTheDaemon(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is missing: testdata/peers.sh installs it")
	}
	script, err := filepath.Abs("../examples/plugins/python/prices.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, allowed := range [][]string{{"terminal"}, nil} {
		t.Run(fmt.Sprint(allowed), func(t *testing.T) {
			dir := t.TempDir()
			prices := filepath.Join(dir, "prices.txt")
			if err := os.WriteFile(prices, []byte("ESZ6 4000.25\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf(`
portfolio: {name: Tiny, calendar: 24/7}
accounts: [{name: desk, kind: broker, venue: paper}]
holdings: [{symbol: USD, account: desk, quantity: 1000}]
commands: [{name: terminal, run: [%s, %s, %s]}]
feeds: [{series: ESZ6, plugin: terminal, stale_after: 5m}]
triggers: [{name: fall, tier: 1, condition: ESZ6 < 4500}]
`, python, script, prices)
			planDir := filepath.Join(dir, "plan")
			if err := os.MkdirAll(planDir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := app.LoadPlan(planDir)
			if err != nil {
				t.Fatal(err)
			}
			d, err := app.NewDaemon(t.Context(), app.DaemonOptions{Plan: p, PlanDir: planDir, DataDir: filepath.Join(dir, "data"), Listen: "127.0.0.1:0", Version: "test",
				Clock: lifeboat.WallClock{}, People: io.Discard, Log: slog.New(slog.DiscardHandler), AllowExec: allowed})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- d.Run(ctx) }()
			want := `"fall"`
			if allowed == nil {
				want = "the daemon was not started with leave to run"
			}
			fired := func() bool {
				s := d.Status()
				if allowed == nil {
					return len(s.Feeds) > 0 && strings.Contains(s.Feeds[0].Text, want)
				}
				return len(s.Triggers) == 1 && s.Triggers[0].State == "fired"
			}
			for patience := time.Now().Add(20 * time.Second); !fired(); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(patience) {
					t.Fatalf("no %s: %+v", want, d.Status())
				}
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
