package sign

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/google/uuid"

	"lifeboat/plan"
)

const secretKey = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"

var (
	testKey, _  = crypto.HexToECDSA(secretKey)
	testAddress = crypto.PubkeyToAddress(testKey.PublicKey)
	stranger    = common.HexToAddress("0x00000000000000000000000000000000000000f1")
	chainID     = big.NewInt(31337)
)

// frozen is a clock that stands still.
type frozen struct{}

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func (frozen) Now() time.Time                               { return noon }
func (frozen) Sleep(ctx context.Context, _ time.Time) error { return ctx.Err() }

// references are what a vault would say.
func references(said map[string]string) Tools {
	return Tools{Clock: frozen{}, Read: func(_ context.Context, reference string) (string, error) {
		if value, ok := said[reference]; ok {
			return value, nil
		}
		return "", fmt.Errorf("the environment has no %s", reference)
	}}
}

func someTx() *types.Transaction {
	return types.NewTx(&types.DynamicFeeTx{ChainID: chainID, Nonce: 3, GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(3e10), Gas: 123456, To: &stranger, Value: big.NewInt(5), Data: []byte{1, 2, 3, 4, 5}})
}

var someData = apitypes.TypedData{
	Types: apitypes.Types{
		"EIP712Domain": {{Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"}},
		"SafeTx":       {{Name: "to", Type: "address"}, {Name: "value", Type: "uint256"}, {Name: "data", Type: "bytes"}},
	},
	PrimaryType: "SafeTx",
	Domain:      apitypes.TypedDataDomain{ChainId: (*math.HexOrDecimal256)(chainID), VerifyingContract: stranger.Hex()},
	Message:     apitypes.TypedDataMessage{"to": stranger.Hex(), "value": "12", "data": "0x0102"},
}

// signs holds a signer to its contract.
func signs(t *testing.T, s Signer) {
	t.Helper()
	if s.Address() != testAddress {
		t.Errorf("it signs for %s", s.Address())
	}
	tx := someTx()
	signed, err := s.SignTx(t.Context(), tx, chainID)
	if err != nil {
		t.Fatal(err)
	}
	rules := types.LatestSignerForChainID(chainID)
	if from, err := types.Sender(rules, signed); err != nil || from != testAddress {
		t.Errorf("the transaction is by %s, %v", from, err)
	}
	if rules.Hash(signed) != rules.Hash(tx) {
		t.Error("another transaction came back")
	}
	if _, _, sValue := signed.RawSignatureValues(); sValue.Cmp(half) > 0 {
		t.Error("the signature is in its high form")
	}
	b, err := s.SignTypedData(t.Context(), someData)
	if err != nil || len(b) != 65 || b[64] != 27 && b[64] != 28 {
		t.Fatalf("the signature is %x, %v", b, err)
	}
	digest, _, _ := apitypes.TypedDataAndHash(someData)
	b[64] -= 27
	if key, err := crypto.SigToPub(digest, b); err != nil || crypto.PubkeyToAddress(*key) != testAddress {
		t.Errorf("the typed data is signed by another: %v", err)
	}
	if _, err := s.SignTx(t.Context(), tx, big.NewInt(1)); err == nil {
		t.Error("a transaction of another chain was signed")
	}
	if _, err := s.SignTx(t.Context(), tx, nil); err == nil {
		t.Error("a transaction was signed for no chain")
	}
}

func TestSecret(t *testing.T) {
	tools := references(map[string]string{"env:BOT": secretKey, "env:X": "0x" + secretKey, "env:SHORT": secretKey[:62], "env:WORDS": "abandon abandon about", "env:ZERO": strings.Repeat("0", 64)})
	for _, reference := range []string{"env:BOT", "env:X"} {
		s, err := Open(t.Context(), plan.SigningKey{Kind: "secret", Secret: reference, Address: testAddress.Hex()}, tools)
		if err != nil {
			t.Fatal(err)
		}
		signs(t, s)
	}
	for reference, want := range map[string]string{"env:SHORT": "no private key", "env:WORDS": "no private key", "env:ZERO": "out of range", "env:NONE": "has no"} {
		_, err := Open(t.Context(), plan.SigningKey{Kind: "secret", Secret: reference, Address: testAddress.Hex()}, tools)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secretKey[:8]) || strings.Contains(err.Error(), "abandon") {
			t.Errorf("%s: %v, want %q", reference, err, want)
		}
	}
	if _, err := Open(t.Context(), plan.SigningKey{Kind: "secret", Secret: "env:BOT", Address: stranger.Hex()}, tools); err == nil || !strings.Contains(err.Error(), "the key is that of "+testAddress.Hex()) {
		t.Errorf("another's key was taken: %v", err)
	}
}

func TestKeystore(t *testing.T) {
	id, _ := uuid.NewRandom()
	content, err := keystore.EncryptKey(&keystore.Key{Id: id, Address: testAddress, PrivateKey: testKey}, "open sesame", keystore.LightScryptN, keystore.LightScryptP)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	tools := references(map[string]string{"env:PASS": "open sesame", "env:WRONG": "open barley"})
	k := plan.SigningKey{Kind: "keystore", File: file, Passphrase: "env:PASS", Address: testAddress.Hex()}
	s, err := Open(t.Context(), k, tools)
	if err != nil {
		t.Fatal(err)
	}
	signs(t, s)
	refused := func(name string, k plan.SigningKey, want string) {
		t.Helper()
		if _, err := Open(t.Context(), k, tools); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	with := func(change func(*plan.SigningKey)) plan.SigningKey { k := k; change(&k); return k }
	refused("a wrong passphrase", with(func(k *plan.SigningKey) { k.Passphrase = "env:WRONG" }), "does not open")
	refused("another address", with(func(k *plan.SigningKey) { k.Address = stranger.Hex() }), "the key of")
	refused("no file", with(func(k *plan.SigningKey) { k.File += "x" }), "open the keystore")
	refused("no address", with(func(k *plan.SigningKey) { k.Address = "0x1" }), "no address")
	refused("no kind", with(func(k *plan.SigningKey) { k.Kind = "paper" }), "no kind")
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte(secretKey), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a key in the clear", with(func(k *plan.SigningKey) { k.File = plain }), "no keystore")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	refused("a file that others can read", k, "others can read")
}

// publicDER is the test key as a SubjectPublicKeyInfo.
func publicDER(curve asn1.ObjectIdentifier) []byte {
	type algorithm struct{ Algorithm, Parameters asn1.ObjectIdentifier }
	der, err := asn1.Marshal(struct {
		Algorithm algorithm
		Key       asn1.BitString
	}{algorithm{ecKey, curve}, asn1.BitString{Bytes: crypto.FromECDSAPub(&testKey.PublicKey), BitLength: 520}})
	if err != nil {
		panic(err)
	}
	return der
}

// signedDER signs as a key service does: in DER, and in the high form as often as not. The calls alternate.
func signedDER(digest []byte, high bool) []byte {
	b, err := crypto.Sign(digest, testKey)
	if err != nil {
		panic(err)
	}
	s := new(big.Int).SetBytes(b[32:64])
	if high {
		s.Sub(crypto.S256().Params().N, s)
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(b[:32]), s})
	if err != nil {
		panic(err)
	}
	return der
}

const (
	arn       = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	accessID  = "AKIDEXAMPLE"
	awsSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// kms stands in for AWS KMS. It was written from AWS's documentation of Sign, GetPublicKey and of Signature Version 4, and takes
// nothing that the documentation does not ask for.
type kms struct {
	calls  atomic.Int32
	answer func(w http.ResponseWriter, target string) bool // takes the answer over; nil does not
	public []byte
}

func (k *kms) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	refuse := func(kind, message string) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":%q,"message":%q}`, kind, message)
	}
	target := r.Header.Get("X-Amz-Target")
	if k.answer != nil && k.answer(w, target) {
		return
	}
	if why := badV4(r, body); why != "" {
		refuse("InvalidSignatureException", why)
		return
	}
	var in struct {
		KeyID            string `json:"KeyId"`
		Message          []byte
		MessageType      string
		SigningAlgorithm string
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || r.Method != http.MethodPost || r.URL.Path != "/" {
		refuse("SerializationException", "")
		return
	}
	if in.KeyID != arn {
		refuse("NotFoundException", "no such key")
		return
	}
	switch target {
	case "TrentService.GetPublicKey":
		_ = json.NewEncoder(w).Encode(map[string]any{"KeyId": arn, "KeySpec": "ECC_SECG_P256K1", "KeyUsage": "SIGN_VERIFY", "PublicKey": k.public, "SigningAlgorithms": []string{"ECDSA_SHA_256"}})
	case "TrentService.Sign":
		if in.MessageType != "DIGEST" || in.SigningAlgorithm != "ECDSA_SHA_256" || len(in.Message) != 32 {
			refuse("ValidationException", "")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"KeyId": arn, "Signature": signedDER(in.Message, k.calls.Add(1)%2 == 0), "SigningAlgorithm": "ECDSA_SHA_256"})
	default:
		refuse("UnknownOperationException", "")
	}
}

