package plan

import "github.com/shopspring/decimal"

// Chain is how a chain is reached. Addresses of nodes often hold a key, so they are references or hold one: env:NAME, file:PATH, age:PATH,
// or https://rpc.example.org/v2/${NAME}.
type Chain struct {
	// Kind of chain. When absent it is known by the dependency's name – Bitcoin, Solana, Cosmos Hub, Osmosis – and is evm else. What is not evm is
	// read and never moved.
	Kind string `json:"kind,omitempty" plan:"of=evm|bitcoin|solana|cosmos"`
	ID   int    `json:"id,omitempty" plan:"range=1-9007199254740991"` // of an EVM chain, its number; by the dependency's name when absent: Ethereum, Arbitrum, Base, Optimism, Polygon, BNB, Gnosis
	// Network is which one of its kind it is. bitcoin: mainnet (when absent), testnet3, testnet4, signet, regtest or simnet. solana: mainnet (when
	// absent), devnet or testnet. cosmos: its chain id, such as cosmoshub-4; by the dependency's name when absent: Cosmos Hub, Osmosis.
	Network string   `json:"network,omitempty"`
	Prefix  string   `json:"prefix,omitempty"`                  // of cosmos, what its addresses begin with; known of Cosmos Hub and Osmosis
	Nodes   []string `json:"nodes" plan:"required"`             // addresses of its nodes, https:// or on EVM chains wss://, of operators that have nothing in common
	Quorum  int      `json:"quorum,omitempty" plan:"range=1-9"` // how many of them must say the same before it is believed; more than half of them when absent
	// Every is how often the chain is asked what the accounts on it hold; 1m when absent, 5m on Bitcoin.
	Every Duration `json:"every,omitempty"`
	// Private is the address of a relay that keeps a transaction from the public until it is in a block.
	Private string `json:"private,omitempty"`
	// Relay is a service that brings what owners have signed to the chain and pays the gas.
	Relay *Relay `json:"relay,omitempty"`
	// GasCeiling is the most that is paid for a unit of gas, such as 300 gwei; while the market is above it, transactions wait. When absent 200 gwei, 5000 gwei on Polygon.
	GasCeiling GasPrice `json:"gas_ceiling,omitempty"`
	// UrgentCeiling is the same for exits that are urgent; 5 × gas_ceiling when absent.
	UrgentCeiling GasPrice `json:"urgent_ceiling,omitempty"`
	// Confirmations is how many blocks must lie on top of a transaction before it counts; 3 when absent.
	Confirmations int `json:"confirmations,omitempty" plan:"range=1-10000"`
	PerSecond     int `json:"per_second,omitempty" plan:"range=1-10000"` // requests that each node of an EVM chain allows in a second; 20 when absent
}

// Contract is what a protocol, an oracle or a bridge is on a chain. Addresses are public; each is compared with its checksum.
type Contract struct {
	// Adapter is the kind of contract, by which lifeboat knows how to read it and how to leave it.
	Adapter string `json:"adapter" plan:"required,of=aave-v3|compound-v3|uniswap-v2|uniswap-v3|erc-4626|lido|op-bridge|arbitrum-bridge|chainlink|governor|timelock|safe|token|proxy"`
	Chain   string `json:"chain" plan:"required,to=chain"` // the dependency of kind chain that it lives on
	// Address of the contract: aave-v3 the Pool, compound-v3 the Comet, uniswap-v2 the pair, uniswap-v3 the position manager, lido stETH,
	// op-bridge the L1StandardBridge, or on the rollup itself the L2StandardBridge at 0x4200000000000000000000000000000000000010;
	// arbitrum-bridge the L1GatewayRouter, or on the rollup itself ArbSys at 0x0000000000000000000000000000000000000064.
	Address string `json:"address" plan:"required,address"`
	// Addresses are those of more contracts that an adapter asks for: {router: "0x…"} for uniswap-v2 and uniswap-v3, where it is
	// SwapRouter or SwapRouter02; for arbitrum-bridge on the rollup the L2GatewayRouter; for a bridge what a symbol is on the other side,
	// {USDC: "0x…"}, where the plan's own token of that symbol there is another one.
	Addresses map[string]string `json:"addresses,omitempty"`
	// Prices is the symbol whose price the contract says, in dollars for chainlink, by its pool for uniswap-v2 and uniswap-v3.
	Prices string `json:"prices,omitempty" plan:"to=symbol"`
	// Heartbeat is how often a price is due at the least; one that is older is stale. For chainlink, where it is 1h when absent.
	Heartbeat Duration `json:"heartbeat,omitempty"`
}

// Safe is how lifeboat works with a Safe account. It holds no owner's key: owners sign in their own wallets.
type Safe struct {
	Relayer *SigningKey `json:"relayer,omitempty"` // pays the gas of what the owners have signed; whoever steals it gets its gas and nothing else
	Roles   *Roles      `json:"roles,omitempty"`   // a Zodiac Roles module that lets a bot carry out the exits which the owners permitted beforehand
	// Trusted are contracts to which the Safe may hand itself by a delegate call, besides Safe's own MultiSendCallOnly. Any other is refused.
	Trusted []string `json:"trusted,omitempty" plan:"address"`
}

