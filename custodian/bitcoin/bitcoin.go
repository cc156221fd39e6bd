// Package bitcoin says what lies at an account's Bitcoin addresses, and what came and went, as one node or server sees it: an
// Esplora server, a node of btcd with its address index, or Bitcoin Core with a wallet that watches the addresses. Which of
// them a server is, is found out.
//
// The quantity is what has been confirmed in blocks; what a transaction that waits to be mined spends is not free. Everything
// is read between two looks at the newest block, and again when it has changed meanwhile. A server of another network, one that
// is behind, and one that does not know the addresses is an error, never an account with nothing in it.
//
// It has no key and sends nothing, and derives no addresses: what is not listed is not counted.
package bitcoin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
	"lifeboat/custodian"
	"lifeboat/custodian/address"
	"lifeboat/custodian/node"
)

// Options of a source.
type Options struct {
	Node      *node.Node      // the server; accounts that ask the same one share it
	Addresses []string        // of the account, all of one network
	Symbol    string          // as the plan calls it; BTC when empty
	Network   address.Network // "" is mainnet
	Clock     lifeboat.Clock
}

const (
	addressesMax = 200           // of one account
	looksMax     = 3             // while blocks keep coming
	behindMax    = 4 * time.Hour // that the newest block of mainnet may be old; four hours without one come once in centuries
)

// Behind is how old the newest block of a network may be. Those of the test networks come when somebody makes them, and one that nobody
// has begun yet has a first block of 2011.
func Behind(n address.Network) time.Duration {
	if n == address.Mainnet || n == "" {
		return behindMax
	}
	return 100 * 365 * 24 * time.Hour
}

// Source is one server that is asked for the account. It is safe for concurrent use.
type Source struct {
	Options
	owned wallet
	mu    sync.Mutex // guards found
	found server     // once it is known what the server is, and that its network is the right one
}

// A server answers in its own way what all of them know.
type server interface {
	// block is the hash of the one at a height.
	block(ctx context.Context, height uint64) (string, error)
	// tip is the newest block's hash.
	tip(ctx context.Context) (string, error)
	// header of a block.
	header(ctx context.Context, hash string) (header, error)
	// held is what lies at the addresses.
	held(ctx context.Context, w wallet) (held, error)
	// history are confirmed transactions that touch the addresses, each address's newest, at least limit in all if there are so many.
	history(ctx context.Context, w wallet, limit int) ([]transaction, error)
}

type header struct {
	height uint64
	at     time.Time
}

type held struct{ confirmed, free decimal.Decimal }

// wallet is an account's addresses in the order of the plan, and the scripts that pay to them.
type wallet struct {
	addresses []address.Bitcoin
	scripts   map[string]bool
}

// New makes a source; addresses that are none, or of another network, are refused.
func New(o Options) (*Source, error) {
	o.Symbol, o.Network = cmp.Or(o.Symbol, "BTC"), cmp.Or(o.Network, address.Mainnet)
	if len(o.Addresses) == 0 || len(o.Addresses) > addressesMax {
		return nil, fmt.Errorf("an account on Bitcoin has between 1 and %d addresses, not %d", addressesMax, len(o.Addresses))
	}
	owned := wallet{scripts: map[string]bool{}}
	for _, text := range o.Addresses {
		if err := address.CheckBitcoin(text, o.Network); err != nil {
			return nil, fmt.Errorf("address %q: %w", text, err)
		}
		a, _ := address.ParseBitcoin(text)
		if !owned.scripts[a.Script] { // one that is listed twice is counted once
			owned.scripts[a.Script] = true
			owned.addresses = append(owned.addresses, a)
		}
	}
	return &Source{Options: o, owned: owned}, nil
}

// Name is the server's host.
func (s *Source) Name() string { return s.Node.Host() }

// Holdings are one line, of what is confirmed at the newest block.
func (s *Source) Holdings(ctx context.Context) (custodian.Holdings, error) {
	server, err := s.server(ctx)
	if err != nil {
		return custodian.Holdings{}, err
	}
	before, err := server.tip(ctx)
	if err != nil {
		return custodian.Holdings{}, err
	}
	for range looksMax {
		at, err := server.header(ctx, before)
		if err != nil {
			return custodian.Holdings{}, err
		}
		if err := s.fresh(at); err != nil {
			return custodian.Holdings{}, err
		}
		held, err := server.held(ctx, s.owned)
		if err != nil {
			return custodian.Holdings{}, err
		}
		after, err := server.tip(ctx)
		if err != nil {
			return custodian.Holdings{}, err
		}
		if before == after {
			return s.holdings(at, held)
		}
		before = after
	}
	return custodian.Holdings{}, s.Node.Fault("read the balance", "a new block came during each of %d looks", looksMax)
}

