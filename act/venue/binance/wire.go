package binance

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat/act/venue"
	"lifeboat/act/venue/rest"
)

// Codes of Binance that mean something to the path of an order.
const (
	badTime       = "-1021"
	badSymbol     = "-1121"
	rejectedOrder = "-2010"
	notCanceled   = "-2011"
	noSuchOrder   = "-2013"
	archived      = "-2026"
)

// unclear are codes after which nobody knows what became of a request, whatever status they come with.
var unclear = []string{"-1000", "-1001", "-1006", "-1007", "-1008", "-1016"}

func isUnclear(code string) bool { return slices.Contains(unclear, code) }

// wire makes the calls, with timestamps of Binance's clock.
type wire struct {
	caller rest.Caller
	key    string
	prove  func(payload string) string // the signature of a payload

	offset   time.Duration // of Binance's clock from ours
	measured time.Time     // by ours; zero when it has to be measured

	weight int       // of a minute
	used   int       // of it, as Binance counts
	minute time.Time // that it counted
}

// offsetMax is how long a measured offset is trusted.
const offsetMax = 10 * time.Minute

func newWire(c venue.Connection, weight int) (wire, error) {
	w := wire{key: c.Key, weight: weight}
	w.caller = rest.Caller{Venue: "Binance", Base: strings.TrimSuffix(cmp.Or(c.URL, Real), "/"), Client: c.Client, Clock: c.Clock,
		Budget: rest.NewBudget(weight), Log: c.Log, Explain: explain, Scrub: c.Scrub, RequestID: "X-Mbx-Uuid"}
	var err error
	w.prove, err = signer(c.Secret)
	return w, err
}

// signer of payloads: a secret in PEM is an Ed25519 key, any other the secret of an HMAC key.
func signer(secret string) (func(string) string, error) {
	if !strings.HasPrefix(strings.TrimSpace(secret), "-----BEGIN") {
		return func(payload string) string {
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(payload))
			return hex.EncodeToString(mac.Sum(nil))
		}, nil
	}
	block, _ := pem.Decode([]byte(secret))
	if block == nil {
		return nil, errors.New("the secret begins like a PEM file and is none")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("the secret is no unencrypted Ed25519 key in PKCS #8, which is the only kind of key file read here")
	}
	return func(payload string) string {
		return base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(payload)))
	}, nil
}

// signed makes one call with a timestamp and its window. Binance signs what stands before the signature, so that comes last.
func (w *wire) signed(ctx context.Context, r rest.Request, form map[string]string, stamped time.Time, out any) error {
	values := url.Values{"timestamp": {strconv.FormatInt(stamped.UnixMilli(), 10)}, "recvWindow": {strconv.FormatInt(window.Milliseconds(), 10)}}
	for name, value := range form {
		values.Set(name, value)
	}
	payload := values.Encode()
	payload += "&signature=" + url.QueryEscape(w.prove(payload))
	r.Header = http.Header{"X-Mbx-Apikey": {w.key}}
	if r.Method == http.MethodPost {
		r.Body = []byte(payload)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		r.Path += "?" + payload
	}
	return w.do(ctx, r, out)
}

// do makes one call and notes how much of the minute Binance says is used. Unless it is urgent, it leaves a fifth of it.
func (w *wire) do(ctx context.Context, r rest.Request, out any) error {
	now := w.caller.Clock.Now().Truncate(time.Minute)
	if !now.Equal(w.minute) {
		w.used, w.minute = 0, now
	}
	if !r.Urgent && (w.used+r.Weight)*5 > w.weight*4 {
		return &rest.Error{Venue: "Binance", Step: r.Step, Throttled: true, RetryAfter: now.Add(time.Minute).Sub(w.caller.Clock.Now()),
			Message: fmt.Sprintf("%d of the %d requests of this minute are used, and the rest is kept for what moves money", w.used, w.weight)}
	}
	answer, err := w.caller.Do(ctx, r, out)
	if used, bad := strconv.Atoi(answer.Header.Get("X-Mbx-Used-Weight-1m")); bad == nil {
		w.used = used
	}
	return err
}

func (w *wire) forgetTime() { w.measured = time.Time{} }

// read makes a signed call that changes nothing; when the clocks were apart it measures and reads again, once.
func (v *Venue) read(ctx context.Context, r rest.Request, form map[string]string, out any) error {
	r.Method = http.MethodGet
	for again := false; ; again = true {
		stamped, err := v.stamp(ctx)
		if err != nil {
			return err
		}
		err = v.wire.signed(ctx, r, form, stamped, out)
		if e, ok := rest.As(err); !ok || e.Code != badTime || again {
			return err
		}
		v.wire.forgetTime()
	}
}

// stamp is Binance's time by our clock, never later than theirs.
func (v *Venue) stamp(ctx context.Context) (time.Time, error) {
	w := &v.wire
	if age := v.c.Clock.Now().Sub(w.measured); w.measured.IsZero() || age < 0 || age > offsetMax {
		if _, err := v.time(ctx); err != nil {
			return time.Time{}, err
		}
	}
	return v.c.Clock.Now().Add(w.offset).Truncate(time.Millisecond), nil
}

// time asks Binance for its time. The offset errs towards the past: a timestamp of the future would be refused.
func (v *Venue) time(ctx context.Context) (time.Time, error) {
	var answer struct {
		Time int64 `json:"serverTime"`
	}
	if err := v.wire.do(ctx, rest.Request{Step: "ask for the time", Method: http.MethodGet, Path: "/api/v3/time", Urgent: true}, &answer); err != nil {
		return time.Time{}, err
	}
	theirs, ours := time.UnixMilli(answer.Time).UTC(), v.c.Clock.Now()
	if theirs.Year() < 2017 || theirs.Year() > 2200 {
		return time.Time{}, fault("ask for the time", "the answer is no time")
	}
	v.wire.offset, v.wire.measured = theirs.Sub(ours), ours
	v.gate.Hear(theirs, ahead+window)
	return theirs, nil
}

func explain(_ int, body []byte) (code, message string) {
	var e struct {
		Code    int    `json:"code"`
		Message string `json:"msg"`
	}
	if json.Unmarshal(body, &e) != nil || e.Code == 0 {
		return "", ""
	}
	return strconv.Itoa(e.Code), cmp.Or(e.Message, "it gives no reason")
}

// fault is something wrong with an answer, or with what an answer would have to be: nobody knows what it stands for.
func fault(step, format string, args ...any) error {
	return &rest.Error{Venue: "Binance", Step: step, Reached: true, Message: fmt.Sprintf(format, args...)}
}
