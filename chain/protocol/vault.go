package protocol

import (
	"context"
	"fmt"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/chain/contract"
)

// Vault is a tokenised vault (ERC-4626). How much of a position can leave is what the vault itself says; a vault that lends out
// what it keeps says less than the position.
type Vault struct {
	name  string
	vault common.Address

	mu    sync.Mutex
	known *[2]Token // the share and the asset
}

// NewVault at an address.
func NewVault(name string, vault common.Address) *Vault { return &Vault{name: name, vault: vault} }

func (v *Vault) Name() string { return v.name }

func (v *Vault) locate(ctx context.Context, r chain.Reader, at *chain.Block) (share, asset Token, block *chain.Block, err error) {
	v.mu.Lock()
	known := v.known
	v.mu.Unlock()
	if known != nil {
		return known[0], known[1], at, nil
	}
	var b contract.Batch
	asked := b.Call(v.vault, contract.ERC4626.Asset)
	first, err := b.Read(ctx, r, at)
	if err != nil {
		return share, asset, nil, err
	}
	var address common.Address
	if err := asked.Scan(&address); err != nil {
		return share, asset, nil, err
	}
	tokens, _, err := readTokens(ctx, r, &first, []common.Address{v.vault, address})
	if err != nil {
		return share, asset, nil, err
	}
	v.mu.Lock()
	v.known = (*[2]Token)(tokens)
	v.mu.Unlock()
	return tokens[0], tokens[1], &first, nil
}

type vaultState struct {
	block                                        chain.Block
	share, asset                                 Token
	total, whole                                 *big.Int // assets of everybody; assets for one whole share
	shares, worth, maxRedeem, maxWithdraw, given []*big.Int
}

