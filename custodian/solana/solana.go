// Package solana says what lies at an account's Solana addresses, and what came and went, as one node sees it over JSON-RPC: SOL,
// the tokens of both token programs that the plan names, and stake accounts that are listed.
//
// Everything is read as finalized, and read again until two readings in a row say the same: the methods answer each for a slot
// of its own, and what did not change between two readings was all true at once. A node of another cluster, one that is behind
// and one that answers something else is an error, never an account with nothing in it.
//
// It has no key and sends nothing; what lies in programs – lending, pools – is not counted.
package solana

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/custodian"
	"lifeboat/custodian/address"
	"lifeboat/custodian/node"
)

// Cluster is a network of Solana.
type Cluster string

// The clusters.
const (
	Mainnet Cluster = "mainnet"
	Devnet  Cluster = "devnet"
	Testnet Cluster = "testnet"
)

// first blocks by the beginning of their hash, as CAIP-2 names the clusters.
var first = map[string]Cluster{
	"5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": Mainnet, "EtWTRABZaYq6iMfeYKouRu166VU2xqa1": Devnet, "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z": Testnet,
}

// Options of a source.
type Options struct {
	Node      *node.Node // that is asked; accounts that ask the same one share it
	Addresses []string
	Stakes    []string          // stake accounts that the addresses may withdraw from
	Symbol    string            // of SOL, as the plan calls it; SOL when empty
	Tokens    map[string]string // :: mint → the plan's symbol
	Cluster   Cluster           // "" is mainnet
	Clock     lifeboat.Clock
}

const (
	accountsMax = 50              // addresses and stake accounts
	looksMax    = 4               // until two in a row say the same
	behindMax   = 5 * time.Minute // that the newest finalized block may be old; half a minute is usual
	lamports    = 9               // digits of SOL
	decimalsMax = 30              // of a token
	token       = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
	token2022   = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"
	stake       = "Stake11111111111111111111111111111111111111"
)

// Source is one node that is asked for the account. It is safe for concurrent use.
type Source struct {
	Options
	mu    sync.Mutex // guards known
	known bool       // that the node is of the right cluster
}

// New makes a source; addresses and mints that are none are refused.
func New(o Options) (*Source, error) {
	o.Symbol, o.Cluster = cmp.Or(o.Symbol, "SOL"), cmp.Or(o.Cluster, Mainnet)
	o.Addresses, o.Stakes = unique(o.Addresses), unique(o.Stakes)
	if len(o.Addresses) == 0 || len(o.Addresses)+len(o.Stakes) > accountsMax {
		return nil, fmt.Errorf("an account on Solana has between 1 and %d addresses and stake accounts", accountsMax)
	}
	for _, text := range slices.Concat(o.Addresses, o.Stakes) {
		if err := address.CheckSolana(text); err != nil {
			return nil, fmt.Errorf("address %q: %w", text, err)
		}
	}
	for mint := range o.Tokens {
		if err := address.CheckSolana(mint); err != nil {
			return nil, fmt.Errorf("token %q: %w", mint, err)
		}
	}
	return &Source{Options: o}, nil
}

// unique is the list without repetitions: what is listed twice is counted once.
func unique(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return slices.Compact(all)
}

// Name is the node's host.
func (s *Source) Name() string { return s.Node.Host() }

// Holdings are SOL and the named tokens, as two readings in a row say them.
func (s *Source) Holdings(ctx context.Context) (custodian.Holdings, error) {
	if err := s.check(ctx); err != nil {
		return custodian.Holdings{}, err
	}
	var before *look
	for range looksMax {
		now, err := s.look(ctx)
		if err != nil {
			return custodian.Holdings{}, err
		}
		if before != nil && now.same(before) {
			at, err := s.time(ctx, before.slot)
			if err != nil {
				return custodian.Holdings{}, err
			}
			return custodian.Holdings{At: at, Height: before.slot, Lines: now.lines()}, nil
		}
		before = now
	}
	return custodian.Holdings{}, s.Node.Fault("read the balance", "it was another one at each of %d looks", looksMax)
}

