package testbed

import (
	"encoding/binary"
	"encoding/json"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

const (
	nitro        = "@arbitrum/nitro-contracts/build/contracts/src/bridge/"
	tokenBridge  = "@arbitrum/token-bridge-contracts/build/contracts/contracts/tokenbridge/"
	dataMax      = 117964 // bytes of a message, as on the main chain
	retryableTx  = 9      // the kind of message that carries a ticket
	submitPrefix = 0x69   // what the transaction by which the rollup creates a ticket begins with
)

// Arbitrum is a rollup of Arbitrum's: two chains with the real contracts of its canonical bridge on both, Bridge, Inbox and Outbox below and the
// token bridge with its gateways on both. What is part of the rollup's node is a stand-in of the bed's own, strict to the documented
// interfaces: ArbSys, ArbRetryableTx, NodeInterface, the sequencer, and the validators who confirm. Transactions of the sequencer's, which anvil
// does not have, are known under their right hash on Line and nowhere else.
type Arbitrum struct {
	Below, Above *Bed  // anvil both
	Line         *Line // the way to Above on which its node is one of Arbitrum's

	Rollup, Bridge, Inbox, Outbox, Router, Gateway Contract // below
	RouterAbove, GatewayAbove, Sys, Retryables     Contract // above
	Custom, CustomAbove                            Contract // the generic gateway of tokens that are registered, once there is one
	WETHGateway, WETHGatewayAbove                  Contract // once WETH has one

	Prices int64 // what the sequencer asks for a unit of gas, in wei; a ticket that bids less is created and not tried

	taken   uint64 // block below up to which messages are taken in
	redeems uint64 // block above up to which redemptions were carried out
	tickets map[common.Hash]ticket

	mu      sync.Mutex                      // guards what is below
	known   map[common.Hash]common.Hash     // :: hash of a transaction of the sequencer's → anvil's
	headers map[common.Hash]json.RawMessage // of blocks that were asserted below
}

// ticket as the sequencer keeps it.
type ticket struct {
	from, to common.Address
	value    *big.Int
	data     []byte
}

// Where an Arbitrum chain has what is part of its node.
var (
	arbSys         = common.HexToAddress("0x0000000000000000000000000000000000000064")
	arbRetryableTx = common.HexToAddress("0x000000000000000000000000000000000000006E")
)

// aliasOffset is added to the address of a contract below that sends above.
var aliasOffset = common.HexToAddress("0x1111000000000000000000000000000000001111")

// Alias above of a sender below.
func Alias(below common.Address) common.Address {
	sum := new(big.Int).Add(below.Big(), aliasOffset.Big())
	return common.BytesToAddress(sum.Bytes())
}

// NewArbitrum starts two chains, with the numbers 31337 and 31338, and the bridge between them.
func NewArbitrum(t testing.TB) *Arbitrum {
	t.Helper()
	a := &Arbitrum{Below: Start(t, Anvil), Above: start(t, Anvil, 31338), Prices: 1e8, tickets: map[common.Hash]ticket{}, known: map[common.Hash]common.Hash{}, headers: map[common.Hash]json.RawMessage{}}
	a.Line = a.Above.Through(Fault{Lie: a.answers})
	a.core()
	a.gateways()
	a.taken, a.redeems = a.Below.Head(), a.Above.Head()
	return a
}

// core is what carries messages.
func (a *Arbitrum) core() {
	b := a.Below
	b.t.Helper()
	proxied := func(name string, args ...any) Contract { return b.proxied(nitro+name+".sol/"+name+".json", args...) }
	anybody := b.Accounts[8] // the administrator of a proxy can only administer it
	a.Rollup = b.Deploy("ours/Arbitrum.sol/RollupStandIn")
	a.Bridge, a.Inbox, a.Outbox = proxied("Bridge"), proxied("Inbox", big.NewInt(dataMax)), proxied("Outbox")
	b.Send(b.Admin(), a.Rollup, "set", a.Outbox.Address)
	b.Send(anybody, a.Bridge, "initialize", a.Rollup.Address)
	b.Send(anybody, a.Inbox, "initialize", a.Bridge.Address, common.Address{})
	b.Send(anybody, a.Outbox, "initialize", a.Bridge.Address)
	b.rpc(nil, "anvil_impersonateAccount", a.Rollup.Address)
	b.rpc(nil, "anvil_setBalance", a.Rollup.Address, hexutil.EncodeBig(Ether(1)))
	b.as(a.Rollup.Address, a.Bridge.Do("setDelayedInbox", a.Inbox.Address, true), nil)
	b.as(a.Rollup.Address, a.Bridge.Do("setOutbox", a.Outbox.Address, true), nil)

	a.Sys = a.Above.put(arbSys, "ours/Arbitrum.sol/ArbSysStandIn")
	a.Retryables = a.Above.put(arbRetryableTx, "ours/Arbitrum.sol/ArbRetryableTxStandIn")
	a.Above.NodeInterface()
}

// proxied is a contract behind a proxy, which the administrator has and so cannot use.
func (b *Bed) proxied(path string, args ...any) Contract {
	b.t.Helper()
	code, proxy := b.Deploy(path, args...), b.Deploy(optimism+"Proxy.sol/Proxy.json", b.Admin().Address)
	b.Send(b.Admin(), proxy, "upgradeTo", code.Address)
	return code.At(proxy.Address)
}

// gateways are the token bridge.
func (a *Arbitrum) gateways() {
	b, u := a.Below, a.Above
	b.t.Helper()
	deploy := func(bed *Bed, path string, args ...any) Contract {
		return bed.Deploy(tokenBridge+path+".json", args...)
	}
	a.Router, a.Gateway = deploy(b, "ethereum/gateway/L1GatewayRouter.sol/L1GatewayRouter"), deploy(b, "ethereum/gateway/L1ERC20Gateway.sol/L1ERC20Gateway")
	a.RouterAbove, a.GatewayAbove = deploy(u, "arbitrum/gateway/L2GatewayRouter.sol/L2GatewayRouter"), deploy(u, "arbitrum/gateway/L2ERC20Gateway.sol/L2ERC20Gateway")
	token := deploy(u, "arbitrum/StandardArbERC20.sol/StandardArbERC20")
	factory := deploy(u, "libraries/ClonableBeaconProxy.sol/BeaconProxyFactory")
	u.Send(u.Admin(), factory, "initialize", u.Deploy("ours/Arbitrum.sol/BeaconStandIn", token.Address).Address)
	hash := u.Ask(factory, "cloneableProxyHash")[0].([32]byte)

	b.Send(b.Admin(), a.Router, "initialize", b.Admin().Address, a.Gateway.Address, common.Address{}, a.RouterAbove.Address, a.Inbox.Address)
	b.Send(b.Admin(), a.Gateway, "initialize", a.GatewayAbove.Address, a.Router.Address, a.Inbox.Address, hash, factory.Address)
	u.Send(u.Admin(), a.RouterAbove, "initialize", a.Router.Address, a.GatewayAbove.Address)
	u.Send(u.Admin(), a.GatewayAbove, "initialize", a.Gateway.Address, a.RouterAbove.Address, factory.Address)
}

// Token above that stands for one below: the first that is sent over makes it. The whale sends one unit.
func (a *Arbitrum) Token(below Token) Token {
	b, whale := a.Below, a.Below.Whale()
	b.t.Helper()
	b.Mint(below, whale.Address, big.NewInt(1))
	b.Send(whale, below.Contract, "approve", a.Gateway.Address, big.NewInt(1))
	a.Deposit(whale, below, whale.Address, big.NewInt(1))
	a.Derive()
	at := a.Above.Ask(a.RouterAbove, "calculateL2TokenAddress", below.Address)[0].(common.Address)
	return Token{a.Above.artifactAt(tokenBridge+"arbitrum/StandardArbERC20.sol/StandardArbERC20.json", at), below.Symbol, below.Decimals}
}

// Register has the owner of the bridge make a token's own on the rollup known to the custom gateways and the routers of both sides. It has
// 18 decimals, and the token below must have as many.
func (a *Arbitrum) Register(below Token) Token {
	b, u := a.Below, a.Above
	b.t.Helper()
	if a.Custom.Address == (common.Address{}) {
		a.Custom, a.CustomAbove = b.Deploy(tokenBridge+"ethereum/gateway/L1CustomGateway.sol/L1CustomGateway.json"), u.Deploy(tokenBridge+"arbitrum/gateway/L2CustomGateway.sol/L2CustomGateway.json")
		b.Send(b.Admin(), a.Custom, "initialize", a.CustomAbove.Address, a.Router.Address, a.Inbox.Address, b.Admin().Address)
		u.Send(u.Admin(), a.CustomAbove, "initialize", a.Custom.Address, a.RouterAbove.Address)
	}
	token := u.Deploy(tokenBridge+"test/TestArbCustomToken.sol/TestArbCustomToken.json", a.CustomAbove.Address, below.Address)
	a.Makes(below, token.Address)
	a.Route(below, a.Custom.Address)
	return Token{token, "CARB", 18}
}

// Makes has the owner of the custom gateways say on both sides what becomes of a token on the rollup.
func (a *Arbitrum) Makes(below Token, above common.Address) {
	a.Below.t.Helper()
	a.ordered(a.Custom, "forceRegisterTokenToL2", []common.Address{below.Address}, []common.Address{above})
	a.Derive()
}

// Route has the owner of the routers name on both sides the gateway of a token.
func (a *Arbitrum) Route(below Token, gateway common.Address) {
	a.Below.t.Helper()
	a.ordered(a.Router, "setGateways", []common.Address{below.Address}, []common.Address{gateway})
	a.Derive()
}

// ordered is something that the owner decides below, and a ticket does above. It has far more than enough with it.
func (a *Arbitrum) ordered(of Contract, method string, tokens, with []common.Address) {
	b := a.Below
	b.t.Helper()
	cost, gas, bid := Units(1, 16), big.NewInt(1_000_000), big.NewInt(1e9)
	call := of.Do(method, tokens, with, gas, bid, cost)
	call.Value = new(big.Int).Add(cost, new(big.Int).Mul(gas, bid))
	b.Act(b.Admin(), call)
}

// WETH of both sides, and the gateway that carries its ether.
func (a *Arbitrum) WETH() (below, above Token) {
	b, u := a.Below, a.Above
	b.t.Helper()
	below = b.WETH()
	token := u.proxied(tokenBridge + "libraries/aeWETH.sol/aeWETH.json")
	a.WETHGateway, a.WETHGatewayAbove = b.Deploy(tokenBridge+"ethereum/gateway/L1WethGateway.sol/L1WethGateway.json"), u.Deploy(tokenBridge+"arbitrum/gateway/L2WethGateway.sol/L2WethGateway.json")
	u.Send(u.Whale(), token, "initialize", "WETH", "WETH", uint8(18), a.WETHGatewayAbove.Address, below.Address)
	b.Send(b.Admin(), a.WETHGateway, "initialize", a.WETHGatewayAbove.Address, a.Router.Address, a.Inbox.Address, below.Address, token.Address)
	u.Send(u.Admin(), a.WETHGatewayAbove, "initialize", a.WETHGateway.Address, a.RouterAbove.Address, below.Address, token.Address)
	a.Route(below, a.WETHGateway.Address)
	return below, Token{token, "WETH", 18}
}

// Deposit sends tokens to the rollup, from an account that has allowed the gateway to take them.
func (a *Arbitrum) Deposit(from Account, token Token, to common.Address, amount *big.Int) {
	b := a.Below
	b.t.Helper()
	b.Act(from, a.DepositOf(token, to, amount))
}

// DepositOf is the call that does so. It has far more than enough with it.
func (a *Arbitrum) DepositOf(token Token, to common.Address, amount *big.Int) Call {
	cost := Units(1, 16)
	data := append(append(common.BigToHash(cost).Bytes(), common.BigToHash(big.NewInt(64)).Bytes()...), make([]byte, 32)...)
	call := a.Router.Do("outboundTransferCustomRefund", token.Address, to, to, amount, big.NewInt(2_000_000), big.NewInt(1e9), data)
	call.Value = new(big.Int).Add(cost, new(big.Int).Mul(big.NewInt(2_000_000), big.NewInt(1e9)))
	return call
}

// DepositCoins is the call that sends ether to the rollup.
func (a *Arbitrum) DepositCoins(to common.Address, amount *big.Int) Call {
	cost := Units(1, 16)
	call := a.Inbox.Do("createRetryableTicket", to, amount, cost, to, to, big.NewInt(100_000), big.NewInt(1e9), []byte{})
	call.Value = new(big.Int).Add(new(big.Int).Add(amount, cost), new(big.Int).Mul(big.NewInt(100_000), big.NewInt(1e9)))
	return call
}

// Derive has the sequencer take in the tickets that were made below since: each is created, and tried at once when it bids enough for gas.
func (a *Arbitrum) Derive() {
	b := a.Below
	b.t.Helper()
	head := b.Head()
	logs, err := b.Client.FilterLogs(b.ctx(), filterOf(a.taken+1, head, a.Bridge.Address, a.Bridge.ABI.Events["MessageDelivered"].ID))
	b.must("read the messages", err)
	a.taken = head
	for _, l := range logs {
		said, err := a.Bridge.ABI.Events["MessageDelivered"].Inputs.NonIndexed().Unpack(l.Data)
		b.must("read a message", err)
		if said[1].(uint8) == retryableTx {
			a.create(l.Topics[1], said[2].(common.Address), said[4].(*big.Int), a.message(l))
		}
	}
}

// message that the Inbox tells of beside what the Bridge does.
func (a *Arbitrum) message(l types.Log) []byte {
	b := a.Below
	b.t.Helper()
	q := filterOf(l.BlockNumber, l.BlockNumber, a.Inbox.Address, a.Inbox.ABI.Events["InboxMessageDelivered"].ID)
	q.Topics = append(q.Topics, []common.Hash{l.Topics[1]})
	found, err := b.Client.FilterLogs(b.ctx(), q)
	b.must("read what a message says", err)
	data, err := a.Inbox.ABI.Events["InboxMessageDelivered"].Inputs.NonIndexed().Unpack(found[0].Data)
	b.must("read what a message says", err)
	return data[0].([]byte)
}

// create puts a ticket in: nine numbers, and the data of its call.
func (a *Arbitrum) create(number common.Hash, from common.Address, baseFee *big.Int, message []byte) {
	u := a.Above
	u.t.Helper()
	word := func(i int) *big.Int { return new(big.Int).SetBytes(message[32*i : 32*i+32]) }
	address := func(i int) common.Address { return common.BytesToAddress(message[32*i : 32*i+32]) }
	to, value, deposit, cost, refund, beneficiary, gas, bid := address(0), word(1), word(2), word(3), address(4), address(5), word(6), word(7)
	t := ticket{from, to, value, message[9*32:]}
	content, err := rlp.EncodeToBytes([]any{u.ChainID, number, from, baseFee, deposit, bid, gas, to, value, beneficiary, cost, refund, t.data})
	u.must("write the ticket", err)
	id := crypto.Keccak256Hash([]byte{submitPrefix}, content)
	a.tickets[id] = t
	tried := gas.Sign() > 0 && bid.Cmp(big.NewInt(a.Prices)) >= 0
	made := u.Send(u.Admin(), a.Retryables, "create", id, beneficiary, tried, gas.Uint64())
	used := uint64(0)
	if tried {
		used = a.try(id, made, gas.Uint64())
	}
	// What was paid and not used comes back: the ticket's price by the base fee below, and the gas.
	fee := a.Below.Number(a.Inbox, "calculateRetryableSubmissionFee", big.NewInt(int64(len(t.data))), baseFee)
	rest := new(big.Int).Sub(new(big.Int).Sub(deposit, value), fee)
	a.give(refund, rest.Sub(rest, new(big.Int).Mul(new(big.Int).SetUint64(used), big.NewInt(a.Prices))))
	a.know(id, made.TxHash)
}

// give adds coins to a balance.
func (a *Arbitrum) give(to common.Address, amount *big.Int) {
	u := a.Above
	u.t.Helper()
	has, err := u.Client.BalanceAt(u.ctx(), to, nil)
	u.must("read a balance", err)
	u.rpc(nil, "anvil_setBalance", to, hexutil.EncodeBig(has.Add(has, amount)))
}

// scheduled is what ArbRetryableTx tells of an attempt.
const scheduled = "RedeemScheduled"

// try carries out the attempt that a receipt tells of, in the name of the ticket's sender.
func (a *Arbitrum) try(id common.Hash, r *types.Receipt, gas uint64) (used uint64) {
	u, t := a.Above, a.tickets[id]
	u.t.Helper()
	l, _ := a.Retryables.Event(r, scheduled)
	out := u.deposit(t.from, Call{To: t.to, Value: t.value, Data: t.data}, t.value, gas)
	if out.Status == types.ReceiptStatusSuccessful {
		u.Send(u.Admin(), a.Retryables, "close", id)
	}
	a.know(l.Topics[2], out.TxHash)
	return out.GasUsed
}

// Redeem carries out what was scheduled above since by others than the sequencer, with the gas that they gave.
func (a *Arbitrum) Redeem() {
	u := a.Above
	u.t.Helper()
	head := u.Head()
	logs, err := u.Client.FilterLogs(u.ctx(), filterOf(a.redeems+1, head, arbRetryableTx, a.Retryables.ABI.Events[scheduled].ID))
	u.must("read what was scheduled", err)
	a.redeems = head
	for _, l := range logs {
		gas := new(big.Int).SetBytes(l.Data[:32]).Uint64()
		a.mu.Lock()
		_, done := a.known[l.Topics[2]]
		a.mu.Unlock()
		if !done {
			a.try(l.Topics[1], u.receipt(l.TxHash, "what was scheduled"), gas)
		}
	}
}

// know a transaction of anvil's by the hash that it has on the rollup.
func (a *Arbitrum) know(hash, anvils common.Hash) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known[hash] = anvils
}

