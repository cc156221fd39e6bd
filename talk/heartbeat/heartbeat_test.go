package heartbeat

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lifeboat"
)

// receiver is the outside: it raises an alarm when it has heard nothing for a while.
type receiver struct {
	mu    sync.Mutex
	last  time.Time
	beats int
	fails bool
}

func (r *receiver) RoundTrip(q *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fails {
		return nil, errors.New("no route to " + q.URL.String())
	}
	if q.Method != http.MethodPost || q.URL.Path != "/ping/secret-uuid" {
		return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody}, nil
	}
	r.last, r.beats = lifeboat.WallClock{}.Now(), r.beats+1
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func (r *receiver) alarmed(after time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return lifeboat.WallClock{}.Now().Sub(r.last) > after
}

func (r *receiver) heard() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.beats
}

func env(name string) (string, bool) { return "secret-uuid", name == "PING" }

// The receiver hears lifeboat while the flow moves, notices when it stands still though the program runs, and hears it again.
func TestReceiverNoticesSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outside := &receiver{}
		var moved atomic.Int64
		hangs := make(chan struct{})
		var stands atomic.Bool
		go func() { // the flow
			for {
				if !stands.Load() {
					moved.Store(time.Now().UnixNano())
				}
				select {
				case <-hangs:
					return
				case <-time.After(30 * time.Second):
				}
			}
		}()
		defer close(hangs)
		heart, err := New("https://receiver.example/ping/${PING}", time.Minute, lifeboat.WallClock{}, &http.Client{Transport: outside}, env,
			func() time.Time { return time.Unix(0, moved.Load()) })
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		time.Sleep(time.Second)
		go func() { _ = heart.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		if outside.alarmed(2*time.Minute) || outside.heard() < 10 || heart.Status().Why != "" {
			t.Fatalf("heard %d times; %+v", outside.heard(), heart.Status())
		}
		stands.Store(true)
		time.Sleep(5 * time.Minute)
		if !outside.alarmed(2*time.Minute) || !strings.Contains(heart.Status().Why, "stands still") {
			t.Errorf("nobody noticed that the flow stands still: %+v", heart.Status())
		}
		stands.Store(false)
		time.Sleep(2 * time.Minute)
		if outside.alarmed(2 * time.Minute) {
			t.Error("it moves again, and nobody hears it")
		}
		cancel() // kill
		time.Sleep(5 * time.Minute)
		if !outside.alarmed(2 * time.Minute) {
			t.Error("a dead program is heard")
		}
	})
}

// What fails is told without the address.
func TestFailures(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusFound))
	defer server.Close()
	now := func() time.Time { return time.Now() }
	for name, tc := range map[string]struct {
		url    string
		client *http.Client
		want   string
	}{
		"no route":   {"https://receiver.example/ping/${PING}", &http.Client{Transport: &receiver{fails: true}}, "the receiver cannot be reached"},
		"unknown":    {"https://receiver.example/${PING}", &http.Client{Transport: &receiver{}}, "the receiver answers 404 Not Found"},
		"a redirect": {server.URL + "/${PING}", nil, "the receiver answers 302 Found"},
	} {
		heart, err := New(tc.url, 0, lifeboat.WallClock{}, tc.client, env, now)
		if err != nil {
			t.Fatal(err)
		}
		heart.beat(t.Context())
		if s := heart.Status(); s.Why != tc.want || s.Failures != 1 || strings.Contains(s.Why, "secret-uuid") {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if _, err := New("https://receiver.example/${NOTHING}", 0, lifeboat.WallClock{}, nil, env, now); err == nil || !strings.Contains(err.Error(), "no NOTHING") {
		t.Errorf("a missing name: %v", err)
	}
}
