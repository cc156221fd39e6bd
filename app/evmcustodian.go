package app

import (
	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/chain/protocol"
	"lifeboat/custodian"
	"lifeboat/custodian/evm"
	"lifeboat/plan"
)

// evmCustodian says what an account on an EVM chain holds: at its address, or in its protocol. The chain's nodes have to agree on each
// answer already, so that the chain is one source.
func evmCustodian(p *plan.Plan, a plan.Account, c *chain.Chain) (*custodian.Custodian, error) {
	o := evm.Options{Name: a.Chain, Chain: c, Account: a.Name, Address: common.HexToAddress(a.Address), Tokens: map[common.Address]string{}}
	var tokens []common.Address
	for _, h := range p.Counted(a.Name) {
		if h.Token == "" {
			o.Coin = h.Symbol
			continue
		}
		tokens = append(tokens, common.HexToAddress(h.Token))
		o.Tokens[common.HexToAddress(h.Token)] = h.Symbol
	}
	for _, x := range p.ContractsOn(a.Chain) {
		switch address := common.HexToAddress(x.Contract.Address); x.Contract.Adapter {
		case "aave-v3":
			o.Pools = append(o.Pools, address)
		case "lido", "compound-v3":
			o.Rebased = append(o.Rebased, address)
		}
	}
	if x, in := p.Contracted(a.Protocol); in {
		setup := protocol.Setup{Name: x.Name, Address: common.HexToAddress(x.Contract.Address), More: map[string]common.Address{}, Assets: tokens}
		for what, address := range x.Contract.Addresses {
			setup.More[what] = common.HexToAddress(address)
		}
		adapter, err := protocol.Open(x.Contract.Adapter, setup)
		if err != nil {
			return nil, err
		}
		o.Protocol, o.Contract = adapter, setup.Address
	}
	source, err := evm.New(o)
	if err != nil {
		return nil, err
	}
	return custodian.New(custodian.Options{Account: a.Name, Name: a.Chain, Sources: []custodian.Source{source}, Behind: evm.Behind(c.Network())})
}