// badV4 verifies the signature of a request, step by step as AWS's documentation has it.
func badV4(r *http.Request, body []byte) string {
	authorisation, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return "no signature"
	}
	parts := map[string]string{}
	for _, part := range strings.Split(authorisation, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = value
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || at.Sub(noon).Abs() > 5*time.Minute {
		return "the clock is wrong"
	}
	scope := at.Format("20060102") + "/eu-central-1/kms/aws4_request"
	if parts["Credential"] != accessID+"/"+scope {
		return "another credential"
	}
	names := strings.Split(parts["SignedHeaders"], ";")
	if !slices.IsSorted(names) || !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-date") || !slices.Contains(names, "x-amz-target") || !slices.Contains(names, "content-type") {
		return "headers that matter are not signed"
	}
	var headers strings.Builder
	for _, name := range names {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}
	hash := func(text string) string { sum := sha256.Sum256([]byte(text)); return hex.EncodeToString(sum[:]) }
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, headers.String(), parts["SignedHeaders"], hash(string(body))}, "\n")
	key := []byte("AWS4" + awsSecret)
	for _, step := range []string{at.Format("20060102"), "eu-central-1", "kms", "aws4_request", "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + scope + "\n" + hash(canonical)} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(step))
		key = mac.Sum(nil)
	}
	if parts["Signature"] != hex.EncodeToString(key) {
		return "the signature does not match"
	}
	return ""
}

