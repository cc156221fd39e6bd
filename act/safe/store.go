package safe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/durable"
	"lifeboat/prose"
)

// Kept is a transaction with the signatures that were collected for it beforehand. Whoever has enough of them can carry it out, and
// nothing else: keep it from strangers all the same.
type Kept struct {
	Tx         Tx          `json:"tx"`
	Hash       common.Hash `json:"safe_tx_hash"`
	Signatures []Signature `json:"signatures,omitempty"`
	Prepared   time.Time   `json:"prepared"`
	For        string      `json:"for"` // the kit it belongs to: an exit of a playbook, as its owner calls it
	// Implementation is the code that the Safe ran when it was prepared.
	Implementation common.Address `json:"implementation,omitzero"`
}

// check holds what a file says to itself: the hash is that of the transaction, and every key's signature is over it.
func (k Kept) check() error {
	if err := k.Tx.Valid(); err != nil {
		return err
	}
	if hash := k.Tx.Hash(); hash != k.Hash {
		return fmt.Errorf("it says its hash is %s, and it is %s", k.Hash, hash)
	}
	if len(k.Signatures) > signaturesMax {
		return fmt.Errorf("it has more than %d signatures", signaturesMax)
	}
	for _, s := range k.Signatures {
		if err := s.check(k.Hash); err != nil {
			return fmt.Errorf("the signature of %s: %w", s.Owner, err)
		}
	}
	return nil
}

// Stale says why a kept transaction cannot be carried out as the Safe stands now; nothing when it can. It does not simulate: what it does
// may have become senseless all the same.
func (k Kept) Stale(s State) (why []string) {
	add := func(format string, arguments ...any) { why = append(why, fmt.Sprintf(format, arguments...)) }
	switch {
	case k.Tx.Safe != s.Safe:
		return []string{fmt.Sprintf("it is of the Safe %s, not of %s", k.Tx.Safe, s.Safe)}
	case k.Tx.Nonce < s.Nonce:
		add("the Safe is at nonce %d and it was signed for %d: it would be refused with GS026, and has to be prepared and signed anew", s.Nonce, k.Tx.Nonce)
	case k.Tx.Nonce > s.Nonce:
		add("it was signed for nonce %d and the Safe is at %d: %s to be carried out before it", k.Tx.Nonce, s.Nonce, prose.Count(int(min(k.Tx.Nonce-s.Nonce, 1<<30)), "transaction")+has(k.Tx.Nonce-s.Nonce))
	}
	if k.Implementation != (common.Address{}) && k.Implementation != s.Implementation {
		add("the Safe ran the code of %s when it was prepared, and now runs that of %s", k.Implementation, s.Implementation)
	}
	for _, one := range k.Signatures {
		if !slices.Contains(s.Owners, one.Owner) {
			add("%s has signed it and is no owner of the Safe any more", one.Owner)
		}
	}
	// What only the chain can confirm is believed here, and found out by Verify.
	if t := s.Count(k.Hash, k.Signatures, func(Signature) bool { return true }); !t.Enough() {
		add("it has %d of the %d signatures that the Safe asks for", len(t.Good), s.Threshold)
	}
	return why
}

func has(n uint64) string {
	if n == 1 {
		return " has"
	}
	return " have"
}

// Add puts a signature to the others. Another one of the same owner takes the place of the one before.
func (k *Kept) Add(s Signature) error {
	if err := s.check(k.Hash); err != nil {
		return err
	}
	others := slices.DeleteFunc(slices.Clone(k.Signatures), func(o Signature) bool { return o.Owner == s.Owner })
	if len(others) >= signaturesMax {
		return fmt.Errorf("it has %d signatures already", signaturesMax)
	}
	k.Signatures = append(others, s)
	return nil
}

// Store keeps transactions in files of a directory, for their owner's eyes alone. It is safe for concurrent use by one process.
type Store struct {
	dir string
	mu  sync.Mutex // :: one change of a file at a time
}

// OpenStore makes the directory where there is none.
func OpenStore(dir string) (*Store, error) {
	if err := durable.Dir(dir); err != nil {
		return nil, fmt.Errorf("keep signatures: %w", err)
	}
	return &Store{dir: dir}, nil
}

