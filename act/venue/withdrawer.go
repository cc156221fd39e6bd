package venue

import (
	"context"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// Withdrawer is a venue that sends what the account holds to an address, at most once per key. One goroutine at a time may call
// it. What holds for [Venue] holds here: an error means that nobody knows what happened, and what the venue knows and does not
// like is a receipt with a Why for people.
type Withdrawer interface {
	// Own lists where withdrawals may go; there is nowhere before. It is the last lock: whoever asks was asked for authority.
	Own(addresses []Address)
	// Terms reads what a withdrawal would do now and what stands in its way. It changes nothing; the amount of w may be zero.
	Terms(ctx context.Context, w Withdrawal) (Terms, error)
	// Withdraw asks for a withdrawal. Its receipt is Accepted while the venue has it and has not sent it, Performed when it was
	// sent (with its transaction among the facts as "txid"), NotPerformed when it was refused. Where the venue has given it a
	// number, that is its VenueID; then it is there, whether the venue lists it yet or not.
	Withdraw(ctx context.Context, key lifeboat.Key, w Withdrawal) (lifeboat.Receipt, error)
	// AskWithdrawal says where a withdrawal stands. lifeboat.ErrAbsent is proof that the venue does not have it and that no
	// request under its key can arrive any more, as long as the first one is no older than WithdrawalMemory.
	AskWithdrawal(ctx context.Context, key lifeboat.Key, w Withdrawal) (lifeboat.Receipt, error)
	// WithdrawalMemory is how long the venue finds a withdrawal by its key; 0 is for ever.
	WithdrawalMemory() time.Duration
}

// Address of the owner's own, to which money may leave.
type Address struct {
	Symbol           string // as the plan calls it
	Network, Address string
	Tag              string // memo, where the network wants one
}

// Withdrawal is what is sent, and where to.
type Withdrawal struct {
	Address
	Amount decimal.Decimal // that leaves the account, the fee among it unless the terms say otherwise
}

// Terms of a withdrawal at a venue.
type Terms struct {
	Asset string          // as the venue calls the symbol
	Free  decimal.Decimal // what the account could send
	Fee   decimal.Decimal // that the venue keeps, out of the amount
	// FeeOnTop says that the venue takes its fee on top of the amount, and names it only afterwards; Fee is then zero.
	FeeOnTop bool
	// Least and Most bound the amount; Most is zero where nothing is said. Step is what it must be a multiple of; zero for any.
	Least, Most, Step decimal.Decimal
	Takes             time.Duration // as the venue estimates; zero where it does not
	// Obstacles are why the venue would refuse it now, each a sentence without its end; none when nothing is known against it.
	Obstacles []string
	// Notes are what else people should know before they say yes.
	Notes []string
}
