package protocol

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// Stands reads where a passage is. The messenger of the other side says whether it took the message in; of a withdrawal that it has
// not heard of, the portal says how far it is.
func (o *OPBridge) Stands(ctx context.Context, p Passage) (Standing, error) {
	s, err := o.stands(ctx, p)
	if err != nil {
		return Standing{}, fmt.Errorf("%s: look for what was sent on %s: %w", o.name, o.beyond.There, err)
	}
	return s, nil
}

func (o *OPBridge) stands(ctx context.Context, p Passage) (Standing, error) {
	m, ours := p.carried.(opMessage)
	if !ours {
		return Standing{}, errForeign
	}
	messenger := opMessenger
	if o.above() {
		messenger = m.withdrawal.Target
	}
	var b contract.Batch
	relayed, failed := b.Call(messenger, contract.OPMessenger.Relayed, p.Hash), b.Call(messenger, contract.OPMessenger.Failed, p.Hash)
	balance := askBalance(&b, p.Token, p.To)
	var portal *contract.Asked
	if o.above() {
		portal = b.Call(messenger, contract.OPMessenger.Portal)
	}
	block, err := b.Read(ctx, o.beyond.Far, nil)
	if err != nil {
		return Standing{}, err
	}
	var done, again bool
	if err := scanAll(relayed, &done, failed, &again); err != nil {
		return Standing{}, err
	}
	s := Standing{At: block}
	switch {
	case done:
		s.Stage = Arrived
		s.Words, err = o.beyond.arrived(ctx, p, balance, block)
		return s, err
	case again:
		s.Stage, s.Where, s.Call = Stranded, messenger, m.relay
		s.Words = fmt.Sprintf("it reached %s, and could not be paid out to %s there. Nothing is lost: the message %s waits in the messenger %s, and anybody can relay it again with more gas, once what stood in its way is gone",
			o.beyond.There, o.beyond.receiver(p.To), p.Hash, messenger)
	case o.above():
		var at common.Address
		if err := portal.Scan(&at); err != nil {
			return Standing{}, err
		}
		return o.withdrawn(ctx, m.withdrawal, at, block)
	default:
		s.Stage = Underway
		s.Words = fmt.Sprintf("it has left %s and is not on %s yet; the rollup takes it in by itself", o.beyond.Here, o.beyond.There)
	}
	return s, nil
}

// proofsMax is how many proofs of one withdrawal are looked at; anybody may hand one in.
const proofsMax = 32

// withdrawn says how far a withdrawal is that its messenger has not heard of.
func (o *OPBridge) withdrawn(ctx context.Context, w *opWithdrawal, portal common.Address, at chain.Block) (Standing, error) {
	s := Standing{At: at, Stage: Unproven, Where: portal}
	var b contract.Batch
	finalized, count, delay := b.Call(portal, contract.OPPortal.Finalized, w.Hash), b.Call(portal, contract.OPPortal.Submitters, w.Hash), b.Call(portal, contract.OPPortal.Delay)
	if _, err := b.Read(ctx, o.beyond.Far, &at); err != nil {
		return s, err
	}
	var over bool
	proofs, seconds := one, one
	if err := scanAll(finalized, &over, count, &proofs, delay, &seconds); err != nil {
		return s, fmt.Errorf("the portal %s is of a version that is not known: %w", portal, err)
	}
	if over {
		s.Stage, s.Words = Stranded, fmt.Sprintf("the withdrawal %s was finalised on %s, and its messenger did not take it in: look at that transaction", w.Hash, o.beyond.There)
		return s, nil
	}
	if !proofs.IsUint64() || !seconds.IsInt64() || seconds.Int64() > int64(delayMax/time.Second) {
		return s, fmt.Errorf("the portal %s says that there are %s proofs, and that each waits %s seconds", portal, proofs, seconds)
	}
	good, err := o.proofs(ctx, w, &s, min(proofs.Uint64(), proofsMax), time.Duration(seconds.Int64())*time.Second)
	if err != nil || good {
		return s, err
	}
	s.Words = fmt.Sprintf("the withdrawal %s has left %s, and %s has no proof of it yet; anybody can hand one in once the state is proposed, about an hour after it left", w.Hash, o.beyond.Here, o.beyond.There)
	return s, o.prove(ctx, w, portal, &s)
}

// delayMax is longer than any portal makes a proof wait.
const delayMax = 365 * 24 * time.Hour

// Ends of a game about a proposal.
const gameLost = 1 // the proposal was false, and a proof against it is worth nothing

