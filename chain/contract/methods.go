package contract

// ERC20 is any fungible token (ERC-20).
var ERC20 = struct {
	Name, Symbol, Decimals, TotalSupply, BalanceOf, Allowance, Transfer, Approve *Method
}{
	Name:        New("name() (string)"),
	Symbol:      New("symbol() (string)"),
	Decimals:    New("decimals() (uint8)"),
	TotalSupply: New("totalSupply() (uint256)"),
	BalanceOf:   New("balanceOf(address) (uint256)"),
	Allowance:   New("allowance(address,address) (uint256)"),
	Transfer:    New("transfer(address,uint256) (bool)"),
	Approve:     New("approve(address,uint256) (bool)"),
}

// ERC4626 is a tokenised vault (ERC-4626).
var ERC4626 = struct {
	Asset, TotalAssets, ConvertToAssets, MaxWithdraw, MaxRedeem, PreviewRedeem, PreviewWithdraw, Redeem, Withdraw *Method
}{
	Asset:           New("asset() (address)"),
	TotalAssets:     New("totalAssets() (uint256)"),
	ConvertToAssets: New("convertToAssets(uint256) (uint256)"),
	MaxWithdraw:     New("maxWithdraw(address) (uint256)"),
	MaxRedeem:       New("maxRedeem(address) (uint256)"),
	PreviewRedeem:   New("previewRedeem(uint256) (uint256)"),
	PreviewWithdraw: New("previewWithdraw(uint256) (uint256)"),
	Redeem:          New("redeem(uint256,address,address) (uint256)"),
	Withdraw:        New("withdraw(uint256,address,address) (uint256)"),
}

// OPBridge is either end of the canonical bridge of an OP Stack rollup, L1StandardBridge and L2StandardBridge. The names in capitals
// are those that every version since Bedrock has.
var OPBridge = struct {
	Messenger, Other, Paused, Deposits, SendERC20, SendETH, TakeERC20, TakeETH *Method
}{
	Messenger: New("MESSENGER() (address)"),
	Other:     New("OTHER_BRIDGE() (address)"),
	Paused:    New("paused() (bool)"),
	Deposits:  New("deposits(address,address) (uint256)"),
	SendERC20: New("bridgeERC20To(address,address,address,uint256,uint32,bytes)"),
	SendETH:   New("bridgeETHTo(address,uint32,bytes)"),
	TakeERC20: New("finalizeBridgeERC20(address,address,address,address,uint256,bytes)"),
	TakeETH:   New("finalizeBridgeETH(address,address,uint256,bytes)"),
}

// OPMessenger carries the messages of that bridge, L1CrossDomainMessenger and L2CrossDomainMessenger.
var OPMessenger = struct{ Other, Portal, Relay, Relayed, Failed *Method }{
	Other:   New("OTHER_MESSENGER() (address)"),
	Portal:  New("PORTAL() (address)"),
	Relay:   New("relayMessage(uint256,address,address,uint256,uint256,bytes)"),
	Relayed: New("successfulMessages(bytes32) (bool)"),
	Failed:  New("failedMessages(bytes32) (bool)"),
}

// OPPortal is where withdrawals of an OP Stack rollup come out, OptimismPortal since fault proofs (version 3 and later).
var OPPortal = struct {
	Finalized, Submitters, Submitter, Proven, Delay, Check, Lockbox, Games, GameType, Prove, Finalize *Method
}{
	Finalized:  New("finalizedWithdrawals(bytes32) (bool)"),
	Submitters: New("numProofSubmitters(bytes32) (uint256)"),
	Submitter:  New("proofSubmitters(bytes32,uint256) (address)"),
	Proven:     New("provenWithdrawals(bytes32,address) (address,uint64)"),
	Delay:      New("proofMaturityDelaySeconds() (uint256)"),
	Check:      New("checkWithdrawal(bytes32,address)"),
	Lockbox:    New("ethLockbox() (address)"),
	Games:      New("disputeGameFactory() (address)"),
	GameType:   New("respectedGameType() (uint32)"),
	Prove:      New("proveWithdrawalTransaction((uint256,address,address,uint256,uint256,bytes),uint256,(bytes32,bytes32,bytes32,bytes32),bytes[])"),
	Finalize:   New("finalizeWithdrawalTransactionExternalProof((uint256,address,address,uint256,uint256,bytes),address)"),
}

// OPGames are the proposals of a rollup's state, DisputeGameFactory.
var OPGames = struct{ Count, Latest *Method }{
	Count:  New("gameCount() (uint256)"),
	Latest: New("findLatestGames(uint32,uint256,uint256) ((uint256,bytes32,uint64,bytes32,bytes)[])"),
}

