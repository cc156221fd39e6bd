package exit_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/act/task"
	"lifeboat/plan"
	"lifeboat/testbed"
)

// briefly is for how long a refusal is tried again in tests that want to see it.
const briefly = plan.Duration(time.Millisecond)

// ordered is the exit as a playbook's step orders it.
func (m *market) ordered(via string) plan.ExitOrder {
	return plan.ExitOrder{
		Exit:  plan.Exit{Account: "treasury", Protocol: "Aave", Do: []string{"repay", "withdraw"}, Via: via, KeepTrying: briefly},
		Chain: "ethereum", ChainID: int(m.ChainID.Int64()), Wallet: m.safe.Address.Hex(), Receiver: m.safe.Address.Hex(),
		Tokens:   []plan.Token{{Symbol: "WETH", Address: m.aave.WETH.Address.Hex()}, {Symbol: "USDC", Address: m.aave.USDC.Address.Hex()}},
		Contract: &plan.Contract{Adapter: "aave-v3", Chain: "ethereum", Address: m.aave.Pool.Address.Hex()},
		Own:      map[string]string{m.safe.Address.Hex(): "treasury"},
	}
}

func (m *market) worker() *exit.Worker {
	return &exit.Worker{Desk: func(chain string) *exit.Desk { return map[string]*exit.Desk{"ethereum": m.desk}[chain] }, Batch: m.safe.MultiSend.Address,
		Sender: func(string, bool) (common.Address, error) { return m.relayer.Address, nil }}
}

// do one task.
func (m *market) do(w *exit.Worker, kind string, spec any, consent ...lifeboat.Answer) lifeboat.Receipt {
	m.t.Helper()
	return m.doAs("exit-1", w, kind, spec, consent...)
}

// doAs does one task under another key.
func (m *market) doAs(key lifeboat.Key, w *exit.Worker, kind string, spec any, consent ...lifeboat.Answer) lifeboat.Receipt {
	m.t.Helper()
	return m.doWith(task.Progress{}, key, w, kind, spec, consent...)
}

func (m *market) doWith(progress task.Progress, key lifeboat.Key, w *exit.Worker, kind string, spec any, consent ...lifeboat.Answer) lifeboat.Receipt {
	m.t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		m.t.Fatal(err)
	}
	work, err := w.Prepare(key, lifeboat.Task{Kind: kind, Spec: text, Consent: consent})
	if err != nil {
		m.t.Fatal(err)
	}
	return work.Do(m.t.Context(), progress)
}

// consent of so many owners, as their wallets give it.
func (m *market) consent(hash string, owners int) (all []lifeboat.Answer) {
	m.t.Helper()
	for _, o := range m.safe.Owners[:owners] {
		signature, err := crypto.Sign(common.HexToHash(hash).Bytes(), o.Key)
		if err != nil {
			m.t.Fatal(err)
		}
		all = append(all, lifeboat.Answer{Yes: true, Factor: &lifeboat.Factor{Kind: "wallet", ID: o.Address.Hex(), Signature: hexutil.Encode(signature)}})
	}
	return all
}

// applied is what the second task is told.
type applied struct {
	plan.ExitOrder
	Hash    string            `json:"hash"`
	Planned map[string]string `json:"planned"`
}

// TestTheTwoTasksOfAStep are what a playbook has done: what the first found goes to the second by way of the journal, with what
// wallets signed.
func TestTheTwoTasksOfAStep(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Anvil))
	w := m.worker()
	found := m.do(w, "exit-plan", m.ordered("owners"))
	if found.Status != lifeboat.Performed || found.Facts["threshold"] != "2" || found.Facts["safe_tx"] == "" {
		t.Fatalf("planned %+v", found)
	}
	consent := m.consent(found.Facts["hash"], 2)
	m.blocks()
	spec := applied{m.ordered("owners"), found.Facts["hash"], found.Facts}
	forged := spec
	forged.Hash = common.Hash{1}.Hex()
	if text, err := json.Marshal(forged); err != nil {
		t.Fatal(err)
	} else if _, err := w.Prepare("exit-1", lifeboat.Task{Kind: "exit-apply", Spec: text}); err == nil {
		t.Error("another hash was taken")
	}
	says(t, m.do(w, "exit-apply", spec, consent[0]).Why, "1 of 2 signatures are good")
	stranger, err := crypto.Sign(common.HexToHash(found.Facts["hash"]).Bytes(), m.relayer.Key)
	if err != nil {
		t.Fatal(err)
	}
	// One has answered twice, and one answer is of somebody who is no owner.
	consent = append(consent, consent[0], lifeboat.Answer{Yes: true, Factor: &lifeboat.Factor{Kind: "wallet", Signature: hexutil.Encode(stranger)}})
	done := m.do(w, "exit-apply", spec, consent...)
	if done.Status != lifeboat.Performed || done.Facts["transaction"] == "" {
		t.Fatalf("%s\n%s", done.Why, done.Output)
	}
	m.out()
	if again := m.do(w, "exit-plan", m.ordered("owners")); again.Facts["changes"] != "false" {
		t.Errorf("a second time it is planned: %+v", again)
	}
}

