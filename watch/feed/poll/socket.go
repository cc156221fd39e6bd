package poll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/ohler55/ojg/oj"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/secret"
)

const (
	pingEvery     = 20 * time.Second
	pongMax       = 10 * time.Second // to answer a ping
	reconnectMin  = time.Second
	steady        = time.Minute // that a connection must hold for its failures to be forgotten
	messagesMax   = 2000        // a second; what is faster waits at the source
	notUnderstood = "a message is not JSON"
)

// A Socket is a WebSocket and the feeds that listen to it. It connects, subscribes, and connects again, later and later,
// when the connection breaks or a ping is not answered. Its methods are not for concurrent use.
type Socket struct {
	target     *target
	feeds      []*feed
	subscribes []string // with their keys
	client     *Poller  // for its way of asking; it polls nothing
	clock      lifeboat.Clock
	back       time.Duration // the shortest wait before it connects again
	pace, pong time.Duration // between pings, and for the answer to one
}

// Sockets prepares those feeds of a plan that listen to a WebSocket: one for each address and headers. Nothing is
// connected yet.
func Sockets(ctx context.Context, feeds []plan.Feed, o Options, clock lifeboat.Clock) ([]*Socket, error) {
	if o.Vault == nil {
		o.Vault = &secret.Vault{Dir: o.Dir}
	}
	p := &Poller{client: guarded(o.Client), targets: map[string]*target{}, hosts: map[string]*host{}}
	var all []*Socket
	of := map[*target]*Socket{}
	for _, planned := range feeds {
		if planned.Plugin != "" || planned.Account != "" || planned.Chain != "" || planned.Webhook != "" || !planned.Streams() {
			continue
		}
		s, err := p.socket(ctx, planned, o, of)
		if err != nil {
			return nil, &lifeboat.Problem{Reason: "plan-invalid", What: fmt.Sprintf("the feed of %s from %s cannot be used: %v", planned.Series, planned.Source, err),
				Money: "nothing was sent", Next: "mend the feed, or set the variable, and run lifeboat check", Err: err}
		}
		if s.clock == nil {
			s.clock, s.back, s.pace, s.pong = clock, reconnectMin, pingEvery, pongMax
			all = append(all, s)
		}
	}
	return all, nil
}

func (p *Poller) socket(ctx context.Context, planned plan.Feed, o Options, of map[*target]*Socket) (*Socket, error) {
	asked := planned
	asked.URL = "http" + strings.TrimPrefix(planned.URL, "ws") // the handshake is a request of HTTP
	f, err := p.open(ctx, plan.Request{Feed: asked}, o)
	if err != nil {
		return nil, err
	}
	s := of[f.target]
	if s == nil {
		s = &Socket{target: f.target, client: p}
		of[f.target] = s
	}
	s.feeds = append(s.feeds, f)
	if planned.Subscribe == "" {
		return s, nil
	}
	key := ""
	if planned.Key != "" {
		if key, err = o.Vault.Read(ctx, planned.Key); err != nil {
			return nil, err
		}
	}
	if text := strings.ReplaceAll(planned.Subscribe, "{key}", key); !slices.Contains(s.subscribes, text) {
		s.subscribes = append(s.subscribes, text)
	}
	return s, nil
}

// Seen says what a source told last, before Run: what is not newer is no news.
func (s *Socket) Seen(series lifeboat.Series, source string, at time.Time) {
	for _, f := range s.feeds {
		if f.Source == source && f.Series == string(series) {
			f.last[series] = at
		}
	}
}

// Run keeps the connection up until ctx ends. deliver is given readings as they come, and a Problem of reason feed-down for
// each feed when the connection is lost, once until it has held again.
func (s *Socket) Run(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	for failures := 0; ; {
		began := s.clock.Now()
		err := s.listen(ctx, deliver)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.clock.Now().Sub(began) >= steady {
			failures = 0
		}
		if failures++; failures == 1 {
			var problems []error
			for _, f := range s.feeds {
				problems = append(problems, f.problem(err))
			}
			deliver(nil, problems)
		}
		wait := min(s.back<<min(failures-1, 20), backoffMax)
		if err := s.clock.Sleep(ctx, s.clock.Now().Add(wait)); err != nil {
			return err
		}
	}
}

// listen connects once, and takes messages until the connection breaks. Errors name neither the address nor a key.
func (s *Socket) listen(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	c, err := s.connect(life)
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(answerMax)
	for _, text := range s.subscribes {
		if err := c.Write(life, websocket.MessageText, []byte(text)); err != nil {
			return errors.New("it did not take the subscription")
		}
	}
	go s.ping(life, c, end)
	second, messages, told := time.Time{}, 0, false
	for {
		_, body, err := c.Read(life)
		if err != nil {
			return s.lost(life, err)
		}
		now := s.clock.Now()
		readings, problems := s.take(now, body)
		if told {
			problems = nil
		}
		told = told || len(problems) > 0
		if len(readings)+len(problems) > 0 {
			deliver(readings, problems)
		}
		if this := now.Truncate(time.Second); !this.Equal(second) {
			second, messages = this, 0
		}
		if messages++; messages >= messagesMax && s.clock.Sleep(life, second.Add(time.Second)) != nil {
			return s.lost(life, life.Err())
		}
	}
}

func (s *Socket) connect(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, response, err := websocket.Dial(ctx, string(s.target.address), &websocket.DialOptions{HTTPClient: s.client.client, HTTPHeader: s.target.headers.Clone()})
	if err != nil && response != nil {
		return nil, refused{status: response.StatusCode}
	}
	if err != nil {
		return nil, discreet(ctx, err)
	}
	return c, nil
}

// lost says why a connection ended, in words of our own.
func (s *Socket) lost(life context.Context, err error) error {
	if why := context.Cause(life); errors.Is(why, errNoPong) {
		return errNoPong
	}
	if code := websocket.CloseStatus(err); code >= 0 {
		return fmt.Errorf("it closed the connection (%d)", int(code))
	}
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return errTooLong
	}
	return errors.New("the connection was lost")
}

var errNoPong = fmt.Errorf("it did not answer a ping within %s", pongMax)

// ping finds out that nobody is there any more, which silence alone does not tell.
func (s *Socket) ping(life context.Context, c *websocket.Conn, end context.CancelCauseFunc) {
	for s.clock.Sleep(life, s.clock.Now().Add(s.pace)) == nil {
		wait, cancel := context.WithTimeout(life, s.pong)
		err := c.Ping(wait)
		cancel()
		if err != nil && life.Err() == nil {
			end(errNoPong)
			return
		}
	}
}

// take looks for each feed's value in a message. One that has none of them, as the answer to a subscription, says nothing.
func (s *Socket) take(at time.Time, body []byte) (readings []lifeboat.Reading, problems []error) {
	document, err := oj.Parse(body)
	if err != nil {
		return nil, []error{s.feeds[0].problem(errors.New(notUnderstood))}
	}
	for _, f := range s.feeds {
		rows := []any{document}
		if f.rows != nil { // they may choose among messages too: the message stands in a list of its own
			rows = f.rows.Get([]any{document})
		}
		for _, row := range rows[max(0, len(rows)-RowsMax):] {
			if len(f.value.Get(row)) == 0 {
				continue
			}
			o, err := f.observe(row)
			if err != nil {
				problems = append(problems, f.problem(err))
				continue
			}
			if r, news := f.last.Reading(o, f.Source, f.Level, at); news {
				readings = append(readings, r)
			}
		}
	}
	return readings, problems
}
