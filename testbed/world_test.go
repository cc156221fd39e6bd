package testbed_test

import (
	"context"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"

	"lifeboat/testbed"
)

func TestTimeAndBlocks(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		weth, to := bed.WETH(), bed.Accounts[1].Address
		before := head(t, bed.Client)
		bed.Mine(3)
		bed.Forward(time.Hour)
		after := head(t, bed.Client)
		if n := after.Number.Uint64() - before.Number.Uint64(); n != 4 {
			t.Errorf("three blocks and one in an hour made %d blocks", n)
		}
		if passed := after.Time - before.Time; passed < 3600 || passed > 3700 {
			t.Errorf("an hour took %d seconds", passed)
		}

		bed.Mint(weth, to, testbed.Ether(1))
		minted := head(t, bed.Client)
		bed.Reorg(1)
		if now := head(t, bed.Client); now.Hash() == minted.Hash() || now.Number.Cmp(minted.Number) < 0 {
			t.Errorf("after a reorganisation of one block the head is %v, before it was %v", now.Number, minted.Number)
		}
		if got := bed.Balance(weth, to); got.Sign() != 0 {
			t.Errorf("%v wei of WETH that were minted in a block that is gone are still there", got)
		}
		bed.Mint(weth, to, testbed.Ether(2)) // and the chain goes on
		if got := bed.Balance(weth, to); got.Cmp(testbed.Ether(2)) != 0 {
			t.Errorf("after the reorganisation 2 WETH were minted and %v wei are there", got)
		}
	})
}

// TestHold has a transaction wait, outbids it, and mines: the one that offered more is in the block, the other is in none.
func TestHold(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		bed.Hold()
		from := bed.Accounts[2]
		send := func(tip int64) common.Hash {
			tx, err := types.SignNewTx(from.Key, types.LatestSignerForChainID(bed.ChainID), &types.DynamicFeeTx{ChainID: bed.ChainID,
				GasTipCap: big.NewInt(tip), GasFeeCap: big.NewInt(10e9 + tip), Gas: 21_000, To: &bed.Accounts[3].Address, Value: big.NewInt(1)})
			if err == nil {
				err = bed.Client.SendTransaction(t.Context(), tx)
			}
			if err != nil {
				t.Fatal(err)
			}
			return tx.Hash()
		}
		first, second := send(1e9), send(20e9)
		if n, err := bed.Client.PendingNonceAt(t.Context(), from.Address); n != 1 || err != nil {
			t.Errorf("the next nonce is %d (%v), with one transaction in the pool", n, err)
		}
		bed.Mine(1)
		if _, err := bed.Client.TransactionReceipt(t.Context(), second); err != nil {
			t.Errorf("the transaction that outbid the other: %v", err)
		}
		if _, err := bed.Client.TransactionReceipt(t.Context(), first); err == nil {
			t.Error("the transaction that was outbid is in a block too")
		}
		bed.Release()
		bed.Mint(bed.WETH(), from.Address, testbed.Ether(1))
	})
}

func TestMarketUnderStress(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		market, user := bed.Aave(), bed.Accounts[1]
		market.Supply(user, market.USDC, testbed.Units(50_000, 6))
		for _, percent := range []int64{98, 50} {
			market.Utilise(market.USDC, percent)
			available, lent := market.Liquidity(market.USDC)
			got := new(big.Rat).SetFrac(new(big.Int).Mul(lent, big.NewInt(100)), new(big.Int).Add(available, lent))
			if f, _ := got.Float64(); f < float64(percent)-0.1 || f > float64(percent)+0.1 {
				t.Errorf("%.3f %% are lent, want %d", f, percent)
			}
			all := market.Pool.Do("withdraw", market.USDC.Address, testbed.Max(), user.Address)
			if _, err := bed.Try(user.Address, all); (err != nil) != (percent == 98) {
				t.Errorf("withdrawing 50,000 USDC while %d %% of 550,000 are lent: %v", percent, err)
			}
		}
		market.Pause(true)
		if _, err := bed.Try(user.Address, market.Pool.Do("withdraw", market.USDC.Address, big.NewInt(1), user.Address)); err == nil || !strings.Contains(err.Error(), "29") {
			t.Errorf("withdrawing from a paused market: %v, want Aave's error 29", err)
		}
		market.Pause(false)
		market.Depeg(0.93)
		if got := market.Price(market.USDC); got.Int64() != 93_000_000 {
			t.Errorf("USDC costs %v after it lost its peg", got)
		}
		market.Withdraw(user, market.USDC, testbed.Max())
	})
}

