package node

import (
	"errors"
	"fmt"
	"io"
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

// A key travels where the address has it, and is in no error, whoever repeats it.
func TestKeys(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.URL.Path != "/v2/path-key-1" || r.URL.Query().Get("api") != "query-key-1" || user != "user-name-1" || password != "pass" {
			t.Errorf("%s, %s %s", r.URL, user, password)
		}
		fmt.Fprint(w, `{"error":{"code":-1,"message":"no path-key-1 query-key-1 user-name-1 pass"}}`)
	}))
	defer server.Close()
	n, err := New(strings.Replace(server.URL, "://", "://user-name-1:pass@", 1)+"/v2/path-key-1?api=query-key-1", lifeboat.WallClock{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out string
	err = n.Call(t.Context(), "ask", "method", nil, &out)
	var said *RPCError
	if !errors.As(err, &said) || said.Code != "-1" || err.Error() != n.Host()+": ask: no … … … … (code -1)" {
		t.Errorf("%v", err)
	}
}

// Addresses that cannot be asked are refused, and not repeated.
func TestNoAddresses(t *testing.T) {
	for _, text := range []string{"", "secret.example", "ftp://secret.example", "https://", "https://a b/secret", "https://node.example/#secret"} {
		if _, err := New(text, lifeboat.WallClock{}, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A result that is missing is told from one that is wrong.
func TestResults(t *testing.T) {
	answer := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
	defer server.Close()
	n, _ := New(server.URL, lifeboat.WallClock{}, nil)
	for _, c := range []struct {
		answer, want string
		none         bool
	}{
		{`{"result":"x"}`, "", false}, {`{"result":null,"error":null}`, "the answer has no result", true}, {`{}`, "the answer has no result", true},
		{`{"result":5}`, "the result is not what method should say", false}, {`{"error":{}}`, "does not say which", false}, {`[]`, "not the JSON that it should be", false},
	} {
		answer = c.answer
		var out string
		err := n.Call(t.Context(), "ask", "method", nil, &out)
		var none *NoResult
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || errors.As(err, &none) != c.none {
			t.Errorf("%s: %v", c.answer, err)
		}
	}
}

// answers every request of a transport at once, and counts them, without a network: time in a bubble goes on only when nobody waits for one.
type answers struct {
	asked  atomic.Int64
	status int
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked.Add(1)
	return &http.Response{StatusCode: a.status, Header: http.Header{"Retry-After": {"60"}}, Body: io.NopCloser(strings.NewReader(`{"result":"x"}`)), Request: r}, nil
}

// TestOneBudgetForAServer has three accounts ask one server as fast as they can: together they ask what one may, nobody is turned away who waits
// a moment for it, and another server is nobody's affair.
func TestOneBudgetForAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answers{status: 200}
		servers := NewServers(lifeboat.WallClock{}, &http.Client{Transport: a})
		var group sync.WaitGroup
		const each, minutes = 400, 2
		for range 3 {
			n, err := servers.At(" https://one.example/key ")
			if err != nil {
				t.Fatal(err)
			}
			group.Go(func() {
				var out string
				for range each {
					if err := n.Call(t.Context(), "ask", "method", nil, &out); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		other, _ := servers.At("https://two.example/key")
		var out string
		if err := other.Call(t.Context(), "ask", "method", nil, &out); err != nil {
			t.Error(err)
		}
		begun := time.Now()
		time.Sleep(time.Minute)
		if n := a.asked.Load(); n > perMinute*18/10+2 { // a fifth is kept, and what is used comes back in a minute
			t.Errorf("in the first minute they asked %d times", n)
		}
		group.Wait()
		if took := time.Since(begun); a.asked.Load() != 3*each+1 || took < time.Minute || took > minutes*time.Minute {
			t.Errorf("%d requests took %s", a.asked.Load(), took)
		}
	})
}

// TestAServerThatAsksForQuiet is left alone by everybody for as long as it wants, and nobody waits longer for that than makes sense.
func TestAServerThatAsksForQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answers{status: http.StatusTooManyRequests}
		servers := NewServers(lifeboat.WallClock{}, &http.Client{Transport: a})
		n, _ := servers.At("https://one.example")
		again, _ := servers.At("https://one.example")
		var out string
		for _, n := range []*Node{n, again, n} {
			if err := n.Call(t.Context(), "ask", "method", nil, &out); err == nil {
				t.Error("it answered")
			}
		}
		if a.asked.Load() != 1 {
			t.Errorf("it was asked %d times", a.asked.Load())
		}
		a.status = 200
		time.Sleep(55 * time.Second)
		if err := again.Call(t.Context(), "ask", "method", nil, &out); err != nil || out != "x" {
			t.Errorf("a moment before it may be asked again: %v", err)
		}
	})
}
