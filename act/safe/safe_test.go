package safe

import (
	"crypto/ecdsa"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"lifeboat/chain/contract"
)

var (
	ours    = common.HexToAddress("0x5afe00000000000000000000000000000000A11c")
	usdc    = common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
	pool    = common.HexToAddress("0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2")
	friend  = common.HexToAddress("0x00000000000000000000000000000000000000f1")
	evil    = common.HexToAddress("0x96221423681A6d52E184D440a8eFCEbB105C7242")
	batcher = MultiSendFor("1.4.1").Address
)

func key(i int64) *ecdsa.PrivateKey {
	k, err := crypto.ToECDSA(common.LeftPadBytes(big.NewInt(i).Bytes(), 32))
	if err != nil {
		panic(err)
	}
	return k
}

func addressOf(i int64) common.Address { return crypto.PubkeyToAddress(key(i).PublicKey) }

// signed is what a wallet would give back.
func signed(i int64, hash common.Hash) []byte {
	b, err := crypto.Sign(hash[:], key(i))
	if err != nil {
		panic(err)
	}
	b[64] += 27
	return b
}

func typedBy(i int64, hash common.Hash) Signature {
	return Signature{Typed, addressOf(i), signed(i, hash)}
}

func personalBy(i int64, hash common.Hash) Signature {
	b := signed(i, common.BytesToHash(accounts.TextHash(hash[:])))
	b[64] += 4
	return Signature{Personal, addressOf(i), b}
}

// TestHashIsThatOfAnotherHand compares with go-ethereum's implementation of EIP-712, of the value and of what a wallet is given.
func TestHashIsThatOfAnotherHand(t *testing.T) {
	for name, tx := range map[string]Tx{
		"plain": {Chain: 1, Safe: ours, To: usdc, Data: contract.ERC20.Transfer.Pack(friend, big.NewInt(5))},
		"value": {Chain: 42161, Safe: ours, To: friend, Value: new(big.Int).Set(greatest), Nonce: 1<<64 - 1},
		"all of it": {Chain: 1<<53 - 1, Safe: ours, To: batcher, Data: make([]byte, 100), Operation: DelegateCall, Nonce: 7, SafeTxGas: big.NewInt(1), BaseGas: big.NewInt(2),
			GasPrice: big.NewInt(3), GasToken: usdc, RefundReceiver: friend},
	} {
		hash, _, err := apitypes.TypedDataAndHash(tx.TypedData())
		if err != nil || common.BytesToHash(hash) != tx.Hash() {
			t.Errorf("%s: ours is %s, theirs %x, %v", name, tx.Hash(), hash, err)
		}
		var payload apitypes.TypedData
		if err := json.Unmarshal(tx.Payload(), &payload); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if hash, _, err := apitypes.TypedDataAndHash(payload); err != nil || common.BytesToHash(hash) != tx.Hash() {
			t.Errorf("%s: a wallet would sign %x instead of %s, %v", name, hash, tx.Hash(), err)
		}
	}
}

// TestPayload shows exactly what goes to a wallet: a change here has to be tried with one.
func TestPayload(t *testing.T) {
	tx := Tx{Chain: 1, Safe: ours, To: friend, Value: big.NewInt(1e18), Nonce: 3}
	want := `{"types":{"EIP712Domain":[{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],` +
		`"SafeTx":[{"name":"to","type":"address"},{"name":"value","type":"uint256"},{"name":"data","type":"bytes"},{"name":"operation","type":"uint8"},` +
		`{"name":"safeTxGas","type":"uint256"},{"name":"baseGas","type":"uint256"},{"name":"gasPrice","type":"uint256"},{"name":"gasToken","type":"address"},` +
		`{"name":"refundReceiver","type":"address"},{"name":"nonce","type":"uint256"}]},"primaryType":"SafeTx",` +
		`"domain":{"chainId":1,"verifyingContract":"` + ours.Hex() + `"},` +
		`"message":{"baseGas":"0","data":"0x","gasPrice":"0","gasToken":"0x0000000000000000000000000000000000000000","nonce":"3","operation":"0",` +
		`"refundReceiver":"0x0000000000000000000000000000000000000000","safeTxGas":"0","to":"0x00000000000000000000000000000000000000f1","value":"1000000000000000000"}}`
	if got := string(tx.Payload()); got != want {
		t.Errorf("a wallet is given\n%s\nwant\n%s", got, want)
	}
}

