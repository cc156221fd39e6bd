package exit

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/act/safe"
	"lifeboat/chain"
)

// Apply brings a prepared exit to the chain, once, and follows it to its end; the owners' signatures come with it unless a role
// permits it. What the chain refuses is tried again as how says. It may be called again with the same key after anything that broke it
// off, and then goes on. An error is that it could not be found out or not brought to its end; one that is not [ErrOpen] says that nothing
// was sent.
func (d *Desk) Apply(ctx context.Context, key lifeboat.Key, p Prepared, signatures []safe.Signature, how Insist) (*Ending, error) {
	if err := p.check(d.Chain.ID()); err != nil {
		return d.refused("what was prepared is not what was shown: %w", err), nil
	}
	if d.Signers[p.Sender] == nil {
		return d.refused("nobody here holds the key of %s, which is to pay the gas", p.Sender.Hex()), nil
	}
	n, err := d.notes.read(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	told := "the role permits it"
	if p.Role == nil {
		state, err := safe.Read(ctx, d.Chain, nil, p.Tx.Safe)
		if err != nil {
			return nil, err
		}
		tally, err := state.Verify(ctx, d.Chain, p.Tx, signatures)
		if err != nil {
			return nil, err
		}
		told = fmt.Sprintf("%d signatures are good, %d are needed", len(tally.Good), state.Threshold)
		signatures = tally.Good // one of each owner: what else is among them would make the Safe refuse the lot
		if state.Nonce == p.Tx.Nonce && !tally.Enough() && !begun(n) {
			return d.refused("%d of %d signatures are good%s", len(tally.Good), state.Threshold, because(tally.Faults)), nil
		}
	}
	if !begun(n) {
		saw := ""
		refusal, err := d.insist(ctx, how, func() (refusal string, err error) {
			saw, refusal, err = d.look(ctx, p)
			return refusal, err
		})
		if err != nil {
			return nil, err
		}
		if refusal != "" {
			return d.refused("%s", refusal), nil
		}
		told += "; " + saw
	}
	j, err := d.jobOf(p, signatures)
	if err != nil {
		return d.refused("%w", err), nil
	}
	j.Insist, j.Told = how, []string{fmt.Sprintf("prepared at block %d (%s)", p.Block.Number, p.At.UTC().Format("2006-01-02 15:04:05")), told}
	n, err = d.carry(ctx, key, j)
	if n == nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, n.lastTold())
	}
	ending := *n.End
	ending.story, ending.note = n.Story, n
	return &ending, nil
}

// mayBeOut says whether something was signed for an exit whose end is not known; what cannot be read may.
func (d *Desk) mayBeOut(key lifeboat.Key) bool {
	n, err := d.notes.read(key)
	return err != nil || n != nil && n.out() && n.End == nil
}

// mayBeBegun says the same of one that was begun, whether it has ended or not.
func (d *Desk) mayBeBegun(key lifeboat.Key) bool {
	n, err := d.notes.read(key)
	return err != nil || begun(n)
}

func (d *Desk) refused(format string, args ...any) *Ending {
	return &Ending{At: d.Clock.Now(), Why: fmt.Errorf(format, args...).Error() + "; nothing was sent", Again: true}
}

// begun says whether anything was signed for it or given away, or it has ended: what follows then is asked of the chain.
func begun(n *note) bool { return n != nil && (n.out() || n.End != nil) }

// look is done before anything is sent: whether the Safe would take it now, and whether it still ends as was promised. It says what
// it saw, or why the exit is refused.
func (d *Desk) look(ctx context.Context, p Prepared) (saw, refusal string, err error) {
	if p.Role == nil {
		switch nonce, err := d.safeNonce(ctx, p.Tx.Safe); {
		case err != nil:
			return "", "", err
		case nonce > p.Tx.Nonce:
			return "the Safe has gone on already", "", nil // it may have been executed by somebody else: the chain tells
		case nonce < p.Tx.Nonce:
			return "", fmt.Sprintf("the Safe's next transaction is number %d, and this is number %d: those before it come first", nonce, p.Tx.Nonce), nil
		}
	}
	switch again, err := d.try(ctx, nil, p); {
	case err != nil && unknown(err):
		return "", "", err
	case err != nil:
		return "", "things have changed since it was prepared: " + err.Error(), nil
	case !again.proven:
		return "it was called again and goes through, and nobody can try how it ends", "", nil
	}
	return "it was tried again and ends as was promised", "", nil
}

// safeNonce is the number of a Safe's next transaction.
func (d *Desk) safeNonce(ctx context.Context, of common.Address) (uint64, error) {
	answers, _, err := d.Chain.Read(ctx, nil, []chain.Query{{What: chain.Call, To: of, Data: nonceCall}})
	if err != nil {
		return 0, fmt.Errorf("read the Safe's nonce: %w", err)
	}
	if answers[0].Err != nil || len(answers[0].Data) != 32 {
		return 0, fmt.Errorf("there is no Safe at %s", of.Hex())
	}
	return wordOf(answers[0]), nil
}

