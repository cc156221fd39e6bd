package bitcoin

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/btcsuite/btcd/address/v2/base58"
	"github.com/btcsuite/btcd/address/v2/bech32"
)

// Network is a chain of Bitcoin's kind, known by its first block.
type Network string

// The networks. Addresses of the test networks look alike, so that an address cannot tell them apart.
const (
	Mainnet  Network = "mainnet"
	Testnet3 Network = "testnet3"
	Testnet4 Network = "testnet4"
	Signet   Network = "signet"
	Regtest  Network = "regtest"
	Simnet   Network = "simnet"
)

// first blocks tell the networks apart, whatever a node calls itself.
var first = map[string]Network{
	"000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f": Mainnet,
	"000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943": Testnet3,
	"00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043": Testnet4,
	"00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6": Signet,
	"0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206": Regtest,
	"683e86bd5c6d110d91b94b97137ba6bfe02dbbdb8e3dff722a669b5d69d77af6": Simnet,
}

// Address is one that can be paid to.
type Address struct {
	Text     string
	Networks []Network // that an address of this form is for
	script   string    // that its outputs carry, in hexadecimal
}

// On reports that the address is one of this network.
func (a Address) On(network Network) bool {
	for _, n := range a.Networks {
		if n == network {
			return true
		}
	}
	return false
}

// forms of base58 addresses by their first byte.
var forms = map[byte]struct {
	networks      []Network
	before, after string // of the hash, in the script
}{
	0x00: {[]Network{Mainnet}, "76a914", "88ac"},
	0x05: {[]Network{Mainnet}, "a914", "87"},
	0x6f: {[]Network{Testnet3, Testnet4, Signet, Regtest}, "76a914", "88ac"},
	0xc4: {[]Network{Testnet3, Testnet4, Signet, Regtest}, "a914", "87"},
	0x3f: {[]Network{Simnet}, "76a914", "88ac"},
	0x7b: {[]Network{Simnet}, "a914", "87"},
}

// prefixes of segwit addresses.
var prefixes = map[string][]Network{
	"bc": {Mainnet}, "tb": {Testnet3, Testnet4, Signet}, "bcrt": {Regtest}, "sb": {Simnet},
}

// textMax is longer than any address of Bitcoin.
const textMax = 100

// ParseAddress reads an address: of the old forms (base58check) or a segwit one (bech32, BIP 173; bech32m, BIP 350). The error
// says what is wrong with the text.
func ParseAddress(text string) (Address, error) {
	switch {
	case text == "":
		return Address{}, errors.New("there is no address")
	case len(text) > textMax:
		return Address{}, fmt.Errorf("an address of Bitcoin is not %d characters long", len(text))
	}
	if at := strings.LastIndexByte(text, '1'); at > 0 {
		if networks, ok := prefixes[strings.ToLower(text[:at])]; ok {
			return segwit(text, networks)
		}
	}
	return old(text)
}

func old(text string) (Address, error) {
	hash, version, err := base58.CheckDecode(text)
	switch {
	case errors.Is(err, base58.ErrChecksum):
		return Address{}, errors.New("its checksum is wrong: a character is missing or mistyped")
	case err != nil:
		return Address{}, errors.New("it is neither a base58 address (1…, 3…, m…, n…, 2…) nor a segwit address (bc1…, tb1…, bcrt1…, sb1…)")
	case len(hash) != 20:
		return Address{}, fmt.Errorf("it holds %d bytes where an address holds 20", len(hash))
	}
	form, ok := forms[version]
	if !ok {
		return Address{}, fmt.Errorf("it starts with byte %d, which is no network of Bitcoin", version)
	}
	return Address{Text: text, Networks: form.networks, script: form.before + hex.EncodeToString(hash) + form.after}, nil
}

func segwit(text string, networks []Network) (Address, error) {
	if text != strings.ToLower(text) && text != strings.ToUpper(text) {
		return Address{}, errors.New("it mixes capital and small letters")
	}
	_, data, form, err := bech32.DecodeGeneric(text)
	var checksum bech32.ErrInvalidChecksum
	switch {
	case errors.As(err, &checksum):
		return Address{}, errors.New("its checksum is wrong: a character is missing or mistyped")
	case err != nil:
		return Address{}, errors.New("it has a character that no segwit address has, or is too short or too long for one")
	case len(data) == 0 || data[0] > 16:
		return Address{}, errors.New("it names no version of segwit that exists")
	case (form == bech32.Version0) != (data[0] == 0):
		return Address{}, fmt.Errorf("its checksum is not the one of segwit version %d", data[0])
	}
	program, err := bech32.ConvertBits(data[1:], 5, 8, false)
	switch {
	case err != nil:
		return Address{}, errors.New("it ends in the middle of a byte")
	case len(program) < 2 || len(program) > 40,
		data[0] == 0 && len(program) != 20 && len(program) != 32,
		data[0] == 1 && len(program) != 32 && len(program) != 2:
		return Address{}, fmt.Errorf("it holds %d bytes, which no address of segwit version %d does", len(program), data[0])
	}
	version := data[0]
	if version > 0 {
		version += 0x50 // OP_1 and on
	}
	script := append([]byte{version, byte(len(program))}, program...)
	return Address{Text: strings.ToLower(text), Networks: networks, script: hex.EncodeToString(script)}, nil
}

// CheckAddress says what is wrong with an address of the network; a network of "" takes any.
func CheckAddress(text string, network Network) error {
	a, err := ParseAddress(text)
	if err != nil {
		return err
	}
	if network != "" && !a.On(network) {
		return fmt.Errorf("it is an address of %s, not of %s", names(a.Networks), network)
	}
	return nil
}

func names(networks []Network) string {
	var all []string
	for _, n := range networks {
		all = append(all, string(n))
	}
	return strings.Join(all, " or ")
}
