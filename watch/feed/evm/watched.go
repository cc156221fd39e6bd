package evm

import (
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Watched is what of a chain is looked at. All names are those of the plan.
type Watched struct {
	Contracts []Contract
	Accounts  []Account
	Tokens    []Token
}

// Contract is a protocol, an oracle, a Safe that administers one, a governor, or anything else with code.
type Contract struct {
	Name      string
	Adapter   string // how it is read, in the words of plan.Contract
	Address   common.Address
	Addresses map[string]common.Address // more that belong to it, and whose events are its own
	Prices    string                    // symbol whose price it says; "" for none
	Heartbeat time.Duration             // within which an oracle is due
}

// Account of the owner's.
type Account struct {
	Name    string
	Address common.Address
	Safe    bool
	// Payers are who pays its gas, by what they are called: relayer, bot.
	Payers map[string]common.Address
}

// Token that the plan names, by the symbol of its price.
type Token struct {
	Symbol  string
	Address common.Address
}

// windows within which things count, by kind; a day where nothing else is said. A vote and what it decided are talked about for longer.
var windows = map[Kind]time.Duration{Proposal: 14 * 24 * time.Hour, Queued: 30 * 24 * time.Hour, Paused: 365 * 24 * time.Hour}

const (
	windowUsual = 24 * time.Hour
	// flowWindow is how far back amounts are compared that move: what left a protocol, what jumped.
	flowWindow = time.Hour
	// trailLength is how many blocks of them are remembered.
	trailLength = 300
)

func window(kind Kind) time.Duration {
	if w, said := windows[kind]; said {
		return w
	}
	return windowUsual
}

// A subject is what the plan calls an address, and where what happens there is counted.
type subject struct {
	name  string
	count map[Kind]int // :: kind → the level that counts it
	token *token       // when it is one
}

// token is what is known of a token of the plan.
type token struct {
	Token
	decimals    uint8
	known       bool // decimals were read
	supply      trail[float64]
	supplyJump  int // levels
	transferred int
	moved       *tally
}

// units of an amount in whole tokens.
func (t *token) units(amount float64) float64 {
	for range t.decimals {
		amount /= 10
	}
	return amount
}

// custody is what a protocol keeps of a token.
type custody struct {
	token     *token
	holder    common.Address
	kept      trail[float64]
	tvl       int // levels
	outflow   int
	withdrawn int
	moved     *tally
}

// index prepares what each address is, and what its levels are.
func (s *Source) index() {
	s.subjects, s.tokens, s.names = map[common.Address]*subject{}, map[common.Address]*token{}, map[common.Address]string{{}: "nobody"}
	for _, a := range s.Accounts {
		s.call(a.Address, a.Name)
		for what, payer := range a.Payers {
			s.call(payer, "the "+what+" of "+a.Name)
		}
	}
	for _, c := range s.Contracts {
		of := s.subjectOf(c.Name)
		s.belongs(c.Address, c.Name, of)
		for what, address := range c.Addresses {
			s.belongs(address, "the "+what+" of "+c.Name, of)
		}
	}
	for _, a := range s.Accounts {
		if s.subjects[a.Address] == nil {
			s.belongs(a.Address, a.Name, s.subjectOf(a.Name))
		}
	}
	for _, t := range s.Tokens {
		known := &token{Token: t, supply: s.remembered(supplyTrail + t.Address.Hex()), supplyJump: s.levels.find("supply_jump."+t.Symbol, s.Name),
			transferred: s.levels.follow("large_transfer."+t.Symbol, s.Name)}
		known.moved = s.tallyOf(known.transferred, flowWindow)
		if s.subjects[t.Address] == nil {
			s.belongs(t.Address, t.Symbol, s.subjectOf(t.Symbol))
		}
		s.subjects[t.Address].token, s.tokens[t.Address] = known, known
	}
}

// call an address by a name, unless it has one.
func (s *Source) call(address common.Address, name string) {
	if _, taken := s.names[address]; !taken {
		s.names[address] = name
	}
}

// belongs lets what an address logs count for a subject.
func (s *Source) belongs(address common.Address, name string, of *subject) {
	s.call(address, name)
	if address != (common.Address{}) && s.subjects[address] == nil {
		s.subjects[address] = of
	}
}

// counted are the kinds that are counted for a contract, an account or a token.
var counted = []Kind{Upgraded, Admin, Parameters, SafeChanged, ModuleUsed, Paused, Proposal, Queued, Approved}

func (s *Source) subjectOf(name string) *subject {
	of := &subject{name: name, count: map[Kind]int{}}
	for _, kind := range counted {
		of.count[kind] = s.levels.follow(string(kind)+"."+name, s.Name)
	}
	return of
}

// called is what the plan calls an address; the address itself where it has no name.
func (s *Source) called(address common.Address) string {
	if name, known := s.names[address]; known {
		return name
	}
	return address.Hex()
}

// account of ours at an address.
func (s *Source) account(address common.Address) (Account, bool) {
	for _, a := range s.Accounts {
		if a.Address == address {
			return a, true
		}
	}
	return Account{}, false
}

// kindOf a level that counts.
func kindOf(series string) Kind {
	kind, _, _ := strings.Cut(series, ".")
	return Kind(kind)
}