// TestHashCoversEverything changes one field after the other.
func TestHashCoversEverything(t *testing.T) {
	tx := Tx{Chain: 1, Safe: ours, To: friend}
	seen := map[common.Hash]string{tx.Hash(): "nothing"}
	for name, change := range map[string]func(*Tx){
		"chain": func(t *Tx) { t.Chain = 2 }, "safe": func(t *Tx) { t.Safe = usdc }, "to": func(t *Tx) { t.To = usdc }, "value": func(t *Tx) { t.Value = big.NewInt(1) },
		"data": func(t *Tx) { t.Data = []byte{0} }, "operation": func(t *Tx) { t.Operation = 1 }, "nonce": func(t *Tx) { t.Nonce = 1 }, "safeTxGas": func(t *Tx) { t.SafeTxGas = big.NewInt(1) },
		"baseGas": func(t *Tx) { t.BaseGas = big.NewInt(1) }, "gasPrice": func(t *Tx) { t.GasPrice = big.NewInt(1) }, "gasToken": func(t *Tx) { t.GasToken = usdc }, "refundReceiver": func(t *Tx) { t.RefundReceiver = usdc },
	} {
		other := tx
		change(&other)
		if same, twice := seen[other.Hash()]; twice {
			t.Errorf("%s and %s give one hash", name, same)
		}
		seen[other.Hash()] = name
	}
}

