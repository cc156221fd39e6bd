// Package sign has the keys of relayers and bots sign what lifeboat sends: a keystore file, clef, a key in the cloud that never
// leaves it (AWS KMS, Google Cloud KMS), or, where nothing better is to be had, a private key by reference.
//
// Behind each is one [Signer]. What a key far away gives back is never believed: the signature is brought into its low form, and whose it is
// is found out from the signature itself; a transaction that comes back has to be the one that was sent there.
//
// These keys pay for gas, or have a role that the chain holds them to. There is no owner's key here, no seed phrase and no way to
// give one: owners sign in their own wallets, and act/safe judges what comes back.
package sign

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"lifeboat"
	"lifeboat/plan"
)

// Signer signs for one account. It is safe for concurrent use. A call may take as long as a person or a service lets it: the context
// bounds it. Asking again after an error is harmless, for a signature moves nothing.
type Signer interface {
	Address() common.Address
	// SignTx gives the same transaction back with a signature for the chain.
	SignTx(ctx context.Context, tx *types.Transaction, chain *big.Int) (*types.Transaction, error)
	// SignTypedData gives back the 65 bytes of an EIP-712 signature, v being 27 or 28.
	SignTypedData(ctx context.Context, data apitypes.TypedData) ([]byte, error)
}

// Tools are what signers are opened with.
type Tools struct {
	// Read finds what a reference of the plan stands for.
	Read  func(ctx context.Context, reference string) (string, error)
	Clock lifeboat.Clock
	HTTP  *http.Client // nil for one with the usual timeouts
}

