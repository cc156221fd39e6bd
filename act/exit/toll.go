package exit

import (
	"bytes"
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// A rollup brings the bytes of each transaction to the chain beneath, and has them paid for. Those of the OP stack take that beside the
// gas, and say how much in a contract that stands at the same address on all of them; a transaction is refused when its sender has not enough for
// both. Arbitrum takes it as gas of its own: its nodes count it when they estimate, and a simulation does not. Whoever is neither answers nothing
// at these addresses, and takes nothing.
var (
	opGasOracle = common.HexToAddress("0x420000000000000000000000000000000000000F")
	opUpper     = contract.New("getL1FeeUpperBound(uint256) (uint256)") // for a transaction of so many bytes, since the upgrade named Fjord
	opExact     = contract.New("getL1Fee(bytes) (uint256)")             // for these bytes
	opOperator  = contract.New("getOperatorFee(uint256) (uint256)")     // for so much gas, since the upgrade named Isthmus

	arbitrumNode = common.HexToAddress("0x00000000000000000000000000000000000000C8") // a contract of the nodes alone: none on chain can call it
	arbitrumGas  = contract.New("gasEstimateL1Component(address,bool,bytes) (uint64,uint256,uint256)")
)

// tollQueries ask a rollup of the OP stack what it takes beside the gas for a call, which may use so much gas.
func (d *Desk) tollQueries(to common.Address, value *big.Int, data []byte, gas uint64) []chain.Query {
	// What is not known yet is as long as it can be, and the three last bytes are where the signature will be.
	longest := new(big.Int).Lsh(big.NewInt(1), 64)
	tx := types.NewTx(&types.DynamicFeeTx{ChainID: d.Chain.ID(), Nonce: 1 << 32, Gas: gas, GasTipCap: longest, GasFeeCap: longest, To: &to, Value: value, Data: data})
	raw, err := tx.MarshalBinary()
	if err != nil {
		return nil // a transaction without a signature is always written
	}
	return []chain.Query{opUpper.Query(opGasOracle, big.NewInt(int64(len(raw)))), opExact.Query(opGasOracle, raw), opOperator.Query(opGasOracle, new(big.Int).SetUint64(gas))}
}

// tollOf is what they answered, twice: while a transaction waits, the chain beneath may become dearer. Zero where nothing is taken.
func tollOf(answers []chain.Answer) *big.Int {
	said := func(i int) *big.Int {
		if i >= len(answers) || answers[i].Err != nil || len(answers[i].Data) != 32 {
			return new(big.Int)
		}
		return new(big.Int).SetBytes(answers[i].Data)
	}
	takes := said(0)
	if takes.Sign() == 0 {
		takes = said(1)
	}
	return takes.Lsh(takes.Add(takes, said(2)), 1)
}

// beneath says what a mined transaction paid beside its gas; "" for nothing.
func (d *Desk) beneath(toll *big.Int) string {
	if toll == nil {
		return ""
	}
	return fmt.Sprintf(", and %s to the rollup for its bytes", d.coins(toll))
}

// postingGas is what a simulation leaves out on Arbitrum; 0 elsewhere, and where it is not known, since what is sent is estimated by the
// nodes once more.
func (d *Desk) postingGas(ctx context.Context, p Prepared) (uint64, error) {
	to, data, err := p.calldata()
	if err != nil {
		return 0, err
	}
	q := arbitrumGas.Query(arbitrumNode, to, false, data)
	q.From = p.Sender // so that it is asked alone
	answers, _, err := d.Chain.Read(ctx, nil, []chain.Query{q})
	if err != nil && ctx.Err() != nil {
		return 0, ctx.Err()
	}
	var gas uint64
	if err != nil || answers[0].Err != nil || len(answers[0].Data) != 96 || arbitrumGas.Scan(answers[0].Data, &gas) != nil {
		return 0, nil
	}
	if gas > gasMax {
		return 0, fmt.Errorf("the chain says that the bytes of this exit take %d gas, and a transaction may take %d", gas, gasMax)
	}
	return gas, nil
}

// calldata of the transaction that will be sent, with the signatures that are still to come as long as they will be.
func (p Prepared) calldata() (to common.Address, data []byte, err error) {
	if p.Role != nil {
		data, err = p.roleCall()
		return p.Role.Module, data, err
	}
	const signature = 65
	return p.Tx.Safe, p.Tx.Exec(bytes.Repeat([]byte{0xff}, signature*p.Threshold)), nil
}
