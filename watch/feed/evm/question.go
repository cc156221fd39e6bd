package evm

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// A question is a read of the state that is asked again and again. What can be read is read, at the block that the readings
// are about, so that a reorganisation needs no undoing.
type question struct {
	chain.Query
	about common.Address // after news of which it is asked at once
	every uint64         // blocks
	due   uint64         // the block from which on it is asked again
	take  func(block chain.Block, answer chain.Answer)
}

const (
	// questionsMax bounds what is asked at one block. Where more is due, those that wait longest come first, and what is not
	// asked in time goes stale.
	questionsMax = 1000
	// Blocks between two reads: of what changes at any time, of what an event would tell of, and of code.
	often, seldom, rarely = 1, 16, 128
)

func (s *Source) ask(every uint64, q chain.Query, take func(chain.Block, chain.Answer)) {
	// What is not asked at each block is spread over the blocks.
	s.questions = append(s.questions, question{q, q.To, every, uint64(len(s.questions)) % every, take})
}

// hasten what is asked about an address.
func (s *Source) hasten(about common.Address) {
	for i := range s.questions {
		if s.questions[i].about == about {
			s.questions[i].due = 0
		}
	}
}

// read asks what is due at a block. Answers about a block that was taken back meanwhile are let go.
func (s *Source) read(ctx context.Context, block chain.Block, branch int) error {
	s.mu.Lock()
	s.choose(block)
	s.mu.Unlock()
	if len(s.asking) == 0 {
		return nil
	}
	answers, _, err := s.Node.Read(ctx, &block, s.asking)
	if err != nil {
		return err
	}
	if len(answers) != len(s.asked) {
		return fmt.Errorf("%d questions got %d answers", len(s.asked), len(answers))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.branch != branch {
		return nil
	}
	for i, turn := range s.asked {
		q := &s.questions[turn]
		q.take(block, answers[i])
		q.due = block.Number + q.every
	}
	return nil
}

// choose what is asked: all that is due, from where the last choice ended.
func (s *Source) choose(block chain.Block) {
	s.asking, s.asked = s.asking[:0], s.asked[:0]
	for range s.questions {
		if s.turn++; s.turn >= len(s.questions) {
			s.turn = 0
		}
		if q := &s.questions[s.turn]; q.due <= block.Number {
			s.asking, s.asked = append(s.asking, q.Query), append(s.asked, s.turn)
			if len(s.asking) == questionsMax {
				return
			}
		}
	}
}

// slots of EIP-1967, in which a proxy keeps where its code is and who may replace it.
var slots = []struct {
	slot common.Hash
	kind Kind
	what string
}{
	{common.HexToHash("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"), Upgraded, "the address of its code"},
	{common.HexToHash("0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50"), Upgraded, "the address of its beacon"},
	{common.HexToHash("0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103"), Admin, "who may replace its code"},
}

// A word is a part of a contract's state that must not change without an event.
type word struct {
	of    *subject
	kind  Kind
	name  string // of the address
	what  string
	key   string // of it among all that are kept
	steps trail[common.Hash]
}

// watchWord compares what is read with what was read before.
func (s *Source) watchWord(every uint64, q chain.Query, w *word, hash func([]byte) common.Hash) {
	w.steps, w.key = newTrail[common.Hash](8), string(append([]byte{byte(q.What)}, q.To[:]...))+string(q.Data)
	s.words = append(s.words, w)
	s.ask(every, q, func(block chain.Block, answer chain.Answer) {
		if answer.Err != nil {
			return
		}
		now := hash(answer.Data)
		last := w.steps.last()
		if last != nil && last.value == now {
			return
		}
		if w.steps.add(block.Number, block.Time, now); last == nil || s.told(w.of, w.kind, last.block, block.Number) {
			return
		}
		s.note(w.of, w.kind, note{block: block.Number, at: block.Time}, fmt.Sprintf("%s: %s changed, and no event told of it", w.name, w.what))
	})
}

// told reports that an event of the kind was logged since a block.
func (s *Source) told(of *subject, kind Kind, since, until uint64) bool {
	t := s.tallies[of.count[kind]]
	if t == nil {
		return false
	}
	for _, n := range t.notes {
		if n.block > since && n.block <= until {
			return true
		}
	}
	return false
}

func (s *Source) watchCode(address common.Address, of *subject) {
	if s.watchedCode[address] {
		return
	}
	s.watchedCode[address] = true
	for _, slot := range slots {
		s.watchWord(seldom, chain.Query{What: chain.Storage, To: address, Data: slot.slot[:]},
			&word{of: of, kind: slot.kind, name: s.called(address), what: slot.what}, func(data []byte) common.Hash { return common.BytesToHash(data) })
	}
	s.watchWord(rarely, chain.Query{What: chain.Code, To: address}, &word{of: of, kind: Upgraded, name: s.called(address), what: "its code"},
		func(data []byte) common.Hash { return crypto.Keccak256Hash(data) })
}

// Methods that are read besides those of the protocols.
var (
	isPaused     = contract.New("paused() (bool)")
	getThreshold = contract.New("getThreshold() (uint256)")
	getOwners    = contract.New("getOwners() (address[])")
	permitted    = contract.New("allowance(address,address,address) (uint160,uint48,uint48)") // of Permit2: owner, token, spender
)

// permit2 is the same contract on every chain.
var permit2 = common.HexToAddress("0x000000000022D473030F116dDEE9F6B43aC78BA3")

// askContract prepares what is read of a contract whatever protocol it is.
func (s *Source) askContract(c Contract) {
	of := s.subjects[c.Address]
	s.watchCode(c.Address, of)
	if i := of.count[Paused]; i >= 0 && c.Adapter != "aave-v3" { // whose markets are paused one by one
		s.ask(often, isPaused.Query(c.Address), func(block chain.Block, answer chain.Answer) {
			var on bool
			if answer.Err == nil && isPaused.Scan(answer.Data, &on) == nil {
				s.levels.state(i)
				s.levels.set(i, block.Number, flag(on))
			}
		})
	}
	if c.Adapter == "safe" {
		s.askSafe(c.Name, c.Address)
	}
}

func (s *Source) askSafe(name string, address common.Address) {
	if i := s.levels.find("threshold."+name, s.Name); i >= 0 {
		s.askNumber(often, getThreshold.Query(address), func(block chain.Block, n float64) { s.levels.set(i, block.Number, n) })
	}
	if i := s.levels.find("owners."+name, s.Name); i >= 0 {
		s.ask(often, getOwners.Query(address), func(block chain.Block, answer chain.Answer) {
			var owners []common.Address
			if answer.Err == nil && getOwners.Scan(answer.Data, &owners) == nil {
				s.levels.set(i, block.Number, float64(len(owners)))
			}
		})
	}
}

// askNumber reads one number, as it is.
func (s *Source) askNumber(every uint64, q chain.Query, take func(block chain.Block, n float64)) {
	s.ask(every, q, func(block chain.Block, answer chain.Answer) {
		if answer.Err == nil && len(answer.Data) >= 32 {
			take(block, number(answer.Data[:32]))
		}
	})
}

// askToken prepares how much of a token there is.
func (s *Source) askToken(t *token) {
	s.askNumber(seldom, contract.ERC20.Decimals.Query(t.Address), func(_ chain.Block, n float64) {
		if n <= 36 {
			t.decimals, t.known = uint8(n), true
		}
	})
	s.askNumber(often, contract.ERC20.TotalSupply.Query(t.Address), func(block chain.Block, n float64) {
		t.supply.add(block.Number, block.Time, n)
		if value, known := jump(&t.supply); known {
			s.levels.set(t.supplyJump, block.Number, value)
		}
	})
}

// askCustody prepares what a protocol keeps of a token.
func (s *Source) askCustody(name string, t *token, holder common.Address) {
	c := &custody{token: t, holder: holder, kept: s.remembered(keeper{t.Address, holder}.trail()),
		tvl: s.levels.find("tvl."+name+"."+t.Symbol, s.Name), outflow: s.levels.find("outflow."+name+"."+t.Symbol, s.Name),
		withdrawn: s.levels.follow("large_withdrawal."+name+"."+t.Symbol, s.Name)}
	c.moved = s.tallyOf(c.withdrawn, flowWindow)
	s.keepers[keeper{t.Address, holder}] = c
	s.askNumber(often, contract.ERC20.BalanceOf.Query(t.Address, holder), func(block chain.Block, n float64) {
		c.kept.add(block.Number, block.Time, n)
		if t.known {
			s.levels.set(c.tvl, block.Number, t.units(n))
		}
		if value, known := outflow(&c.kept, flowWindow); known {
			s.levels.set(c.outflow, block.Number, value)
		}
	})
}

// askKeepers prepares what pools and vaults keep of the plan's tokens; a market of Aave's keeps it elsewhere, and is asked where.
func (s *Source) askKeepers() {
	for _, c := range s.Contracts {
		var holder common.Address
		switch c.Adapter {
		case "compound-v3", "uniswap-v2", "erc-4626":
			holder = c.Address
		case "uniswap-v3":
			holder = c.Addresses["pool"]
		}
		if holder == (common.Address{}) {
			continue
		}
		for _, t := range s.Tokens {
			if s.keepers[keeper{t.Address, holder}] == nil {
				s.askCustody(c.Name, s.tokens[t.Address], holder)
			}
		}
	}
}

type keeper struct{ token, holder common.Address }

// askAllowances counts the tokens of an account that a contract may take.
func (s *Source) askAllowances(a Account, c Contract) {
	i := s.levels.find("allowance."+a.Name+"."+c.Name, s.Name)
	if i < 0 {
		return
	}
	spenders := []common.Address{c.Address}
	for _, address := range c.Addresses {
		spenders = append(spenders, address)
	}
	answers := map[int]bool{} // :: question → the contract may take something
	wanted := 2 * len(spenders) * len(s.Tokens)
	hear := func(n int) func(chain.Block, bool) {
		return func(block chain.Block, may bool) {
			if answers[n] = may; len(answers) < wanted {
				return
			}
			count := 0.0
			for token := range len(s.Tokens) {
				for k := range 2 * len(spenders) {
					if answers[token*2*len(spenders)+k] {
						count++
						break
					}
				}
			}
			s.levels.set(i, block.Number, count)
		}
	}
	n := 0
	for _, t := range s.Tokens {
		for _, spender := range spenders {
			direct, permit := hear(n), hear(n+1)
			n += 2
			s.ask(seldom, contract.ERC20.Allowance.Query(t.Address, a.Address, spender), func(block chain.Block, answer chain.Answer) {
				direct(block, answer.Err == nil && len(answer.Data) >= 32 && number(answer.Data[:32]) > 0)
			})
			s.questions[len(s.questions)-1].about = a.Address
			s.ask(seldom, permitted.Query(permit2, a.Address, t.Address, spender), func(block chain.Block, answer chain.Answer) {
				permit(block, answer.Err == nil && len(answer.Data) >= 96 && number(answer.Data[:32]) > 0 && number(answer.Data[32:64]) >= float64(block.Time.Unix()))
			})
			s.questions[len(s.questions)-1].about = a.Address
		}
	}
}

// askGas reads what an account's payers have left to pay gas with, in whole coins.
func (s *Source) askGas(a Account) {
	for what, payer := range a.Payers {
		if i := s.levels.find("gas."+a.Name+"."+what, s.Name); i >= 0 {
			s.askNumber(often, chain.Query{What: chain.Balance, To: payer}, func(block chain.Block, n float64) { s.levels.set(i, block.Number, n/1e18) })
		}
	}
}

// number reads 32 bytes as a number. It allocates nothing.
func number(word []byte) float64 {
	n := 0.0
	for _, b := range word {
		n = n*256 + float64(b)
	}
	return n
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
