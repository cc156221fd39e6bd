package alpaca

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"lifeboat/act/venue"
	"lifeboat/act/venue/rest"
)

// Addresses of Alpaca: for real money, and for its own simulation.
const (
	Live  = "https://api.alpaca.markets"
	Paper = "https://paper-api.alpaca.markets"
)

// perMinute is what Alpaca usually allows one account.
const perMinute = 200

// Client speaks the trading API for one account. Each method is one call or, where it says so, the calls that it takes to
// read a list to its end; none is ever repeated by itself. It is safe for concurrent use.
type Client struct {
	caller rest.Caller
	conn   venue.Connection
	left   atomic.Int64 // requests left as the last answer said, plus one; 0 when none said
}

// NewClient checks what it is given and calls nobody.
func NewClient(c venue.Connection) (*Client, error) {
	if c.URL == "" {
		c.URL = Live
	}
	c.URL = strings.TrimRight(c.URL, "/")
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("open Alpaca: the address is none that begins with https://")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("open Alpaca: the address holds more than a host and a path")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("open Alpaca: http:// is for servers on this machine; elsewhere the keys would travel in the open")
	case c.Key == "" || c.Secret == "":
		return nil, errors.New("open Alpaca: the key or its secret is missing")
	case c.Clock == nil:
		return nil, errors.New("open Alpaca: it needs a clock")
	}
	if c.PerMinute <= 0 {
		c.PerMinute = perMinute
	}
	scrub := c.Scrub
	c.Scrub = func(text string) string { // what a server or a proxy repeats is not told on
		if scrub != nil {
			text = scrub(text)
		}
		return strings.NewReplacer(c.Secret, "[secret]", c.Key, "[key]").Replace(text)
	}
	client := &Client{conn: c}
	client.caller = rest.Caller{
		Venue: Name, Base: c.URL, Client: c.Client, Clock: c.Clock, Budget: rest.NewBudget(c.PerMinute), Log: c.Log,
		Scrub: c.Scrub, Sign: client.sign, Explain: explain,
	}
	return client, nil
}

// Name of the venue, as people read it in errors.
const Name = "Alpaca"

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

func (c *Client) sign(r *http.Request, _ []byte) error {
	r.Header.Set("APCA-API-KEY-ID", c.conn.Key)
	r.Header.Set("APCA-API-SECRET-KEY", c.conn.Secret)
	return nil
}

// explain reads {"code": 40310000, "message": "insufficient buying power", …}. Wrong keys have a message and no code.
func explain(_ int, body []byte) (code, message string) {
	var said struct {
		Code    json.Number `json:"code"`
		Message string      `json:"message"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&said) != nil {
		return "", ""
	}
	return said.Code.String(), said.Message
}

// do makes one call and notes what the answer says of requests left.
func (c *Client) do(ctx context.Context, r rest.Request, out any) error {
	answer, err := c.caller.Do(ctx, r, out)
	if left, bad := strconv.Atoi(answer.Header.Get("X-RateLimit-Remaining")); bad == nil && left >= 0 {
		c.left.Store(int64(left) + 1)
	}
	return err
}

// RequestsLeft in the running minute by the venue's last word; false when it never said.
func (c *Client) RequestsLeft() (int, bool) {
	left := c.left.Load()
	return int(left) - 1, left > 0
}

// fault is an answer that was read and cannot be right, told like every other failed call.
func fault(step, format string, args ...any) error {
	return &rest.Error{Venue: Name, Step: step, Status: http.StatusOK, Reached: true, Message: fmt.Sprintf(format, args...)}
}

// segment of a path; symbols of pairs hold a slash.
func segment(text string) string { return url.PathEscape(text) }
