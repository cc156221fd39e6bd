package safe

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/chain/contract"
)

// Names are what the plan calls addresses and tokens. The functions may be nil.
type Names struct {
	// Address is the name of an address, "" when the plan has none.
	Address func(common.Address) string
	// Token is how amounts of a token are counted; the zero address is the chain's own coin.
	Token func(common.Address) (symbol string, decimals uint8, ok bool)
}

func (n Names) of(a common.Address) string {
	if n.Address != nil {
		if name := n.Address(a); name != "" {
			return fmt.Sprintf("%s (%s)", name, a)
		}
	}
	if all, ok := deployed(MultiSends, a); ok {
		return fmt.Sprintf("Safe's %s %s (%s)", all.Name, all.Version, a)
	}
	return a.String()
}

// Words say what a transaction does, one line a call, for a person who is asked to sign it. What is not understood is said to be so,
// with its size and its hash, and never left out.
func (t Tx) Words(n Names) []string {
	steps, err := t.Steps()
	switch {
	case err != nil:
		return []string{fmt.Sprintf("delegate call to %s: %v; not understood: %s", n.of(t.To), err, unknown(t.Data))}
	case t.Operation == DelegateCall && !isBatch(t.Data):
		return []string{fmt.Sprintf("lend the Safe itself to the code of %s: %s", n.of(t.To), unknown(t.Data))}
	case t.To == t.Safe && len(t.Data) == 0 && amount(t.Value).Sign() == 0:
		return []string{fmt.Sprintf("do nothing but use up nonce %d, which cancels whatever else was signed for it", t.Nonce)}
	}
	lines := make([]string, 0, len(steps)+1)
	if t.Operation == DelegateCall {
		if _, ours := deployed(MultiSends, t.To); !ours {
			lines = append(lines, fmt.Sprintf("by way of %s, to whose code the Safe is lent:", n.of(t.To)))
		}
	}
	for _, s := range steps {
		line, _ := say(s, n)
		if s.Operation != Call {
			line = "delegate call: " + line
		}
		lines = append(lines, line)
	}
	return lines
}

// say puts one call into words; understood is false when something of it could not be.
func say(s Step, n Names) (line string, understood bool) {
	value := amount(s.Value)
	if len(s.Data) == 0 {
		return fmt.Sprintf("send %s to %s", n.amount(common.Address{}, value, ""), n.of(s.To)), true
	}
	if len(s.Data) >= 4 {
		if lines, ok := until(s, n); ok {
			line, understood = lines, true
		} else if v, ok := verbs[[4]byte(s.Data[:4])]; ok {
			if values, err := v.method.Values(s.Data); err == nil {
				line, understood = fmt.Sprintf("%s: %s", n.of(s.To), v.say(s, values, n)), true
			}
		}
	}
	if !understood {
		line = fmt.Sprintf("call %s with data that is not understood: %s", n.of(s.To), unknown(s.Data))
	}
	if value.Sign() > 0 {
		line += fmt.Sprintf(", with %s", n.amount(common.Address{}, value, ""))
	}
	return line, understood
}

// until puts calls into words that a contract makes of itself before a time, as a router's swaps; all of them have to be understood.
func until(s Step, n Names) (line string, understood bool) {
	if [4]byte(s.Data[:4]) != contract.UniswapV3.Until.Selector() {
		return "", false
	}
	values, err := contract.UniswapV3.Until.Values(s.Data)
	if err != nil {
		return "", false
	}
	time, calls := values[0].(*big.Int), values[1].([][]byte)
	if len(calls) == 0 || len(calls) > listMax {
		return "", false
	}
	said := make([]string, len(calls))
	for i, data := range calls {
		if len(data) < 4 || [4]byte(data[:4]) == contract.UniswapV3.Until.Selector() {
			return "", false
		}
		if said[i], understood = say(Step{To: s.To, Data: data}, n); !understood {
			return "", false
		}
	}
	return strings.Join(said, "; ") + ", until " + deadline(time), true
}

