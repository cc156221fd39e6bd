package testbed

import (
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Roles is a Zodiac Roles v2 modifier that a Safe has enabled: who has its role may have the Safe do a few calls with a few parameters,
// and nothing else.
type Roles struct {
	Contract
	Key       [32]byte // of the role
	Bot       Account  // who has it
	Unwrapper common.Address

	b    *Bed
	safe *Safe
}

// Condition on a call or on one of its parameters. The first of a list is the root; the others belong to it in the order of the
// parameters.
type Condition struct {
	Parent, ParamType, Operator uint8
	CompValue                   []byte
}

// Conditions on a whole call: each of its parameters, all of them static, has to satisfy its own.
func Conditions(parameters ...Condition) []Condition {
	const calldata, matches = 5, 5
	return append([]Condition{{ParamType: calldata, Operator: matches}}, parameters...)
}

// AnyValue lets a parameter be anything.
func AnyValue() Condition { return Condition{ParamType: 1} }

// TheSafe lets a parameter be the Safe itself only.
func TheSafe() Condition { return Condition{ParamType: 1, Operator: 15} }

// Equal lets a parameter be one address only.
func Equal(to common.Address) Condition {
	return Condition{ParamType: 1, Operator: 16, CompValue: common.LeftPadBytes(to[:], 32)}
}

// Roles puts a new modifier on a Safe. Its role may do nothing yet; see Allow and [Aave.ExitRoles].
func (b *Bed) Roles(safe *Safe, bot Account) *Roles {
	b.t.Helper()
	r := &Roles{Bot: bot, Unwrapper: rolesUnwraps, b: b, safe: safe}
	copy(r.Key[:], "exit-bot")
	code := Contract{rolesCode, b.artifact("ours/zodiac/Roles").ABI}
	address, _ := abi.NewType("address", "", nil)
	owners, err := abi.Arguments{{Type: address}, {Type: address}, {Type: address}}.Pack(b.Admin().Address, safe.Address, safe.Address)
	b.must("set Roles up", err)
	cloner := b.once("cloner", func() Contract { return b.Deploy("ours/Canonical.sol/Cloner") })
	made, _ := cloner.Event(b.Send(b.Admin(), cloner, "clone", rolesCode, code.Do("setUp", owners).Data), "Cloned")
	if made == nil {
		b.t.Fatal("Roles was not cloned")
	}
	r.Contract = code.At(common.BytesToAddress(made.Topics[1][:]))
	safe.Exec(safe.Do("enableModule", r.Address), OperationCall)
	b.Send(b.Admin(), r.Contract, "assignRoles", bot.Address, [][32]byte{r.Key}, []bool{true})
	// A batch is taken apart and each call in it judged.
	b.Send(b.Admin(), r.Contract, "setTransactionUnwrapper", safe.MultiSend.Address, safe.MultiSend.Selector("multiSend"), rolesUnwraps)
	return r
}

// Allow lets the role call a method, with these conditions on each of its parameters.
func (r *Roles) Allow(c Contract, method string, parameters ...Condition) {
	r.b.t.Helper()
	r.b.Send(r.b.Admin(), r.Contract, "scopeTarget", r.Key, c.Address)
	r.b.Send(r.b.Admin(), r.Contract, "scopeFunction", r.Key, c.Address, c.Selector(method), Conditions(parameters...), uint8(0))
}

// ExitRoles is the role of a bot that may take a Safe out of a market and nothing else: repay its debt in USDC, withdraw its WETH to
// itself, and let the pool take USDC for that.
func (m *Aave) ExitRoles(safe *Safe, bot Account) *Roles {
	m.b.t.Helper()
	r := m.b.Roles(safe, bot)
	r.Allow(m.Pool, "withdraw", Equal(m.WETH.Address), AnyValue(), TheSafe())
	r.Allow(m.Pool, "repay", Equal(m.USDC.Address), AnyValue(), AnyValue(), TheSafe())
	r.Allow(m.USDC.Contract, "approve", Equal(m.Pool.Address), AnyValue())
	return r
}

// By is the call with which somebody has the Safe do something under the role.
func (r *Roles) By(call Call, operation uint8) Call {
	return r.Do("execTransactionWithRole", call.To, value(call), call.Data, operation, r.Key, true)
}

// Exec has the bot carry calls out in one batch.
func (r *Roles) Exec(calls ...Call) *types.Receipt {
	r.b.t.Helper()
	return r.b.Act(r.Bot, r.By(r.safe.Pack(calls...), OperationDelegateCall))
}
