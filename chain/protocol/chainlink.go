package protocol

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// Feed is a price feed of Chainlink's, or of anybody who speaks like one.
type Feed struct {
	Name      string         // for people, such as ETH/USD
	Address   common.Address // of the proxy
	Token     common.Address // that it prices in dollars
	Heartbeat time.Duration  // after which it promises a new answer even when the price has not moved
}

// Feeds reads price feeds, and says of each whether its answer can be believed: it is positive, not older than its heartbeat,
// not stuck at the least or the most that the feed can say (LUNA fell below such a floor in May 2022, and lenders that believed
// it were emptied), and, on a rollup, the sequencer has been up for an hour.
type Feeds struct {
	name      string
	feeds     []Feed
	sequencer common.Address // the uptime feed of a rollup; zero for none
}

// NewFeeds with the sequencer's uptime feed; the zero address where the chain has none.
func NewFeeds(name string, sequencer common.Address, feeds ...Feed) *Feeds {
	return &Feeds{name: name, feeds: slices.Clone(feeds), sequencer: sequencer}
}

func (f *Feeds) Name() string { return f.name }

// afterSequencer is how long prices are not believed after a sequencer came back: Chainlink's documentation asks for this grace
// period, in which the feeds catch up.
const afterSequencer = time.Hour

// early is how much later than its block an answer may claim to be from.
const early = time.Minute

type feedState struct {
	Feed
	price decimal.Decimal
	time  time.Time
	doubt string
}

// read the feeds of some tokens, or all when none is named.
func (f *Feeds) read(ctx context.Context, r chain.Reader, at *chain.Block, tokens []common.Address) ([]feedState, chain.Block, error) {
	var b contract.Batch
	var states []feedState
	var rounds, decimals, aggregators []*contract.Asked
	for _, feed := range f.feeds {
		if len(tokens) > 0 && !slices.Contains(tokens, feed.Token) {
			continue
		}
		states = append(states, feedState{Feed: feed})
		rounds, decimals = append(rounds, b.Call(feed.Address, contract.Aggregator.LatestRound)), append(decimals, b.Call(feed.Address, contract.Aggregator.Decimals))
		aggregators = append(aggregators, b.Call(feed.Address, contract.Aggregator.Aggregator))
	}
	if len(states) == 0 {
		return nil, chain.Block{}, nil
	}
	var uptime *contract.Asked
	if f.sequencer != (common.Address{}) {
		uptime = b.Call(f.sequencer, contract.Aggregator.LatestRound)
	}
	block, err := b.Read(ctx, r, at)
	if err != nil {
		return nil, chain.Block{}, fmt.Errorf("%s: %w", f.name, err)
	}
	bounds, err := f.bounds(ctx, r, block, aggregators)
	if err != nil {
		return nil, chain.Block{}, fmt.Errorf("%s: %w", f.name, err)
	}
	down := ""
	if uptime != nil {
		down = sequencerDown(uptime, block.Time)
	}
	for i := range states {
		states[i].believe(rounds[i], decimals[i], bounds[i], block.Time)
		if down != "" {
			states[i].doubt = down
		}
	}
	return states, block, nil
}

// bounds are the least and the most that the feeds can say; both nil where a feed has none.
func (f *Feeds) bounds(ctx context.Context, r chain.Reader, block chain.Block, aggregators []*contract.Asked) ([][2]*big.Int, error) {
	bounds := make([][2]*big.Int, len(aggregators))
	var b contract.Batch
	asked := make([][2]*contract.Asked, len(aggregators))
	for i, a := range aggregators {
		var address common.Address
		if a.Scan(&address) == nil && address != (common.Address{}) {
			asked[i] = [2]*contract.Asked{b.Call(address, contract.Aggregator.Least), b.Call(address, contract.Aggregator.Most)}
		}
	}
	if b.Len() == 0 {
		return bounds, nil
	}
	if _, err := b.Read(ctx, r, &block); err != nil {
		return nil, err
	}
	for i, pair := range asked {
		var least, most *big.Int
		if pair[0] != nil && pair[0].Scan(&least) == nil && pair[1].Scan(&most) == nil {
			bounds[i] = [2]*big.Int{least, most}
		}
	}
	return bounds, nil
}

