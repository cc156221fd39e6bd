package testbed

import (
	"encoding/binary"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

const optimism = "@eth-optimism/contracts-bedrock/forge-artifacts/"

// Rollup is a rollup of the OP Stack: two chains with the real contracts of its canonical bridge on both, and in place of its
// sequencer, its proposer and its challengers the test, which does what the protocol prescribes when it is told to.
type Rollup struct {
	Below, Above *Bed // anvil both

	Bridge, Messenger, Portal, Games, Guard Contract // below; Guard is SuperchainConfig
	BridgeAbove, MessengerAbove, Passer     Contract // the predeploys above

	BridgeCode common.Address // that Bridge is a proxy of

	derived uint64 // block below up to which deposits are taken in
}

// What the portal makes a withdrawal wait for, as on the main chain.
const (
	ProofDelay = 7 * 24 * time.Hour
	GameDelay  = 84 * time.Hour
)

// Predeploys of every rollup (specs.optimism.io).
var (
	l2Messenger = common.HexToAddress("0x4200000000000000000000000000000000000007")
	l2Bridge    = common.HexToAddress("0x4200000000000000000000000000000000000010")
	l1Block     = common.HexToAddress("0x4200000000000000000000000000000000000015")
	l2Passer    = common.HexToAddress("0x4200000000000000000000000000000000000016")
)

// NewRollup starts two chains, with the numbers 31337 and 31338, and the bridge between them.
func NewRollup(t testing.TB) *Rollup {
	t.Helper()
	r := &Rollup{Below: Start(t, Anvil), Above: start(t, Anvil, 31338)}
	r.below()
	r.above()
	return r
}

func (r *Rollup) below() {
	b := r.Below
	b.t.Helper()
	admin := b.Admin().Address
	proxied := func(name string, args ...any) Contract {
		code := b.Deploy(optimism+name+".sol/"+name+".json", args...)
		r.BridgeCode = code.Address // the last is the bridge
		proxy := b.Deploy(optimism+"Proxy.sol/Proxy.json", admin)
		b.Send(b.Admin(), proxy, "upgradeTo", code.Address)
		return code.At(proxy.Address)
	}
	r.Guard, r.Games = proxied("SuperchainConfig"), proxied("DisputeGameFactory")
	config := proxied("SystemConfig")
	r.Portal = proxied("OptimismPortal2", big.NewInt(int64(ProofDelay/time.Second)), big.NewInt(int64(GameDelay/time.Second)))
	r.Messenger, r.Bridge = proxied("L1CrossDomainMessenger"), proxied("L1StandardBridge")

	anybody := b.Accounts[8] // the administrator of a proxy can only administer it
	b.Send(anybody, r.Guard, "initialize", admin, false)
	b.Send(anybody, r.Games, "initialize", admin)
	b.Send(anybody, config, "initialize", admin, uint32(0), uint32(0), [32]byte{}, uint64(30_000_000), admin,
		struct {
			MaxResourceLimit                                  uint32
			ElasticityMultiplier, BaseFeeMaxChangeDenominator uint8
			MinimumBaseFee, SystemTxMaxGas                    uint32
			MaximumBaseFee                                    *big.Int
		}{20_000_000, 10, 8, 1_000_000_000, 1_000_000, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))},
		common.Address{},
		struct {
			L1CrossDomainMessenger, L1ERC721Bridge, L1StandardBridge, DisputeGameFactory, OptimismPortal, OptimismMintableERC20Factory, GasPayingToken common.Address
		}{L1CrossDomainMessenger: r.Messenger.Address, L1StandardBridge: r.Bridge.Address, DisputeGameFactory: r.Games.Address, OptimismPortal: r.Portal.Address})
	b.Send(anybody, r.Portal, "initialize", r.Games.Address, config.Address, r.Guard.Address, uint32(0))
	b.Send(anybody, r.Messenger, "initialize", r.Guard.Address, r.Portal.Address, config.Address)
	b.Send(anybody, r.Bridge, "initialize", r.Messenger.Address, r.Guard.Address, config.Address)
	game := b.Deploy("ours/Rollup.sol/Game")
	b.rpc(nil, "anvil_impersonateAccount", admin)
	owner := b.Ask(r.Games, "owner")[0].(common.Address)
	b.as(owner, r.Games.Do("setImplementation", uint32(0), game.Address), nil)
	r.derived = b.Head()
}

func (r *Rollup) above() {
	b := r.Above
	b.t.Helper()
	predeploy := func(name string, at common.Address) Contract {
		code := b.Deploy(optimism + name + ".sol/" + name + ".json")
		b.rpc(nil, "anvil_setCode", at, hexutil.Bytes(b.code(code.Address)))
		return code.At(at)
	}
	predeploy("L1Block", l1Block)
	r.Passer = predeploy("L2ToL1MessagePasser", l2Passer)
	proxied := func(name string, at common.Address) Contract {
		code := b.Deploy(optimism + name + ".sol/" + name + ".json")
		proxy := b.Deploy(optimism+"Proxy.sol/Proxy.json", b.Admin().Address)
		b.rpc(nil, "anvil_setCode", at, hexutil.Bytes(b.code(proxy.Address)))
		b.rpc(nil, "anvil_setStorageAt", at, implementationSlot, topic(code.Address))
		return code.At(at)
	}
	r.MessengerAbove = proxied("L2CrossDomainMessenger", l2Messenger)
	r.BridgeAbove = proxied("L2StandardBridge", l2Bridge)
	b.Send(b.Admin(), r.MessengerAbove, "initialize", r.Messenger.Address)
	b.Send(b.Admin(), r.BridgeAbove, "initialize", r.Bridge.Address)
}

