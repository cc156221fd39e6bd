package protocol

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// arbTicket is what goes up: the rollup knows it by the hash of the transaction that creates it there, which is made of all that the Inbox wrote.
type arbTicket struct {
	from, to common.Address
	data     []byte
	value    *big.Int       // ether that it carries
	token    common.Address // below; zero for ether alone
	trial    []byte         // what to try it by: its data, with none of what it carries
}

// arbLeaf is what comes down: the Outbox knows it by its place in the tree of all that ever left the rollup.
type arbLeaf struct {
	from, to                         common.Address
	place                            uint64
	block, blockBelow, second, value *big.Int
	data                             []byte
	outbox                           common.Address
	period                           uint64
}

// Left finds the sums that this bridge sent in a transaction.
func (a *ArbitrumBridge) Left(ctx context.Context, r chain.Reader, logs []*types.Log) ([]Passage, error) {
	e, err := a.ends(ctx, r, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	var all []Passage
	for i, l := range logs {
		p, ours, err := Passage{}, false, error(nil)
		switch {
		case a.up && l.Address == e.inbox && len(l.Topics) == 2 && l.Topics[0] == arbInboxTold:
			p, ours, err = a.ticket(e, l, logs[:i])
		case !a.up && l.Address == arbSys && len(l.Topics) == 4 && l.Topics[0] == arbSent:
			p, ours, err = a.leaf(e, l, logs[:i])
		}
		if err != nil {
			return nil, fmt.Errorf("%s: read what was sent: %w", a.name, err)
		}
		if ours {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", a.name, ErrNoPassage)
	}
	return all, nil
}

// arbTicketKind is that of messages which create tickets (docs.arbitrum.io, L1MessageType_submitRetryableTx).
const arbTicketKind = 9

// ticket is what a message of the Inbox brings, with what the Bridge told of it before.
func (a *ArbitrumBridge) ticket(e *arbEnds, l *types.Log, before []*types.Log) (p Passage, ours bool, err error) {
	var message []byte
	if err := arbInboxData.Scan(l.Data, &message); err != nil {
		return p, false, err
	}
	var sender common.Address
	var kind uint8
	var hash [32]byte
	var baseFee *big.Int
	i := slices.IndexFunc(before, func(b *types.Log) bool {
		return b.Address == e.bridge && len(b.Topics) == 3 && b.Topics[0] == arbBridgeTold && b.Topics[1] == l.Topics[1]
	})
	if i < 0 {
		return p, false, errors.New("the bridge does not tell of a message that the inbox tells of")
	}
	if err := arbBridgeData.Scan(before[i].Data, nil, &kind, &sender, &hash, &baseFee, nil); err != nil {
		return p, false, err
	}
	if kind != arbTicketKind {
		return p, false, nil
	}
	if crypto.Keccak256Hash(message) != hash {
		return p, false, errors.New("what the inbox tells of a message is not what the bridge carries")
	}
	s, err := readSubmission(message)
	if err != nil {
		return p, false, err
	}
	s.Chain, s.Number, s.From, s.BaseFee = a.beyond.Far.ID(), l.Topics[1], sender, baseFee
	if p.Hash, err = s.id(); err != nil {
		return p, false, err
	}
	t := arbTicket{from: s.From, to: s.To, data: s.Data, value: s.Value, trial: s.Data}
	if len(s.Data) == 0 {
		p.To, p.Amount, p.carried = s.To, s.Value, t
		return p, true, nil
	}
	var from common.Address
	var data []byte
	if contract.ArbGateway.Take.Arguments(s.Data, &t.token, &from, &p.To, &p.Amount, &data) != nil {
		return p, false, nil
	}
	if gateway, err := a.routed(before, t.token); err != nil || sender != alias(gateway) {
		return p, false, nil
	}
	if s.Value.Sign() > 0 {
		t.trial = contract.ArbGateway.Take.Pack(t.token, from, p.To, zero, data)
	}
	there, known := a.beyond.Tokens[t.token]
	if p.Token, p.carried = there, t; !known {
		err = fmt.Errorf("the plan does not say what the token %s is on %s", t.token, a.beyond.There)
	}
	return p, true, err
}

// submission is the transaction by which a rollup creates a ticket, in the order in which it is hashed (type 0x69).
type submission struct {
	Chain       *big.Int
	Number      common.Hash // of the message
	From        common.Address
	BaseFee     *big.Int // below, of the block of the message
	Deposit     *big.Int
	Bid         *big.Int
	Gas         uint64
	To          common.Address
	Value       *big.Int
	Beneficiary common.Address
	Cost        *big.Int
	Refund      common.Address
	Data        []byte
}

// submissionMax is longer than any message of the Inbox may be.
const submissionMax = 1 << 17

// readSubmission reads a message as the Inbox writes it: nine numbers, and the data of the call.
func readSubmission(message []byte) (*submission, error) {
	const head = 9 * 32
	if len(message) < head || len(message) > submissionMax {
		return nil, fmt.Errorf("a message of %d bytes creates no ticket", len(message))
	}
	word := func(i int) *big.Int { return new(big.Int).SetBytes(message[32*i : 32*i+32]) }
	address := func(i int) common.Address { return common.BytesToAddress(message[32*i : 32*i+32]) }
	gas, size := word(6), word(8)
	if !gas.IsUint64() || !size.IsUint64() || size.Uint64() != uint64(len(message)-head) {
		return nil, errors.New("a message that creates a ticket does not have the length that it says")
	}
	if address(0) == (common.Address{}) {
		return nil, errors.New("a ticket that creates a contract brings no sum")
	}
	return &submission{To: address(0), Value: word(1), Deposit: word(2), Cost: word(3), Refund: address(4), Beneficiary: address(5), Gas: gas.Uint64(), Bid: word(7), Data: message[head:]}, nil
}

// id by which the rollup knows the ticket: the hash of that transaction.
func (s *submission) id() (common.Hash, error) {
	content, err := rlp.EncodeToBytes(s)
	return crypto.Keccak256Hash([]byte{0x69}, content), err
}

// leaf is what ArbSys told of.
func (a *ArbitrumBridge) leaf(e *arbEnds, l *types.Log, before []*types.Log) (p Passage, ours bool, err error) {
	place := l.Topics[3].Big()
	leaf := arbLeaf{to: common.BytesToAddress(l.Topics[1][:]), outbox: e.outbox, period: e.period}
	if err := arbSentData.Scan(l.Data, &leaf.from, &leaf.block, &leaf.blockBelow, &leaf.second, &leaf.value, &leaf.data); err != nil {
		return p, false, err
	}
	if !place.IsUint64() {
		return p, false, fmt.Errorf("nothing is in place %s of what left a rollup", place)
	}
	leaf.place, p.Hash = place.Uint64(), l.Topics[2]
	if p.carried = leaf; len(leaf.data) == 0 {
		p.To, p.Amount = leaf.to, leaf.value
		return p, true, nil
	}
	if contract.ArbGateway.Take.Arguments(leaf.data, &p.Token, nil, &p.To, &p.Amount, nil) != nil {
		return p, false, nil
	}
	gateway, err := a.routed(before, p.Token)
	return p, err == nil && gateway == leaf.from, nil
}

// Stands reads where a passage is: of a ticket the rollup says it, of what comes down the Outbox.
func (a *ArbitrumBridge) Stands(ctx context.Context, p Passage) (s Standing, err error) {
	switch carried := p.carried.(type) {
	case arbTicket:
		s, err = a.ticketStands(ctx, p, carried)
	case arbLeaf:
		s, err = a.leafStands(ctx, p, carried)
	default:
		err = errForeign
	}
	if err != nil {
		return Standing{}, fmt.Errorf("%s: look for what was sent on %s: %w", a.name, a.beyond.There, err)
	}
	return s, nil
}

func (a *ArbitrumBridge) ticketStands(ctx context.Context, p Passage, t arbTicket) (Standing, error) {
	created, err := a.beyond.Far.Receipt(ctx, p.Hash)
	if err != nil && !errors.Is(err, chain.ErrNotMined) {
		return Standing{}, err
	}
	var b contract.Batch
	open, balance := b.Call(arbRetryable, contract.ArbNode.Timeout, p.Hash), askBalance(&b, p.Token, p.To)
	at, err := b.Read(ctx, a.beyond.Far, nil)
	if err != nil {
		return Standing{}, err
	}
	s := Standing{At: at}
	if created == nil {
		s.Stage, s.Words = Underway, fmt.Sprintf("it has left %s and is not on %s yet; the rollup takes it in by itself, usually within a quarter of an hour", a.beyond.Here, a.beyond.There)
		return s, nil
	}
	if created.Status != types.ReceiptStatusSuccessful {
		s.Stage, s.Words = Stranded, fmt.Sprintf("%s refused to create the ticket %s: look at that transaction. What was sent along lies there at %s, and tokens lie in the gateway on %s", a.beyond.There, p.Hash, t.from, a.beyond.Here)
		return s, nil
	}
	done, err := a.redeemed(ctx, created.Logs, p.Hash)
	switch {
	case err != nil:
		return s, err
	case done != nil:
		return a.carriedOut(ctx, p, t, done, balance, s)
	case open.Refused():
		return a.gone(ctx, p, t, balance, created.BlockNumber.Uint64(), s)
	}
	var until *big.Int
	if err := open.Scan(&until); err != nil {
		return s, err
	}
	return a.redeemable(ctx, p, t, until, s)
}

// carriedOut is a ticket of which an attempt went well: it has arrived, if its gateway tells so.
func (a *ArbitrumBridge) carriedOut(ctx context.Context, p Passage, t arbTicket, done *chain.Receipt, balance *contract.Asked, s Standing) (_ Standing, err error) {
	if !t.paidOut(p, done.Logs) {
		s.Stage, s.Words = Stranded, fmt.Sprintf("the ticket %s was carried out on %s in transaction %s, and the gateway %s does not tell that it paid %s: it found the token there amiss and sent the sum back to the Safe on %s, "+
			"as a withdrawal, which anybody can let out there once it is confirmed, after about six and a half days", p.Hash, a.beyond.There, done.TxHash, t.to, a.beyond.receiver(p.To), a.beyond.Here)
		return s, nil
	}
	s.Stage = Arrived
	s.Words, err = a.beyond.arrived(ctx, p, balance, s.At)
	return s, err
}

// redeemed is the attempt that went well, of those that logs tell of; nil when none did. An attempt is a transaction of its own, in the same block.
func (a *ArbitrumBridge) redeemed(ctx context.Context, logs []*types.Log, ticket common.Hash) (*chain.Receipt, error) {
	for _, l := range logs {
		if l.Address != arbRetryable || len(l.Topics) != 4 || l.Topics[0] != arbTried || l.Topics[1] != ticket {
			continue
		}
		r, err := a.beyond.Far.Receipt(ctx, l.Topics[2])
		if err != nil && !errors.Is(err, chain.ErrNotMined) {
			return nil, err
		}
		if err == nil && r.Status == types.ReceiptStatusSuccessful {
			return r, nil
		}
	}
	return nil, nil
}

// redeemable is a ticket that is there and was not carried out. When what it does would go well now, anybody can have it done for gas.
func (a *ArbitrumBridge) redeemable(ctx context.Context, p Passage, t arbTicket, until *big.Int, s Standing) (Standing, error) {
	s.Stage, s.Where, s.Call = Ready, arbRetryable, contract.ArbNode.Redeem.Pack(p.Hash)
	lapses := time.Unix(int64(min(until.Uint64(), 1<<40)), 0).UTC().Format("2 January 2006 15:04 UTC")
	s.Words = fmt.Sprintf("the ticket %s is on %s and was not carried out there: what was bid for gas, or the gas, did not suffice. Anybody can redeem it until %s, for gas; after that it is lost to %s",
		p.Hash, a.beyond.There, lapses, a.beyond.receiver(p.To))
	answers, _, err := a.beyond.Far.Read(ctx, &s.At, []chain.Query{{What: chain.Call, To: t.to, From: t.from, Data: t.trial}})
	if err == nil && answers[0].Err != nil {
		s.Stage = Stranded
		s.Words = fmt.Sprintf("the ticket %s is on %s and cannot be carried out there for %s: %s. Nothing is lost: anybody can redeem it until %s, once what stands in its way is gone",
			p.Hash, a.beyond.There, a.beyond.receiver(p.To), chain.Revert(answers[0].Data), lapses)
	}
	return s, err
}

// gone is a ticket that is not there any more, though its first attempt did not go well: redeemed later, cancelled, or lapsed.
func (a *ArbitrumBridge) gone(ctx context.Context, p Passage, t arbTicket, balance *contract.Asked, from uint64, s Standing) (Standing, error) {
	found, err := a.beyond.Far.Logs(ctx, from, s.At.Number, chain.Filter{Addresses: []common.Address{arbRetryable}, Topics: [][]common.Hash{{arbTried, arbCancelled}, {p.Hash}}})
	if err != nil {
		return s, err
	}
	sum := "and tokens lie in the gateway on " + a.beyond.Here
	if t.value.Sign() > 0 {
		sum = "and the sum was one of them"
	}
	s.Stage, s.Words = Stranded, fmt.Sprintf("nobody redeemed the ticket %s on %s within its time: its coins went to whoever could cancel it, the alias of the Safe that sent it, %s", p.Hash, a.beyond.There, sum)
	logs := make([]*types.Log, len(found))
	for i := range found {
		if logs[i] = &found[i]; found[i].Topics[0] == arbCancelled {
			s.Words = fmt.Sprintf("the ticket %s was cancelled on %s by the alias of the Safe that sent it, which has its coins, %s", p.Hash, a.beyond.There, sum)
		}
	}
	done, err := a.redeemed(ctx, logs, p.Hash)
	if err != nil || done == nil {
		return s, err
	}
	return a.carriedOut(ctx, p, t, done, balance, s)
}

func (a *ArbitrumBridge) leafStands(ctx context.Context, p Passage, l arbLeaf) (Standing, error) {
	var b contract.Batch
	spent, balance := b.Call(l.outbox, contract.ArbCore.Spent, new(big.Int).SetUint64(l.place)), askBalance(&b, p.Token, p.To)
	at, err := b.Read(ctx, a.beyond.Far, nil)
	if err != nil {
		return Standing{}, err
	}
	s := Standing{At: at, Stage: Claimed}
	var out bool
	if err := spent.Scan(&out); err != nil {
		return s, err
	}
	if out {
		s.Stage = Arrived
		s.Words, err = a.beyond.arrived(ctx, p, balance, at)
		return s, err
	}
	size, root, err := a.confirmed(ctx, l.outbox, at.Number)
	switch {
	case errors.Is(err, errUnproven):
		return a.unproven(err, s), nil
	case err != nil:
		return s, err
	case size <= l.place:
		s.Due = time.Unix(int64(min(l.second.Uint64(), 1<<40)), 0).UTC().Add(time.Duration(min(l.period, arbPeriodMax)) * arbBlock)
		s.Words = fmt.Sprintf("it has left %s, and %s has not confirmed that yet: until then it can be challenged, at the earliest until %s. Nothing has to be done meanwhile", a.beyond.Here, a.beyond.There, s.Due.Format("2 January 2006 15:04 UTC"))
		return s, nil
	}
	ready, err := a.provable(ctx, p, l, size, root, s)
	if errors.Is(err, errUnproven) {
		return a.unproven(err, s), nil
	}
	return ready, err
}

// errUnproven says that the rollup's nodes do not prove what was confirmed. Perhaps they lag; the money waits, and they are asked again.
var errUnproven = errors.New("cannot be proven yet")

func (a *ArbitrumBridge) unproven(why error, s Standing) Standing {
	s.Stage, s.Words = Claimed, fmt.Sprintf("%s has confirmed something of what left %s, and this %s; nothing is lost, and its nodes are asked again", a.beyond.There, a.beyond.Here, why)
	return s
}

// Periods of a rollup are counted in blocks of Ethereum.
const (
	arbBlock     = 12 * time.Second
	arbPeriodMax = 1 << 22 // a year and a half, longer than any
)

// How the newest confirmation is looked for, which is about every hour: from the head back.
const (
	confirmedSpan = 600  // blocks at a time, two hours on Ethereum
	confirmedBack = 7200 // blocks in all, a day
)

// confirmed says how much had left the rollup when it was last confirmed below, and the root of the tree of it. Which block that was the Outbox
// says; the header of a block has both, and no node can make up one that has the block's hash.
func (a *ArbitrumBridge) confirmed(ctx context.Context, outbox common.Address, head uint64) (size uint64, root common.Hash, err error) {
	filter := chain.Filter{Addresses: []common.Address{outbox}, Topics: [][]common.Hash{{arbConfirmed}}}
	for to := head; head-to < confirmedBack; to -= confirmedSpan {
		logs, err := a.beyond.Far.Logs(ctx, to-min(to, confirmedSpan-1), to, filter)
		if err != nil {
			return 0, root, err
		}
		if len(logs) > 0 {
			newest := logs[len(logs)-1]
			if len(newest.Topics) != 3 {
				return 0, root, fmt.Errorf("the outbox %s is of a version that is not known", outbox)
			}
			size, err = a.sent(ctx, newest.Topics[2], newest.Topics[1])
			return size, newest.Topics[1], err
		}
		if to < confirmedSpan {
			break
		}
	}
	return 0, root, nil
}

// sent is how much had left the rollup at a block, as its header says: the root of the tree is the extra data, and the count is the first eight
// bytes of what was the mix digest (the header of Nitro).
func (a *ArbitrumBridge) sent(ctx context.Context, block, root common.Hash) (uint64, error) {
	headers, can := a.beyond.Near.(chain.Headers)
	if !can {
		return 0, fmt.Errorf("nobody can read the block %s of %s", block, a.beyond.Here)
	}
	h, err := headers.Header(ctx, block)
	if err != nil {
		return 0, err
	}
	if common.BytesToHash(h.Extra) != root || len(h.Extra) != len(root) {
		return 0, fmt.Errorf("%w: the block %s of %s, which was confirmed, has no root of what left it", errUnproven, block, a.beyond.Here)
	}
	return binary.BigEndian.Uint64(h.MixDigest[:8]), nil
}

// provable works the proof out, and tries what it does. What the rollup's node says is held against the root that was confirmed.
func (a *ArbitrumBridge) provable(ctx context.Context, p Passage, l arbLeaf, size uint64, root common.Hash, s Standing) (Standing, error) {
	ask := contract.ArbNode.Proof.Query(arbInterface, size, l.place)
	ask.From = l.to // so that it is asked alone
	answers, _, err := a.beyond.Near.Read(ctx, nil, []chain.Query{ask})
	if err != nil {
		return s, err
	}
	var proof [][32]byte
	var its [32]byte
	if answers[0].Err != nil {
		return s, fmt.Errorf("%w: a node of %s refuses: %s", errUnproven, a.beyond.Here, chain.Revert(answers[0].Data))
	}
	if err := contract.ArbNode.Proof.Scan(answers[0].Data, nil, &its, &proof); err != nil {
		return s, fmt.Errorf("%w: %s", errUnproven, err)
	}
	if its != root {
		return s, fmt.Errorf("%w: a node of %s proves something else than was confirmed on %s: it lags, or does not say the truth", errUnproven, a.beyond.Here, a.beyond.There)
	}
	s.Stage, s.Where = Ready, l.outbox
	s.Call = contract.ArbCore.Carry.Pack(proof, new(big.Int).SetUint64(l.place), l.from, l.to, l.block, l.blockBelow, l.second, l.value, l.data)
	s.Words = fmt.Sprintf("what left %s is confirmed on %s and can be let out there now, by anybody, at the outbox %s", a.beyond.Here, a.beyond.There, l.outbox)
	tried, _, err := a.beyond.Far.Read(ctx, &s.At, []chain.Query{{What: chain.Call, To: l.outbox, From: l.to, Data: s.Call}})
	if err == nil && tried[0].Err != nil {
		s.Stage = Stranded
		s.Words = fmt.Sprintf("what left %s is confirmed on %s, and cannot be paid out to %s there: %s. Nothing is lost: anybody can have it let out at the outbox %s, once what stands in its way is gone",
			a.beyond.Here, a.beyond.There, a.beyond.receiver(p.To), chain.Revert(tried[0].Data), l.outbox)
	}
	return s, err
}