// shownMax is how many bytes of data are shown of what is not understood.
const shownMax = 36

func unknown(data []byte) string {
	shown := hex.EncodeToString(data[:min(len(data), shownMax)])
	if len(data) > shownMax {
		shown += "…"
	}
	return fmt.Sprintf("%d bytes, 0x%s, Keccak-256 %s", len(data), shown, crypto.Keccak256Hash(data))
}

// amount of a token in words. The greatest number there is stands for all, or for no limit: most says which.
func (n Names) amount(token common.Address, amount *big.Int, most string) string {
	symbol, decimals, ok := "", uint8(0), false
	if n.Token != nil {
		symbol, decimals, ok = n.Token(token)
	}
	switch {
	case !ok && token == common.Address{}:
		symbol, decimals = "of the chain's own coin", 18
	case !ok:
		symbol, decimals = fmt.Sprintf("base units of %s (a token that the plan does not know)", token), 0
	}
	if most != "" && amount.Cmp(greatest) == 0 {
		return most + " " + symbol
	}
	return units(amount, int(decimals)) + " " + symbol
}

var greatest = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))

// units writes base units as a decimal number, with no digit lost.
func units(amount *big.Int, decimals int) string {
	digits := amount.String()
	if len(digits) <= decimals {
		digits = strings.Repeat("0", decimals-len(digits)+1) + digits
	}
	whole, rest := digits[:len(digits)-decimals], strings.TrimRight(digits[len(digits)-decimals:], "0")
	if rest != "" {
		return whole + "." + rest
	}
	return whole
}

// A verb is a call that is understood. In its words {2} is the third argument, {2:this} an amount of the token that is called,
// {2:0} an amount of the token that the first argument names, {2:first} and {2:last} one of the first or last token of a path
// that the next-named argument is: {1:first:2}, and {2:there} an address on another chain, which goes by no name of this one. The last word after a bar stands for the greatest amount: {1:this|any amount of}.
type verb struct {
	method *contract.Method
	words  string
}

