package protocol

import (
	"context"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// world plays contracts: it answers calls with what was laid down for exactly this calldata, in the contracts' own encoding, and
// reverts at everything else, as a contract does at a method that it does not have.
type world struct {
	t       testing.TB
	block   chain.Block
	answers map[string][]byte
	reads   int // batches
}

func newWorld(t testing.TB) *world {
	return &world{t: t, block: chain.Block{Number: 100, Time: time.Unix(1_800_000_000, 0)}, answers: map[string][]byte{}}
}

func (w *world) Head(context.Context) (chain.Block, error) { return w.block, nil }

func (w *world) Read(_ context.Context, at *chain.Block, queries []chain.Query) ([]chain.Answer, chain.Block, error) {
	w.reads++
	if at != nil && *at != w.block {
		return nil, chain.Block{}, fmt.Errorf("there is no block %v", at)
	}
	answers := make([]chain.Answer, len(queries))
	for i, q := range queries {
		data, known := w.answers[key(q)]
		switch {
		case known:
			answers[i].Data = data
		case q.What == chain.Balance:
			answers[i].Data = make([]byte, 32)
		default:
			answers[i].Err = chain.ErrReverted
		}
	}
	return answers, w.block, nil
}

func key(q chain.Query) string { return fmt.Sprint(q.What, q.To, q.Data) }

// says lays down what a call returns.
func (w *world) says(to common.Address, m *contract.Method, arguments []any, values ...any) {
	w.answers[key(m.Query(to, arguments...))] = m.Returns(values...)
}

func (w *world) native(of common.Address, amount *big.Int) {
	w.answers[key(chain.Query{What: chain.Balance, To: of})] = common.LeftPadBytes(amount.Bytes(), 32)
}

func (w *world) token(symbol string, decimals uint8) common.Address {
	address := at(symbol)
	w.says(address, contract.ERC20.Symbol, nil, symbol)
	w.says(address, contract.ERC20.Decimals, nil, decimals)
	return address
}

func (w *world) holds(token, owner common.Address, amount *big.Int) {
	w.says(token, contract.ERC20.BalanceOf, []any{owner}, amount)
}

func (w *world) allows(token, owner, spender common.Address, amount *big.Int) {
	w.says(token, contract.ERC20.Allowance, []any{owner, spender}, amount)
}

// at is an address made of a name.
func at(name string) (address common.Address) {
	copy(address[:], name)
	return address
}

func amount(n float64, decimals int) *big.Int {
	return decimal.NewFromFloat(n).Shift(int32(decimals)).BigInt()
}

// aaveWorld is a market of WETH and USDC with the figures of an account, as Aave's data provider says them.
type aaveWorld struct {
	*world
	pool, provider, oracle, data, weth, usdc common.Address
	price                                    map[common.Address]int64 // dollars
	available, supply, variable, stable      map[common.Address]*big.Int
	paused                                   map[common.Address]bool
	eMode                                    int64
	owner                                    common.Address
}

func newAaveWorld(t testing.TB) *aaveWorld {
	w := newWorld(t)
	a := &aaveWorld{world: w, pool: at("pool"), provider: at("provider"), oracle: at("oracle"), data: at("data"), weth: w.token("WETH", 18), usdc: w.token("USDC", 6), owner: at("owner"),
		price: map[common.Address]int64{}, available: map[common.Address]*big.Int{}, supply: map[common.Address]*big.Int{}, variable: map[common.Address]*big.Int{}, stable: map[common.Address]*big.Int{}, paused: map[common.Address]bool{}}
	for _, asset := range []common.Address{a.weth, a.usdc} {
		a.supply[asset], a.variable[asset], a.stable[asset] = new(big.Int), new(big.Int), new(big.Int)
		w.holds(asset, a.owner, new(big.Int))
		w.allows(asset, a.owner, a.pool, new(big.Int))
	}
	a.price[a.weth], a.price[a.usdc] = 2000, 1
	a.available[a.weth], a.available[a.usdc] = amount(100, 18), amount(100_000, 6)
	a.supply[a.weth], a.variable[a.usdc] = amount(10, 18), amount(12_000, 6)
	return a
}

func flagged(on bool) uint { return uint(flag(on)) }

// lay the state down. Both assets count to 82.5 %.
func (a *aaveWorld) lay() *aaveWorld {
	w := a.world
	w.says(a.pool, contract.AavePool.Provider, nil, a.provider)
	w.says(a.provider, contract.AaveProvider.Oracle, nil, a.oracle)
	w.says(a.provider, contract.AaveProvider.Data, nil, a.data)
	list := []common.Address{a.usdc, a.weth}
	w.says(a.pool, contract.AavePool.Reserves, nil, list)
	w.says(a.oracle, contract.AaveOracle.Unit, nil, big.NewInt(1e8))
	w.says(a.oracle, contract.AaveOracle.Prices, []any{list}, []*big.Int{big.NewInt(a.price[a.usdc] * 1e8), big.NewInt(a.price[a.weth] * 1e8)})
	collateral, debt := new(big.Int), new(big.Int)
	for _, asset := range list {
		w.says(a.oracle, contract.AaveOracle.Prices, []any{[]common.Address{asset}}, []*big.Int{big.NewInt(a.price[asset] * 1e8)})
		decimals := map[common.Address]int{a.weth: 18, a.usdc: 6}[asset]
		name := string(asset[:4])
		aToken, stable, variable := at("a"+name), at("s"+name), at("v"+name)
		w.says(a.data, contract.AaveData.Tokens, []any{asset}, aToken, stable, variable)
		w.says(a.data, contract.AaveData.Config, []any{asset}, big.NewInt(int64(decimals)), big.NewInt(8000), big.NewInt(8250), big.NewInt(10500), big.NewInt(1000), true, true, false, true, false)
		w.says(a.data, contract.AaveData.Paused, []any{asset}, a.paused[asset])
		w.says(a.data, contract.AaveData.Caps, []any{asset}, new(big.Int), big.NewInt(1000))
		w.says(a.data, contract.AaveData.Supplied, []any{asset}, new(big.Int).Add(a.available[asset], a.supply[asset]))
		w.says(a.data, contract.AaveData.Borrowed, []any{asset}, a.variable[asset])
		w.says(a.oracle, contract.AaveOracle.Source, []any{asset}, at("feed"+name))
		w.holds(asset, aToken, a.available[asset])
		w.says(a.data, contract.AaveData.User, []any{asset, a.owner}, a.supply[asset], a.stable[asset], a.variable[asset], new(big.Int), new(big.Int), new(big.Int), new(big.Int), new(big.Int), a.supply[asset].Sign() > 0)
		worth := func(n *big.Int) *big.Int {
			v := new(big.Int).Mul(n, big.NewInt(a.price[asset]*1e8))
			return v.Quo(v, power(decimals))
		}
		collateral.Add(collateral, worth(a.supply[asset]))
		debt.Add(debt, worth(new(big.Int).Add(a.variable[asset], a.stable[asset])))
	}
	health := new(big.Int).Set(highest)
	if debt.Sign() > 0 {
		health.Mul(collateral, big.NewInt(8250))
		health.Mul(health, power(14))
		health.Quo(health, debt)
	}
	w.says(a.pool, contract.AavePool.Account, []any{a.owner}, collateral, debt, new(big.Int), big.NewInt(8250), big.NewInt(8000), health)
	w.says(a.pool, contract.AavePool.EMode, []any{a.owner}, big.NewInt(a.eMode))
	owes := new(big.Int)
	for i, asset := range list {
		w.says(a.pool, contract.AavePool.ReserveByID, []any{uint16(i)}, asset)
		owes.SetBit(owes, 2*i, flagged(a.variable[asset].Sign() > 0 || a.stable[asset].Sign() > 0))
		owes.SetBit(owes, 2*i+1, flagged(a.supply[asset].Sign() > 0))
	}
	w.says(a.pool, contract.AavePool.UserConfig, []any{a.owner}, owes)
	return a
}
