package exit

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/shopspring/decimal"

	"lifeboat/act/safe"
	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// tried is what an exit would do.
type tried struct {
	proven   bool // it was simulated to its end, not only called
	gas      uint64
	promises []promise
	changes  []change
	allowed  []allowance
}

// A promise is a condition and what it would be.
type promise struct {
	words string
	got   *big.Int // nil when it could not be tried
	holds bool
	event bool // that is told or not: got is no number
}

// A change is a balance of one of our addresses before and after.
type change struct {
	token         common.Address // zero for the chain's coin
	holder        common.Address
	before, after *big.Int
}

// An allowance is what somebody may still take afterwards.
type allowance struct {
	token, spender common.Address
	amount         *big.Int
}

// try carries the exit out without sending it, on a block or on the newest, and refuses what must not happen.
func (d *Desk) try(ctx context.Context, at *chain.Block, p Prepared) (tried, error) {
	t, err := d.trial(ctx, at, p)
	if err == nil {
		err = d.dear(ctx, p)
	}
	return t, passes(err)
}

// dear refuses what a contract would refuse at the base fee of now. A node simulates without one, so that a trial does not show it.
func (d *Desk) dear(ctx context.Context, p Prepared) error {
	if p.BaseMax == nil {
		return nil
	}
	fees, err := d.Chain.Fees(ctx)
	if err != nil {
		return fmt.Errorf("ask for the base fee: %w", err)
	}
	if fees.Base.Cmp(p.BaseMax) > 0 {
		return fmt.Errorf("gas is too dear on the chain for what was promised: the base fee is %s gwei, and what it sends along is enough up to %s gwei. Prepare and sign it anew, or wait until it is cheaper",
			decimal.NewFromBigInt(fees.Base, -9), decimal.NewFromBigInt(p.BaseMax, -9))
	}
	return nil
}

func (d *Desk) trial(ctx context.Context, at *chain.Block, p Prepared) (tried, error) {
	calls, err := p.transactions()
	if err != nil {
		return tried{}, err
	}
	first, err := d.Chain.Simulate(ctx, at, append(slices.Clone(calls), p.questions()...))
	if errors.Is(err, chain.ErrNoSimulation) {
		return d.call(ctx, at, p)
	}
	if err != nil {
		return tried{}, fmt.Errorf("simulate it: %w", err)
	}
	t := tried{proven: true, gas: overheadGas + uint64(p.Threshold)*signatureGas}
	for i, o := range first[:len(calls)] {
		if o.Err != nil {
			return t, fmt.Errorf("%s would be refused: %s", p.step(i), safe.Explain(o.Return))
		}
		t.gas += o.GasUsed
	}
	flows := flowsIn(first[:len(calls)])
	if err := p.strangers(flows); err != nil {
		return t, err
	}
	if err := d.measure(ctx, at, p, calls, flows, &t); err != nil {
		return t, err
	}
	t.promises = append(p.promised(first[len(calls):], t.changes), p.told(first[:len(calls)])...)
	return t, t.refuse(p)
}

// transactions are what the exit does, as the chain sees it: the calls of the Safe one after the other, since its owners have
// not signed yet; or the very call of the key with the role.
func (p Prepared) transactions() ([]chain.Transaction, error) {
	if p.Role != nil {
		data, err := p.roleCall()
		return []chain.Transaction{{From: p.Sender, To: p.Role.Module, Data: data}}, err
	}
	steps, err := p.Tx.Steps()
	if err != nil {
		return nil, err
	}
	var calls []chain.Transaction
	for _, s := range steps {
		calls = append(calls, chain.Transaction{From: p.Tx.Safe, To: s.To, Value: s.Value, Data: s.Data})
	}
	return calls, nil
}

// questions are the conditions that a simulation can be asked after the calls.
func (p Prepared) questions() []chain.Transaction {
	var asked []chain.Transaction
	for _, c := range p.Must {
		if c.Query.What == chain.Call {
			asked = append(asked, chain.Transaction{From: c.Query.From, To: c.Query.To, Data: c.Query.Data})
		}
	}
	return asked
}

