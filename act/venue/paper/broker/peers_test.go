package broker_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The peers are Alpaca's own SDKs, each a small program beside this module. They know nothing of lifeboat, and each wants an
// account of its own.
const peers = "../../../../tools/peers"

func TestAlpacaGoSDK(t *testing.T) {
	program := filepath.Join(t.TempDir(), "alpaca-go")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(peers, "alpaca-go")
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("Alpaca's Go SDK cannot be built as a peer (%v):\n%s", err, out)
	}
	speaks(t, exec.Command(program))
}

func TestAlpacaNpmSDK4(t *testing.T) { speaksNode(t, "alpaca-js4") }

func TestAlpacaNpmSDK3(t *testing.T) { speaksNode(t, "alpaca-js3") }

// speaksNode runs a peer for Node, whose packages are installed as its lock file says where they are missing.
func speaksNode(t *testing.T, name string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("Node 20 is needed: Alpaca's npm SDKs are peers of the paper broker, and nothing else stands in for them")
	}
	folder := filepath.Join(peers, name)
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "@alpacahq", "alpaca-trade-api", "package.json")); err != nil {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		install := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
		install.Dir = folder
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("the packages of %s cannot be installed (%v):\n%s", name, err, out)
		}
	}
	peer := exec.Command(node, "peer.mjs")
	peer.Dir = folder
	speaks(t, peer)
}

// speaks runs a peer against a fresh broker and wants it to find everything as it is at Alpaca.
func speaks(t *testing.T, peer *exec.Cmd) {
	t.Helper()
	s := open(t, nil)
	peer.Args = append(peer.Args, s.url)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	go func() {
		<-ctx.Done()
		if peer.Process != nil && ctx.Err() == context.DeadlineExceeded {
			_ = peer.Process.Kill()
		}
	}()
	out, err := peer.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	fmt.Fprintf(t.Output(), "%s", out)
}
