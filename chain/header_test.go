package chain_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/testbed"
)

// TestHeaderByHash has a node that tells of a block what is not so: it is not believed, and the other one is asked.
func TestHeaderByHash(t *testing.T) {
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		bed.Mine(2)
		want, err := bed.Client.HeaderByNumber(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		more := func(method string, _, result json.RawMessage) json.RawMessage {
			if method != "eth_getBlockByHash" {
				return result
			}
			return json.RawMessage(strings.Replace(string(result), `"extraData":"0x`, `"extraData":"0x01`, 1))
		}
		liar, honest := bed.Through(testbed.Fault{Lie: more}), bed.Through(testbed.Fault{})
		ask := func(hash common.Hash, urls ...string) (common.Hash, error) {
			config := chain.Config{ID: bed.ChainID.Uint64(), Poll: 20 * time.Millisecond, Timeout: 10 * time.Second}
			for _, url := range urls {
				config.Nodes = append(config.Nodes, chain.Node{URL: url})
			}
			h, err := open(t, config).Header(t.Context(), hash)
			if err != nil {
				return common.Hash{}, err
			}
			return h.Hash(), nil
		}
		if got, err := ask(want.Hash(), liar.URL, honest.URL); err != nil || got != want.Hash() {
			t.Errorf("of two it is %s: %v", got, err)
		}
		if got, err := ask(want.Hash(), liar.URL); err == nil {
			t.Errorf("of the liar alone it is %s", got)
		}
		if got, err := ask(common.Hash{1}, honest.URL); err == nil {
			t.Errorf("of a block that is not there it is %s", got)
		}
	})
}
