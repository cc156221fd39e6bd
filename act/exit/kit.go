package exit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/act/safe"
	"lifeboat/durable"
	"lifeboat/prose"
)

// A Kit is an exit that was prepared, and is signed, before anybody needs it. Whoever has enough of its signatures can carry it out and
// nothing else.
type Kit struct {
	Prepared Prepared
	Kept     safe.Kept // with the signatures so far
	Proven   time.Time // when it was last tried and found good
}

// Kits keep exits that are prepared beforehand: the transactions and signatures in the store, and beside them what was promised.
type Kits struct {
	Store *safe.Store
	dir   string
}

// OpenKits in a directory.
func OpenKits(dir string) (*Kits, error) {
	store, err := safe.OpenStore(filepath.Join(dir, "signatures"))
	if err != nil {
		return nil, err
	}
	k := &Kits{Store: store, dir: filepath.Join(dir, "kits")}
	if err := durable.Dir(k.dir); err != nil {
		return nil, fmt.Errorf("keep the kits of exits: %w", err)
	}
	return k, nil
}

func (k *Kits) file(hash common.Hash) string {
	return filepath.Join(k.dir, fmt.Sprintf("%x.json", hash))
}

// Prepare plans an exit and keeps it for its owners to sign. Kits for the same nonce of the Safe are alternatives: the first that is
// carried out makes the others stale.
func (k *Kits) Prepare(ctx context.Context, d *Desk, o Order) (Kit, error) {
	if o.Role != nil {
		return Kit{}, errors.New("a role needs no kit: nobody signs")
	}
	p, err := d.Plan(ctx, o)
	if err != nil {
		return Kit{}, err
	}
	kept := safe.Kept{Tx: p.Tx, Hash: p.Hash, Prepared: p.At, For: p.What}
	before, err := k.Store.Get(p.Tx.Chain, p.Tx.Safe, p.Hash)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Kit{}, err
	}
	kept.Signatures = before.Signatures // the same transaction, prepared once more, is signed already
	content, err := json.Marshal(p)
	if err == nil {
		err = durable.Write(k.file(p.Hash), content)
	}
	if err == nil {
		err = k.Store.Put(kept)
	}
	if err == nil {
		err = k.Prove(p.Hash, p.At)
	}
	if err != nil {
		return Kit{}, fmt.Errorf("keep the kit: %w", err)
	}
	return Kit{p, kept, p.At}, nil
}

// Prove notes that a kit was tried and found good. Whether it is too old counts from here: a kit that nobody could try for long was
// signed in a world that may be gone.
func (k *Kits) Prove(hash common.Hash, at time.Time) error {
	if err := durable.Write(k.proof(hash), []byte(at.UTC().Format(time.RFC3339)+"\n")); err != nil {
		return fmt.Errorf("note that the kit is good: %w", err)
	}
	return nil
}

func (k *Kits) proof(hash common.Hash) string {
	return filepath.Join(k.dir, fmt.Sprintf("%x.proven", hash))
}

// proven is when a kit was last found good; for one of before this was noted, when it was prepared.
func (k *Kits) proven(p Prepared) (time.Time, error) {
	text, err := os.ReadFile(k.proof(p.Hash))
	if errors.Is(err, fs.ErrNotExist) {
		return p.At, nil
	}
	at, parsed := time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	if err = cmp.Or(err, parsed); err != nil {
		return time.Time{}, fmt.Errorf("read when a kit was last good: %w", err)
	}
	return at, nil
}

// List the kits of a Safe, the newest first.
func (k *Kits) List(chain uint64, of common.Address) (all []Kit, err error) {
	kept, err := k.Store.List(chain, of)
	if err != nil {
		return nil, err
	}
	for _, one := range kept {
		kit, err := k.kit(one)
		if errors.Is(err, fs.ErrNotExist) {
			continue // signed for something else than an exit
		}
		if err != nil {
			return nil, err
		}
		all = append(all, kit)
	}
	slices.SortStableFunc(all, func(a, b Kit) int { return b.Prepared.At.Compare(a.Prepared.At) })
	return all, nil
}

// Get a kit by its hash. When there is none, the error is [fs.ErrNotExist].
func (k *Kits) Get(hash common.Hash) (Kit, error) {
	p, err := k.promised(hash)
	if err != nil {
		return Kit{}, err
	}
	kept, err := k.Store.Get(p.Tx.Chain, p.Tx.Safe, hash)
	if err != nil {
		return Kit{}, err
	}
	return k.kit(kept)
}

// promised is what was kept of a kit besides its signatures.
func (k *Kits) promised(hash common.Hash) (p Prepared, err error) {
	content, err := os.ReadFile(k.file(hash))
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(content, &p); err != nil {
		return p, fmt.Errorf("read a kit: %w", err)
	}
	return p, nil
}

