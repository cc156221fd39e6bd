package solana

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lifeboat/custodian/address"
	"lifeboat/custodian/node"
	"lifeboat/custodian/solana/solanatest"
)

type stopped struct{ at time.Time }

func (s stopped) Now() time.Time                               { return s.at }
func (s stopped) Sleep(ctx context.Context, _ time.Time) error { <-ctx.Done(); return ctx.Err() }

var noon = time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)

const (
	owner   = "83astBRguLMdt2h5U1Tpdq5tjFoJ6noeGwaY3mDLVcri"
	other   = "Vote111111111111111111111111111111111111111"
	usdc    = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
	account = "7UX2i7SucgLMQcfZ75s3VXmZZY4YRUyJN9X1RgfMoDUi"
	staked  = "CYRJWqiSjLitBAcRxPvWpgX3s5TvmN2SuRY3eEYypFvT"
)

func holding(mint, state, amount string) string {
	return fmt.Sprintf(`{"pubkey":%q,"account":{"data":{"program":"spl-token","parsed":{"type":"account","info":{"isNative":false,"mint":%q,"owner":%q,"state":%q,"tokenAmount":{"amount":%q,"decimals":6,"uiAmount":0.1,"uiAmountString":"0.1"}}},"space":165},"executable":false,"lamports":2039280,"owner":"TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA","rentEpoch":18446744073709551615}}`,
		account, mint, owner, state, amount)
}

func at(slot int, value string) string {
	return fmt.Sprintf(`{"context":{"apiVersion":"2.1.0","slot":%d},"value":%s}`, slot, value)
}

func cluster() *solanatest.Node {
	return &solanatest.Node{Results: map[string][]string{
		"getGenesisHash":      {`"5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"`},
		"getBlockTime":        {fmt.Sprint(noon.Unix() - 20)},
		"getBalance " + owner: {at(400, "1500000000"), at(402, "1500000001"), at(404, "1500000001")},
		"getTokenAccountsByOwner " + owner + " " + token:     {at(401, "["+holding(usdc, "initialized", "18446744073709551615")+","+holding(other, "initialized", "7")+"]")},
		"getTokenAccountsByOwner " + owner + " " + token2022: {at(403, "["+holding(usdc, "frozen", "1")+"]")},
		"getAccountInfo " + staked: {at(405, fmt.Sprintf(`{"lamports":2000000001,"owner":"Stake11111111111111111111111111111111111111","executable":false,"rentEpoch":0,"space":200,
			"data":{"program":"stake","parsed":{"type":"delegated","info":{"meta":{"authorized":{"staker":%q,"withdrawer":%q}},"stake":{}}}}}`, owner, owner))},
	}}
}

