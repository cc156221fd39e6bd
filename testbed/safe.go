package testbed

import (
	"bytes"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

const safeContracts = "@safe-global/safe-contracts/build/artifacts/contracts/"

// Safe is a Safe 1.4.1 behind its proxy.
type Safe struct {
	Contract
	Owners    []Account
	Threshold int
	Singleton Contract // the code that the proxy runs
	Factory   Contract
	Handler   Contract // the fallback handler, which speaks ERC-1271
	MultiSend Contract // MultiSendCallOnly

	b *Bed
}

// The operations of a Safe.
const (
	OperationCall         = uint8(0)
	OperationDelegateCall = uint8(1)
)

// Safe is a new Safe of these owners. The contracts that all Safes share are deployed with the first.
func (b *Bed) Safe(owners []Account, threshold int) *Safe {
	b.t.Helper()
	shared := func(path string) Contract {
		return b.once(path, func() Contract { return b.Deploy(safeContracts + path) })
	}
	s := &Safe{Owners: owners, Threshold: threshold, b: b,
		Singleton: shared("Safe.sol/Safe.json"),
		Factory:   shared("proxies/SafeProxyFactory.sol/SafeProxyFactory.json"),
		Handler:   shared("handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json"),
		MultiSend: shared("libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json"),
	}
	var addresses []common.Address
	for _, o := range owners {
		addresses = append(addresses, o.Address)
	}
	none := common.Address{}
	setup := s.Singleton.Do("setup", addresses, big.NewInt(int64(threshold)), none, []byte{}, s.Handler.Address, none, new(big.Int), none)
	nonce, err := b.Client.PendingNonceAt(b.ctx(), b.Admin().Address) // a salt of each Safe's own
	b.must("ask for a nonce", err)
	r := b.Send(b.Admin(), s.Factory, "createProxyWithNonce", s.Singleton.Address, setup.Data, new(big.Int).SetUint64(nonce))
	created, _ := s.Factory.Event(r, "ProxyCreation")
	if created == nil {
		b.t.Fatal("the factory made no Safe")
	}
	s.Contract = s.Singleton.At(common.BytesToAddress(created.Topics[1][:]))
	return s
}

// Hash that the owners sign, as the Safe itself computes it.
func (s *Safe) Hash(call Call, operation uint8, nonce *big.Int) common.Hash {
	s.b.t.Helper()
	zero, none := new(big.Int), common.Address{}
	return s.b.Ask(s.Contract, "getTransactionHash", call.To, value(call), call.Data, operation, zero, zero, zero, none, none, nonce)[0].([32]byte)
}

// Nonce of the next transaction.
func (s *Safe) Nonce() *big.Int {
	s.b.t.Helper()
	return s.b.Number(s.Contract, "nonce")
}

// Signed is the call of execTransaction that carries the signatures of some owners.
func (s *Safe) Signed(call Call, operation uint8, nonce *big.Int, by ...Account) Call {
	s.b.t.Helper()
	hash := s.Hash(call, operation, nonce)
	by = slices.Clone(by)
	slices.SortFunc(by, func(x, y Account) int { return bytes.Compare(x.Address[:], y.Address[:]) })
	var signatures []byte
	for _, owner := range by {
		signature, err := crypto.Sign(hash[:], owner.Key)
		s.b.must("sign", err)
		signature[64] += 27
		signatures = append(signatures, signature...)
	}
	zero, none := new(big.Int), common.Address{}
	return s.Do("execTransaction", call.To, value(call), call.Data, operation, zero, zero, zero, none, none, signatures)
}

// Exec has the first owners that the threshold asks for sign a call, and sends it. It ends the test unless the Safe says that the
// call went well: the transaction of a Safe can succeed when what it did has failed.
func (s *Safe) Exec(call Call, operation uint8) *types.Receipt {
	s.b.t.Helper()
	r := s.b.Act(s.b.Admin(), s.Signed(call, operation, s.Nonce(), s.Owners[:s.Threshold]...))
	if l, _ := s.Event(r, "ExecutionSuccess"); l == nil {
		s.b.t.Fatal("the Safe says that its call failed")
	}
	return r
}

// Batch carries out calls all together or not at all.
func (s *Safe) Batch(calls ...Call) *types.Receipt {
	s.b.t.Helper()
	return s.Exec(s.Pack(calls...), OperationDelegateCall)
}

// Pack is the call of MultiSend that carries out calls; a Safe delegates it.
func (s *Safe) Pack(calls ...Call) Call {
	var packed []byte
	for _, c := range calls {
		packed = append(packed, OperationCall)
		packed = append(packed, c.To[:]...)
		packed = append(packed, common.LeftPadBytes(value(c).Bytes(), 32)...)
		packed = append(packed, common.LeftPadBytes(big.NewInt(int64(len(c.Data))).Bytes(), 32)...)
		packed = append(packed, c.Data...)
	}
	return s.MultiSend.Do("multiSend", packed)
}

func value(c Call) *big.Int {
	if c.Value == nil {
		return new(big.Int)
	}
	return c.Value
}
