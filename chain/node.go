package chain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"lifeboat"
	"lifeboat/secret"
)

// node is one way to the chain, with what is known of how well it serves. It is safe for concurrent use.
type node struct {
	url, host string
	place     int // in the configuration, from 1
	private   bool
	pushes    bool // it can tell of heads by itself
	chain     uint64
	timeout   time.Duration
	clock     lifeboat.Clock
	budget    *budget // nil counts nothing
	scrub     func(string) string
	veil      secret.Veil // hides what its address holds beside the host

	dialling sync.Mutex // guards client
	client   *rpc.Client

	mu          sync.Mutex // guards what follows
	verified    time.Time  // when it last said that it is on our chain
	batch       int        // how many requests it takes at once
	byNumber    bool       // it cannot be asked for the state at a block's hash
	noOverride  bool       // it cannot estimate for a later time
	noHeaders   bool       // it has no eth_getHeaderByNumber
	head        uint64
	latency     time.Duration
	answers     uint64
	failures    uint64
	inRow       int // failures since the last answer
	until       time.Time
	out         string
	dissents    uint64
	dissent     string
	dissentAt   time.Time
	lastError   string
	lastErrorAt time.Time
}

const (
	timeoutUsual = 10 * time.Second
	batchMax     = 100 // requests in one batch; halved where a node takes fewer
	pauseMin     = 500 * time.Millisecond
	pauseMax     = time.Minute
	verifyEvery  = 10 * time.Minute // how long a node's word for its chain is good
)

func newNode(said Node, place int, config Config, clock lifeboat.Clock) (*node, error) {
	host, pushes, err := hostOf(said.URL)
	if err != nil {
		return nil, fmt.Errorf("node %d: %w", place, err)
	}
	n := &node{
		url: strings.TrimSpace(said.URL), host: host, place: place, private: said.Private, pushes: pushes,
		chain: config.ID, timeout: config.Timeout, clock: clock, scrub: config.Scrub, batch: batchMax,
	}
	if n.timeout <= 0 {
		n.timeout = timeoutUsual
	}
	if n.scrub == nil {
		n.scrub = func(text string) string { return text }
	}
	if _, rest, ok := strings.Cut(n.url, host); ok && len(rest) > 1 {
		n.veil.Hide(rest)
	}
	if before, _, ok := strings.Cut(strings.TrimPrefix(n.url, strings.SplitAfter(n.url, "//")[0]), "@"); ok {
		n.veil.Hide(before)
	}
	if said.PerSecond > 0 {
		n.budget = newBudget(said.PerSecond, n.timeout, clock)
	}
	return n, nil
}

// ask sends requests in one batch, or in several where the node takes no more, and leaves errors of single requests in them. The
// error is for all: nothing came back, or the node is not one to believe.
func (n *node) ask(ctx context.Context, requests ...rpc.BatchElem) error {
	step := requests[0].Method
	if err := n.verify(ctx, false); err != nil {
		return err
	}
	for start := 0; start < len(requests); {
		n.mu.Lock()
		end := min(start+n.batch, len(requests))
		n.mu.Unlock()
		err := n.exchange(ctx, requests[start:end])
		if err != nil && end-start > 1 && n.takesFewer(err, end-start) {
			continue
		}
		if err != nil {
			return n.failed(ctx, step, err)
		}
		start = end
	}
	for i := range requests {
		if err := requests[i].Error; err != nil && n.fault(ctx, step, err).class == throttled {
			return n.failed(ctx, step, err)
		}
	}
	return nil
}

// exchange is one batch there and back.
func (n *node) exchange(ctx context.Context, requests []rpc.BatchElem) error {
	client, err := n.dial(ctx)
	if err != nil {
		return err
	}
	if err := n.afford(ctx, len(requests)); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	start := n.clock.Now()
	if err := client.BatchCallContext(limited, requests); err != nil {
		if ctx.Err() != nil { // whoever asked gave up: that says nothing about the node
			return &fault{host: n.host, step: requests[0].Method, message: "the call was given up", class: resting, cause: ctx.Err()}
		}
		return n.fault(limited, requests[0].Method, err)
	}
	n.answered(n.clock.Now().Sub(start))
	return nil
}

// afford waits until the node's budget has room, for as long as a call may take.
func (n *node) afford(ctx context.Context, requests int) error {
	if n.budget == nil {
		return nil
	}
	err := n.budget.spend(ctx, requests)
	if errors.Is(err, errSpent) {
		return &fault{host: n.host, step: "wait for its budget", message: err.Error(), class: resting}
	}
	return err
}