// implementationSlot of EIP-1967.
var implementationSlot = common.HexToHash("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc")

func topic(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

// Token above that stands for one below.
func (r *Rollup) Token(below Token) Token {
	b := r.Above
	b.t.Helper()
	c := b.Deploy(optimism+"OptimismMintableERC20.sol/OptimismMintableERC20.json", l2Bridge, below.Address, "Bridged "+below.Symbol, below.Symbol, uint8(below.Decimals))
	return Token{c, below.Symbol, below.Decimals}
}

// deposited is what the portal tells of a deposit.
var deposited = crypto.Keccak256Hash([]byte("TransactionDeposited(address,address,uint256,bytes)"))

// Derive has the rollup take in what was deposited since, as its nodes derive it from the chain below: a transaction of the sender named in
// the event, for nothing but the gas that was bought below.
func (r *Rollup) Derive() []*types.Receipt {
	b := r.Below
	b.t.Helper()
	head := b.Head()
	logs, err := b.Client.FilterLogs(b.ctx(), filterOf(r.derived+1, head, r.Portal.Address, deposited))
	b.must("read the deposits", err)
	r.derived = head
	var all []*types.Receipt
	for _, l := range logs {
		// The data is a list of bytes: mint (32), value (32), gas (8), whether it creates a contract (1), and the data of the call.
		size := new(big.Int).SetBytes(l.Data[32:64]).Int64()
		opaque := l.Data[64 : 64+size]
		from, to := common.BytesToAddress(l.Topics[1][:]), common.BytesToAddress(l.Topics[2][:])
		gas := binary.BigEndian.Uint64(opaque[64:72])
		call := Call{To: to, Value: new(big.Int).SetBytes(opaque[32:64]), Data: opaque[73:]}
		all = append(all, r.Above.deposit(from, call, new(big.Int).SetBytes(opaque[:32]), gas))
	}
	return all
}

// deposit is a transaction of nobody's key.
func (b *Bed) deposit(from common.Address, call Call, mint *big.Int, gas uint64) *types.Receipt {
	b.t.Helper()
	b.rpc(nil, "anvil_impersonateAccount", from)
	b.rpc(nil, "anvil_setBalance", from, hexutil.EncodeBig(new(big.Int).Add(mint, Ether(1)))) // for the gas that was paid below
	return b.as(from, call, &gas)
}

// as sends a call of an account whose key nobody has.
func (b *Bed) as(from common.Address, call Call, gas *uint64) *types.Receipt {
	b.t.Helper()
	b.rpc(nil, "anvil_impersonateAccount", from)
	limit := uint64(gasLimit)
	if gas != nil {
		limit = *gas
	}
	var hash common.Hash
	b.rpc(&hash, "eth_sendTransaction", map[string]any{"from": from, "to": call.To, "value": hexutil.EncodeBig(value(call)), "data": hexutil.Bytes(call.Data), "gas": hexutil.Uint64(limit)})
	return b.receipt(hash, "a call of "+from.Hex())
}

// Propose has a proposal of the rollup's newest state be made below, and returns the game about it. A false one claims something else.
func (r *Rollup) Propose(honest bool) Contract {
	a, b := r.Above, r.Below
	b.t.Helper()
	var header struct {
		Number    hexutil.Uint64
		Hash      common.Hash
		StateRoot common.Hash
	}
	a.rpc(&header, "eth_getBlockByNumber", "latest", false)
	var proof struct{ StorageHash common.Hash }
	a.rpc(&proof, "eth_getProof", l2Passer, []common.Hash{}, header.Number)
	root := crypto.Keccak256Hash(make([]byte, 32), header.StateRoot[:], proof.StorageHash[:], header.Hash[:])
	if !honest {
		root[0]++
	}
	at := common.BigToHash(new(big.Int).SetUint64(uint64(header.Number)))
	rc := b.Send(b.Accounts[8], r.Games, "create", uint32(0), root, at[:])
	made, _ := r.Games.Event(rc, "DisputeGameCreated")
	if made == nil {
		b.t.Fatal("no proposal was made")
	}
	return Contract{common.BytesToAddress(made.Topics[1][:]), b.artifact("ours/Rollup.sol/Game").ABI}
}

// Head is the newest block.
func (b *Bed) Head() uint64 {
	b.t.Helper()
	n, err := b.Client.BlockNumber(b.ctx())
	b.must("ask for the head", err)
	return n
}

func (b *Bed) code(at common.Address) []byte {
	b.t.Helper()
	code, err := b.Client.CodeAt(b.ctx(), at, nil)
	b.must("read the code", err)
	return code
}

func filterOf(from, to uint64, address common.Address, first common.Hash) ethereum.FilterQuery {
	return ethereum.FilterQuery{FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(to), Addresses: []common.Address{address}, Topics: [][]common.Hash{{first}}}
}
