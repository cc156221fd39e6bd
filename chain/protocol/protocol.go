// Package protocol knows what a person has in a protocol, how far it is from harm, and how to get it out again.
//
// An [Adapter] stands for one market, vault, pool or wallet. It reads positions and looks through them to the tokens underneath,
// measures what triggers are about (health factor, liquidity that is left to leave by, imbalance), and turns what a playbook
// asks for into calls and into conditions that have to hold afterwards. Everything is read at one block by way of a
// [chain.Reader]; amounts are whole base units, and become floats only as measures.
//
// It signs and sends nothing, and believes no price that a pool alone says: what a swap has to bring comes from an [Oracle].
package protocol

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
)

// Adapter of one protocol at one address. Implementations are safe for concurrent use. Each of their methods reads at one block:
// at, or the newest that the nodes agree on when nil.
type Adapter interface {
	// Name that the owner gave it.
	Name() string
	// Positions that an address has, none of which is zero.
	Positions(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address) ([]Position, error)
}

// Measurer has something to say to triggers, about a market and about owners in it.
type Measurer interface {
	Name() string
	Measures(ctx context.Context, r chain.Reader, at *chain.Block, owners ...common.Address) ([]Measure, error)
}

// Exiter knows the way out.
type Exiter interface {
	Name() string
	// Exit plans the calls that the owner would send, one after the other in one transaction, to do what is asked in this
	// order. What cannot be done at all is an error; what can be done only in part is in the plan's notes.
	Exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks ...Ask) (Plan, error)
}

// Kind of a position.
type Kind string

const (
	Wallet    Kind = "wallet"    // held by the address itself
	Supply    Kind = "supply"    // lent out; comes back when there is liquidity
	Debt      Kind = "debt"      // owed
	Liquidity Kind = "liquidity" // a share of a trading pool
	Stake     Kind = "stake"     // staked; comes back after a queue
	Share     Kind = "share"     // of a vault
)

// Token is what amounts are counted in. The zero address is the chain's native coin.
type Token struct {
	Address  common.Address
	Symbol   string
	Decimals uint8
}

// Position is something that an address has, or owes.
type Position struct {
	Protocol string // the adapter's name
	Kind     Kind
	Token    Token    // that says so: an aToken, a pool's token, a vault's share; of an NFT the manager
	Amount   *big.Int // in base units, never below zero; what is owed says so by its kind
	Under    []Component
	Accrues  bool // it becomes more or less by itself: interest, a vault's gains, a rebase
	// Share is what no trade changes of a position in a trading pool, while its amounts are others after each of them: an act on the
	// position itself changes it. Nil of what is in no pool.
	Share []*big.Int
	Note  string // what a person has to know about it, such as a queue
	Block uint64
}

// Component is what stands behind a position. A wallet's token stands for itself.
type Component struct {
	Token  Token
	Amount *big.Int
	Holder common.Address // the contract that keeps it; zero for the owner
	// Free is how much of it the contract would pay out now; nil where the adapter does not know. That a debt has to stay secured
	// is not in it.
	Free *big.Int
}

// Measure is one number about an account, a market, or an account in a market; which address is zero tells them apart.
type Measure struct {
	Name    string
	Account common.Address
	Market  common.Address // the token of a reserve, the vault, the pool, the feed
	Symbol  string         // of the market, for people
	Value   float64
	Block   uint64
}

// Names of measures. Amounts are in whole tokens, shares and drops are fractions of one, ages are seconds, and flags are 0 or 1.
const (
	HealthFactor        = "health_factor"        // of an account; at most HealthFactorMax, which is also what no debt gives
	LiquidationDistance = "liquidation_distance" // by how much prices have to fall until an account is liquidated: all collateral together, or that of one market alone; 1 is never
	Utilisation         = "utilisation"          // of a market: how much of it is lent out
	Withdrawable        = "withdrawable"         // of a market, how much anybody could take out; of an account in it, how much of its position
	Cover               = "cover"                // of an account in a market: liquidity there is for each unit of the position, at most CoverMax
	SupplyCapUsed       = "supply_cap_used"      // of a market; absent when it has no cap
	BorrowCapUsed       = "borrow_cap_used"      // likewise
	Paused              = "paused"               // flag of a market: nothing moves
	Frozen              = "frozen"               // flag of a market: nothing new comes in
	Liquidatable        = "liquidatable"         // flag of an account: the protocol itself says so
	PoolShare           = "pool_share"           // of an account: how much of the pool is its own
	Imbalance           = "imbalance"            // of a pool: how far its sides are from equal worth, 0 to 1
	InRange             = "in_range"             // flag of a position in a pool: its liquidity is in use
	Reserves            = "reserves"             // of a pool's token
	Price               = "price"                // in dollars, or in the pool's other token where it says so
	OracleAge           = "oracle_age"           // of a feed
	OracleStale         = "oracle_stale"         // flag of a feed: older than its heartbeat, or no price at all
	SharePrice          = "share_price"          // of a vault: assets for one share
	TotalAssets         = "total_assets"         // of a vault or a market: what it keeps for everybody
	Queued              = "queued"               // of an account: what waits to be paid out
	QueueAge            = "queue_age"            // of an account: seconds that its oldest request has waited
	HalfLife            = "half_life"            // of cover: seconds until half of it is gone, at most Never; see Melt
	TimeLeft            = "time_left"            // seconds until cover is below 1, at most Never
)

// Limits of measures that have none by nature, so that a condition such as `< 1.2` can be written about them.
const (
	HealthFactorMax = 1e6
	CoverMax        = 1e6
)

// units is an amount as whole tokens, for measures and for people.
func (t Token) units(amount *big.Int) float64 {
	f, _ := new(big.Rat).SetFrac(amount, power(int(t.Decimals))).Float64()
	return f
}

// Text is an amount of the token as people write it.
func (t Token) Text(amount *big.Int) string {
	if amount == nil {
		return "all " + t.Symbol
	}
	digits := fmt.Sprintf("%0*s", int(t.Decimals)+1, new(big.Int).Abs(amount).String())
	whole, rest := digits[:len(digits)-int(t.Decimals)], digits[len(digits)-int(t.Decimals):]
	for len(rest) > 0 && rest[len(rest)-1] == '0' {
		rest = rest[:len(rest)-1]
	}
	if rest != "" {
		whole += "." + rest
	}
	if amount.Sign() < 0 {
		whole = "-" + whole
	}
	return whole + " " + t.Symbol
}

func ratio(a, b *big.Int) float64 {
	f, _ := new(big.Rat).SetFrac(a, b).Float64()
	return f
}

func power(exponent int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// decimalsMax is more than any token in use has. What claims more is refused before its powers of ten are computed.
const decimalsMax = 36

// highest is the largest number of 256 bits, which contracts read as "all there is".
var highest = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
