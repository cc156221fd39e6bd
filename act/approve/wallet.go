package approve

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/act/safe"
	"lifeboat/plan"
)

// An owner's wallet as a second factor: what it signs is not the digest of a proposal but the transaction of a Safe that the proposal
// freezes, so that the yes and what the chain wants of an owner are one and the same. Its hash is computed here from the transaction itself;
// what the words beside it say plays no part.

// signable is what a task of kind exit-apply was told, as far as it is signed.
type signable struct {
	plan.ExitOrder
	Hash    string            `json:"hash"`
	Planned map[string]string `json:"planned"`
}

// SafeTx is the transaction of a Safe that a proposal freezes, when it is whole, is of the account and chain that the proposal names, and has
// nothing about it that no owner should sign.
func SafeTx(p *lifeboat.Proposal) (safe.Tx, error) {
	tx, _, err := frozenTx(p)
	return tx, err
}

func frozenTx(p *lifeboat.Proposal) (tx safe.Tx, s signable, err error) {
	if p == nil || p.Task == nil || p.Task.Kind != "exit-apply" {
		return tx, s, refused("the question holds no transaction of a Safe that a wallet could sign")
	}
	if err := json.Unmarshal(p.Task.Spec, &s); err != nil {
		return tx, s, refused("what the question proposes cannot be read")
	}
	if err := json.Unmarshal([]byte(s.Planned[plan.FactSafeTx]), &tx); err != nil {
		return tx, s, refused("the question holds no transaction of a Safe that a wallet could sign")
	}
	switch {
	case tx.Chain != uint64(s.ChainID):
		return tx, s, refused("the transaction is for chain %d, and the exit for %s, chain %d", tx.Chain, plain(s.Chain), s.ChainID)
	case tx.Safe != common.HexToAddress(s.Wallet):
		return tx, s, refused("the transaction is of the Safe %s, and the exit of %s, %s", tx.Safe, plain(s.Account), plain(s.Wallet))
	case tx.Hash() != common.HexToHash(s.Hash):
		return tx, s, refused("the transaction has the hash %s, and the exit was planned with %s", tx.Hash(), plain(s.Hash))
	}
	rules := safe.Rules{}
	rules.Owner, rules.Spare, rules.Module = s.KeyRules()
	for _, trusted := range s.Trusted {
		rules.Trusted = append(rules.Trusted, common.HexToAddress(trusted))
	}
	if err := tx.Check(rules); err != nil {
		return tx, s, refused("it must not be signed: %s", err)
	}
	return tx, s, nil
}

// showTx puts the frozen transaction into words, out of its own bytes; nothing where there is none.
func showTx(p lifeboat.Proposal) []string {
	if p.Task == nil || p.Task.Kind != "exit-apply" {
		return nil
	}
	tx, s, err := frozenTx(&p)
	if s.Planned[plan.FactSafeTx] == "" {
		return nil
	}
	if err != nil {
		return []string{"- DO NOT SIGN: " + plain(err.Error())}
	}
	var lines []string
	for _, words := range tx.Words(safe.Names{Address: s.nameOf}) {
		lines = append(lines, "- read from its bytes: "+plain(words))
	}
	h := HashesOf(tx)
	return append(lines, fmt.Sprintf("Nonce %d of the Safe. Your wallet has to show the hash %s, or the domain hash %s and the message hash %s.", h.Nonce, h.Hash, h.Domain, h.Message))
}

// nameOf an address, as the plan calls it.
func (s signable) nameOf(a common.Address) string {
	if s.Keys != nil {
		for address, name := range s.Keys.Names {
			if common.HexToAddress(address) == a {
				return plain(name)
			}
		}
	}
	for address, name := range s.Known {
		if common.HexToAddress(address) == a {
			return plain(name)
		}
	}
	for address, name := range s.Own {
		if common.HexToAddress(address) == a {
			return plain(name)
		}
	}
	for _, t := range s.Tokens {
		if t.Address != "" && common.HexToAddress(t.Address) == a {
			return plain(t.Symbol)
		}
	}
	return ""
}

// Hashes of a transaction, as people compare them with the screens of their wallets: some show the hash itself, some the two it is made of.
type Hashes struct {
	Chain   uint64 `json:"chain"`
	Safe    string `json:"safe"`
	Nonce   uint64 `json:"nonce"`
	Hash    string `json:"hash"`
	Domain  string `json:"domain"`
	Message string `json:"message"`
}

// HashesOf a transaction.
func HashesOf(tx safe.Tx) Hashes {
	image := tx.Preimage() // 0x1901, the domain, the message
	return Hashes{Chain: tx.Chain, Safe: tx.Safe.Hex(), Nonce: tx.Nonce, Hash: tx.Hash().Hex(), Domain: tx.Domain().Hex(), Message: common.BytesToHash(image[len(image)-common.HashLength:]).Hex()}
}

// checkWallet finds out whose wallet has signed the very transaction that the proposal freezes.
func checkWallet(claim Claim) (lifeboat.Factor, error) {
	if len(claim.Wallets) == 0 {
		return lifeboat.Factor{}, refused("the plan names no wallet of %s, so no signature can be told to be theirs", claim.Person)
	}
	tx, s, err := frozenTx(claim.Proposal)
	if err != nil {
		return lifeboat.Factor{}, err
	}
	if Digest(*claim.Proposal) != claim.Content {
		return lifeboat.Factor{}, refused("the answer is to something else than what is asked now")
	}
	signature, err := hex.DecodeString(strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(claim.Signature), "0x"), "0X"))
	if err != nil {
		return lifeboat.Factor{}, refused("a signature is 0x and 130 hex digits")
	}
	made, err := safe.FromWallet(tx.Hash(), signature, claim.Wallets)
	if err != nil {
		return lifeboat.Factor{}, refused("the signature does not count for %s: %s", claim.Person, err)
	}
	if owners := strings.Fields(s.Planned[plan.FactOwners]); len(owners) > 0 &&
		!slices.ContainsFunc(owners, func(o string) bool { return common.HexToAddress(o) == made.Owner }) {
		return lifeboat.Factor{}, refused("%s is a wallet of %s and no owner of the Safe %s, which would not take its signature", made.Owner, claim.Person, tx.Safe)
	}
	return lifeboat.Factor{Kind: "wallet", ID: made.Owner.Hex(), Content: claim.Content, Signature: made.Bytes.String()}, nil
}
