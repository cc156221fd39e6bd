package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestAlerts(t *testing.T) {
	d := &daemon{}
	s := serve(t, d)
	for _, c := range []struct {
		name, signed, body string
		want               int
	}{
		{"x", "x", `{"severity":"high"}`, http.StatusNoContent},
		{"x", "y", `{"severity":"high"}`, http.StatusUnauthorized},
		{"x", "x", strings.Repeat(" ", alertBodyMax+1), http.StatusRequestEntityTooLarge},
	} {
		request, _ := http.NewRequest(http.MethodPost, s.URL+"/api/v1/alerts/"+c.name, strings.NewReader(c.body))
		request.Header.Set("Signed", c.signed)
		response, err := s.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != c.want {
			t.Errorf("%s signed for %s: %d, want %d", c.name, c.signed, response.StatusCode, c.want)
		}
	}
	if len(d.alerts) != 1 {
		t.Errorf("%d were taken", len(d.alerts))
	}
}
