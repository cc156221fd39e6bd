package solana

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/custodian"
)

const transactionsMax = 50 // that are looked up; each is a call

// Transfers are what the newest finalized transactions changed, fees included; those that failed took a fee as well. A token that
// arrives does not name its owner, so that the token accounts are asked for too.
func (s *Source) Transfers(ctx context.Context, limit int) ([]custodian.Transfer, error) {
	if err := s.check(ctx); err != nil || limit <= 0 {
		return nil, err
	}
	limit = min(limit, transactionsMax)
	l := &look{all: map[string]*lifeboat.StatementLine{}}
	for _, address := range s.Addresses {
		for _, program := range []string{token, token2022} {
			if err := s.tokens(ctx, l, address, program); err != nil {
				return nil, err
			}
		}
	}
	asked := slices.Concat(s.Addresses, l.tokens)
	if len(asked) > accountsMax {
		return nil, s.Node.Fault("list the transactions", "the addresses have more than %d token accounts", accountsMax)
	}
	signatures, err := s.signatures(ctx, asked, limit)
	if err != nil {
		return nil, err
	}
	var all []custodian.Transfer
	for _, g := range signatures {
		changes, err := s.changes(ctx, g)
		if err != nil {
			return nil, err
		}
		all = append(all, changes...)
	}
	return all[:min(limit, len(all))], nil
}

type signature struct {
	Text string `json:"signature"`
	Slot uint64 `json:"slot"`
}

// signatures of the newest transactions of all the addresses, newest first.
func (s *Source) signatures(ctx context.Context, addresses []string, limit int) ([]signature, error) {
	var all []signature
	seen := map[string]bool{}
	for _, address := range addresses {
		step := "list the transactions of " + address
		var said []signature
		if err := s.Node.Call(ctx, step, "getSignaturesForAddress", []any{address, map[string]any{"limit": limit, "commitment": "finalized"}}, &said); err != nil {
			return nil, err
		}
		for _, g := range said {
			if g.Text == "" || len(g.Text) > 100 || g.Slot == 0 {
				return nil, s.Node.Fault(step, "it lists something that is not a transaction")
			}
			if !seen[g.Text] {
				seen[g.Text] = true
				all = append(all, g)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b signature) int { return int(min(1, max(-1, int64(b.Slot)-int64(a.Slot)))) })
	return all[:min(limit, len(all))], nil
}

type parsed struct {
	BlockTime int64 `json:"blockTime"`
	Meta      *struct {
		Before       []json.Number  `json:"preBalances"`
		After        []json.Number  `json:"postBalances"`
		TokensBefore []tokenBalance `json:"preTokenBalances"`
		TokensAfter  []tokenBalance `json:"postTokenBalances"`
	} `json:"meta"`
	Transaction struct {
		Message struct {
			Accounts []struct {
				Address string `json:"pubkey"`
			} `json:"accountKeys"`
		} `json:"message"`
	} `json:"transaction"`
}

type tokenBalance struct {
	Mint   string `json:"mint"`
	Owner  string `json:"owner"`
	Amount amount `json:"uiTokenAmount"`
}

// moves of one asset in a transaction, by owner.
type moves map[string]decimal.Decimal

// changes that one transaction made to the account.
func (s *Source) changes(ctx context.Context, g signature) ([]custodian.Transfer, error) {
	step := "read a transaction"
	var said parsed
	if err := s.Node.Call(ctx, step, "getTransaction", []any{g.Text,
		map[string]any{"encoding": "jsonParsed", "commitment": "finalized", "maxSupportedTransactionVersion": 0}}, &said); err != nil {
		return nil, err
	}
	keys := said.Transaction.Message.Accounts
	if said.Meta == nil || said.BlockTime <= 0 || len(keys) == 0 || len(said.Meta.Before) != len(keys) || len(said.Meta.After) != len(keys) {
		return nil, s.Node.Fault(step, "the answer does not say what %s changed", short(g.Text))
	}
	native, tokens := moves{}, map[string]moves{}
	for i, k := range keys {
		before, ok1 := units(string(said.Meta.Before[i]), lamports)
		after, ok2 := units(string(said.Meta.After[i]), lamports)
		if !ok1 || !ok2 {
			return nil, s.Node.Fault(step, "%s names an amount that is none", short(g.Text))
		}
		native[k.Address] = native[k.Address].Add(after).Sub(before)
	}
	for sign, list := range map[int64][]tokenBalance{-1: said.Meta.TokensBefore, 1: said.Meta.TokensAfter} {
		for _, b := range list {
			quantity, ok := b.Amount.read()
			if !ok {
				return nil, s.Node.Fault(step, "%s names an amount that is none", short(g.Text))
			}
			if tokens[b.Mint] == nil {
				tokens[b.Mint] = moves{}
			}
			tokens[b.Mint][b.Owner] = tokens[b.Mint][b.Owner].Add(quantity.Mul(decimal.NewFromInt(sign)))
		}
	}
	at := time.Unix(said.BlockTime, 0).UTC()
	all := s.transfer(nil, at, g.Text, s.Symbol, native)
	mints := make([]string, 0, len(tokens))
	for mint := range tokens {
		mints = append(mints, mint)
	}
	slices.Sort(mints)
	for _, mint := range mints {
		if symbol := s.Tokens[mint]; symbol != "" {
			all = s.transfer(all, at, g.Text, symbol, tokens[mint])
		}
	}
	return all, nil
}

// transfer adds what the moves are to the account, with the one who moved the other way where it is one.
func (s *Source) transfer(all []custodian.Transfer, at time.Time, hash, symbol string, m moves) []custodian.Transfer {
	sum := decimal.Zero
	for _, address := range s.Addresses {
		sum = sum.Add(m[address])
	}
	if sum.IsZero() {
		return all
	}
	var others []string
	for who, change := range m {
		if who != "" && change.Sign() == -sum.Sign() && !slices.Contains(s.Addresses, who) {
			others = append(others, who)
		}
	}
	counterpart := ""
	if len(others) == 1 {
		counterpart = others[0]
	}
	return append(all, custodian.Transfer{At: at, Hash: hash, Symbol: symbol, Amount: sum, Counterpart: counterpart})
}
