package bitcoin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"lifeboat"
	"lifeboat/custodian/address"
	"lifeboat/custodian/bitcoin/bitcointest"
	"lifeboat/custodian/node"
)

type stopped struct{ at time.Time }

func (s stopped) Now() time.Time                               { return s.at }
func (s stopped) Sleep(ctx context.Context, _ time.Time) error { <-ctx.Done(); return ctx.Err() }

var noon = time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)

const (
	cold    = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
	genesis = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
)

var (
	block1, block2 = strings.Repeat("1", 64), strings.Repeat("2", 64)
	tx1, tx2       = strings.Repeat("a", 64), strings.Repeat("b", 64)
)

func chain() *bitcointest.Chain {
	a, _ := address.ParseBitcoin(cold)
	return &bitcointest.Chain{Genesis: genesis, Tips: []string{block1}, Height: 940000, Time: noon.Unix() - 300, Address: cold, Script: a.Script,
		Funded: "2100000000000001", Spent: "100000000000000", Leaving: "1", Watched: true, Paths: map[string]string{}, Methods: map[string]string{}}
}

// at is the server of an address.
func at(t *testing.T, url string, clock lifeboat.Clock) *node.Node {
	t.Helper()
	n, err := node.New(url, clock, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sourceAt(t *testing.T, handler http.Handler, user string) *Source {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	where, _ := url.Parse(server.URL)
	if user != "" {
		where.User = url.UserPassword("owner", user)
	}
	s, err := New(Options{Node: at(t, where.String(), stopped{noon}), Addresses: []string{cold, cold}, Clock: stopped{noon}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An Esplora server: exact amounts, what the mempool spends is not free, and another look where a block came in between.
func TestEsplora(t *testing.T) {
	c := chain()
	c.Tips = []string{block1, block2, block2}
	s := sourceAt(t, c.Esplora(), "")
	holds(t, s, 940000, "20000000.00000001", "20000000")
	h, _ := s.Holdings(t.Context())
	if !h.At.Equal(noon.Add(-5*time.Minute)) || s.Name() == "" {
		t.Errorf("%v", h.At)
	}
	c.Paths["/address/"+cold+"/txs/chain"] = fmt.Sprintf(`[{"txid":%q,"vin":[{"is_coinbase":false,"prevout":{"scriptpubkey":%q,"scriptpubkey_address":%q,"value":5000}}],
		"vout":[{"scriptpubkey":"0014","scriptpubkey_address":"bc1qother","value":3000},{"scriptpubkey":%q,"scriptpubkey_address":%q,"value":1500}],"status":{"confirmed":true,"block_time":1773662400}}]`, tx1, c.Script, cold, c.Script, cold)
	c.Paths["/address/"+cold+"/txs/chain/"+tx1] = `[]`
	got, err := s.Transfers(t.Context(), 5)
	if err != nil || len(got) != 1 || got[0].Amount.String() != "-0.000035" || got[0].Counterpart != "bc1qother" || got[0].Hash != tx1 {
		t.Errorf("%+v, %v", got, err)
	}
	c.Paths["/address/"+cold+"/txs/chain/"+tx1] = c.Paths["/address/"+cold+"/txs/chain"] // a list that never ends
	if got, err := s.Transfers(t.Context(), 5); err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Bitcoin Core: what the wallet lists as unspent is free; what a waiting transaction of it spends is held and not free.
func TestCore(t *testing.T) {
	c := chain()
	c.Methods["listunspent"] = fmt.Sprintf(`[{"txid":%q,"vout":0,"address":%q,"scriptPubKey":%q,"amount":0.10000000,"confirmations":6,"spendable":false,"solvable":true,"safe":true}]`, tx1, cold, c.Script)
	c.Methods["listsinceblock"] = fmt.Sprintf(`{"transactions":[{"txid":%q,"confirmations":0,"category":"send"},{"txid":%q,"confirmations":0,"category":"send"}],"removed":[],"lastblock":%q}`, tx2, tx2, block1)
	c.Methods["gettransaction"] = fmt.Sprintf(`{"txid":%q,"confirmations":0,"decoded":{"txid":%q,"vin":[{"txid":%q,"vout":1},{"txid":%q,"vout":2}],"vout":[]}}`, tx2, tx2, tx1, tx1)
	c.Methods["gettxout"] = fmt.Sprintf(`{"bestblock":%q,"confirmations":6,"value":0.00000001,"scriptPubKey":{"hex":%q,"address":%q}}`, block1, c.Script, cold)
	s := sourceAt(t, c.Core("owner", "a-long-password"), "a-long-password")
	holds(t, s, 940000, "0.10000002", "0.1")
	c.Methods["gettxout"] = "null" // spent meanwhile
	holds(t, s, 940000, "0.1", "0.1")

	c.Methods["listtransactions"] = fmt.Sprintf(`[{"txid":%q,"blockhash":%q,"confirmations":6,"category":"receive"},{"txid":%q,"confirmations":0,"category":"send"}]`, tx1, block1, tx2)
	c.Methods["getrawtransaction"] = fmt.Sprintf(`{"txid":%q,"blockhash":%q,"blocktime":1773662400,"confirmations":6,"vin":[{"txid":%q,"vout":0,"prevout":{"generated":false,"height":1,"value":1.5,"scriptPubKey":{"hex":"0014","address":"bc1qother"}}}],
		"vout":[{"value":1.49999,"n":0,"scriptPubKey":{"hex":%q,"address":%q}}]}`, tx1, block1, tx2, c.Script, cold)
	got, err := s.Transfers(t.Context(), 5)
	if err != nil || len(got) != 1 || got[0].Amount.String() != "1.49999" || got[0].Counterpart != "bc1qother" {
		t.Errorf("%+v, %v", got, err)
	}
	c.Watched = false
	if _, err := s.Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "the wallet does not watch this address") {
		t.Errorf("an address that nobody watches: %v", err)
	}
	c.Watched, c.Scanning = true, true
	if _, err := s.Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "still looking through old blocks") {
		t.Errorf("a wallet that is not ready: %v", err)
	}
}

// Whatever a server answers that it should not, the account is not known, in a sentence that names the host.
func TestBadAnswers(t *testing.T) {
	address := "/address/" + cold
	for _, c := range []struct {
		name, path, answer, want string
		status                   int
	}{
		{"a page", address, "<html>sign in</html>", "the answer is a page and not JSON", 200},
		{"cut", address, `{"address":"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa","chain_st`, "not the JSON that it should be", 200},
		{"nothing in it", address, `{}`, "does not say what it holds", 200},
		{"another address", address, `{"address":"1x","chain_stats":{},"mempool_stats":{}}`, "not of this address", 200},
		{"no amounts", address, `{"address":"` + cold + `","chain_stats":{},"mempool_stats":{}}`, "none of Bitcoin", 200},
		{"negative", address, `{"address":"` + cold + `","chain_stats":{"funded_txo_sum":-5,"spent_txo_sum":0},"mempool_stats":{"spent_txo_sum":0}}`, "none of Bitcoin", 200},
		{"more spent than paid", address, `{"address":"` + cold + `","chain_stats":{"funded_txo_sum":5,"spent_txo_sum":6},"mempool_stats":{"spent_txo_sum":0}}`, "none of Bitcoin", 200},
		{"huge", address, `{"address":"` + cold + `","chain_stats":{"funded_txo_sum":9000000000000000,"spent_txo_sum":0},"mempool_stats":{"spent_txo_sum":0}}`, "more or less than there can be", 200},
		{"an exponent", address, `{"address":"` + cold + `","chain_stats":{"funded_txo_sum":1e999999999,"spent_txo_sum":0},"mempool_stats":{"spent_txo_sum":0}}`, "none of Bitcoin", 200},
		{"too many requests", address, `slow down`, "429 Too Many Requests", 429},
		{"too many requests at once", "/blocks/tip/height", `slow down`, "429 Too Many Requests", 429},
		{"out of order", "/blocks/tip/height", `bad gateway`, "502 Bad Gateway", 502},
		{"another network", "/block-height/0", "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943", "it is a server of testnet3, and the account is on mainnet", 200},
		{"another chain", "/block-height/0", block2, "a chain that is not Bitcoin's", 200},
		{"no hash", "/blocks/tip/hash", "latest", "not a block's hash", 200},
		{"a page for a hash", "/blocks/tip/hash", "<html>", "a page and not what its API should say", 200},
		{"behind", "/block/" + block1, `{"id":"` + block1 + `","height":900000,"timestamp":1773600000}`, "it is behind: its newest block, 900000, is of 2026-03-15", 200},
		{"another block", "/block/" + block1, `{"id":"` + block2 + `","height":900000,"timestamp":1773600000}`, "not the block that was asked for", 200},
		{"neither server", "/blocks/tip/height", "not here", "404", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			real := chain().Esplora()
			s := sourceAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == c.path {
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.answer)
					return
				}
				real.ServeHTTP(w, r)
			}), "")
			h, err := s.Holdings(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), s.Name()+": ") || len(h.Lines) > 0 {
				t.Errorf("%v, %v", h, err)
			}
		})
	}
	t.Run("blocks without end", func(t *testing.T) {
		c := chain()
		c.Tips = []string{block1, block2, block1, block2, block1, block2}
		if _, err := sourceAt(t, c.Esplora(), "").Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "a new block came during each of 3 looks") {
			t.Error(err)
		}
	})
}

