package bitcoin

import (
	"bufio"
	"bytes"
	"encoding/hex"
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
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/custodian/address"
	"lifeboat/custodian/node"
)

// regtest is a node of btcd that is really running, on a chain of its own.
type regtest struct {
	url  string
	node *node.Node
	key  *btcec.PrivateKey
	mine address.Bitcoin // that blocks are mined to, the key's
}

func newRegtest(t *testing.T) *regtest {
	t.Helper()
	program, err := filepath.Abs("../../bin/btcd")
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		t.Fatal("bin/btcd is not here: run make btcd")
	}
	r := &regtest{}
	r.key, _ = btcec.PrivKeyFromBytes(bytes.Repeat([]byte{7}, 32))
	r.mine = r.witness(t, r.key)
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
		"--rpclisten="+at, "--configfile="+config, "--datadir="+dir, "--logdir="+dir, "--miningaddr="+r.mine.Text)
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
	r.url = "http://owner:a-long-password@" + at
	if r.node, err = node.New(r.url, lifeboat.WallClock{}, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *regtest) witness(t *testing.T, key *btcec.PrivateKey) address.Bitcoin {
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

func (r *regtest) generate(t *testing.T, blocks int) {
	t.Helper()
	var hashes []string
	if err := r.node.Call(t.Context(), "mine", "generate", []any{blocks}, &hashes); err != nil || len(hashes) != blocks {
		t.Fatal(err)
	}
}

// coinbase is the output that the block at a height mined.
func (r *regtest) coinbase(t *testing.T, height int) (string, int64) {
	t.Helper()
	hash, err := rpc{r.node}.block(t.Context(), uint64(height))
	if err != nil {
		t.Fatal(err)
	}
	var block struct {
		Transactions []string `json:"tx"`
	}
	if err := r.node.Call(t.Context(), "read a block", "getblock", []any{hash, 1}, &block); err != nil {
		t.Fatal(err)
	}
	return block.Transactions[0], 50_0000_0000
}

type payment struct {
	to      address.Bitcoin
	satoshi int64
}

// spend an output of the miner's, signed as a wallet would.
func (r *regtest) spend(t *testing.T, id string, index uint32, value int64, to ...payment) string {
	t.Helper()
	hash, err := chainhash.NewHashFromStr(id)
	if err != nil {
		t.Fatal(err)
	}
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(wire.NewOutPoint(hash, index), nil, nil))
	for _, p := range to {
		script, _ := hex.DecodeString(p.to.Script)
		tx.AddTxOut(wire.NewTxOut(p.satoshi, script))
	}
	script, _ := hex.DecodeString(r.mine.Script)
	fetcher := txscript.NewCannedPrevOutputFetcher(script, value)
	tx.TxIn[0].Witness, err = txscript.WitnessSignature(tx, txscript.NewTxSigHashes(tx, fetcher), 0, value, script, txscript.SigHashAll, r.key, true)
	if err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	if err := tx.Serialize(&raw); err != nil {
		t.Fatal(err)
	}
	var sent string
	if err := r.node.Call(t.Context(), "send", "sendrawtransaction", []any{hex.EncodeToString(raw.Bytes())}, &sent); err != nil {
		t.Fatal(err)
	}
	return sent
}

func (r *regtest) source(t *testing.T, addresses ...address.Bitcoin) *Source {
	t.Helper()
	var texts []string
	for _, a := range addresses {
		texts = append(texts, a.Text)
	}
	s, err := New(Options{URL: r.url, Addresses: texts, Network: address.Regtest, Clock: lifeboat.WallClock{}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func holds(t *testing.T, s *Source, height uint64, quantity, free string) {
	t.Helper()
	h, err := s.Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if l := h.Lines[0]; h.Height != height || h.At.IsZero() || l.Symbol != "BTC" || !l.Quantity.Equal(decimal.RequireFromString(quantity)) || !l.Free.Equal(decimal.RequireFromString(free)) {
		t.Errorf("at %d: %s, free %s; want %s, %s at %d", h.Height, l.Quantity, l.Free, quantity, free, height)
	}
}

// On a chain that is really running: blocks are mined to an address, it pays to another, and what is held and free follows to the
// satoshi, through what waits and what is confirmed.
func TestRegtest(t *testing.T) {
	r := newRegtest(t)
	otherKey, _ := btcec.PrivKeyFromBytes(bytes.Repeat([]byte{9}, 32))
	vault := r.witness(t, otherKey)
	taproot, err := address.ParseBitcoin("bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6")
	if err != nil {
		t.Fatal(err)
	}
	miner, both, safe := r.source(t, r.mine), r.source(t, vault, taproot), r.source(t, r.mine, vault)
	holds(t, both, 0, "0", "0") // never used: known to hold nothing
	r.generate(t, 120)
	holds(t, miner, 120, "6000", "1050") // mined coins rest for a hundred blocks
	id, value := r.coinbase(t, 1)
	sent := r.spend(t, id, 0, value, payment{vault, 1}, payment{taproot, 12_3456_7890}, payment{r.mine, value - 12_3456_7891 - 1000})
	holds(t, miner, 120, "6000", "1000")
	holds(t, both, 120, "0", "0") // what waits is not held
	if got, err := both.Transfers(t.Context(), 5); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	r.generate(t, 1)
	holds(t, both, 121, "12.34567891", "12.34567891")
	holds(t, miner, 121, "6037.65432109", "1087.65431109") // the next block pays the miner the fee as well, and another of its coins matures
	holds(t, safe, 121, "6037.6543211", "1087.6543111")

	got, err := both.Transfers(t.Context(), 5)
	if err != nil || len(got) != 1 || got[0].Hash != sent || got[0].Amount.String() != "12.34567891" || got[0].Counterpart != r.mine.Text || got[0].At.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = miner.Transfers(t.Context(), 3)
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := safe.Transfers(t.Context(), 200); err != nil || len(got) != 122 {
		t.Errorf("%d transfers, %v", len(got), err) // 121 blocks, and the payment
	}
	mainnet, err := New(Options{URL: r.url, Addresses: []string{"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"}, Clock: lifeboat.WallClock{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mainnet.Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "it is a server of regtest, and the account is on mainnet") || strings.Contains(err.Error(), "password") {
		t.Errorf("another network: %v", err)
	}
	wrong, _ := New(Options{URL: strings.Replace(r.url, "a-long-password", "not-the-password", 1), Addresses: []string{vault.Text}, Network: address.Regtest, Clock: lifeboat.WallClock{}})
	if _, err := wrong.Holdings(t.Context()); err == nil || strings.Contains(err.Error(), "not-the-password") || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong password: %v", err)
	}
}