// read takes two looks at one block: what shares are worth can only be asked when they are known.
func (v *Vault) read(ctx context.Context, r chain.Reader, at *chain.Block, receiver *common.Address, owners ...common.Address) (*vaultState, error) {
	share, asset, at, err := v.locate(ctx, r, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.name, err)
	}
	s := &vaultState{share: share, asset: asset}
	var b contract.Batch
	total, whole := b.Call(v.vault, contract.ERC4626.TotalAssets), b.Call(v.vault, contract.ERC4626.ConvertToAssets, power(int(share.Decimals)))
	asked := make([][3]*contract.Asked, len(owners))
	for i, owner := range owners {
		asked[i] = [3]*contract.Asked{b.Call(v.vault, contract.ERC20.BalanceOf, owner), b.Call(v.vault, contract.ERC4626.MaxRedeem, owner), b.Call(v.vault, contract.ERC4626.MaxWithdraw, owner)}
	}
	var given *contract.Asked
	if receiver != nil {
		given = b.Call(asset.Address, contract.ERC20.BalanceOf, *receiver)
	}
	if s.block, err = b.Read(ctx, r, at); err != nil {
		return nil, fmt.Errorf("%s: %w", v.name, err)
	}
	if err := scanAll(total, &s.total, whole, &s.whole); err != nil {
		return nil, fmt.Errorf("%s: %w", v.name, err)
	}
	s.shares, s.worth, s.maxRedeem, s.maxWithdraw = make([]*big.Int, len(owners)), make([]*big.Int, len(owners)), make([]*big.Int, len(owners)), make([]*big.Int, len(owners))
	var second contract.Batch
	worth := make([]*contract.Asked, len(owners))
	for i := range owners {
		if err := scanAll(asked[i][0], &s.shares[i], asked[i][1], &s.maxRedeem[i], asked[i][2], &s.maxWithdraw[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", v.name, err)
		}
		worth[i] = second.Call(v.vault, contract.ERC4626.ConvertToAssets, s.shares[i])
	}
	if given != nil {
		s.given = make([]*big.Int, 1)
		if err := given.Scan(&s.given[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", v.name, err)
		}
	}
	if len(owners) == 0 {
		return s, nil
	}
	if _, err := second.Read(ctx, r, &s.block); err != nil {
		return nil, fmt.Errorf("%s: %w", v.name, err)
	}
	for i := range owners {
		if err := worth[i].Scan(&s.worth[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return s, nil
}

// Positions are the shares, looked through to the asset.
func (v *Vault) Positions(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address) ([]Position, error) {
	s, err := v.read(ctx, r, at, nil, owner)
	if err != nil || s.shares[0].Sign() == 0 {
		return nil, err
	}
	return []Position{{Protocol: v.name, Kind: Share, Token: s.share, Amount: s.shares[0], Accrues: true, Block: s.block.Number,
		Under: []Component{{Token: s.asset, Amount: s.worth[0], Holder: v.vault, Free: smaller(s.maxWithdraw[0], s.worth[0])}}}}, nil
}

// Measures of the vault and of the owners' shares.
func (v *Vault) Measures(ctx context.Context, r chain.Reader, at *chain.Block, owners ...common.Address) ([]Measure, error) {
	s, err := v.read(ctx, r, at, nil, owners...)
	if err != nil {
		return nil, err
	}
	m := measures{block: s.block.Number}
	m.market(v.vault, s.share.Symbol)
	m.add(TotalAssets, s.asset.units(s.total))
	m.add(SharePrice, s.asset.units(s.whole))
	for i, owner := range owners {
		if s.shares[i].Sign() > 0 {
			m.of(owner, v.vault, s.share.Symbol)
			m.add(Withdrawable, s.asset.units(s.maxWithdraw[i]))
			m.add(Cover, CoverRatio(s.maxWithdraw[i], s.worth[i]))
		}
	}
	return m.all, nil
}

// Exit gives shares back: all that the vault takes, or an amount of the asset.
func (v *Vault) Exit(ctx context.Context, r chain.Reader, at *chain.Block, owner common.Address, asks ...Ask) (Plan, error) {
	if len(asks) != 1 {
		return Plan{}, fmt.Errorf("%s: one deed makes one exit here, not %d", v.name, len(asks))
	}
	ask := asks[0].withDefaults()
	if err := ask.check(); err != nil {
		return Plan{}, fmt.Errorf("%s: %w", v.name, err)
	}
	if ask.Do != Withdraw && ask.Do != Unstake {
		return Plan{}, fmt.Errorf("%s: shares of a vault can be withdrawn; it cannot %s", v.name, ask.Do)
	}
	to := receiver(ask, owner)
	s, err := v.read(ctx, r, at, &to, owner)
	if err != nil {
		return Plan{}, err
	}
	if ask.Token != (common.Address{}) && ask.Token != s.asset.Address && ask.Token != v.vault {
		return Plan{}, fmt.Errorf("%s: the vault keeps %s, not %s", v.name, s.asset.Symbol, ask.Token)
	}
	if s.shares[0].Sign() == 0 {
		return Plan{}, fmt.Errorf("%s: %w", v.name, ErrNothingToDo)
	}
	plan := Plan{Block: s.block, Known: []common.Address{v.vault}}
	if ask.Amount == nil {
		err = v.redeem(&plan, s, owner, to, ask)
	} else {
		err = v.withdraw(&plan, s, owner, to, ask)
	}
	if err != nil {
		return Plan{}, fmt.Errorf("%s: %w", v.name, err)
	}
	return plan, nil
}

func (v *Vault) redeem(plan *Plan, s *vaultState, owner, to common.Address, ask Ask) error {
	shares, worth := s.shares[0], s.worth[0]
	if most := s.maxRedeem[0]; most.Cmp(shares) < 0 {
		plan.note("The vault gives back %s of %s now; the rest has to wait.", s.share.Text(most), s.share.Text(shares))
		if most.Sign() == 0 {
			return fmt.Errorf("the vault gives nothing back now")
		}
		worth = new(big.Int).Mul(worth, most)
		worth.Quo(worth, shares)
		shares = most
	}
	least := worse(worth, ask.Slippage)
	plan.call(v.vault, fmt.Sprintf("give %s back for about %s", s.share.Text(shares), s.asset.Text(worth)), contract.ERC4626.Redeem, shares, to, owner)
	left := new(big.Int).Sub(s.shares[0], shares)
	plan.leaves(s.share, owner, left, shares)
	v.brings(plan, s, to, least)
	return nil
}

func (v *Vault) withdraw(plan *Plan, s *vaultState, owner, to common.Address, ask Ask) error {
	amount := ask.Amount
	if most := s.maxWithdraw[0]; most.Cmp(amount) < 0 {
		plan.note("The vault pays out %s of the %s asked for.", s.asset.Text(most), s.asset.Text(amount))
		if most.Sign() == 0 {
			return fmt.Errorf("the vault pays nothing out now")
		}
		amount = most
	}
	plan.call(v.vault, "withdraw "+s.asset.Text(amount), contract.ERC4626.Withdraw, amount, to, owner)
	v.brings(plan, s, to, amount)
	return nil
}

func (v *Vault) brings(plan *Plan, s *vaultState, to common.Address, least *big.Int) {
	want := new(big.Int).Add(s.given[0], least)
	plan.must(balanceOf(s.asset.Address, to), AtLeast, want, fmt.Sprintf("%s has at least %s", to, s.asset.Text(want)))
}
