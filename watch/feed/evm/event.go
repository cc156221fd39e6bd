package evm

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// Kind of thing that happened; it is the first part of the series that counts it.
type Kind string

const (
	Upgraded    Kind = "upgraded"      // the code behind an address was replaced
	Admin       Kind = "admin_changed" // somebody else may now do what only the powerful may
	Parameters  Kind = "parameters"    // what a protocol lends at, believes or allows was changed
	SafeChanged Kind = "safe_changed"  // owners, threshold, modules or guards of a Safe
	ModuleUsed  Kind = "module_used"   // a module moved something of a Safe without its owners
	Paused      Kind = "paused"        // a contract or a market was paused or frozen
	Proposal    Kind = "proposal"      // a vote began
	Queued      Kind = "queued"        // a decision waits for its time
	Approved    Kind = "approvals"     // an account of ours let somebody take a token of it

	transfer Kind = "transfer" // a token went from one address to another
)

// An event that contracts log, as its source text declares it, and what it says in words. {NAME} is the argument of that name.
type event struct {
	signature string
	kind      Kind
	words     string
	// ends says that it undoes one of its kind before it: a pause, a queued decision. Nil is never.
	ends func(arguments []any) bool
	// key is the number of the argument, from one on, that tells one decision or market from another; 0 where there is but one.
	key int

	abi.Event
}

