package protocol

import (
	"fmt"
	"math/big"
	"sort"
)

// The arithmetic of Uniswap v3, written from its white paper (sections 6.1 to 6.3). A pool's price of the first token in the
// second, both in base units, is P; it is kept as √P times 2^96. A tick i is the price 1.0001^i. Liquidity L between the ticks a
// and b holds, while the price is P and cut off to [a, b],
//
//	L·(1/√P − 1/√b) of the first token and L·(√P − √a) of the second.

// tickMax is the highest tick; the lowest is its negative.
const tickMax = 887_272

var (
	q96  = new(big.Int).Lsh(big.NewInt(1), 96)
	q128 = new(big.Int).Lsh(big.NewInt(1), 128)
	q256 = new(big.Int).Lsh(big.NewInt(1), 256)
)

// rootAtTick is √(1.0001^tick)·2^96, rounded down. The contracts compute it in 128 bits: at the ends of the range the two differ
// in the twentieth digit, which no slippage notices.
func rootAtTick(tick int) (*big.Int, error) {
	if tick < -tickMax || tick > tickMax {
		return nil, fmt.Errorf("there is no tick %d", tick)
	}
	const precision = 320
	price, base := big.NewFloat(1).SetPrec(precision), new(big.Float).SetPrec(precision).Quo(big.NewFloat(10_001).SetPrec(precision), big.NewFloat(10_000).SetPrec(precision))
	for n := max(tick, -tick); n > 0; n >>= 1 {
		if n&1 == 1 {
			price.Mul(price, base)
		}
		base.Mul(base, base)
	}
	if tick < 0 {
		price.Quo(big.NewFloat(1).SetPrec(precision), price)
	}
	root := new(big.Float).SetPrec(precision).Sqrt(price)
	root.Mul(root, new(big.Float).SetInt(q96))
	whole, _ := root.Int(nil)
	return whole, nil
}

// tickAtRoot is the highest tick whose root is not above another one's; the ends of the range for what lies outside of it.
func tickAtRoot(root *big.Int) int {
	return sort.Search(2*tickMax, func(n int) bool {
		above, _ := rootAtTick(n + 1 - tickMax)
		return above.Cmp(root) > 0
	}) - tickMax
}

// rootOfPrice is the same for any price.
func rootOfPrice(price *big.Rat) *big.Int {
	n := new(big.Rat).Mul(price, new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 192)))
	return root(n)
}

// liquidityAmounts are what liquidity between two roots holds at a third, all times 2^96, rounded down.
func liquidityAmounts(liquidity, at, lower, upper *big.Int) (first, second *big.Int) {
	if at.Cmp(lower) < 0 {
		at = lower
	}
	if at.Cmp(upper) > 0 {
		at = upper
	}
	first, second = new(big.Int), new(big.Int)
	if at.Sign() > 0 && upper.Sign() > 0 {
		first.Mul(new(big.Int).Mul(liquidity, q96), new(big.Int).Sub(upper, at))
		first.Quo(first, upper).Quo(first, at)
	}
	second.Mul(liquidity, new(big.Int).Sub(at, lower))
	return first, second.Quo(second, q96)
}

// feesOwed are the fees of one token that a position has earned since it was last touched. Growth per unit of liquidity is kept
// outside of each tick and wraps around at 2^256: inside of the position is what is neither below nor above it.
func feesOwed(liquidity, global, outsideLower, outsideUpper, last *big.Int, tick, lower, upper int) *big.Int {
	below, above := new(big.Int).Set(outsideLower), new(big.Int).Set(outsideUpper)
	if tick < lower {
		below.Sub(global, below)
	}
	if tick >= upper {
		above.Sub(global, above)
	}
	inside := new(big.Int).Sub(global, below)
	inside.Sub(inside, above).Sub(inside, last).Mod(inside, q256)
	return inside.Mul(inside, liquidity).Quo(inside, q128)
}