// proofs looks at those that were handed in; good is one that can still let the withdrawal out.
func (o *OPBridge) proofs(ctx context.Context, w *opWithdrawal, s *Standing, count uint64, delay time.Duration) (good bool, err error) {
	portal := s.Where
	var by, of, say contract.Batch
	var submitters, proven, checks, games []*contract.Asked
	for i := range count {
		submitters = append(submitters, by.Call(portal, contract.OPPortal.Submitter, w.Hash, new(big.Int).SetUint64(i)))
	}
	if count == 0 {
		return false, nil
	}
	if _, err := by.Read(ctx, o.beyond.Far, &s.At); err != nil {
		return false, err
	}
	who := make([]common.Address, count)
	for i, asked := range submitters {
		if err := asked.Scan(&who[i]); err != nil {
			return false, err
		}
		proven = append(proven, of.Call(portal, contract.OPPortal.Proven, w.Hash, who[i]))
		checks = append(checks, of.Call(portal, contract.OPPortal.Check, w.Hash, who[i]))
	}
	if _, err := of.Read(ctx, o.beyond.Far, &s.At); err != nil {
		return false, err
	}
	at := make([]uint64, count)
	for i, asked := range proven {
		var game common.Address
		if err := asked.Scan(&game, &at[i]); err != nil {
			return false, err
		}
		games = append(games, say.Call(game, contract.OPGame.Status))
	}
	if _, err := say.Read(ctx, o.beyond.Far, &s.At); err != nil {
		return false, err
	}
	for i := range who {
		var status uint8
		if err := games[i].Scan(&status); err != nil || status == gameLost {
			continue
		}
		if !checks[i].Refused() {
			s.Stage, s.Due, s.Call = Ready, time.Time{}, contract.OPPortal.Finalize.Pack(w.tuple(), who[i])
			s.Words = fmt.Sprintf("the withdrawal %s can be finalised on %s now, by anybody, at the portal %s", w.Hash, o.beyond.There, portal)
			return true, nil
		}
		due := time.Unix(int64(min(at[i], 1<<40)), 0).UTC().Add(delay)
		if good && !due.Before(s.Due) {
			continue
		}
		good, s.Stage, s.Due = true, Proven, due
		s.Words = fmt.Sprintf("the withdrawal %s is proven on %s and can be challenged; it can be finalised after %s, by anybody", w.Hash, o.beyond.There, due.Format("2 January 2006 15:04 UTC"))
		if !s.At.Time.Before(due) {
			s.Words = fmt.Sprintf("the withdrawal %s has waited long enough, and the portal %s on %s does not let it out yet: %s", w.Hash, portal, o.beyond.There, chain.Revert(checks[i].Data()))
		}
	}
	return good, nil
}

// opTransaction is a withdrawal in the order in which the portal wants it.
type opTransaction struct {
	Name0        *big.Int
	Name1, Name2 common.Address
	Name3, Name4 *big.Int
	Name5        []byte
}

func (w *opWithdrawal) tuple() opTransaction {
	return opTransaction{w.Nonce, w.Sender, w.Target, w.Value, w.GasLimit, w.Data}
}

// gamesRead is how many proposals are looked through for one to prove a withdrawal against: those of about a day.
const gamesRead = 24

// prove works the proof out, when there is a proposal of the state in which the withdrawal is. The oldest such proposal is over
// first. A proposal that is not what the rollup's own node says is passed over: it will be challenged, or the node lies.
func (o *OPBridge) prove(ctx context.Context, w *opWithdrawal, portal common.Address, s *Standing) error {
	prover, can := o.beyond.Near.(chain.Prover)
	if !can {
		return nil
	}
	var at, b, c contract.Batch
	factory, kind := at.Call(portal, contract.OPPortal.Games), at.Call(portal, contract.OPPortal.GameType)
	if _, err := at.Read(ctx, o.beyond.Far, &s.At); err != nil {
		return err
	}
	var where common.Address
	var gameType uint32
	if err := scanAll(factory, &where, kind, &gameType); err != nil {
		return fmt.Errorf("the portal %s is of a version that is not known: %w", portal, err)
	}
	count := b.Call(where, contract.OPGames.Count)
	if _, err := b.Read(ctx, o.beyond.Far, &s.At); err != nil {
		return err
	}
	var games *big.Int
	if err := count.Scan(&games); err != nil || games.Sign() == 0 {
		return err
	}
	latest := c.Call(where, contract.OPGames.Latest, gameType, new(big.Int).Sub(games, one), big.NewInt(gamesRead))
	if _, err := c.Read(ctx, o.beyond.Far, &s.At); err != nil {
		return err
	}
	var found []struct {
		Name0 *big.Int
		Name1 [32]byte
		Name2 uint64
		Name3 [32]byte
		Name4 []byte
	}
	if err := latest.Scan(&found); err != nil {
		return err
	}
	for _, g := range slices.Backward(found) { // the newest comes first
		if len(g.Name4) < 32 {
			continue
		}
		block := new(big.Int).SetBytes(g.Name4[:32])
		if !block.IsUint64() || block.Uint64() < w.Block {
			continue
		}
		proof, err := prover.Proof(ctx, opPasser, withdrawalSlot(w.Hash), block.Uint64())
		if err != nil {
			return err
		}
		if outputRoot(proof) != g.Name3 {
			continue
		}
		s.Call = contract.OPPortal.Prove.Pack(w.tuple(), g.Name0, [32]byte{}, [32]byte(proof.State), [32]byte(proof.Storage), [32]byte(proof.Hash), proof.Nodes)
		s.Words = fmt.Sprintf("the withdrawal %s has left %s, and can be proven on %s now, by anybody, at the portal %s", w.Hash, o.beyond.Here, o.beyond.There, portal)
		return nil
	}
	return nil
}

// withdrawalSlot is where the rollup keeps that a withdrawal was made: the mapping is the first thing in the contract.
func withdrawalSlot(hash common.Hash) common.Hash {
	return crypto.Keccak256Hash(hash[:], make([]byte, 32))
}

// outputRoot is what a proposal claims of the rollup's state, in version 0.
func outputRoot(p chain.Proof) common.Hash {
	return crypto.Keccak256Hash(make([]byte, 32), p.State[:], p.Storage[:], p.Hash[:])
}
