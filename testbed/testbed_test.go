package testbed_test

import (
	"bytes"
	"errors"

	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat/testbed"
)

// TestTheMarketLives plays the life of a position that a Safe holds: supplied, borrowed against, brought near its end by a fall of the
// price, and left in one transaction.
func TestTheMarketLives(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		safe := bed.Safe(bed.Accounts[1:4], 2)
		market := bed.Aave()
		weth, usdc, pool := market.WETH, market.USDC, market.Pool

		bed.Mint(weth, safe.Address, testbed.Ether(10))
		safe.Batch(
			weth.Do("approve", pool.Address, testbed.Max()),
			pool.Do("supply", weth.Address, testbed.Ether(10), safe.Address, uint16(0)),
			pool.Do("borrow", usdc.Address, testbed.Units(12_000, 6), testbed.VariableRate, uint16(0), safe.Address),
		)
		wantHealth(t, market, safe.Contract, "1.3750")

		market.PriceTo(weth, 1500)
		wantHealth(t, market, safe.Contract, "1.0312")

		exit := []testbed.Call{
			usdc.Do("approve", pool.Address, testbed.Max()),
			pool.Do("repay", usdc.Address, testbed.Max(), testbed.VariableRate, safe.Address),
			pool.Do("withdraw", weth.Address, testbed.Max(), safe.Address),
		}
		bed.Mint(usdc, safe.Address, testbed.Units(100, 6)) // for the interest of the seconds in between
		stale := safe.Signed(safe.Pack(exit...), testbed.OperationDelegateCall, safe.Nonce(), safe.Owners[:2]...)
		safe.Batch(exit...)
		if p := market.Position(safe.Address); p.Debt.Sign() != 0 || p.Collateral.Sign() != 0 {
			t.Errorf("after the exit the Safe has %v of debt and %v of collateral", p.Debt, p.Collateral)
		}
		if got := bed.Balance(weth, safe.Address); got.Cmp(testbed.Ether(10)) < 0 {
			t.Errorf("the Safe got %v wei of WETH back, not all 10", got)
		}

		var revert *testbed.Revert
		if _, err := bed.Try(bed.Admin().Address, stale); !errors.As(err, &revert) || !strings.Contains(revert.Message, "GS026") {
			t.Errorf("signatures of a nonce that is used: %v, want GS026", err)
		}
	})
}

func TestLiquidation(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		market, user := bed.Aave(), bed.Accounts[1]
		market.Supply(user, market.WETH, testbed.Ether(1))
		market.Borrow(user, market.USDC, testbed.Units(1_500, 6))
		market.PriceTo(market.WETH, 1700)
		wantHealth(t, market, testbed.Contract{Address: user.Address}, "0.9350")
		market.Liquidate(user.Address, market.WETH, market.USDC, testbed.Units(700, 6))
		if health := market.Position(user.Address).Health; health.Cmp(testbed.Units(935, 15)) <= 0 {
			t.Errorf("the health factor is %v after a liquidation", health)
		}
	})
}

// wantHealth compares the first digits of a health factor: the rest depends on the seconds of interest.
func wantHealth(t *testing.T, market *testbed.Aave, of testbed.Contract, want string) {
	t.Helper()
	health := market.Position(of.Address).Health
	got := new(big.Rat).SetFrac(health, testbed.Ether(1)).FloatString(6)
	// A second of interest may take a health factor just below the round figure.
	near := new(big.Rat).SetFrac(new(big.Int).Add(health, big.NewInt(1e13)), testbed.Ether(1)).FloatString(6)
	if !strings.HasPrefix(got, want) && !strings.HasPrefix(near, want) {
		t.Errorf("the health factor is %s, want %s", got, want)
	}
}