// OPGame is one proposal of a rollup's state.
var OPGame = struct{ Status *Method }{Status: New("status() (uint8)")}

// OPToken is the token on an OP Stack rollup that stands for one below.
var OPToken = struct{ Below, Remote, L2Bridge, Bridge, Mint *Method }{
	Below:    New("l1Token() (address)"),
	Remote:   New("remoteToken() (address)"),
	L2Bridge: New("l2Bridge() (address)"),
	Bridge:   New("bridge() (address)"),
	Mint:     New("mint(address,uint256)"),
}

// ArbRouter is either end of the token bridge of an Arbitrum rollup, L1GatewayRouter and L2GatewayRouter. Inbox and Down are those of the
// end below, Up of the one on the rollup.
var ArbRouter = struct{ Other, Standard, GatewayOf, TokenAbove, Message, Inbox, Down, Up *Method }{
	Other:      New("counterpartGateway() (address)"),
	Standard:   New("defaultGateway() (address)"),
	GatewayOf:  New("getGateway(address) (address)"),
	TokenAbove: New("calculateL2TokenAddress(address) (address)"),
	Message:    New("getOutboundCalldata(address,address,address,uint256,bytes) (bytes)"),
	Inbox:      New("inbox() (address)"),
	Down:       New("outboundTransferCustomRefund(address,address,address,uint256,uint256,uint256,bytes) (bytes)"),
	Up:         New("outboundTransfer(address,address,uint256,bytes) (bytes)"),
}

// ArbGateway holds the tokens of that bridge below, and makes and burns those that stand for them above. Makes is the list of the generic
// custom gateway, WETHBelow and WETHAbove are of the one for WETH, Inbox is of those below.
var ArbGateway = struct{ Other, Take, Inbox, Makes, WETHBelow, WETHAbove *Method }{
	Other:     New("counterpartGateway() (address)"),
	Take:      New("finalizeInboundTransfer(address,address,address,uint256,bytes)"),
	Inbox:     New("inbox() (address)"),
	Makes:     New("l1ToL2Token(address) (address)"),
	WETHBelow: New("l1Weth() (address)"),
	WETHAbove: New("l2Weth() (address)"),
}

// ArbToken is a token above that stands for one below. Not all of them tell their gateway.
var ArbToken = struct{ Below, Gateway *Method }{
	Below:   New("l1Address() (address)"),
	Gateway: New("l2Gateway() (address)"),
}

// ArbCore are the contracts below that carry its messages: Inbox, Bridge, Rollup and Outbox.
var ArbCore = struct{ Bridge, Rollup, Coin, Fee, Ticket, TakesFrom, LetsOut, Outbox, Period, Spent, Carry *Method }{
	Bridge:    New("bridge() (address)"),
	Rollup:    New("rollup() (address)"),
	Coin:      New("nativeToken() (address)"),
	Fee:       New("calculateRetryableSubmissionFee(uint256,uint256) (uint256)"),
	Ticket:    New("createRetryableTicket(address,uint256,uint256,address,address,uint256,uint256,bytes) (uint256)"),
	TakesFrom: New("allowedDelayedInboxes(address) (bool)"),
	LetsOut:   New("allowedOutboxes(address) (bool)"),
	Outbox:    New("outbox() (address)"),
	Period:    New("confirmPeriodBlocks() (uint64)"),
	Spent:     New("isSpent(uint256) (bool)"),
	Carry:     New("executeTransaction(bytes32[],uint256,address,address,uint256,uint256,uint256,uint256,bytes)"),
}

// ArbNode is what is part of a rollup's own nodes: ArbSys, ArbRetryableTx and NodeInterface.
var ArbNode = struct{ SendETH, Timeout, Redeem, Proof *Method }{
	SendETH: New("withdrawEth(address) (uint256)"),
	Timeout: New("getTimeout(bytes32) (uint256)"),
	Redeem:  New("redeem(bytes32) (bytes32)"),
	Proof:   New("constructOutboxProof(uint64,uint64) (bytes32,bytes32,bytes32[])"),
}

