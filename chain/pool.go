package chain

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/time/rate"
)

// Waiting is a transaction that one node says is in no block yet. Nobody else said so, and its signature is not looked at.
type Waiting struct {
	Hash  common.Hash
	From  common.Address
	To    common.Address // zero where it makes a contract
	Nonce uint64
	Asks  [4]byte // the selector of the method that it calls; zero where it calls none
	// Input is the digest of its calldata by keccak-256, so that a call is known again whoever sends it; zero where it has none.
	Input common.Hash
}

// Ear takes what nodes say of their pools. Its methods are called by several nodes at once, and have to be quick.
type Ear interface {
	// Listening says that from now on the node tells what comes into its pool, or that it does so no more.
	Listening(node string, on bool)
	// Missed says that the node named transactions of which it is not known whom they concern.
	Missed(node string, transactions int)
	// Waits says that a transaction came into the pool of the node.
	Waits(node string, tx Waiting)
}

// ErrNoPool says that no node tells what waits in its pool: that takes one that is reached by ws:// or wss:// and knows
// newPendingTransactions.
var ErrNoPool = errors.New("no node tells what waits in its pool; that takes one by wss:// that knows newPendingTransactions")

// Overhear lets an ear hear what comes into the pools of the nodes from now on, until ctx ends. What waited before is not told. A
// connection that breaks is made anew; the ear knows of it.
func (c *Chain) Overhear(ctx context.Context, ear Ear) error {
	var group sync.WaitGroup
	for _, n := range c.nodes {
		if n.pushes {
			group.Go(func() { c.overhear(ctx, n, ear) })
		}
	}
	group.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("listen to the pools of %s: %w", c.network.Name, ErrNoPool)
}

// overhear one node as long as it tells of its pool, and ask again for it when it stops.
func (c *Chain) overhear(ctx context.Context, n *node, ear Ear) {
	for ctx.Err() == nil {
		err := n.overhear(ctx, ear)
		if errors.Is(err, ErrNoPool) {
			c.log.Warn("a node does not tell what waits in its pool", "chain", c.network.Name, "node", n.host)
			return
		}
		c.clock.Sleep(ctx, c.clock.Now().Add(5*time.Second))
	}
}

// notice is what a node says of a transaction in its pool: all of it, or only its hash.
type notice struct {
	Waiting
	whole bool // it says more than the hash
	mined bool // it is in a block already
}

