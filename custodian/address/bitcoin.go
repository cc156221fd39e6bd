// Package address says whether a text is an address of Bitcoin, Solana or a chain of Cosmos, and what is wrong with it when it is
// none: a checksum, a length, another network. It exists so that a slip is told when the plan is read, with its line, and again by
// whoever asks a node for the account.
//
// It only looks at the text. Whether anything lies at an address, and whose it is, it cannot know; addresses of EVM chains are
// read by the plan itself.
package address

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

// Bitcoin is an address that can be paid to.
type Bitcoin struct {
	Text     string
	Networks []Network // that an address of this form is for
	Script   string    // that its outputs carry, in hexadecimal
}

// On reports that the address is one of this network.
func (a Bitcoin) On(network Network) bool {
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

// ParseBitcoin reads an address: of the old forms (base58check) or a segwit one (bech32, BIP 173; bech32m, BIP 350). The error
// says what is wrong with the text.
func ParseBitcoin(text string) (Bitcoin, error) {
	switch {
	case text == "":
		return Bitcoin{}, errors.New("there is no address")
	case len(text) > textMax:
		return Bitcoin{}, fmt.Errorf("an address of Bitcoin is not %d characters long", len(text))
	}
	if at := strings.LastIndexByte(text, '1'); at > 0 {
		if networks, ok := prefixes[strings.ToLower(text[:at])]; ok {
			return segwit(text, networks)
		}
	}
	return old(text)
}

func old(text string) (Bitcoin, error) {
	hash, version, err := base58.CheckDecode(text)
	switch {
	case errors.Is(err, base58.ErrChecksum):
		return Bitcoin{}, errors.New("its checksum is wrong: a character is missing or mistyped")
	case err != nil:
		return Bitcoin{}, errors.New("it is neither a base58 address (1…, 3…, m…, n…, 2…) nor a segwit address (bc1…, tb1…, bcrt1…, sb1…)")
	case len(hash) != 20:
		return Bitcoin{}, fmt.Errorf("it holds %d bytes where an address holds 20", len(hash))
	}
	form, ok := forms[version]
	if !ok {
		return Bitcoin{}, fmt.Errorf("it starts with byte %d, which is no network of Bitcoin", version)
	}
	return Bitcoin{Text: text, Networks: form.networks, Script: form.before + hex.EncodeToString(hash) + form.after}, nil
}

func segwit(text string, networks []Network) (Bitcoin, error) {
	if text != strings.ToLower(text) && text != strings.ToUpper(text) {
		return Bitcoin{}, errors.New("it mixes capital and small letters")
	}
	_, data, form, err := bech32.DecodeGeneric(text)
	var checksum bech32.ErrInvalidChecksum
	switch {
	case errors.As(err, &checksum):
		return Bitcoin{}, errors.New("its checksum is wrong: a character is missing or mistyped")
	case err != nil:
		return Bitcoin{}, errors.New("it has a character that no segwit address has, or is too short or too long for one")
	case len(data) == 0 || data[0] > 16:
		return Bitcoin{}, errors.New("it names no version of segwit that exists")
	case (form == bech32.Version0) != (data[0] == 0):
		return Bitcoin{}, fmt.Errorf("its checksum is not the one of segwit version %d", data[0])
	}
	program, err := bech32.ConvertBits(data[1:], 5, 8, false)
	switch {
	case err != nil:
		return Bitcoin{}, errors.New("it ends in the middle of a byte")
	case len(program) < 2 || len(program) > 40,
		data[0] == 0 && len(program) != 20 && len(program) != 32,
		data[0] == 1 && len(program) != 32 && len(program) != 2:
		return Bitcoin{}, fmt.Errorf("it holds %d bytes, which no address of segwit version %d does", len(program), data[0])
	}
	version := data[0]
	if version > 0 {
		version += 0x50 // OP_1 and on
	}
	script := append([]byte{version, byte(len(program))}, program...)
	return Bitcoin{Text: strings.ToLower(text), Networks: networks, Script: hex.EncodeToString(script)}, nil
}

// CheckBitcoin says what is wrong with an address of the network; a network of "" takes any.
func CheckBitcoin(text string, network Network) error {
	a, err := ParseBitcoin(text)
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