// verbs :: selector → what it means. Only what a Safe on its way out would call is here; all else is shown as it is.
var verbs = func() map[[4]byte]verb {
	all := []verb{
		{contract.ERC20.Transfer, "transfer {1:this} to {0}"},
		{contract.New("transferFrom(address,address,uint256)"), "transfer {2:this} from {0} to {1}"},
		{contract.ERC20.Approve, "let {0} take {1:this|any amount of}"},
		{contract.New("increaseAllowance(address,uint256)"), "let {0} take {1:this|any amount of} more"},
		{contract.New("deposit()"), "wrap what is sent with it"},
		{contract.New("withdraw(uint256)"), "unwrap {0:this}"},

		{contract.AavePool.Supply, "supply {1:0|all} for {2}"},
		{contract.AavePool.Borrow, "borrow {1:0} for {4}"},
		{contract.AavePool.Withdraw, "withdraw {1:0|all} to {2}"},
		{contract.AavePool.Repay, "repay {1:0|all} of the debt of {3}"},
		{contract.AavePool.RepayWithATokens, "repay {1:0|all} out of what is supplied"},
		{contract.New("setUserUseReserveAsCollateral(address,bool)"), "use {0} as collateral: {1}"},

		{contract.New("deposit(uint256,address)"), "deposit {0} base units of the vault's asset for {1}"},
		{contract.ERC4626.Redeem, "redeem {0:this|all} of {2} and send what it is worth to {1}"},
		{contract.New("withdraw(uint256,address,address)"), "withdraw {0} base units of the vault's asset of {2} to {1}"},

		{contract.New("swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"), "swap {0:first:2} for at least {1:last:2} to {3}, path {2}, until {4:time}"},
		{contract.New("swapExactTokensForETH(uint256,uint256,address[],address,uint256)"), "swap {0:first:2} for at least {1:coin} to {3}, path {2}, until {4:time}"},
		{contract.New("swapExactETHForTokens(uint256,address[],address,uint256)"), "swap what is sent with it for at least {0:last:1} to {2}, path {1}, until {3:time}"},
		{contract.New("removeLiquidity(address,address,uint256,uint256,uint256,address,uint256)"), "give {2} base units of the pool's share back for at least {3:0} and {4:1} to {5}, until {6:time}"},
		{contract.New("removeLiquidityETH(address,uint256,uint256,uint256,address,uint256)"), "give {1} base units of the pool's share back for at least {2:0} and {3:coin} to {4}, until {5:time}"},

		{contract.UniswapV3.SwapExact, "swap {5:0} for at least {6:1} to {3}, in the pool whose fee is {2} millionths, until {4:time}"},
		{contract.UniswapV3.SwapExactSecond, "swap {4:0} for at least {5:1} to {3}, in the pool whose fee is {2} millionths"},
		{contract.UniswapV3.Decrease, "take {1} of liquidity out of the position {0}, for at least {2} and {3} base units of its tokens, until {4:time}"},
		{contract.UniswapV3.Collect, "collect what the position {0} holds, at most {2} and {3} base units of its tokens, for {1}"},
		{contract.UniswapV3.Burn, "burn the position {0}, which has to be empty"},

		{contract.Comet.Supply, "supply {1:0|all that is owed of}"},
		{contract.Comet.WithdrawTo, "withdraw {2:1|all} to {0}"},

		{contract.New("lockdown((address,address)[])"), "take back all leave that was given by Permit2 to {0}"},
		{contract.New("requestWithdrawals(uint256[],address)"), "ask for {0} base units to be paid out to {1} after the queue"},
		{contract.Lido.RequestWrapped, "ask for {0} wrapped base units to be paid out to {1} after the queue"},
		{contract.Lido.ClaimTo, "claim what the queue has finished of the requests {0}, for {2}"},
		{contract.New("unwrap(uint256)"), "unwrap {0:this}"},

		{contract.OPBridge.SendERC20, "send {3:0} over the bridge to {2:there} on the other chain, where it is the token {1:there}, with {4} gas there and {5}"},
		{contract.OPBridge.SendETH, "send what is sent with it over the bridge to {0:there} on the other chain, with {1} gas there and {2}"},

		{contract.ArbRouter.Down, "send {3:0} over the bridge to {2:there} on the other chain, with {4} gas there at up to {5} wei and {6:ticket}; what is not used comes there to {1:there}, or to its alias if it is a contract here"},
		{contract.ArbRouter.Up, "send {2} base units of what stands here for the token {0:there} of the other chain over the bridge to {1:there} there, with {3}"},
		{contract.ArbCore.Ticket, "send {1:coin} over the bridge to {0:there} on the other chain, with {5} gas there at up to {6} wei, up to {2:coin} for the ticket and {7}; what is not used comes there to {3:there}, and {4:there} may cancel it, or their aliases if they are contracts here"},
		{contract.ArbNode.SendETH, "send what is sent with it over the bridge to {0:there} on the other chain"},

		{addOwner, "make {0} an owner of the Safe and {1} the threshold"},
		{removeOwner, "take {1} out of the Safe's owners and make {2} the threshold"},
		{swapOwner, "put {2} in the place of the Safe's owner {1}"},
		{changeThreshold, "make {0} the Safe's threshold"},
		{enableModule, "let the module {0} do anything with the Safe without its owners"},
		{disableModule, "take no more orders from {1}"},
		{setGuard, "make {0} the Safe's guard, which can stop every transaction of it"},
		{setModuleGuard, "make {0} the guard of the Safe's modules"},
		{setFallback, "make {0} answer for the Safe where it does not itself"},
		{approveHash, "approve of the hash {0}"},

		{execWithRole, "in the role {4:role}, operation {3}, call {0} with {1} wei and {2}"},
		{contract.New("assignRoles(address,bytes32[],bool[])"), "give {0} the roles {1}: {2}"},
		{contract.New("scopeTarget(bytes32,address)"), "let the role {0:role} call what is permitted of {1}"},
		{contract.New("allowTarget(bytes32,address,uint8)"), "let the role {0:role} call everything of {1}, options {2}"},
		{contract.New("revokeTarget(bytes32,address)"), "let the role {0:role} call nothing of {1}"},
		{contract.New("revokeFunction(bytes32,address,bytes4)"), "let the role {0:role} no longer call {2} of {1}"},
	}
	table := make(map[[4]byte]verb, len(all))
	for _, v := range all {
		if _, twice := table[v.method.Selector()]; twice {
			panic("safe: two verbs have one selector: " + v.words)
		}
		table[v.method.Selector()] = v
	}
	return table
}()

