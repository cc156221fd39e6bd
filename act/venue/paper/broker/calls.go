package broker

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/act/venue/paper"
)

// problem is an error in Alpaca's form.
type problem struct {
	status, code int
	message      string
	extra        map[string]any
}

func (p *problem) Error() string { return p.message }

// The codes of Alpaca that a client can meet here.
const (
	codeFunds   = 40310000
	codeAbsent  = 40410000
	codeTaken   = 40010001
	codeInvalid = 42210000
	codeHurry   = 42910000
)

func invalid(form string, args ...any) *problem {
	return &problem{status: http.StatusUnprocessableEntity, code: codeInvalid, message: fmt.Sprintf(form, args...)}
}

func absent(form string, args ...any) *problem {
	return &problem{status: http.StatusNotFound, code: codeAbsent, message: fmt.Sprintf(form, args...)}
}

// refused says a refusal of the core in Alpaca's words.
func refused(err error) error {
	var r *paper.Refusal
	switch {
	case errors.Is(err, lifeboat.ErrAbsent):
		return absent("order not found")
	case !errors.As(err, &r):
		return err
	}
	switch r.Kind {
	case paper.KeyTaken:
		return &problem{status: http.StatusUnprocessableEntity, code: codeTaken, message: "client_order_id must be unique"}
	case paper.ShortCash:
		return &problem{status: http.StatusForbidden, code: codeFunds, message: "insufficient buying power",
			extra: map[string]any{"buying_power": r.Have.String(), "cost_basis": r.Need.String()}}
	case paper.ShortStock:
		return &problem{status: http.StatusForbidden, code: codeFunds,
			message: fmt.Sprintf("insufficient qty available for order (requested: %s, available: %s)", r.Need, r.Have),
			extra:   map[string]any{"available": r.Have.String(), "requested": r.Need.String()}}
	}
	return invalid("%s", r.Why)
}

// call is one request after the gate: what it answers becomes JSON, and an error Alpaca's form of one.
type call func(r *http.Request) (status int, answer any, err error)

func (b *Broker) answers(c call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := b.passNow(); err != nil {
			b.fail(w, r, err)
			return
		}
		status, answer, err := c(r)
		if err != nil {
			b.fail(w, r, err)
			return
		}
		say(w, status, answer)
	}
}

func (b *Broker) passNow() error {
	b.time.mu.Lock()
	defer b.time.mu.Unlock()
	return b.passTo(b.now())
}

func (b *Broker) fail(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	if !errors.As(err, &p) {
		if !errors.Is(err, context.Canceled) {
			b.cfg.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		p = &problem{status: http.StatusInternalServerError, code: 50010000, message: "internal server error occurred"}
	}
	say(w, p.status, p.body())
}

func (p *problem) body() map[string]any {
	body := map[string]any{"message": p.message}
	if p.code != 0 {
		body["code"] = p.code
	}
	for k, v := range p.extra {
		body[k] = v
	}
	return body
}

func say(w http.ResponseWriter, status int, answer any) {
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	text, err := json.Marshal(answer)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"code":50010000,"message":"internal server error occurred"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever is gone hears nothing
}

// requests counts requests, to number them and to hold each key to its share.
type requests struct {
	mu    sync.Mutex
	count int
	since time.Time      // of the running minute
	made  map[string]int // :: key → requests in it
}

// keysMax is how many keys are told apart; beyond it they share one allowance.
const keysMax = 1000

// number gives a request its id.
func (b *Broker) number() string {
	b.calls.mu.Lock()
	defer b.calls.mu.Unlock()
	b.calls.count++
	return paper.UUID("request", b.opened.UnixNano(), b.calls.count)
}

// ServeHTTP answers one request: numbered, let through by the faults that are set, the keys and the allowance.
func (b *Broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Request-ID", b.number())
	r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		b.routes.ServeHTTP(w, r)
		return
	}
	b.disturbed(w, r, func(w http.ResponseWriter) {
		key, ok := b.admits(r)
		if !ok && r.URL.Path != "/stream" && !dataStream(r.URL.Path) { // those say their keys in a message
			say(w, http.StatusUnauthorized, map[string]string{"message": "unauthorized."})
			return
		}
		wait, left := b.allowance(key)
		if most := b.requestsPerMinute(); most > 0 {
			w.Header().Set("X-RateLimit-Limit", strconv.Itoa(most))
			w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(0, left)))
			w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(b.cfg.Clock.Now().Add(wait).Unix(), 10))
		}
		if left < 0 {
			hurry(w, wait)
			return
		}
		b.routes.ServeHTTP(w, r)
	})
}

// bodyMax bounds a request's body.
const bodyMax = 64 << 10

func hurry(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(wait.Round(time.Second)/time.Second))))
	say(w, http.StatusTooManyRequests, (&problem{code: codeHurry, message: "rate limit exceeded"}).body())
}

// admits checks the keys of a request in any of the three forms that Alpaca takes.
func (b *Broker) admits(r *http.Request) (key string, ok bool) {
	key, secret := r.Header.Get("APCA-API-KEY-ID"), r.Header.Get("APCA-API-SECRET-KEY")
	if name, password, basic := r.BasicAuth(); key == "" && basic {
		key, secret = name, password
	}
	if token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); key == "" && bearer {
		key, secret = token, token
	}
	return key, b.knows(key, secret)
}

func (b *Broker) knows(key, secret string) bool {
	if len(b.cfg.Keys) == 0 {
		return true
	}
	want, known := b.cfg.Keys[key]
	return known && subtle.ConstantTimeCompare([]byte(want), []byte(secret)) == 1
}

// allowance counts a request of a key and says how many are left in this minute; below zero it has to wait.
func (b *Broker) allowance(key string) (wait time.Duration, left int) {
	most := b.requestsPerMinute()
	if most == 0 {
		return 0, 0
	}
	b.calls.mu.Lock()
	defer b.calls.mu.Unlock()
	now := b.cfg.Clock.Now()
	if now.Sub(b.calls.since) >= time.Minute || b.calls.made == nil || len(b.calls.made) > keysMax {
		b.calls.since, b.calls.made = now, map[string]int{}
	}
	b.calls.made[key]++
	return b.calls.since.Add(time.Minute).Sub(now), most - b.calls.made[key]
}
