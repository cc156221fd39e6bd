package sign

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/google/uuid"

	"lifeboat/plan"
)

// program is the clef of this machine; make clef builds one. A machine without it skips the test, except in CI.
func program(t *testing.T) string {
	if built, err := filepath.Abs("../../bin/clef"); err == nil {
		if _, err := os.Stat(built); err == nil {
			return built
		}
	}
	path, err := exec.LookPath("clef")
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal("neither bin/clef nor clef is here: run make clef")
	default:
		t.Skip("neither bin/clef nor clef is here: run make clef")
	}
	return path
}

// person sits before clef's dialogue, which is JSON-RPC over its standard input and output.
type person struct {
	in      io.Writer
	url     chan string
	refuses atomic.Bool
	meddles atomic.Bool // raises the gas before agreeing
}

// answer what clef asks, until it ends.
func (p *person) answer(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var asked struct {
			ID     json.RawMessage   `json:"id"`
			Method string            `json:"method"`
			Params []json.RawMessage `json:"params"`
		}
		if json.Unmarshal(lines.Bytes(), &asked) != nil {
			continue
		}
		var result any
		switch asked.Method {
		case "ui_onSignerStartup":
			var startup struct {
				Info map[string]any `json:"info"`
			}
			_ = json.Unmarshal(asked.Params[0], &startup)
			where, _ := startup.Info["extapi_http"].(string)
			p.url <- where
		case "ui_approveListing":
			var listing struct {
				Accounts json.RawMessage `json:"accounts"`
			}
			_ = json.Unmarshal(asked.Params[0], &listing)
			result = listing
		case "ui_approveTx":
			var shown struct {
				Transaction map[string]any `json:"transaction"`
			}
			_ = json.Unmarshal(asked.Params[0], &shown)
			if p.meddles.Load() {
				shown.Transaction["gas"] = "0xfffff"
			}
			result = map[string]any{"transaction": shown.Transaction, "approved": !p.refuses.Load()}
		case "ui_approveSignData":
			result = map[string]any{"approved": !p.refuses.Load()}
		case "ui_onInputRequired":
			result = map[string]any{"text": "open sesame"}
		}
		if len(asked.ID) > 0 {
			answer, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": asked.ID, "result": result})
			if _, err := p.in.Write(append(answer, '\n')); err != nil {
				return
			}
		}
	}
	close(p.url)
}

// TestClef runs against clef itself, with a person who agrees, refuses and meddles.
func TestClef(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, "keystore")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	id, _ := uuid.NewRandom()
	content, err := keystore.EncryptKey(&keystore.Key{Id: id, Address: testAddress, PrivateKey: testKey}, "open sesame", keystore.LightScryptN, keystore.LightScryptP)
	if err == nil {
		err = os.WriteFile(filepath.Join(keys, "UTC--2026-01-01T00-00-00.000000000Z--"+strings.ToLower(testAddress.Hex()[2:])), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program(t), "--advanced", "--stdio-ui", "--suppress-bootwarn", "--nousb", "--lightkdf", "--keystore", keys, "--configdir", dir,
		"--auditlog", "", "--4bytedb-custom", filepath.Join(dir, "4byte.json"), "--chainid", chainID.String(), "--ipcdisable", "--http", "--http.addr", "127.0.0.1", "--http.port", "0")
	command.Dir = dir
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	human := &person{in: in, url: make(chan string, 1)}
	go human.answer(out)
	address, ok := <-human.url
	if !ok || address == "" {
		t.Fatal("clef did not start")
	}

	k := plan.SigningKey{Kind: "clef", URL: address, Address: testAddress.Hex()}
	s, err := Open(t.Context(), k, Tools{})
	if err != nil {
		t.Fatal(err)
	}
	signs(t, s)

	human.meddles.Store(true)
	if _, err := s.SignTx(t.Context(), someTx(), chainID); err == nil || !strings.Contains(err.Error(), "another transaction") {
		t.Errorf("a transaction that was changed was taken: %v", err)
	}
	human.refuses.Store(true)
	if _, err := s.SignTx(t.Context(), someTx(), chainID); err == nil || !strings.Contains(err.Error(), "denied") {
		t.Errorf("a person refused: %v", err)
	}
	if _, err := s.SignTypedData(t.Context(), someData); err == nil || !strings.Contains(err.Error(), "denied") {
		t.Errorf("a person refused: %v", err)
	}
	k.Address = stranger.Hex()
	if _, err := Open(t.Context(), k, Tools{}); err == nil || !strings.Contains(err.Error(), "1 accounts, and not this one") {
		t.Errorf("an account that it does not have: %v", err)
	}
	k.URL = "http://user:hidden@127.0.0.1:1"
	if _, err := Open(t.Context(), k, Tools{}); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("nobody there: %v", err)
	}
}
