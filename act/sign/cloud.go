package sign

import (
	"bytes"
	"context"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Limits of a call to a key service.
const (
	callMax   = 20 * time.Second
	answerMax = 64 << 10
)

// call posts or gets JSON. What comes back other than 200 is told by its status and by what the service calls the error, never by
// its whole text.
func call(client *http.Client, request *http.Request, into any) error {
	response, err := client.Do(request)
	if err != nil {
		if where, ok := errors.AsType[*url.Error](err); ok {
			err = where.Err // without the address
		}
		return fmt.Errorf("ask %s: %w", request.URL.Host, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerMax+1))
	switch {
	case err != nil:
		return fmt.Errorf("ask %s: read the answer: %w", request.URL.Host, err)
	case len(body) > answerMax:
		return fmt.Errorf("%s answers with more than %d bytes", request.URL.Host, answerMax)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %d%s", request.URL.Host, response.StatusCode, called(body))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s does not answer in JSON as it should", request.URL.Host)
	}
	return nil
}

// called is what a service calls its error: AWS `__type`, Google `error.status`.
func called(body []byte) string {
	var said struct {
		Type  string `json:"__type"`
		Error struct {
			Status string `json:"status"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	for _, name := range []string{said.Type, said.Error.Status} {
		if name != "" && len(name) <= 100 && !bytes.ContainsFunc([]byte(name), func(r rune) bool { return r <= ' ' || r > '~' }) {
			return " " + name
		}
	}
	return ""
}

// The OIDs of a public key on the curve secp256k1.
var (
	ecKey     = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	secp256k1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
)

// publicAddress reads the address out of a public key in DER (SubjectPublicKeyInfo). Go's own reader does not know the curve.
func publicAddress(der []byte) (common.Address, error) {
	var info struct {
		Algorithm struct {
			Algorithm  asn1.ObjectIdentifier
			Parameters asn1.ObjectIdentifier
		}
		Key asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &info)
	if err != nil || len(rest) > 0 {
		return common.Address{}, errors.New("the public key is none that can be read")
	}
	if !info.Algorithm.Algorithm.Equal(ecKey) || !info.Algorithm.Parameters.Equal(secp256k1) {
		return common.Address{}, errors.New("the key is of another kind: lifeboat needs one on the curve secp256k1")
	}
	key, err := crypto.UnmarshalPubkey(info.Key.Bytes)
	if err != nil || info.Key.BitLength != 8*len(info.Key.Bytes) {
		return common.Address{}, errors.New("the public key is no point of the curve")
	}
	return crypto.PubkeyToAddress(*key), nil
}

// fromDER reads r and s.
func fromDER(der []byte) (r, s *big.Int, err error) {
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &pair)
	if err != nil || len(rest) > 0 || pair.R.Sign() <= 0 || pair.S.Sign() <= 0 || pair.R.Cmp(crypto.S256().Params().N) >= 0 || pair.S.Cmp(crypto.S256().Params().N) >= 0 {
		return nil, nil, errors.New("what came back is no signature")
	}
	return pair.R, pair.S, nil
}

// held makes sure that the key a service has is that of the address.
func held(ctx context.Context, address common.Address, public func(context.Context) ([]byte, error), digest func(context.Context, common.Hash) ([]byte, error)) (Signer, error) {
	der, err := public(ctx)
	if err != nil {
		return nil, err
	}
	is, err := publicAddress(der)
	if err != nil {
		return nil, err
	}
	if is != address {
		return nil, fmt.Errorf("the key is that of %s", is)
	}
	return &signer{address, func(ctx context.Context, hash common.Hash) (r, s *big.Int, err error) {
		der, err := digest(ctx, hash)
		if err != nil {
			return nil, nil, err
		}
		return fromDER(der)
	}}, nil
}
