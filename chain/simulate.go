package chain

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// Simulate carries calls out one after the other in one block on top of a block, twelve seconds after it or, on the head, from
// now. Nonces are not checked and gas costs nothing. Enough nodes have to come to the same end; where fewer can simulate at
// all it is an [ErrNoSimulation].
func (c *Chain) Simulate(ctx context.Context, at *Block, calls []Transaction) ([]Outcome, error) {
	var when hexutil.Uint64
	if at != nil {
		when = hexutil.Uint64(at.Time.Add(minedAfter).Unix())
	} else {
		head, err := c.headOf(ctx, c.quorum)
		if err != nil {
			return nil, fmt.Errorf("simulate on %s: %w", c.network.Name, err)
		}
		at, when = &head.Block, c.mined(head.Block)
	}
	outcomes, err := agree(ctx, c, ballot[[]Outcome]{
		step: "simulate",
		need: c.quorum,
		ask: func(ctx context.Context, n *node) ([]Outcome, string, error) {
			outcomes, err := n.simulate(ctx, *at, when, calls)
			return outcomes, outcomesKey(outcomes), err
		},
		tell: outcomesDiffer,
	})
	switch {
	case err != nil && c.lacking(err, unsupported):
		return nil, fmt.Errorf("simulate on %s: %w, or too few for a quorum of %d", c.network.Name, ErrNoSimulation, c.quorum)
	case err != nil:
		return nil, fmt.Errorf("simulate on %s at block %d: %w", c.network.Name, at.Number, err)
	}
	return outcomes, nil
}

// simulated is the answer to eth_simulateV1 as far as it is read.
type simulated struct {
	Calls []struct {
		Return  hexutil.Bytes  `json:"returnData"`
		GasUsed hexutil.Uint64 `json:"gasUsed"`
		Status  hexutil.Uint64 `json:"status"`
		Logs    []types.Log    `json:"logs"`
		Error   *struct {
			Message string `json:"message"`
			Data    any    `json:"data"`
		} `json:"error"`
	} `json:"calls"`
}

// simulate asks one node, at the block's hash where it can.
func (n *node) simulate(ctx context.Context, at Block, when hexutil.Uint64, calls []Transaction) ([]Outcome, error) {
	messages := make([]map[string]any, len(calls))
	for i, call := range calls {
		messages[i] = call.message()
	}
	options := map[string]any{
		"blockStateCalls": []any{map[string]any{"blockOverrides": later{when}, "calls": messages}},
		"traceTransfers":  true,
		"validation":      false,
	}
	blocks, err := n.simulateAt(ctx, options, at)
	if err != nil {
		return nil, err
	}
	if len(blocks) != 1 || len(blocks[0].Calls) != len(calls) {
		return nil, &fault{host: n.host, step: "eth_simulateV1", message: "it answers for another number of calls"}
	}
	outcomes := make([]Outcome, len(calls))
	for i, call := range blocks[0].Calls {
		outcomes[i] = Outcome{Return: call.Return, GasUsed: uint64(call.GasUsed), Logs: call.Logs}
		if call.Error != nil || call.Status == 0 {
			outcomes[i].Err, outcomes[i].Logs = ErrReverted, nil
			if call.Error != nil && len(call.Return) == 0 {
				outcomes[i].Return = revertData(call.Error.Data)
			}
		}
	}
	return outcomes, nil
}

// simulateAt tries the block's hash, and its number between two looks at the hash where the node takes numbers alone.
func (n *node) simulateAt(ctx context.Context, options map[string]any, at Block) (blocks []simulated, err error) {
	if !n.pinsByNumber() {
		err := n.one(ctx, &blocks, "eth_simulateV1", options, pinned{at.Hash})
		if err == nil || classOf(err) != unsupported {
			return blocks, err
		}
	}
	requests := []rpc.BatchElem{
		n.look(at),
		{Method: "eth_simulateV1", Args: []any{options, hexutil.Uint64(at.Number)}, Result: &blocks},
		n.look(at),
	}
	if err := n.ask(ctx, requests...); err != nil {
		return nil, err
	}
	if requests[1].Error != nil {
		return nil, n.fault(ctx, "eth_simulateV1", requests[1].Error)
	}
	return blocks, n.checkPin(ctx, at, requests)
}

// outcomesKey covers what the calls did. In which block and transaction nodes place the logs of a simulation is their own affair.
func outcomesKey(outcomes []Outcome) string {
	var key []byte
	part := func(b []byte) {
		key = binary.BigEndian.AppendUint64(key, uint64(len(b)))
		key = append(key, b...)
	}
	for _, o := range outcomes {
		part(o.Return)
		key = binary.BigEndian.AppendUint64(key, o.GasUsed)
		if o.Err != nil {
			key = append(key, 1)
		}
		for _, l := range o.Logs {
			part(l.Address[:])
			for _, topic := range l.Topics {
				part(topic[:])
			}
			part(l.Data)
		}
	}
	return string(key)
}

func outcomesDiffer(mine, other []Outcome) string {
	for i := range mine {
		if outcomesKey(mine[i:i+1]) == outcomesKey(other[i:i+1]) {
			continue
		}
		if mine[i].Err != nil {
			return fmt.Sprintf("call %d reverts: %s", i+1, Revert(mine[i].Return))
		}
		return fmt.Sprintf("call %d takes %d gas, returns %d bytes and leaves %d logs", i+1, mine[i].GasUsed, len(mine[i].Return), len(mine[i].Logs))
	}
	return ""
}
