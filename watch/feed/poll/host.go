package poll

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat/plan"
	"lifeboat/secret"
)

// A target is what is asked: an address with its keys, and the headers that go along. Its last answer is kept, so that a
// source can say that it has not changed.
type target struct {
	address address
	headers http.Header
	host    *host

	etag, modified string
	body           []byte // nil when it is not worth asking whether it changed
}

// keptMax is the size of the largest answer that is kept. A larger one is fetched anew each time.
const keptMax = 64 << 10

// aim makes the target of a URL, or finds the one that another feed has already.
func (p *Poller) aim(ctx context.Context, written string, f plan.Feed, vault *secret.Vault) (*target, error) {
	key := ""
	if f.Key != "" {
		var err error
		if key, err = vault.Read(ctx, f.Key); err != nil {
			return nil, err
		}
		if strings.ContainsAny(key, "\r\n") {
			return nil, fmt.Errorf("the key of %s has more than one line", f.Key)
		}
	}
	full, err := expand(strings.ReplaceAll(written, "{key}", url.QueryEscape(key)))
	if err != nil {
		return nil, err
	}
	headers := http.Header{}
	for name, value := range f.Headers {
		headers.Set(name, strings.ReplaceAll(value, "{key}", key))
	}
	same := string(full) + "\x00" + inOrder(headers)
	if t := p.targets[same]; t != nil {
		t.host.allow(f.PerMinute)
		return t, nil
	}
	u, err := url.Parse(string(full))
	if err != nil {
		return nil, errors.New("the url cannot be asked")
	}
	h := p.hosts[u.Host]
	if h == nil {
		h = &host{perMinute: plan.PerMinuteMax}
		p.hosts[u.Host] = h
	}
	h.allow(f.PerMinute)
	t := &target{address: full, headers: headers, host: h}
	p.targets[same] = t
	return t, nil
}

func inOrder(headers http.Header) string {
	var all []string
	for name, values := range headers {
		all = append(all, name+"\x01"+strings.Join(values, "\x01"))
	}
	slices.Sort(all)
	return strings.Join(all, "\x02")
}

// ask adds the target's headers to a request, and what lets the source say that nothing changed.
func (t *target) ask(h http.Header) {
	for name, values := range t.headers {
		h[name] = values
	}
	if t.body == nil {
		return
	}
	if t.etag != "" {
		h.Set("If-None-Match", t.etag)
	}
	if t.modified != "" {
		h.Set("If-Modified-Since", t.modified)
	}
}

func (t *target) keep(h http.Header, body []byte) {
	t.etag, t.modified, t.body = h.Get("ETag"), h.Get("Last-Modified"), nil
	if (t.etag != "" || t.modified != "") && len(body) <= keptMax {
		t.body = body
	}
}

// A host is what several feeds may be asked of, and how often it likes that.
type host struct {
	perMinute int
	asked     []time.Time // in the last minute, oldest first; perMinute at most
	until     time.Time   // it wants to be left alone
	refusals  int
	refused   time.Time // last
}

// allow takes the smallest of the limits that the feeds name.
func (h *host) allow(perMinute int) {
	if perMinute > 0 {
		h.perMinute = min(h.perMinute, perMinute)
	}
	h.perMinute = cmp.Or(h.perMinute, plan.PerMinuteMax)
}

// room takes a turn at the host if there is one, and returns at; else it returns when there will be one.
func (h *host) room(at time.Time) time.Time {
	if at.Before(h.until) {
		return h.until
	}
	for len(h.asked) > 0 && at.Sub(h.asked[0]) >= time.Minute {
		h.asked = h.asked[1:]
	}
	if len(h.asked) >= h.perMinute {
		return h.asked[0].Add(time.Minute)
	}
	h.asked = append(h.asked, at)
	return at
}

const (
	quietMin = 30 * time.Second // when a host that was asked too often does not say how long it wants to be left alone
	quietMax = time.Hour
)

// heard takes note of how a host answered: one that was asked too often, or says when to come back, is left alone for so
// long, with all its feeds.
func (h *host) heard(at time.Time, err error) {
	var r refused
	if !errors.As(err, &r) {
		if err == nil {
			h.refusals = 0
		}
		return
	}
	wait := r.wait(at)
	tooOften := r.status == http.StatusTooManyRequests || r.status == http.StatusTeapot // the second is how Binance bans
	switch {
	case wait == 0 && !tooOften:
		return
	case wait == 0:
		wait = quietMin
		if h.refused != at {
			wait <<= min(h.refusals, 7)
		}
	}
	if h.refused != at { // several requests of one moment are one refusal
		h.refusals++
	}
	h.refused = at
	if until := at.Add(min(wait, quietMax)); until.After(h.until) {
		h.until = until
	}
}

// refused is an answer that holds no value.
type refused struct {
	status int
	after  string
}

func (r refused) Error() string {
	return fmt.Sprintf("it answers %d %s", r.status, http.StatusText(r.status))
}

// whole reports that the request as it is can never be answered: one of the ids in it is unknown.
func (r refused) whole() bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity}, r.status)
}

// wait is how long Retry-After asks for, of statuses that may have one; zero when it does not.
func (r refused) wait(at time.Time) time.Duration {
	if r.status != http.StatusTooManyRequests && r.status < 500 && r.status != http.StatusTeapot {
		return 0
	}
	if seconds, err := strconv.Atoi(strings.TrimSpace(r.after)); err == nil {
		return time.Duration(max(0, min(seconds, int(quietMax/time.Second)))) * time.Second
	}
	if when, err := http.ParseTime(r.after); err == nil {
		return max(0, when.Sub(at))
	}
	return 0
}
