// Package alert lets others who watch say that something is wrong: OpenZeppelin Monitor, Forta behind a relay that signs, a
// script of the owner's. They post JSON to the daemon, signed with a secret that the plan refers to, and the severity becomes a
// series: 0 is nothing, 1 low, 2 medium, 3 high or critical.
//
// A [Source] believes a message that is signed, not older than the replay window, and not seen before. It keeps the highest
// severity for an hour after it was last said, or until the sender says that it is over. A sender's silence is nothing: 0 says
// only that lifeboat listens. With a [Memory] a message is not taken twice either when the program was killed in between: what it says
// is kept before it is answered.
//
// It serves no HTTP itself, asks nobody, and acts on nothing that a message says but its severity.
package alert

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

const (
	// replayWindow is how old a message may be, or how far ahead its sender's clock.
	replayWindow = 5 * time.Minute
	// seenMax bounds how many messages are remembered, so that none is taken twice.
	seenMax = 10_000
	// lasts is how long a severity stands after it was last said.
	lasts = time.Hour
	// levelMax is the highest severity.
	levelMax = 3
)

var (
	// ErrUnsigned says that nobody with the secret sent it. It does not say what is wrong: that helps only who tries.
	ErrUnsigned = &lifeboat.Problem{Reason: "denied", What: "the alert is not signed with the secret of its feed, or too old, or was sent before"}
	// ErrFull says that too many came at once.
	ErrFull = &lifeboat.Problem{Reason: "feed-down", What: "more alerts come than can be told apart: send it again in five minutes"}
	// ErrForgotten says that it may have been taken before the start.
	ErrForgotten = &lifeboat.Problem{Reason: "alerts-forgotten", What: "the alert was sent before lifeboat was started, and may have been taken then: sign and send it again"}
)

// Source of one series.
type Source struct {
	feed   plan.Feed
	secret []byte
	clock  lifeboat.Clock
	memory Memory
	news   chan struct{}

	mu      sync.Mutex           // guards the rest
	seen    map[string]time.Time // :: digest of the signature of a message that was taken → until when it could be sent again
	doubt   time.Time            // what was sent up to then may have been taken
	alive   time.Time            // when the memory was saved last
	trouble error                // with the memory, that nobody was told of
	failing bool                 // it could not be saved the last time
	standing
}

// standing is what the messages say together.
type standing struct {
	level  float64
	words  string
	at     time.Time // when the level was last said
	silent time.Time // until when nothing is said that was not heard: what stood before a start may still stand
}

// New source of a feed, with the secret that its key refers to.
func New(feed plan.Feed, secret []byte, clock lifeboat.Clock) *Source {
	return &Source{feed: feed, secret: secret, clock: clock, news: make(chan struct{}, 1), seen: map[string]time.Time{}}
}

// Seen says what was told last, before Run: it stands for its time, though lifeboat was started again. The memory is saved before
// anything is told, so that one which is older is not of the lifeboat that told it.
func (s *Source) Seen(series lifeboat.Series, source string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(series) != s.feed.Series || source != s.feed.Source || !at.After(s.alive) {
		return
	}
	if s.memory.Load != nil {
		s.forget("there is no file of them here, or an older one than the journal")
	}
	s.silent = at.Add(lasts)
}