func TestCheck(t *testing.T) {
	approve := Step{To: usdc, Data: contract.ERC20.Approve.Pack(pool, greatest)}
	repay := Step{To: pool, Data: contract.AavePool.Repay.Pack(usdc, greatest, big.NewInt(2), ours)}
	batch := func(to common.Address, steps ...Step) Tx {
		return Tx{Chain: 1, Safe: ours, To: to, Operation: DelegateCall, Data: PackBatch(steps)}
	}
	call := func(to common.Address, data []byte) Tx { return Tx{Chain: 1, Safe: ours, To: to, Data: data} }
	with := func(tx Tx, change func(*Tx)) Tx { change(&tx); return tx }
	newOwner := addOwner.Pack(evil, big.NewInt(1))
	for _, c := range []struct {
		name  string
		tx    Tx
		rules Rules
		want  string // "" passes
	}{
		{"a call", call(usdc, approve.Data), Rules{}, ""},
		{"coins", with(call(friend, nil), func(t *Tx) { t.Value = big.NewInt(1) }), Rules{}, ""},
		{"a batch", batch(batcher, approve, repay), Rules{}, ""},
		{"a batch by the contract of an older Safe", batch(MultiSendFor("1.3.0").Address, approve, repay), Rules{}, ""},
		{"a cancellation", call(ours, nil), Rules{}, ""},
		{"a batch by a trusted contract", batch(friend, approve, repay), Rules{Trusted: []common.Address{friend}}, ""},
		{"an owner's place, asked for", call(ours, swapOwner.Pack(sentinel, pool, friend)), Rules{Owner: pool, Spare: friend}, ""},
		{"a module less, asked for", call(ours, disableModule.Pack(sentinel, pool)), Rules{Module: pool}, ""},
		{"both, asked for", batch(batcher, Step{To: ours, Data: swapOwner.Pack(sentinel, pool, friend)}, Step{To: ours, Data: disableModule.Pack(sentinel, pool)}), Rules{Owner: pool, Spare: friend, Module: pool}, ""},
		{"an owner's place for somebody else", call(ours, swapOwner.Pack(sentinel, pool, evil)), Rules{Owner: pool, Spare: friend}, "not asked for"},
		{"another owner's place", call(ours, swapOwner.Pack(sentinel, usdc, friend)), Rules{Owner: pool, Spare: friend}, "not asked for"},
		{"an owner's place with coins", with(call(ours, swapOwner.Pack(sentinel, pool, friend)), func(t *Tx) { t.Value = big.NewInt(1) }), Rules{Owner: pool, Spare: friend}, "not asked for"},
		{"an owner's place, nothing asked for", call(ours, swapOwner.Pack(sentinel, common.Address{}, common.Address{})), Rules{}, "not asked for"},
		{"another module less", call(ours, disableModule.Pack(sentinel, usdc)), Rules{Module: pool}, "not asked for"},
		{"a module less, nothing asked for", call(ours, disableModule.Pack(sentinel, common.Address{})), Rules{}, "not asked for"},
		{"an owner more", call(ours, newOwner), Rules{Owner: pool, Spare: evil}, "not asked for"},
		{"an owner less", call(ours, removeOwner.Pack(sentinel, pool, big.NewInt(1))), Rules{Owner: pool, Spare: friend}, "not asked for"},
		{"a module more", call(ours, enableModule.Pack(pool)), Rules{Module: pool}, "not asked for"},

		{"Bybit", with(call(evil, contract.ERC20.Transfer.Pack(friend, new(big.Int))), func(t *Tx) { t.Operation = 1 }), Rules{}, "would replace the Safe's code"},
		{"strange code", with(call(evil, []byte{1, 2, 3, 4}), func(t *Tx) { t.Operation = 1 }), Rules{}, "would run as the Safe itself"},
		{"strange code with a batch", batch(evil, approve), Rules{}, "would run as the Safe itself"},
		{"the mixed MultiSend", batch(mixedMultiSends[0].Address, approve), Rules{}, "use MultiSendCallOnly"},
		{"no batch", with(call(batcher, approve.Data), func(t *Tx) { t.Operation = 1 }), Rules{}, "is no batch"},
		{"a delegate call in a batch", batch(batcher, approve, Step{Operation: DelegateCall, To: evil, Data: []byte{1, 2, 3, 4}}), Rules{}, "call 2 of the batch: it is a delegate call"},
		{"a delegate call in a batch by a trusted contract", batch(friend, Step{Operation: DelegateCall, To: evil}), Rules{Trusted: []common.Address{friend}}, "call 1 of the batch: it is a delegate call"},
		{"a batch in a batch", batch(batcher, Step{To: batcher, Data: PackBatch([]Step{approve})}), Rules{}, "a batch inside a batch"},
		{"a batch that is called", call(batcher, PackBatch([]Step{approve})), Rules{}, "in the name of"},
		{"a value with a delegate call", with(batch(batcher, approve), func(t *Tx) { t.Value = big.NewInt(1) }), Rules{}, "with a value"},
		{"a batch that is cut", with(batch(batcher, approve), func(t *Tx) { t.Data = t.Data[:len(t.Data)-40] }), Rules{}, "no batch"},
		{"an owner", call(ours, newOwner), Rules{}, "an owner of the Safe and 1 the threshold"},
		{"an owner in a batch", batch(batcher, approve, Step{To: ours, Data: newOwner}), Rules{}, "call 2 of the batch: it would change the Safe itself"},
		{"a module", call(ours, enableModule.Pack(evil)), Rules{}, "let the module"},
		{"a guard", call(ours, setGuard.Pack(evil)), Rules{}, "which can stop every transaction"},
		{"a handler", call(ours, setFallback.Pack(evil)), Rules{}, "answer for the Safe"},
		{"a threshold", call(ours, changeThreshold.Pack(big.NewInt(1))), Rules{}, "make 1 the Safe's threshold"},
		{"an owner with something behind it", call(ours, append(newOwner, 0)), Rules{}, "not understood"},
		{"an owner's place with something behind it", call(ours, append(swapOwner.Pack(sentinel, pool, friend), 0)), Rules{Owner: pool, Spare: friend}, "not understood"},
		{"an unknown call of itself", call(ours, []byte{1, 2, 3, 4}), Rules{Owner: pool, Spare: friend}, "not understood"},
		{"coins into nothing", with(call(common.Address{}, nil), func(t *Tx) { t.Value = big.NewInt(1) }), Rules{}, "zero address"},
		{"half a selector", call(usdc, []byte{1, 2}), Rules{}, "too few"},

		{"gasPrice", with(call(usdc, approve.Data), func(t *Tx) { t.GasPrice = big.NewInt(9) }), Rules{}, "gasPrice is 9 and has to be 0"},
		{"baseGas", with(call(usdc, approve.Data), func(t *Tx) { t.BaseGas = big.NewInt(9) }), Rules{}, "baseGas is 9"},
		{"safeTxGas", with(call(usdc, approve.Data), func(t *Tx) { t.SafeTxGas = big.NewInt(9) }), Rules{}, "safeTxGas is 9"},
		{"gasToken", with(call(usdc, approve.Data), func(t *Tx) { t.GasToken = usdc }), Rules{}, "gasToken is"},
		{"refundReceiver", with(call(usdc, approve.Data), func(t *Tx) { t.RefundReceiver = evil }), Rules{}, "refundReceiver is"},

		{"no chain", Tx{Safe: ours, To: usdc}, Rules{}, "names no chain"},
		{"no Safe", Tx{Chain: 1, To: usdc}, Rules{}, "names no Safe"},
		{"another operation", Tx{Chain: 1, Safe: ours, Operation: 2}, Rules{}, "neither a call"},
		{"less than nothing", Tx{Chain: 1, Safe: ours, Value: big.NewInt(-1)}, Rules{}, "256 bits"},
	} {
		err := c.tx.Check(c.rules)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s was refused: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want a refusal with %q", c.name, err, c.want)
		}
	}
}