func TestAWS(t *testing.T) {
	service := &kms{public: publicDER(secp256k1)}
	server := httptest.NewServer(service)
	defer server.Close()
	said := map[string]string{"env:ID": accessID, "env:SECRET": awsSecret, "env:WRONG": "wrong/secret"}
	k := plan.SigningKey{Kind: "aws-kms", ID: arn, Access: "env:ID", Secret: "env:SECRET", URL: server.URL + "/", Address: testAddress.Hex()}
	s, err := Open(t.Context(), k, references(said))
	if err != nil {
		t.Fatal(err)
	}
	for range 4 { // low and high in turn
		signs(t, s)
	}
	with := func(change func(*plan.SigningKey)) plan.SigningKey { k := k; change(&k); return k }
	for name, c := range map[string]struct {
		key  plan.SigningKey
		want string
	}{
		"a wrong secret":  {with(func(k *plan.SigningKey) { k.Secret = "env:WRONG" }), "400 InvalidSignatureException"},
		"another key":     {with(func(k *plan.SigningKey) { k.ID = strings.Replace(arn, "1234abcd", "00000000", 1) }), "400 NotFoundException"},
		"no ARN":          {with(func(k *plan.SigningKey) { k.ID = "1234abcd" }), "wants the ARN"},
		"another address": {with(func(k *plan.SigningKey) { k.Address = stranger.Hex() }), "the key is that of"},
		"no secret":       {with(func(k *plan.SigningKey) { k.Secret = "env:NONE" }), "has no"},
		"nobody there":    {with(func(k *plan.SigningKey) { k.URL = "http://127.0.0.1:1/?key=hidden" }), "ask 127.0.0.1:1"},
	} {
		if _, err := Open(t.Context(), c.key, references(said)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "wJalr") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for name, answer := range map[string]string{
		"HTML": "<html>", "cut": `{"Signature":"MEUC`, "empty": `{}`, "no DER": `{"Signature":"AAAA"}`, "zero": `{"Signature":"MAYCAQACAQA="}`,
		"another's": `{"Signature":"` + base64.StdEncoding.EncodeToString(signedDER(make([]byte, 32), false)) + `"}`,
		"endless":   `{"Signature":"` + strings.Repeat("A", answerMax) + `"}`,
	} {
		service.answer = func(w http.ResponseWriter, target string) bool { fmt.Fprint(w, answer); return true }
		if signed, err := s.SignTx(t.Context(), someTx(), chainID); err == nil {
			t.Errorf("%s was taken for a signature: %v", name, signed)
		}
	}
	service.answer = nil
	service.public = publicDER(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}) // P-256
	if _, err := Open(t.Context(), k, references(said)); err == nil || !strings.Contains(err.Error(), "another kind") {
		t.Errorf("a key of another curve was taken: %v", err)
	}
}

