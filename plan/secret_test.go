package plan

import (
	"strconv"
	"strings"
	"testing"

	"github.com/tyler-smith/go-bip39/wordlists"
)

// The seed phrases are the test vectors of BIP-39 (github.com/trezor/python-mnemonic, vectors.json); the keys are
// those of Bitcoin's and Ethereum's documentation. All of them are public and guard nothing.
const (
	phrase12 = "legal winner thank year wave sausage worth useful legal winner thank yellow"
	phrase15 = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon address"
	phrase18 = "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid letter always"
	phrase24 = "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis maple dilemma loan word shrug inflict delay length"
	hexKey   = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318" // the web3.js documentation
	wif      = "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ"              // the Bitcoin wiki, "Wallet import format"
	wifShort = "KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617"
	xprv     = "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi" // BIP-32, vector 1
)

func TestSecretsAreFound(t *testing.T) {
	words := strings.Fields(phrase12)
	numbered, listed, keyed := "", "", ""
	for i, w := range words {
		numbered += " " + strconv.Itoa(i+1) + ". " + w
		listed += "  - " + w + "\n"
		keyed += "w" + strconv.Itoa(i+1) + ": " + w + "\n"
	}
	for name, c := range map[string]struct{ text, what string }{
		"12 words":           {"seed: " + phrase12, "seed phrase"},
		"15 words":           {phrase15, "seed phrase"},
		"18 words":           {phrase18, "seed phrase"},
		"24 words":           {phrase24, "seed phrase"},
		"capitals":           {strings.ToUpper(phrase12), "seed phrase"},
		"after other words":  {"my seed phrase " + phrase12, "seed phrase"},
		"in a comment":       {"a: 1 # " + phrase12 + "\n", "seed phrase"},
		"comment lines":      {"# legal winner thank year wave sausage\n# worth useful legal winner thank yellow\n", "seed phrase"},
		"quoted and commas":  {`["` + strings.Join(words, `", "`) + `"]`, "seed phrase"},
		"escaped lines":      {`{"a": "` + strings.Join(words, `\n`) + `"}`, "seed phrase"},
		"numbered":           {numbered, "seed phrase"},
		"a list":             {listed, "seed phrase"},
		"one to a key":       {keyed, "seed phrase"},
		"Windows lines":      {strings.ReplaceAll(phrase12, " ", "\r\n"), "seed phrase"},
		"hex":                {"key: " + hexKey, "64 hex"},
		"hex with 0x":        {"key: 0x" + strings.ToUpper(hexKey), "64 hex"},
		"hex in a list":      {"keys:\n  - " + hexKey + "\n", "64 hex"},
		"called root":        {"wallet root: " + hexKey, "64 hex"},
		"WIF":                {"x: " + wif, "WIF"},
		"WIF, compressed":    {"x: " + wifShort, "WIF"},
		"extended":           {"x: " + xprv, "extended"},
		"PEM":                {"-----BEGIN EC PRIVATE KEY-----\nMHQ=\n", "PEM"},
		"PGP":                {"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "PEM"},
		"keystore":           {`{"crypto":{"cipher":"aes-128-ctr","ciphertext":"d172","kdf":"scrypt"}}`, "keystore"},
		"keystore of old":    {`{"Crypto":{"CipherText":"d172","KDF":"scrypt"}}`, "keystore"},
		"accents as one":     {"ábaco ábaco ábaco ábaco ábaco ábaco ábaco ábaco ábaco ábaco ábaco abierto", "seed phrase"},
		"Chinese, separated": {strings.Repeat(wordlists.ChineseSimplified[0]+" ", 11) + wordlists.ChineseSimplified[3], "seed phrase"},
		"Japanese":           {strings.Repeat(wordlists.Japanese[0]+"\u3000", 11) + wordlists.Japanese[3], "seed phrase"},
	} {
		found := secretsIn(c.text)
		if len(found) != 1 || !strings.Contains(found[0].what, c.what) {
			t.Errorf("%s: found %v", name, found)
		}
	}
}

func TestNoSecrets(t *testing.T) {
	for name, text := range map[string]string{
		"wrong checksum":         strings.Replace(phrase12, "yellow", "zoo", 1),
		"eleven words":           strings.TrimSuffix(phrase12, " yellow"),
		"a word of another list": strings.Replace(phrase12, "wave", "naïve", 1),
		"a transaction":          "tx: 0x" + hexKey,
		"a block's hash":         `"block_hash": "0x` + hexKey + `"`,
		"digests in a list":      "sha256:\n  - " + hexKey + "\n  - " + hexKey,
		"longer than a key":      "x: " + hexKey + "00",
		"no key of the curve":    "x: " + strings.Repeat("f", 64),
		"zero":                   "x: " + strings.Repeat("0", 64),
		"WIF, one letter off":    strings.Replace(wif, "8rM", "8rN", 1),
		"a public key":           "-----BEGIN PUBLIC KEY-----",
		"an address":             "0x52908400098527886E0F7030069857D2E4169EE7",
		"a class called crypto":  "weights: {crypto: 20%, cash: 80%}",
		"keys of a plan":         "check: {market: open}\norder: {symbol: cash}\nwait: {until: close}\nname: cash\nclass: cash\n",
	} {
		if found := secretsIn(text); len(found) != 0 {
			t.Errorf("%s: found %v", name, found)
		}
	}
}
