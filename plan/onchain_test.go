package plan

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func onchain(t *testing.T) *Plan {
	t.Helper()
	p, _, err := Load("testdata/onchain")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLoadsWhatIsOnChain(t *testing.T) {
	p := onchain(t)
	content, _ := json.MarshalIndent(p, "", "  ")
	golden(t, "testdata/onchain.golden", string(content)+"\n")
	text, err := os.ReadFile("testdata/onchain/plan.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := compileSchema(t).Validate(asJSON(t, string(text))); err != nil {
		t.Error(err)
	}
	var again Plan
	if err := json.Unmarshal(content, &again); err != nil || again.Hash() != p.Hash() {
		t.Errorf("what was written reads back as something else: %v", err)
	}
}

// TestAddresses takes the examples of EIP-55 and mistypes each of their characters in turn.
func TestAddressesOnChain(t *testing.T) {
	for _, right := range []string{"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb"} {
		for _, spelt := range []string{right, strings.ToLower(right), "0x" + strings.ToUpper(right[2:])} {
			if got, err := parseAddress(spelt); err != nil || got != right {
				t.Errorf("%s became %s: %v", spelt, got, err)
			}
		}
		for i := 2; i < len(right); i++ {
			wrong := right[:i] + string("123456789a0bcdef"[strings.IndexByte("0123456789abcdef", strings.ToLower(right)[i])]) + right[i+1:]
			if got, err := parseAddress(wrong); err == nil && got != right {
				t.Errorf("%s, mistyped as %s, passes", right, wrong)
			}
		}
	}
	for _, wrong := range []string{"", "0x", "0x1234", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedd",
		"0xzaAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x0000000000000000000000000000000000000000", " 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"} {
		if got, err := parseAddress(wrong); err == nil {
			t.Errorf("%q became %s", wrong, got)
		}
	}
}

func TestGasPrices(t *testing.T) {
	for text, want := range map[string]GasPrice{"300 gwei": 300e9, "0.05 gwei": 5e7, "0.000000001gwei": 1, "1000000 gwei": gasMax} {
		got, err := ParseGasPrice(text)
		if err != nil || got != want {
			t.Errorf("%q is %d: %v", text, got, err)
		}
		if again, err := ParseGasPrice(got.String()); err != nil || again != got {
			t.Errorf("%s does not read back: %v", got, err)
		}
	}
	for _, wrong := range []string{"", "300", "300 wei", "0 gwei", "-1 gwei", "0.0000000001 gwei", "1000000.1 gwei", "3e2 gwei", "1 gwei gwei"} {
		if got, err := ParseGasPrice(wrong); err == nil {
			t.Errorf("%q is %s", wrong, got)
		}
	}
}

// TestNodesWithoutKeys wants no message to repeat what may be a key.
func TestNodesWithoutKeys(t *testing.T) {
	for _, c := range []struct {
		node string
		ok   bool
	}{
		{"https://rpc.example.org", true}, {"wss://rpc.example.org/ws", true}, {"http://127.0.0.1:8545", true}, {"ws://localhost:8546", true},
		{"https://rpc.example.org/v2/${NODE_KEY}", true}, {"https://rpc.example.org/?key=${NODE_KEY}", true}, {"env:NODE", true}, {"${NODE}", true}, {"file:node.url", true},
		{"age:node.age", true}, {"https://example.org/a-rather-long-path-of-words/rpc", true}, {"https://${USER}:${PASS}@rpc.example.org", true},
		{"https://rpc.example.org/v2/hunter2hunter2hunter2hunter2", false}, {"https://rpc.example.org/?apikey=hunter2hunter2hunter2hunter2", false},
		{"https://hunter2hunter2:hunter2hunter2@rpc.example.org", false}, {"http://hunter2hunter2.example.org", false}, {"hunter2hunter2hunter2", false}, {"ipc:hunter2hunter2", false},
	} {
		text := "portfolio: {name: A}\ndependencies:\n  - {name: Ethereum, kind: chain, chain: {nodes: [\"" + c.node + "\"]}}\n"
		_, _, err := loadText("a.yaml", text)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.node, err)
		}
		if err != nil {
			for _, f := range faultsOf(t, err) {
				if strings.Contains(f.String()+f.Text, "hunter2") {
					t.Errorf("%s is repeated: %s (%s)", c.node, f, f.Text)
				}
			}
		}
	}
}