func (s *Source) holdings(at header, h held) (custodian.Holdings, error) {
	if h.confirmed.IsNegative() || h.confirmed.GreaterThan(supply) || h.free.IsNegative() || h.free.GreaterThan(h.confirmed) {
		return custodian.Holdings{}, s.Node.Fault("read the balance", "%s BTC of which %s are free is more or less than there can be", h.confirmed, h.free)
	}
	return custodian.Holdings{
		At:     earlier(at.at, s.Clock.Now()), // a miner's clock may be two hours fast
		Height: at.height,
		Lines:  []lifeboat.StatementLine{{Symbol: s.Symbol, Name: "Bitcoin", Quantity: h.confirmed, Free: h.free}},
	}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}

// fresh refuses what a node says that has lost touch.
func (s *Source) fresh(at header) error {
	if old := s.Clock.Now().Sub(at.at); old > Behind(s.Network) {
		return s.Node.Fault("read the newest block", "it is behind: its newest block, %d, is of %s", at.height, at.at.Format("2006-01-02 15:04 MST"))
	}
	return nil
}

// Transfers are the newest confirmed transactions that changed what the account holds, fees included.
func (s *Source) Transfers(ctx context.Context, limit int) ([]custodian.Transfer, error) {
	server, err := s.server(ctx)
	if err != nil || limit <= 0 {
		return nil, err
	}
	history, err := server.history(ctx, s.owned, limit)
	if err != nil {
		return nil, err
	}
	var all []custodian.Transfer
	seen := map[string]bool{}
	for _, tx := range history {
		if amount := tx.change(s.owned); !seen[tx.hash] && !amount.IsZero() {
			all = append(all, custodian.Transfer{At: tx.at, Hash: tx.hash, Symbol: s.Symbol, Amount: amount, Counterpart: tx.counterpart(s.owned, amount.IsNegative())})
		}
		seen[tx.hash] = true
	}
	slices.SortStableFunc(all, func(a, b custodian.Transfer) int { return b.At.Compare(a.At) })
	return all[:min(limit, len(all))], nil
}

// server finds out what answers, and whether its network is the one of the addresses. What was found is kept; an error is not.
func (s *Source) server(ctx context.Context) (server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found != nil {
		return s.found, nil
	}
	found, err := s.recognise(ctx)
	if err != nil {
		return nil, err
	}
	hash, err := found.block(ctx, 0)
	if err != nil {
		return nil, err
	}
	if network := first[hash]; network != s.Network {
		return nil, s.Node.Fault("read the first block", "it is a server of %s, and the account is on %s", cmp.Or(string(network), "a chain that is not Bitcoin's"), s.Network)
	}
	s.found = found
	return found, nil
}

// recognise asks what only one kind of server answers: a path of Esplora, then a method of btcd, then one of Bitcoin Core.
func (s *Source) recognise(ctx context.Context) (server, error) {
	const step = "find out what kind of server it is"
	_, err := s.Node.Text(ctx, step, "/blocks/tip/height")
	if err == nil {
		return esplora{s.Node}, nil
	}
	if e, ok := rest.As(err); ok && (!e.Reached || e.Throttled || e.Status >= 500) {
		return nil, err // it says nothing about what it is; btcd hangs up where a path is asked for
	}
	var version struct {
		API *struct{} `json:"btcdjsonrpcapi"`
	}
	err = s.Node.Call(ctx, step, "version", nil, &version)
	if err == nil && version.API != nil {
		return btcd{s.Node}, nil
	}
	var refused *node.RPCError
	if !errors.As(err, &refused) || refused.Code != "-32601" {
		return nil, cmp.Or(err, s.Node.Fault(step, "it speaks neither as Esplora nor as btcd or Bitcoin Core do"))
	}
	var about struct {
		Version     json.Number `json:"version"`
		Subversion  string      `json:"subversion"`
		Connections json.Number `json:"connections"`
	}
	if err := s.Node.Call(ctx, step, "getnetworkinfo", nil, &about); err != nil {
		return nil, err
	}
	if about.Version == "" || !strings.HasPrefix(about.Subversion, "/") {
		return nil, s.Node.Fault(step, "it speaks neither as Esplora nor as btcd or Bitcoin Core do")
	}
	return core{rpc{s.Node}}, nil
}

// first blocks tell the networks apart, whatever a node calls itself.
var first = map[string]address.Network{
	"000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f": address.Mainnet,
	"000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943": address.Testnet3,
	"00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043": address.Testnet4,
	"00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6": address.Signet,
	"0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206": address.Regtest,
	"683e86bd5c6d110d91b94b97137ba6bfe02dbbdb8e3dff722a669b5d69d77af6": address.Simnet,
}
