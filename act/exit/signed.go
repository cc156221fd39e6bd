package exit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

const (
	// signedMax is how many of its own transactions a desk knows again, and calls that it gave to a relay; of more, the oldest are forgotten.
	signedMax = 4096
	// notesReadMax is how many notes are read for that at a start, the newest.
	notesReadMax = 256
)

// signed are the transactions that were signed here, by their hashes, and the calls that were given to a relay. What waits in a pool and
// is none of them is somebody else's.
type signed struct {
	mu    sync.Mutex
	known map[common.Hash]bool
	order []common.Hash // a ring, once it is full
	next  int
}

func (s *signed) add(hash common.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.known[hash]:
		return
	case len(s.order) < signedMax:
		s.order = append(s.order, hash)
	default:
		delete(s.known, s.order[s.next])
		s.order[s.next] = hash
		s.next = (s.next + 1) % signedMax
	}
	s.known[hash] = true
}

// Signed reports a transaction that this desk signed, now or before the last stop. It knows it before any node does.
func (d *Desk) Signed(hash common.Hash) bool {
	d.signed.mu.Lock()
	defer d.signed.mu.Unlock()
	return d.signed.known[hash]
}

// Given reports a call that this desk gave to a relay to send, now or before the last stop, by the Safe and the digest of the calldata
// with its signatures. It knows it before the relay does. Whoever sends it: the Safe's nonce lets it through once.
func (d *Desk) Given(safe common.Address, input common.Hash) bool {
	return d.Signed(callOf(safe, input))
}

// callOf stands for such a call among the hashes of transactions.
func callOf(safe common.Address, input common.Hash) common.Hash {
	return crypto.Keccak256Hash(safe[:], input[:])
}

// written is when an entry of a directory was written last; long ago where that is not known.
func written(e os.DirEntry) time.Time {
	info, err := e.Info()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// recall what notes say was signed or given to a relay. One that cannot be read is left out: its transactions are then taken for a
// stranger's, and told, and the exit that it is of says what is wrong with it.
func (n notes) recall(into *signed) error {
	entries, err := os.ReadDir(n.dir)
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !strings.HasSuffix(e.Name(), ".json") })
	slices.SortFunc(entries, func(x, y os.DirEntry) int { return written(x).Compare(written(y)) })
	for _, e := range entries[max(0, len(entries)-notesReadMax):] {
		read, err := readNote(filepath.Join(n.dir, e.Name()))
		if err != nil {
			continue
		}
		for _, out := range read.Sent {
			into.add(out.tx.Hash())
		}
		if read.heard() {
			into.add(callOf(read.Relay.Safe, crypto.Keccak256Hash(read.Relay.Data)))
		}
	}
	return nil
}
