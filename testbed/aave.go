package testbed

import (
	"math"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Aave is a market of Aave v3 with two reserves, WETH and USDC, each good as collateral: 80 % can be borrowed against it, at 82.5 %
// it is liquidated with a bonus of 5 %. Ether costs 2,000 dollars and the whale has supplied 500,000 USDC and 100 WETH.
type Aave struct {
	Provider, Pool, Configurator, Oracle, Data, ACL Contract
	WETH, USDC                                      Token
	Feeds                                           map[string]Contract // symbol → its price feed, 8 decimals

	b *Bed
}

// reserve is the input of initReserves.
type reserve struct {
	ATokenImpl, StableDebtTokenImpl, VariableDebtTokenImpl common.Address
	UnderlyingAssetDecimals                                uint8
	InterestRateStrategyAddress, UnderlyingAsset           common.Address
	Treasury, IncentivesController                         common.Address
	ATokenName, ATokenSymbol                               string
	VariableDebtTokenName, VariableDebtTokenSymbol         string
	StableDebtTokenName, StableDebtTokenSymbol             string
	Params                                                 []byte
}

// Aave is a new market.
func (b *Bed) Aave() *Aave {
	b.t.Helper()
	m := &Aave{b: b, WETH: b.WETH(), USDC: b.USDC(), Feeds: map[string]Contract{}}
	m.deployPool()
	m.deployOracle()
	m.initReserves()
	m.Supply(b.Whale(), m.USDC, Units(500_000, 6))
	m.Supply(b.Whale(), m.WETH, Ether(100))
	return m
}

// deployPool deploys the provider of addresses, who may do what, the pool and the configurator behind their proxies.
func (m *Aave) deployPool() {
	b, admin := m.b, m.b.Admin()
	b.t.Helper()
	m.Provider = b.Deploy(aave+"protocol/configuration/PoolAddressesProvider.sol/PoolAddressesProvider.json", "lifeboat", admin.Address)
	b.Send(admin, m.Provider, "setACLAdmin", admin.Address)
	m.ACL = b.Deploy(aave+"protocol/configuration/ACLManager.sol/ACLManager.json", m.Provider.Address)
	b.Send(admin, m.Provider, "setACLManager", m.ACL.Address)
	b.Send(admin, m.ACL, "addPoolAdmin", admin.Address)
	b.Send(admin, m.ACL, "addEmergencyAdmin", admin.Address)

	libraries := map[string]common.Address{}
	for _, l := range []string{"SupplyLogic", "BorrowLogic", "LiquidationLogic", "EModeLogic", "BridgeLogic", "ConfiguratorLogic", "PoolLogic",
		"FlashLoanLogic"} { // the last links BorrowLogic
		libraries[l] = b.deploy(aave+"protocol/libraries/logic/"+l+".sol/"+l+".json", libraries).Address
	}
	pool := b.deploy(aave+"protocol/pool/Pool.sol/Pool.json", libraries, m.Provider.Address)
	configurator := b.deploy(aave+"protocol/pool/PoolConfigurator.sol/PoolConfigurator.json", libraries)
	b.Send(admin, m.Provider, "setPoolImpl", pool.Address)
	b.Send(admin, m.Provider, "setPoolConfiguratorImpl", configurator.Address)
	m.Pool = pool.At(b.Ask(m.Provider, "getPool")[0].(common.Address))
	m.Configurator = configurator.At(b.Ask(m.Provider, "getPoolConfigurator")[0].(common.Address))
	m.Data = b.Deploy(aave+"misc/AaveProtocolDataProvider.sol/AaveProtocolDataProvider.json", m.Provider.Address)
	b.Send(admin, m.Provider, "setPoolDataProvider", m.Data.Address)
}

func (m *Aave) deployOracle() {
	b, none := m.b, common.Address{}
	b.t.Helper()
	m.Feeds["WETH"] = b.Feed("ETH / USD", 2000)
	m.Feeds["USDC"] = b.Feed("USDC / USD", 1)
	assets := []common.Address{m.WETH.Address, m.USDC.Address}
	feeds := []common.Address{m.Feeds["WETH"].Address, m.Feeds["USDC"].Address}
	m.Oracle = b.Deploy(aave+"misc/AaveOracle.sol/AaveOracle.json", m.Provider.Address, assets, feeds, none, none, dollars(1))
	b.Send(b.Admin(), m.Provider, "setPriceOracle", m.Oracle.Address)
}

func (m *Aave) initReserves() {
	b, admin := m.b, m.b.Admin()
	b.t.Helper()
	tokenization := func(name string) common.Address {
		return b.Deploy(aave+"protocol/tokenization/"+name+".sol/"+name+".json", m.Pool.Address).Address
	}
	supply, stable, variable := tokenization("AToken"), tokenization("StableDebtToken"), tokenization("VariableDebtToken")
	percent := func(n int64) *big.Int { return Units(n, 25) } // in ray
	rates := b.Deploy(aave+"protocol/pool/DefaultReserveInterestRateStrategy.sol/DefaultReserveInterestRateStrategy.json", m.Provider.Address,
		percent(80), percent(1), percent(4), percent(60), percent(2), percent(60), percent(1), percent(8), percent(20))
	var reserves []reserve
	for _, t := range []Token{m.USDC, m.WETH} {
		reserves = append(reserves, reserve{supply, stable, variable, uint8(t.Decimals), rates.Address, t.Address, admin.Address, common.Address{},
			"Aave " + t.Symbol, "a" + t.Symbol, "Variable debt " + t.Symbol, "variableDebt" + t.Symbol,
			"Stable debt " + t.Symbol, "stableDebt" + t.Symbol, []byte{0x10}})
	}
	b.Send(admin, m.Configurator, "initReserves", reserves)
	for _, t := range []Token{m.USDC, m.WETH} {
		b.Send(admin, m.Configurator, "configureReserveAsCollateral", t.Address, big.NewInt(8000), big.NewInt(8250), big.NewInt(10500))
		b.Send(admin, m.Configurator, "setReserveBorrowing", t.Address, true)
		b.Send(admin, m.Configurator, "setReserveFactor", t.Address, big.NewInt(1000))
	}
}

// Supply mints what an account supplies and supplies it.
func (m *Aave) Supply(who Account, token Token, amount *big.Int) {
	m.b.t.Helper()
	m.b.Mint(token, who.Address, amount)
	m.b.Send(who, token.Contract, "approve", m.Pool.Address, amount)
	m.b.Send(who, m.Pool, "supply", token.Address, amount, who.Address, uint16(0))
}

// VariableRate is the only rate at which this market lends.
var VariableRate = big.NewInt(2)

// Borrow at the variable rate.
func (m *Aave) Borrow(who Account, token Token, amount *big.Int) {
	m.b.t.Helper()
	m.b.Send(who, m.Pool, "borrow", token.Address, amount, VariableRate, uint16(0), who.Address)
}

// PriceTo moves the price of a reserve, in dollars.
func (m *Aave) PriceTo(token Token, price float64) *types.Receipt {
	m.b.t.Helper()
	return m.b.Send(m.b.Admin(), m.Feeds[token.Symbol], "updateAnswer", dollars(price))
}

// Position is what the pool says of a user.
type Position struct {
	Collateral, Debt *big.Int // in dollars of 8 decimals
	Health           *big.Int // 18 decimals; Max without debt
}

// Position of a user.
func (m *Aave) Position(of common.Address) Position {
	m.b.t.Helper()
	v := m.b.Ask(m.Pool, "getUserAccountData", of)
	return Position{v[0].(*big.Int), v[1].(*big.Int), v[5].(*big.Int)}
}

// Feed is a price feed in dollars with the interface of Chainlink's; the administrator moves it with updateAnswer, or to another time
// with update.
func (b *Bed) Feed(description string, price float64) Contract {
	b.t.Helper()
	return b.Deploy("ours/Feed.sol/Feed", description, uint8(8), dollars(price))
}

// dollars in the 8 decimals of a price feed.
func dollars(price float64) *big.Int { return big.NewInt(int64(math.Round(price * 1e8))) }