// Roles is a Zodiac Roles v2 module on a Safe, and the bot in it.
type Roles struct {
	Module string      `json:"module" plan:"required,address"` // its address
	Role   string      `json:"role" plan:"required"`           // the name of the role, up to 31 letters, as its key was made from
	Key    *SigningKey `json:"key" plan:"required"`            // the bot that has the role; the chain holds it to what the role permits
}

// SigningKey is a key that signs transactions: of a relayer, or of a bot with a role. Never an owner's, and never a seed phrase.
type SigningKey struct {
	Kind    string `json:"kind" plan:"required,of=keystore|clef|aws-kms|gcp-kms|secret"` // where it is kept
	Address string `json:"address" plan:"required,address"`                              // of the account that it signs for
	File    string `json:"file,omitempty"`                                               // keystore: the full path of its file, outside the plan directory
	// Passphrase is a reference to what opens the keystore: env:NAME, file:PATH, exec:COMMAND or age:PATH.
	Passphrase string `json:"passphrase,omitempty"`
	URL        string `json:"url,omitempty"` // clef: the address it listens at. aws-kms, gcp-kms: another address of the service
	ID         string `json:"id,omitempty"`  // aws-kms, gcp-kms: what the service calls the key, ARN or resource name of its version
	// Access is a reference to the name of the access key, for aws-kms.
	Access string `json:"access,omitempty"`
	// Secret is a reference: to the private key itself for secret, to the secret access key for aws-kms, to the account's token for gcp-kms.
	Secret string `json:"secret,omitempty"`
}

// Exit gets out of a protocol, or away from an address, in one transaction of a Safe. It is simulated before anybody is asked,
// with what must be true afterwards; what would send value anywhere but to the plan's own accounts is refused.
type Exit struct {
	Account string `json:"account" plan:"required,to=account"` // the Safe that acts
	// Protocol is what is left: a dependency with a contract. Of transfer and swap it is not asked; revoke without it takes back
	// what any contract of the plan may spend.
	Protocol string `json:"protocol,omitempty" plan:"to=contract"`
	// Do is what is done, in this order and all or nothing: repay before withdraw. To unstake may only join a queue; claim is for what the
	// queue has finished.
	// Against a key that is stolen: replace-owner puts a spare key in an owner's place, revoke-role locks the bot out of its module,
	// disable-module takes the module from the Safe.
	Do []string `json:"do" plan:"required,of=withdraw|repay|unwind|remove-liquidity|swap|revoke|unstake|claim|transfer|bridge|replace-owner|revoke-role|disable-module"`
	// Assets are the symbols that it is done with; all that the account has in the protocol when absent.
	Assets []string `json:"assets,omitempty" plan:"to=symbol"`
	// Amount of the one asset; all when neither amount nor fraction is written.
	Amount   decimal.Decimal `json:"amount,omitzero"`
	Fraction Ratio           `json:"fraction,omitempty"`              // of what the account has of each asset
	Into     string          `json:"into,omitempty" plan:"to=symbol"` // what a swap brings
	// Through is the exchange that a swap goes through, or at which an unwind sells, or the bridge: a dependency with a contract. For a
	// swap or a bridge the protocol when absent; an unwind without it repays with what is there.
	Through string `json:"through,omitempty" plan:"to=contract"`
	// To is the account that receives; the same account when absent. Only an account of the plan, at the address that stands there;
	// over a bridge one on the chain where it leads.
	To string `json:"to,omitempty" plan:"to=account"`
	// MaxSlippage is how much less than the oracle's price a swap, an unwind's sale or a removal of liquidity may bring; 1% when absent.
	MaxSlippage Ratio `json:"max_slippage,omitempty"`
	// MinHealth is the health factor that a debt which is left must keep; 1.1 when absent.
	MinHealth float64 `json:"min_health,omitempty"`
	// Via is who stands behind it on chain: owners sign it now (what absent means), a role was given to a bot beforehand, or the
	// owners presigned it.
	Via string `json:"via,omitempty" plan:"of=owners|role|presigned"`
	// By is the mandate whose people are asked. Via owners it has the factor wallet: each yes is a signature of the Safe's
	// transaction. Via role or presigned nobody is asked when it is absent.
	By     string `json:"by,omitempty" plan:"to=approver"`
	Urgent bool   `json:"urgent,omitempty"` // pays up to the chain's urgent_ceiling for gas
	Key    string `json:"key,omitempty"`    // whose place is taken by replace-owner: a signer under custody of the account, by device or person
	// Spare is the key that takes the place: one of the spares under custody of the account. No other address can become an owner.
	Spare string `json:"spare,omitempty"`
	// ProvenWithin is how long ago what was presigned may last have been tried and found good; 7d when absent. What is older is not used.
	ProvenWithin Duration `json:"proven_within,omitempty"`
	// KeepTrying is for how long an exit that the chain would refuse is tried again, at every block, before the step fails: a market from
	// which all is lent out may have something for a block. 1m when absent, 24h at most, and no longer than the step's timeout.
	KeepTrying Duration `json:"keep_trying,omitempty"`
}