// check that the node is of the account's cluster, once.
func (s *Source) check(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return nil
	}
	const step = "read the first block"
	var hash string
	if err := s.Node.Call(ctx, step, "getGenesisHash", nil, &hash); err != nil {
		return err
	}
	if cluster := first[hash[:min(32, len(hash))]]; cluster != s.Cluster {
		return s.Node.Fault(step, "it is a node of %s, and the account is on %s", cmp.Or(string(cluster), "a cluster that is not one of Solana's"), s.Cluster)
	}
	s.known = true
	return nil
}

// time of the block at a slot, which must not be old.
func (s *Source) time(ctx context.Context, slot uint64) (time.Time, error) {
	const step = "read the time of a block"
	var seconds int64
	if err := s.Node.Call(ctx, step, "getBlockTime", []any{slot}, &seconds); err != nil {
		return time.Time{}, err
	}
	at, now := time.Unix(seconds, 0).UTC(), s.Clock.Now()
	if seconds <= 0 || now.Sub(at) > behindMax {
		return time.Time{}, s.Node.Fault(step, "it is behind: the newest block that it calls final, %d, is of %s", slot, at.Format("2006-01-02 15:04 MST"))
	}
	if at.After(now) {
		at = now // the cluster's clock may be some seconds fast
	}
	return at, nil
}

// look is one reading of everything.
type look struct {
	slot   uint64 // the oldest that a part of it is of
	order  []string
	all    map[string]*lifeboat.StatementLine
	tokens []string // token accounts of the named mints
}

func (l *look) line(symbol string) *lifeboat.StatementLine {
	if l.all[symbol] == nil {
		l.all[symbol] = &lifeboat.StatementLine{Symbol: symbol}
		l.order = append(l.order, symbol)
	}
	return l.all[symbol]
}

func (l *look) add(symbol string, quantity, free decimal.Decimal) {
	line := l.line(symbol)
	line.Quantity, line.Free = line.Quantity.Add(quantity), line.Free.Add(free)
}

func (l *look) lines() []lifeboat.StatementLine {
	var all []lifeboat.StatementLine
	for _, symbol := range l.order {
		all = append(all, *l.all[symbol])
	}
	return all
}

func (l *look) same(other *look) bool {
	return slices.EqualFunc(l.lines(), other.lines(), func(a, b lifeboat.StatementLine) bool {
		return a.Symbol == b.Symbol && a.Quantity.Equal(b.Quantity) && a.Free.Equal(b.Free)
	})
}