// catalogue of what is listened for. The signatures are those of the standards and of each project's published sources:
// EIP-1967, EIP-20, OpenZeppelin Contracts 5, Safe 1.4.1, Aave v3 core, Compound's timelock and Permit2.
var catalogue = parsed([]event{
	{signature: "Upgraded(address indexed implementation)", kind: Upgraded, words: "its code was replaced by that at {implementation}"},
	{signature: "BeaconUpgraded(address indexed beacon)", kind: Upgraded, words: "it takes its code from {beacon} now"},
	{signature: "ChangedMasterCopy(address singleton)", kind: Upgraded, words: "its code was replaced by that at {singleton}"},

	{signature: "AdminChanged(address previousAdmin, address newAdmin)", kind: Admin, words: "{newAdmin} may replace its code now, instead of {previousAdmin}"},
	{signature: "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)", kind: Admin, words: "{newOwner} owns it now, instead of {previousOwner}"},
	{signature: "OwnershipTransferStarted(address indexed previousOwner, address indexed newOwner)", kind: Admin, words: "{previousOwner} began to hand it over to {newOwner}"},
	{signature: "RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)", kind: Admin, words: "{sender} gave {account} the role {role}"},
	{signature: "RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender)", kind: Admin, words: "{sender} took the role {role} from {account}"},
	{signature: "RoleAdminChanged(bytes32 indexed role, bytes32 indexed previousAdminRole, bytes32 indexed newAdminRole)", kind: Admin, words: "the role {role} is given by {newAdminRole} now, instead of {previousAdminRole}"},
	{signature: "MinDelayChange(uint256 oldDuration, uint256 newDuration)", kind: Admin, words: "its decisions wait {newDuration} s now, instead of {oldDuration} s"},
	{signature: "NewDelay(uint256 indexed newDelay)", kind: Admin, words: "its decisions wait {newDelay} s now"},
	{signature: "NewAdmin(address indexed newAdmin)", kind: Admin, words: "{newAdmin} decides now"},
	{signature: "ACLAdminUpdated(address indexed oldAddress, address indexed newAddress)", kind: Admin, words: "{newAddress} gives its roles now, instead of {oldAddress}"},
	{signature: "ACLManagerUpdated(address indexed oldAddress, address indexed newAddress)", kind: Admin, words: "{newAddress} keeps its roles now, instead of {oldAddress}"},

	{signature: "PriceOracleUpdated(address indexed oldAddress, address indexed newAddress)", kind: Parameters, words: "it takes its prices from {newAddress} now, instead of {oldAddress}"},
	{signature: "AssetSourceUpdated(address indexed asset, address indexed source)", kind: Parameters, words: "the price of {asset} comes from {source} now"},
	{signature: "CollateralConfigurationChanged(address indexed asset, uint256 ltv, uint256 liquidationThreshold, uint256 liquidationBonus)", kind: Parameters, words: "{asset} counts as collateral at {ltv} and is liquidated at {liquidationThreshold}, in hundredths of a per cent"},
	{signature: "ReserveInterestRateStrategyChanged(address indexed asset, address oldStrategy, address newStrategy)", kind: Parameters, words: "the interest of {asset} comes from {newStrategy} now"},

	{signature: "Paused(address account)", kind: Paused, words: "{account} paused it"},
	{signature: "Unpaused(address account)", kind: Paused, words: "{account} let it go on", ends: always},
	{signature: "ReservePaused(address indexed asset, bool paused)", kind: Paused, words: "the market of {asset} is paused: {paused}", ends: not(1), key: 1},
	{signature: "ReserveFrozen(address indexed asset, bool frozen)", kind: Paused, words: "the market of {asset} is frozen: {frozen}", ends: not(1), key: 1},
	{signature: "PauseAction(bool supplyPaused, bool transferPaused, bool withdrawPaused, bool absorbPaused, bool buyPaused)", kind: Paused, words: "what is paused: supply {supplyPaused}, transfers {transferPaused}, withdrawals {withdrawPaused}, liquidations {absorbPaused}, sales {buyPaused}",
		ends: func(a []any) bool { return !slices.Contains(a, any(true)) }},

	{signature: "AddedOwner(address indexed owner)", kind: SafeChanged, words: "{owner} is an owner now"},
	{signature: "RemovedOwner(address indexed owner)", kind: SafeChanged, words: "{owner} is no owner any more"},
	{signature: "ChangedThreshold(uint256 threshold)", kind: SafeChanged, words: "it takes {threshold} signatures now"},
	{signature: "EnabledModule(address indexed module)", kind: SafeChanged, words: "the module {module} may act for it without its owners"},
	{signature: "DisabledModule(address indexed module)", kind: SafeChanged, words: "the module {module} may not act for it any more"},
	{signature: "ChangedGuard(address indexed guard)", kind: SafeChanged, words: "{guard} guards its transactions now"},
	{signature: "ChangedModuleGuard(address indexed moduleGuard)", kind: SafeChanged, words: "{moduleGuard} guards its modules now"},
	{signature: "ChangedFallbackHandler(address indexed handler)", kind: SafeChanged, words: "{handler} answers calls for it now"},
	{signature: "ExecutionFromModuleSuccess(address indexed module)", kind: ModuleUsed, words: "the module {module} acted for it without its owners"},

	{signature: "ProposalCreated(uint256 proposalId, address proposer, address[] targets, uint256[] values, string[] signatures, bytes[] calldatas, uint256 voteStart, uint256 voteEnd, string description)", kind: Proposal, words: "{proposer} proposes {description}, which would call {targets}"},
	{signature: "ProposalQueued(uint256 proposalId, uint256 etaSeconds)", kind: Queued, words: "proposal {proposalId} was accepted and may be carried out from {etaSeconds} on", key: 1},
	{signature: "CallScheduled(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data, bytes32 predecessor, uint256 delay)", kind: Queued, words: "a call of {target} ({data}) may be carried out in {delay} s", key: 1},
	{signature: "QueueTransaction(bytes32 indexed txHash, address indexed target, uint256 value, string signature, bytes data, uint256 eta)", kind: Queued, words: "a call of {target} {signature} may be carried out from {eta} on", key: 1},
	{signature: "ProposalExecuted(uint256 proposalId)", kind: Queued, words: "proposal {proposalId} was carried out", ends: always, key: 1},
	{signature: "ProposalCanceled(uint256 proposalId)", kind: Queued, words: "proposal {proposalId} was called off", ends: always, key: 1},
	{signature: "CallExecuted(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data)", kind: Queued, words: "the call of {target} was carried out", ends: always, key: 1},
	{signature: "Cancelled(bytes32 indexed id)", kind: Queued, words: "a call was called off", ends: always, key: 1},
	{signature: "ExecuteTransaction(bytes32 indexed txHash, address indexed target, uint256 value, string signature, bytes data, uint256 eta)", kind: Queued, words: "the call of {target} was carried out", ends: always, key: 1},
	{signature: "CancelTransaction(bytes32 indexed txHash, address indexed target, uint256 value, string signature, bytes data, uint256 eta)", kind: Queued, words: "the call of {target} was called off", ends: always, key: 1},

	{signature: "Transfer(address indexed from, address indexed to, uint256 value)", kind: transfer},
	{signature: "Approval(address indexed owner, address indexed spender, uint256 value)", kind: Approved, words: "{owner} lets {spender} take {value} units of it"},
	{signature: "Approval(address indexed owner, address indexed token, address indexed spender, uint160 amount, uint48 expiration)", kind: Approved, words: "{owner} lets {spender} take {amount} units of {token}"},
	{signature: "Permit(address indexed owner, address indexed token, address indexed spender, uint160 amount, uint48 expiration, uint48 nonce)", kind: Approved, words: "{owner} lets {spender} take {amount} units of {token}"},
})

