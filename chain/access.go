package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
)

// Config of the way to one chain.
type Config struct {
	ID      uint64
	Network Network // says what [Known] does not; the zero value leaves everything as it is known
	Nodes   []Node
	// Quorum is how many nodes have to say alike what is believed; 0 is more than half of those that are not private.
	Quorum int
	// Hedge is how long a node may take before another one is asked as well; 0 follows what the nodes usually take.
	Hedge time.Duration
	// Timeout of one call to one node; 0 is ten seconds.
	Timeout time.Duration
	// Poll is how often a follower asks for the head where no node tells of it; 0 is half of the usual time between two blocks, and
	// no more often than twice a second unless Network says that time.
	Poll  time.Duration
	Clock lifeboat.Clock      // nil is the machine's
	Log   *slog.Logger        // nil logs nothing
	Scrub func(string) string // takes keys out of texts; nil leaves them as they are
}

// Node is one way to the chain.
type Node struct {
	URL string // http, https, ws or wss; it may hold a key and is never shown, its host alone is
	// PerSecond is how many requests the node allows in a second; 0 counts nothing.
	PerSecond float64
	// Private marks a relay that takes transactions without showing them to the public pool. It is asked nothing else.
	Private bool
}

// NodesMax bounds the nodes of one chain.
const NodesMax = 32

// Chain reads one EVM chain through its nodes and sends to it. It is safe for concurrent use.
type Chain struct {
	network Network
	nodes   []*node // those that are read
	relays  []*node
	quorum  int
	hedge   time.Duration
	poll    time.Duration
	pollMin time.Duration
	clock   lifeboat.Clock
	log     *slog.Logger

	sending sync.WaitGroup // broadcasts that go on after their caller has heard enough

	mu        sync.Mutex
	news      chan struct{} // closed when a node tells of a new head, and replaced
	newest    common.Hash   // the head that was told of last
	pushing   int           // nodes that tell of heads by themselves now
	multicall multicallAt
	span      spans
}

var _ Sender = (*Chain)(nil)

