package address

import (
	"encoding/hex"
	"strings"
	"testing"

	btcd "github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/txscript/v2"
)

// The addresses with their scripts are those of BIP 350; the others are of each old form.
func TestBitcoin(t *testing.T) {
	for _, c := range []struct{ text, network, script string }{
		{"BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "mainnet", "0014751e76e8199196d454941c45d1b3a323f1433bd6"},
		{"tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7", "testnet3", "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262"},
		{"bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y", "mainnet", ""},
		{"BC1SW50QGDZ25J", "mainnet", "6002751e"},
		{"bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "mainnet", "5210751e76e8199196d454941c45d1b3a323"},
		{"tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy", "testnet4", "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433"},
		{"tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c", "signet", "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433"},
		{"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", "mainnet", "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"},
		{"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "mainnet", "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac"},
		{"3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "mainnet", "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87"},
		{"mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "regtest", "76a914243f1394f44554f4ce3fd68649c19adc483ce92488ac"},
		{"2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc", "testnet3", "a9144e9f39ca4688ff102128ea4ccda34105324305b087"},
	} {
		a, err := ParseBitcoin(c.text)
		if c.script == "" { // once valid, and no form that anything pays to since taproot
			if err == nil {
				t.Errorf("%s passes", c.text)
			}
			continue
		}
		if err != nil || a.Script != c.script || !a.On(Network(c.network)) || CheckBitcoin(c.text, Network(c.network)) != nil {
			t.Errorf("%s: %+v, %v", c.text, a, err)
		}
	}
}

// What is wrong with a text is said; the last ones are the invalid addresses of BIP 350.
func TestNoBitcoin(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "there is no address"},
		{strings.Repeat("1", 200), "is not 200 characters long"},
		{"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "checksum is wrong"},
		{"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "checksum is wrong"},
		{"0x52908400098527886E0F7030069857D2E4169EE7", "neither"},
		{"cosmos1fl48vsnmsdzcv85q5d2q4z5ajdha8yu34mf0eh", "neither"},
		{"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kV8f3t4", "mixes capital and small letters"},
		{"LhyLNfBkoKshT7R8Pce6vkB9T2cP2o84hx", "no network of Bitcoin"},
		{"tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut", "neither"},
		{"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", "not the one of segwit version 1"},
		{"tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf", "not the one of segwit version 2"},
		{"BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL", "not the one of segwit version 16"},
		{"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "not the one of segwit version 0"},
		{"bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", "a character that no segwit address has"},
		{"BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", "no version of segwit"},
		{"bc1pw5dgrnzv", "holds 1 bytes"},
		{"BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "holds 16 bytes"},
		{"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf", "middle of a byte"},
		{"bc1gmk9yu", "no version of segwit"},
	} {
		if _, err := ParseBitcoin(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	if err := CheckBitcoin("tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c", Mainnet); err == nil || !strings.Contains(err.Error(), "it is an address of testnet3 or testnet4 or signet, not of mainnet") {
		t.Error(err)
	}
}

// Whatever is read as an address, btcd reads alike, and pays to the same script.
func FuzzBitcoin(f *testing.F) {
	for _, seed := range []string{"BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",
		"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", "bc1gmk9yu", "", "1", "bc1"} {
		f.Add(seed)
	}
	nets := map[Network]*chaincfg.Params{Mainnet: &chaincfg.MainNetParams, Testnet3: &chaincfg.TestNet3Params, Testnet4: &chaincfg.TestNet4Params,
		Signet: &chaincfg.SigNetParams, Regtest: &chaincfg.RegressionNetParams, Simnet: &chaincfg.SimNetParams}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseBitcoin(text)
		if err != nil {
			return
		}
		for _, n := range a.Networks {
			theirs, err := btcd.DecodeAddress(text, nets[n])
			if err != nil {
				continue // of a segwit version that btcd has no type for
			}
			script, err := txscript.PayToAddrScript(theirs)
			if err != nil || hex.EncodeToString(script) != a.Script {
				t.Errorf("%s: %x, %s (%v)", text, script, a.Script, err)
			}
		}
	})
}
