// Package cosmos says what lies at an account's addresses on a chain built with the Cosmos SDK, and what came and went, as one
// node sees it over REST: balances, what is delegated and what is being unbonded, of the denominations that the plan names.
//
// Everything is asked for at one height, the newest when it begins. Held is all of it; free is what the bank module calls
// spendable, so that neither stake nor what a vesting account has locked is. A node of another chain, one that is behind and
// one that answers for another height is an error, never an account with nothing in it.
//
// It has no key and sends nothing; rewards that were not withdrawn, and what lies in pools and contracts, are not counted.
package cosmos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/custodian"
	"lifeboat/custodian/address"
	"lifeboat/custodian/node"
)

// Asset is how the plan calls a denomination.
type Asset struct {
	Symbol   string
	Decimals int32 // of one unit: 6 for uatom, of which a million are an ATOM
}

// Options of a source.
type Options struct {
	Node      *node.Node // whose REST server is asked; accounts that ask the same one share it
	Addresses []string
	Prefix    string // of the chain's addresses
	ChainID   string
	Assets    map[string]Asset // :: denomination → asset
	Clock     lifeboat.Clock
}

const (
	addressesMax = 50
	decimalsMax  = 30
	pageSize     = "100"
	pagesMax     = 50              // of one list
	behindMax    = 5 * time.Minute // that the newest block may be old
)

// Source is one node that is asked for the account. It is safe for concurrent use.
type Source struct {
	Options
}

// New makes a source; addresses that are none, or of another chain, are refused.
func New(o Options) (*Source, error) {
	o.Addresses = slices.Compact(slices.Sorted(slices.Values(o.Addresses))) // one that is listed twice is counted once
	switch {
	case o.ChainID == "" || o.Prefix == "":
		return nil, errors.New("a chain of Cosmos has a chain id and a prefix of its addresses")
	case len(o.Addresses) == 0 || len(o.Addresses) > addressesMax:
		return nil, fmt.Errorf("an account on Cosmos has between 1 and %d addresses, not %d", addressesMax, len(o.Addresses))
	case len(o.Assets) == 0:
		return nil, errors.New("no denomination is named, so that nothing could be counted")
	}
	for _, text := range o.Addresses {
		if err := address.CheckCosmos(text, o.Prefix); err != nil {
			return nil, fmt.Errorf("address %q: %w", text, err)
		}
	}
	for denom, a := range o.Assets {
		if a.Symbol == "" || a.Decimals < 0 || a.Decimals > decimalsMax {
			return nil, fmt.Errorf("denomination %q: it needs a symbol, and between 0 and %d digits", denom, decimalsMax)
		}
	}
	return &Source{Options: o}, nil
}

// Name is the node's host.
func (s *Source) Name() string { return s.Node.Host() }

// Holdings are the named denominations at the newest block.
func (s *Source) Holdings(ctx context.Context) (custodian.Holdings, error) {
	at, err := s.newest(ctx)
	if err != nil {
		return custodian.Holdings{}, err
	}
	held, free := coins{}, coins{}
	bond, err := s.bond(ctx, at)
	if err != nil {
		return custodian.Holdings{}, err
	}
	for _, address := range s.Addresses {
		for _, read := range []func() error{
			func() error { return s.bank(ctx, at, "balances", address, held) },
			func() error { return s.bank(ctx, at, "spendable_balances", address, free) },
			func() error { return s.delegated(ctx, at, address, held) },
			func() error { return s.unbonding(ctx, at, address, bond, held) },
		} {
			if err := read(); err != nil {
				return custodian.Holdings{}, err
			}
		}
	}
	lines, err := s.lines(held, free)
	if err != nil {
		return custodian.Holdings{}, err
	}
	return custodian.Holdings{At: at.time, Height: at.height, Lines: lines}, nil
}

// coins are amounts in the smallest unit, by denomination.
type coins map[string]decimal.Decimal

