package bitcoin

import (
	"bytes"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/custodian/address"
	"lifeboat/custodian/bitcoin/btcdtest"
)

func sourceOn(t *testing.T, r *btcdtest.Regtest, addresses ...address.Bitcoin) *Source {
	t.Helper()
	var texts []string
	for _, a := range addresses {
		texts = append(texts, a.Text)
	}
	s, err := New(Options{Node: at(t, r.URL, lifeboat.WallClock{}), Addresses: texts, Network: address.Regtest, Clock: lifeboat.WallClock{}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func holds(t *testing.T, s *Source, height uint64, quantity, free string) {
	t.Helper()
	h, err := s.Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if l := h.Lines[0]; h.Height != height || h.At.IsZero() || l.Symbol != "BTC" || !l.Quantity.Equal(decimal.RequireFromString(quantity)) || !l.Free.Equal(decimal.RequireFromString(free)) {
		t.Errorf("at %d: %s, free %s; want %s, %s at %d", h.Height, l.Quantity, l.Free, quantity, free, height)
	}
}

// On a chain that is really running: blocks are mined to an address, it pays to another, and what is held and free follows to the
// satoshi, through what waits and what is confirmed.
func TestRegtest(t *testing.T) {
	r := btcdtest.Start(t)
	otherKey, _ := btcec.PrivKeyFromBytes(bytes.Repeat([]byte{9}, 32))
	vault := btcdtest.Witness(t, otherKey)
	taproot, err := address.ParseBitcoin("bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6")
	if err != nil {
		t.Fatal(err)
	}
	miner, both, safe := sourceOn(t, r, r.Mine), sourceOn(t, r, vault, taproot), sourceOn(t, r, r.Mine, vault)
	holds(t, both, 0, "0", "0") // never used: known to hold nothing
	r.Generate(120)
	holds(t, miner, 120, "6000", "1050") // mined coins rest for a hundred blocks
	id, value := r.Coinbase(1)
	sent := r.Spend(id, 0, value, btcdtest.Payment{To: vault, Satoshi: 1}, btcdtest.Payment{To: taproot, Satoshi: 12_3456_7890}, btcdtest.Payment{To: r.Mine, Satoshi: value - 12_3456_7891 - 1000})
	holds(t, miner, 120, "6000", "1000")
	holds(t, both, 120, "0", "0") // what waits is not held
	if got, err := both.Transfers(t.Context(), 5); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	r.Generate(1)
	holds(t, both, 121, "12.34567891", "12.34567891")
	holds(t, miner, 121, "6037.65432109", "1087.65431109") // the next block pays the miner the fee as well, and another of its coins matures
	holds(t, safe, 121, "6037.6543211", "1087.6543111")

	got, err := both.Transfers(t.Context(), 5)
	if err != nil || len(got) != 1 || got[0].Hash != sent || got[0].Amount.String() != "12.34567891" || got[0].Counterpart != r.Mine.Text || got[0].At.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = miner.Transfers(t.Context(), 3)
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := safe.Transfers(t.Context(), 200); err != nil || len(got) != 122 {
		t.Errorf("%d transfers, %v", len(got), err) // 121 blocks, and the payment
	}
	mainnet, err := New(Options{Node: at(t, r.URL, lifeboat.WallClock{}), Addresses: []string{"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"}, Clock: lifeboat.WallClock{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mainnet.Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "it is a server of regtest, and the account is on mainnet") || strings.Contains(err.Error(), "password") {
		t.Errorf("another network: %v", err)
	}
	wrong, _ := New(Options{Node: at(t, strings.Replace(r.URL, "a-long-password", "not-the-password", 1), lifeboat.WallClock{}), Addresses: []string{vault.Text}, Network: address.Regtest, Clock: lifeboat.WallClock{}})
	if _, err := wrong.Holdings(t.Context()); err == nil || strings.Contains(err.Error(), "not-the-password") || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong password: %v", err)
	}
}