var placeholder = regexp.MustCompile(`\{(\d)(?::(\w+))?(?::(\d))?(?:\|([^}]+))?\}`)

func (v verb) say(s Step, values []any, n Names) string {
	return placeholder.ReplaceAllStringFunc(v.words, func(hole string) string {
		m := placeholder.FindStringSubmatch(hole)
		value := values[index(m[1])]
		number, isNumber := value.(*big.Int)
		switch {
		case m[2] == "role":
			return roleName(value.([32]byte))
		case m[2] == "ticket":
			return n.ticket(value.([]byte))
		case m[2] == "there": // an address on another chain may be somebody else's than here
			return value.(common.Address).String()
		case !isNumber || m[2] == "":
			return n.value(value)
		case m[2] == "time":
			return deadline(number)
		case m[2] == "this":
			return n.amount(s.To, number, m[4])
		case m[2] == "coin":
			return n.amount(common.Address{}, number, m[4])
		case m[2] == "first" || m[2] == "last":
			path := values[index(m[3])].([]common.Address)
			if len(path) == 0 {
				return number.String() + " base units of nothing"
			}
			if m[2] == "last" {
				return n.amount(path[len(path)-1], number, m[4])
			}
			return n.amount(path[0], number, m[4])
		}
		return n.amount(values[index(m[2])].(common.Address), number, m[4])
	})
}

// ticketOptions are what the router of Arbitrum's bridge is told beside the sum: what the ticket may cost, and data for the receiver.
var ticketOptions = contract.New("options(uint256,bytes)")

func (n Names) ticket(options []byte) string {
	selector := ticketOptions.Selector()
	values, err := ticketOptions.Values(append(selector[:], options...))
	if err != nil {
		return n.value(options)
	}
	return fmt.Sprintf("up to %s for the ticket, and %s", n.amount(common.Address{}, values[0].(*big.Int), ""), n.value(values[1]))
}

func index(digit string) int {
	i, _ := strconv.Atoi(digit)
	return i
}

// listMax is how many entries of a list are shown.
const listMax = 8

// value puts an argument that is no amount into words.
func (n Names) value(value any) string {
	switch v := value.(type) {
	case common.Address:
		return n.of(v)
	case []common.Address:
		return listed(len(v), " → ", func(i int) string { return n.of(v[i]) })
	case []*big.Int:
		return listed(len(v), ", ", func(i int) string { return v[i].String() })
	case [][32]byte:
		return listed(len(v), ", ", func(i int) string { return roleName(v[i]) })
	case []byte:
		if len(v) == 0 {
			return "no data"
		}
		return "data: " + unknown(v)
	case [32]byte:
		return common.Hash(v).Hex()
	case [4]byte:
		return "0x" + hex.EncodeToString(v[:])
	}
	if list := reflect.ValueOf(value); list.Kind() == reflect.Slice {
		return listed(list.Len(), ", ", func(i int) string { return fmt.Sprint(list.Index(i).Interface()) })
	}
	return fmt.Sprint(value)
}

func listed(count int, between string, entry func(int) string) string {
	if count == 0 {
		return "nobody and nothing"
	}
	var shown []string
	for i := range min(count, listMax) {
		shown = append(shown, entry(i))
	}
	if count > listMax {
		shown = append(shown, fmt.Sprintf("and %d more", count-listMax))
	}
	return strings.Join(shown, between)
}
