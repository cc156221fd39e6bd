package protocol

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/chain/contract"
	"lifeboat/prose"
)

// Lido is ether staked with Lido: stETH, wstETH, and what waits in the queue to become ether again. Unstaking takes days; the
// queue pays out what it promised, or less after a slashing.
type Lido struct {
	name                   string
	staked, wrapped, queue common.Address
}

// NewLido with the addresses of stETH, wstETH and the withdrawal queue. On a rollup, where there is wstETH only, it has no queue: wrapped
// ether leaves by a swap there.
func NewLido(name string, staked, wrapped, queue common.Address) *Lido {
	return &Lido{name: name, staked: staked, wrapped: wrapped, queue: queue}
}

func (l *Lido) Name() string { return l.name }

// The queue takes requests of 100 wei up to 1000 stETH each (Lido's documentation of the WithdrawalQueueERC721).
var (
	requestLeast = big.NewInt(100)
	requestMost  = new(big.Int).Mul(big.NewInt(1000), ether)
)

const (
	// requestsAtOnce is how many go into one batch, so that it fits into a block.
	requestsAtOnce = 30
	// requestsRead is how many open requests of an owner are looked at, oldest first.
	requestsRead = 1000
)

type lidoState struct {
	block                                  chain.Block
	staked, wrapped, wrappedWorth, onePays *big.Int // stETH, wstETH, what that is in stETH, and what one whole wstETH is
	stakedAllowed, wrappedAllowed          *big.Int
	paused, bunker                         bool
	requests                               []lidoRequest
	count                                  int // of requests, those not looked at among them
	last                                   *big.Int
}

type lidoRequest struct {
	id, amount *big.Int
	asked      time.Time
	done       bool // it can be claimed
}

// lidoStatus is what the queue says of a request: its stETH, its shares, whose it is, when it was made, and whether it is
// finalised and claimed.
type lidoStatus = []struct {
	Name0 *big.Int
	Name1 *big.Int
	Name2 common.Address
	Name3 *big.Int
	Name4 bool
	Name5 bool
}

func (l *Lido) read(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address) (*lidoState, error) {
	var b contract.Batch
	s := &lidoState{stakedAllowed: new(big.Int), wrappedAllowed: new(big.Int)}
	staked, wrapped := b.Call(l.staked, contract.ERC20.BalanceOf, owner), b.Call(l.wrapped, contract.ERC20.BalanceOf, owner)
	onePays := b.Call(l.staked, contract.Lido.PooledByShares, ether)
	pairs := []any{staked, &s.staked, wrapped, &s.wrapped, onePays, &s.onePays}
	var ids []*big.Int
	if l.queue != (common.Address{}) {
		pairs = append(pairs, b.Call(l.queue, contract.Lido.Requests, owner), &ids, b.Call(l.queue, contract.Lido.Paused), &s.paused, b.Call(l.queue, contract.Lido.Bunker), &s.bunker,
			b.Call(l.queue, contract.Lido.LastCheckpoint), &s.last,
			b.Call(l.staked, contract.ERC20.Allowance, owner, l.queue), &s.stakedAllowed, b.Call(l.wrapped, contract.ERC20.Allowance, owner, l.queue), &s.wrappedAllowed)
	}
	block, err := b.Read(ctx, r, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.name, err)
	}
	s.block = block
	if err := scanAll(pairs...); err != nil {
		return nil, fmt.Errorf("%s: %w", l.name, err)
	}
	if s.onePays.Sign() == 0 {
		return nil, fmt.Errorf("%s: stETH says that its shares are worth nothing", l.name)
	}
	s.count = len(ids)
	return s, l.follow(ctx, r, s, ids)
}

// follow asks what the wrapped ether is worth and how far the requests are.
func (l *Lido) follow(ctx context.Context, r chain.Reader, s *lidoState, ids []*big.Int) error {
	slices.SortFunc(ids, func(a, b *big.Int) int { return a.Cmp(b) }) // the queue wants them sorted, and does not promise that they are
	if len(ids) > requestsRead {
		ids = ids[:requestsRead]
	}
	var b contract.Batch
	worth := b.Call(l.staked, contract.Lido.PooledByShares, s.wrapped)
	var status *contract.Asked
	if len(ids) > 0 {
		status = b.Call(l.queue, contract.Lido.Status, ids)
	}
	if _, err := b.Read(ctx, r, &s.block); err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	if err := worth.Scan(&s.wrappedWorth); err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	if status == nil {
		return nil
	}
	var said lidoStatus
	if err := status.Scan(&said); err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	if len(said) != len(ids) {
		return fmt.Errorf("%s: the queue says how %d of %d requests are", l.name, len(said), len(ids))
	}
	for i, one := range said {
		if !one.Name5 && one.Name3.IsInt64() {
			s.requests = append(s.requests, lidoRequest{id: ids[i], amount: one.Name0, asked: time.Unix(one.Name3.Int64(), 0).UTC(), done: one.Name4})
		}
	}
	return nil
}

