package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
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

// alertPlan has one webhook and one trigger on what comes by it.
const alertPlan = `
portfolio: {name: Tiny, calendar: 24/7}
accounts: [{name: desk, kind: broker, venue: paper}]
holdings: [{symbol: USD, account: desk, quantity: 1000}]
feeds: [{series: alert.monitor, webhook: lifeboat, key: "env:LIFEBOAT_TEST_ALERTS"}]
triggers: [{name: somebody warns, tier: 1, condition: alert.monitor >= 3}]
`

const (
	alertSecret = "secret-of-the-alerts"
	highAlert   = `{"severity":"high","title":"the pool is drained"}`
)

// alerted is a daemon that may be alerted, and what it keeps.
type alerted struct {
	*app.Daemon
	t             *testing.T
	plan, dataDir string
	stop          func()
}

func newAlerted(t *testing.T) *alerted {
	t.Helper()
	t.Setenv("LIFEBOAT_TEST_ALERTS", alertSecret)
	a := &alerted{t: t, plan: t.TempDir(), dataDir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(a.plan, "plan.yaml"), []byte(alertPlan), 0o600); err != nil {
		t.Fatal(err)
	}
	a.start()
	return a
}

func (a *alerted) start() { a.Daemon, a.stop = running(a.t, lifeboat.WallClock{}, a.plan, a.dataDir) }

// until waits for something on the status page.
func (a *alerted) until(what string, is func(s api.Status) bool) {
	a.t.Helper()
	for patience := time.Now().Add(20 * time.Second); !is(a.Status()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(patience) {
			a.t.Fatalf("never came: %s: %+v", what, a.Status())
		}
	}
}

// signedAlert is what whoever knows a secret sends beside an alert.
func signedAlert(at time.Time, secret, body string) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "." + body))
	return http.Header{"Lifeboat-Timestamp": {stamp}, "Lifeboat-Signature": {"v1=" + hex.EncodeToString(mac.Sum(nil))}}
}

// TestAnAlertFiresATrigger when it is signed; one that is not leaves no trace.
func TestAnAlertFiresATrigger(t *testing.T) {
	a := newAlerted(t)
	server := httptest.NewServer(api.New(a.Daemon, "token", "test", prometheus.NewRegistry()))
	defer server.Close()
	now := time.Now()
	post := func(name, secret, body string) (int, string) {
		request, _ := http.NewRequest(http.MethodPost, server.URL+"/api/v1/alerts/"+name, strings.NewReader(body))
		request.Header = signedAlert(now, secret, body)
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		said, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(said)
	}
	for _, c := range []struct {
		name, secret, body string
		want               int
	}{
		{"monitor", "a guess", highAlert, http.StatusUnauthorized},
		{"other", alertSecret, highAlert, http.StatusUnauthorized},
		{"monitor", alertSecret, "<html>", http.StatusUnprocessableEntity},
		{"monitor", alertSecret, highAlert, http.StatusNoContent},
		{"monitor", alertSecret, highAlert, http.StatusUnauthorized}, // once more
	} {
		if code, said := post(c.name, c.secret, c.body); code != c.want || code != http.StatusNoContent && !strings.Contains(said, "nothing was taken") {
			t.Errorf("%+v: %d %s", c, code, said)
		}
	}
	a.until("the trigger", func(s api.Status) bool { return len(s.Triggers) > 0 && s.Triggers[0].State == "fired" })
	a.stop()
	told := 0
	for _, e := range journalOf(t, a.dataDir) {
		content, _ := json.Marshal(e)
		told += strings.Count(string(content), "the pool is drained")
		if strings.Contains(string(content), alertSecret) {
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
	a := newAlerted(t)
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
	message := signedAlert(time.Now(), alertSecret, highAlert)
	if err := a.Alert("monitor", message, []byte(highAlert)); err != nil {
		t.Fatal(err)
	}
	a.until("the alert", says(time.Time{}))
	a.stop()
	restarted := time.Now()
	a.start()
	if err := a.Alert("monitor", message, []byte(highAlert)); lifeboat.KindOf(err) != lifeboat.Denied {
		t.Errorf("sent again: %v", err)
	}
	a.until("the alert after a restart", says(restarted))
	a.stop()
	files, _ := filepath.Glob(filepath.Join(a.dataDir, "alert-*.state"))
	if len(files) != 1 {
		t.Fatalf("the files of alerts are %v", files)
	}
	if err := os.WriteFile(files[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.start()
	defer a.stop()
	if err := a.Alert("monitor", message, []byte(highAlert)); lifeboat.KindOf(err) != lifeboat.Transient {
		t.Errorf("sent again after the file was damaged: %v", err)
	}
	a.until("what is wrong", func(s api.Status) bool {
		content, _ := json.Marshal(s)
		return strings.Contains(string(content), "it is not known which alerts of alert.monitor were taken before the start")
	})
	if err := a.Alert("monitor", signedAlert(time.Now().Add(2*time.Second), alertSecret, highAlert), []byte(highAlert)); err != nil {
		t.Errorf("one that was sent since: %v", err)
	}
}