func TestBatch(t *testing.T) {
	tx := Tx{Chain: 1, Safe: ours, Nonce: 9}
	one, err := tx.Batch(batcher, Step{To: friend, Value: big.NewInt(3), Data: []byte{1, 2, 3, 4}})
	if err != nil || one.Operation != Call || one.To != friend || one.Value.Int64() != 3 || one.Nonce != 9 {
		t.Errorf("one call alone became %+v, %v", one, err)
	}
	steps := []Step{{To: friend, Value: big.NewInt(3), Data: []byte{}}, {To: usdc, Value: new(big.Int), Data: []byte{1, 2, 3, 4, 5}}}
	two, err := tx.Batch(batcher, steps...)
	if err != nil || two.Operation != DelegateCall || two.To != batcher {
		t.Fatalf("two calls became %+v, %v", two, err)
	}
	back, err := two.Steps()
	if err != nil || len(back) != 2 || back[0].To != friend || back[0].Value.Int64() != 3 || string(back[1].Data) != "\x01\x02\x03\x04\x05" {
		t.Errorf("it reads back as %+v, %v", back, err)
	}
	if _, err := tx.Batch(batcher); err == nil {
		t.Error("nothing became a batch")
	}
	if _, err := tx.Batch(batcher, Step{Operation: DelegateCall}); err == nil {
		t.Error("a delegate call went into a batch")
	}
}

func FuzzBatch(f *testing.F) {
	f.Add(PackBatch([]Step{{To: friend, Value: big.NewInt(3), Data: []byte{1}}}))
	f.Add(PackBatch([]Step{{Operation: 1, To: friend}, {To: usdc, Data: make([]byte, 70)}}))
	f.Add(multiSend.Pack(append(make([]byte, 53), common.LeftPadBytes(greatest.Bytes(), 32)...)))
	f.Fuzz(func(t *testing.T, data []byte) {
		steps, err := UnpackBatch(data)
		if err == nil && string(PackBatch(steps)) != string(data) {
			t.Errorf("%x was taken for another batch", data)
		}
		tx := Tx{Chain: 1, Safe: ours, To: batcher, Operation: DelegateCall, Data: data}
		if checked := tx.Check(Rules{}); checked == nil && err != nil {
			t.Errorf("%x passes and is no batch", data)
		}
		for _, line := range tx.Words(Names{}) {
			if line == "" {
				t.Error("a line says nothing")
			}
		}
	})
}