// takesFewer learns that a batch was too long for the node.
func (n *node) takesFewer(err error, sent int) bool {
	f := n.fault(context.Background(), "", err)
	said := strings.ToLower(f.message)
	if !strings.Contains(said, "batch") || f.class == throttled {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.batch = max(1, min(n.batch, sent/2))
	return true
}

// dial connects, once; an HTTP client connects by itself when it is used.
func (n *node) dial(ctx context.Context) (*rpc.Client, error) {
	n.dialling.Lock()
	defer n.dialling.Unlock()
	if n.client != nil {
		return n.client, nil
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	transport.MaxIdleConnsPerHost = 16
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	client, err := rpc.DialOptions(ctx, n.url,
		rpc.WithHTTPClient(&http.Client{Transport: bounded{transport}, CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}),
		rpc.WithWebsocketMessageSizeLimit(sizeMax))
	if err != nil {
		return nil, err
	}
	n.client = client
	return client, nil
}

func (n *node) hangUp() {
	n.dialling.Lock()
	defer n.dialling.Unlock()
	if n.client != nil {
		n.client.Close()
		n.client = nil
	}
}

// verify asks the node for its chain, unless it said so a while ago. A node on another chain is out until it says otherwise.
func (n *node) verify(ctx context.Context, again bool) error {
	now := n.clock.Now()
	n.mu.Lock()
	fresh, until, out := now.Sub(n.verified) < verifyEvery && !n.verified.IsZero(), n.until, n.out
	n.mu.Unlock()
	if now.Before(until) && !again {
		return &fault{host: n.host, step: "ask", message: "it is not asked now: " + out, class: resting}
	}
	if fresh && !again {
		return nil
	}
	var id hexutil.Uint64
	request := []rpc.BatchElem{{Method: "eth_chainId", Result: &id}}
	err := n.exchange(ctx, request)
	if err == nil {
		err = request[0].Error
	}
	if err != nil {
		return n.failed(ctx, "eth_chainId", err)
	}
	if uint64(id) != n.chain {
		return n.failed(ctx, "eth_chainId", &fault{host: n.host, step: "eth_chainId", class: foreign, message: fmt.Sprintf("it is on chain %d, not %d", uint64(id), n.chain)})
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.verified = n.clock.Now()
	return nil
}

// answered notes that something readable came back.
func (n *node) answered(took time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers++
	if n.latency == 0 {
		n.latency = took
	}
	n.latency += (took - n.latency) / 8
}

// served notes that what came back was of use, all of it.
func (n *node) served() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inRow, n.until, n.out = 0, time.Time{}, ""
}

// failed notes a failure and lets the node rest, longer each time. A call that we gave up ourselves says nothing about it.
func (n *node) failed(ctx context.Context, step string, err error) error {
	f := n.fault(ctx, step, err)
	if f.noted || f.class == resting || errors.Is(f.cause, context.Canceled) {
		return f
	}
	f.noted = true
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.clock.Now()
	n.failures++
	n.lastError, n.lastErrorAt = f.step+": "+f.message, now
	if f.class == reverted || f.class == refused || f.class == tooMuch || f.class == pruned || f.class == behind || f.class == unsupported {
		return f // it works, it only cannot serve this
	}
	n.inRow++
	pause := f.after
	switch {
	case f.class == foreign:
		n.verified, pause = time.Time{}, pauseMax
	case f.class == throttled:
		pause = max(pause, min(pauseMin<<min(n.inRow-1, 10), pauseMax))
	case n.inRow > 1: // once is no pattern, and without it there may be no quorum
		pause = max(pause, min(pauseMin<<min(n.inRow-2, 10), pauseMax))
	}
	if pause > 0 {
		n.until, n.out = now.Add(pause), f.message
	}
	return f
}

// dissented notes that the quorum said something else.
func (n *node) dissented(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dissents++
	n.dissent, n.dissentAt = n.plain(what), n.clock.Now()
}

func (n *node) heard(head uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.head = head
}

func (n *node) health(now time.Time) NodeHealth {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := NodeHealth{
		Host: n.host, Private: n.private, Head: n.head, Latency: n.latency, Answers: n.answers, Failures: n.failures,
		Disagreements: n.dissents, Disagreed: n.dissent, Error: n.lastError, ErrorAt: n.lastErrorAt,
	}
	if now.Before(n.until) {
		h.Out, h.Until = n.out, n.until
	}
	return h
}

// standing orders the nodes by whom to ask first: those that answer before those that rest, those that the quorum contradicted
// lately last, the quicker ones before the slower ones.
func (n *node) standing(now time.Time) (rank int, latency time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Before(n.until) {
		rank += 2
	}
	if !n.dissentAt.IsZero() && now.Sub(n.dissentAt) < time.Hour {
		rank++
	}
	return rank, n.latency.Round(20 * time.Millisecond)
}

var errNotPushing = errors.New("the node does not tell of new heads")

// follow listens to the heads that a node tells of until the connection ends.
func (n *node) follow(ctx context.Context, push func(int), announce func(*header)) error {
	if err := n.verify(ctx, false); err != nil {
		return err
	}
	client, err := n.dial(ctx)
	if err != nil {
		return n.failed(ctx, "connect", err)
	}
	heads := make(chan *header, 16)
	subscription, err := client.EthSubscribe(ctx, heads, "newHeads")
	if err != nil {
		if n.fault(ctx, "eth_subscribe", err).class == unsupported {
			return errNotPushing
		}
		return n.failed(ctx, "eth_subscribe", err)
	}
	defer subscription.Unsubscribe()
	push(1)
	defer push(-1)
	for {
		select {
		case h := <-heads:
			n.heard(h.Number)
			announce(h)
		case err := <-subscription.Err():
			if err == nil {
				return nil
			}
			return n.failed(ctx, "eth_subscribe", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
