// Package btcdtest runs a node of btcd on a chain of its own, in which blocks are mined and spent, for tests that want a real one. The
// program is bin/btcd of this repository, which make btcd builds; without it a test fails.
//
// It signs with a key that everybody knows, and is no part of the product.
package btcdtest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	payto "github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"lifeboat"
	"lifeboat/custodian/address"
	"lifeboat/custodian/node"
)

// Regtest is a node of btcd that is really running, on a chain of its own.
type Regtest struct {
	URL  string          // with user and password
	Mine address.Bitcoin // that blocks are mined to

	t    *testing.T
	node *node.Node
	key  *btcec.PrivateKey
}

// Start a node, which ends with the test.
func Start(t *testing.T) *Regtest {
	t.Helper()
	program, err := program()
	if err != nil {
		t.Fatal("bin/btcd is not here: run make btcd")
	}
	r := &Regtest{t: t}
	r.key, _ = btcec.PrivKeyFromBytes(bytes.Repeat([]byte{7}, 32))
	r.Mine = Witness(t, r.key)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := listener.Addr().String()
	_ = listener.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "btcd.conf")
	if err := os.WriteFile(config, []byte("[Application Options]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "--regtest", "--notls", "--nolisten", "--addrindex", "--rpcuser=owner", "--rpcpass=a-long-password",
		"--rpclisten="+at, "--configfile="+config, "--datadir="+dir, "--logdir="+dir, "--miningaddr="+r.Mine.Text)
	said, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	lines := bufio.NewScanner(said)
	ready := false
	for !ready && lines.Scan() {
		ready = strings.Contains(lines.Text(), "RPC server listening on "+at)
	}
	if !ready {
		t.Fatal("btcd does not start")
	}
	go func() {
		for lines.Scan() { // so that it can go on writing
		}
	}()
	r.URL = "http://owner:a-long-password@" + at
	if r.node, err = node.New(r.URL, lifeboat.WallClock{}, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

// Witness is the address of a key.
func Witness(t *testing.T, key *btcec.PrivateKey) address.Bitcoin {
	t.Helper()
	a, err := payto.NewAddressWitnessPubKeyHash(payto.Hash160(key.PubKey().SerializeCompressed()), &chaincfg.RegressionNetParams)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := address.ParseBitcoin(a.EncodeAddress())
	if err != nil {
		t.Fatal(err)
	}
	return mine
}

// Generate blocks.
func (r *Regtest) Generate(blocks int) {
	r.t.Helper()
	var hashes []string
	if err := r.node.Call(r.t.Context(), "mine", "generate", []any{blocks}, &hashes); err != nil || len(hashes) != blocks {
		r.t.Fatal(err)
	}
}

// Coinbase is the output that the block at a height mined.
func (r *Regtest) Coinbase(height int) (string, int64) {
	r.t.Helper()
	var hash string
	if err := r.node.Call(r.t.Context(), "find a block", "getblockhash", []any{height}, &hash); err != nil {
		r.t.Fatal(err)
	}
	var block struct {
		Transactions []string `json:"tx"`
	}
	if err := r.node.Call(r.t.Context(), "read a block", "getblock", []any{hash, 1}, &block); err != nil {
		r.t.Fatal(err)
	}
	return block.Transactions[0], 50_0000_0000
}

// Payment to an address.
type Payment struct {
	To      address.Bitcoin
	Satoshi int64
}

// Spend an output of the miner's, signed as a wallet would.
func (r *Regtest) Spend(id string, index uint32, value int64, to ...Payment) string {
	r.t.Helper()
	hash, err := chainhash.NewHashFromStr(id)
	if err != nil {
		r.t.Fatal(err)
	}
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(wire.NewOutPoint(hash, index), nil, nil))
	for _, p := range to {
		script, _ := hex.DecodeString(p.To.Script)
		tx.AddTxOut(wire.NewTxOut(p.Satoshi, script))
	}
	script, _ := hex.DecodeString(r.Mine.Script)
	fetcher := txscript.NewCannedPrevOutputFetcher(script, value)
	tx.TxIn[0].Witness, err = txscript.WitnessSignature(tx, txscript.NewTxSigHashes(tx, fetcher), 0, value, script, txscript.SigHashAll, r.key, true)
	if err != nil {
		r.t.Fatal(err)
	}
	var raw bytes.Buffer
	if err := tx.Serialize(&raw); err != nil {
		r.t.Fatal(err)
	}
	var sent string
	if err := r.node.Call(r.t.Context(), "send", "sendrawtransaction", []any{hex.EncodeToString(raw.Bytes())}, &sent); err != nil {
		r.t.Fatal(err)
	}
	return sent
}

// program is looked for from the test's folder upwards.
func program() (string, error) {
	for dir, err := os.Getwd(); err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if path := filepath.Join(dir, "bin", "btcd"); isFile(path) {
			return path, nil
		}
	}
	return "", errors.New("there is no bin/btcd")
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