// TestRoles holds the fence around a bot to what it promises: it can take the Safe out, and nothing else.
func TestRoles(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		safe, market := bed.Safe(bed.Accounts[1:4], 2), bed.Aave()
		bot, stranger := bed.Accounts[5], bed.Accounts[6]
		weth, usdc, pool := market.WETH, market.USDC, market.Pool
		bed.Mint(weth, safe.Address, testbed.Ether(10))
		safe.Batch(
			weth.Do("approve", pool.Address, testbed.Max()),
			pool.Do("supply", weth.Address, testbed.Ether(10), safe.Address, uint16(0)),
			pool.Do("borrow", usdc.Address, testbed.Units(1_000, 6), testbed.VariableRate, uint16(0), safe.Address),
		)
		roles := market.ExitRoles(safe, bot)

		withdraw := func(to testbed.Account) testbed.Call {
			return pool.Do("withdraw", weth.Address, testbed.Ether(1), to.Address)
		}
		steal := safe.Pack(usdc.Do("approve", pool.Address, testbed.Max()), withdraw(bot))
		for name, c := range map[string]struct {
			from  testbed.Account
			call  testbed.Call
			error string
		}{
			"withdraw to the bot":      {bot, roles.By(withdraw(bot), testbed.OperationCall), "ConditionViolation"},
			"transfer":                 {bot, roles.By(usdc.Do("transfer", bot.Address, big.NewInt(1)), testbed.OperationCall), "ConditionViolation"},
			"a bad call in a batch":    {bot, roles.By(steal, testbed.OperationDelegateCall), "ConditionViolation"},
			"somebody without a role":  {stranger, roles.By(withdraw(testbed.Account{Address: safe.Address}), testbed.OperationCall), "NotAuthorized"},
			"a target without a scope": {bot, roles.By(weth.Do("approve", bot.Address, testbed.Max()), testbed.OperationCall), "ConditionViolation"},
		} {
			wantRevert(t, bed, name, c.from, c.call, roles.ABI.Errors[c.error].ID.Bytes()[:4])
		}

		roles.Exec(
			usdc.Do("approve", pool.Address, testbed.Max()),
			pool.Do("repay", usdc.Address, testbed.Units(900, 6), testbed.VariableRate, safe.Address),
			pool.Do("withdraw", weth.Address, testbed.Ether(5), safe.Address),
		)
		if got := bed.Balance(weth, safe.Address); got.Cmp(testbed.Ether(5)) != 0 {
			t.Errorf("the bot took %v wei of WETH out into the Safe, want 5 ether", got)
		}
	})
}

func wantRevert(t *testing.T, bed *testbed.Bed, name string, from testbed.Account, call testbed.Call, selector []byte) {
	t.Helper()
	var revert *testbed.Revert
	switch _, err := bed.Try(from.Address, call); {
	case !errors.As(err, &revert):
		t.Errorf("%s: %v, want a revert", name, err)
	case !bytes.HasPrefix(revert.Data, selector):
		t.Errorf("%s: %v, want one that starts with %x", name, revert, selector)
	}
}

func TestUniswapV2(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		u := bed.UniswapV2()
		if got := u.Quote(u.WETH, u.USDC, testbed.Ether(1)); got.String() != "1974316068" {
			t.Errorf("1 WETH is quoted as %v base units of USDC, want 1974.316068", got)
		}
		u.Swap(bed.Accounts[1], u.WETH, u.USDC, testbed.Ether(1))
		if got := bed.Balance(u.USDC, bed.Accounts[1].Address); got.String() != "1974316068" {
			t.Errorf("1 WETH was swapped for %v base units of USDC", got)
		}
		u.Pull(100)
		if got := bed.Balance(u.WETH, u.Pair.Address); got.Cmp(big.NewInt(1e9)) > 0 {
			t.Errorf("after the whale pulled all its liquidity %v wei of WETH are left", got)
		}
	})
}

func TestGovernance(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		g := bed.Governance()
		before := bed.Number(g.Token, "totalSupply")
		p := g.Propose("mint a lot", g.Token.Do("mint", bed.Whale().Address, testbed.Ether(1e12)))
		r := p.Queue()
		if l, _ := g.Timelock.Event(r, "CallScheduled"); l == nil {
			t.Error("nothing was scheduled")
		}
		p.Execute()
		grown := new(big.Int).Sub(bed.Number(g.Token, "totalSupply"), before)
		if grown.Cmp(testbed.Ether(1e12)) != 0 {
			t.Errorf("the supply grew by %v", grown)
		}
	})
}

