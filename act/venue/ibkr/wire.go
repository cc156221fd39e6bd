package ibkr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// number is an amount as the gateway writes it: a JSON number, or a text with or without separators of thousands. It is
// not set for null and for "".
type number struct {
	decimal.Decimal
	set bool
}

var grouped = regexp.MustCompile(`^-?\d{1,3}(,\d{3})+(\.\d+)?$`)

const (
	numberMax   = 80 // characters
	exponentMax = 40 // beyond it nothing is an amount, and writing it out would fill memory
)

func (n *number) UnmarshalJSON(raw []byte) error {
	var told text
	if err := told.UnmarshalJSON(raw); err != nil {
		return err
	}
	plain := string(told)
	if plain == "" {
		*n = number{}
		return nil
	}
	if grouped.MatchString(plain) {
		plain = strings.ReplaceAll(plain, ",", "")
	}
	if len(plain) > numberMax {
		return errors.New("a number is longer than any amount")
	}
	d, err := decimal.NewFromString(plain)
	if err != nil || d.Exponent() > exponentMax || d.Exponent() < -exponentMax {
		return errors.New("a number is none")
	}
	*n = number{d, true}
	return nil
}

// text is what some answers write as a text and others as a number: the identifiers.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		*t = ""
	case raw[0] == '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		*t = text(strings.TrimSpace(s))
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		*t = text(raw)
	default:
		return errors.New("neither a text nor a number")
	}
	return nil
}

// explain reads the reason out of an answer that is no success: {"error": …}, with "statusCode" in some.
func explain(_ int, body []byte) (code, message string) {
	var told struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &told) != nil {
		return "", ""
	}
	if told.Error != "" {
		return "", plainly(told.Error)
	}
	return "", plainly(told.Message)
}

var tags = regexp.MustCompile(`<[^<>]*>`)

// plainly makes one line for people of what the broker writes for its own screen.
func plainly(told string) string {
	told = strings.Join(strings.Fields(tags.ReplaceAllString(strings.ToValidUTF8(told, ""), " ")), " ")
	if runes := []rune(told); len(runes) > 300 {
		told = string(runes[:300]) + "…"
	}
	return told
}

// kind of a call, by how often the gateway takes it.
type kind string

const (
	anyCall       kind = ""
	orderList     kind = "orders"
	executionList kind = "trades"
	accountList   kind = "accounts"
	tickle        kind = "tickle"
)

// gaps between two calls of a kind, from the broker's table of pacing limits – one in five seconds for the lists, one in a
// second for the sign of life, ten in a second in all – and a little more, since calls take different times on their way.
var gaps = map[kind]time.Duration{
	anyCall:       105 * time.Millisecond,
	orderList:     5300 * time.Millisecond,
	executionList: 5300 * time.Millisecond,
	accountList:   5300 * time.Millisecond,
	tickle:        1300 * time.Millisecond,
}

// pace holds calls apart. Going faster puts the whole machine into a penalty box for ten minutes.
type pace struct {
	mu   sync.Mutex // guards next
	next map[kind]time.Time
}

func (p *pace) wait(ctx context.Context, clock lifeboat.Clock, k kind) error {
	if k != anyCall {
		if err := p.turn(ctx, clock, k); err != nil {
			return err
		}
	}
	return p.turn(ctx, clock, anyCall)
}

func (p *pace) turn(ctx context.Context, clock lifeboat.Clock, k kind) error {
	p.mu.Lock()
	if p.next == nil {
		p.next = map[kind]time.Time{}
	}
	now := clock.Now()
	turn := p.next[k]
	if turn.Before(now) || turn.Sub(now) > time.Minute { // a clock that was set back makes nobody wait for long
		turn = now
	}
	p.next[k] = turn.Add(gaps[k])
	p.mu.Unlock()
	if err := ctx.Err(); err != nil || !turn.After(now) {
		return err
	}
	return clock.Sleep(ctx, turn)
}

// do makes one call when its turn comes, and notices when the session is gone.
func (v *Venue) do(ctx context.Context, k kind, r rest.Request, out any) (rest.Answer, error) {
	if err := v.pace.wait(ctx, v.c.Clock, k); err != nil {
		return rest.Answer{}, fmt.Errorf("%s: %s: %w", name, r.Step, err)
	}
	got, err := v.rest.Do(ctx, r, out)
	switch e, told := rest.As(err); {
	case told && gone(e):
		v.lost()
		return got, v.nobody(r.Step, Session{})
	case told && e.Status == http.StatusNotFound: // a new session that nobody told of: the account has to be entered again
		v.mu.Lock()
		v.account = ""
		v.mu.Unlock()
	}
	return got, err
}

// gone reports that the gateway turned a call away for want of a session: it says 401, sends to its login page, or has no
// bridge to the broker. Nothing of the call was done.
func gone(e *rest.Error) bool {
	return e.Status == http.StatusUnauthorized || e.Status/100 == 3 || (e.Status == http.StatusBadRequest || e.Status == http.StatusInternalServerError) && strings.Contains(strings.ToLower(e.Message), "no bridge")
}
