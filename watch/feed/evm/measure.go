package evm

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/chain/protocol"
)

// measured is a protocol that says more than any contract does, by way of its adapter.
type measured struct {
	protocol.Measurer
	of    *Contract // nil for the price feeds, which are read together
	lends bool
	says  []protocol.Measure // at the last block
	err   error
}

// A spot is what a measure is about.
type spot struct {
	of              *Contract
	name            string
	account, market common.Address
}

// melting is the clock of one position that may not get out in time.
type melting struct {
	trail    string // the name of covers
	clock    *protocol.Melt
	covers   trail[float64]
	half     int // levels
	timeLeft int
}

// meltPoints are how many blocks a melting clock looks at.
const meltPoints = 128

// measure asks every protocol about a block, and takes what they say.
func (s *Source) measure(ctx context.Context, block chain.Block, branch int, deliver func([]lifeboat.Reading, []error)) {
	var owners []common.Address
	for _, a := range s.Accounts {
		if !slices.Contains(owners, a.Address) {
			owners = append(owners, a.Address)
		}
	}
	for i := range s.measured {
		m := &s.measured[i]
		m.says, m.err = m.Measures(ctx, s.Node, &block, owners...)
		s.complain(deliver, "read "+m.Name(), m.err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.branch == branch { // else the block may have been taken back meanwhile
		s.takeMeasures(block)
	}
}

func (s *Source) takeMeasures(block chain.Block) {
	// The weakest of an account's debts is not known while one of them is not.
	lending := true
	for i := range s.measured {
		lending = lending && (s.measured[i].err == nil || !s.measured[i].lends)
	}
	for i := range s.measured {
		for j := range s.measured[i].says {
			said := &s.measured[i].says[j]
			switch said.Name {
			case protocol.HealthFactor, protocol.LiquidationDistance:
				if lending && said.Market == (common.Address{}) {
					s.levels.lower(s.levelOf(s.measured[i].of, said), block.Number, said.Value)
				}
			case protocol.Paused, protocol.Frozen:
				s.levels.raise(s.levelOf(s.measured[i].of, said), block.Number, said.Value)
			case protocol.Cover:
				s.levels.set(s.levelOf(s.measured[i].of, said), block.Number, said.Value)
				s.melt(s.measured[i].of, said, block)
			default:
				s.levels.set(s.levelOf(s.measured[i].of, said), block.Number, said.Value)
			}
		}
	}
	s.prices(block)
}

// levelOf what is measured; -1 where the plan has no series of it.
func (s *Source) levelOf(of *Contract, m *protocol.Measure) int {
	at := spot{of, m.Name, m.Account, m.Market}
	i, known := s.spots[at]
	if !known {
		i = s.levels.find(s.seriesOf(of, m), s.Name)
		if i >= 0 {
			s.levels.state(i)
		}
		s.spots[at] = i
	}
	return i
}

// seriesOf what is measured; "" where there is none.
func (s *Source) seriesOf(of *Contract, m *protocol.Measure) string {
	name := []string{m.Name}
	if m.Account != (common.Address{}) {
		a, ours := s.account(m.Account)
		if !ours || m.Name == protocol.Withdrawable {
			return "" // withdrawable is of the market
		}
		name = append(name, a.Name)
		if m.Market == (common.Address{}) {
			return strings.Join(name, ".") // the account as a whole
		}
	}
	if of == nil {
		of = s.feedAt(m.Market)
	}
	if of == nil {
		return ""
	}
	name = append(name, of.Name)
	if t := s.tokens[m.Market]; t != nil && (of.Adapter == "aave-v3" || of.Adapter == "compound-v3") && m.Name != protocol.Paused && m.Name != protocol.Frozen {
		name = append(name, t.Symbol)
	}
	return strings.Join(name, ".")
}

func (s *Source) feedAt(address common.Address) *Contract {
	for i := range s.Contracts {
		if c := &s.Contracts[i]; c.Address == address && c.Adapter == "chainlink" {
			return c
		}
	}
	return nil
}

// melt moves the clock of a position on.
func (s *Source) melt(of *Contract, said *protocol.Measure, block chain.Block) {
	at := spot{of, said.Name, said.Account, said.Market}
	m := s.melts[at]
	if m == nil {
		about := strings.TrimPrefix(s.seriesOf(of, said), said.Name)
		m = &melting{trail: coverTrail + about, covers: s.remembered(coverTrail + about), half: s.levels.find("half_life"+about, s.Name), timeLeft: s.levels.find("time_left"+about, s.Name)}
		m.again()
		s.melts[at] = m
	}
	m.covers.add(block.Number, block.Time, said.Value)
	m.clock.Add(block.Time, said.Value)
	if shown, known := m.clock.Read(); known {
		s.levels.set(m.half, block.Number, shown.HalfLife)
		s.levels.set(m.timeLeft, block.Number, shown.Left)
	}
}

// again makes the clock of what is remembered, after some of it was taken back.
func (m *melting) again() {
	m.clock, _ = protocol.NewMelt(meltPoints)
	for i := range m.covers.n {
		p := m.covers.at(i)
		m.clock.Add(p.at, p.value)
	}
}

// prices are told by whoever says them, and the oracles compared with the pools.
func (s *Source) prices(block chain.Block) {
	clear(s.dollars)
	for i := range s.measured {
		for _, said := range s.measured[i].says {
			if of := s.measured[i].of; of == nil {
				s.oracle(block, s.measured[i].says, said)
			}
		}
	}
	for i := range s.measured {
		of := s.measured[i].of
		if of == nil || of.Prices == "" {
			continue
		}
		if price, known := s.poolPrice(of, s.measured[i].says); known {
			s.levels.set(s.levels.find(of.Prices, of.Name), block.Number, price)
			s.compare(block, of.Prices, price)
		}
	}
}

// oracle tells what one feed says, and doubts it where its adapter does.
func (s *Source) oracle(block chain.Block, says []protocol.Measure, said protocol.Measure) {
	of := s.feedAt(said.Market)
	if of == nil || said.Name != protocol.Price {
		return
	}
	i := s.levels.find(of.Prices, of.Name)
	for _, other := range says {
		if other.Market == said.Market && other.Name == protocol.OracleStale && other.Value > 0 {
			s.levels.doubt(i, block.Number, of.Name+" is too old, or says what cannot be")
			return
		}
	}
	s.dollars[of.Prices] = said.Value
	s.levels.set(i, block.Number, said.Value)
}

// poolPrice is what a pool says of its symbol, in dollars: by the dollar price that an oracle gives of its other token.
func (s *Source) poolPrice(of *Contract, says []protocol.Measure) (price float64, known bool) {
	for _, said := range says {
		first, second, pair := strings.Cut(said.Symbol, "/")
		if said.Name != protocol.Price || !pair || !strings.EqualFold(first, of.Prices) && !strings.EqualFold(second, of.Prices) {
			continue
		}
		rate, other := said.Value, second
		if strings.EqualFold(second, of.Prices) {
			rate, other = 1/said.Value, first
		}
		dollars, quoted := s.dollars[other]
		return rate * dollars, quoted && dollars > 0 && !math.IsInf(rate, 0)
	}
	return 0, false
}

// compare what oracles say of a symbol with what a pool says.
func (s *Source) compare(block chain.Block, symbol string, pool float64) {
	oracle, quoted := s.dollars[symbol]
	if !quoted || pool <= 0 {
		return
	}
	for _, c := range s.Contracts {
		if c.Adapter == "chainlink" && c.Prices == symbol {
			s.levels.raise(s.levels.find("oracle_deviation."+c.Name, s.Name), block.Number, math.Abs(oracle/pool-1))
		}
	}
}

// adapters makes the adapters of the contracts that have one: first the price feeds, which the pools are judged by.
func (s *Source) adapters() {
	oracle := s.priceFeeds()
	var assets []common.Address
	for _, t := range s.Tokens {
		assets = append(assets, t.Address)
	}
	for i := range s.Contracts {
		c := &s.Contracts[i]
		switch c.Adapter {
		case "aave-v3":
			s.measured = append(s.measured, measured{Measurer: protocol.NewAave(c.Name, c.Address, nil, assets...), of: c, lends: true})
		case "compound-v3":
			s.measured = append(s.measured, measured{Measurer: protocol.NewCompound(c.Name, c.Address, nil), of: c, lends: true})
		case "erc-4626":
			s.measured = append(s.measured, measured{Measurer: protocol.NewVault(c.Name, c.Address), of: c})
		case "lido":
			s.measured = append(s.measured, measured{Measurer: protocol.NewLido(c.Name, c.Address, c.Addresses["wsteth"], c.Addresses["withdrawal_queue"]), of: c})
		case "uniswap-v3":
			s.measured = append(s.measured, measured{Measurer: protocol.NewUniswapV3(c.Name, c.Addresses["router"], c.Address, oracle, assets...), of: c})
		case "uniswap-v2":
			s.measured = append(s.measured, measured{Measurer: protocol.NewUniswapV2(c.Name, c.Addresses["router"], c.Address, oracle), of: c})
		}
	}
}

// priceFeeds of the chain, which are read together; nil when there are none.
func (s *Source) priceFeeds() protocol.Oracle {
	oracle := s.Oracle(s.Name)
	if all, is := oracle.(*protocol.Feeds); is {
		s.measured = append(s.measured, measured{Measurer: all})
	}
	return oracle
}

// Oracle is what the price feeds of a chain say together; nil when there are none.
func (w Watched) Oracle(chain string) protocol.Oracle {
	var feeds []protocol.Feed
	var sequencer common.Address
	for _, c := range w.Contracts {
		if c.Adapter != "chainlink" {
			continue
		}
		feed := protocol.Feed{Name: c.Name, Address: c.Address, Heartbeat: c.Heartbeat}
		for _, t := range w.Tokens {
			if t.Symbol == c.Prices {
				feed.Token = t.Address
			}
		}
		feeds = append(feeds, feed)
		if up, said := c.Addresses["sequencer"]; said {
			sequencer = up
		}
	}
	if len(feeds) == 0 {
		return nil
	}
	return protocol.NewFeeds("the price feeds of "+chain, sequencer, feeds...)
}