// lines of the named denominations; two that have one symbol are one line.
func (s *Source) lines(held, free coins) ([]lifeboat.StatementLine, error) {
	all := map[string]*lifeboat.StatementLine{}
	for denom, a := range s.Assets {
		if free[denom].GreaterThan(held[denom]) {
			return nil, s.Node.Fault("read the balance", "more of %s may be spent than is there", a.Symbol)
		}
		if all[a.Symbol] == nil {
			all[a.Symbol] = &lifeboat.StatementLine{Symbol: a.Symbol}
		}
		line := all[a.Symbol]
		line.Quantity, line.Free = line.Quantity.Add(held[denom].Shift(-a.Decimals)), line.Free.Add(free[denom].Shift(-a.Decimals))
	}
	var lines []lifeboat.StatementLine
	for _, symbol := range slices.Sorted(maps.Keys(all)) {
		lines = append(lines, *all[symbol])
	}
	return lines, nil
}

type block struct {
	height uint64
	time   time.Time
}

// newest block, of the right chain and not old.
func (s *Source) newest(ctx context.Context) (block, error) {
	const step = "read the newest block"
	var said struct {
		Block struct {
			Header struct {
				ChainID string    `json:"chain_id"`
				Height  string    `json:"height"`
				Time    time.Time `json:"time"`
			} `json:"header"`
		} `json:"block"`
	}
	if _, err := s.Node.Get(ctx, step, "/cosmos/base/tendermint/v1beta1/blocks/latest", nil, nil, &said); err != nil {
		return block{}, err
	}
	h := said.Block.Header
	height, err := strconv.ParseUint(h.Height, 10, 63)
	now := s.Clock.Now()
	switch {
	case h.ChainID != "" && h.ChainID != s.ChainID:
		return block{}, s.Node.Fault(step, "it is a node of %s, and the account is on %s", h.ChainID[:min(len(h.ChainID), 64)], s.ChainID)
	case h.ChainID == "" || err != nil || height == 0 || h.Time.IsZero():
		return block{}, s.Node.Fault(step, "the answer does not name the chain, the height and the time")
	case now.Sub(h.Time) > behindMax:
		return block{}, s.Node.Fault(step, "it is behind: its newest block, %d, is of %s", height, h.Time.UTC().Format("2006-01-02 15:04 MST"))
	}
	at := h.Time.UTC()
	if at.After(now) {
		at = now // the validators' clock may be some seconds fast
	}
	return block{height, at}, nil
}

// heightHeader asks for a height, and is how the node says for which one it answers.
const heightHeader = "X-Cosmos-Block-Height"

// get reads the state at the block.
func (s *Source) get(ctx context.Context, at block, step, path string, query url.Values, out any) error {
	height := strconv.FormatUint(at.height, 10)
	header, err := s.Node.Get(ctx, step, path, query, http.Header{heightHeader: {height}}, out)
	if err != nil {
		return err
	}
	said := header.Get("Grpc-Metadata-" + heightHeader)
	if said == "" {
		said = header.Get(heightHeader)
	}
	switch {
	case said == "":
		return s.Node.Fault(step, "it does not say for which block it answers (%s)", heightHeader)
	case said != height:
		return s.Node.Fault(step, "it answers for block %s where %s was asked for", said[:min(len(said), 20)], height)
	}
	return nil
}

type coin struct {
	Denom  string `json:"denom"`
	Amount string `json:"amount"`
}

// add an amount; what is no whole number, or longer than the 256 bits of a chain's integers, is refused.
func (c coins) add(one coin) error {
	d, ok := whole(one.Amount)
	if one.Denom == "" || !ok {
		return errors.New("it names an amount that is none")
	}
	c[one.Denom] = c[one.Denom].Add(d)
	return nil
}

func whole(text string) (decimal.Decimal, bool) {
	if text == "" || len(text) > 78 || strings.Trim(text, "0123456789") != "" {
		return decimal.Zero, false
	}
	d, err := decimal.NewFromString(text)
	return d, err == nil
}
