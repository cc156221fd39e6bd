// Package exit brings what is owned on a chain out of a protocol: it works out the calls, tries them without sending, shows
// what they do, and after the owners' signatures brings them to the chain exactly once and says what came of it.
//
// An exit has two phases, like a Terraform plan and its apply. [Desk.Plan] reads the state by quorum at one block, asks a
// protocol's adapter for calls and for what must be true afterwards, wraps them for the Safe or for the Roles module that
// carries them out, simulates them, and refuses what would not go through, would not end as promised, or would send anything
// to an address that is neither the owner's nor the protocol's. [Desk.Apply] checks all of it again, sends, raises the offer
// while it is not mined, follows it through reorganisations, and reads the promises again at the block that it is in.
//
// What makes it safe to be killed at any instant is that nothing is remembered but signed transactions, each noted durably
// before any node sees it; all else is asked of the chain at every step, and the same function says what follows whether or
// not there was a crash. A second execution is impossible because the Safe's nonce lets one transaction through; where there
// is no Safe's nonce, because a transaction under another nonce of the sender is sent only when the one before can do nothing
// any more.
//
// It asks nobody for leave and collects no signatures; that is done before it is called. It holds no owner's key: what pays
// the gas can do nothing else, and what carries a role can do only what the role lets it.
package exit

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat"
	"lifeboat/chain"
)

// Policy is how exits are sent on one chain. Zero fields take the value that is named.
type Policy struct {
	// Ceiling is what is offered for gas at most, in wei; 300 gwei. Above it an exit waits. UrgentCeiling is that of urgent
	// exits; the same when nil.
	Ceiling, UrgentCeiling *big.Int
	// Confirmations are the blocks that an exit must have on top before it counts; 3.
	Confirmations uint64
	// BumpAfter is how long a transaction may be in no block before it is offered for more; 36 s. Bumps are how often; 12.
	BumpAfter time.Duration
	Bumps     int
	// PrivateBlocks is for how many blocks only the private relay has it, where there is one.
	PrivateBlocks uint64
	// Relay is for how long only the relay has what a Safe's owners have signed; 0 where there is none. Open sets it.
	Relay time.Duration
	// Poll is how often the chain is looked at; 2 s.
	Poll time.Duration
	// Reserve is for how many exits the key that pays should hold gas; 3.
	Reserve int
}

func (p Policy) filled() Policy {
	if p.Ceiling == nil {
		p.Ceiling = new(big.Int).Mul(big.NewInt(300), big.NewInt(1e9))
	}
	if p.Confirmations == 0 {
		p.Confirmations = 3
	}
	if p.BumpAfter <= 0 {
		p.BumpAfter = 36 * time.Second
	}
	if p.Bumps <= 0 {
		p.Bumps = 12
	}
	if p.Poll <= 0 {
		p.Poll = 2 * time.Second
	}
	if p.Reserve <= 0 {
		p.Reserve = 3
	}
	return p
}

// A Signer holds the key that pays for gas, or that carries a role. act/sign has those there are.
type Signer interface {
	SignTx(ctx context.Context, tx *types.Transaction, id *big.Int) (*types.Transaction, error)
}

// Options say on which chain a desk works, and with what.
type Options struct {
	Chain   chain.Sender // one that has the method Private is given what is sent there first
	Name    string       // of the chain, in the plan
	Symbol  string       // of its coin
	Policy  Policy
	Signers map[common.Address]Signer
	Relay   *Relay // pays for what a Safe's owners have signed; nil for none
	// Token is how amounts of a token are counted, where the plan knows it; nil knows none.
	Token func(common.Address) (symbol string, decimals uint8, ok bool)
	Clock lifeboat.Clock
	Dir   string // where what was sent is kept
}

// Desk plans and applies the exits of one chain. It is safe for concurrent use; the same key is applied once at a time.
type Desk struct {
	Options
	notes     keeper
	signed    *signed
	crossings crossings

	mu    sync.Mutex
	locks map[common.Address]chan struct{} // :: sender → held by the exit whose transaction is in no block yet
	under map[lifeboat.Key]bool            // keys that are being applied
}

// keeper keeps the notes; they are files.
type keeper interface {
	read(key lifeboat.Key) (*note, error)
	write(n *note) error
}

// Open makes a desk that knows what its notes say.
func Open(o Options) (*Desk, error) {
	kept, err := openNotes(filepath.Join(o.Dir, "exits"))
	if err != nil {
		return nil, fmt.Errorf("keep the notes of exits: %w", err)
	}
	own := &signed{known: map[common.Hash]bool{}}
	if err := kept.recall(own); err != nil {
		return nil, fmt.Errorf("look which transactions were signed: %w", err)
	}
	under, err := openCrossings(filepath.Join(o.Dir, "crossings"))
	if err != nil {
		return nil, fmt.Errorf("keep what is between two chains: %w", err)
	}
	o.Policy = o.Policy.filled()
	if o.Relay != nil {
		o.Policy.Relay = time.Duration(o.Relay.Within)
	}
	return &Desk{Options: o, notes: kept, signed: own, crossings: under, locks: map[common.Address]chan struct{}{}, under: map[lifeboat.Key]bool{}}, nil
}

func (d *Desk) lock(sender common.Address) chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locks[sender] == nil {
		d.locks[sender] = make(chan struct{}, 1)
	}
	return d.locks[sender]
}

// errUnderWay says that the same exit is being applied already.
var errUnderWay = errors.New("the same exit is under way already")

// begin takes a key on, once at a time.
func (d *Desk) begin(key lifeboat.Key) (end func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.under[key] {
		return nil, errUnderWay
	}
	d.under[key] = true
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.under, key)
	}, nil
}

// carry brings a job to the chain and follows it to its end. It is called again with the same key after anything that broke
// it off.
func (d *Desk) carry(ctx context.Context, key lifeboat.Key, j job) (*note, error) {
	done, err := d.begin(key)
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := d.newSending(ctx, key, j)
	if err != nil {
		return nil, err
	}
	if s.note.End != nil {
		return s.note, nil
	}
	if d.Signers[j.Sender] == nil {
		return nil, fmt.Errorf("nobody here holds the key of %s", j.Sender.Hex())
	}
	_, err = s.run(chain.First(ctx))
	return s.note, err
}

// coins is an amount of the chain's own coin in words.
func (d *Desk) coins(wei *big.Int) string { return units(wei, 18) + " " + d.Symbol }

// gwei is a price of gas in words.
func gwei(wei *big.Int) string {
	if wei == nil {
		return "an unknown price"
	}
	return units(wei, 9) + " gwei"
}

// units writes an amount of base units as a decimal number, with no digit lost.
func units(amount *big.Int, decimals int) string {
	digits := new(big.Int).Abs(amount).String()
	if len(digits) <= decimals {
		digits = strings.Repeat("0", decimals-len(digits)+1) + digits
	}
	whole, rest := digits[:len(digits)-decimals], strings.TrimRight(digits[len(digits)-decimals:], "0")
	if rest != "" {
		whole += "." + rest
	}
	if amount.Sign() < 0 {
		return "-" + whole
	}
	return whole
}

// clause is an error as a part of a sentence.
func clause(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if runes := []rune(text); len(runes) > clauseMax {
		return string(runes[:clauseMax]) + "…"
	}
	return text
}

// clauseMax bounds what is repeated of what a node or a signer says.
const clauseMax = 300

func bigBytes(n *big.Int) []byte {
	if n == nil {
		return nil
	}
	return n.Bytes()
}