// TestGoogle runs against a stand-in for Google Cloud KMS, written from the documentation of its REST API.
func TestGoogle(t *testing.T) {
	const version = "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/bot/cryptoKeyVersions/1"
	algorithm := "EC_SIGN_SECP256K1_SHA256"
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}`)
			return
		}
		switch {
		case r.Method == http.MethodGet && r.URL.Path == "/v1/"+version+"/publicKey":
			_ = json.NewEncoder(w).Encode(map[string]string{"pem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER(secp256k1)})), "algorithm": algorithm, "name": version})
		case r.Method == http.MethodPost && r.URL.Path == "/v1/"+version+":asymmetricSign" && r.Header.Get("Content-Type") == "application/json":
			var in struct {
				Digest struct {
					SHA256 []byte `json:"sha256"`
				} `json:"digest"`
			}
			decoder := json.NewDecoder(r.Body)
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&in); err != nil || len(in.Digest.SHA256) != 32 {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			calls++
			_ = json.NewEncoder(w).Encode(map[string]any{"signature": signedDER(in.Digest.SHA256, calls%2 == 0), "name": version})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	tools := references(map[string]string{"env:TOKEN": "token", "env:OLD": "old"})
	k := plan.SigningKey{Kind: "gcp-kms", ID: version, Secret: "env:TOKEN", URL: server.URL, Address: testAddress.Hex()}
	s, err := Open(t.Context(), k, tools)
	if err != nil {
		t.Fatal(err)
	}
	signs(t, s)
	signs(t, s)
	k.Secret = "env:OLD"
	if _, err := Open(t.Context(), k, tools); err == nil || !strings.Contains(err.Error(), "401 UNAUTHENTICATED") {
		t.Errorf("an old token: %v", err)
	}
	k.Secret, algorithm = "env:TOKEN", "EC_SIGN_P256_SHA256"
	if _, err := Open(t.Context(), k, tools); err == nil || !strings.Contains(err.Error(), "another kind") {
		t.Errorf("a key of another kind: %v", err)
	}
	k.ID = "projects/p/../x"
	if _, err := Open(t.Context(), k, tools); err == nil || !strings.Contains(err.Error(), "name of the key's version") {
		t.Errorf("a name that is none: %v", err)
	}
}

func FuzzDER(f *testing.F) {
	f.Add(signedDER(make([]byte, 32), true))
	f.Add(publicDER(secp256k1))
	f.Fuzz(func(t *testing.T, der []byte) {
		if r, s, err := fromDER(der); err == nil && (r.Sign() <= 0 || s.Sign() <= 0) {
			t.Error("a signature of nothing was read")
		}
		if a, err := publicAddress(der); err == nil && a == (common.Address{}) {
			t.Error("a key of nobody was read")
		}
	})
}

var errNobody = errors.New("nobody")

func TestNothingIsBelievedOfADigestSigner(t *testing.T) {
	s := &signer{testAddress, func(context.Context, common.Hash) (*big.Int, *big.Int, error) { return nil, nil, errNobody }}
	if _, err := s.SignTypedData(t.Context(), someData); !errors.Is(err, errNobody) {
		t.Errorf("%v", err)
	}
	s.digest = func(context.Context, common.Hash) (*big.Int, *big.Int, error) {
		return big.NewInt(1), big.NewInt(1), nil
	}
	if _, err := s.SignTypedData(t.Context(), someData); err == nil || !strings.Contains(err.Error(), "not a signature of") {
		t.Errorf("%v", err)
	}
}