var etherToken = Token{Symbol: "ETH", Decimals: 18}

func (l *Lido) stakedToken() Token  { return Token{l.staked, "stETH", 18} }
func (l *Lido) wrappedToken() Token { return Token{l.wrapped, "wstETH", 18} }

// Positions are stETH, wstETH and each request in the queue, looked through to ether.
func (l *Lido) Positions(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address) ([]Position, error) {
	s, err := l.read(ctx, r, at, owner)
	if err != nil {
		return nil, err
	}
	var positions []Position
	add := func(p Position, worth, free *big.Int) {
		if p.Amount.Sign() > 0 {
			p.Protocol, p.Kind, p.Block = l.name, Stake, s.block.Number
			p.Under = []Component{{Token: etherToken, Amount: worth, Holder: l.staked, Free: free}}
			positions = append(positions, p)
		}
	}
	none := new(big.Int)
	add(Position{Token: l.stakedToken(), Amount: s.staked, Accrues: true}, s.staked, none)
	add(Position{Token: l.wrappedToken(), Amount: s.wrapped, Accrues: true}, s.wrappedWorth, none)
	for _, request := range s.requests {
		p, free := Position{Token: Token{l.queue, "unstETH", 18}, Amount: request.amount}, none
		p.Note = fmt.Sprintf("request %s has waited since %s", request.id, request.asked.Format(time.DateOnly))
		if request.done {
			p.Note, free = fmt.Sprintf("request %s can be claimed", request.id), request.amount
		}
		add(p, request.amount, free)
	}
	return positions, nil
}

// Measures of the owners' stakes: what waits, what can be claimed, and for how long the oldest request has waited.
func (l *Lido) Measures(ctx context.Context, r chain.Reader, at *chain.Block, owners ...common.Address) ([]Measure, error) {
	var m measures
	for _, owner := range owners {
		s, err := l.read(ctx, r, at, owner)
		if err != nil {
			return nil, err
		}
		at = &s.block
		if m.block = s.block.Number; len(m.all) == 0 {
			m.market(l.staked, "stETH")
			m.add(SharePrice, etherToken.units(s.onePays))
			m.add(Paused, flag(s.paused || s.bunker))
		}
		waiting, done, wait := new(big.Int), new(big.Int), 0.0
		for _, request := range s.requests {
			if request.done {
				done.Add(done, request.amount)
				continue
			}
			waiting.Add(waiting, request.amount)
			wait = max(wait, s.block.Time.Sub(request.asked).Seconds())
		}
		m.of(owner, l.staked, "stETH")
		m.add(Queued, etherToken.units(waiting))
		m.add(QueueAge, wait)
		m.add(Withdrawable, etherToken.units(done))
	}
	return m.all, nil
}

// Exit asks for ether out of the queue, claims what the queue has finished with, or, where there is no queue, unwraps.
func (l *Lido) Exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks ...Ask) (Plan, error) {
	if len(asks) != 1 {
		return Plan{}, fmt.Errorf("%s: one deed makes one exit here, not %d", l.name, len(asks))
	}
	ask := asks[0]
	if err := ask.check(); err != nil {
		return Plan{}, fmt.Errorf("%s: %w", l.name, err)
	}
	s, err := l.read(ctx, r, at, owner)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Block: s.block, Known: []common.Address{l.staked, l.wrapped, l.queue}}
	switch to := receiver(ask, owner); {
	case ask.Do == Claim:
		err = l.claim(ctx, r, &plan, s, owner, to)
	case ask.Do != Unstake:
		err = fmt.Errorf("staked ether can be unstaked and claimed; it cannot %s", ask.Do)
	case to != owner:
		err = fmt.Errorf("unstake: what comes out of the queue is claimed later; say then who gets it")
	case l.queue == (common.Address{}):
		err = l.unwrap(&plan, s, owner, ask)
	default:
		err = l.unstake(&plan, s, owner, ask)
	}
	if err == nil && len(plan.Calls) == 0 {
		err = ErrNothingToDo
	}
	if err != nil {
		return Plan{}, fmt.Errorf("%s: %w", l.name, err)
	}
	return plan, nil
}

func (l *Lido) unwrap(plan *Plan, s *lidoState, owner common.Address, ask Ask) error {
	amount := s.wrapped
	if ask.Amount != nil {
		amount = smaller(ask.Amount, amount)
	}
	if amount.Sign() == 0 {
		return ErrNothingToDo
	}
	plan.call(l.wrapped, "unwrap "+l.wrappedToken().Text(amount), contract.Lido.Unwrap, amount)
	least := new(big.Int).Mul(amount, s.onePays)
	least.Quo(least, ether).Add(least, s.staked).Sub(least, roundingSlack)
	plan.must(balanceOf(l.staked, owner), AtLeast, least, fmt.Sprintf("%s has at least %s", owner, l.stakedToken().Text(least)))
	return nil
}

