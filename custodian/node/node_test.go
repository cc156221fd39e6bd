package node

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
