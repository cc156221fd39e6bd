package exit

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat"
	"lifeboat/act/safe"
	"lifeboat/chain"
)

// A job is a call that is to be in the chain once.
type job struct {
	Sender common.Address // pays the gas
	To     common.Address
	Value  *big.Int
	Data   []byte
	// Safe, when it is not zero, lets only one transaction through for its Nonce; Hash is what it calls ours. Without a Safe
	// it is the sender's own nonce that lets only one through.
	Safe  common.Address
	Nonce uint64
	Hash  common.Hash
	// Urgent jobs may pay up to the higher ceiling.
	Urgent bool
	// Gas that it took when it was simulated; 0 when it was not. An estimate below is not believed.
	Gas uint64
	// Insist says for how long the chain's refusals are tried again.
	Insist Insist
	// Told is what the story begins with.
	Told []string
	// Says tells whether the call would do what it should, by what it returned; nil takes any answer that is no revert.
	Says func(answer chain.Answer) error
	// Verify says what of what was promised does not hold at a block; nil when nothing was.
	Verify func(ctx context.Context, at chain.Block) (broken []string, err error)
}

func (j job) guarded() bool { return j.Safe != common.Address{} }

// digest tells one job from another under the same key. The signatures in Data may differ from time to time, so with a Safe
// its own hash is what counts.
func (j job) digest() common.Hash {
	if j.guarded() {
		return crypto.Keccak256Hash(j.Safe[:], j.Hash[:])
	}
	return crypto.Keccak256Hash(j.Sender[:], j.To[:], bigBytes(j.Value), j.Data)
}

// sending brings one job to the chain and follows it until it has ended for good.
type sending struct {
	*Desk
	job
	note    *note
	held    bool      // the lock of the sender
	fails   int       // how often in a row it could not be signed
	behind  time.Time // since when it waits behind what others sent with the same key
	refused insisting
	late    bool // it was told that the stop came too late
	// used is the head at which the Safe's nonce was first seen to be spent on something that is not found; spent the same of
	// the sender's last nonce. Nil when it is not so.
	used, spent *chain.Block
	seen        *found // where it was found last
}

// errNote says that a note could not be written. Nothing is sent then.
var errNote = errors.New("the note of the exit cannot be kept")

// ErrOpen says that the end is not known yet: something is out on the network.
var ErrOpen = errors.New("it is not known yet what became of it")

// run looks and does what follows, until the end or until ctx ends. What it returns with an error goes on when it is run again.
func (s *sending) run(ctx context.Context) (*Ending, error) {
	defer s.release()
	if len(s.note.Sent) > 0 {
		s.take() // others wait until it is mined; it waits for nobody, because they may be behind it
	}
	for {
		var err error
		ending := s.leave()
		if ending == nil {
			ending, err = s.round(ctx)
		}
		switch {
		case ending != nil:
			ending.At = s.Clock.Now()
			s.note.End = ending
			return ending, s.keep()
		case errors.Is(err, errNote), isHold(err):
			return nil, err
		case err != nil && ctx.Err() == nil:
			s.tell("%s", clause(err))
			if s.refused.since.IsZero() { // else it was told already, with until when
				s.refused.waits(clause(err))
			}
		}
		if err := s.Clock.Sleep(ctx, s.Clock.Now().Add(s.Policy.Poll)); err != nil {
			return nil, s.interrupted(err)
		}
	}
}

func (s *sending) interrupted(err error) error {
	if kept := s.keep(); kept != nil {
		return kept
	}
	if s.note.out() {
		return fmt.Errorf("%w: %w", ErrOpen, err)
	}
	return err
}

func (s *sending) round(ctx context.Context) (*Ending, error) {
	saw, err := s.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("look what the chain says: %w", err)
	}
	m, left := s.stays(next(s.note, s.guarded(), saw, s.Policy), saw)
	if left != nil {
		return left, nil
	}
	if m, err = s.heldBack(m); err != nil {
		return nil, err
	}
	if m.why != "" {
		s.tell("%s", m.why)
	}
	switch m.do {
	case entrust:
		return s.entrust(ctx, saw)
	case send:
		return s.sendOrEntrust(ctx, saw)
	case raise:
		return nil, s.raise(ctx, saw)
	case publish:
		s.last().Private = false
		return nil, s.hand(ctx, s.last())
	case repeat:
		return nil, s.hand(ctx, s.last())
	case giveUp:
		return &Ending{Why: m.why, Again: true}, nil
	case end:
		return s.ended(ctx, saw)
	}
	return nil, nil
}

