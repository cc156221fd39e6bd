package chain_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
)

// printed is a node that answers with text which it fills in, so that most of what is measured is the reader's own work: blocks whose
// hash is their number, each with the same logs.
type printed struct {
	head atomic.Uint64
	logs int // of a block
	ours int // of them from an address that is watched
}

func (p *printed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var batch []struct {
		ID     json.RawMessage
		Method string
		Params []json.RawMessage
	}
	if err := json.Unmarshal(body, &batch); err != nil {
		panic(err)
	}
	out := []byte{'['}
	for i, m := range batch {
		if i > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, `{"jsonrpc":"2.0","id":%s,"result":`, m.ID)
		switch m.Method {
		case "eth_chainId":
			out = append(out, `"0x1"`...)
		case "eth_getBlockByNumber", "eth_getHeaderByNumber":
			number := p.head.Load()
			if string(m.Params[0]) != `"latest"` {
				number = quantityOf(m.Params[0])
			}
			out = appendHeader(out, number)
		case "eth_getLogs":
			out = p.appendLogs(out, m.Params[0])
		}
		out = append(out, '}')
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(out, ']'))
}

func quantityOf(raw json.RawMessage) (n uint64) {
	fmt.Sscanf(strings.Trim(string(raw), `"`), "0x%x", &n)
	return n
}

var full = strings.Repeat("ff", 256)

func appendHeader(out []byte, number uint64) []byte {
	return fmt.Appendf(out, `{"number":"0x%x","hash":"0x%064x","parentHash":"0x%064x","timestamp":"0x%x","logsBloom":"0x%s","stateRoot":"0x%064x","gasLimit":"0x1c9c380","miner":"0x%040x"}`,
		number, number, number-1, number*12, full, 1, 2)
}

// appendLogs of transfers, as most logs are.
func (p *printed) appendLogs(out []byte, raw json.RawMessage) []byte {
	var filter struct {
		FromBlock json.RawMessage `json:"fromBlock"`
		ToBlock   json.RawMessage `json:"toBlock"`
		BlockHash *common.Hash    `json:"blockHash"`
	}
	if err := json.Unmarshal(raw, &filter); err != nil {
		panic(err)
	}
	var from, to uint64
	if filter.BlockHash != nil {
		from = binary.BigEndian.Uint64(filter.BlockHash[24:])
		to = from
	} else {
		from, to = quantityOf(filter.FromBlock), quantityOf(filter.ToBlock)
	}
	const some = "000000000000000000000000"
	out = append(out, '[')
	for number := from; number <= to; number++ {
		block := fmt.Appendf(nil, `","blockNumber":"0x%x","blockHash":"0x%064x","transactionHash":"0x%064x","transactionIndex":"0x1","logIndex":"0x`, number, number, number)
		for i := range p.logs {
			if number > from || i > 0 {
				out = append(out, ',')
			}
			address := [20]byte{0: 0xee, 18: byte(i >> 8), 19: byte(i)}
			if i < p.ours {
				address = [20]byte{0: 0xaa, 18: byte(i >> 8), 19: byte(i)}
			}
			out = append(out, `{"address":"0x`...)
			out = hex.AppendEncode(out, address[:])
			out = append(out, `","topics":["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef","0x`+some...)
			out = hex.AppendEncode(out, address[:])
			out = append(out, `","0x`+some...)
			out = hex.AppendEncode(out, address[:])
			out = append(out, `"],"data":"0x00000000000000000000000000000000000000000000000000000000000f4240`...)
			out = append(out, block...)
			out = fmt.Appendf(out, `%x","removed":false}`, i)
		}
	}
	return append(out, ']')
}

// watched are ten thousand addresses, of which those of the printed logs that are ours are some.
func watched() (addresses []common.Address) {
	for i := range chain.AddressesMax {
		addresses = append(addresses, common.Address{0: 0xaa, 18: byte(i >> 8), 19: byte(i)})
	}
	return addresses
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkHead follows the head of a busy chain block by block, with ten thousand addresses watched, a quorum of two of three, and
// the three nodes in the same process.
func BenchmarkHead(b *testing.B) {
	for _, logs := range []int{200, 1000} {
		b.Run(fmt.Sprintf("%d logs", logs), func(b *testing.B) { benchmark(b, &printed{logs: logs, ours: 5}, uint64(b.N), 1) })
	}
}

// BenchmarkCatchUp reads a hundred thousand blocks of ten logs each that were missed.
func BenchmarkCatchUp(b *testing.B) {
	for b.Loop() {
		benchmark(b, &printed{logs: 10, ours: 2}, 100_000, 100_000)
	}
}

// benchmark follows a number of blocks, of which so many more are there whenever the head was reached.
func benchmark(b *testing.B, p *printed, blocks, atOnce uint64) {
	config := chain.Config{ID: 1, Poll: time.Millisecond}
	for range 3 {
		server := httptest.NewServer(p)
		defer server.Close()
		config.Nodes = append(config.Nodes, chain.Node{URL: server.URL})
	}
	c := open(b, config)
	p.head.Store(min(atOnce, blocks))
	start, taken, found := cpu(), uint64(0), 0
	done := errors.New("done")
	err := c.Follow(context.Background(), chain.From(1), chain.Filter{Addresses: watched()}, func(s chain.Step) error {
		taken, found = taken+1, found+len(s.Logs)
		if s.Block.Number == p.head.Load() {
			p.head.Store(min(s.Block.Number+atOnce, blocks))
		}
		if taken == blocks {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) || found != int(blocks)*p.ours {
		b.Fatalf("%v, %d logs", err, found)
	}
	spent := (cpu() - start).Seconds()
	b.ReportMetric(float64(blocks)/spent, "blocks/CPU-s")
	b.ReportMetric(float64(blocks)*float64(p.logs)/spent, "logs/CPU-s")
	b.ReportMetric(spent, "CPU-s")
}
