package app

import (
	"context"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
	"lifeboat/chain/protocol"
)

// tokens are those of a plan on one chain: how they are called and counted, asked of the chain once.
type tokens struct {
	reader chain.Reader
	of     []common.Address

	mu    sync.Mutex
	known map[common.Address]protocol.Token
}

// askMax is how long tokens may take to say what they are called; without it amounts are shown as they stand on the chain.
const askMax = 10 * time.Second

func (t *tokens) find(ctx context.Context, address common.Address) (symbol string, decimals uint8, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil && len(t.of) > 0 {
		ctx, cancel := context.WithTimeout(ctx, askMax)
		defer cancel()
		if read, _, err := protocol.Tokens(ctx, t.reader, nil, t.of...); err == nil {
			t.known = map[common.Address]protocol.Token{}
			for _, one := range read {
				t.known[one.Address] = one
			}
		}
	}
	one, ok := t.known[address]
	return one.Symbol, one.Decimals, ok
}
