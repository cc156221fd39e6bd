package sign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/ethereum/go-ethereum/common"

	"lifeboat/plan"
)

// awsKey is a key in AWS KMS, of the kind ECC_SECG_P256K1. Its two calls are made by hand with AWS's own request signer: the
// whole client would bring its retries, its endpoints and its ways to find credentials, none of which is wanted here.
type awsKey struct {
	tools      Tools
	arn        string
	region     string
	endpoint   string
	access     string // references
	secret     string
	signerOfV4 *v4.Signer
}

var arnForm = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:(key|alias)/[A-Za-z0-9/_-]+$`)

// AWS opens a key in AWS KMS by its ARN. Access key and secret are read anew for each call, so that they can be rotated.
func AWS(ctx context.Context, k plan.SigningKey, address common.Address, tools Tools) (Signer, error) {
	m := arnForm.FindStringSubmatch(k.ID)
	if m == nil {
		return nil, errors.New("id wants the ARN of the key, such as arn:aws:kms:eu-central-1:111122223333:key/…")
	}
	a := &awsKey{tools: tools, arn: k.ID, region: m[1], endpoint: k.URL, access: k.Access, secret: k.Secret, signerOfV4: v4.NewSigner()}
	if a.endpoint == "" {
		a.endpoint = "https://kms." + a.region + ".amazonaws.com/"
	}
	return held(ctx, address, a.public, a.sign)
}

func (a *awsKey) public(ctx context.Context) ([]byte, error) {
	var answer struct{ PublicKey []byte } // base64 in JSON
	err := a.ask(ctx, "GetPublicKey", map[string]any{"KeyId": a.arn}, &answer)
	return answer.PublicKey, err
}

func (a *awsKey) sign(ctx context.Context, digest common.Hash) ([]byte, error) {
	var answer struct{ Signature []byte }
	err := a.ask(ctx, "Sign", map[string]any{"KeyId": a.arn, "Message": digest[:], "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}, &answer)
	return answer.Signature, err
}

func (a *awsKey) ask(ctx context.Context, operation string, input, into any) error {
	var keys aws.Credentials
	var err error
	if keys.AccessKeyID, err = a.tools.Read(ctx, a.access); err != nil {
		return err
	}
	if keys.SecretAccessKey, err = a.tools.Read(ctx, a.secret); err != nil {
		return err
	}
	body, err := json.Marshal(input)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.endpoint, bytes.NewReader(body))
	if err != nil {
		return errors.New("url is no address of a service")
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "TrentService."+operation)
	sum := sha256.Sum256(body)
	if err := a.signerOfV4.SignHTTP(ctx, keys, request, hex.EncodeToString(sum[:]), "kms", a.region, a.tools.Clock.Now()); err != nil {
		return fmt.Errorf("sign the request to AWS: %w", err)
	}
	return call(a.tools.HTTP, request, into)
}
