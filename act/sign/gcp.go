package sign

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/plan"
)

// googleKey is a version of a key in Google Cloud KMS, of the algorithm EC_SIGN_SECP256K1_SHA256.
type googleKey struct {
	tools Tools
	at    string // address of the key's version
	token string // reference
}

var versionForm = regexp.MustCompile(`^projects/[^/?#%\s]+/locations/[^/?#%\s]+/keyRings/[^/?#%\s]+/cryptoKeys/[^/?#%\s]+/cryptoKeyVersions/\d+$`)

// Google opens a key in Google Cloud KMS by the resource name of its version. The access token is read anew for each call: it is
// good for an hour, so the reference is best a command that makes one (exec:, gcloud auth print-access-token).
func Google(ctx context.Context, k plan.SigningKey, address common.Address, tools Tools) (Signer, error) {
	if !versionForm.MatchString(k.ID) {
		return nil, errors.New("id wants the name of the key's version: projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/1")
	}
	service := k.URL
	if service == "" {
		service = "https://cloudkms.googleapis.com"
	}
	g := &googleKey{tools: tools, at: strings.TrimSuffix(service, "/") + "/v1/" + k.ID, token: k.Secret}
	return held(ctx, address, g.public, g.sign)
}

func (g *googleKey) public(ctx context.Context) ([]byte, error) {
	var answer struct {
		Pem       string `json:"pem"`
		Algorithm string `json:"algorithm"`
	}
	if err := g.ask(ctx, http.MethodGet, "/publicKey", nil, &answer); err != nil {
		return nil, err
	}
	if answer.Algorithm != "EC_SIGN_SECP256K1_SHA256" {
		return nil, errors.New("the key is of another kind: lifeboat needs EC_SIGN_SECP256K1_SHA256")
	}
	block, _ := pem.Decode([]byte(answer.Pem))
	if block == nil {
		return nil, errors.New("the public key is none that can be read")
	}
	return block.Bytes, nil
}

func (g *googleKey) sign(ctx context.Context, digest common.Hash) ([]byte, error) {
	// The service signs whatever 32 bytes it is given as a SHA-256; that they are a Keccak-256 it cannot tell.
	body, err := json.Marshal(map[string]any{"digest": map[string]any{"sha256": digest[:]}})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Signature []byte `json:"signature"`
	}
	err = g.ask(ctx, http.MethodPost, ":asymmetricSign", body, &answer)
	return answer.Signature, err
}

func (g *googleKey) ask(ctx context.Context, method, what string, body []byte, into any) error {
	token, err := g.tools.Read(ctx, g.token)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, g.at+what, bytes.NewReader(body))
	if err != nil {
		return errors.New("url is no address of a service")
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return call(g.tools.HTTP, request, into)
}
