package exchangetest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// Spoiled gives some calls an answer that no exchange should give.
type Spoiled struct {
	http.Handler
	Call   string // POST /api/v3/order; one that ends with * stands for all that begin so
	Status int    // 0 breaks the connection in the middle of the answer
	Body   string
	Header http.Header
	After  bool // the call is carried out first
	Times  int  // how many calls are spoiled
}

// ServeHTTP spoils the call, or does not.
func (s *Spoiled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := r.Method + " " + r.URL.Path
	prefix, several := strings.CutSuffix(s.Call, "*")
	if s.Times == 0 || call != s.Call && !(several && strings.HasPrefix(call, prefix)) {
		s.Handler.ServeHTTP(w, r)
		return
	}
	s.Times--
	if s.After {
		s.Handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	for name, values := range s.Header {
		w.Header()[name] = values
	}
	if s.Status == 0 {
		w.Header().Set("Content-Length", "4000")
		_, _ = w.Write([]byte(s.Body))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(s.Status)
	_, _ = w.Write([]byte(s.Body))
}

// Held keeps the first call of a kind on its way, and lets it arrive when told.
type Held struct {
	http.Handler
	Call string // POST /api/v3/order

	mu   sync.Mutex
	kept *http.Request
}

// ServeHTTP keeps the call, or lets it through.
func (h *Held) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	keep := h.kept == nil && r.Method+" "+r.URL.Path == h.Call
	if keep {
		body, _ := io.ReadAll(r.Body)
		h.kept = r.Clone(r.Context())
		h.kept.Body = io.NopCloser(bytes.NewReader(body))
	}
	h.mu.Unlock()
	if keep {
		panic(http.ErrAbortHandler)
	}
	h.Handler.ServeHTTP(w, r)
}

// Arrive lets the kept call arrive, and says what it would have been answered.
func (h *Held) Arrive() *httptest.ResponseRecorder {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := httptest.NewRecorder()
	h.Handler.ServeHTTP(w, h.kept)
	return w
}

// Meanwhile lets something happen right before some calls arrive.
type Meanwhile struct {
	http.Handler
	Call  string
	Do    func()
	Times int
}

// ServeHTTP lets it happen, and the call through.
func (m *Meanwhile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method+" "+r.URL.Path == m.Call && m.Times > 0 {
		m.Times--
		m.Do()
	}
	m.Handler.ServeHTTP(w, r)
}