// promised holds the conditions against what was answered. A balance of the chain's coin is in the changes, if it changed.
func (p Prepared) promised(outcomes []chain.Outcome, changes []change) (all []promise) {
	for _, c := range p.Must {
		told := promise{words: c.Words}
		switch {
		case c.Query.What == chain.Call:
			told.holds, told.got, _ = c.Holds(chain.Answer{Data: outcomes[0].Return, Err: outcomes[0].Err})
			outcomes = outcomes[1:]
		case c.Query.What == chain.Balance:
			for _, ch := range changes {
				if ch.token == (common.Address{}) && ch.holder == c.Query.To {
					told.holds, told.got, _ = c.Holds(chain.Answer{Data: common.BigToHash(ch.after).Bytes()})
				}
			}
		}
		all = append(all, told)
	}
	return all
}

// told holds what contracts have to tell of against what they would.
func (p Prepared) told(outcomes []chain.Outcome) (all []promise) {
	var logs []types.Log
	for _, o := range outcomes {
		logs = append(logs, o.Logs...)
	}
	for _, e := range p.Tells {
		all = append(all, promise{words: e.Words, got: new(big.Int), holds: e.In(logs), event: true})
	}
	return all
}

// A flow is value that moves in a simulation.
type flow struct {
	token    common.Address // zero for the chain's coin
	from, to common.Address
	amount   *big.Int
	approval bool // to may take it from from, later
}

// Topics of the events by which contracts tell of value that moves; nodes tell of the chain's own coin in the same form.
var (
	topicTransfer = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
	topicApproval = crypto.Keccak256Hash([]byte("Approval(address,address,uint256)"))
	topicForAll   = crypto.Keccak256Hash([]byte("ApprovalForAll(address,address,bool)"))
	topicSingle   = crypto.Keccak256Hash([]byte("TransferSingle(address,address,address,uint256,uint256)"))
	topicBatch    = crypto.Keccak256Hash([]byte("TransferBatch(address,address,address,uint256[],uint256[])"))
	nativeToken   = common.HexToAddress("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE")
)

func flowsIn(outcomes []chain.Outcome) (all []flow) {
	for _, o := range outcomes {
		for _, l := range o.Logs {
			if f, ok := flowIn(l); ok {
				all = append(all, f)
			}
		}
	}
	return all
}

func flowIn(l types.Log) (flow, bool) {
	if len(l.Topics) < 3 {
		return flow{}, false
	}
	address := func(i int) common.Address { return common.BytesToAddress(l.Topics[i][12:]) }
	f := flow{token: l.Address, from: address(1), to: address(2), amount: new(big.Int)}
	if l.Address == nativeToken {
		f.token = common.Address{}
	}
	if len(l.Data) >= 32 && len(l.Topics) == 3 {
		f.amount.SetBytes(l.Data[:32])
	}
	switch l.Topics[0] {
	case topicTransfer:
		if len(l.Topics) == 4 {
			f.amount.SetInt64(1) // of an NFT
		}
	case topicApproval, topicForAll:
		f.approval = true
	case topicSingle, topicBatch:
		if len(l.Topics) < 4 {
			return flow{}, false
		}
		f.from, f.to, f.amount = address(2), address(3), new(big.Int)
	default:
		return flow{}, false
	}
	return f, true
}

// strangers refuses an exit that sends anything of the Safe's, or out of the protocol, to an address that is neither the plan's
// nor the protocol's. What a contract of the protocol burns goes to the zero address.
func (p Prepared) strangers(flows []flow) error {
	for _, f := range flows {
		mine := f.from == p.Tx.Safe
		if f.approval || f.amount.Sign() == 0 || !mine && !slices.Contains(p.Known, f.from) || p.allowed(f.to) {
			continue
		}
		switch burnt := f.to == (common.Address{}); {
		case burnt && (!mine || p.allowed(f.token) || p.debt(f.token)):
		case burnt:
			return fmt.Errorf("it would burn %s of the token %s, which is no contract of the protocol", f.amount, f.token.Hex())
		default:
			return fmt.Errorf("it would send %s of %s to %s, which is no address of the plan and no contract of the protocol", f.amount, tokenName(f.token), f.to.Hex())
		}
	}
	return nil
}

