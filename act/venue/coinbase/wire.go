package coinbase

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"lifeboat/act/venue"
	"lifeboat/act/venue/rest"
)

// wire makes the calls, each with a token of Coinbase's time.
type wire struct {
	caller rest.Caller
	name   string
	key    crypto.PrivateKey
	method jwt.SigningMethod

	offset   time.Duration // of Coinbase's clock from ours
	measured time.Time     // by ours; zero when it has to be measured
}

const offsetMax = 10 * time.Minute // how long a measured offset is trusted

func newWire(c venue.Connection) (wire, error) {
	w := wire{name: c.Key}
	w.caller = rest.Caller{Venue: "Coinbase", Base: strings.TrimSuffix(cmp.Or(c.URL, Real), "/"), Client: c.Client, Clock: c.Clock,
		Budget: rest.NewBudget(cmp.Or(c.PerMinute, perMinute)), Log: c.Log, Explain: explain, Scrub: c.Scrub}
	var err error
	w.key, w.method, err = privateKey(c.Secret)
	return w, err
}

// privateKey reads a key as Coinbase hands it out: an EC or Ed25519 key in PEM, whose line ends may be written as \n, or the
// bytes of an Ed25519 key in base64.
func privateKey(secret string) (crypto.PrivateKey, jwt.SigningMethod, error) {
	secret = strings.TrimSpace(strings.ReplaceAll(secret, `\n`, "\n"))
	if block, _ := pem.Decode([]byte(secret)); block != nil {
		if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
			return ecKey(key)
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, nil, errors.New("the secret is no private key that can be read")
		}
		switch key := parsed.(type) {
		case *ecdsa.PrivateKey:
			return ecKey(key)
		case ed25519.PrivateKey:
			return key, jwt.SigningMethodEdDSA, nil
		}
		return nil, nil, errors.New("the secret is neither an EC nor an Ed25519 key")
	}
	raw, err := base64.StdEncoding.DecodeString(secret)
	if err != nil || len(raw) != ed25519.SeedSize && len(raw) != ed25519.PrivateKeySize {
		return nil, nil, errors.New("the secret is neither a private key in PEM nor an Ed25519 key in base64")
	}
	return ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize]), jwt.SigningMethodEdDSA, nil
}

func ecKey(key *ecdsa.PrivateKey) (crypto.PrivateKey, jwt.SigningMethod, error) {
	if key.Curve.Params().BitSize != 256 {
		return nil, nil, errors.New("the secret is an EC key of another curve than P-256")
	}
	return key, jwt.SigningMethodES256, nil
}

// signed makes one call with a token of a time.
func (w *wire) signed(ctx context.Context, r rest.Request, stamped time.Time, out any) error {
	c := w.caller
	c.Sign = func(request *http.Request, _ []byte) error {
		token, err := w.token(request, stamped)
		if err != nil {
			return errors.New("the token cannot be made")
		}
		request.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
	_, err := c.Do(ctx, r, out)
	return err
}

// token for one call: for its method, host and path, without what is asked.
func (w *wire) token(r *http.Request, stamped time.Time) (string, error) {
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	t := jwt.NewWithClaims(w.method, jwt.MapClaims{
		"sub": w.name, "iss": "cdp", "nbf": stamped.Unix(), "exp": stamped.Add(life).Unix(),
		"uri": r.Method + " " + r.URL.Host + r.URL.Path,
	})
	t.Header["kid"], t.Header["nonce"] = w.name, hex.EncodeToString(nonce)
	return t.SignedString(w.key)
}

func (w *wire) forgetTime() { w.measured = time.Time{} }

func (w *wire) scrub(text string) string {
	if w.caller.Scrub != nil {
		text = w.caller.Scrub(text)
	}
	if told := []rune(text); len(told) > 300 {
		text = string(told[:300]) + "…"
	}
	return strings.Join(strings.Fields(text), " ")
}

// read makes a signed call that changes nothing; when the token was not accepted it measures the clock and reads again, once.
func (v *Venue) read(ctx context.Context, r rest.Request, out any) error {
	r.Method = http.MethodGet
	for again := false; ; again = true {
		stamped, err := v.stamp(ctx)
		if err != nil {
			return err
		}
		err = v.wire.signed(ctx, r, stamped, out)
		if e, ok := rest.As(err); !ok || e.Status != http.StatusUnauthorized || again {
			return err
		}
		v.wire.forgetTime()
	}
}

// stamp is Coinbase's time by our clock, never later than theirs.
func (v *Venue) stamp(ctx context.Context) (time.Time, error) {
	w := &v.wire
	if age := v.c.Clock.Now().Sub(w.measured); w.measured.IsZero() || age < 0 || age > offsetMax {
		if _, err := v.time(ctx); err != nil {
			return time.Time{}, err
		}
	}
	return v.c.Clock.Now().Add(w.offset).Truncate(time.Second), nil
}

// time asks Coinbase for its time. The offset errs towards the past: a token of the future would not be accepted.
func (v *Venue) time(ctx context.Context) (time.Time, error) {
	var answer struct {
		Millis json.RawMessage `json:"epochMillis"` // a number, or one in quotes
	}
	if _, err := v.wire.caller.Do(ctx, rest.Request{Step: "ask for the time", Method: http.MethodGet, Path: "/api/v3/brokerage/time", Urgent: true}, &answer); err != nil {
		return time.Time{}, err
	}
	millis, err := strconv.ParseInt(strings.Trim(string(answer.Millis), `"`), 10, 64)
	theirs, ours := time.UnixMilli(millis).UTC(), v.c.Clock.Now()
	if err != nil || theirs.Year() < 2020 || theirs.Year() > 2200 {
		return time.Time{}, fault("ask for the time", "the answer is no time")
	}
	v.wire.offset, v.wire.measured = theirs.Sub(ours), ours
	v.gate.Hear(theirs, life)
	return theirs, nil
}

func explain(_ int, body []byte) (code, message string) {
	var e struct {
		Error   string `json:"error"`
		Message string `json:"message"`
		Details string `json:"error_details"`
		Errors  []struct {
			ID      string `json:"id"`
			Message string `json:"message"`
		} `json:"errors"` // of the calls under v2
	}
	if json.Unmarshal(body, &e) != nil {
		return "", ""
	}
	if len(e.Errors) > 0 {
		return e.Errors[0].ID, e.Errors[0].Message
	}
	return e.Error, strings.TrimSpace(e.Message + " " + e.Details)
}

// fault is something wrong with an answer, or with what an answer would have to be: nobody knows what it stands for.
func fault(step, format string, args ...any) error {
	return &rest.Error{Venue: "Coinbase", Step: step, Reached: true, Message: fmt.Sprintf(format, args...)}
}
