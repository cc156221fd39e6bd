package app_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/serve/api"
)

// TestAnAlertFiresATrigger when it is signed; one that is not leaves no trace.
func TestAnAlertFiresATrigger(t *testing.T) {
	t.Setenv("LIFEBOAT_TEST_ALERTS", "secret-of-the-alerts")
	planDir, dataDir := t.TempDir(), t.TempDir()
	text := `
portfolio: {name: Tiny, calendar: 24/7}
accounts: [{name: desk, kind: broker, venue: paper}]
holdings: [{symbol: USD, account: desk, quantity: 1000}]
feeds: [{series: alert.monitor, webhook: lifeboat, key: "env:LIFEBOAT_TEST_ALERTS"}]
triggers: [{name: somebody warns, tier: 1, condition: alert.monitor >= 3}]
`
	if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := app.LoadPlan(planDir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := app.NewDaemon(t.Context(), app.DaemonOptions{Plan: p, PlanDir: planDir, DataDir: dataDir, Listen: "127.0.0.1:0", Version: "test",
		Clock: lifeboat.WallClock{}, People: io.Discard, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	server := httptest.NewServer(api.New(d, "token", "test", prometheus.NewRegistry()))
	defer server.Close()
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	post := func(name, secret, body string) (int, string) {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(stamp + "." + body))
		request, _ := http.NewRequest(http.MethodPost, server.URL+"/api/v1/alerts/"+name, strings.NewReader(body))
		request.Header.Set("Lifeboat-Timestamp", stamp)
		request.Header.Set("Lifeboat-Signature", "v1="+hex.EncodeToString(mac.Sum(nil)))
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		said, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(said)
	}
	const high = `{"severity":"high","title":"the pool is drained"}`
	for _, c := range []struct {
		name, secret, body string
		want               int
	}{
		{"monitor", "a guess", high, http.StatusUnauthorized},
		{"other", "secret-of-the-alerts", high, http.StatusUnauthorized},
		{"monitor", "secret-of-the-alerts", "<html>", http.StatusUnprocessableEntity},
		{"monitor", "secret-of-the-alerts", high, http.StatusNoContent},
		{"monitor", "secret-of-the-alerts", high, http.StatusUnauthorized}, // once more
	} {
		if code, said := post(c.name, c.secret, c.body); code != c.want || code != http.StatusNoContent && !strings.Contains(said, "nothing was taken") {
			t.Errorf("%+v: %d %s", c, code, said)
		}
	}
	for patience := time.Now().Add(20 * time.Second); len(d.Status().Triggers) == 0 || d.Status().Triggers[0].State != "fired"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(patience) {
			t.Fatalf("it did not fire: %+v", d.Status())
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	told := 0
	for _, e := range journalOf(t, dataDir) {
		content, _ := json.Marshal(e)
		told += strings.Count(string(content), "the pool is drained")
		if strings.Contains(string(content), "secret-of-the-alerts") {
			t.Error("the secret is in the journal")
		}
	}
	if told == 0 {
		t.Error("what was warned of is not in the journal")
	}
}

// TestAnAlertOutlastsARestart: the daemon goes on saying what was warned of, takes no message twice, and where the file of them is damaged
// says so and takes none from before its start.
func TestAnAlertOutlastsARestart(t *testing.T) {
	t.Setenv("LIFEBOAT_TEST_ALERTS", "secret-of-the-alerts")
	planDir, dataDir := t.TempDir(), t.TempDir()
	text := `
portfolio: {name: Tiny, calendar: 24/7}
accounts: [{name: desk, kind: broker, venue: paper}]
holdings: [{symbol: USD, account: desk, quantity: 1000}]
feeds: [{series: alert.monitor, webhook: lifeboat, key: "env:LIFEBOAT_TEST_ALERTS"}]
triggers: [{name: somebody warns, tier: 1, condition: alert.monitor >= 3}]
`
	if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const high = `{"severity":"high","title":"the pool is drained"}`
	signed := func(at time.Time) http.Header {
		stamp := strconv.FormatInt(at.Unix(), 10)
		mac := hmac.New(sha256.New, []byte("secret-of-the-alerts"))
		mac.Write([]byte(stamp + "." + high))
		return http.Header{"Lifeboat-Timestamp": {stamp}, "Lifeboat-Signature": {"v1=" + hex.EncodeToString(mac.Sum(nil))}}
	}
	until := func(d *app.Daemon, what string, is func(s api.Status) bool) {
		t.Helper()
		for patience := time.Now().Add(20 * time.Second); !is(d.Status()); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(patience) {
				t.Fatalf("never came: %s: %+v", what, d.Status())
			}
		}
	}
	says := func(after time.Time) func(s api.Status) bool {
		return func(s api.Status) bool {
			for _, x := range s.Series {
				if x.Name == "alert.monitor" && x.Value != nil && *x.Value == 3 && x.At.After(after) {
					return true
				}
			}
			return false
		}
	}
	message := signed(time.Now())
	d, stop := running(t, lifeboat.WallClock{}, planDir, dataDir)
	if err := d.Alert("monitor", message, []byte(high)); err != nil {
		t.Fatal(err)
	}
	until(d, "the alert", says(time.Time{}))
	stop()
	restarted := time.Now()
	d, stop = running(t, lifeboat.WallClock{}, planDir, dataDir)
	if err := d.Alert("monitor", message, []byte(high)); lifeboat.KindOf(err) != lifeboat.Denied {
		t.Errorf("sent again: %v", err)
	}
	until(d, "the alert after a restart", says(restarted))
	stop()
	files, _ := filepath.Glob(filepath.Join(dataDir, "alert-*.state"))
	if len(files) != 1 {
		t.Fatalf("the files of alerts are %v", files)
	}
	if err := os.WriteFile(files[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, stop = running(t, lifeboat.WallClock{}, planDir, dataDir)
	defer stop()
	if err := d.Alert("monitor", message, []byte(high)); lifeboat.KindOf(err) != lifeboat.Transient {
		t.Errorf("sent again after the file was damaged: %v", err)
	}
	until(d, "what is wrong", func(s api.Status) bool {
		content, _ := json.Marshal(s)
		return strings.Contains(string(content), "it is not known which alerts of alert.monitor were taken before the start")
	})
	if err := d.Alert("monitor", signed(time.Now().Add(2*time.Second)), []byte(high)); err != nil {
		t.Errorf("one that was sent since: %v", err)
	}
}
