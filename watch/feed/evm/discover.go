package evm

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/chain/contract"
	"lifeboat/chain/protocol"
)

// Where the parts of an Aave v3 market are, besides those that its adapter reads.
var aaveParts = []struct {
	*contract.Method
	what string
}{
	{contract.New("getPoolConfigurator() (address)"), "the configurator of"},
	{contract.New("getPriceOracle() (address)"), "the oracle of"},
	{contract.New("getACLManager() (address)"), "the keeper of roles of"},
}

// discover finds what belongs to the contracts that the plan names and is not named itself: who may replace their code, and the
// parts of a market. It asks until it is told.
func (s *Source) discover(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		err := s.discoverOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		s.complain(deliver, "find the parts of its contracts", err)
		if err := s.Clock.Sleep(ctx, s.Clock.Now().Add(wait)); err != nil {
			return err
		}
	}
}

func (s *Source) discoverOnce(ctx context.Context) error {
	head, err := s.Node.Head(ctx)
	if err != nil {
		return err
	}
	if err := s.discoverAdmins(ctx, head); err != nil {
		return fmt.Errorf("read who may replace code: %w", err)
	}
	for i := range s.Contracts {
		c := &s.Contracts[i]
		if c.Adapter != "aave-v3" {
			continue
		}
		if err := s.discoverAave(ctx, head, c); err != nil {
			return err
		}
	}
	return nil
}

// discoverAdmins finds the contracts that may replace the code of another, whose owners count for it.
func (s *Source) discoverAdmins(ctx context.Context, head chain.Block) error {
	const adminSlot = 2
	var queries []chain.Query
	var asked []Contract
	for _, c := range s.Contracts {
		queries, asked = append(queries, chain.Query{What: chain.Storage, To: c.Address, Data: slots[adminSlot].slot[:]}), append(asked, c)
	}
	for from := 0; from < len(queries); from += questionsMax {
		to := min(from+questionsMax, len(queries))
		answers, _, err := s.Node.Read(ctx, &head, queries[from:to])
		if err != nil {
			return err
		}
		s.mu.Lock()
		for i, a := range answers {
			if admin := common.BytesToAddress(a.Data); a.Err == nil && admin != (common.Address{}) {
				c := asked[from+i]
				s.belongs(admin, "the admin of "+c.Name, s.subjects[c.Address])
			}
		}
		s.mu.Unlock()
	}
	return nil
}

// discoverAave finds the parts of a market, and what it keeps of the plan's tokens.
func (s *Source) discoverAave(ctx context.Context, head chain.Block, c *Contract) error {
	var b contract.Batch
	asked := b.Call(c.Address, contract.AavePool.Provider)
	if _, err := b.Read(ctx, s.Node, &head); err != nil {
		return err
	}
	var provider common.Address
	if err := asked.Scan(&provider); err != nil {
		return fmt.Errorf("%s is no pool of Aave v3: %w", c.Name, err)
	}
	b = contract.Batch{}
	parts := make([]*contract.Asked, len(aaveParts))
	for i, part := range aaveParts {
		parts[i] = b.Call(provider, part.Method)
	}
	if _, err := b.Read(ctx, s.Node, &head); err != nil {
		return err
	}
	markets, _, err := s.marketsOf(c).Markets(ctx, s.Node, &head)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.subjects[c.Address]
	s.belongs(provider, "the address book of "+c.Name, of)
	for i, part := range parts {
		var address common.Address
		if part.Scan(&address) == nil {
			s.belongs(address, aaveParts[i].what+" "+c.Name, of)
		}
	}
	for _, m := range markets {
		t := s.tokens[m.Asset.Address]
		if t == nil {
			continue
		}
		s.belongs(m.AToken, "the "+t.Symbol+" that was lent to "+c.Name, of)
		if s.keepers[keeper{t.Address, m.AToken}] == nil {
			s.askCustody(c.Name, t, m.AToken)
		}
	}
	return nil
}

func (s *Source) marketsOf(c *Contract) *protocol.Aave {
	for _, m := range s.measured {
		if aave, is := m.Measurer.(*protocol.Aave); is && m.of == c {
			return aave
		}
	}
	return nil
}

// pulse says how the chain itself does, whether or not there are blocks.
func (s *Source) pulse(ctx context.Context, deliver func([]lifeboat.Reading, []error)) error {
	age, agree := lifeboat.Series("head_age."+s.Name), lifeboat.Series("nodes_agree."+s.Name)
	var newest time.Time
	for {
		head, err := s.Node.Head(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		now := s.Clock.Now()
		if err == nil && head.Time.After(newest) {
			newest = head.Time
		}
		readings := []lifeboat.Reading{{Series: agree, Source: s.Name, Value: float64(inStep(s.Node.Health(), err == nil)), At: now}}
		if !newest.IsZero() {
			readings = append(readings, lifeboat.Reading{Series: age, Source: s.Name, Value: max(0, now.Sub(newest).Seconds()), At: now})
		}
		deliver(readings, nil)
		if err := s.Clock.Sleep(ctx, now.Add(pulseEvery)); err != nil {
			return err
		}
	}
}

const (
	pulseEvery = 10 * time.Second
	// lagMax is how many blocks a node may be behind the farthest one and still count as being with the others.
	lagMax = 3
)

// inStep counts the nodes that answer and are where the others are; none when they have no head in common.
func inStep(nodes []chain.NodeHealth, agreed bool) int {
	n := 0
	for _, h := range nodes {
		if agreed && !h.Private && h.Out == "" && h.Head > 0 && h.Lag <= lagMax {
			n++
		}
	}
	return n
}