func always([]any) bool { return true }

// not says that the argument of that number is false.
func not(argument int) func([]any) bool {
	return func(arguments []any) bool { on, is := arguments[argument].(bool); return is && !on }
}

// parsed events by the topic that each is logged under.
func parsed(events []event) map[common.Hash]*event {
	all := make(map[common.Hash]*event, len(events))
	for i := range events {
		e := &events[i]
		e.Event = declaration(e.signature)
		all[e.ID] = e
	}
	return all
}

var declared = regexp.MustCompile(`^(\w+)\((.*)\)$`)

// declaration reads `Name(type [indexed] name, …)`. The signatures are part of the program, so a mistake is a panic.
func declaration(signature string) abi.Event {
	m := declared.FindStringSubmatch(signature)
	var arguments abi.Arguments
	for _, argument := range strings.Split(m[2], ", ") {
		words := strings.Fields(argument)
		t, err := abi.NewType(words[0], "", nil)
		if err != nil {
			panic(fmt.Sprintf("evm: event %s: %v", signature, err))
		}
		arguments = append(arguments, abi.Argument{Name: words[len(words)-1], Type: t, Indexed: len(words) == 3})
	}
	return abi.NewEvent(m[1], m[1], false, arguments)
}

// read the arguments of a log of this event, in the order of its declaration. Contracts of different ages index different
// arguments of the same event (a Safe's owners since 1.4.0), which its topic does not show: all in the data, and all in
// the topics, are understood besides what is declared.
func (e *event) read(log *types.Log) ([]any, bool) {
	indexed := func(a abi.Argument) bool { return a.Indexed }
	switch places := len(log.Topics) - 1; {
	case places == 0:
		indexed = func(abi.Argument) bool { return false }
	case places == len(e.Inputs):
		indexed = func(abi.Argument) bool { return true }
	case places != len(e.Inputs)-len(e.Inputs.NonIndexed()):
		return nil, false
	}
	var inData abi.Arguments
	for _, a := range e.Inputs {
		if !indexed(a) {
			a.Indexed = false
			inData = append(inData, a)
		}
	}
	data, err := inData.UnpackValues(log.Data)
	if err != nil {
		return nil, false
	}
	values, topics := make([]any, len(e.Inputs)), log.Topics[1:]
	for i, a := range e.Inputs {
		if !indexed(a) {
			values[i], data = data[0], data[1:]
			continue
		}
		read, err := abi.Arguments{{Type: a.Type}}.UnpackValues(topics[0][:])
		if err != nil {
			return nil, false
		}
		values[i], topics = read[0], topics[1:]
	}
	return values, true
}

// say what happened. name finds what the plan calls an address.
func (e *event) say(arguments []any, name func(common.Address) string) string {
	text := e.words
	for i, a := range e.Inputs {
		if placeholder := "{" + a.Name + "}"; strings.Contains(text, placeholder) {
			text = strings.ReplaceAll(text, placeholder, shown(arguments[i], name))
		}
	}
	return text
}

const shownMax = 80 // characters of a text that a stranger chose

