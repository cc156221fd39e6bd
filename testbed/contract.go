package testbed

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// Contract is one that is deployed. Its methods are named as in its ABI, or where a name has several meanings by the whole signature,
// mint(address,uint256).
type Contract struct {
	common.Address
	ABI *abi.ABI
}

// Call is what an account or a Safe does to a contract.
type Call struct {
	To    common.Address
	Value *big.Int // wei; nil is none
	Data  []byte
}

// At is the same kind of contract at another address, as for a proxy.
func (c Contract) At(address common.Address) Contract { return Contract{address, c.ABI} }

// Do is a call of a method.
func (c Contract) Do(method string, args ...any) Call {
	m, err := c.method(method)
	if err != nil {
		panic(err)
	}
	data, err := m.Inputs.Pack(args...)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", method, err))
	}
	return Call{To: c.Address, Data: append(m.ID[:4:4], data...)}
}

// Selector of a method.
func (c Contract) Selector(method string) (s [4]byte) {
	m, err := c.method(method)
	if err != nil {
		panic(err)
	}
	copy(s[:], m.ID)
	return s
}

func (c Contract) method(name string) (abi.Method, error) {
	if m, ok := c.ABI.Methods[name]; ok {
		return m, nil
	}
	for _, m := range c.ABI.Methods {
		if m.Sig == name {
			return m, nil
		}
	}
	return abi.Method{}, fmt.Errorf("the contract has no method %s", name)
}

// Event that a receipt has of this contract, unpacked from its data; nil when it has none.
func (c Contract) Event(r *types.Receipt, name string) (*types.Log, []any) {
	for _, l := range r.Logs {
		if l.Address == c.Address && len(l.Topics) > 0 && l.Topics[0] == c.ABI.Events[name].ID {
			values, err := c.ABI.Events[name].Inputs.NonIndexed().Unpack(l.Data)
			if err == nil {
				return l, values
			}
		}
	}
	return nil, nil
}

// gasLimit of the bed's own transactions, below the cap of one transaction in the newer forks. Nothing is estimated: an estimate
// costs a call and is too low where the next block finds other interest.
const gasLimit = 16_000_000

// Deploy puts a contract of a package on chain, or one of ours: ours/Feed.sol/Feed.
func (b *Bed) Deploy(path string, args ...any) Contract {
	b.t.Helper()
	return b.deploy(path, nil, args...)
}

func (b *Bed) deploy(path string, libraries map[string]common.Address, args ...any) Contract {
	b.t.Helper()
	a := b.artifact(path)
	code, err := a.linked(libraries)
	b.must("link "+path, err)
	in, err := a.ABI.Pack("", args...)
	b.must("deploy "+path, err)
	r := b.transact(b.Admin(), nil, nil, append(code, in...), path)
	return Contract{r.ContractAddress, a.ABI}
}

// once deploys what several parts use, at the first asking.
func (b *Bed) once(name string, deploy func() Contract) Contract {
	b.mu.Lock()
	c, ok := b.shared[name]
	b.mu.Unlock()
	if !ok {
		c = deploy()
		b.mu.Lock()
		b.shared[name] = c
		b.mu.Unlock()
	}
	return c
}

// Send sends a transaction of an account's to a contract and waits until it is in a block. A revert ends the test; for one that is
// expected see [Bed.Try].
func (b *Bed) Send(from Account, c Contract, method string, args ...any) *types.Receipt {
	b.t.Helper()
	return b.Act(from, c.Do(method, args...))
}

// Act is Send of a call that is there already.
func (b *Bed) Act(from Account, call Call) *types.Receipt {
	b.t.Helper()
	return b.transact(from, &call.To, call.Value, call.Data, hexutil.Encode(call.Data[:min(4, len(call.Data))]))
}

// Try asks what a call would do, without sending it: what it returns, or a [Revert].
func (b *Bed) Try(from common.Address, call Call) ([]byte, error) {
	b.t.Helper()
	out, err := b.Client.CallContract(b.ctx(), ethereum.CallMsg{From: from, To: &call.To, Value: call.Value, Data: call.Data}, nil)
	return out, reverted(err)
}

// Ask reads from a contract.
func (b *Bed) Ask(c Contract, method string, args ...any) []any {
	b.t.Helper()
	call := c.Do(method, args...)
	out, err := b.Try(common.Address{}, call)
	b.must("read "+method, err)
	m, _ := c.method(method)
	values, err := m.Outputs.Unpack(out)
	b.must("read "+method, err)
	return values
}

// Number is Ask of what returns one number.
func (b *Bed) Number(c Contract, method string, args ...any) *big.Int {
	b.t.Helper()
	return b.Ask(c, method, args...)[0].(*big.Int)
}

// Revert is what a contract refused with. Data starts with the selector of its error.
type Revert struct {
	Message string
	Data    []byte
}

func (r *Revert) Error() string { return fmt.Sprintf("%s (%x)", r.Message, r.Data) }

func reverted(err error) error {
	var with rpc.DataError
	if !errors.As(err, &with) {
		return err
	}
	text, _ := with.ErrorData().(string)
	data, _ := hexutil.Decode(text)
	return &Revert{err.Error(), data}
}

// transact sends and waits for the receipt.
func (b *Bed) transact(from Account, to *common.Address, value *big.Int, data []byte, what string) *types.Receipt {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	nonce, err := b.Client.PendingNonceAt(b.ctx(), from.Address)
	b.must("ask for a nonce", err)
	tx, err := types.SignNewTx(from.Key, types.LatestSignerForChainID(b.ChainID), &types.DynamicFeeTx{ChainID: b.ChainID, Nonce: nonce,
		GasTipCap: big.NewInt(1e9), GasFeeCap: b.feeCap, Gas: gasLimit, To: to, Value: value, Data: data})
	b.must("sign "+what, err)
	b.must("send "+what, b.Client.SendTransaction(b.ctx(), tx))
	r := b.receipt(tx.Hash(), what)
	if r.Status == types.ReceiptStatusSuccessful {
		return r
	}
	before := new(big.Int).Sub(r.BlockNumber, big.NewInt(1))
	_, err = b.Client.CallContract(b.ctx(), ethereum.CallMsg{From: from.Address, To: to, Value: value, Data: data, Gas: gasLimit}, before)
	if err == nil {
		err = fmt.Errorf("it reverted with %d of %d gas used", r.GasUsed, gasLimit)
	}
	b.must("send "+what, reverted(err))
	return nil
}

// receiptWait is how long a transaction of the bed's own may take to be in a block, on a busy machine.
const receiptWait = 30 * time.Second

func (b *Bed) receipt(hash common.Hash, what string) *types.Receipt {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx(), receiptWait)
	defer cancel()
	for {
		r, err := b.Client.TransactionReceipt(ctx, hash)
		switch {
		case err == nil:
			// go-ethereum knows the receipt a moment before its block is the newest, and what is asked next is asked of the newest.
			if head, err := b.Client.BlockNumber(ctx); err == nil && head >= r.BlockNumber.Uint64() {
				return r
			}
		case !errors.Is(err, ethereum.NotFound) && !strings.Contains(err.Error(), "indexing is in progress"):
			b.must("wait for "+what, err)
		}
		b.must("wait for "+what, b.clock.Sleep(ctx, b.clock.Now().Add(time.Millisecond)))
	}
}