// UnmarshalJSON reads both forms; what a node leaves out that is needed is an error.
func (n *notice) UnmarshalJSON(data []byte) error {
	*n = notice{}
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &n.Hash)
	}
	var said struct {
		Hash  *common.Hash    `json:"hash"`
		From  *common.Address `json:"from"`
		To    *common.Address `json:"to"`
		Nonce *hexutil.Uint64 `json:"nonce"`
		Input *input          `json:"input"`
		Block *common.Hash    `json:"blockHash"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return err
	}
	if said.Hash == nil || said.From == nil || said.Nonce == nil || said.Input == nil {
		return errMalformed
	}
	n.Hash, n.From, n.Nonce, n.whole = *said.Hash, *said.From, uint64(*said.Nonce), true
	n.Asks, n.Input = said.Input.asks, said.Input.digest
	n.mined = said.Block != nil && *said.Block != (common.Hash{})
	if said.To != nil {
		n.To = *said.To
	}
	return nil
}

// input is what is kept of a calldata: its selector and its digest. The rest may be long, and is read a piece at a time.
type input struct {
	asks   [4]byte
	digest common.Hash
}

func (i *input) UnmarshalText(text []byte) error {
	digits, said := bytes.CutPrefix(text, []byte("0x"))
	if !said || len(digits)%2 != 0 {
		return errMalformed
	}
	if *i = (input{}); len(digits) == 0 {
		return nil
	}
	if len(digits) >= 2*len(i.asks) {
		if _, err := hex.Decode(i.asks[:], digits[:2*len(i.asks)]); err != nil {
			return err
		}
	}
	hash, piece := crypto.NewKeccakState(), make([]byte, min(len(digits)/2, inputPiece))
	for len(digits) > 0 {
		n, err := hex.Decode(piece, digits[:min(len(digits), 2*inputPiece)])
		if err != nil {
			return err
		}
		hash.Write(piece[:n]) // which never fails
		digits = digits[2*n:]
	}
	_, err := hash.Read(i.digest[:])
	return err
}

// inputPiece is how many bytes of a calldata are read at a time.
const inputPiece = 4096

const (
	// lookupsPerSecond is how many transactions a node is asked for that it names by nothing but their hashes, lookupsAtOnce how
	// many in one batch, and lookupsBurst how many after a calm while. What is over it is missed.
	lookupsPerSecond = 25
	lookupsBurst     = 100
	lookupsAtOnce    = 50
	// noticesMax is how many notices wait to be read; go-ethereum's client keeps 20,000 more, and ends the subscription beyond that.
	noticesMax = 256
)

// overhear one node until the connection ends.
func (n *node) overhear(ctx context.Context, ear Ear) error {
	if err := n.verify(ctx, false); err != nil {
		return err
	}
	client, err := n.dial(ctx)
	if err != nil {
		return n.failed(ctx, "connect", err)
	}
	told := make(chan notice, noticesMax)
	subscription, err := n.subscribePool(ctx, client, told)
	if err != nil {
		return err
	}
	defer subscription.Unsubscribe()
	ear.Listening(n.host, true)
	defer ear.Listening(n.host, false)
	lookups := lookups{n: n, ear: ear, budget: rate.NewLimiter(lookupsPerSecond, lookupsBurst)}
	for {
		select {
		case said := <-told:
			lookups.take(said)
			for more := true; more && len(lookups.hashes) < lookupsAtOnce; {
				select {
				case said := <-told:
					lookups.take(said)
				default:
					more = false
				}
			}
			lookups.ask(ctx)
		case err := <-subscription.Err():
			if err == nil {
				err = rpc.ErrClientQuit
			}
			return n.failed(ctx, "eth_subscribe", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// subscribePool asks for whole transactions, and for their hashes where the node does not know the former.
func (n *node) subscribePool(ctx context.Context, client *rpc.Client, told chan notice) (*rpc.ClientSubscription, error) {
	limited, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	subscription, err := client.EthSubscribe(limited, told, "newPendingTransactions", true)
	if err == nil {
		return subscription, nil
	}
	if k := n.fault(limited, "eth_subscribe", err).class; k == unsupported || k == refused {
		subscription, err = client.EthSubscribe(limited, told, "newPendingTransactions")
	}
	switch {
	case err == nil:
		return subscription, nil
	case n.fault(limited, "eth_subscribe", err).class == unsupported:
		return nil, ErrNoPool
	}
	return nil, n.failed(limited, "eth_subscribe", err)
}

// lookups find out what lies behind hashes.
type lookups struct {
	n      *node
	ear    Ear
	budget *rate.Limiter
	hashes []common.Hash
	missed int
}

// take a notice: what it tells in whole goes on, a hash is looked up where the budget allows it.
func (l *lookups) take(said notice) {
	switch {
	case said.mined:
	case said.whole:
		l.ear.Waits(l.n.host, said.Waiting)
	case l.budget.AllowN(l.n.clock.Now(), 1):
		l.hashes = append(l.hashes, said.Hash)
	default:
		l.missed++
	}
}

// ask for what was taken. What the node does not tell is missed: one that knows nothing of what it has just named may be another
// than the one that named it, behind the same address.
func (l *lookups) ask(ctx context.Context) {
	if len(l.hashes) > 0 {
		l.look(ctx)
		l.hashes = l.hashes[:0]
	}
	if l.missed > 0 {
		l.ear.Missed(l.n.host, l.missed)
		l.missed = 0
	}
}

func (l *lookups) look(ctx context.Context) {
	requests, found := make([]rpc.BatchElem, len(l.hashes)), make([]notice, len(l.hashes))
	for i, hash := range l.hashes {
		requests[i] = rpc.BatchElem{Method: "eth_getTransactionByHash", Args: []any{hash}, Result: &found[i]}
	}
	if err := l.n.ask(ctx, requests...); err != nil {
		l.missed += len(l.hashes)
		return
	}
	for i, said := range found {
		switch {
		case requests[i].Error != nil || !said.whole || said.Hash != l.hashes[i]:
			l.missed++
		case !said.mined:
			l.ear.Waits(l.n.host, said.Waiting)
		}
	}
}