// believe an answer, or say why not.
func (s *feedState) believe(round, decimals *contract.Asked, bounds [2]*big.Int, now time.Time) {
	var answer, updated *big.Int
	var digits uint8
	if err := round.Scan(nil, &answer, nil, &updated); err != nil {
		s.doubt = fmt.Sprintf("%s does not answer: %v", s.Name, err)
		return
	}
	if err := decimals.Scan(&digits); err != nil || digits > decimalsMax {
		s.doubt = fmt.Sprintf("%s does not say in which unit it counts", s.Name)
		return
	}
	s.price = decimal.NewFromBigInt(answer, -int32(digits))
	if updated.IsInt64() {
		s.time = time.Unix(updated.Int64(), 0).UTC()
	}
	age := now.Sub(s.time)
	switch {
	case answer.Sign() <= 0:
		s.doubt = fmt.Sprintf("%s says %s, which is no price", s.Name, s.price)
	case updated.Sign() == 0:
		s.doubt = fmt.Sprintf("the round of %s is not complete", s.Name)
	case age < -early:
		s.doubt = fmt.Sprintf("%s says that its answer is from later than the block", s.Name)
	case s.Heartbeat > 0 && age > s.Heartbeat:
		s.doubt = fmt.Sprintf("%s last answered %s ago, and promises to every %s", s.Name, age.Round(time.Second), s.Heartbeat)
	case bounds[0] != nil && answer.Cmp(bounds[0]) <= 0:
		s.doubt = fmt.Sprintf("%s says %s, the least that it can say: the real price may be far below", s.Name, s.price)
	case bounds[1] != nil && answer.Cmp(bounds[1]) >= 0:
		s.doubt = fmt.Sprintf("%s says %s, the most that it can say: the real price may be far above", s.Name, s.price)
	}
}

// sequencerDown says why no price of a rollup is to be believed. The uptime feed answers 0 for up and 1 for down, and its round
// began when that changed.
func sequencerDown(uptime *contract.Asked, now time.Time) string {
	var answer, since *big.Int
	if err := uptime.Scan(nil, &answer, &since); err != nil {
		return fmt.Sprintf("nobody knows whether the sequencer is up: %v", err)
	}
	switch {
	case answer.Sign() != 0:
		return "the sequencer is down"
	case since.Sign() == 0 || !since.IsInt64():
		return "nobody knows since when the sequencer is up"
	case now.Sub(time.Unix(since.Int64(), 0)) < afterSequencer:
		return "the sequencer came back less than an hour ago"
	}
	return ""
}

// Quotes of tokens that there are feeds for.
func (f *Feeds) Quotes(ctx context.Context, r chain.Reader, at *chain.Block, tokens ...common.Address) ([]Quote, error) {
	if len(tokens) == 0 {
		return nil, nil
	}
	states, _, err := f.read(ctx, r, at, tokens)
	if err != nil {
		return nil, err
	}
	quotes := make([]Quote, len(states))
	for i, s := range states {
		quotes[i] = Quote{Token: s.Token, Dollars: s.price, Source: s.Name, Time: s.time, Doubt: s.doubt}
	}
	return quotes, nil
}

// Measures of the feeds: price, age, and whether something is wrong. A feed that says no price has no price here either.
func (f *Feeds) Measures(ctx context.Context, r chain.Reader, at *chain.Block, _ ...common.Address) ([]Measure, error) {
	states, block, err := f.read(ctx, r, at, nil)
	if err != nil {
		return nil, err
	}
	m := measures{block: block.Number}
	for _, s := range states {
		m.market(s.Address, s.Name)
		m.add(OracleStale, flag(s.doubt != ""))
		if !s.time.IsZero() {
			m.add(OracleAge, max(0, block.Time.Sub(s.time).Seconds()))
		}
		if s.price.IsPositive() {
			m.add(Price, s.price.InexactFloat64())
		}
	}
	return m.all, nil
}
