package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
)

const rewriteHead = "portfolio: {name: p}\naccounts:\n  - {name: a, kind: broker}\n"

func TestRewrite(t *testing.T) {
	for _, tt := range []struct{ name, before, after, fault string }{
		{"block and comment", "holdings:\n  - symbol: SPY   # the core\n    quantity: 100   # since May\n    account: a\n    class: equities\n",
			"holdings:\n  - symbol: SPY   # the core\n    quantity: 7.50001   # since May\n    as_of: \"2026-11-27T00:00:00Z\"\n    source: \"f.csv\"\n    account: a\n    class: equities\n", ""},
		{"flow", "holdings:\n- {symbol: SPY, quantity: 100, account: a, class: equities} # x\n", "holdings:\n- {symbol: SPY, quantity: 7.50001, as_of: \"2026-11-27T00:00:00Z\", source: \"f.csv\", account: a, class: equities} # x\n", ""},
		{"quotes and CRLF", "holdings:\r\n  - {account: a, class: equities, symbol: SPY, quantity: \"22,000\"}\r\n", "holdings:\r\n  - {account: a, class: equities, symbol: SPY, quantity: \"7.50001\", as_of: \"2026-11-27T00:00:00Z\", source: \"f.csv\"}\r\n", ""},
		{"letters of several bytes", "holdings:\n  - {name: Währung €, symbol: SPY, quantity: '1', account: a, class: equities}\n", "holdings:\n  - {name: Währung €, symbol: SPY, quantity: '7.50001', as_of: \"2026-11-27T00:00:00Z\", source: \"f.csv\", account: a, class: equities}\n", ""},
		{"said before, at the end, CRLF", "holdings:\r\n  - source: x.csv # old\r\n    symbol: SPY\r\n    account: a\r\n    class: equities\r\n    as_of: 2026-01-01\r\n    quantity: 1",
			"holdings:\r\n  - source: \"f.csv\" # old\r\n    symbol: SPY\r\n    account: a\r\n    class: equities\r\n    as_of: \"2026-11-27T00:00:00Z\"\r\n    quantity: 7.50001", ""},
		{"last line", "holdings:\n  - class: equities\n    account: a\n    symbol: SPY\n    quantity: 7.50001",
			"holdings:\n  - class: equities\n    account: a\n    symbol: SPY\n    quantity: 7.50001\n    as_of: \"2026-11-27T00:00:00Z\"\n    source: \"f.csv\"\n", ""},
		{"dash before it", "holdings:\n- quantity: 1\n  class: equities\n  account: a\n  symbol: SPY\n",
			"holdings:\n- quantity: 7.50001\n  as_of: \"2026-11-27T00:00:00Z\"\n  source: \"f.csv\"\n  class: equities\n  account: a\n  symbol: SPY\n", ""},
		{"brackets over lines", "holdings:\n  - {symbol: SPY, account: a, class: equities,\n     quantity: 1\n    }\n", "", "fault"},
		{"alias", "holdings:\n  - {symbol: SPY, quantity: &n 100, account: a, class: equities}\n  - {symbol: QQQ, quantity: *n, account: a, class: equities}\n", "", "shared with holdings[1].quantity"},
		{"merge", "holdings:\n  - &h {symbol: SPY, quantity: 100, account: a, class: equities}\n  - {<<: *h, symbol: QQQ}\n", "", "shared with"},
		{"block text", "holdings:\n  - symbol: SPY\n    quantity: |\n      100\n    account: a\n    class: equities\n", "", "several lines"},
	} {
		dir := write(t, map[string]string{"a.yaml": rewriteHead, "b.yaml": tt.before})
		changed, err := Rewrite(dir, map[int]Said{0: {Quantity: decimal.RequireFromString("7.50001"), AsOf: "2026-11-27T00:00:00Z", Source: "f.csv"}})
		switch {
		case tt.fault != "":
			if err == nil || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.fault)
			}
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case len(changed) != 1 || string(changed["b.yaml"]) != tt.after:
			t.Errorf("%s: %q, want %q", tt.name, changed, tt.after)
		}
		if now, _ := os.ReadFile(filepath.Join(dir, "b.yaml")); string(now) != tt.before {
			t.Errorf("%s: the file itself was changed", tt.name)
		}
	}
}

func TestRewriteTwoOnALineAndJSON(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": rewriteHead, "b.json": `{"holdings": [{"symbol": "SPY", "quantity": 100, "account": "a", "class": "equities"}, {"symbol": "QQQ", "quantity": "100", "account": "a", "class": "equities"}]}`})
	changed, err := Rewrite(dir, map[int]Said{0: {Quantity: decimal.NewFromInt(1000000), Source: "f"}, 1: {Quantity: decimal.RequireFromString("0.1")}})
	want := `{"holdings": [{"symbol": "SPY", "quantity": 1000000, "source": "f", "account": "a", "class": "equities"}, {"symbol": "QQQ", "quantity": "0.1", "account": "a", "class": "equities"}]}`
	if err != nil || string(changed["b.json"]) != want {
		t.Errorf("%v: %s", err, changed["b.json"])
	}
	if _, err := Rewrite(dir, map[int]Said{5: {}}); err == nil {
		t.Error("a holding that is not there was rewritten")
	}
}
