package cosmos

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/address/v2/bech32"

	"lifeboat/custodian/address"
	"lifeboat/custodian/cosmos/cosmostest"
	"lifeboat/custodian/node"
)

type stopped struct{ at time.Time }

func (s stopped) Now() time.Time                               { return s.at }
func (s stopped) Sleep(ctx context.Context, _ time.Time) error { <-ctx.Done(); return ctx.Err() }

var noon = time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)

func addressOf(prefix string, fill byte) string {
	text, _ := bech32.EncodeFromBase256(prefix, bytes.Repeat([]byte{fill}, 20))
	return text
}

var owner, other = addressOf("cosmos", 1), addressOf("cosmos", 2)

const latest = "/cosmos/base/tendermint/v1beta1/blocks/latest"

func head(chain, height, at string) string {
	return fmt.Sprintf(`{"block_id":{"hash":"x"},"block":{"header":{"chain_id":%q,"height":%q,"time":%q}},"sdk_block":null}`, chain, height, at)
}

func hub() *cosmostest.Node {
	none := `"pagination":{"next_key":null,"total":"0"}`
	return &cosmostest.Node{Height: "700", Answers: map[string]string{
		latest:                                   head("cosmoshub-4", "700", "2026-03-16T11:59:54.123456789Z"),
		"/cosmos/staking/v1beta1/params":         `{"params":{"bond_denom":"uatom","unbonding_time":"1814400s"}}`,
		"/cosmos/bank/v1beta1/balances/" + owner: `{"balances":[{"denom":"ibc/F663","amount":"5"}],"pagination":{"next_key":"cGFnZTI=","total":"0"}}`,
		"/cosmos/bank/v1beta1/balances/" + owner + "?cGFnZTI=":                   `{"balances":[{"denom":"uatom","amount":"1000001"}],` + none + `}`,
		"/cosmos/bank/v1beta1/spendable_balances/" + owner:                       `{"balances":[{"denom":"uatom","amount":"400000"}],` + none + `}`,
		"/cosmos/staking/v1beta1/delegations/" + owner:                           `{"delegation_responses":[{"delegation":{"shares":"2000000.0"},"balance":{"denom":"uatom","amount":"2000000"}}],` + none + `}`,
		"/cosmos/staking/v1beta1/delegators/" + owner + "/unbonding_delegations": `{"unbonding_responses":[{"entries":[{"balance":"30"},{"balance":"7"}]}],` + none + `}`,
	}}
}

