package safe_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/act/safe"
	"lifeboat/testbed"
)

// TestBybit shows what lifeboat refuses, and what happens to who signs it all the same: under what looks like a transfer of nothing the
// Safe gets other code, and with that another owner.
func TestBybit(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		s := bed.Safe(bed.Accounts[1:4], 2)
		evil, backdoor := bed.Deploy("ours/Upgrades.sol/Evil"), bed.Deploy("ours/Upgrades.sol/Backdoor")
		bed.Act(bed.Whale(), testbed.Call{To: s.Address, Value: testbed.Ether(7)})
		state := read(t, bed, s)
		tx := safe.Tx{Chain: bed.ChainID.Uint64(), Safe: s.Address, To: evil.Address, Operation: safe.DelegateCall, Nonce: state.Nonce,
			Data: evil.Do("transfer", backdoor.Address, new(big.Int)).Data}

		refused := (*safe.Refused)(nil)
		if err := tx.Check(safe.Rules{Trusted: []common.Address{s.MultiSend.Address}}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "would replace the Safe's code") {
			t.Errorf("it is not refused: %v", err)
		}
		if words := strings.Join(tx.Words(safe.Names{}), "\n"); !strings.Contains(words, "lend the Safe itself to the code of "+evil.Hex()) {
			t.Errorf("it is shown as %q", words)
		}

		hash := tx.Hash()
		if !carried(t, bed, tx, gathered(t, state, hash, typed(t, bed.Accounts[1], hash), typed(t, bed.Accounts[2], hash))) {
			t.Error("the chain did not take it")
		}
		thief := bed.Accounts[8]
		bed.Send(bed.Accounts[7], backdoor.At(s.Address), "sweepETH", thief.Address)
		if left, err := bed.Client.BalanceAt(t.Context(), s.Address, nil); err != nil || left.Sign() != 0 {
			t.Errorf("the Safe still has %s wei, %v", left, err)
		}
		// What is left there is no Safe that anybody could read, and what was signed for it is worth nothing.
		if after, err := safe.Read(t.Context(), one{bed}, nil, s.Address); err == nil {
			t.Errorf("it reads as %+v", after)
		}
	})
}

// TestRoles has a bot do what its role permits, and the chain refuse the rest.
func TestRoles(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		s, bot, market := bed.Safe(bed.Accounts[1:4], 2), bed.Accounts[6], bed.Aave()
		pool, weth, usdc := market.Pool, market.WETH, market.USDC
		roles := market.ExitRoles(s, bot)
		role, err := safe.RoleKey("exit-bot")
		if err != nil || role != roles.Key {
			t.Fatalf("the role is %x, %v", role, err)
		}
		bed.Mint(weth, bed.Accounts[5].Address, testbed.Ether(10))
		bed.Send(bed.Accounts[5], weth.Contract, "approve", pool.Address, testbed.Ether(10))
		bed.Send(bed.Accounts[5], pool, "supply", weth.Address, testbed.Ether(10), s.Address, uint16(0))

		withdraw := func(amount *big.Int, to common.Address) safe.Step {
			return safe.Step{To: pool.Address, Data: pool.Do("withdraw", weth.Address, amount, to).Data}
		}
		approve := safe.Step{To: usdc.Address, Data: usdc.Do("approve", pool.Address, testbed.Max()).Data}
		pay := safe.Step{To: usdc.Address, Data: usdc.Do("transfer", bot.Address, big.NewInt(1)).Data}
		batch := func(calls ...safe.Step) []byte {
			data, err := safe.ExecBatchWithRole(role, s.MultiSend.Address, calls...)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		ether := testbed.Ether(1)
		for name, c := range map[string]struct {
			by   common.Address
			data []byte
			want string // "" is done
		}{
			"home":                     {bot.Address, safe.ExecWithRole(role, withdraw(ether, s.Address)), ""},
			"home in a batch":          {bot.Address, batch(approve, withdraw(ether, s.Address)), ""},
			"to itself":                {bot.Address, safe.ExecWithRole(role, withdraw(ether, bot.Address)), "the role does not permit it: an argument"},
			"to itself in a batch":     {bot.Address, batch(approve, withdraw(ether, bot.Address)), "the role does not permit it: an argument"},
			"a transfer":               {bot.Address, safe.ExecWithRole(role, pay), "the role may not call that function"},
			"another contract":         {bot.Address, safe.ExecWithRole(role, safe.Step{To: weth.Address, Data: pay.Data}), "the role may not call that contract"},
			"coins":                    {bot.Address, safe.ExecWithRole(role, safe.Step{To: bot.Address, Value: ether}), "the role may not call that contract"},
			"coins to the pool":        {bot.Address, safe.ExecWithRole(role, safe.Step{To: pool.Address, Value: ether, Data: withdraw(ether, s.Address).Data}), "the role may not send coins"},
			"a delegate call":          {bot.Address, safe.ExecWithRole(role, safe.Step{Operation: safe.DelegateCall, To: pool.Address, Data: withdraw(ether, s.Address).Data}), "the role may not make a delegate call"},
			"a stranger":               {bed.Accounts[7].Address, safe.ExecWithRole(role, withdraw(ether, s.Address)), bed.Accounts[7].Hex() + " may use neither"},
			"another role":             {bot.Address, safe.ExecWithRole([32]byte{'x'}, withdraw(ether, s.Address)), "does not have the role"},
			"permitted but impossible": {bot.Address, safe.ExecWithRole(role, withdraw(testbed.Ether(1000), s.Address)), "what the Safe was to do failed"},
		} {
			_, err := bed.Try(c.by, testbed.Call{To: roles.Address, Data: c.data})
			said := ""
			if revert := (*testbed.Revert)(nil); errors.As(err, &revert) {
				said = safe.Explain(revert.Data)
			} else if err != nil {
				said = err.Error()
			}
			if c.want == "" && said != "" || !strings.Contains(said, c.want) {
				t.Errorf("%s: the chain says %q, want %q", name, said, c.want)
			}
		}
		bed.Act(bot, testbed.Call{To: roles.Address, Data: batch(approve, withdraw(ether, s.Address))})
		if got := bed.Balance(weth, s.Address); got.Cmp(ether) != 0 {
			t.Errorf("the Safe has %s wei of WETH", got)
		}
		if state := read(t, bed, s); len(state.Modules) != 1 || state.Modules[0] != roles.Address {
			t.Errorf("its modules are %v", state.Modules)
		}
	})
}