// AavePool is the pool of an Aave v3 market. VirtualBalance is there since v3.1. UserConfig has two bits for each asset, by its
// number: whether the user owes it, and whether it is collateral.
var AavePool = struct {
	Provider, Reserves, ReserveByID, Account, UserConfig, EMode, VirtualBalance, Supply, Borrow, Withdraw, Repay, RepayWithATokens *Method
}{
	Provider:         New("ADDRESSES_PROVIDER() (address)"),
	Reserves:         New("getReservesList() (address[])"),
	ReserveByID:      New("getReserveAddressById(uint16) (address)"),
	UserConfig:       New("getUserConfiguration(address) (uint256)"),
	Account:          New("getUserAccountData(address) (uint256,uint256,uint256,uint256,uint256,uint256)"),
	EMode:            New("getUserEMode(address) (uint256)"),
	VirtualBalance:   New("getVirtualUnderlyingBalance(address) (uint128)"),
	Supply:           New("supply(address,uint256,address,uint16)"),
	Borrow:           New("borrow(address,uint256,uint256,uint16,address)"),
	Withdraw:         New("withdraw(address,uint256,address) (uint256)"),
	Repay:            New("repay(address,uint256,uint256,address) (uint256)"),
	RepayWithATokens: New("repayWithATokens(address,uint256,uint256) (uint256)"),
}

// AaveProvider says where the parts of an Aave v3 market are.
var AaveProvider = struct{ Oracle, Data *Method }{
	Oracle: New("getPriceOracle() (address)"),
	Data:   New("getPoolDataProvider() (address)"),
}

// AaveOracle is what an Aave v3 market takes prices from.
var AaveOracle = struct{ Unit, Prices, Source *Method }{
	Unit:   New("BASE_CURRENCY_UNIT() (uint256)"),
	Prices: New("getAssetsPrices(address[]) (uint256[])"),
	Source: New("getSourceOfAsset(address) (address)"),
}

// AaveData is the data provider of an Aave v3 market.
var AaveData = struct {
	Tokens, Config, Paused, Caps, Supplied, Borrowed, User *Method
}{
	Tokens:   New("getReserveTokensAddresses(address) (address,address,address)"),
	Config:   New("getReserveConfigurationData(address) (uint256,uint256,uint256,uint256,uint256,bool,bool,bool,bool,bool)"),
	Paused:   New("getPaused(address) (bool)"),
	Caps:     New("getReserveCaps(address) (uint256,uint256)"),
	Supplied: New("getATokenTotalSupply(address) (uint256)"),
	Borrowed: New("getTotalDebt(address) (uint256)"),
	User:     New("getUserReserveData(address,address) (uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint40,bool)"),
}

// Aggregator is a price feed (Chainlink's AggregatorV3Interface). Aggregator, Least and Most are there where Chainlink itself
// runs the feed: the proxy says which aggregator stands behind it, and that one says its bounds.
var Aggregator = struct{ LatestRound, Decimals, Aggregator, Least, Most *Method }{
	LatestRound: New("latestRoundData() (uint80,int256,uint256,uint256,uint80)"),
	Decimals:    New("decimals() (uint8)"),
	Aggregator:  New("aggregator() (address)"),
	Least:       New("minAnswer() (int192)"),
	Most:        New("maxAnswer() (int192)"),
}

// UniswapV2 is a pair, which is also the token of its shares, and the router.
var UniswapV2 = struct {
	Token0, Token1, Reserves, TotalSupply, SwapExact, RemoveLiquidity, Factory, PairOf *Method
}{
	Token0:          New("token0() (address)"),
	Token1:          New("token1() (address)"),
	Reserves:        New("getReserves() (uint112,uint112,uint32)"),
	TotalSupply:     New("totalSupply() (uint256)"),
	SwapExact:       New("swapExactTokensForTokens(uint256,uint256,address[],address,uint256) (uint256[])"),
	RemoveLiquidity: New("removeLiquidity(address,address,uint256,uint256,uint256,address,uint256) (uint256,uint256)"),
	Factory:         New("factory() (address)"),
	PairOf:          New("getPair(address,address) (address)"),
}

// Comet is a Compound v3 market: one base asset that is lent out, and collateral that is not.
var Comet = struct {
	Base, BaseFeed, BalanceOf, BorrowOf, Assets, Asset, Collateral, Price, Utilisation, Liquidatable, SupplyPaused, WithdrawPaused,
	TotalSupply, TotalBorrow, Supply, WithdrawTo *Method
}{
	Base:           New("baseToken() (address)"),
	BaseFeed:       New("baseTokenPriceFeed() (address)"),
	BalanceOf:      New("balanceOf(address) (uint256)"),
	BorrowOf:       New("borrowBalanceOf(address) (uint256)"),
	Assets:         New("numAssets() (uint8)"),
	Asset:          New("getAssetInfo(uint8) ((uint8,address,address,uint64,uint64,uint64,uint64,uint128))"),
	Collateral:     New("userCollateral(address,address) (uint128,uint128)"),
	Price:          New("getPrice(address) (uint256)"),
	Utilisation:    New("getUtilization() (uint256)"),
	Liquidatable:   New("isLiquidatable(address) (bool)"),
	SupplyPaused:   New("isSupplyPaused() (bool)"),
	WithdrawPaused: New("isWithdrawPaused() (bool)"),
	TotalSupply:    New("totalSupply() (uint256)"),
	TotalBorrow:    New("totalBorrow() (uint256)"),
	Supply:         New("supply(address,uint256)"),
	WithdrawTo:     New("withdrawTo(address,address,uint256)"),
}

