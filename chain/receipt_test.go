package chain

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
)

// aReceipt of a transaction that used 191,421 gas at 0.006 gwei, and more words of it.
func aReceipt(more string) string {
	return `{"type":"0x2","status":"0x1","cumulativeGasUsed":"0x2ebbd","logs":[],"logsBloom":"0x` + strings.Repeat("0", 512) + `","transactionHash":"0xc1452a62a8000000000000000000000000000000000000000000000000000001",` +
		`"transactionIndex":"0xb","blockHash":"0xbbbb000000000000000000000000000000000000000000000000000000000002","blockNumber":"0x10","gasUsed":"0x2ebbd","effectiveGasPrice":"0x5b8d80",` +
		`"from":"0x00000000000000000000000000000000000f4011","to":"0x0000000000000000000000000000000000005afe","contractAddress":null` + more + `}`
}

// TestWhatAReceiptCosts has what nodes of the OP stack say of it after each of its upgrades, in the words of op-geth and of op-reth; the sums
// are those of the formulas at specs.optimism.io.
func TestWhatAReceiptCosts(t *testing.T) {
	const gas = 191_421
	for name, c := range map[string]struct {
		more string
		toll int64
	}{
		"no rollup": {"", 0},
		"Bedrock":   {`,"l1GasPrice":"0x6fc23ac00","l1GasUsed":"0x640","l1FeeScalar":"0.684","l1Fee":"0x1dcd6500"`, 500_000_000},
		"Ecotone":   {`,"l1GasPrice":"0x17ed8ce1","l1GasUsed":"0x640","l1BaseFeeScalar":"0x2608","l1BlobBaseFee":"0x162bd81","l1BlobBaseFeeScalar":"0x177feb","l1Fee":"0x249ffaf3e"`, 9_831_427_902},
		"Isthmus":   {`,"l1Fee":"0x64","operatorFeeScalar":"0x3e8","operatorFeeConstant":"0xf4240"`, 100 + gas*1000/1_000_000 + 1_000_000},
		"Isthmus, where the operator takes nothing": {`,"l1Fee":"0x64","operatorFeeScalar":"0x0","operatorFeeConstant":"0x0"`, 100},
		"Jovian": {`,"l1Fee":"0x64","operatorFeeScalar":"0x3e8","operatorFeeConstant":"0xf4240","daFootprintGasScalar":"0x190","blobGasUsed":"0x9c40"`, 100 + gas*1000*100 + 1_000_000},
		"Jovian, the scalar of whose bytes is zero": {`,"l1Fee":"0x64","operatorFeeScalar":"0x1","daFootprintGasScalar":"0x0"`, 100 + gas*100},
		"Jovian, where the operator takes nothing":  {`,"l1Fee":"0x64","daFootprintGasScalar":"0x190"`, 100},
		"a deposit": {`,"depositNonce":"0x5","depositReceiptVersion":"0x1"`, 0},
	} {
		var r Receipt
		if err := json.Unmarshal([]byte(aReceipt(c.more)), &r); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Toll.Cmp(big.NewInt(c.toll)) != 0 || r.GasUsed != gas || r.From.Hex() != "0x00000000000000000000000000000000000f4011" {
			t.Errorf("%s: %s from %s beside %d gas, want %d", name, r.Toll, r.From, r.GasUsed, c.toll)
		}
		if fee, said := r.Fee(); !said || fee.Cmp(big.NewInt(gas*6_000_000+c.toll)) != 0 {
			t.Errorf("%s: a fee of %v", name, fee)
		}
	}
	if fee, said := (&Receipt{Receipt: types.Receipt{GasUsed: 5}, Toll: big.NewInt(7)}).Fee(); said {
		t.Errorf("gas without a price costs %s", fee)
	}
}

// FuzzReceipt: what is taken is what go-ethereum takes as well, with a toll that is never below zero, and the same again when it is read again.
func FuzzReceipt(f *testing.F) {
	for _, more := range []string{"", `,"l1Fee":"0x64"`, `,"l1Fee":null,"from":null`, `,"operatorFeeScalar":"0xffffffffffffffff","operatorFeeConstant":"0xffffffffffffffff","daFootprintGasScalar":"0x190"`,
		`,"l1Fee":"-0x1"`, `,"l1Fee":100`, `,"l1Fee":"0x` + strings.Repeat("f", 64) + `"`} {
		f.Add([]byte(aReceipt(more)))
	}
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r, again Receipt
		if json.Unmarshal(text, &r) != nil {
			return
		}
		var theirs types.Receipt
		if err := json.Unmarshal(text, &theirs); err != nil {
			t.Fatalf("taken, but go-ethereum says %v", err)
		}
		if r.Toll != nil && r.Toll.Sign() < 0 {
			t.Fatalf("a toll of %s", r.Toll)
		}
		if err := json.Unmarshal(text, &again); err != nil || receiptKey(&r) != receiptKey(&again) {
			t.Fatalf("%v: %s and %s", err, receiptKey(&r), receiptKey(&again))
		}
	})
}
