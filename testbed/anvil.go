package testbed

import (
	"bufio"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// anvil is a node of Foundry's in a process of its own.
type anvil struct {
	b     *Bed
	state string // the file that keeps the chain over a restart
	held  bool
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process is gone
}

func (b *Bed) startAnvil() {
	b.t.Helper()
	a := &anvil{b: b, state: b.t.TempDir() + "/state.json"}
	b.chain = a
	a.run("0")
	b.t.Cleanup(a.kill)
	b.dial()
	var fund []rpc.BatchElem
	for _, account := range b.Accounts {
		fund = append(fund, rpc.BatchElem{Method: "anvil_setBalance", Args: []any{account.Address, hexutil.EncodeBig(Ether(100_000))}, Result: new(any)})
	}
	b.must("fund the accounts", b.RPC.BatchCallContext(b.ctx(), fund))
	for address, code := range b.canonical() {
		b.rpc(nil, "anvil_setCode", address, hexutil.Bytes(code))
	}
}

// run starts the process on a port, 0 for any free one, and waits until it says where it listens.
func (a *anvil) run(port string) {
	a.b.t.Helper()
	a.cmd = exec.Command(anvilBinary(), "--host", "127.0.0.1", "--port", port, "--chain-id", strconv.Itoa(a.b.number), "--accounts", "1",
		"--disable-code-size-limit", "--state", a.state,
		// Left to itself it keeps the state of every old block in a file in the home directory, 8 MB each, beyond its own end when
		// it is killed: one long test wrote 14 GB. The last 500 states, which it keeps in memory, are all that tests look back to.
		"--max-persisted-states", "0", "--cache-path", filepath.Dir(a.state))
	a.cmd.Args = append(a.cmd.Args, a.b.flags...)
	if a.held {
		a.cmd.Args = append(a.cmd.Args, "--no-mining")
	}
	dieWithParent(a.cmd)
	out, err := a.cmd.StdoutPipe()
	a.b.must("start anvil", err)
	a.cmd.Stderr = a.cmd.Stdout
	a.ended = make(chan struct{})
	address := make(chan string, 1)
	go func() {
		// A process that is to die with its parent dies with the thread that started it: that thread waits for it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(a.ended)
		defer close(address)
		if err := a.cmd.Start(); err != nil {
			address <- err.Error()
			return
		}
		listen(out, address)
		_ = a.cmd.Wait()
	}()
	said := <-address
	where, ok := strings.CutPrefix(said, "Listening on ")
	if !ok {
		a.b.t.Fatalf("anvil did not start: %s", said)
	}
	a.b.URL, a.b.WS = "http://"+where, "ws://"+where
}

// listen reads what anvil prints to its end and hands on the line that says where it listens, or all of it when none does.
func listen(out io.Reader, address chan<- string) {
	var before strings.Builder
	lines := bufio.NewScanner(out)
	for found := false; lines.Scan(); {
		switch {
		case found:
		case strings.HasPrefix(lines.Text(), "Listening on "):
			found = true
			address <- lines.Text()
		default:
			fmt.Fprintln(&before, lines.Text())
		}
	}
	select {
	case address <- before.String():
	default:
	}
}

// kill ends the process at once.
func (a *anvil) kill() {
	_ = a.cmd.Process.Kill()
	<-a.ended
}

// stop ends the process in the way in which it writes its state down.
func (a *anvil) stop() {
	_ = a.cmd.Process.Signal(os.Interrupt)
	select {
	case <-a.ended:
	case <-a.b.later(10 * time.Second):
		a.kill()
	}
}

func (a *anvil) start() { a.run(a.b.URL[strings.LastIndexByte(a.b.URL, ':')+1:]) }

func (a *anvil) mine(n int) { a.b.rpc(nil, "anvil_mine", hexutil.Uint64(n)) }

func (a *anvil) forward(d time.Duration) {
	a.b.rpc(nil, "evm_increaseTime", hexutil.Uint64(d/time.Second))
	a.mine(1)
}

func (a *anvil) pace(d time.Duration) {
	a.b.rpc(nil, "anvil_setBlockTimestampInterval", uint64(d/time.Second))
}

func (a *anvil) reorg(depth int) { a.b.rpc(nil, "anvil_reorg", depth, []any{}) }

func (a *anvil) hold(held bool) {
	a.held = held
	a.b.rpc(nil, "evm_setAutomine", !held)
}

func (a *anvil) fee(wei *big.Int) {
	a.b.rpc(nil, "anvil_setNextBlockBaseFeePerGas", hexutil.EncodeBig(wei))
}