// New checks a configuration. It connects to nothing: a node is asked for its chain before its first answer is taken.
func New(config Config) (*Chain, error) {
	c := &Chain{
		network: networkOf(config.ID, config.Network),
		hedge:   config.Hedge,
		poll:    config.Poll,
		pollMin: pollMin,
		clock:   config.Clock,
		log:     config.Log,
		news:    make(chan struct{}),
	}
	if config.Network.BlockTime > 0 {
		c.pollMin = min(pollMin, config.Network.BlockTime/2)
	}
	if c.clock == nil {
		c.clock = lifeboat.WallClock{}
	}
	if c.log == nil {
		c.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if config.ID == 0 {
		return nil, errors.New("a chain needs its id: 1 is Ethereum")
	}
	if len(config.Nodes) > NodesMax {
		return nil, fmt.Errorf("%s has %d nodes; %d are the most", c.network.Name, len(config.Nodes), NodesMax)
	}
	for i, said := range config.Nodes {
		n, err := newNode(said, i+1, config, c.clock)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(slices.Concat(c.nodes, c.relays), func(other *node) bool { return other.host == n.host && other.private == n.private }) {
			return nil, fmt.Errorf("two nodes of %s are at %s: they would only confirm each other", c.network.Name, n.host)
		}
		if n.private {
			c.relays = append(c.relays, n)
		} else {
			c.nodes = append(c.nodes, n)
		}
	}
	c.quorum = cmp.Or(config.Quorum, len(c.nodes)/2+1)
	switch {
	case len(c.nodes) == 0:
		return nil, fmt.Errorf("%s has no node that could be read", c.network.Name)
	case c.quorum < 1 || c.quorum > len(c.nodes):
		return nil, fmt.Errorf("%d nodes of %s cannot give a quorum of %d", len(c.nodes), c.network.Name, c.quorum)
	}
	return c, nil
}

// ID of the chain.
func (c *Chain) ID() *big.Int { return new(big.Int).SetUint64(c.network.ID) }

// Network is what is known of the chain.
func (c *Chain) Network() Network { return c.network }

// Quorum is how many nodes have to say alike what is believed.
func (c *Chain) Quorum() int { return c.quorum }

// Run looks after the nodes until ctx ends: what they say of themselves, and heads from those that tell of them. Everything
// else works without it, with heads a little later.
func (c *Chain) Run(ctx context.Context) error {
	var group sync.WaitGroup
	for _, n := range c.nodes {
		group.Go(func() { c.watch(ctx, n) })
		if n.pushes {
			group.Go(func() { c.subscribe(ctx, n) })
		}
	}
	group.Wait()
	return ctx.Err()
}

// Close waits for what is being sent and cuts the connections.
func (c *Chain) Close() error {
	c.sending.Wait()
	for _, n := range slices.Concat(c.nodes, c.relays) {
		n.hangUp()
	}
	return nil
}

// NodeHealth is what is known of one node.
type NodeHealth struct {
	Host          string
	Private       bool
	Head          uint64        // the newest block that it told of; 0 before it was heard
	Lag           uint64        // blocks behind where a quorum of nodes has come
	Latency       time.Duration // of its answers, smoothed
	Answers       uint64
	Failures      uint64
	Disagreements uint64 // how often the quorum said something else
	Disagreed     string // what it said last against the quorum
	Error         string // what went wrong last
	ErrorAt       time.Time
	Out           string    // why it is not asked now, "" when it is
	Until         time.Time // when it will be asked again
}

// Health of the nodes, in the order of the configuration, relays last.
func (c *Chain) Health() []NodeHealth {
	var all []NodeHealth
	var heads []uint64
	for _, n := range slices.Concat(c.nodes, c.relays) {
		h := n.health(c.clock.Now())
		all = append(all, h)
		if !n.private {
			heads = append(heads, h.Head)
		}
	}
	// One node that claims to be far ahead makes no laggards of the others.
	slices.SortFunc(heads, func(a, b uint64) int { return cmp.Compare(b, a) })
	for i, h := range all {
		if reached := heads[c.quorum-1]; h.Head > 0 && h.Head < reached {
			all[i].Lag = reached - h.Head
		}
	}
	return all
}

// probeEvery is how often a node is asked for its chain and its head.
const probeEvery = 15 * time.Second

// watch asks a node regularly what it is and where it stands.
func (c *Chain) watch(ctx context.Context, n *node) {
	for ctx.Err() == nil {
		err := n.verify(ctx, true)
		if err == nil {
			_, err = n.tip(ctx)
		}
		if err == nil {
			n.served()
		} else {
			n.failed(ctx, "probe", err)
		}
		next := c.clock.Now().Add(probeEvery)
		if until := n.health(c.clock.Now()).Until; until.After(next) {
			next = until
		}
		c.clock.Sleep(ctx, next)
	}
}

// subscribe hears of new heads as long as the node tells of them, and asks again for it when it stops.
func (c *Chain) subscribe(ctx context.Context, n *node) {
	for ctx.Err() == nil {
		err := n.follow(ctx, c.push, c.announce)
		if errors.Is(err, errNotPushing) {
			c.log.Warn("a node does not tell of new blocks; it is asked for them", "chain", c.network.Name, "node", n.host)
			return
		}
		c.clock.Sleep(ctx, c.clock.Now().Add(5*time.Second))
	}
}

// announce wakes those who wait for a head; the first node that tells of it does.
func (c *Chain) announce(h *header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.Hash == c.newest {
		return
	}
	c.newest = h.Hash
	close(c.news)
	c.news = make(chan struct{})
}

func (c *Chain) push(by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pushing += by
}

// hostOf an address, with its port; what else stands in the address may be a key.
func hostOf(address string) (host string, pushes bool, err error) {
	parsed, err := url.Parse(strings.TrimSpace(address))
	if err != nil || parsed.Host == "" {
		return "", false, errors.New("its address cannot be read; it looks like https://node.example.org/…")
	}
	switch parsed.Scheme {
	case "http", "https":
		return parsed.Host, false, nil
	case "ws", "wss":
		return parsed.Host, true, nil
	}
	return "", false, fmt.Errorf("its address has to begin with http, https, ws or wss, not %q", parsed.Scheme)
}

func short(h common.Hash) string { return h.Hex()[:10] + "…" }
