package api

import (
	"net/http"
	"testing"
)

// TestTypedData: what a wallet signs goes out byte for byte, since it is what is hashed.
func TestTypedData(t *testing.T) {
	s := serve(t, &daemon{})
	if code, text := get(t, send(t, http.MethodGet, s.URL+"/api/v1/questions/Q1/typed-data", "")); code != http.StatusOK || text != "{\"primaryType\":\"SafeTx\"}\n" {
		t.Errorf("%d %q", code, text)
	}
	if code, _ := get(t, send(t, http.MethodGet, s.URL+"/api/v1/questions/Q2/typed-data", "")); code != http.StatusNotFound {
		t.Errorf("a question that nobody asked is answered with %d", code)
	}
}