// debt says whether a token is one that the exit promises to bring down, such as what is owed: burning it is the point.
func (p Prepared) debt(token common.Address) bool {
	for _, c := range p.Must {
		if c.Query.To == token && (c.Compare == "==" || c.Compare == "<=") && slices.Equal(c.Query.Data, contract.ERC20.BalanceOf.Pack(p.Tx.Safe)) {
			return true
		}
	}
	return false
}

func tokenName(token common.Address) string {
	if token == (common.Address{}) {
		return "the chain's coin"
	}
	return "the token " + token.Hex()
}

// measure reads the balances of our addresses before and after, and what others may still take.
func (d *Desk) measure(ctx context.Context, at *chain.Block, p Prepared, calls []chain.Transaction, flows []flow, t *tried) error {
	var native, erc []change
	for _, f := range flows {
		for _, holder := range []common.Address{f.from, f.to} {
			one := change{token: f.token, holder: holder}
			if _, ours := p.Own[holder]; f.approval || !ours {
				continue
			}
			list := &erc
			if f.token == (common.Address{}) {
				list = &native
			}
			if !slices.ContainsFunc(*list, func(c change) bool { return c.token == one.token && c.holder == one.holder }) {
				*list = append(*list, one)
			}
		}
	}
	t.allowed = p.allowances(flows)
	var queries []chain.Query
	for _, c := range erc {
		queries = append(queries, contract.ERC20.BalanceOf.Query(c.token, c.holder))
	}
	for _, c := range native {
		queries = append(queries, chain.Query{What: chain.Balance, To: c.holder})
	}
	if len(queries)+len(t.allowed) == 0 {
		return nil
	}
	before, _, err := d.Chain.Read(ctx, at, queries)
	if err != nil {
		return fmt.Errorf("read the balances before: %w", err)
	}
	after := slices.Clone(calls)
	for _, c := range erc {
		after = append(after, chain.Transaction{From: c.holder, To: c.token, Data: contract.ERC20.BalanceOf.Pack(c.holder)})
	}
	for _, a := range t.allowed {
		after = append(after, chain.Transaction{From: p.Tx.Safe, To: a.token, Data: contract.ERC20.Allowance.Pack(p.Tx.Safe, a.spender)})
	}
	outcomes, err := d.Chain.Simulate(ctx, at, after)
	if err != nil {
		return fmt.Errorf("simulate what it leaves: %w", err)
	}
	outcomes = outcomes[len(calls):]
	for i := range erc {
		erc[i].before, erc[i].after = new(big.Int).SetBytes(before[i].Data), new(big.Int).SetBytes(outcomes[i].Return)
	}
	for i := range t.allowed {
		t.allowed[i].amount = new(big.Int).SetBytes(outcomes[len(erc)+i].Return)
	}
	for i := range native {
		native[i].before = new(big.Int).SetBytes(before[len(erc)+i].Data)
		native[i].after = moved(native[i], flows)
	}
	t.changes = append(erc, native...)
	return nil
}

func moved(c change, flows []flow) *big.Int {
	sum := new(big.Int).Set(c.before)
	for _, f := range flows {
		if f.token != c.token || f.approval {
			continue
		}
		if f.to == c.holder {
			sum.Add(sum, f.amount)
		}
		if f.from == c.holder {
			sum.Sub(sum, f.amount)
		}
	}
	return sum
}