// Open makes a key of the plan ready, and makes sure that it is there and signs for the address that the plan says.
func Open(ctx context.Context, k plan.SigningKey, tools Tools) (Signer, error) {
	if tools.HTTP == nil {
		tools.HTTP = &http.Client{Timeout: callMax, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if !common.IsHexAddress(k.Address) {
		return nil, fmt.Errorf("open a signing key: %q is no address", k.Address)
	}
	signer, err := open(ctx, k, common.HexToAddress(k.Address), tools)
	if err != nil {
		return nil, fmt.Errorf("open the signing key of %s (%s): %w", k.Address, k.Kind, err)
	}
	return signer, nil
}

func open(ctx context.Context, k plan.SigningKey, address common.Address, tools Tools) (Signer, error) {
	switch k.Kind {
	case "keystore":
		passphrase, err := tools.Read(ctx, k.Passphrase)
		if err != nil {
			return nil, err
		}
		return Keystore(k.File, passphrase, address)
	case "secret":
		secret, err := tools.Read(ctx, k.Secret)
		if err != nil {
			return nil, err
		}
		return Secret(secret, address)
	case "clef":
		return Clef(ctx, k.URL, address)
	case "aws-kms":
		return AWS(ctx, k, address, tools)
	case "gcp-kms":
		return Google(ctx, k, address, tools)
	}
	return nil, fmt.Errorf("%q is no kind of key", k.Kind)
}

// keystoreMax bounds what is read as a keystore file; they have about 500 bytes.
const keystoreMax = 64 << 10

// Keystore opens a file of the form that geth and others write (Web3 Secret Storage, version 3). It takes a second or so: that is what makes
// the passphrase hard to guess.
func Keystore(file, passphrase string, address common.Address) (Signer, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open the keystore: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("look at the keystore: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", file)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("others can read %s: chmod 600 it", file)
	}
	content, err := io.ReadAll(io.LimitReader(f, keystoreMax))
	if err != nil {
		return nil, fmt.Errorf("read the keystore: %w", err)
	}
	key, err := keystore.DecryptKey(content, passphrase)
	switch {
	case errors.Is(err, keystore.ErrDecrypt):
		return nil, errors.New("the passphrase does not open the keystore")
	case err != nil: // what is wrong with the file is not repeated: it may be a key in the clear
		return nil, errors.New("the file is no keystore of version 3")
	case key.Address != address:
		return nil, fmt.Errorf("the keystore has the key of %s", key.Address)
	}
	return local(address, key.PrivateKey)
}

// Secret takes a private key, 64 hexadecimal digits. It is for a relayer or a bot whose loss costs its gas.
func Secret(secret string, address common.Address) (Signer, error) {
	digits := strings.TrimPrefix(strings.TrimSpace(secret), "0x")
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != 32 {
		return nil, errors.New("what the reference stands for is no private key: 64 hexadecimal digits")
	}
	key, err := crypto.ToECDSA(b)
	if err != nil {
		return nil, errors.New("the private key is out of range")
	}
	return local(address, key)
}

func local(address common.Address, key *ecdsa.PrivateKey) (Signer, error) {
	if is := crypto.PubkeyToAddress(key.PublicKey); is != address {
		return nil, fmt.Errorf("the key is that of %s", is)
	}
	return &signer{address, func(_ context.Context, digest common.Hash) (r, s *big.Int, err error) {
		b, err := crypto.Sign(digest[:], key)
		if err != nil {
			return nil, nil, err
		}
		return new(big.Int).SetBytes(b[:32]), new(big.Int).SetBytes(b[32:64]), nil
	}}, nil
}

// signer makes a Signer of anything that signs 32 bytes.
type signer struct {
	address common.Address
	digest  func(ctx context.Context, digest common.Hash) (r, s *big.Int, err error)
}

func (s *signer) Address() common.Address { return s.address }

func (s *signer) SignTx(ctx context.Context, tx *types.Transaction, chain *big.Int) (*types.Transaction, error) {
	rules, err := rulesOf(tx, chain)
	if err != nil {
		return nil, err
	}
	b, err := s.sign(ctx, rules.Hash(tx))
	if err != nil {
		return nil, err
	}
	signed, err := tx.WithSignature(rules, b)
	if err != nil {
		return nil, fmt.Errorf("put the signature to the transaction: %w", err)
	}
	return signed, nil
}

// rulesOf a chain. A transaction of another chain is refused, and so is one of none: it would be good on all.
func rulesOf(tx *types.Transaction, chain *big.Int) (types.Signer, error) {
	if chain == nil || chain.Sign() <= 0 {
		return nil, errors.New("a transaction is signed for one chain, and none was named")
	}
	if tx.Type() != types.LegacyTxType && tx.ChainId().Cmp(chain) != 0 {
		return nil, fmt.Errorf("the transaction is for chain %s, and chain %s was named", tx.ChainId(), chain)
	}
	return types.LatestSignerForChainID(chain), nil
}

func (s *signer) SignTypedData(ctx context.Context, data apitypes.TypedData) ([]byte, error) {
	digest, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		return nil, fmt.Errorf("hash what is to be signed: %w", err)
	}
	b, err := s.sign(ctx, common.BytesToHash(digest))
	if err != nil {
		return nil, err
	}
	b[64] += 27
	return b, nil
}

// half of the order of the curve: an s above it has a twin below, and only that one is taken by everybody.
var half = new(big.Int).Rsh(crypto.S256().Params().N, 1)

// sign gives back r, s and v (0 or 1) over a digest, in the low form and certainly by this key.
func (s *signer) sign(ctx context.Context, digest common.Hash) ([]byte, error) {
	r, low, err := s.digest(ctx, digest)
	if err != nil {
		return nil, err
	}
	if low.Cmp(half) > 0 {
		low = new(big.Int).Sub(crypto.S256().Params().N, low)
	}
	if !crypto.ValidateSignatureValues(0, r, low, true) {
		return nil, errors.New("what came back is no signature")
	}
	b := append(common.LeftPadBytes(r.Bytes(), 32), common.LeftPadBytes(low.Bytes(), 32)...)
	for v := range byte(2) {
		with := append(bytes.Clone(b), v)
		if key, err := crypto.SigToPub(digest[:], with); err == nil && crypto.PubkeyToAddress(*key) == s.address {
			return with, nil
		}
	}
	return nil, fmt.Errorf("what came back is not a signature of %s", s.address)
}