// TestAnvilOnly tries the levers that only anvil has.
func TestAnvilOnly(t *testing.T) {
	t.Parallel()
	bed := testbed.Start(t, testbed.Anvil)
	weth, a, b := bed.WETH(), bed.Accounts[1].Address, common.Address{0xde, 0xad}
	revert := bed.Snapshot()
	bed.Mint(weth, a, testbed.Ether(1))
	revert()
	if got := bed.Balance(weth, a); got.Sign() != 0 {
		t.Errorf("%v wei of WETH are there that the snapshot does not have", got)
	}
	bed.Mint(weth, b, testbed.Ether(3))
	bed.As(b, weth.Do("transfer", a, testbed.Ether(1)))
	bed.SetBaseFee(big.NewInt(700e9))
	bed.Mine(1)
	if fee := head(t, bed.Client).BaseFee; fee.Cmp(big.NewInt(700e9)) != 0 {
		t.Errorf("the base fee is %v", fee)
	}
	bed.Mint(weth, b, testbed.Ether(1)) // a spike does not stop the bed itself

	url, before := bed.URL, head(t, bed.Client)
	bed.Stop()
	if _, err := bed.Client.BlockNumber(t.Context()); err == nil {
		t.Error("a node that was stopped answers")
	}
	bed.Restart()
	if after := head(t, bed.Client); bed.URL != url || after.Hash() != before.Hash() {
		t.Errorf("after the restart block %v is the head at %s, before it was %v at %s", after.Number, bed.URL, before.Number, url)
	}
	if got := bed.Balance(weth, a); got.Cmp(testbed.Ether(1)) != 0 {
		t.Errorf("after the restart %v wei of WETH are there, want 1 ether", got)
	}
}

// TestLine goes through everything that can be wrong with a node.
func TestLine(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		bed.Mine(5)
		line := bed.Through(testbed.Fault{})
		for _, url := range []string{line.URL, line.WS} {
			client, err := ethclient.DialContext(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			line.Set(testbed.Fault{})
			real := head(t, client)
			if real.Hash() != head(t, bed.Client).Hash() {
				t.Errorf("a good line shows another head")
			}

			line.Set(testbed.Fault{Lag: 2})
			if got := head(t, client); got.Number.Uint64() != real.Number.Uint64()-2 {
				t.Errorf("two blocks behind %v the head is %v", real.Number, got.Number)
			}
			if n, err := client.BlockNumber(t.Context()); err != nil || n != real.Number.Uint64()-2 {
				t.Errorf("two blocks behind %v the number is %d (%v)", real.Number, n, err)
			}
			if _, err := client.HeaderByHash(t.Context(), real.Hash()); err == nil {
				t.Error("a node that is behind knows the head")
			}

			line.Set(testbed.Fault{Lacks: []string{"eth_chainId"}})
			if _, err := client.ChainID(t.Context()); err == nil || !strings.Contains(err.Error(), "does not exist") {
				t.Errorf("a method that is lacking: %v", err)
			}
			line.Set(testbed.Fault{Lie: func(method string, _, result json.RawMessage) json.RawMessage {
				if method == "eth_getBalance" {
					return json.RawMessage(`"0x1"`)
				}
				return result
			}})
			if got, err := client.BalanceAt(t.Context(), bed.Admin().Address, nil); err != nil || got.Int64() != 1 {
				t.Errorf("a lie of 1 wei was told as %v (%v)", got, err)
			}
		}
		if n := line.Asked("eth_getBalance"); n != 2 {
			t.Errorf("balances were asked for %d times, want 2", n)
		}
		badly(t, bed, line)
	})
}

// badly is the faults that end a connection.
func badly(t *testing.T, bed *testbed.Bed, line *testbed.Line) {
	t.Helper()
	client, err := ethclient.DialContext(t.Context(), line.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for want, fault := range map[string]testbed.Fault{
		"429":               {Refuse: 429},
		"unexpected EOF":    {Cut: true},
		"deadline exceeded": {Silent: true},
	} {
		line.Set(fault)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, err := client.BlockNumber(ctx); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("asking through a line with %+v: %v, want %s", fault, err, want)
		}
		cancel()
	}

	line.Set(testbed.Fault{Lose: true})
	from := bed.Accounts[4]
	tx, err := types.SignNewTx(from.Key, types.LatestSignerForChainID(bed.ChainID), &types.DynamicFeeTx{ChainID: bed.ChainID,
		GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(10e9), Gas: 21_000, To: &from.Address})
	if err == nil {
		err = client.SendTransaction(t.Context(), tx)
	}
	if n, _ := bed.Client.PendingNonceAt(t.Context(), from.Address); err != nil || n != 0 {
		t.Errorf("a transaction that gets lost: %v, and the next nonce is %d", err, n)
	}
}

// TestHeadsThroughALine wants subscriptions to go through.
func TestHeadsThroughALine(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		client, err := ethclient.DialContext(t.Context(), bed.Through(testbed.Fault{}).WS)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		heads := make(chan *types.Header, 10)
		subscription, err := client.SubscribeNewHead(t.Context(), heads)
		if err != nil {
			t.Fatal(err)
		}
		defer subscription.Unsubscribe()
		bed.Mine(1)
		select {
		case h := <-heads:
			if want := head(t, bed.Client); h.Hash() != want.Hash() {
				t.Errorf("block %v was told of, want %v", h.Number, want.Number)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no block was told of")
		}
	})
}

func head(t *testing.T, client *ethclient.Client) *types.Header {
	t.Helper()
	h, err := client.HeaderByNumber(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