// sendOrEntrust sends, and as long as our key cannot, the relay may still be asked.
func (s *sending) sendOrEntrust(ctx context.Context, saw seen) (*Ending, error) {
	ending, err := s.send(ctx, saw)
	if ending != nil || len(s.note.Sent) > 0 || s.note.Relay == nil || s.Relay == nil || errors.Is(err, errNote) {
		return ending, err
	}
	ending, again := s.entrust(ctx, saw)
	return ending, errors.Join(err, again)
}

// ended says what became of it. What was promised of it is read again at the block it is in.
func (s *sending) ended(ctx context.Context, saw seen) (*Ending, error) {
	f := saw.found
	if f == nil {
		return &Ending{Found: &found{How: taken, Block: saw.head.Number, Hash: saw.head.Hash},
			Why: fmt.Sprintf("the Safe spent its nonce %d on another transaction, so that this one can never be executed; a new one has to be prepared and signed", s.Nonce)}, nil
	}
	e := &Ending{Found: f, Done: f.How == executed, Why: fmt.Sprintf("executed in block %d, transaction %s", f.Block, f.Tx.Hex())}
	switch {
	case f.How == failed:
		e.Why = fmt.Sprintf("the Safe carried it out and says that it failed, in transaction %s", f.Tx.Hex())
	case !f.Ours:
		e.Why = fmt.Sprintf("executed in block %d by %s, transaction %s", f.Block, s.note.other(f.Tx), f.Tx.Hex())
	}
	switch {
	case f.Lost != nil:
		e.Why += fmt.Sprintf("; what our key sent beside it came second and did nothing, and its gas is lost: %s", s.coins(f.Lost))
	case !f.Ours && s.pending(saw):
		e.Why += "; what our key sent beside it waits still and will do nothing, and its gas will be lost"
	}
	if !e.Done || s.Verify == nil {
		return e, nil
	}
	broken, err := s.Verify(ctx, chain.Block{Number: f.Block, Hash: f.Hash})
	if err != nil {
		return nil, fmt.Errorf("read whether it is as promised: %w", err)
	}
	if len(broken) == 0 {
		s.tell("what was promised is true at block %d", f.Block)
	}
	if e.Broken = broken; len(broken) > 0 {
		e.Done, e.Why = false, fmt.Sprintf("executed but not as promised, in transaction %s: %s", f.Tx.Hex(), strings.Join(broken, "; "))
	}
	return e, nil
}

// send gives the job to the network under the next nonce of its sender.
func (s *sending) send(ctx context.Context, saw seen) (*Ending, error) {
	limit, estimate, ending, err := s.limit(ctx, saw)
	if ending != nil || err != nil {
		return ending, err
	}
	if !s.take() {
		return nil, s.hold(ctx) // and look again: time has passed
	}
	defer func() {
		if !s.pending(saw) {
			s.release() // somebody more urgent may go first
		}
	}()
	fees, err := s.Chain.Fees(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask what gas costs: %w", err)
	}
	offered, err := offer(fees, s.ceiling())
	if err != nil {
		return nil, err
	}
	if why, err := s.short(ctx, limit, offered); why != "" || err != nil {
		return s.refuse(saw, why, err)
	}
	if s.fails == 0 { // else the key has not signed yet
		s.refused.passed()
	}
	nonce, instead, err := s.place(ctx, saw)
	if err != nil {
		return nil, err
	}
	if instead {
		offered.tip = offered.most // nobody says what has to be outbid
	}
	private := s.relay() != nil && s.Policy.PrivateBlocks > 0
	ending, err = s.sign(ctx, saw, nonce, limit, offered, private)
	if ending != nil || err != nil {
		return ending, err
	}
	s.refused.tells(fmt.Sprintf("sent as transaction %d of %s", nonce, s.Sender.Hex()))
	s.tell("sent as transaction %d of %s: gas %d (estimated %d), at most %s", nonce, s.Sender.Hex(), limit, estimate, gwei(offered.most))
	return nil, s.hand(ctx, s.last())
}