func sourceAt(t *testing.T, handler http.Handler) *Source {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	n, err := node.New(server.URL, stopped{noon}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Node: n, Addresses: []string{owner, owner}, Prefix: "cosmos", ChainID: "cosmoshub-4", Assets: map[string]Asset{"uatom": {"ATOM", 6}}, Clock: stopped{noon}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is held is balances of all pages, stake and what is unbonding; free is what may be spent.
func TestHoldings(t *testing.T) {
	h, err := sourceAt(t, hub()).Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if l := h.Lines[0]; len(h.Lines) != 1 || l.Symbol != "ATOM" || l.Quantity.String() != "3.000038" || l.Free.String() != "0.4" || h.Height != 700 || h.At.Unix() != noon.Unix()-6 {
		t.Errorf("%+v", h)
	}
}

// What a transaction moved is told with the fee in it, and who was on the other side.
func TestTransfers(t *testing.T) {
	n := hub()
	move := func(kind, who, amount string) string {
		return fmt.Sprintf(`{"type":"coin_%s","attributes":[{"key":%q,"value":%q,"index":true},{"key":"amount","value":%q,"index":true}]}`, kind, map[string]string{"spent": "spender", "received": "receiver"}[kind], who, amount)
	}
	n.Answers["/cosmos/tx/v1beta1/txs?coin_received.receiver='"+owner+"'"] = `{"txs":[],"tx_responses":[],"pagination":null,"total":"0"}`
	n.Answers["/cosmos/tx/v1beta1/txs?coin_spent.spender='"+owner+"'"] = `{"tx_responses":[{"height":"690","txhash":"AB","code":0,"timestamp":"2026-03-16T11:00:00Z","events":[` +
		move("spent", owner, "500uatom") + "," + move("spent", owner, "1000000uatom,5ibc/F663") + "," + move("received", other, "1000000uatom,5ibc/F663") +
		fmt.Sprintf(`,{"type":"transfer","attributes":[{"key":"recipient","value":"cosmos1fees"},{"key":"sender","value":%q}]},{"type":"transfer","attributes":[{"key":"recipient","value":%q},{"key":"sender","value":%q},{"key":"msg_index","value":"0"}]}]}]}`, owner, other, owner)
	got, err := sourceAt(t, n).Transfers(t.Context(), 10)
	if err != nil || len(got) != 1 || got[0].Amount.String() != "-1.0005" || got[0].Symbol != "ATOM" || got[0].Counterpart != other || got[0].Hash != "AB" {
		t.Errorf("%+v, %v", got, err)
	}
}

// Whatever a node answers that it should not, the account is not known, in a sentence that names the host.
func TestBadAnswers(t *testing.T) {
	balances, stake := "/cosmos/bank/v1beta1/balances/"+owner, "/cosmos/staking/v1beta1/delegations/"+owner
	for _, c := range []struct{ name, path, answer, want string }{
		{"a page", balances, "<html>", "the answer is a page and not JSON"},
		{"cut", balances, `{"balances":[{"den`, "not the JSON that it should be"},
		{"nothing in it", balances, `{}`, "not a page of a list"},
		{"no list", balances, `{"balances":null,"pagination":{"next_key":null}}`, "not a page of a list"},
		{"no pagination", stake, `{"delegation_responses":[]}`, "not a page of a list"},
		{"negative", balances, `{"balances":[{"denom":"uatom","amount":"-5"}],"pagination":{"next_key":null}}`, "an amount that is none"},
		{"huge", balances, `{"balances":[{"denom":"uatom","amount":"` + strings.Repeat("9", 79) + `"}],"pagination":{"next_key":null}}`, "an amount that is none"},
		{"a number", balances, `{"balances":[{"denom":"uatom","amount":5}],"pagination":{"next_key":null}}`, "not the JSON that it should be"},
		{"in a circle", balances + "?cGFnZTI=", `{"balances":[],"pagination":{"next_key":"cGFnZTI="}}`, "goes round in a circle"},
		{"more may be spent than is there", "/cosmos/bank/v1beta1/spendable_balances/" + owner, `{"balances":[{"denom":"uatom","amount":"3000039"}],"pagination":{"next_key":null}}`, "more of ATOM may be spent than is there"},
		{"another chain", latest, head("osmosis-1", "700", "2026-03-16T11:59:54Z"), "it is a node of osmosis-1, and the account is on cosmoshub-4"},
		{"behind", latest, head("cosmoshub-4", "700", "2026-03-16T11:54:00Z"), "it is behind: its newest block, 700, is of 2026-03-16 11:54"},
		{"no height", latest, head("cosmoshub-4", "", "2026-03-16T11:59:54Z"), "does not name the chain"},
		{"another height", latest, head("cosmoshub-4", "701", "2026-03-16T11:59:54Z"), "it answers for block 700 where 701 was asked for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := hub()
			n.Answers[c.path] = c.answer
			s := sourceAt(t, n)
			h, err := s.Holdings(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), s.Name()+": ") || len(h.Lines) > 0 {
				t.Errorf("%v, %v", h, err)
			}
		})
	}
	n := hub()
	delete(n.Answers, balances)
	if _, err := sourceAt(t, n).Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "Not Implemented (code 12)") {
		t.Error(err)
	}
	s := sourceAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }))
	if _, err := s.Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "429 Too Many Requests") {
		t.Error(err)
	}
}

func TestAddresses(t *testing.T) {
	m, _ := bech32.EncodeM("cosmos", bytes.Repeat([]byte{1}, 32))
	for _, c := range []struct{ text, want string }{
		{owner, ""}, {"", "no address"}, {owner[:len(owner)-1] + "x", "checksum is wrong"}, {addressOf("osmo", 1), "it begins with osmo"},
		{strings.ToUpper(owner), "capital letters"}, {m, "another kind (bech32m)"}, {"0x52908400098527886E0F7030069857D2E4169EE7", "no bech32 address"},
		{strings.Repeat("a", 101), "is not 101 characters long"},
	} {
		if err := address.CheckCosmos(c.text, "cosmos"); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}

func FuzzCoins(f *testing.F) {
	for _, seed := range []string{"100uatom,5ibc/F663", "", "5", "-5uatom", "uatom", ","} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, ok := readCoins(text)
		for denom, amount := range all {
			if !ok || denom == "" || amount.IsNegative() {
				t.Errorf("%q: %v", text, all)
			}
		}
		_ = address.CheckCosmos(text, "cosmos")
	})
}
