package exit

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// TestSignedIsKnown before any node has it, with those that were replaced, and after a restart; a damaged note takes nothing else with it.
func TestSignedIsKnown(t *testing.T) {
	both(t, func(t *testing.T, guarded bool) {
		tr := newTrial(t, guarded)
		dir := t.TempDir()
		tr.brew("stuck")
		inner := tr.onCall
		tr.onCall = func(method string) error {
			if method == "broadcast" {
				n, err := tr.desk.notes.read("exit-1")
				if err != nil {
					return err
				}
				for _, out := range n.Sent {
					if !tr.desk.Signed(out.tx.Hash()) {
						t.Errorf("a node is given %s, and the desk does not know it", out.tx.Hash().Hex())
					}
				}
			}
			return inner(method)
		}
		n, err := tr.start(dir)
		if err != nil || len(n.Sent) < 2 {
			t.Fatalf("nothing was replaced: %v", err)
		}
		if err := os.WriteFile(filepath.Join(dir, "exits", "damaged.json"), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		again := openDesk(t, tr.world, tr.world, dir, tr.key)
		for _, out := range n.Sent {
			if !again.Signed(out.tx.Hash()) {
				t.Errorf("%s is not known after a restart", out.tx.Hash().Hex())
			}
		}
		if again.Signed(common.Hash{1}) {
			t.Error("a stranger's transaction is known")
		}
	})
}

func TestSignedIsBounded(t *testing.T) {
	s := &signed{known: map[common.Hash]bool{}}
	hash := func(i int) common.Hash { return common.HexToHash(fmt.Sprintf("%x", i+1)) }
	for i := range 2*signedMax + 5 {
		s.add(hash(i))
		s.add(hash(i))
	}
	if len(s.known) != signedMax || len(s.order) != signedMax || !s.known[hash(2*signedMax+4)] || !s.known[hash(signedMax+5)] || s.known[hash(signedMax+4)] {
		t.Errorf("%d are known, in an order of %d", len(s.known), len(s.order))
	}
}
