package venuetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
)

// WithdrawalHarness is one account of a venue that sends money away, under test. Nothing has left it yet, and nobody has
// listed an address.
type WithdrawalHarness struct {
	Venue   venue.Withdrawer
	Account string
	To      venue.Address   // of the owner's own
	Amount  decimal.Decimal // that can leave three times
	TooMuch decimal.Decimal // that is not there
	// Made is how many withdrawals the venue itself has taken in: not counted from receipts.
	Made func() int
	// Send lets the venue send what it has taken in.
	Send func()
	// LoseRequest loses the next request for a withdrawal on its way, LoseAnswer the answer to it.
	LoseRequest, LoseAnswer func()
	// Later lets as much time pass as it takes to prove that a request cannot arrive any more.
	Later func()
	// Reopen is another process that takes the account over.
	Reopen func() venue.Withdrawer
}

// RunWithdrawals holds a venue to every promise of venue.Withdrawer, each on an account that open makes anew.
func RunWithdrawals(t *testing.T, open func(t *testing.T) WithdrawalHarness) {
	t.Helper()
	for _, p := range withdrawalPromises {
		t.Run(p.name, func(t *testing.T) {
			if err := p.check(open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

var withdrawalPromises = []struct {
	name  string
	check func(WithdrawalHarness) error
}{
	{"nothing leaves to an address that is not listed", onlyToOwn},
	{"a withdrawal is made once per key", withdrawnOnce},
	{"a key stays with its withdrawal", withdrawalKeyStays},
	{"taken is not sent", takenThenSent},
	{"what is refused moves nothing", refusedMovesNothing},
	{"asking for the terms changes nothing", termsChangeNothing},
	{"a key never seen is absent once that is proved", neverWithdrawn},
	{"a lost request is found out and may be made again", lostWithdrawal},
	{"a lost answer is found out and nothing is made again", lostWithdrawalAnswer},
	{"another process finds a withdrawal", withdrawalReopened},
	{"a call out of time fails and says so", withdrawalOutOfTime},
}

// counter is a harness with what all checks do.
type counter struct {
	WithdrawalHarness
	ctx context.Context
	err error // the first promise broken
}

func atCounter(h WithdrawalHarness) *counter {
	h.Venue.Own([]venue.Address{h.To})
	return &counter{WithdrawalHarness: h, ctx: context.Background()}
}

func (c *counter) failf(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func (c *counter) all() venue.Withdrawal { return venue.Withdrawal{Address: c.To, Amount: c.Amount} }

// take checks what holds for every receipt.
func (c *counter) take(call string, key lifeboat.Key, r lifeboat.Receipt, err error) lifeboat.Receipt {
	switch {
	case err != nil:
		c.failf("%s: %v", call, err)
	case r.Key != key:
		c.failf("%s: asked about %s, told about %s", call, key, r.Key)
	case r.Account != c.Account:
		c.failf("%s: the receipt names the account %q, not %q", call, r.Account, c.Account)
	case r.Status != lifeboat.Accepted && r.Status != lifeboat.Performed && r.Status != lifeboat.NotPerformed:
		c.failf("%s: a withdrawal cannot be %q", call, r.Status)
	case r.Status == lifeboat.NotPerformed && r.Why == "":
		c.failf("%s: refused without a reason for people", call)
	case r.Status != lifeboat.NotPerformed && r.VenueID == "":
		c.failf("%s: it is %s and has no number of the venue's", call, r.Status)
	}
	return r
}

func (c *counter) withdraw(key lifeboat.Key, w venue.Withdrawal) lifeboat.Receipt {
	r, err := c.Venue.Withdraw(c.ctx, key, w)
	return c.take("withdraw", key, r, err)
}

func (c *counter) ask(key lifeboat.Key) lifeboat.Receipt {
	r, err := c.Venue.AskWithdrawal(c.ctx, key, c.all())
	return c.take("ask", key, r, err)
}

func (c *counter) expect(r lifeboat.Receipt, status lifeboat.ReceiptStatus) {
	if r.Status != status {
		c.failf("the withdrawal is %s and not %s (%s)", r.Status, status, r.Why)
	}
}

func (c *counter) made(n int) {
	if got := c.Made(); got != n {
		c.failf("the venue has made %d withdrawals, not %d", got, n)
	}
}

func onlyToOwn(h WithdrawalHarness) error {
	c := &counter{WithdrawalHarness: h, ctx: context.Background()}
	c.expect(c.withdraw("lb-nowhere", c.all()), lifeboat.NotPerformed)
	h.Venue.Own([]venue.Address{h.To})
	for _, other := range []func(*venue.Address){
		func(a *venue.Address) { a.Address += "x" },
		func(a *venue.Address) { a.Network += "X" },
		func(a *venue.Address) { a.Tag += "1" },
		func(a *venue.Address) { a.Symbol += "X" },
	} {
		to := c.all()
		other(&to.Address)
		c.expect(c.withdraw("lb-elsewhere", to), lifeboat.NotPerformed)
		if t, err := c.Venue.Terms(c.ctx, to); err != nil || len(t.Obstacles) == 0 {
			c.failf("the terms of a withdrawal to %+v name no obstacle (%v)", to.Address, err)
		}
	}
	c.made(0)
	return c.err
}

func withdrawnOnce(h WithdrawalHarness) error {
	c := atCounter(h)
	first := c.withdraw("lb-once", c.all())
	c.expect(first, lifeboat.Accepted)
	for range 2 {
		if again := c.withdraw("lb-once", c.all()); again.VenueID != first.VenueID {
			c.failf("a repeat answers number %q, the first time it was %q", again.VenueID, first.VenueID)
		}
		if asked := c.ask("lb-once"); asked.VenueID != first.VenueID {
			c.failf("asking answers number %q, and it was %q", asked.VenueID, first.VenueID)
		}
	}
	c.made(1)
	c.Send()
	c.expect(c.withdraw("lb-once", c.all()), lifeboat.Performed)
	c.made(1)
	c.expect(c.withdraw("lb-other", c.all()), lifeboat.Accepted)
	c.made(2)
	return c.err
}

func withdrawalKeyStays(h WithdrawalHarness) error {
	c := atCounter(h)
	first := c.withdraw("lb-mine", c.all())
	c.expect(first, lifeboat.Accepted)
	other := c.all()
	other.Amount = other.Amount.Mul(decimal.NewFromInt(2))
	c.expect(c.withdraw("lb-mine", other), lifeboat.NotPerformed)
	elsewhere := c.all()
	elsewhere.Address.Address += "2"
	c.Venue.Own([]venue.Address{c.To, elsewhere.Address})
	c.expect(c.withdraw("lb-mine", elsewhere), lifeboat.NotPerformed)
	if again := c.ask("lb-mine"); again.Status != lifeboat.Accepted || again.VenueID != first.VenueID {
		c.failf("the first withdrawal is %+v now", again)
	}
	c.made(1)
	return c.err
}

func takenThenSent(h WithdrawalHarness) error {
	c := atCounter(h)
	c.expect(c.withdraw("lb-sent", c.all()), lifeboat.Accepted)
	c.expect(c.ask("lb-sent"), lifeboat.Accepted)
	c.Send()
	for range 2 {
		sent := c.ask("lb-sent")
		if c.expect(sent, lifeboat.Performed); sent.Facts["txid"] == "" {
			c.failf("it was sent in no transaction")
		}
	}
	return c.err
}

func refusedMovesNothing(h WithdrawalHarness) error {
	c := atCounter(h)
	for i, amount := range []decimal.Decimal{c.TooMuch, decimal.Zero, c.Amount.Neg()} {
		w := c.all()
		w.Amount = amount
		c.expect(c.withdraw(lifeboat.NewKey("refused", i), w), lifeboat.NotPerformed)
	}
	c.made(0)
	c.expect(c.withdraw("lb-after", c.all()), lifeboat.Accepted)
	return c.err
}

func termsChangeNothing(h WithdrawalHarness) error {
	c := atCounter(h)
	for _, amount := range []decimal.Decimal{decimal.Zero, c.Amount} {
		t, err := c.Venue.Terms(c.ctx, venue.Withdrawal{Address: c.To, Amount: amount})
		switch {
		case err != nil:
			c.failf("terms: %v", err)
		case t.Asset == "" || t.Free.LessThan(c.Amount) || t.Fee.IsNegative():
			c.failf("terms: %+v", t)
		case len(t.Obstacles) > 0:
			c.failf("terms: nothing stands in the way, and it names %q", t.Obstacles)
		}
	}
	c.made(0)
	return c.err
}

func neverWithdrawn(h WithdrawalHarness) error {
	c := atCounter(h)
	c.Later()
	if _, err := c.Venue.AskWithdrawal(c.ctx, "lb-never", c.all()); !errors.Is(err, lifeboat.ErrAbsent) {
		c.failf("asking for a key never seen answers %v, not lifeboat.ErrAbsent", err)
	}
	return c.err
}

func lostWithdrawal(h WithdrawalHarness) error {
	c := atCounter(h)
	c.Later() // nothing that an earlier process may have sent
	c.LoseRequest()
	if r, err := c.Venue.Withdraw(c.ctx, "lb-lost", c.all()); err == nil {
		c.failf("a request that was lost is answered: %+v", r)
	}
	if _, err := c.Venue.AskWithdrawal(c.ctx, "lb-lost", c.all()); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
		c.failf("whether a request was lost is known at once: %v", err)
	}
	if _, err := c.Venue.Withdraw(c.ctx, "lb-lost", c.all()); err == nil {
		c.failf("it is made again before the first request was proved not to come")
	}
	c.made(0)
	c.Later()
	if _, err := c.Venue.AskWithdrawal(c.ctx, "lb-lost", c.all()); !errors.Is(err, lifeboat.ErrAbsent) {
		c.failf("a lost request is %v, not lifeboat.ErrAbsent", err)
	}
	c.expect(c.withdraw("lb-lost", c.all()), lifeboat.Accepted)
	c.made(1)
	return c.err
}

func lostWithdrawalAnswer(h WithdrawalHarness) error {
	c := atCounter(h)
	c.LoseAnswer()
	if r, err := c.Venue.Withdraw(c.ctx, "lb-unheard", c.all()); err == nil {
		c.failf("an answer that was lost is known: %+v", r)
	}
	c.made(1)
	c.expect(c.ask("lb-unheard"), lifeboat.Accepted)
	c.expect(c.withdraw("lb-unheard", c.all()), lifeboat.Accepted)
	c.made(1)
	return c.err
}

func withdrawalReopened(h WithdrawalHarness) error {
	c := atCounter(h)
	first := c.withdraw("lb-left", c.all())
	c.Venue = h.Reopen()
	c.Venue.Own([]venue.Address{c.To})
	if again := c.ask("lb-left"); again.VenueID != first.VenueID {
		c.failf("another process finds number %q, and it was %q", again.VenueID, first.VenueID)
	}
	c.expect(c.withdraw("lb-left", c.all()), lifeboat.Accepted)
	c.made(1)
	return c.err
}

func withdrawalOutOfTime(h WithdrawalHarness) error {
	c := atCounter(h)
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	if _, err := c.Venue.Withdraw(ctx, "lb-late", c.all()); err == nil {
		c.failf("it withdraws for somebody who has gone")
	}
	if _, err := c.Venue.AskWithdrawal(ctx, "lb-late", c.all()); err == nil || errors.Is(err, lifeboat.ErrAbsent) {
		c.failf("it answers %v to somebody who has gone", err)
	}
	c.made(0)
	return c.err
}