func because(faults []string) string {
	if len(faults) == 0 {
		return ""
	}
	return ": " + strings.Join(faults, "; ")
}

// unknown are failures to find out, rather than findings.
func unknown(err error) bool {
	for _, silent := range []error{chain.ErrUnreachable, chain.ErrDisagree, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, silent) {
			return true
		}
	}
	return false
}

// jobOf is the transaction that carries it out.
func (d *Desk) jobOf(p Prepared, signatures []safe.Signature) (job, error) {
	j := job{Sender: p.Sender, Urgent: p.Urgent, Gas: p.Gas, Says: saysTrue, Verify: d.verifier(p)}
	if p.Role != nil {
		data, err := p.roleCall()
		j.To, j.Data = p.Role.Module, data
		return j, err
	}
	j.To, j.Safe, j.Nonce, j.Hash, j.Data = p.Tx.Safe, p.Tx.Safe, p.Tx.Nonce, p.Hash, p.Tx.Exec(safe.Pack(signatures))
	return j, nil
}

// saysTrue wants a Safe or a module to say that what it was to do went through.
func saysTrue(a chain.Answer) error {
	if len(a.Data) != 32 || new(big.Int).SetBytes(a.Data).Sign() == 0 {
		return errors.New("the Safe would say that it failed")
	}
	return nil
}

// verifier reads what was promised at the block that the exit is in.
func (d *Desk) verifier(p Prepared) func(context.Context, chain.Block) ([]string, error) {
	return func(ctx context.Context, at chain.Block) (broken []string, err error) {
		if broken, err = d.untold(ctx, at, p); err != nil || len(p.Must) == 0 {
			return broken, err
		}
		var queries []chain.Query
		for _, c := range p.Must {
			queries = append(queries, c.Query)
		}
		answers, _, err := d.Chain.Read(ctx, &at, queries)
		if err != nil {
			return nil, err
		}
		for i, c := range p.Must {
			switch holds, got, err := c.Holds(answers[i]); {
			case err != nil:
				broken = append(broken, clause(err))
			case !holds:
				broken = append(broken, fmt.Sprintf("%s, and it is %s", c.Words, got))
			}
		}
		return broken, nil
	}
}

// untold are the events that no contract told of in the block that the exit is in.
func (d *Desk) untold(ctx context.Context, at chain.Block, p Prepared) (broken []string, err error) {
	for _, e := range p.Tells {
		logs, err := d.Chain.Logs(ctx, at.Number, at.Number, e.Filter())
		if err != nil {
			return nil, err
		}
		if !e.In(logs) {
			broken = append(broken, e.Words+", and it does not")
		}
	}
	return broken, nil
}

// Receipt is an ending as the flow takes it, with the story of how it came to that.
func (e *Ending) Receipt(key lifeboat.Key, p Prepared) lifeboat.Receipt {
	r := lifeboat.Receipt{Key: key, Status: lifeboat.NotPerformed, Why: e.Why, Facts: e.facts(p)}
	if e.Done {
		r.Status = lifeboat.Performed
	}
	if e.Again {
		r.Facts["failure"] = "transient"
	}
	var told strings.Builder
	for _, l := range e.story {
		fmt.Fprintf(&told, "%s  %s\n", l.At.UTC().Format("15:04:05"), l.What)
	}
	r.Output = told.String()
	if f := e.Found; f != nil && f.How != taken {
		r.VenueID = f.Tx.Hex()
	}
	return r
}

// facts are the times of the stages and what it cost.
func (e *Ending) facts(p Prepared) map[string]string {
	facts := map[string]string{"hash": p.Hash.Hex(), "prepared_at": p.At.UTC().Format(time.RFC3339)}
	if f := e.Found; f != nil && f.How != taken {
		facts["transaction"], facts["block"] = f.Tx.Hex(), fmt.Sprint(f.Block)
		if f.Gas > 0 {
			facts["gas_used"], facts["gas_price"] = fmt.Sprint(f.Gas), f.Price
			if f.Price != "" {
				facts["fee"] = f.fee().String()
			}
			if f.Toll != nil {
				facts["toll"] = f.Toll.String()
			}
		}
		if f.Lost != nil {
			facts["fee_lost"] = f.Lost.String()
		}
		if !f.SeenAt.IsZero() {
			facts["mined_at"], facts["settled_at"] = f.SeenAt.UTC().Format(time.RFC3339Nano), e.At.UTC().Format(time.RFC3339Nano)
		}
	}
	if e.note != nil && e.note.heard() {
		facts["relay"], facts["relay_asked_at"] = e.note.Relay.Host, e.note.Relay.At.UTC().Format(time.RFC3339Nano)
	}
	if e.note != nil && len(e.note.Sent) > 0 {
		facts["sent_at"], facts["sent"] = e.note.Sent[0].At.UTC().Format(time.RFC3339Nano), fmt.Sprint(len(e.note.Sent))
	}
	return facts
}

func (n *note) lastTold() string {
	if len(n.Story) == 0 {
		return "nothing was sent"
	}
	return n.Story[len(n.Story)-1].What
}