func shown(value any, name func(common.Address) string) string {
	switch v := value.(type) {
	case common.Address:
		return name(v)
	case []common.Address:
		var all []string
		for i, a := range v {
			if i == 3 {
				all = append(all, fmt.Sprintf("%d more", len(v)-i))
				break
			}
			all = append(all, name(a))
		}
		return strings.Join(all, ", ")
	case [32]byte:
		if role, known := roles[v]; known {
			return role
		}
		return fmt.Sprintf("0x%x…", v[:4])
	case []byte:
		return calldata(v, name)
	case *big.Int:
		if v.BitLen() >= 160 { // what wallets write for no limit
			return "unlimited"
		}
		return v.String()
	case string:
		return fmt.Sprintf("%q", cut(v))
	}
	return fmt.Sprint(value)
}

// cut is the beginning of a stranger's text, without what is not for showing.
func cut(text string) string {
	kept := make([]rune, 0, shownMax)
	for _, r := range text {
		if len(kept) == shownMax {
			return string(kept) + "…"
		}
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			r = ' '
		}
		kept = append(kept, r)
	}
	return string(kept)
}

// roles that OpenZeppelin's AccessControl and Aave know by the hash of their name.
var roles = hashed("DEFAULT_ADMIN_ROLE", "PROPOSER_ROLE", "EXECUTOR_ROLE", "CANCELLER_ROLE", "TIMELOCK_ADMIN_ROLE", "MINTER_ROLE", "BURNER_ROLE",
	"PAUSER_ROLE", "UPGRADER_ROLE", "POOL_ADMIN", "EMERGENCY_ADMIN", "RISK_ADMIN", "FLASH_BORROWER", "BRIDGE", "ASSET_LISTING_ADMIN")

func hashed(names ...string) map[[32]byte]string {
	all := map[[32]byte]string{{}: names[0]} // the first is zero, and no hash
	for _, name := range names[1:] {
		all[crypto.Keccak256Hash([]byte(name))] = name
	}
	return all
}

// powers are the calls that only the powerful may make, by what a call of each begins with.
var powers = selectors("upgradeTo(address)", "upgradeToAndCall(address,bytes)", "upgrade(address,address)", "upgradeAndCall(address,address,bytes)", "changeAdmin(address)",
	"changeProxyAdmin(address,address)", "transferOwnership(address)", "acceptOwnership()", "renounceOwnership()", "grantRole(bytes32,address)", "revokeRole(bytes32,address)",
	"pause()", "unpause()", "setPoolPause(bool)", "setReservePause(address,bool)", "setReserveFreeze(address,bool)", "setPoolImpl(address)", "setPriceOracle(address)",
	"setAssetSources(address[],address[])", "updateDelay(uint256)", "setDelay(uint256)", "setPendingAdmin(address)", "acceptAdmin()", "mint(address,uint256)",
	"schedule(address,uint256,bytes,bytes32,bytes32,uint256)", "execute(address,uint256,bytes,bytes32,bytes32)", "executeBatch(address[],uint256[],bytes[],bytes32,bytes32)",
	"execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)", "execTransactionFromModule(address,uint256,bytes,uint8)",
	"addOwnerWithThreshold(address,uint256)", "removeOwner(address,address,uint256)", "swapOwner(address,address,address)", "changeThreshold(uint256)", "enableModule(address)",
	"setGuard(address)", "setFallbackHandler(address)")

func selectors(signatures ...string) map[[4]byte]string {
	all := map[[4]byte]string{}
	for _, s := range signatures {
		all[[4]byte(crypto.Keccak256([]byte(s)))] = s
	}
	return all
}

// calldata in words: what is called where that is a known call of power, and its first address.
func calldata(data []byte, name func(common.Address) string) string {
	if len(data) < 4 {
		return "no call"
	}
	signature, known := powers[[4]byte(data)]
	if !known {
		return fmt.Sprintf("0x%x…, %d bytes that are not understood", data[:4], len(data))
	}
	method, parameters, _ := strings.Cut(signature, "(")
	if strings.HasPrefix(parameters, "address") && len(data) >= 36 {
		return fmt.Sprintf("%s to %s", method, name(common.BytesToAddress(data[4:36])))
	}
	return method
}