// limit is the gas that it gets, if the chain would take it.
func (s *sending) limit(ctx context.Context, saw seen) (limit, estimate uint64, ending *Ending, err error) {
	if s.refused.on(saw.head) {
		ending, err = s.refuse(saw, s.refused.why, nil)
		return 0, 0, ending, err
	}
	if why, err := s.refusal(ctx); why != "" || err != nil {
		ending, err = s.refuse(saw, why, err)
		return 0, 0, ending, err
	}
	estimate, err = s.Chain.Estimate(ctx, s.transaction())
	switch {
	case errors.Is(err, chain.ErrReverted) && s.Gas > 0: // the quorum has just said that it goes through
		s.tell("the estimate of gas failed (%s); it gets what it took when it was simulated", clause(err))
		estimate = s.Gas
	case err != nil:
		return 0, 0, nil, fmt.Errorf("estimate the gas: %w", err)
	}
	if limit, err = gasLimit(max(estimate, s.Gas, s.starved(saw))); err != nil {
		ending, err = s.unless(saw, clause(err), nil)
	}
	return limit, estimate, ending, err
}

// behindMax is how many transactions of other programs with the same key an exit goes behind.
const behindMax = 16

// place is the sender's nonce that the exit takes. What other programs with the same key have sent goes first, if it goes; what
// only seems to wait, because a node says so, must not keep an exit for ever.
// Instead says that it takes the place of such a one.
func (s *sending) place(ctx context.Context, saw seen) (nonce uint64, instead bool, err error) {
	pool, err := s.Chain.Pending(ctx, s.Sender)
	if err != nil {
		return 0, false, fmt.Errorf("ask for the next nonce: %w", err)
	}
	if pool <= saw.nonce {
		return saw.nonce, false, nil
	}
	if s.behind.IsZero() {
		s.behind = saw.at
	}
	patient := saw.at.Sub(s.behind) < patience*s.Policy.BumpAfter
	switch behind := pool - saw.nonce; {
	case !patient || behind > behindMax:
		s.tell("%d transactions of %s seem to wait and do not get mined; it takes the place of the first", behind, s.Sender.Hex())
		return saw.nonce, true, nil
	case !s.guarded():
		return 0, false, fmt.Errorf("%d transactions of %s wait that this exit did not send; it goes after them", behind, s.Sender.Hex())
	default:
		s.tell("it goes after %d transactions of %s that wait already", behind, s.Sender.Hex())
		return pool, false, nil
	}
}

// starved is the gas that the last attempt had and used up; 0 when it did not fail for want of gas.
func (s *sending) starved(saw seen) uint64 {
	if saw.found == nil || saw.found.How != reverted || len(s.note.Sent) == 0 {
		return 0
	}
	if had := s.last().tx.Gas(); saw.found.Gas >= had-had/50 {
		return had
	}
	return 0
}

// pending says whether something of ours can still be mined under the sender's nonces.
func (s *sending) pending(saw seen) bool {
	return len(s.note.Sent) > 0 && s.last().Nonce >= saw.nonce
}

func (s *sending) last() *sent { return &s.note.Sent[len(s.note.Sent)-1] }

// refuse ends an exit that the chain would not take, or nobody signs, once that has stood for as long as it is insisted on.
func (s *sending) refuse(saw seen, why string, err error) (*Ending, error) {
	switch {
	case err != nil:
		return nil, err
	case !s.refused.refused(why, saw.head), !over(s.note, saw, s.Policy.Confirmations):
		return nil, errors.New(why)
	}
	return s.unless(saw, s.refused.stood(), nil)
}

// unless ends an exit that nothing is out of. Of one that may still be mined, now or after a reorganisation, the refusal is only
// told.
func (s *sending) unless(saw seen, why string, err error) (*Ending, error) {
	switch {
	case err != nil:
		return nil, err
	case !over(s.note, saw, s.Policy.Confirmations):
		return nil, errors.New(why)
	}
	return &Ending{Why: why + "; nothing has happened on the chain", Again: true}, nil
}

