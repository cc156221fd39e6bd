package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lifeboat/plan"
)

// grouped is what an Alertmanager sends to a webhook receiver.
type grouped struct {
	Status string `json:"status"`
	Alerts []struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"alerts"`
}

// A real Alertmanager takes a matter as one alert, however often it is told again, and resolves it when it is over.
func TestAlertmanager(t *testing.T) {
	var mu sync.Mutex
	var heard []grouped
	receiver := serve(t, func(r request) (int, string) {
		var g grouped
		if err := json.Unmarshal(r.body, &g); err != nil {
			return 400, err.Error()
		}
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, g)
		return 200, ""
	})
	address := startAlertmanager(t, receiver.URL)
	c := open(t, plan.Messages{}, plan.Channel{Alertmanager: address}, Options{})
	now := time.Now()
	for _, standing := range []Standing{Open, Open, Taken} {
		d := sample()
		d.At, d.Standing = now, standing
		if err := c.Send(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the alert", func() bool { mu.Lock(); defer mu.Unlock(); return len(heard) > 0 })
	d := sample()
	d.At, d.Standing = time.Now(), Over
	if err := c.Send(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	await(t, "its end", func() bool { mu.Lock(); defer mu.Unlock(); return heard[len(heard)-1].Status == "resolved" })
	mu.Lock()
	defer mu.Unlock()
	first := heard[0]
	if len(first.Alerts) != 1 || first.Status != "firing" || first.Alerts[0].Labels["thread"] != string(sample().Key) || first.Alerts[0].Labels["severity"] != "critical" ||
		first.Alerts[0].Labels["to"] != "Ana" || first.Alerts[0].Annotations["summary"] != sample().Subject {
		t.Errorf("the receiver heard %+v", first)
	}
	if last := heard[len(heard)-1]; len(last.Alerts) != 1 {
		t.Errorf("one matter ended as %d alerts", len(last.Alerts))
	}
}

// startAlertmanager runs Debian's until the test ends, with a receiver.
func startAlertmanager(t *testing.T, receiver string) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		t.Fatal("prometheus-alertmanager is not here: make peers installs it")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "am.yml")
	text := fmt.Sprintf("route: {receiver: hook, group_by: [thread], group_wait: 1s, group_interval: 1s}\nreceivers: [{name: hook, webhook_configs: [{url: '%s/', send_resolved: true}]}]\n", receiver)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	command := exec.CommandContext(t.Context(), binary, "--config.file="+config, "--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--cluster.listen-address=")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait(); _ = log.Close() })
	await(t, "Alertmanager", func() bool {
		response, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return "http://" + address
}

func await(t *testing.T, what string, there func() bool) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if there() {
			return
		}
	}
	t.Fatalf("%s did not come", what)
}