// A list of transactions that never ends is an error: what is unspent cannot be told from half of it.
func TestEndlessPages(t *testing.T) {
	page := make([]string, pageSize)
	for i := range page {
		page[i] = fmt.Sprintf(`{"txid":%q,"blockhash":%q,"confirmations":5,"vin":[{"coinbase":"00"}],"vout":[{"value":1e-08,"n":0,"scriptPubKey":{"hex":"00"}}]}`, tx1, block1)
	}
	c := chain()
	c.Methods["version"] = `{"btcdjsonrpcapi":{"versionstring":"1.3.0"}}`
	c.Methods["searchrawtransactions"] = "[" + strings.Join(page, ",") + "]"
	if _, err := sourceAt(t, c.Core("owner", "p"), "p").Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "or the list does not end") {
		t.Error(err)
	}
}

func FuzzAmount(f *testing.F) {
	for _, seed := range []string{"1e-08", "20999999.9769", "-1", "1e999999999", "0.000000001", "", "5000000000", "NaN"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func() (bool, error){
			func() (bool, error) { d, err := bitcoins(json.Number(text)); return d.IsNegative(), err },
			func() (bool, error) { d, err := satoshi(json.Number(text)); return d.IsNegative(), err },
		} {
			if negative, err := read(); err == nil && negative {
				t.Errorf("%q is below nothing", text)
			}
		}
	})
}

// The first blocks are those of btcd.
func TestFirstBlocks(t *testing.T) {
	for _, p := range []*chaincfg.Params{&chaincfg.MainNetParams, &chaincfg.TestNet3Params, &chaincfg.TestNet4Params, &chaincfg.SigNetParams, &chaincfg.RegressionNetParams, &chaincfg.SimNetParams} {
		if got := first[p.GenesisHash.String()]; string(got) != p.Name {
			t.Errorf("%s is %q", p.Name, got)
		}
	}
}
