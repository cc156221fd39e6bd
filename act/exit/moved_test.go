package exit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/act/task"
	"lifeboat/chain"
	"lifeboat/plan"
	"lifeboat/testbed"
)

// moves in words.
func moves(all []lifeboat.Move) string {
	var words []string
	for _, m := range all {
		words = append(words, fmt.Sprintf("%s %s %s", m.Account, m.Quantity, m.Symbol))
	}
	return strings.Join(words, ", ")
}

// TestMovesOverABridge: what left is kept as soon as it has left, what arrived is told when it has arrived, and a process that goes on
// does not read again what the one before it read.
func TestMovesOverABridge(t *testing.T) {
	s := newStrait(t)
	o := s.down("USDC", "ETH")
	found := s.begin("exit-plan", o).ends()
	text, err := json.Marshal(applied{o, found.Facts["hash"], found.Facts})
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	w := s.worker()
	w.Moved = func(_ context.Context, _ plan.ExitOrder, mined *chain.Receipt) ([]lifeboat.Move, error) {
		if read++; read == 1 {
			return nil, chain.ErrUnreachable
		}
		return []lifeboat.Move{{Account: "treasury", Symbol: "USDC", Quantity: decimal.NewFromInt(-1000), Height: mined.BlockNumber.Uint64()}}, nil
	}
	var kept map[string]string
	do := func(keep func()) lifeboat.Receipt {
		work, err := w.Prepare("exit-1", lifeboat.Task{Kind: "exit-apply", Spec: text, Consent: s.consent(found.Facts["hash"])})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
		defer stop()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		return work.Do(ctx, task.Progress{Facts: maps.Clone(kept), Keep: func(why string, facts map[string]string) error {
			kept = maps.Clone(facts)
			if strings.Contains(why, "is not on above yet") {
				keep()
				if keep = func() {}; read == 2 {
					read++ // the first process ends here
					cancel()
				}
			}
			return nil
		}})
	}
	do(func() {
		if got := moves(lifeboat.MovesOf(kept)); got != "treasury -1000 USDC" {
			t.Errorf("while it is on its way it is kept that it moved %q", got)
		}
	})
	r := do(func() { s.Derive() })
	if got := moves(r.Moved()); r.Status != lifeboat.Performed || got != "treasury -1000 USDC, harbour 5 ETH, harbour 1000 USDC" && got != "treasury -1000 USDC, harbour 1000 USDC, harbour 5 ETH" {
		t.Errorf("%s: in all it moved %q", r.Status, got)
	}
	if read != 3 {
		t.Errorf("it was read %d times", read)
	}
	for _, m := range r.Moved() {
		if m.Height == 0 {
			t.Errorf("%+v lies in no block", m)
		}
	}
}

// TestMovesThatCannotBeRead leave the exit done, and the receipt says what follows.
func TestMovesThatCannotBeRead(t *testing.T) {
	m := newMarket(t, testbed.Start(t, testbed.Anvil))
	m.open(exit.Policy{})
	w := m.worker()
	found := m.do(w, "exit-plan", m.ordered("owners"))
	w.Moved = func(context.Context, plan.ExitOrder, *chain.Receipt) ([]lifeboat.Move, error) {
		return nil, errors.New("the state of block 7 is gone")
	}
	m.blocks()
	r := m.do(w, "exit-apply", applied{m.ordered("owners"), found.Facts["hash"], found.Facts}, m.yes(found.Facts["hash"])...)
	if r.Status != lifeboat.Performed || r.Moved() != nil {
		t.Errorf("%s: %v", r.Why, r.Moved())
	}
	says(t, r.Output, "will look like somebody else's doing: the state of block 7 is gone")
}

// yes of two owners to a hash.
func (m *market) yes(hash string) (all []lifeboat.Answer) {
	m.t.Helper()
	for _, o := range m.safe.Owners[:2] {
		signature, err := crypto.Sign(common.HexToHash(hash).Bytes(), o.Key)
		if err != nil {
			m.t.Fatal(err)
		}
		all = append(all, lifeboat.Answer{Yes: true, Factor: &lifeboat.Factor{Kind: "wallet", ID: o.Address.Hex(), Signature: hexutil.Encode(signature)}})
	}
	return all
}