func TestWords(t *testing.T) {
	names := Names{
		Address: func(a common.Address) string {
			return map[common.Address]string{ours: "treasury", pool: "Aave", friend: "cold safe", usdc: "USDC"}[a]
		},
		Token: func(a common.Address) (string, uint8, bool) {
			if a == usdc {
				return "USDC", 6, true
			}
			return "ETH", 18, a == common.Address{}
		},
	}
	const coldSafe, aave = "cold safe (0x00000000000000000000000000000000000000f1)", "Aave (0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2)"
	treasury, token := "treasury ("+ours.Hex()+")", "USDC ("+usdc.Hex()+")"
	role, _ := RoleKey("exit-bot")
	for _, c := range []struct {
		step Step
		want string
	}{
		{Step{To: friend, Value: big.NewInt(15e17)}, "send 1.5 ETH to " + coldSafe},
		{Step{To: usdc, Data: contract.ERC20.Transfer.Pack(friend, big.NewInt(1234567))}, token + ": transfer 1.234567 USDC to " + coldSafe},
		{Step{To: usdc, Data: contract.ERC20.Approve.Pack(pool, greatest)}, token + ": let " + aave + " take any amount of USDC"},
		{Step{To: evil, Data: contract.ERC20.Transfer.Pack(friend, big.NewInt(12))}, evil.Hex() + ": transfer 12 base units of " + evil.Hex() + " (a token that the plan does not know) to " + coldSafe},
		{Step{To: pool, Data: contract.AavePool.Withdraw.Pack(usdc, greatest, ours)}, aave + ": withdraw all USDC to " + treasury},
		{Step{To: pool, Data: contract.AavePool.Repay.Pack(usdc, big.NewInt(2e6), big.NewInt(2), ours)}, aave + ": repay 2 USDC of the debt of " + treasury},
		{Step{To: friend, Data: execWithRole.Pack(pool, new(big.Int), []byte{}, uint8(0), role, true)}, coldSafe + ": in the role exit-bot, operation 0, call " + aave + " with 0 wei and no data"},
		{Step{To: friend, Data: verbOf("swapExactTokensForETH").Pack(big.NewInt(5e6), big.NewInt(1e17), []common.Address{usdc, friend}, ours, big.NewInt(1780000000))},
			coldSafe + ": swap 5 USDC for at least 0.1 ETH to " + treasury + ", path " + token + " → " + coldSafe + ", until 2026-05-28 20:26:40 UTC"},
		{Step{To: friend, Data: contract.UniswapV3.Until.Pack(big.NewInt(1780000000), [][]byte{contract.UniswapV3.SwapExactSecond.Pack(usdc, pool, big.NewInt(500), ours, big.NewInt(5e6), big.NewInt(7), new(big.Int))})},
			coldSafe + ": swap 5 USDC for at least 7 base units of " + pool.Hex() + " (a token that the plan does not know) to " + treasury + ", in the pool whose fee is 500 millionths, until 2026-05-28 20:26:40 UTC"},
		{Step{To: pool, Data: contract.OPBridge.SendERC20.Pack(usdc, friend, ours, big.NewInt(5e6), uint32(200_000), []byte{})},
			aave + ": send 5 USDC over the bridge to " + ours.Hex() + " on the other chain, where it is the token " + friend.Hex() + ", with 200000 gas there and no data"},
		{Step{To: pool, Value: big.NewInt(1e18), Data: contract.OPBridge.SendETH.Pack(ours, uint32(200_000), []byte{})},
			aave + ": send what is sent with it over the bridge to " + ours.Hex() + " on the other chain, with 200000 gas there and no data, with 1 ETH"},
		{Step{To: pool, Value: big.NewInt(3e15), Data: contract.ArbRouter.Down.Pack(usdc, ours, friend, big.NewInt(5e6), big.NewInt(300_000), big.NewInt(1e8), contract.New("o() (uint256,bytes)").Returns(big.NewInt(1e15), []byte{}))},
			aave + ": send 5 USDC over the bridge to " + friend.Hex() + " on the other chain, with 300000 gas there at up to 100000000 wei and up to 0.001 ETH for the ticket, and no data; what is not used comes there to " + ours.Hex() + ", or to its alias if it is a contract here, with 0.003 ETH"},
		{Step{To: pool, Data: contract.ArbRouter.Down.Pack(usdc, ours, friend, big.NewInt(5e6), big.NewInt(300_000), big.NewInt(1e8), []byte{1})},
			aave + ": send 5 USDC over the bridge to " + friend.Hex() + " on the other chain, with 300000 gas there at up to 100000000 wei and data: 1 bytes, 0x01, Keccak-256 0x5fe7f977e71dba2ea1a68e21057beebb9be2ac30c6410aa38d4f3fbe41dcffd2; what is not used comes there to " + ours.Hex() + ", or to its alias if it is a contract here"},
		{Step{To: pool, Data: contract.ArbRouter.Up.Pack(usdc, ours, big.NewInt(5e6), []byte{})},
			aave + ": send 5000000 base units of what stands here for the token " + usdc.Hex() + " of the other chain over the bridge to " + ours.Hex() + " there, with no data"},
		{Step{To: pool, Value: big.NewInt(1e18), Data: contract.ArbCore.Ticket.Pack(friend, big.NewInt(5e17), big.NewInt(1e15), friend, ours, big.NewInt(100_000), big.NewInt(1e8), []byte{})},
			aave + ": send 0.5 ETH over the bridge to " + friend.Hex() + " on the other chain, with 100000 gas there at up to 100000000 wei, up to 0.001 ETH for the ticket and no data; what is not used comes there to " + friend.Hex() + ", and " + ours.Hex() + " may cancel it, or their aliases if they are contracts here, with 1 ETH"},
		{Step{To: friend, Value: big.NewInt(1), Data: []byte{1, 2, 3, 4}}, "call " + coldSafe + " with data that is not understood: 4 bytes, 0x01020304, Keccak-256 0xa6885b3731702da62e8e4a8f584ac46a7f6822f4e2ba50fba902f67b1588d23b, with 0.000000000000000001 ETH"},
	} {
		if got, _ := say(c.step, names); got != c.want {
			t.Errorf("it says\n%s\nwant\n%s", got, c.want)
		}
	}
	dirty := contract.ERC20.Transfer.Pack(friend, big.NewInt(1))
	dirty[4] = 1 // in the twelve bytes before the address
	if got, understood := say(Step{To: usdc, Data: dirty}, names); understood {
		t.Errorf("dirty bytes were passed over: %s", got)
	}
	for name, calls := range map[string][][]byte{"a call that nobody knows": {{1, 2, 3, 4}}, "a batch in a batch": {contract.UniswapV3.Until.Pack(big.NewInt(1), [][]byte{{1, 2, 3, 4}})}, "nothing": {}, "too short": {{1}}} {
		if got, understood := say(Step{To: friend, Data: contract.UniswapV3.Until.Pack(big.NewInt(1), calls)}, names); understood {
			t.Errorf("%s: %s", name, got)
		}
	}
	cancel := Tx{Chain: 1, Safe: ours, To: ours, Nonce: 4}
	if got := cancel.Words(names); len(got) != 1 || !strings.Contains(got[0], "use up nonce 4") {
		t.Errorf("a cancellation is %q", got)
	}
}