// Take a message as it was posted. What is not believed changes nothing.
func (s *Source) Take(header http.Header, body []byte) error {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	digest, sent, err := s.believe(header, body, now)
	if err != nil {
		return err
	}
	level, words, err := parse(body)
	if err != nil {
		return err
	}
	before := s.standing
	if level >= s.level || level == 0 || now.Sub(s.at) >= lasts {
		s.level, s.words, s.at = level, words, now
	}
	s.silent, s.seen[digest] = time.Time{}, sent.Add(2*replayWindow)
	if err := s.save(now); err != nil {
		s.standing = before
		delete(s.seen, digest)
		return &lifeboat.Problem{Reason: "alerts-forgotten", What: "the alert cannot be kept, and could be taken twice: send it again later", Err: err}
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
	return nil
}

// believe a signature once. The form of lifeboat's own webhooks: Lifeboat-Signature is v1= and the hex HMAC-SHA256 of the
// timestamp, a full stop and the body. OpenZeppelin Monitor's, since 1.0: X-Signature is that of the body and the timestamp in
// milliseconds, and X-Timestamp the latter.
func (s *Source) believe(header http.Header, body []byte, now time.Time) (digest string, sent time.Time, err error) {
	stamp, signature := header.Get("Lifeboat-Timestamp"), strings.TrimPrefix(header.Get("Lifeboat-Signature"), "v1=")
	unit, signed := time.Second, stamp+"."+string(body)
	if s.feed.Webhook == "openzeppelin" {
		stamp, signature, unit = header.Get("X-Timestamp"), header.Get("X-Signature"), time.Millisecond
		signed = string(body) + stamp
	}
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(signed))
	given, err := hex.DecodeString(signature)
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return "", sent, ErrUnsigned
	}
	n, err := strconv.ParseInt(stamp, 10, 64)
	sent = time.Unix(0, 0).Add(time.Duration(n) * unit)
	if err != nil || n < 0 || n > int64(1<<62)/int64(unit) || now.Sub(sent).Abs() > replayWindow {
		return "", sent, ErrUnsigned
	}
	for key, until := range s.seen {
		if now.After(until) {
			delete(s.seen, key)
		}
	}
	sum := sha256.Sum256(given)
	digest = string(sum[:])
	switch _, twice := s.seen[digest]; {
	case twice:
		return "", sent, ErrUnsigned
	case !sent.After(s.doubt):
		return "", sent, ErrForgotten
	case len(s.seen) >= seenMax:
		return "", sent, ErrFull
	}
	return digest, sent, nil
}

// message is what is understood of a body: one alert, or several, as Forta sends them.
type message struct {
	one
	Alerts []one `json:"alerts"`
}

type one struct {
	Severity    string `json:"severity"`
	Title       string `json:"title"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Body        string `json:"body"`
}

// levels of the words that senders use; a word that is not here, or none, is medium.
var levels = map[string]float64{"none": 0, "resolved": 0, "ok": 0, "info": 1, "informational": 1, "low": 1, "medium": 2, "moderate": 2, "warning": 2, "warn": 2,
	"high": 3, "critical": 3, "emergency": 3}

// parse a body: the highest severity in it, and what it says of that.
func parse(body []byte) (level float64, words string, err error) {
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return 0, "", errors.New("the alert is no JSON object with a severity and a title")
	}
	all := m.Alerts
	if len(all) == 0 {
		all = []one{m.one}
	}
	level = -1
	for _, a := range all {
		l, known := levels[strings.ToLower(strings.TrimSpace(a.Severity))]
		if !known {
			l = 2
		}
		if l > level {
			level, words = l, cmp.Or(a.Title, a.Name, a.Description, a.Body)
		}
	}
	return level, tame(words), nil
}

const wordsMax = 200

// tame is the beginning of a stranger's text, without what is not for showing.
func tame(text string) string {
	kept := make([]rune, 0, wordsMax)
	for _, r := range text {
		if len(kept) == wordsMax {
			return string(kept) + "…"
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			r = ' '
		}
		kept = append(kept, r)
	}
	return string(kept)
}

// Run says the level until ctx ends: at news, and often enough not to go stale.
func (s *Source) Run(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	for ctx.Err() == nil {
		now := s.clock.Now()
		if readings, problems := s.tell(now); len(readings)+len(problems) > 0 {
			deliver(readings, problems)
		}
		s.wait(ctx, now.Add(time.Duration(s.feed.StaleAfter)/3))
	}
	return ctx.Err()
}

// tell the level, after it was saved that it is told, and what is wrong with the memory, once.
func (s *Source) tell(now time.Time) (readings []lifeboat.Reading, problems []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble != nil {
		problems, s.trouble = append(problems, s.trouble), nil
	}
	err := s.save(now)
	if err != nil && !s.failing {
		problems = append(problems, s.unkept(err))
	}
	s.failing = err != nil
	if now.Before(s.silent) {
		return nil, problems
	}
	if s.level > 0 && now.Sub(s.at) >= lasts {
		s.level, s.words = 0, ""
	}
	return []lifeboat.Reading{{Series: lifeboat.Series(s.feed.Series), Source: s.feed.Source, Value: s.level, Why: s.words, At: now}}, problems
}

// wait for news, or until a time.
func (s *Source) wait(ctx context.Context, until time.Time) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	due := make(chan struct{})
	go func() { defer close(due); _ = s.clock.Sleep(ctx, until) }()
	select {
	case <-s.news:
	case <-due:
	}
	cancel()
	<-due
}