func sourceAt(t *testing.T, handler http.Handler) *Source {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	n, err := node.New(server.URL+"/v1/a-secret-key", stopped{noon}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Node: n, Addresses: []string{owner, owner}, Stakes: []string{staked}, Tokens: map[string]string{usdc: "USDC"}, Clock: stopped{noon}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is held is what two readings in a row say: SOL with its stake, and the named tokens of both programs, exactly.
func TestHoldings(t *testing.T) {
	n := cluster()
	h, err := sourceAt(t, n).Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(h.Height, h.At.Format(" 15:04:05"))
	for _, l := range h.Lines {
		got += fmt.Sprintf("; %s %s, %s free", l.Symbol, l.Quantity, l.Free)
	}
	if want := "401 11:59:40; SOL 3.500000002, 1.500000001 free; USDC 18446744073709.551616, 18446744073709.551615 free"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// What came and went is told with the fee in it, and the one on the other side.
func TestTransfers(t *testing.T) {
	n := cluster()
	n.Results["getSignaturesForAddress "+owner] = []string{`[{"signature":"sigA","slot":390,"err":null,"memo":null,"blockTime":1773662000,"confirmationStatus":"finalized"}]`}
	n.Results["getSignaturesForAddress "+account] = []string{`[{"signature":"sigB","slot":395,"err":null},{"signature":"sigA","slot":390,"err":null}]`}
	n.Results["getTransaction sigA"] = []string{fmt.Sprintf(`{"slot":390,"blockTime":1773662000,"version":0,"meta":{"err":null,"fee":5000,"preBalances":[2000000000,5],"postBalances":[1499995000,500000005],"preTokenBalances":[],"postTokenBalances":[]},
		"transaction":{"message":{"accountKeys":[{"pubkey":%q,"signer":true,"writable":true},{"pubkey":%q,"signer":false,"writable":true}]},"signatures":["sigA"]}}`, owner, other)}
	n.Results["getTransaction sigB"] = []string{fmt.Sprintf(`{"slot":395,"blockTime":1773662002,"version":"legacy","meta":{"err":null,"fee":5000,"preBalances":[9,9],"postBalances":[9,9],
		"preTokenBalances":[{"accountIndex":0,"mint":%q,"owner":%q,"uiTokenAmount":{"amount":"100","decimals":6}}],"postTokenBalances":[{"accountIndex":1,"mint":%q,"owner":%q,"uiTokenAmount":{"amount":"100","decimals":6}}]},
		"transaction":{"message":{"accountKeys":[{"pubkey":%q},{"pubkey":%q}]}}}`, usdc, other, usdc, owner, account, other)}
	got, err := sourceAt(t, n).Transfers(t.Context(), 10)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if b := got[0]; b.Hash != "sigB" || b.Symbol != "USDC" || b.Amount.String() != "0.0001" || b.Counterpart != other {
		t.Errorf("%+v", b)
	}
	if a := got[1]; a.Hash != "sigA" || a.Symbol != "SOL" || a.Amount.String() != "-0.500005" || a.Counterpart != other || a.At.Unix() != 1773662000 {
		t.Errorf("%+v", a)
	}
}

// Whatever a node answers that it should not, the account is not known, in a sentence that names the host and not the key.
func TestBadAnswers(t *testing.T) {
	tokens := "getTokenAccountsByOwner " + owner + " " + token
	for _, c := range []struct{ name, method, answer, want string }{
		{"a page", "getBalance " + owner, "raw:<html>sign in a-secret-key</html>", "the answer is a page and not JSON"},
		{"cut", "getBalance " + owner, `raw:{"jsonrpc":"2.0","result":{"context":{"slo`, "not the JSON that it should be"},
		{"an error", "getBalance " + owner, `raw:{"jsonrpc":"2.0","error":{"code":-32005,"message":"Node is behind by 42 slots"},"id":1}`, "Node is behind by 42 slots (code -32005)"},
		{"an error with the key", "getBalance " + owner, `raw:{"jsonrpc":"2.0","error":{"code":-32000,"message":"no such key a-secret-key"},"id":1}`, "no such key …"},
		{"no result", "getBalance " + owner, `raw:{"jsonrpc":"2.0","id":1}`, "the answer has no result"},
		{"no slot", "getBalance " + owner, `{"value":5}`, "at which slot"},
		{"no value", "getBalance " + owner, at(5, "null"), "does not say what is there"},
		{"negative", "getBalance " + owner, at(5, "-1"), "no amount of lamports"},
		{"a fraction", "getBalance " + owner, at(5, "1.5"), "no amount of lamports"},
		{"huge", "getBalance " + owner, at(5, "1e99"), "no amount of lamports"},
		{"no list", tokens, at(5, "null"), "does not say what is there"},
		{"of somebody else", tokens, at(5, "["+strings.ReplaceAll(holding(usdc, "initialized", "5"), owner, other)+"]"), "not a token account of this address"},
		{"base64", tokens, at(5, `[{"pubkey":"x","account":{"data":["AA==","base64"]}}]`), "not what getTokenAccountsByOwner should say"},
		{"no decimals", tokens, at(5, "["+strings.ReplaceAll(holding(usdc, "initialized", "5"), `"decimals":6`, `"decimals":null`)+"]"), "not a token account of this address"},
		{"stake that is gone", "getAccountInfo " + staked, at(5, "null"), "does not say what is there"},
		{"stake of somebody else", "getAccountInfo " + staked, at(5, `{"lamports":5,"owner":"Stake11111111111111111111111111111111111111","data":{"program":"stake","parsed":{"info":{"meta":{"authorized":{"withdrawer":"x"}}}}}}`), "none of the account's addresses may withdraw"},
		{"another cluster", "getGenesisHash", `"EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxkPkZBG"`, "it is a node of devnet, and the account is on mainnet"},
		{"no cluster", "getGenesisHash", `"x"`, "a cluster that is not one of Solana's"},
		{"behind", "getBlockTime", fmt.Sprint(noon.Unix() - 301), "it is behind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := cluster()
			n.Results[c.method] = []string{c.answer}
			s := sourceAt(t, n)
			h, err := s.Holdings(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), s.Name()+": ") || strings.Contains(err.Error(), "secret") || len(h.Lines) > 0 {
				t.Errorf("%v, %v", h, err)
			}
		})
	}
	t.Run("too many requests", func(t *testing.T) {
		s := sourceAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }))
		if _, err := s.Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "429 Too Many Requests") {
			t.Error(err)
		}
	})
	t.Run("never the same", func(t *testing.T) {
		n := cluster()
		n.Results["getBalance "+owner] = []string{at(1, "1"), at(2, "2"), at(3, "3"), at(4, "4"), at(5, "5")}
		if _, err := sourceAt(t, n).Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "another one at each of 4 looks") {
			t.Error(err)
		}
	})
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{owner, ""}, {other, ""}, {"11111111111111111111111111111111", ""},
		{"", "no address"}, {owner[:40], "bytes where an address of Solana holds 32"}, {owner + "1111", "44 characters at most"},
		{"0" + owner[1:], "not of base58"}, {"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "not of base58"},
	} {
		if err := address.CheckSolana(c.text); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}

func FuzzUnits(f *testing.F) {
	for _, seed := range []string{"18446744073709551615", "-1", "1e9", "", "007"} {
		f.Add(seed, owner)
	}
	f.Fuzz(func(t *testing.T, text, account string) {
		if d, ok := units(text, 9); ok && d.IsNegative() {
			t.Errorf("%q", text)
		}
		_ = address.CheckSolana(account)
	})
}