// raise takes the place of what waits with an offer that is an eighth higher at least.
func (s *sending) raise(ctx context.Context, saw seen) error {
	if len(s.note.Sent) >= sentMax {
		return s.hand(ctx, s.last())
	}
	last := s.last()
	fees, err := s.Chain.Fees(ctx)
	if err != nil {
		return fmt.Errorf("ask what gas costs: %w", err)
	}
	offered, err := raised(last.tx, fees, s.ceiling())
	if err != nil {
		if saw.at.Sub(s.note.told) >= s.Policy.BumpAfter {
			return errors.Join(err, s.hand(ctx, s.last()))
		}
		return err
	}
	if _, err := s.sign(ctx, saw, last.Nonce, last.tx.Gas(), offered, last.Private); err != nil {
		return err
	}
	s.tell("not mined after %s: sent again under the same nonce for at most %s", s.Policy.BumpAfter, gwei(offered.most))
	return s.hand(ctx, s.last())
}

// signMax is how often a signer may fail before that counts as a refusal.
const signMax = 5

// sign makes a transaction and its note durable. It is not sent yet.
func (s *sending) sign(ctx context.Context, saw seen, nonce, limit uint64, offered price, private bool) (*Ending, error) {
	tx := types.NewTx(&types.DynamicFeeTx{ChainID: s.Chain.ID(), Nonce: nonce, Gas: limit, GasTipCap: offered.tip, GasFeeCap: offered.most,
		To: &s.To, Value: s.Value, Data: s.Data})
	stop, held := s.Insist.stop, s.Insist.hold
	if s.pending(saw) && nonce == s.last().Nonce { // it only offers more for what is out
		stop.said, held = nil, func() error { return nil }
	}
	signing, end := stop.until(ctx) // whoever signs may take long
	signed, err := s.Signers[s.Sender].SignTx(signing, tx, s.Chain.ID())
	if end(); stop.heard() {
		return nil, errStopped
	}
	if err := held(); err != nil {
		return nil, err
	}
	if err == nil {
		err = signedBy(signed, tx, s.Sender, s.Chain.ID())
	}
	if err != nil {
		if s.fails++; s.fails >= signMax && ctx.Err() == nil {
			return s.refuse(saw, fmt.Sprintf("the key of %s does not sign: %s", s.Sender.Hex(), clause(err)), nil)
		}
		return nil, fmt.Errorf("sign the transaction: %w", err)
	}
	s.fails = 0
	raw, err := signed.MarshalBinary()
	if err != nil {
		return nil, err
	}
	s.spent = nil
	s.note.Sent = append(s.note.Sent, sent{Raw: raw, Nonce: nonce, At: saw.at, Block: saw.head.Number, Private: private, tx: signed})
	if err := s.keep(); err != nil {
		s.note.Sent = s.note.Sent[:len(s.note.Sent)-1]
		return nil, err
	}
	s.signed.add(signed.Hash())
	return nil, nil
}

// signedBy doubts the signer: another program may have held the key.
func signedBy(signed, asked *types.Transaction, by common.Address, id *big.Int) error {
	signer := types.LatestSignerForChainID(id)
	who, err := types.Sender(signer, signed)
	switch {
	case err != nil:
		return fmt.Errorf("the signature is none: %w", err)
	case who != by:
		return fmt.Errorf("it was signed by %s", who.Hex())
	case signer.Hash(signed) != signer.Hash(asked):
		return errors.New("something else was signed than was asked for")
	}
	return nil
}

