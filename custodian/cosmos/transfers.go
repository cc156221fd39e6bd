package cosmos

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat/custodian"
)

const transactionsMax = 100 // that one search gives

// Transfers are what the newest transactions moved to and from the addresses, fees included, by the events of the bank module.
// Tokens that come without a transaction, as at the end of unbonding, are not among them.
func (s *Source) Transfers(ctx context.Context, limit int) ([]custodian.Transfer, error) {
	if _, err := s.newest(ctx); err != nil || limit <= 0 {
		return nil, err
	}
	found := map[string]transaction{}
	for _, address := range s.Addresses {
		for _, event := range []string{"coin_received.receiver", "coin_spent.spender"} {
			if err := s.search(ctx, event, address, min(limit, transactionsMax), found); err != nil {
				return nil, err
			}
		}
	}
	var all []custodian.Transfer
	for _, tx := range found {
		changes, err := s.changes(tx)
		if err != nil {
			return nil, err
		}
		all = append(all, changes...)
	}
	slices.SortFunc(all, func(a, b custodian.Transfer) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Symbol, b.Symbol))
	})
	return all[:min(limit, len(all))], nil
}

type transaction struct {
	Hash   string    `json:"txhash"`
	Time   time.Time `json:"timestamp"`
	Events []event   `json:"events"`
}

type event struct {
	Type       string `json:"type"`
	Attributes []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"attributes"`
}

func (e event) value(key string) string {
	for _, a := range e.Attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

// search for transactions with an event. Since version 0.50 of the SDK the condition is under query, before under events; a node
// ignores the other.
func (s *Source) search(ctx context.Context, event, address string, limit int, into map[string]transaction) error {
	step := "search the transactions of " + address
	condition := event + "='" + address + "'"
	var said struct {
		Transactions []transaction `json:"tx_responses"`
	}
	if _, err := s.Node.Get(ctx, step, "/cosmos/tx/v1beta1/txs", url.Values{"query": {condition}, "events": {condition},
		"order_by": {"ORDER_BY_DESC"}, "limit": {strconv.Itoa(limit)}, "pagination.limit": {strconv.Itoa(limit)}}, nil, &said); err != nil {
		return err
	}
	if said.Transactions == nil {
		return s.Node.Fault(step, "the answer is not a list of transactions")
	}
	for _, tx := range said.Transactions {
		if tx.Hash == "" || len(tx.Hash) > 64 || tx.Time.IsZero() || tx.Events == nil {
			return s.Node.Fault(step, "it lists something that is not a transaction")
		}
		into[tx.Hash] = tx
	}
	return nil
}

// changes that a transaction made to the account, one for each asset.
func (s *Source) changes(tx transaction) ([]custodian.Transfer, error) {
	sums := map[string]decimal.Decimal{}
	for _, e := range tx.Events {
		sign := decimal.NewFromInt(1)
		who := e.value("receiver")
		switch e.Type {
		case "coin_received":
		case "coin_spent":
			sign, who = decimal.NewFromInt(-1), e.value("spender")
		default:
			continue
		}
		if !slices.Contains(s.Addresses, who) {
			continue
		}
		list, ok := readCoins(e.value("amount"))
		if !ok {
			return nil, s.Node.Fault("read a transaction", "%s names an amount that is none", tx.Hash)
		}
		for denom, amount := range list {
			if a, named := s.Assets[denom]; named {
				sums[a.Symbol] = sums[a.Symbol].Add(amount.Shift(-a.Decimals).Mul(sign))
			}
		}
	}
	var all []custodian.Transfer
	for symbol, sum := range sums {
		if !sum.IsZero() {
			all = append(all, custodian.Transfer{At: tx.Time.UTC(), Hash: tx.Hash, Symbol: symbol, Amount: sum, Counterpart: s.counterpart(tx, sum.IsNegative())})
		}
	}
	return all, nil
}

// counterpart is the one address that was sent to, or that sent; "" where there are several. Fees go to the chain and are no
// transfer to somebody where the transaction has another one.
func (s *Source) counterpart(tx transaction, out bool) string {
	mine, other := "recipient", "sender"
	if out {
		mine, other = other, mine
	}
	var found []string
	for _, e := range tx.Events {
		who := e.value(other)
		isFee := e.value("msg_index") == "" && len(tx.Events) > 1
		if e.Type == "transfer" && !isFee && slices.Contains(s.Addresses, e.value(mine)) && !slices.Contains(s.Addresses, who) && !slices.Contains(found, who) {
			found = append(found, who)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// readCoins reads amounts as events write them: 100uatom,5ibc/27394F….
func readCoins(text string) (coins, bool) {
	all := coins{}
	if text == "" {
		return all, true // nothing was moved
	}
	for part := range strings.SplitSeq(text, ",") {
		end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		if end <= 0 || all.add(coin{part[end:], part[:end]}) != nil {
			return nil, false
		}
	}
	return all, true
}