func (s *Source) look(ctx context.Context) (*look, error) {
	l := &look{all: map[string]*lifeboat.StatementLine{}}
	l.line(s.Symbol)
	for _, mint := range slices.Sorted(maps.Keys(s.Tokens)) {
		l.line(s.Tokens[mint])
	}
	for _, address := range s.Addresses {
		if err := s.native(ctx, l, address); err != nil {
			return nil, err
		}
		for _, program := range []string{token, token2022} {
			if err := s.tokens(ctx, l, address, program); err != nil {
				return nil, err
			}
		}
	}
	for _, account := range s.Stakes {
		if err := s.stake(ctx, l, account); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// answer of a method that reads the state.
type answer[T any] struct {
	Context struct {
		Slot uint64 `json:"slot"`
	} `json:"context"`
	Value *T `json:"value"`
}

// read asks for the state as finalized, and notes the slot.
func read[T any](ctx context.Context, s *Source, l *look, step, method string, params ...any) (*T, error) {
	var said answer[T]
	if err := s.Node.Call(ctx, step, method, params, &said); err != nil {
		return nil, err
	}
	if said.Context.Slot == 0 || said.Value == nil {
		return nil, s.Node.Fault(step, "the answer does not say what is there, or at which slot")
	}
	if l.slot == 0 || said.Context.Slot < l.slot {
		l.slot = said.Context.Slot
	}
	return said.Value, nil
}

func (s *Source) native(ctx context.Context, l *look, address string) error {
	step := "read the balance of " + address
	said, err := read[json.Number](ctx, s, l, step, "getBalance", address, map[string]any{"commitment": "finalized"})
	if err != nil {
		return err
	}
	amount, ok := units(string(*said), lamports)
	if !ok {
		return s.Node.Fault(step, "%q is no amount of lamports", short(string(*said)))
	}
	l.add(s.Symbol, amount, amount)
	return nil
}

type tokenAccount struct {
	Address string `json:"pubkey"`
	Account struct {
		Data struct {
			Parsed struct {
				Info struct {
					Mint   string `json:"mint"`
					Owner  string `json:"owner"`
					State  string `json:"state"`
					Amount amount `json:"tokenAmount"`
				} `json:"info"`
			} `json:"parsed"`
		} `json:"data"`
	} `json:"account"`
}

type amount struct {
	Amount   string `json:"amount"`
	Decimals *int32 `json:"decimals"`
}

func (a amount) read() (decimal.Decimal, bool) {
	if a.Decimals == nil || *a.Decimals < 0 || *a.Decimals > decimalsMax {
		return decimal.Zero, false
	}
	return units(a.Amount, *a.Decimals)
}

// tokens of one program. What is frozen is held and not free.
func (s *Source) tokens(ctx context.Context, l *look, owner, program string) error {
	step := "read the tokens of " + owner
	accounts, err := read[[]tokenAccount](ctx, s, l, step, "getTokenAccountsByOwner", owner,
		map[string]any{"programId": program}, map[string]any{"commitment": "finalized", "encoding": "jsonParsed"})
	if err != nil {
		return err
	}
	for _, a := range *accounts {
		info := a.Account.Data.Parsed.Info
		quantity, ok := info.Amount.read()
		if !ok || info.Owner != owner || address.CheckSolana(info.Mint) != nil || address.CheckSolana(a.Address) != nil {
			return s.Node.Fault(step, "it lists something that is not a token account of this address")
		}
		symbol, named := s.Tokens[info.Mint]
		if !named {
			continue
		}
		free := quantity
		if info.State != "initialized" {
			free = decimal.Zero
		}
		l.add(symbol, quantity, free)
		l.tokens = append(l.tokens, a.Address)
	}
	return nil
}

// stake account: held and not free, whether or not it is delegated, because it has to be withdrawn first.
func (s *Source) stake(ctx context.Context, l *look, account string) error {
	step := "read the stake account " + account
	type info struct {
		Lamports json.Number `json:"lamports"`
		Owner    string      `json:"owner"`
		Data     struct {
			Parsed struct {
				Info struct {
					Meta struct {
						Authorized struct {
							Withdrawer string `json:"withdrawer"`
						} `json:"authorized"`
					} `json:"meta"`
				} `json:"info"`
			} `json:"parsed"`
		} `json:"data"`
	}
	said, err := read[info](ctx, s, l, step, "getAccountInfo", account, map[string]any{"commitment": "finalized", "encoding": "jsonParsed"})
	if err != nil {
		return err
	}
	quantity, ok := units(string(said.Lamports), lamports)
	switch {
	case !ok || said.Owner != stake:
		return s.Node.Fault(step, "it is not a stake account")
	case !slices.Contains(s.Addresses, said.Data.Parsed.Info.Meta.Authorized.Withdrawer):
		return s.Node.Fault(step, "none of the account's addresses may withdraw from it")
	}
	l.add(s.Symbol, quantity, decimal.Zero)
	return nil
}

// units reads a whole number of a token's smallest parts; no token has more of them than 64 bits count.
func units(text string, decimals int32) (decimal.Decimal, bool) {
	if text == "" || len(text) > 20 || strings.Trim(text, "0123456789") != "" {
		return decimal.Zero, false
	}
	d, err := decimal.NewFromString(text)
	return d.Shift(-decimals), err == nil
}

func short(text string) string { return text[:min(len(text), 40)] }
