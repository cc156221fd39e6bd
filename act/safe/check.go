package safe

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain/contract"
)

// Rules say what a transaction may do besides the ordinary.
type Rules struct {
	// Trusted are contracts of the plan that the Safe may be lent to by a delegate call, besides [MultiSends].
	Trusted []common.Address
	// Owner is one whose place Spare may take, and Module is one that may be taken away. The Safe may change nothing else of itself: not
	// its threshold, guard or fallback handler, and nobody may be added.
	Owner, Spare, Module common.Address
}

// Refused says why a transaction is not to be signed. Each reason is a clause for people.
type Refused struct{ Reasons []string }

func (r *Refused) Error() string { return strings.Join(r.Reasons, "; ") }

// Check refuses what could take the Safe, or what is in it, away from its owners without their seeing it, and says what it would
// do. It judges the transaction as such; whether its calls do what they should, a simulation shows.
func (t Tx) Check(r Rules) error {
	if err := t.Valid(); err != nil {
		return &Refused{[]string{err.Error()}}
	}
	reasons := t.refund()
	steps, err := t.Steps()
	switch {
	case t.Operation == DelegateCall:
		reasons = append(reasons, t.lends(r)...)
		if err != nil {
			reasons = append(reasons, err.Error())
		}
		if isBatch(t.Data) {
			reasons = append(reasons, inEach(steps, func(s Step) []string { return t.judge(s, r, true) })...)
		}
	default:
		reasons = append(reasons, t.judge(steps[0], r, false)...)
	}
	if len(reasons) > 0 {
		return &Refused{reasons}
	}
	return nil
}

func inEach(steps []Step, judge func(Step) []string) (reasons []string) {
	for i, s := range steps {
		for _, why := range judge(s) {
			reasons = append(reasons, fmt.Sprintf("call %d of the batch: %s", i+1, why))
		}
	}
	return reasons
}

// refund refuses to pay whoever sends the transaction: gasPrice × gas, in any token, is a way to empty a Safe that shows in no call.
func (t Tx) refund() (reasons []string) {
	for _, field := range []struct {
		name   string
		amount *big.Int
		would  string
	}{
		{"gasPrice", t.GasPrice, "the Safe would pay whoever sends it that much for each unit of gas"},
		{"baseGas", t.BaseGas, "the Safe would pay for that much gas more than was used"},
		{"safeTxGas", t.SafeTxGas, "a failure inside would use the nonce up and look like a success from outside"},
	} {
		if field.amount != nil && field.amount.Sign() != 0 {
			reasons = append(reasons, fmt.Sprintf("%s is %s and has to be 0: %s", field.name, field.amount, field.would))
		}
	}
	for _, field := range []struct {
		name    string
		address common.Address
		would   string
	}{
		{"gasToken", t.GasToken, "the Safe would pay for gas in that token"},
		{"refundReceiver", t.RefundReceiver, "the Safe would pay for gas to that address"},
	} {
		if field.address != (common.Address{}) {
			reasons = append(reasons, fmt.Sprintf("%s is %s and has to be zero: %s", field.name, field.address, field.would))
		}
	}
	return reasons
}

// lends judges to whom the Safe is lent by a delegate call.
func (t Tx) lends(r Rules) (reasons []string) {
	if amount(t.Value).Sign() != 0 {
		reasons = append(reasons, "it is a delegate call with a value, and a delegate call sends none")
	}
	if _, ours := deployed(MultiSends, t.To); ours {
		if !isBatch(t.Data) {
			reasons = append(reasons, fmt.Sprintf("it calls MultiSendCallOnly at %s with something that is no batch", t.To))
		}
		return reasons
	}
	if slices.Contains(r.Trusted, t.To) {
		return reasons
	}
	return append(reasons, t.wouldReplace())
}

// looksLike are calls that seem harmless and are all the more suspect as a delegate call.
var looksLike = []*contract.Method{contract.ERC20.Transfer, contract.ERC20.Approve, contract.New("transferFrom(address,address,uint256)")}