// TestKit is an exit that is signed on a quiet day and carried out on a bad one; and goes stale when the Safe goes on.
func TestKit(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Anvil))
	kits, err := exit.OpenKits(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	prepare := func() exit.Kit {
		order, err := m.desk.OrderOf(t.Context(), m.ordered("presigned"), must(exit.WayOut(m.ordered("presigned"), "ETH", nil)), m.relayer.Address)
		if err != nil {
			t.Fatal(err)
		}
		order.Batch = m.safe.MultiSend.Address
		kit, err := kits.Prepare(t.Context(), m.desk, order)
		if err != nil {
			t.Fatal(err)
		}
		return kit
	}
	status := func(maxAge time.Duration) exit.Status {
		t.Helper()
		all, err := kits.List(m.ChainID.Uint64(), m.safe.Address)
		if err != nil {
			t.Fatal(err)
		}
		s, err := m.desk.Status(t.Context(), all[0], maxAge)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	sign := func(kit exit.Kit, owners int) {
		for _, one := range m.signed(kit.Prepared, owners) {
			if _, err := kits.Store.Sign(m.ChainID.Uint64(), m.safe.Address, kit.Prepared.Hash, one); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := m.worker()
	w.Kits = kits
	says(t, m.do(w, "exit-plan", m.ordered("presigned")).Why, "nothing was signed beforehand to repay and withdraw in Aave")

	first := prepare()
	if s := status(0); s.Is != exit.Unsigned || s.Needed != 2 {
		t.Errorf("unsigned it is %+v", s)
	}
	sign(first, 2)
	if s := status(0); s.Is != exit.Armed || s.Signed != 2 {
		t.Errorf("signed it is %+v", s)
	}
	if s := status(time.Nanosecond); s.Is != exit.Stale {
		t.Errorf("old it is %+v", s)
	}
	// One that nobody found good for nine days is not used by a step that wants it within seven, signed or not. To prepare it anew is to try
	// it, and as it is the same still, it keeps its signatures.
	aged := m.ordered("presigned")
	aged.ProvenWithin = plan.Duration(7 * 24 * time.Hour)
	if err := kits.Prove(first.Prepared.Hash, time.Now().Add(-9*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	says(t, m.do(w, "exit-plan", aged).Why, "stale", "last found good", "9 d ago")
	prepare()
	if found := m.do(w, "exit-plan", aged); found.Status != lifeboat.Performed {
		t.Errorf("prepared anew: %s", found.Why)
	}
	m.safe.Exec(m.aave.WETH.Do("approve", m.Whale().Address, testbed.Ether(0)), testbed.OperationCall)
	if s := status(0); s.Is != exit.Stale {
		t.Errorf("when the Safe has gone on it is %+v", s)
	}
	says(t, m.do(w, "exit-plan", m.ordered("presigned")).Why, "stale", "nonce 1, and the Safe is at 2")

	sign(prepare(), 2)
	m.blocks()
	found := m.do(w, "exit-plan", m.ordered("presigned"))
	if found.Status != lifeboat.Performed {
		t.Fatal(found.Why)
	}
	if done := m.do(w, "exit-apply", applied{m.ordered("presigned"), found.Facts["hash"], found.Facts}); done.Status != lifeboat.Performed {
		t.Fatalf("%s\n%s", done.Why, done.Output)
	}
	m.out()
}