func TestProxyIsUpgraded(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		bank, user := bed.Proxy(), bed.Accounts[1]
		deposit := bank.Do("deposit")
		deposit.Value = testbed.Ether(1)
		bed.Act(user, deposit)
		r := bank.Upgrade(bank.V2)
		if topic := crypto.Keccak256Hash([]byte("Upgraded(address)")); r.Logs[0].Topics[0] != topic || r.Logs[0].Address != bank.Address {
			t.Errorf("the proxy said %v, want Upgraded", r.Logs[0])
		}
		if got := bed.Number(bank.Contract, "version"); got.Int64() != 2 {
			t.Errorf("version %v is behind the proxy", got)
		}
		if _, err := bed.Try(user.Address, bank.Do("withdraw")); err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("withdrawing from the new version: %v", err)
		}
	})
}

// TestStablecoinAndVault shows what an owner of a token and of a vault can do to those who hold it.
func TestStablecoinAndVault(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		coin, user := bed.Stablecoin("Dollar", "USDX", 6), bed.Accounts[1]
		vault := bed.Vault(coin)
		bed.Mint(coin, user.Address, testbed.Units(1_000, 6))
		bed.Send(user, coin.Contract, "approve", vault.Address, testbed.Max())
		bed.Send(user, vault.Contract, "deposit", testbed.Units(1_000, 6), user.Address)
		bed.Send(bed.Admin(), vault.Contract, "lend", testbed.Units(600, 6))
		if got := bed.Number(vault.Contract, "maxWithdraw", user.Address); got.Cmp(testbed.Units(400, 6)) != 0 {
			t.Errorf("of 1,000 with 600 lent out %v base units can be withdrawn", got)
		}
		bed.Send(bed.Admin(), vault.Contract, "lose", testbed.Units(600, 6))
		if got := bed.Number(vault.Contract, "convertToAssets", bed.Balance(vault, user.Address)); got.Cmp(testbed.Units(400, 6)) > 0 {
			t.Errorf("after a loss of 600 of 1,000 the shares are worth %v base units", got)
		}
		bed.Send(bed.Admin(), coin.Contract, "pause")
		if _, err := bed.Try(user.Address, vault.Do("withdraw", testbed.Units(1, 6), user.Address, user.Address)); err == nil {
			t.Error("a paused token was withdrawn")
		}
	})
}

// TestEvilPayload shows on chain what lifeboat protects owners from: three signatures under what looks like a transfer, and the Safe is
// somebody else's.
func TestEvilPayload(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		safe, thief := bed.Safe(bed.Accounts[1:4], 3), bed.Accounts[7]
		evil, backdoor := bed.Deploy("ours/Upgrades.sol/Evil"), bed.Deploy("ours/Upgrades.sol/Backdoor")
		bed.Act(bed.Whale(), testbed.Call{To: safe.Address, Value: testbed.Ether(100)})
		safe.Exec(evil.Do("transfer", backdoor.Address, new(big.Int)), testbed.OperationDelegateCall)
		bed.Send(thief, backdoor.At(safe.Address), "sweepETH", bed.Accounts[8].Address)
		left, err := bed.Client.BalanceAt(t.Context(), safe.Address, nil)
		if err != nil || left.Sign() != 0 {
			t.Errorf("the Safe still has %v wei (%v)", left, err)
		}
	})
}

func TestMulticall3(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		type call3 struct {
			Target       common.Address
			AllowFailure bool
			CallData     []byte
		}
		weth := bed.WETH()
		bed.Mint(weth, bed.Whale().Address, testbed.Ether(3))
		read := bed.Multicall3().Do("aggregate3", []call3{
			{weth.Address, false, weth.Do("balanceOf", bed.Whale().Address).Data},
			{weth.Address, true, weth.Do("transferFrom", bed.Whale().Address, bed.Admin().Address, big.NewInt(1)).Data},
		})
		out, err := bed.Try(bed.Admin().Address, read)
		if err != nil {
			t.Fatal(err)
		}
		values, err := bed.Multicall3().ABI.Methods["aggregate3"].Outputs.Unpack(out)
		if err != nil {
			t.Fatal(err)
		}
		results := *abi.ConvertType(values[0], new([]struct {
			Success    bool
			ReturnData []byte
		})).(*[]struct {
			Success    bool
			ReturnData []byte
		})
		if !results[0].Success || new(big.Int).SetBytes(results[0].ReturnData).Cmp(testbed.Ether(3)) != 0 || results[1].Success {
			t.Errorf("read %+v", results)
		}
	})
}