// answers of a node of Arbitrum's where anvil has none: receipts of the sequencer's transactions, and headers that say what has left.
func (a *Arbitrum) answers(method string, params, result json.RawMessage) json.RawMessage {
	if method != "eth_getTransactionReceipt" && method != "eth_getBlockByHash" || string(result) != "null" {
		return result
	}
	var asked []json.RawMessage
	var hash common.Hash
	if json.Unmarshal(params, &asked) != nil || len(asked) == 0 || json.Unmarshal(asked[0], &hash) != nil {
		return result
	}
	a.mu.Lock()
	header, anvils := a.headers[hash], a.known[hash]
	a.mu.Unlock()
	if method == "eth_getBlockByHash" && header != nil {
		return header
	}
	if anvils == (common.Hash{}) || method != "eth_getTransactionReceipt" {
		return result
	}
	r, err := a.Above.Client.TransactionReceipt(a.Above.ctx(), anvils)
	if err != nil {
		return result
	}
	r.TxHash = hash
	for _, l := range r.Logs {
		l.TxHash = hash
	}
	return encode(r)
}

// Confirm has the validators confirm below all that has left until now. The header of the block says how much that is, and the root of the tree
// of it, as the headers of Nitro do: the root is the extra data, and the count the first eight bytes of the mix digest.
func (a *Arbitrum) Confirm() {
	u, b := a.Above, a.Below
	b.t.Helper()
	h, err := u.Client.HeaderByNumber(u.ctx(), nil)
	u.must("read the head", err)
	count := u.Number(a.Sys, "count")
	root := u.Ask(a.Sys, "proof", count.Uint64(), uint64(0))[1].([32]byte)
	h.Extra, h.Difficulty, h.MixDigest = root[:], big.NewInt(1), common.Hash{}
	binary.BigEndian.PutUint64(h.MixDigest[:], count.Uint64())
	a.mu.Lock()
	a.headers[h.Hash()] = encode(h)
	a.mu.Unlock()
	b.Send(b.Accounts[8], a.Rollup, "confirm", root, h.Hash())
}

// ConfirmTakes is how long validators have to challenge before they confirm, as on the main chain.
const ConfirmTakes = 45818 * 12 * time.Second