// Lido is stETH, wstETH and the queue in which stETH becomes ETH again.
var Lido = struct {
	PooledByShares, Unwrap, Requests, Status, Request, RequestWrapped, LastCheckpoint, Hints, ClaimTo, Paused, Bunker *Method
}{
	PooledByShares: New("getPooledEthByShares(uint256) (uint256)"),
	Unwrap:         New("unwrap(uint256) (uint256)"),
	Requests:       New("getWithdrawalRequests(address) (uint256[])"),
	Status:         New("getWithdrawalStatus(uint256[]) ((uint256,uint256,address,uint256,bool,bool)[])"),
	Request:        New("requestWithdrawals(uint256[],address) (uint256[])"),
	RequestWrapped: New("requestWithdrawalsWstETH(uint256[],address) (uint256[])"),
	LastCheckpoint: New("getLastCheckpointIndex() (uint256)"),
	Hints:          New("findCheckpointHints(uint256[],uint256,uint256) (uint256[])"),
	ClaimTo:        New("claimWithdrawalsTo(uint256[],uint256[],address)"),
	Paused:         New("isPaused() (bool)"),
	Bunker:         New("isBunkerModeActive() (bool)"),
}

// UniswapV3 is the position manager, the factory, a pool, and the two routers: SwapRouter, and SwapRouter02, which knows Uniswap v2
// as well and takes a deadline only around its calls.
var UniswapV3 = struct {
	Factory, OwnedAt, Position, Decrease, Collect, Burn,
	PoolOf, Slot0, FeeGrowth0, FeeGrowth1, Tick, Bitmap, Spacing, Observe, Liquidity, Token0, Token1, Fee,
	SwapExact, SwapExactSecond, Until, FactoryV2 *Method
}{
	Factory:    New("factory() (address)"),
	OwnedAt:    New("tokenOfOwnerByIndex(address,uint256) (uint256)"),
	Position:   New("positions(uint256) (uint96,address,address,address,uint24,int24,int24,uint128,uint256,uint256,uint128,uint128)"),
	Decrease:   New("decreaseLiquidity((uint256,uint128,uint256,uint256,uint256)) (uint256,uint256)"),
	Collect:    New("collect((uint256,address,uint128,uint128)) (uint256,uint256)"),
	Burn:       New("burn(uint256)"),
	PoolOf:     New("getPool(address,address,uint24) (address)"),
	Slot0:      New("slot0() (uint160,int24,uint16,uint16,uint16,uint8,bool)"),
	FeeGrowth0: New("feeGrowthGlobal0X128() (uint256)"),
	FeeGrowth1: New("feeGrowthGlobal1X128() (uint256)"),
	Tick:       New("ticks(int24) (uint128,int128,uint256,uint256,int56,uint160,uint32,bool)"),
	Bitmap:     New("tickBitmap(int16) (uint256)"),
	Spacing:    New("tickSpacing() (int24)"),
	Observe:    New("observe(uint32[]) (int56[],uint160[])"),
	Liquidity:  New("liquidity() (uint128)"),
	Token0:     New("token0() (address)"),
	Token1:     New("token1() (address)"),
	Fee:        New("fee() (uint24)"),

	SwapExact:       New("exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160)) (uint256)"),
	SwapExactSecond: New("exactInputSingle((address,address,uint24,address,uint256,uint256,uint160)) (uint256)"),
	Until:           New("multicall(uint256,bytes[]) (bytes[])"),
	FactoryV2:       New("factoryV2() (address)"),
}

// Permit2 is Uniswap's contract that tokens are allowed to once, and that keeps allowances of its own.
var Permit2 = struct{ Allowance, Lockdown *Method }{
	Allowance: New("allowance(address,address,address) (uint160,uint48,uint48)"),
	Lockdown:  New("lockdown((address,address)[])"),
}
