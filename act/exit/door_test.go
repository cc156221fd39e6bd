package exit_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/plan"
	"lifeboat/testbed"
)

// lentOut is a market from which a Safe wants 10 WETH, and from which somebody has borrowed all of it.
func lentOut(t *testing.T, bed *testbed.Bed) (m *market, whale testbed.Account) {
	m, whale = newMarket(t, bed), bed.Whale()
	m.aave.Supply(whale, m.aave.USDC, testbed.Units(1_000_000, 6))
	m.lend(whale)
	return m, whale
}

// lend out all that there is.
func (m *market) lend(to testbed.Account) {
	available, _ := m.aave.Liquidity(m.aave.WETH)
	m.aave.Borrow(to, m.aave.WETH, available)
}

// TestTheDoorOpensForAMoment is an exit from a market that has lent out everything. It is tried at every block while the step says so, and
// is out in the first one that has something; the same for one that was signed while the door was open.
func TestTheDoorOpensForAMoment(t *testing.T) {
	m, whale := lentOut(t, testbed.Start(t, testbed.Anvil))
	w := m.worker()
	order := m.ordered("owners")
	says(t, m.do(w, "exit-plan", order).Why, "nothing can be withdrawn: all WETH of the market is lent out")

	order.KeepTrying = plan.Duration(time.Hour)
	m.Mint(m.aave.WETH, whale.Address, testbed.Ether(40))
	var found lifeboat.Receipt
	waits := m.while(func(keep func(string, map[string]string) error) {
		found = m.doWith(task.Progress{Keep: keep}, "exit-1", w, "exit-plan", order)
	},
		"all WETH of the market is lent out; it is tried again until", func() { m.aave.Supply(whale, m.aave.WETH, testbed.Ether(20)) })
	if found.Status != lifeboat.Performed {
		t.Fatalf("%s; it waited: %q", found.Why, waits)
	}
	consent := m.consent(found.Facts["hash"], 2)
	m.lend(whale) // while the owners signed
	m.blocks()
	var done lifeboat.Receipt
	m.while(func(keep func(string, map[string]string) error) {
		done = m.doWith(task.Progress{Keep: keep}, "exit-1", w, "exit-apply", applied{order, found.Facts["hash"], found.Facts}, consent...)
	}, "things have changed since it was prepared", func() { m.aave.Supply(whale, m.aave.WETH, testbed.Ether(20)) })
	if done.Status != lifeboat.Performed {
		t.Fatalf("%s\n%s", done.Why, done.Output)
	}
	m.out()
}

// while does something beside a task, once the task says that it waits for a certain thing, and returns all that it said.
func (m *market) while(task func(keep func(string, map[string]string) error), until string, then func()) (said []string) {
	m.t.Helper()
	var mu sync.Mutex
	waits, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		task(func(why string, _ map[string]string) error {
			mu.Lock()
			defer mu.Unlock()
			if said = append(said, why); strings.Contains(why, until) && !slices.ContainsFunc(said[:len(said)-1], func(s string) bool { return strings.Contains(s, until) }) {
				close(waits)
			}
			return nil
		})
	}()
	select {
	case <-waits:
		then()
	case <-ended:
		m.t.Errorf("it ended without saying that it waits: %q", said)
	}
	<-ended
	return said
}

// TestOneLookAmidABlock is a node that mixes two blocks in one answer, as anvil was seen to do: a contract is called with the clock of one and
// the state of the next, and refuses. Whichever of the calls that an exit makes is answered so, once: that is no end of it.
func TestOneLookAmidABlock(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Anvil))
	for method, mix := range map[string]func(answer string) string{
		"eth_simulateV1": func(answer string) string { return strings.Replace(answer, `"status":"0x1"`, `"status":"0x0"`, 1) },
		"eth_call": func(answer string) string {
			return refusing.ReplaceAllString(answer, `"error":{"code":3,"message":"execution reverted","data":"`+underflow+`"}`)
		},
	} {
		for nth := int32(1); ; nth++ {
			back := m.snapshot()
			m.dir = t.TempDir()
			w, order := m.worker(), m.ordered("owners")
			order.KeepTrying = plan.Duration(time.Minute)
			var answers atomic.Int32
			m.connect(m.node(&between{lie: func(asked, answer string) string {
				if asked == method && answers.Add(1) == nth {
					return mix(answer)
				}
				return answer
			}}))
			ctx, stop := context.WithCancel(t.Context())
			mined := m.minedEvery(ctx, 50*time.Millisecond)
			found := m.do(w, "exit-plan", order)
			if found.Status != lifeboat.Performed {
				t.Fatalf("%s %d: %s", method, nth, found.Why)
			}
			done := m.do(w, "exit-apply", applied{order, found.Facts["hash"], found.Facts}, m.consent(found.Facts["hash"], 2)...)
			if done.Status != lifeboat.Performed {
				t.Fatalf("%s %d: %s\n%s", method, nth, done.Why, done.Output)
			}
			stop()
			<-mined
			m.out()
			back()
			if answers.Load() < nth {
				t.Logf("%d answers of %s", answers.Load(), method)
				break
			}
		}
	}
}

// snapshot returns what sets anvil's chain back to how it is now.
func (m *market) snapshot() (back func()) {
	var id string
	if err := m.Client.Client().Call(&id, "evm_snapshot"); err != nil {
		m.t.Fatal(err)
	}
	return func() {
		var done bool
		if err := m.Client.Client().Call(&done, "evm_revert", id); err != nil || !done {
			m.t.Fatalf("set the chain back: %v, %v", done, err)
		}
	}
}

var (
	refusing  = regexp.MustCompile(`"result":"0x[0-9a-f]*"`)
	underflow = "0x4e487b71" + strings.Repeat("0", 62) + "11" // Panic(0x11)
)