// unstake hands stETH and wstETH to the queue, in requests of the size that it takes.
func (l *Lido) unstake(plan *Plan, s *lidoState, owner common.Address, ask Ask) error {
	if s.paused {
		return fmt.Errorf("the withdrawal queue is paused: stETH and wstETH can only be sold")
	}
	if s.bunker {
		plan.note("Lido is in bunker mode: requests wait until it is known who bears a loss.")
	}
	wrappedMost := new(big.Int).Mul(requestMost, ether)
	wrappedMost.Quo(wrappedMost, s.onePays)
	left, requests := requestsAtOnce, 0
	for _, part := range []struct {
		token         Token
		have, allowed *big.Int
		most          *big.Int
		request       *contract.Method
	}{{l.stakedToken(), s.staked, s.stakedAllowed, requestMost, contract.Lido.Request}, {l.wrappedToken(), s.wrapped, s.wrappedAllowed, wrappedMost, contract.Lido.RequestWrapped}} {
		switch {
		case ask.Token != (common.Address{}) && ask.Token != part.token.Address:
			continue
		case ask.Amount != nil && ask.Token == (common.Address{}):
			return fmt.Errorf("unstake: an amount needs a token, stETH or wstETH")
		}
		want := part.have
		if ask.Amount != nil {
			want = smaller(ask.Amount, want)
		}
		amounts, rest := split(want, part.most, left)
		if rest.Cmp(requestLeast) >= 0 {
			plan.note("%s stays for another exit: %d requests go into one batch.", part.token.Text(rest), requestsAtOnce)
		}
		if len(amounts) == 0 {
			continue
		}
		sum := new(big.Int).Sub(want, rest)
		if part.allowed.Cmp(sum) < 0 {
			plan.approve(part.token, l.queue, l.name, part.allowed, sum)
		}
		plan.call(l.queue, fmt.Sprintf("ask the queue for ether for %s, in %s", part.token.Text(sum), prose.Count(len(amounts), "request")), part.request, amounts, owner)
		rounded := new(big.Int).Add(new(big.Int).Sub(part.have, sum), roundingSlack)
		plan.leaves(part.token, owner, rounded, sum)
		left, requests = left-len(amounts), requests+len(amounts)
	}
	if requests > 0 {
		// The answer is a list: where it begins, how long it is, and the ids.
		want := big.NewInt(int64(s.count + requests))
		plan.Must = append(plan.Must, Condition{Query: contract.Lido.Requests.Query(l.queue, owner), Word: 1, Compare: AtLeast, Want: want, Words: fmt.Sprintf("%s has %s in the queue", owner, prose.Count(s.count+requests, "request"))})
	}
	return nil
}

// split an amount into pieces of at most so much, at most so many of them, none too small for the queue.
func split(amount, most *big.Int, pieces int) (amounts []*big.Int, rest *big.Int) {
	rest = new(big.Int).Set(amount)
	for len(amounts) < pieces && rest.Cmp(requestLeast) >= 0 {
		piece := new(big.Int).Set(smaller(rest, most))
		amounts = append(amounts, piece)
		rest.Sub(rest, piece)
	}
	return amounts, rest
}

// claim what is finished. The queue wants a hint for each request: where in its history the rate stands that it is paid at.
func (l *Lido) claim(ctx context.Context, r chain.Reader, plan *Plan, s *lidoState, owner, to common.Address) error {
	var ids []*big.Int
	for _, request := range s.requests {
		if request.done && len(ids) < requestsAtOnce {
			ids = append(ids, request.id)
		}
	}
	if len(ids) == 0 {
		return ErrNothingToDo
	}
	var b contract.Batch
	asked := b.Call(l.queue, contract.Lido.Hints, ids, one, s.last)
	if _, err := b.Read(ctx, r, &s.block); err != nil {
		return err
	}
	var hints []*big.Int
	if err := asked.Scan(&hints); err != nil {
		return err
	}
	plan.call(l.queue, fmt.Sprintf("claim the ether of %s for %s", prose.Count(len(ids), "request"), to), contract.Lido.ClaimTo, ids, hints, to)
	// Each of them is asked, and not how many are left: anybody can make a request in the owner's name. The answer is a list: where it begins, how
	// long it is, and six words of each.
	for _, id := range ids {
		plan.Must = append(plan.Must, Condition{Query: contract.Lido.Status.Query(l.queue, []*big.Int{id}), Word: 7, Compare: Equal, Want: one, Words: fmt.Sprintf("request %s is claimed", id)})
	}
	return nil
}