func verbOf(name string) *contract.Method {
	for _, v := range verbs {
		if v.method.Name() == name {
			return v.method
		}
	}
	panic(name)
}

// TestEveryVerbSpeaks packs each call of the table with values of its types and wants every hole of its sentence filled.
func TestEveryVerbSpeaks(t *testing.T) {
	for _, v := range verbs {
		signature := v.method.Signature()
		if strings.Contains(signature, "[]") || strings.Contains(signature, "bytes,") || strings.Contains(signature, "bytes)") {
			continue // what has no fixed size is not packed as zeros; TestWords has such calls
		}
		words := strings.Count(signature, ",") + 1
		if strings.Contains(signature, "()") {
			words = 0
		}
		selector := v.method.Selector()
		values, err := v.method.Values(append(selector[:], make([]byte, 32*words)...))
		if err != nil {
			t.Errorf("%s: %v", signature, err)
			continue
		}
		if got := v.say(Step{To: usdc, Value: new(big.Int)}, values, Names{}); strings.ContainsAny(got, "{}") {
			t.Errorf("%s: %s", signature, got)
		}
	}
}

func TestExplain(t *testing.T) {
	if s := conditionViolation.Selector(); hexutil.Encode(s[:]) != "0xd0a9bf58" {
		t.Errorf("ConditionViolation is %x", s)
	}
	gs := func(text string) []byte {
		return contract.New("Error(string)").Pack(text)
	}
	for _, c := range []struct {
		revert []byte
		want   string
	}{
		{gs("GS026"), "the Safe's nonce has moved on"},
		{gs("GS013"), "what the Safe was to do failed (GS013)"},
		{gs("no\x1b[2J\u202e way"), "a contract refused: no[2J way"},
		{conditionViolation.Pack(uint8(7), [32]byte{}), "an argument is not the one value that the role permits (ConditionViolation 7)"},
		{conditionViolation.Pack(uint8(17), [32]byte{'d', 'a', 'y'}), "used up (day)"},
		{conditionViolation.Pack(uint8(99), [32]byte{}), "not known here (ConditionViolation 99)"},
		{contract.New("NotAuthorized(address)").Pack(evil), evil.Hex() + " may use neither"},
		{contract.New("NoMembership()").Pack(), "does not have the role"},
		{[]byte{1, 2, 3, 4}, "0x01020304"},
		{nil, "without a reason"},
	} {
		if got := Explain(c.revert); !strings.Contains(got, c.want) {
			t.Errorf("%x is %q, want %q", c.revert, got, c.want)
		}
	}
}

func FuzzExplain(f *testing.F) {
	f.Add(conditionViolation.Pack(uint8(7), [32]byte{}))
	f.Add(contract.New("Error(string)").Pack("GS026"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if Explain(data) == "" {
			t.Error("it says nothing")
		}
	})
}
