package sign

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// clef is a signer in a process of its own, which asks its owner or its rules before it signs.
type clef struct {
	address common.Address
	client  *rpc.Client
}

// Clef speaks to clef at an address, http:// or the path of its socket, and makes sure that it has the account. Hardware wallets
// that clef has plugged in are accounts of it like any other. A call waits for as long as the person before it does.
func Clef(ctx context.Context, address string, account common.Address) (Signer, error) {
	client, err := rpc.DialOptions(ctx, address, rpc.WithHTTPClient(&http.Client{}))
	if err != nil {
		return nil, fmt.Errorf("connect to clef: %w", withoutURL(err))
	}
	var accounts []common.Address
	if err := client.CallContext(ctx, &accounts, "account_list"); err != nil {
		client.Close()
		return nil, fmt.Errorf("ask clef for its accounts: %w", withoutURL(err))
	}
	for _, a := range accounts {
		if a == account {
			return &clef{account, client}, nil
		}
	}
	client.Close()
	return nil, fmt.Errorf("clef shows %d accounts, and not this one", len(accounts))
}

func (c *clef) Address() common.Address { return c.address }

// SignTx has clef sign, and takes the answer only when it is the very transaction that was asked for: clef's owner can change the gas
// in its dialogue, and what was not checked here is not to be sent.
func (c *clef) SignTx(ctx context.Context, tx *types.Transaction, chain *big.Int) (*types.Transaction, error) {
	rules, err := rulesOf(tx, chain)
	if err != nil {
		return nil, err
	}
	data := hexutil.Bytes(tx.Data())
	arguments := apitypes.SendTxArgs{From: common.NewMixedcaseAddress(c.address), Gas: hexutil.Uint64(tx.Gas()), Value: hexutil.Big(*tx.Value()),
		Nonce: hexutil.Uint64(tx.Nonce()), Input: &data, ChainID: (*hexutil.Big)(chain)}
	if tx.To() != nil {
		to := common.NewMixedcaseAddress(*tx.To())
		arguments.To = &to
	}
	switch tx.Type() {
	case types.LegacyTxType:
		arguments.GasPrice = (*hexutil.Big)(tx.GasPrice())
	case types.DynamicFeeTxType:
		list := tx.AccessList()
		arguments.MaxFeePerGas, arguments.MaxPriorityFeePerGas, arguments.AccessList = (*hexutil.Big)(tx.GasFeeCap()), (*hexutil.Big)(tx.GasTipCap()), &list
	default:
		return nil, fmt.Errorf("a transaction of type %d is not signed by clef here", tx.Type())
	}
	var answer struct {
		Raw hexutil.Bytes `json:"raw"`
	}
	if err := c.client.CallContext(ctx, &answer, "account_signTransaction", &arguments); err != nil {
		return nil, fmt.Errorf("have clef sign: %w", withoutURL(err))
	}
	var signed types.Transaction
	if err := signed.UnmarshalBinary(answer.Raw); err != nil {
		return nil, errors.New("what clef gave back is no transaction")
	}
	if rules.Hash(&signed) != rules.Hash(tx) {
		return nil, errors.New("clef signed another transaction than it was asked to: something was changed in its dialogue")
	}
	if by, err := types.Sender(rules, &signed); err != nil || by != c.address {
		return nil, fmt.Errorf("what clef gave back is not signed by %s", c.address)
	}
	return &signed, nil
}

func (c *clef) SignTypedData(ctx context.Context, data apitypes.TypedData) ([]byte, error) {
	digest, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		return nil, fmt.Errorf("hash what is to be signed: %w", err)
	}
	var b hexutil.Bytes
	if err := c.client.CallContext(ctx, &b, "account_signTypedData", common.NewMixedcaseAddress(c.address), data); err != nil {
		return nil, fmt.Errorf("have clef sign: %w", withoutURL(err))
	}
	if len(b) != crypto.SignatureLength || b[64] < 27 || b[64] > 28 {
		return nil, errors.New("what clef gave back is no signature")
	}
	zeroBased := append([]byte(nil), b...)
	zeroBased[64] -= 27
	if key, err := crypto.SigToPub(digest, zeroBased); err != nil || crypto.PubkeyToAddress(*key) != c.address {
		return nil, fmt.Errorf("what clef gave back is not a signature of %s over what was asked for", c.address)
	}
	return b, nil
}

// withoutURL says what went wrong without the address, which may hold a password.
func withoutURL(err error) error {
	if where, ok := errors.AsType[*url.Error](err); ok {
		return where.Err
	}
	if status, ok := errors.AsType[rpc.HTTPError](err); ok {
		return fmt.Errorf("it answers %s", strings.TrimSpace(status.Status))
	}
	return err
}