// TestOwnersKeysAreRefused tries every place where somebody may think a key belongs.
func TestOwnersKeysAreRefused(t *testing.T) {
	const key = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
	const phrase = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
	for _, secret := range []string{key, "0x" + key, phrase} {
		for _, place := range []string{
			"people: [{name: A, wallets: [\"SECRET\"]}]",
			"accounts: [{name: a, kind: safe, chain: Ethereum, address: \"SECRET\"}]",
			"accounts: [{name: a, kind: safe, safe: {relayer: {kind: secret, secret: \"SECRET\", address: \"0x1111111111111111111111111111111111111111\"}}}]",
			"accounts: [{name: a, kind: safe, safe: {relayer: {kind: keystore, file: /a, passphrase: \"SECRET\", address: \"0x1111111111111111111111111111111111111111\"}}}]",
			"accounts: [{name: a, kind: safe, safe: {roles: {module: \"0x1111111111111111111111111111111111111111\", role: \"SECRET\"}}}]",
			"accounts: [{name: a, kind: safe, safe: {trusted: [\"SECRET\"]}}]",
			"dependencies: [{name: Ethereum, kind: chain, chain: {nodes: [\"https://rpc.example.org/SECRET\"]}}]",
			"dependencies: [{name: P, kind: protocol, contract: {adapter: lido, chain: Ethereum, address: \"SECRET\"}}]",
			"holdings: [{symbol: ETH, account: a, quantity: 1, class: crypto, token: \"SECRET\"}]",
		} {
			text := strings.ReplaceAll(place, "SECRET", secret)
			found := findSecrets([]file{{name: "a.yaml", text: []byte(text), plan: true}})
			if len(found) != 1 {
				t.Errorf("%s: %v", place, found)
			}
			for _, f := range found {
				if strings.Contains(f.String(), secret) {
					t.Errorf("%s: the secret is repeated", place)
				}
			}
		}
	}
}

func TestExitOrder(t *testing.T) {
	p := onchain(t)
	b, _ := p.Playbook("leave Lend")
	bot, err := p.ExitOrder(*b.Steps[0].Exit)
	if err != nil {
		t.Fatal(err)
	}
	if bot.ChainID != 1 || bot.Wallet != bot.Receiver || bot.Role != "exit" || bot.Module != "0x3333333333333333333333333333333333333333" ||
		bot.Contract.Address != "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2" || bot.Exchange != nil {
		t.Errorf("the bot's exit is %+v", bot)
	}
	if want := []Token{{"ETH", ""}, {"WETH", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"}, {"USDC", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"}}; !slices.Equal(bot.Tokens, want) {
		t.Errorf("the tokens are %v", bot.Tokens)
	}
	if got := slices.Sorted(maps.Values(bot.Known)); !slices.Equal(got, []string{"Lend", "Lend oracle", "Pool", "Pool router", "ether feed", "to Base"}) {
		t.Errorf("the contracts are %v", got)
	}
	dollars, err := p.ExitOrder(*b.Steps[2].Exit)
	if err != nil || dollars.Receiver != "0x5555555555555555555555555555555555555555" || dollars.Own[dollars.Receiver] != "cold" || dollars.Exchange.Addresses["router"] == "" {
		t.Errorf("the swap is %+v: %v", dollars, err)
	}
	var back ExitOrder
	content, _ := json.Marshal(dollars)
	if err := json.Unmarshal(content, &back); err != nil || string(canonical(back)) != string(content) {
		t.Errorf("it reads back as %+v: %v", back, err)
	}
	p.Accounts[slices.IndexFunc(p.Accounts, func(a Account) bool { return a.Name == "cold" })].Chain = ""
	if _, err := p.ExitOrder(*b.Steps[2].Exit); err == nil {
		t.Error("an account that has left the chain still receives")
	}
}

func TestWallets(t *testing.T) {
	p := onchain(t)
	if got := p.Wallets("Dan"); !slices.Equal(got, []common.Address{common.HexToAddress("0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae")}) || len(p.Wallets("nobody")) > 0 {
		t.Errorf("Dan signs with %v", got)
	}
}