// hand gives a transaction to the network. That a node did not take it proves nothing, so the error is only told; the next
// look says what is true.
func (s *sending) hand(ctx context.Context, out *sent) error {
	s.note.told = s.Clock.Now()
	if out.Private {
		err := s.relay().Private(ctx, out.tx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !errors.Is(err, chain.ErrNoRelay) {
			s.tell("the private relay did not take it; it is given to everybody")
		}
		out.Private = false
	}
	if err := s.Chain.Broadcast(ctx, out.tx); err != nil {
		return fmt.Errorf("no node is known to have taken it: %w", err)
	}
	return nil
}

// private is what a chain with a private relay can do besides.
type private interface {
	Private(ctx context.Context, tx *types.Transaction) error
}

func (s *sending) relay() private {
	relay, _ := s.Chain.(private)
	return relay
}

// refusal says why the chain would refuse the job now; "" when it would not.
func (s *sending) refusal(ctx context.Context) (string, error) {
	call := s.transaction()
	answers, _, err := s.Chain.Read(ctx, nil, []chain.Query{{What: chain.Call, To: call.To, Data: call.Data, From: call.From}})
	if err != nil {
		return "", fmt.Errorf("try it without sending: %w", err)
	}
	if answers[0].Err != nil {
		return "the chain would refuse it: " + safe.Explain(answers[0].Data), nil
	}
	if s.Says != nil {
		if err := s.Says(answers[0]); err != nil {
			return clause(err), nil
		}
	}
	return "", nil
}

// short says how much the sender lacks for the gas; "" when it has enough.
func (s *sending) short(ctx context.Context, limit uint64, offered price) (string, error) {
	call := s.transaction()
	answers, _, err := s.Chain.Read(ctx, nil, append([]chain.Query{{What: chain.Balance, To: s.Sender}}, s.tollQueries(call.To, call.Value, call.Data, limit)...))
	if err != nil {
		return "", fmt.Errorf("read the balance of the sender: %w", err)
	}
	need := new(big.Int).Mul(offered.most, new(big.Int).SetUint64(limit))
	need.Add(need, tollOf(answers[1:]))
	if s.Value != nil {
		need.Add(need, s.Value)
	}
	has := new(big.Int).SetBytes(answers[0].Data)
	if has.Cmp(need) >= 0 {
		return "", nil
	}
	return fmt.Sprintf("%s has %s for gas and needs %s: top it up by %s at least", s.Sender.Hex(), s.coins(has), s.coins(need), s.coins(need.Sub(need, has))), nil
}

func (s *sending) transaction() chain.Transaction {
	return chain.Transaction{From: s.Sender, To: s.To, Value: s.Value, Data: s.Data}
}

func (s *sending) ceiling() *big.Int {
	if s.Urgent && s.Policy.UrgentCeiling != nil {
		return s.Policy.UrgentCeiling
	}
	return s.Policy.Ceiling
}

func (s *sending) keep() error {
	if err := s.notes.write(s.note); err != nil {
		return fmt.Errorf("%w: %w", errNote, err)
	}
	return nil
}

func (s *sending) tell(format string, args ...any) { s.note.tell(s.Clock.Now(), format, args...) }

// hold waits until no other exit of the same sender has a transaction in no block, so that two of them never choose the same
// nonce.
func (s *sending) hold(ctx context.Context) error {
	s.tell("it waits until another exit of the same key is mined")
	select {
	case s.lock(s.Sender) <- struct{}{}:
		s.held = true
		return nil
	case <-s.Insist.stop.said:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take holds the sender if nobody else does.
func (s *sending) take() bool {
	if s.held {
		return true
	}
	select {
	case s.lock(s.Sender) <- struct{}{}:
		s.held = true
	default:
	}
	return s.held
}

func (s *sending) release() {
	if s.held {
		<-s.lock(s.Sender)
		s.held = false
	}
}

// newSending goes on with the note of a key, or begins one.
func (d *Desk) newSending(ctx context.Context, key lifeboat.Key, j job) (*sending, error) {
	n, err := d.notes.read(key)
	if err != nil {
		return nil, err
	}
	s := &sending{Desk: d, job: j, note: n, refused: insisting{Insist: j.Insist, clock: d.Clock}}
	switch {
	case n == nil:
		head, err := d.Chain.Head(ctx)
		if err != nil {
			return nil, fmt.Errorf("look where the chain stands: %w", err)
		}
		s.note = &note{Key: key, Job: j.digest(), Sender: j.Sender, From: head.Number}
		for _, line := range j.Told {
			s.tell("%s", line)
		}
	case n.Job != j.digest():
		return nil, errConflict
	case n.Sender != j.Sender && len(n.Sent) > 0:
		return nil, errSender
	case n.out() && n.End == nil:
		s.tell("gone on with after a stop")
	}
	return s, nil
}

var (
	errConflict = errors.New("another exit was sent under this key")
	errSender   = errors.New("it was begun with another key to pay the gas, and cannot change it on the way")
)