// wouldReplace says what a delegate call to strange code may do.
func (t Tx) wouldReplace() string {
	if d, ok := deployed(mixedMultiSends, t.To); ok {
		return fmt.Sprintf("it is a delegate call to Safe's %s %s, whose batches may hold delegate calls: use MultiSendCallOnly", d.Name, d.Version)
	}
	why := fmt.Sprintf("it is a delegate call to %s, which is not Safe's MultiSendCallOnly and not among the plan's trusted contracts: its code would run as the Safe itself, and could take everything the Safe holds or change who owns it", t.To)
	for _, m := range looksLike {
		if selector := m.Selector(); len(t.Data) >= 4 && [4]byte(t.Data[:4]) == selector {
			why += fmt.Sprintf(". It looks like %s of a token, but a token is never paid by a delegate call: such a call can write to the Safe's storage slot 0, which says what code the Safe runs, and would replace the Safe's code. "+
				"The payload that emptied Bybit's Safe in February 2025 was of this form", m.Name())
		}
	}
	return why
}

// judge one call that would be made in the Safe's name.
func (t Tx) judge(s Step, r Rules, inBatch bool) (reasons []string) {
	if s.Operation != Call {
		return []string{fmt.Sprintf("it is a delegate call to %s inside a batch, and a batch makes calls only: the code of %s would run as the Safe itself", s.To, s.To)}
	}
	_, callOnly := deployed(MultiSends, s.To)
	_, mixed := deployed(mixedMultiSends, s.To)
	switch {
	case (callOnly || mixed || slices.Contains(r.Trusted, s.To)) && isBatch(s.Data):
		what := "its calls would be made in the name of " + s.To.Hex() + ", not in the Safe's"
		if inBatch {
			what = "a batch inside a batch is not looked through, and " + what
		}
		reasons = append(reasons, "it is a batch that is called instead of delegated to: "+what)
	case s.To == common.Address{} && amount(s.Value).Sign() > 0:
		reasons = append(reasons, "it sends coins to the zero address, from where nobody gets them back")
	case s.To == t.Safe && len(s.Data) > 0:
		reasons = append(reasons, t.changesItself(s, r)...)
	case len(s.Data) > 0 && len(s.Data) < 4:
		reasons = append(reasons, fmt.Sprintf("%d bytes of data are too few to call anything", len(s.Data)))
	}
	return reasons
}

// Methods by which a Safe changes itself, and what each would do.
var (
	addOwner         = contract.New("addOwnerWithThreshold(address,uint256)")
	removeOwner      = contract.New("removeOwner(address,address,uint256)")
	swapOwner        = contract.New("swapOwner(address,address,address)")
	changeThreshold  = contract.New("changeThreshold(uint256)")
	enableModule     = contract.New("enableModule(address)")
	disableModule    = contract.New("disableModule(address,address)")
	setGuard         = contract.New("setGuard(address)")
	setModuleGuard   = contract.New("setModuleGuard(address)")
	setFallback      = contract.New("setFallbackHandler(address)")
	changesOfTheSafe = []*contract.Method{addOwner, removeOwner, swapOwner, changeThreshold, enableModule, disableModule, setGuard, setModuleGuard, setFallback}
)

// changesItself refuses calls of the Safe to itself. A call without data does nothing but use its nonce up, which is how a signed
// transaction is cancelled; it does not come here.
func (t Tx) changesItself(s Step, r Rules) []string {
	said, understood := say(s, Names{})
	known := slices.ContainsFunc(changesOfTheSafe, func(m *contract.Method) bool {
		selector := m.Selector()
		return len(s.Data) >= 4 && [4]byte(s.Data[:4]) == selector
	})
	switch {
	case known && understood && r.askedFor(s):
		return nil
	case known && understood:
		return []string{fmt.Sprintf("it would change the Safe itself (%s), and that was not asked for", said)}
	}
	return []string{fmt.Sprintf("it is a call of the Safe to itself that is not understood (%s), and such a call may change who owns the Safe", said)}
}

// askedFor says whether a call of the Safe to itself is one of the two changes that the rules name, to the letter.
func (r Rules) askedFor(s Step) bool {
	var before, first, second common.Address
	if amount(s.Value).Sign() != 0 {
		return false
	}
	switch [4]byte(s.Data[:4]) {
	case swapOwner.Selector():
		err := swapOwner.Arguments(s.Data, &before, &first, &second)
		return err == nil && r.Owner != (common.Address{}) && r.Spare != (common.Address{}) && first == r.Owner && second == r.Spare
	case disableModule.Selector():
		err := disableModule.Arguments(s.Data, &before, &first)
		return err == nil && r.Module != (common.Address{}) && first == r.Module
	}
	return false
}