// keptMax bounds one file and the number of files: a few kits for each of a few Safes.
const (
	keptBytesMax = 4 << 20
	keptMax      = 4096
)

// file of a transaction: the hash alone would do, the chain and the Safe are for people.
func (s *Store) file(chain uint64, safe common.Address, hash common.Hash) string {
	return filepath.Join(s.dir, fmt.Sprintf("%d-%x-%x.json", chain, safe, hash))
}

// Put makes a transaction, with its signatures, durable.
func (s *Store) Put(k Kept) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(k)
}

func (s *Store) put(k Kept) error {
	if err := k.check(); err != nil {
		return fmt.Errorf("keep a transaction: %w", err)
	}
	content, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		err = durable.Write(s.file(k.Tx.Chain, k.Tx.Safe, k.Hash), append(content, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep a transaction: %w", err)
	}
	return nil
}

// Sign adds a signature to a kept transaction.
func (s *Store) Sign(chain uint64, safe common.Address, hash common.Hash, one Signature) (Kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.Get(chain, safe, hash)
	if err == nil {
		err = k.Add(one)
	}
	if err == nil {
		err = s.put(k)
	}
	return k, err
}

// Get reads one back. When there is none, the error is [fs.ErrNotExist].
func (s *Store) Get(chain uint64, safe common.Address, hash common.Hash) (Kept, error) {
	return read(s.file(chain, safe, hash))
}

func read(name string) (Kept, error) {
	file, err := os.Open(name)
	if err != nil {
		return Kept{}, fmt.Errorf("read a kept transaction: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, keptBytesMax))
	if err != nil {
		return Kept{}, fmt.Errorf("read a kept transaction: %w", err)
	}
	k, err := ParseKept(content)
	if err != nil {
		return Kept{}, fmt.Errorf("read the kept transaction %s: %w", filepath.Base(name), err)
	}
	return k, nil
}

// ParseKept reads a file of the store, or one that was carried from another machine.
func ParseKept(content []byte) (Kept, error) {
	var k Kept
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&k); err != nil {
		return Kept{}, fmt.Errorf("it is damaged: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Kept{}, errors.New("it is damaged: something follows the transaction")
	}
	return k, k.check()
}

// List reads all those of a Safe, by nonce and then by when they were prepared.
func (s *Store) List(chain uint64, safe common.Address) ([]Kept, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("read the kept transactions: %w", err)
	}
	var all []Kept
	prefix := fmt.Sprintf("%d-%x-", chain, safe)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || filepath.Ext(e.Name()) != ".json" {
			continue
		}
		if len(all) == keptMax {
			return nil, fmt.Errorf("more than %d transactions of the Safe %s are kept: remove the old ones", keptMax, safe)
		}
		k, err := read(filepath.Join(s.dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since the directory was read
		}
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b Kept) int {
		if a.Tx.Nonce != b.Tx.Nonce {
			return int(int64(a.Tx.Nonce) - int64(b.Tx.Nonce))
		}
		return a.Prepared.Compare(b.Prepared)
	})
	return all, nil
}

// Remove forgets a transaction. Its signatures are no less good for that: what makes them worthless is another transaction
// under the same nonce.
func (s *Store) Remove(chain uint64, safe common.Address, hash common.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Remove(s.file(chain, safe, hash)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget a kept transaction: %w", err)
	}
	return nil
}

// Reserved says which nonces are spoken for, and by which kits. Kits under one nonce are alternatives: the first that is carried out
// makes the others stale.
func Reserved(kept []Kept) map[uint64][]string {
	reserved := map[uint64][]string{}
	for _, k := range kept {
		if !slices.Contains(reserved[k.Tx.Nonce], k.For) {
			reserved[k.Tx.Nonce] = append(reserved[k.Tx.Nonce], k.For)
		}
	}
	return reserved
}

// Free is the first nonce from the Safe's own on that no kit has. A transaction there can be carried out only after all those before it.
func Free(nonce uint64, kept []Kept) uint64 {
	reserved := Reserved(kept)
	for len(reserved[nonce]) > 0 {
		nonce++
	}
	return nonce
}
