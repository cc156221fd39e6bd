package exit

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat/chain"
)

// gasMax is what one transaction may take at all (EIP-7825).
const gasMax = 1 << 24

// gasLimit is what a transaction gets that was estimated to take so much. An estimate is made as if no time passed; when the
// block comes, interest has accrued and more slots are written, which has been seen to cost a third more.
func gasLimit(estimate uint64) (uint64, error) {
	const margin = 60_000
	if estimate+margin > gasMax {
		return 0, fmt.Errorf("it takes about %d gas, and a transaction may take %d: split it into several exits", estimate, gasMax)
	}
	return min(estimate+estimate/2+margin, gasMax), nil
}

// errCeiling says that the market wants more than the owner pays.
var errCeiling = errors.New("gas is above the ceiling")

// A price is what a transaction offers, in wei per gas.
type price struct{ tip, most *big.Int }

// offer is what a transaction offers at first: room for the base fee to double, and never more than the ceiling.
func offer(fees chain.Fees, ceiling *big.Int) (price, error) {
	now := new(big.Int).Add(fees.Base, fees.Tip)
	if now.Cmp(ceiling) > 0 {
		return price{}, fmt.Errorf("%w: the market wants %s, the ceiling is %s", errCeiling, gwei(now), gwei(ceiling))
	}
	most := now.Add(now, fees.Base)
	return price{fees.Tip, smaller(most, ceiling)}, nil
}

// raised is what a transaction offers that is to take the place of another: at least an eighth more of both, because nodes
// refuse less, and what the market wants by now.
func raised(last *types.Transaction, fees chain.Fees, ceiling *big.Int) (price, error) {
	least := eighthMore(last.GasFeeCap())
	if least.Cmp(ceiling) > 0 {
		return price{}, fmt.Errorf("%w: %s was offered, and to offer more takes %s; the ceiling is %s",
			errCeiling, gwei(last.GasFeeCap()), gwei(least), gwei(ceiling))
	}
	tip := larger(eighthMore(last.GasTipCap()), fees.Tip)
	most := new(big.Int).Lsh(fees.Base, 1)
	most = smaller(larger(most.Add(most, tip), least), ceiling)
	return price{smaller(tip, most), most}, nil
}

func eighthMore(wei *big.Int) *big.Int {
	more := new(big.Int).Mul(wei, big.NewInt(9))
	return more.Add(more.Rsh(more, 3), big.NewInt(1))
}

func smaller(a, b *big.Int) *big.Int {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

func larger(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}
