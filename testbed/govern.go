package testbed

import (
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

const openZeppelin = "@openzeppelin/contracts/build/contracts/"

// Governance is OpenZeppelin's Governor with a timelock of an hour. The administrator has all the votes, and the timelock may mint the
// token without a limit.
type Governance struct {
	Governor, Timelock, Token Contract

	b *Bed
}

// Delay of the timelock.
const Delay = time.Hour

// Governance is a new one.
func (b *Bed) Governance() *Governance {
	b.t.Helper()
	admin, anybody := b.Admin(), common.Address{}
	g := &Governance{b: b, Token: b.Deploy("ours/Governance.sol/VotesToken")}
	g.Timelock = b.Deploy(openZeppelin+"TimelockController.json", big.NewInt(int64(Delay/time.Second)), []common.Address{}, []common.Address{anybody}, admin.Address)
	g.Governor = b.Deploy("ours/Governance.sol/VotesGovernor", g.Token.Address, g.Timelock.Address)
	b.Send(admin, g.Timelock, "grantRole", b.Ask(g.Timelock, "PROPOSER_ROLE")[0], g.Governor.Address)
	b.Send(admin, g.Token, "transferOwnership", g.Timelock.Address)
	b.Send(admin, g.Token, "delegate", admin.Address)
	return g
}

// Proposal is what is voted on.
type Proposal struct {
	ID    *big.Int
	Words string

	g      *Governance
	to     []common.Address
	values []*big.Int
	data   [][]byte
}

// Propose puts calls to the vote.
func (g *Governance) Propose(words string, calls ...Call) *Proposal {
	g.b.t.Helper()
	p := &Proposal{g: g, Words: words}
	for _, c := range calls {
		p.to, p.values, p.data = append(p.to, c.To), append(p.values, value(c)), append(p.data, c.Data)
	}
	r := g.b.Send(g.b.Admin(), g.Governor, "propose", p.to, p.values, p.data, words)
	_, values := g.Governor.Event(r, "ProposalCreated")
	if values == nil {
		g.b.t.Fatal("nothing was proposed")
	}
	p.ID = values[0].(*big.Int)
	return p
}

// Queue votes for it until it is accepted, and queues it in the timelock.
func (p *Proposal) Queue() *types.Receipt {
	b, admin := p.g.b, p.g.b.Admin()
	b.t.Helper()
	b.Mine(2)
	b.Send(admin, p.g.Governor, "castVote", p.ID, uint8(1))
	b.Mine(12)
	return b.Send(admin, p.g.Governor, "queue", p.to, p.values, p.data, crypto.Keccak256Hash([]byte(p.Words)))
}

// Execute waits for the timelock and carries it out.
func (p *Proposal) Execute() *types.Receipt {
	b := p.g.b
	b.t.Helper()
	b.Forward(Delay + 100*time.Second)
	return b.Send(b.Admin(), p.g.Governor, "execute", p.to, p.values, p.data, crypto.Keccak256Hash([]byte(p.Words)))
}

// Proxy is OpenZeppelin's transparent proxy in front of a bank that keeps the ether of others. The second implementation gives nothing
// back.
type Proxy struct {
	Contract          // the proxy, with the methods of the bank
	V1, V2   Contract // what can be behind it
	Admin    Contract // the only one who can change that; the administrator owns it

	b *Bed
}

// adminSlot of ERC-1967.
var adminSlot = common.HexToHash("0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103")

// Proxy is a new one.
func (b *Bed) Proxy() *Proxy {
	b.t.Helper()
	p := &Proxy{b: b, V1: b.Deploy("ours/Upgrades.sol/BankV1"), V2: b.Deploy("ours/Upgrades.sol/BankV2")}
	// A proxy without a first call is refused; this one changes nothing.
	proxy := b.Deploy(openZeppelin+"TransparentUpgradeableProxy.json", p.V1.Address, b.Admin().Address, p.V1.Do("version").Data)
	admin, err := b.Client.StorageAt(b.ctx(), proxy.Address, adminSlot, nil)
	b.must("read who administers the proxy", err)
	p.Contract = p.V1.At(proxy.Address)
	p.Admin = Contract{common.BytesToAddress(admin), b.artifact(openZeppelin + "ProxyAdmin.json").ABI}
	return p
}

// Upgrade changes what is behind the proxy.
func (p *Proxy) Upgrade(to Contract) *types.Receipt {
	p.b.t.Helper()
	return p.b.Send(p.b.Admin(), p.Admin, "upgradeAndCall", p.Address, to.Address, p.V1.Do("version").Data)
}
