package withdraw

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/act/venue"
	"lifeboat/plan"
	"lifeboat/prose"
)

// A request is one withdrawal on its way.
type request struct {
	*Desk
	key     lifeboat.Key
	account plan.Account
	proposed
	so    task.Progress
	name  string // of the venue
	taken string // its number there, or unnumbered; "" while nobody has said that the venue has it
	why   string // as last kept
	moved []lifeboat.Move
}

const (
	// number under which a note keeps that the venue has the withdrawal.
	number = "venue_id"
	// unnumbered is kept there when the venue has it and has named no number.
	unnumbered = "yes"
)

// apply asks for the withdrawal that was approved and follows it until the venue has sent it.
func (d *Desk) apply(ctx context.Context, key lifeboat.Key, a plan.Account, p proposed, so task.Progress) lifeboat.Receipt {
	r := &request{Desk: d, key: key, account: a, proposed: p, so: so, taken: so.Facts[number], moved: lifeboat.MovesOf(so.Facts)}
	if so.Again {
		return r.follow(ctx, errors.New("it was asked for by an earlier start"))
	}
	if err := r.free(ctx); err != nil {
		return transient(no("%s; nothing was withdrawn when the step's time was up", err))
	}
	if worse, err := r.worse(ctx); err != nil {
		return transient(no("%s could not be asked, and nothing was withdrawn: %s", r.called(), prose.OneLine(err.Error())))
	} else if worse != "" {
		return no("%s; nothing was withdrawn, and a new plan wants a new yes", worse)
	}
	return r.ask(ctx)
}

// trial asks for the withdrawal of a canary, at the fee of the day. One that may have been asked for before is never given up
// only because the venue cannot be reached.
func (d *Desk) trial(ctx context.Context, key lifeboat.Key, a plan.Account, s step, so task.Progress) lifeboat.Receipt {
	r := &request{Desk: d, key: key, account: a, so: so, taken: so.Facts[number]}
	for pause := askFirst; ; pause = min(2*pause, askMost) {
		var terms venue.Terms
		err := d.at(ctx, a, func(v venue.Withdrawer, name string) (err error) {
			r.name = name
			terms, err = v.Terms(ctx, of(s.WithdrawOrder, s.Amount, decimal.Zero).withdrawal())
			return err
		})
		switch {
		case err == nil:
			return d.apply(ctx, key, a, of(s.WithdrawOrder, s.Amount, terms.Fee), so)
		case !so.Again:
			return transient(no("%s could not be asked, and nothing was withdrawn: %s", r.called(), prose.OneLine(err.Error())))
		case d.Clock.Sleep(ctx, d.Clock.Now().Add(pause)) != nil:
			return r.unfinished()
		}
	}
}

// worse says what has changed since the yes, to the owner's cost; "" when nothing has.
func (r *request) worse(ctx context.Context) (string, error) {
	var terms venue.Terms
	err := r.at(ctx, r.account, func(v venue.Withdrawer, name string) (err error) {
		r.name = name
		terms, err = v.Terms(ctx, r.withdrawal())
		return err
	})
	if err != nil {
		return "", err
	}
	if terms.Fee.GreaterThan(r.Fee) {
		return fmt.Sprintf("%s now keeps %s %s of it, and %s was approved", r.name, terms.Fee, r.Symbol, r.Fee), nil
	}
	if against := r.against(terms); len(against) > 0 {
		return fmt.Sprintf("%s would not withdraw it any more: %s", r.name, strings.Join(against, "; ")), nil
	}
	return "", nil
}

// free waits until the withdrawal may be asked for: as long as its run is paused, or the breaker holds it, nothing leaves. An error says what
// held it until its time was up.
func (r *request) free(ctx context.Context) error {
	for r.so.Held != nil {
		why := r.so.Held()
		if why == "" {
			break
		}
		if err := r.tell(why); err != nil {
			return err
		}
		if r.Clock.Sleep(ctx, r.Clock.Now().Add(askFirst)) != nil {
			return errors.New(why)
		}
	}
	return nil
}

// ask makes the request, once, and follows what came of it.
func (r *request) ask(ctx context.Context) lifeboat.Receipt {
	var got lifeboat.Receipt
	err := r.at(ctx, r.account, func(v venue.Withdrawer, name string) (err error) {
		r.name = name
		if r.Fence != nil {
			if err := r.Fence(); err != nil {
				return err
			}
		}
		got, err = v.Withdraw(ctx, r.key, r.withdrawal())
		return err
	})
	if err != nil {
		return r.follow(ctx, err)
	}
	end, over, doubt := r.hear(got)
	if over {
		return end
	}
	return r.follow(ctx, doubt)
}

// follow asks after the withdrawal until it has ended, and makes the request again only when none has arrived for certain.
func (r *request) follow(ctx context.Context, doubt error) lifeboat.Receipt {
	for pause := askFirst; ; pause = min(2*pause, askMost) {
		if doubt != nil && r.taken == "" {
			if err := r.tell("nobody knows yet whether it was taken, and it is asked after: " + prose.OneLine(doubt.Error())); err != nil {
				return r.lost(err.Error())
			}
		}
		if err := r.Clock.Sleep(ctx, r.Clock.Now().Add(pause)); err != nil {
			return r.unfinished()
		}
		var got lifeboat.Receipt
		err := r.at(ctx, r.account, func(v venue.Withdrawer, name string) (err error) {
			r.name = name
			if got, err = v.AskWithdrawal(ctx, r.key, r.withdrawal()); errors.Is(err, lifeboat.ErrAbsent) && r.forgotten(v.WithdrawalMemory()) {
				got, err = r.lost("it is older than what the venue remembers, so that it does not know it proves nothing"), nil
			}
			return err
		})
		switch {
		case errors.Is(err, lifeboat.ErrAbsent) && r.taken != "":
			doubt = nil // it was taken, and is not listed yet
		case errors.Is(err, lifeboat.ErrAbsent):
			return r.again(ctx)
		case err != nil:
			doubt = err
		case got.Lost:
			return got
		default:
			var end lifeboat.Receipt
			var over bool
			if end, over, doubt = r.hear(got); over {
				return end
			}
		}
	}
}