func (k *Kits) kit(kept safe.Kept) (Kit, error) {
	p, err := k.promised(kept.Hash)
	if err != nil {
		return Kit{}, err
	}
	if p.Hash != kept.Hash || p.Tx.Hash() != kept.Hash {
		return Kit{}, errors.New("read a kit: what was promised belongs to another transaction")
	}
	proven, err := k.proven(p)
	return Kit{p, kept, proven}, err
}

// Readiness of a kit.
type Readiness string

const (
	Armed    Readiness = "armed"    // it would go through now and end as promised
	Unsigned Readiness = "unsigned" // only signatures are missing
	Stale    Readiness = "stale"    // it has to be prepared and signed anew
)

// Causes why a kit is not armed.
const (
	CauseNonce      = "nonce"      // the Safe is at another
	CauseAge        = "age"        // nobody found it good for too long
	CauseSignature  = "signature"  // one of them does not count, or no more
	CauseTrial      = "trial"      // it would not go through, or not end as promised
	CauseSignatures = "signatures" // there are too few
)

// Status of a kit, and why it is not armed.
type Status struct {
	Is             Readiness
	Signed, Needed int
	Why            []string // in words
	Causes         []string // of these, in the same order
}

// Status tries a kit as if it were carried out now. One that was last found good longer ago than maxAge is stale, whatever a trial
// says; 0 is no limit.
func (d *Desk) Status(ctx context.Context, kit Kit, maxAge time.Duration) (Status, error) {
	p := kit.Prepared
	state, err := safe.Read(ctx, d.Chain, nil, p.Tx.Safe)
	if err != nil {
		return Status{}, err
	}
	tally, err := state.Verify(ctx, d.Chain, p.Tx, kit.Kept.Signatures)
	if err != nil {
		return Status{}, err
	}
	s := Status{Is: Armed, Signed: len(tally.Good), Needed: state.Threshold}
	stale := func(cause, why string) {
		s.Is, s.Why, s.Causes = Stale, append(s.Why, why), append(s.Causes, cause)
	}
	switch {
	case state.Nonce > p.Tx.Nonce:
		stale(CauseNonce, fmt.Sprintf("it was signed for nonce %d, and the Safe is at %d", p.Tx.Nonce, state.Nonce))
	case state.Nonce < p.Tx.Nonce:
		stale(CauseNonce, fmt.Sprintf("it was signed for nonce %d, and the Safe is only at %d: what comes before it has to be carried out first", p.Tx.Nonce, state.Nonce))
	}
	if age := d.Clock.Now().Sub(kit.Proven); maxAge > 0 && age > maxAge {
		stale(CauseAge, fmt.Sprintf("it was last found good on %s, %s ago, and may be no older than %s: prepare it again, which keeps its signatures if it is the same still",
			kit.Proven.UTC().Format("2 January 2006 15:04 UTC"), prose.Span(age), prose.Span(maxAge)))
	}
	for _, fault := range tally.Faults {
		stale(CauseSignature, fault)
	}
	if _, err := d.try(ctx, nil, p); err != nil {
		if unknown(err) {
			return Status{}, err
		}
		stale(CauseTrial, clause(err))
	}
	if !tally.Enough() && s.Is == Armed {
		s.Is, s.Why, s.Causes = Unsigned, []string{fmt.Sprintf("%d of %d owners have signed", s.Signed, s.Needed)}, []string{CauseSignatures}
	}
	return s, nil
}

// ErrNoKit says that nothing was prepared for an exit.
var ErrNoKit = errors.New("nothing was signed beforehand")

// Find a kit of a Safe for an exit, by what it does, that is armed; or else the newest, and why it is not. An error is [ErrNoKit] when
// there is none.
func (k *Kits) Find(ctx context.Context, d *Desk, of common.Address, what string, maxAge time.Duration) (newest Kit, is Status, err error) {
	all, err := k.List(d.Chain.ID().Uint64(), of)
	if err != nil {
		return Kit{}, Status{}, err
	}
	for _, kit := range all {
		if kit.Prepared.What != what {
			continue
		}
		status, err := d.Status(ctx, kit, maxAge)
		if err != nil || status.Is == Armed {
			return kit, status, err
		}
		if is.Is == "" {
			newest, is = kit, status
		}
	}
	if is.Is == "" {
		return Kit{}, Status{}, fmt.Errorf("%w to %s", ErrNoKit, what)
	}
	return newest, is, nil
}

// Ready finds a kit that is armed; and otherwise says of the newest why it is not.
func (k *Kits) Ready(ctx context.Context, d *Desk, of common.Address, what string, maxAge time.Duration) (Kit, error) {
	kit, status, err := k.Find(ctx, d, of, what, maxAge)
	if err == nil && status.Is != Armed {
		err = fmt.Errorf("the kit that was signed for it is %s%s", status.Is, because(status.Why))
		if slices.Equal(status.Causes, []string{CauseTrial}) {
			err = passes(err)
		}
	}
	if err != nil {
		return Kit{}, err
	}
	return kit, nil
}