// allowances are those that the exit touches, of the Safe.
func (p Prepared) allowances(flows []flow) (all []allowance) {
	for _, f := range flows {
		one := allowance{token: f.token, spender: f.to}
		if f.approval && f.from == p.Tx.Safe && !slices.ContainsFunc(all, func(a allowance) bool { return a.token == one.token && a.spender == one.spender }) {
			all = append(all, one)
		}
	}
	return all
}

// refuse says what of it must not be signed.
func (t tried) refuse(p Prepared) error {
	for _, a := range t.allowed {
		if !p.allowed(a.spender) && a.amount.Sign() > 0 {
			return fmt.Errorf("it would leave %s allowed to take %s of the token %s, and that is no contract of the protocol", a.spender.Hex(), a.amount, a.token.Hex())
		}
	}
	for _, one := range t.promises {
		if one.got == nil && !p.Unproven {
			return fmt.Errorf("it cannot be tried whether this would hold afterwards: %s", one.words)
		}
		if one.event && !one.holds {
			return fmt.Errorf("it would not end as it should: %s, and it would not", one.words)
		}
		if one.got != nil && !one.holds {
			return fmt.Errorf("it would not end as it should: %s, and it would be %s", one.words, one.got)
		}
	}
	return nil
}

var simulateAndRevert = contract.New("simulateAndRevert(address,bytes)")

// call is what is left where no node simulates: the whole is called and forgotten, which says whether it goes through and not
// what it leaves. A Safe offers that for its own batches to anybody: it lends itself to the batch and reverts with what came of it.
func (d *Desk) call(ctx context.Context, at *chain.Block, p Prepared) (tried, error) {
	t := tried{gas: blindGas}
	for _, c := range p.Must {
		t.promises = append(t.promises, promise{words: c.Words})
	}
	for _, e := range p.Tells {
		t.promises = append(t.promises, promise{words: e.Words})
	}
	query := chain.Query{What: chain.Call, To: p.Tx.To, Data: p.Tx.Data, From: p.Tx.Safe}
	batch := p.Role == nil && p.Tx.Operation == safe.DelegateCall
	switch {
	case p.Role != nil:
		calls, err := p.transactions()
		if err != nil {
			return t, err
		}
		query = chain.Query{What: chain.Call, To: calls[0].To, Data: calls[0].Data, From: p.Sender}
	case batch:
		query = chain.Query{What: chain.Call, To: p.Tx.Safe, Data: simulateAndRevert.Pack(p.Tx.To, []byte(p.Tx.Data)), From: p.Sender}
	}
	answers, _, err := d.Chain.Read(ctx, at, []chain.Query{query})
	switch a := answers; {
	case err != nil:
		return t, fmt.Errorf("call it without sending: %w", err)
	case batch && (len(a[0].Data) < 64 || new(big.Int).SetBytes(a[0].Data[:32]).Sign() == 0):
		return t, d.culprit(ctx, at, p)
	case !batch && a[0].Err != nil:
		return t, fmt.Errorf("it would be refused: %s", safe.Explain(a[0].Data))
	}
	return t, t.refuse(p)
}

// culprit finds the call of a batch that is refused on its own. One that is refused only after those before it stays unnamed.
func (d *Desk) culprit(ctx context.Context, at *chain.Block, p Prepared) error {
	calls, err := p.transactions()
	if err != nil {
		return err
	}
	var queries []chain.Query
	for _, c := range calls {
		queries = append(queries, chain.Query{What: chain.Call, To: c.To, Data: c.Data, From: c.From})
	}
	answers, _, err := d.Chain.Read(ctx, at, queries)
	if err != nil {
		return fmt.Errorf("call it without sending: %w", err)
	}
	for i, a := range answers {
		if a.Err != nil {
			return fmt.Errorf("the batch would be refused; %s is, on its own: %s", p.step(i), safe.Explain(a.Data))
		}
	}
	return errors.New("the batch would be refused, though each of its calls alone would not")
}

func (p Prepared) step(i int) string {
	if p.Role != nil {
		return "it"
	}
	return fmt.Sprintf("call %d", i+1)
}