// again makes a request of which nothing has arrived, unless so much time has gone by that people should look first.
func (r *request) again(ctx context.Context) lifeboat.Receipt {
	if err := r.free(ctx); err != nil {
		return transient(no("it never reached the venue, and it was not asked for again: %s", err))
	}
	if r.Clock.Now().Sub(r.so.At) > retryMax {
		return transient(no("it never reached the venue, which has proved that; it was to be withdrawn %s ago, so a new plan wants a new yes", prose.Span(r.Clock.Now().Sub(r.so.At))))
	}
	if worse, err := r.worse(ctx); err != nil {
		return r.follow(ctx, err)
	} else if worse != "" {
		return no("it never reached the venue, and %s; a new plan wants a new yes", worse)
	}
	return r.ask(ctx)
}

// forgotten reports that the venue may not know a withdrawal any more that it once had.
func (r *request) forgotten(memory time.Duration) bool {
	return memory > 0 && r.Clock.Now().Sub(r.so.At) > memory-memoryLeft
}

// hear takes in what the venue says of the withdrawal. That it has it is durable before anything follows from it; an answer
// that does not say so says nothing.
func (r *request) hear(got lifeboat.Receipt) (end lifeboat.Receipt, over bool, doubt error) {
	if got.Status == lifeboat.Accepted || got.Status == lifeboat.Performed {
		r.moved = r.moves(got)
		got.Facts = lifeboat.WithMoves(got.Facts, r.moved)
	}
	switch got.Status {
	case lifeboat.Performed:
		got.Why = fmt.Sprintf("%s has sent %s %s to %s%s; that it has arrived is for %s to show", r.name, r.arrives(), r.Symbol, r.To,
			prose.After(" in the transaction ", got.Facts["txid"]), r.Network)
		return got, true, nil
	case lifeboat.NotPerformed:
		return got, true, nil
	case lifeboat.Accepted:
	default:
		return lifeboat.Receipt{}, false, errors.New(cmp.Or(got.Why, "the answer does not say"))
	}
	if r.taken == "" {
		r.taken = got.VenueID
		if r.taken == "" {
			r.taken = unnumbered
		}
	}
	if err := r.tell(strings.TrimSpace(fmt.Sprintf("%s has taken it and has not sent it yet. %s", r.name, got.Why))); err != nil {
		return r.lost(err.Error()), true, nil
	}
	return lifeboat.Receipt{}, false, nil
}

// moves are what leaves the account and what will come to the other, by the fee that the venue has named or else by the one that was
// approved. Neither has a height: the venue shows the one soon and the chain the other some time.
func (r *request) moves(got lifeboat.Receipt) []lifeboat.Move {
	leaves, fee := r.Amount, r.Fee
	if said, err := decimal.NewFromString(got.Facts["fee"]); err == nil && said.IsPositive() {
		if fee = said; r.Fee.IsZero() { // it comes on top
			leaves = leaves.Add(fee)
		}
	}
	return []lifeboat.Move{{Account: r.Account, Symbol: r.Symbol, Quantity: leaves.Neg()}, {Account: r.To, Symbol: r.Symbol, Quantity: leaves.Sub(fee)}}
}

// tell keeps how far it has come, where that is news.
func (r *request) tell(why string) error {
	if why == r.why {
		return nil
	}
	facts := map[string]string{}
	if r.taken != "" {
		facts[number] = r.taken
	}
	facts = lifeboat.WithMoves(facts, r.moved)
	if err := r.so.Keep(why, facts); err != nil {
		return err
	}
	r.why = why
	return nil
}

// unfinished is what is true when the time of the task is up.
func (r *request) unfinished() lifeboat.Receipt {
	if r.taken != "" {
		named := " (" + r.taken + ")"
		if r.taken == unnumbered {
			named = ""
		}
		return r.lost(fmt.Sprintf("%s has taken it%s and had not sent it when the step's time was up", r.called(), named))
	}
	return r.lost("nobody could say whether it was taken when the step's time was up")
}

// lost leaves it to a person, who is told under which number the venue has it, where it has named one.
func (r *request) lost(why string) lifeboat.Receipt {
	id := r.taken
	if id == unnumbered {
		id = ""
	}
	return lifeboat.Receipt{Key: r.key, Status: lifeboat.Unknown, Lost: true, Why: why + "; a person must look at " + r.called(), VenueID: id}
}

// called is the venue's name for people, before it was ever reached too.
func (r *request) called() string {
	if r.name == "" {
		return "the venue of " + r.account.Name
	}
	return r.name
}

func transient(r lifeboat.Receipt) lifeboat.Receipt {
	r.Facts = map[string]string{"failure": "transient"}
	return r
}
