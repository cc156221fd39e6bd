package statement

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// The files in testdata are made up; their headers, marks and oddities are those of real exports.
var files = []struct {
	file, mapping string
	options       Options
}{
	{file: "fidelity.csv", options: Options{Accounts: map[string]string{"Z00000001": "taxable", "200000002": "ira"}}},
	{file: "schwab.csv", options: Options{Account: "schwab"}},
	{file: "schwab-all.csv", options: Options{Accounts: map[string]string{"Joint XXXX-1234": "joint"}}},
	{file: "flex.csv", options: Options{Account: "ibkr", Symbol: func(_, theirs string) string {
		return cmp.Or(map[string]string{"AMAT 260424C00400000": "AMAT-C400"}[theirs], theirs)
	}}},
	{file: "coinbase.csv", options: Options{Account: "coinbase", Currency: "USD"}},
	{file: "binance.csv", options: Options{Account: "binance", Currency: "USD", At: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)}},
	{file: "bank.csv", mapping: "bank.yaml", options: Options{Currency: "USD"}},
}

// TestFiles reads each file and compares all that was understood with what stands beside it; LIFEBOAT_WRITE_GOLDEN=1
// writes it, to be read by a person.
func TestFiles(t *testing.T) {
	for _, tt := range files {
		t.Run(tt.file, func(t *testing.T) {
			o := tt.options
			if tt.mapping != "" {
				m, err := ReadMapping(tt.mapping, contents(t, tt.mapping))
				if err != nil {
					t.Fatal(err)
				}
				o.Map = m
			}
			o.File = tt.file
			exports, err := Read(contents(t, tt.file), o)
			if err != nil {
				t.Fatal(told(err))
			}
			golden := filepath.Join("testdata", strings.TrimSuffix(tt.file, ".csv")+".want")
			have := understood(exports)
			if os.Getenv("LIFEBOAT_WRITE_GOLDEN") != "" {
				if err := os.WriteFile(golden, []byte(have), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(contents(t, filepath.Base(golden))); have != want {
				t.Errorf("understood\n%s\nwant\n%s", have, want)
			}
		})
	}
}

// TestCutOff cuts every file behind every byte: what is left is refused, or its accounts are understood as in the whole, or
// it says that something may be missing. No holding is lost in silence.
func TestCutOff(t *testing.T) {
	for _, tt := range files {
		if tt.file == "binance.csv" || tt.file == "bank.csv" || tt.file == "coinbase.csv" {
			continue // their forms have no end that could be missing; a row that is cut in two is refused, see TestRefused
		}
		whole := contents(t, tt.file)
		o := tt.options
		o.File = tt.file
		o.At = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
		all, err := Read(whole, o)
		if err != nil {
			t.Fatal(told(err))
		}
		for n := range whole {
			some, err := Read(whole[:n], o)
			if err != nil {
				continue
			}
			for i, e := range some { // whole accounts may be missing, which then stay as they are
				if text := understood(some[i : i+1]); e.Partial == "" && text != understood(all[i:i+1]) {
					t.Fatalf("%s cut off behind byte %d is taken for whole:\n%s", tt.file, n, text)
				}
			}
		}
	}
}

func TestRefused(t *testing.T) {
	fidelity := string(contents(t, "fidelity.csv"))
	flex := string(contents(t, "flex.csv"))
	schwab := string(contents(t, "schwab.csv"))
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "t.csv is of no form that lifeboat knows"},
		{"unknown", "Ticker,Shares\nSPY,1\n", "its line 1 reads Ticker | Shares"},
		{"binary", "PK\x03\x04\x00", "is not UTF-8 text"},
		{"open quote", "Coin,Total,Available\nBTC,\"1,2,1\n", "t.csv:2: this is not CSV"},
		{"no time", "Coin,Total,Available\nBTC,1,1\n", "does not say when it was true"},
		{"short row", "Coin,Total,Available\nBTC,1\n", "t.csv:2: this row ends after 2 of 3 columns"},
		{"long row", "Coin,Total,Available\nBTC,1,250,1\n", `t.csv:2: this row has "1" in column 4`},
		{"comma as a point", "Coin,Total,Available\nBTC,\"1,25\",1\n", "has a comma where none separates thousands"},
		{"words", "Coin,Total,Available\nBTC,many,1\n", `t.csv:2: the quantity "many" is not a number`},
		{"no quantity", "Coin,Total,Available\nBTC,--,1\n", "t.csv:2: BTC has no quantity"},
		{"no symbol", "Coin,Total,Available\n,1,1\n", "t.csv:2: this row has no symbol"},
		{"too much free", "Coin,Total,Available\nBTC,1,2\n", "more BTC is available than there is"},
		{"transactions", "x\nID,Timestamp,Transaction Type,Asset,Quantity Transacted,Price Currency\n", "transaction history, which lists transactions and no balances"},
		{"missing movement", strings.Replace(string(contents(t, "coinbase.csv")), "default,fee", "default,fee\ndefault,fee", 1), "of 9 columns"},
		{"balance", strings.Replace(string(contents(t, "coinbase.csv")), "995.5", "996.5", 1), "t.csv:5: the balance 996.5 USD does not follow from 1000"},
		{"sign of an option", strings.Replace(fidelity, "$800.00,--", ",--", 1), "t.csv:6: whether 2 contracts of SPY261218P500 are owned or owed"},
		{"option against its value", strings.Replace(fidelity, "-$520.00", "$520.00", 1), "t.csv:5: whether -1 contracts"},
		{"download time", strings.Replace(fidelity, "Nov-27-2026", "Yesterday", 1), "is no time that can be read"},
		{"row below the end", fidelity + "Z00000001,Individual - TOD,X,X,1,$1,,$1,,,,,,,,,\n", "below the disclaimers"},
		{"two accounts as one", strings.ReplaceAll(fidelity, "ROTH IRA", "ROTH IRA"), ""},
		{"no EOF", strings.Replace(flex, `"EOF","U0000001"`, "", 1), "the file is cut off"},
		{"cash in one sum", strings.ReplaceAll(flex, `"Currency","2026`, `"BaseCurrency","2026`), "choose the currency breakout"},
		{"lots without level", strings.ReplaceAll(flex, `"Side","LevelOfDetail"`, `"Side","Level"`), "cannot be told whether these are lots"},
		{"no total", strings.Replace(schwab, "Positions Total", "Total of it", 1), "has no total"},
	} {
		o := Options{File: "t.csv", Account: "a", Currency: "USD"}
		if tt.name == "two accounts as one" {
			o.Accounts = map[string]string{"Z00000001": "a", "200000002": "a"}
			tt.want = `both said to be the account "a"`
		}
		exports, err := Read([]byte(tt.text), o)
		if err == nil || exports != nil || !strings.Contains(told(err), tt.want) {
			t.Errorf("%s: %v, want a refusal with %q", tt.name, told(err), tt.want)
			continue
		}
		if p, ok := errors.AsType[*lifeboat.Problem](err); !ok || p.Reason != "statement-refused" || p.Money == "" || p.Next == "" {
			t.Errorf("%s: not told as a problem: %#v", tt.name, err)
		}
	}
}

func TestMappingRefused(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "empty"},
		{"columns: {symbol: A}", "needs symbol and quantity"},
		{"colums: {symbol: A}", "colums"},
		{"columns: {symbol: A, quantity: B}\ndelimiter: ;;", "not one character"},
		{"columns: {symbol: A, quantity: B}\ntime_zone: Mars/Base", "no zone"},
		{"columns: {symbol: A, quantity: B}\nmultiplier: -1", "above zero"},
		{"columns: {symbol: A, quantity: B}\nas_of: soon", "not a time"},
		{"columns: [", ""},
	} {
		_, err := ReadMapping("m.yaml", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
}

func TestMappedColumnMissing(t *testing.T) {
	m, err := ReadMapping("m.yaml", []byte("columns: {symbol: A, quantity: B, price: P}\nas_of: 2026-11-27"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Read([]byte("A,B,B\nx,1,1\n"), Options{File: "t.csv", Map: m})
	for _, want := range []string{`has no column "P"`, `more than one column "B"`, "it reads A | B | B"} {
		if !strings.Contains(told(err), want) {
			t.Errorf("%s: want %q", told(err), want)
		}
	}
}

// TestRegisteredCore: a money market fund that the register has under its own name stays one.
func TestRegisteredCore(t *testing.T) {
	exports, err := Read(contents(t, "fidelity.csv"), Options{File: "f", Registered: func(_, symbol string) bool { return symbol == "SPAXX" }})
	if err != nil {
		t.Fatal(told(err))
	}
	if l, ok := exports[0].Line("SPAXX"); !ok || l.Quantity.String() != "12345.67" {
		t.Errorf("SPAXX is %v", l)
	}
}

func TestAmounts(t *testing.T) {
	for _, tt := range []struct {
		text  string
		comma bool
		want  string // "" for a fault, "none" for nothing said
	}{
		{"$1,234.56", false, "1234.56"}, {"+$3.10", false, "3.1"}, {"-$10.00", false, "-10"}, {"$-10.00", false, "-10"},
		{"($10.00)", false, "-10"}, {"--", false, "none"}, {"", false, "none"}, {"n/a", false, "none"}, {"0.1234567812345678", false, "0.1234567812345678"},
		{"1E-8", false, "0.00000001"}, {"1,234,567", false, "1234567"}, {".5", false, "0.5"}, {"5.", false, "5"}, {"1'234.5", false, "1234.5"},
		{"12,34", false, ""}, {"1,2345", false, ""}, {"1.2.3", false, ""}, {"--5", false, ""}, {"5 USD", false, ""}, {"$", false, ""}, {".", false, ""},
		{"1e999", false, ""}, {"0x10", false, ""}, {"NaN", false, ""}, {"1.234,56", true, "1234.56"}, {"-0,5", true, "-0.5"}, {"12.34", true, ""},
		{"1 234,56 €", true, "1234.56"}, {"123456789012345678901234567890.123456789", false, "123456789012345678901234567890.123456789"},
	} {
		amount, said, err := parseAmount(tt.text, tt.comma)
		have := amount.String()
		if err != nil {
			have = ""
		} else if !said {
			have = "none"
		}
		if have != tt.want {
			t.Errorf("%q is %q, want %q (%v)", tt.text, have, tt.want, err)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Aug-03-2026 5:45 p.m ET", "2026-08-03T21:45:00Z"}, {"11/28/2026 4:05 PM ET", "2026-11-28T21:05:00Z"}, {"Nov-28-2026 at 4:05 p.m. ET", "2026-11-28T21:05:00Z"},
		{"08:00 PM ET, 2026/12/20", "2026-12-21T01:00:00Z"}, {"02/15/2026", "2026-02-15T05:00:00Z"}, {"20261127;041910", "2026-11-27T09:19:10Z"},
		{"2026-11-27T10:00:00.5Z", "2026-11-27T10:00:00.5Z"}, {"2026-11-27 10:00:00 UTC", "2026-11-27T10:00:00Z"}, {"2026-11-27", "2026-11-27T05:00:00Z"},
		{"soon", ""}, {"", ""}, {"13/13/2026", ""}, {"1", ""},
	} {
		at, ok := parseTime(tt.text, newYork())
		have := ""
		if ok {
			have = at.Format(time.RFC3339Nano)
		}
		if have != tt.want {
			t.Errorf("%q is %q, want %q", tt.text, have, tt.want)
		}
	}
}

func TestCompare(t *testing.T) {
	register := []lifeboat.Position{
		{Account: "a", Symbol: "SAME", Quantity: decimal.RequireFromString("1.50")}, {Account: "a", Symbol: "MORE", Quantity: decimal.NewFromInt(100)},
		{Account: "a", Symbol: "GONE", Quantity: decimal.NewFromInt(7)}, {Account: "a", Symbol: "IDLE"}, {Account: "a", Symbol: "BOUGHT"},
		{Account: "a", Symbol: "MORE", Quantity: decimal.NewFromInt(1)}, {Account: "b", Symbol: "ELSEWHERE", Quantity: decimal.NewFromInt(1)},
	}
	s := lifeboat.Statement{Account: "a", Source: "f.csv", Lines: []lifeboat.StatementLine{
		{Symbol: "SAME", Quantity: decimal.RequireFromString("1.5")},
		{Symbol: "MORE", Quantity: decimal.RequireFromString("101.0000000000000000001"), Value: decimal.RequireFromString("1234567.89"), Currency: "USD"},
		{Symbol: "NEW", Quantity: decimal.NewFromInt(-2)}, {Symbol: "BOUGHT", Quantity: decimal.NewFromInt(3)}, {Symbol: "NOTHING"},
	}}
	d := Compare(register, s)
	want := `  SYMBOL  REGISTER  CUSTODIAN                CHANGE                  VALUE             FINDING
  BOUGHT  0         3                        +3                      unknown           differs
  GONE    7         0                        -7                                        not at custodian
  MORE    101       101.0000000000000000001  +0.0000000000000000001  1,234,567.89 USD  differs
  NEW     0         -2                       -2                      unknown           not in register
  SAME    1.5       1.5                                              unknown           same
1 same, 2 differs, 1 not in register, 1 not at custodian
`
	if have := d.Report(); have != want || d.Agree() {
		t.Errorf("report\n%s\nwant\n%s", have, want)
	}
	if d := Compare(nil, lifeboat.Statement{Account: "a"}); !d.Agree() || d.Report() != "nothing is held on either side\n" {
		t.Errorf("nothing: %+v", d)
	}
	if d := Compare(register[:1], s); d.Agree() {
		t.Error("a statement with more than the register agrees with it")
	}
}

// What accrues agrees with a register that interest has outgrown a little, and with no other.
func TestCompareWhatAccrues(t *testing.T) {
	register := []lifeboat.Position{{Account: "loan", Symbol: "DAI", Quantity: decimal.NewFromInt(100)}, {Account: "loan", Symbol: "USDC", Quantity: decimal.NewFromInt(-12000)},
		{Account: "loan", Symbol: "WETH", Quantity: decimal.NewFromInt(10)}}
	says := func(symbol, quantity string) lifeboat.StatementLine {
		return lifeboat.StatementLine{Symbol: symbol, Quantity: decimal.RequireFromString(quantity), Accrues: true}
	}
	s := lifeboat.Statement{Account: "loan", Source: "Ethereum", Lines: []lifeboat.StatementLine{says("WETH", "10.002"), says("USDC", "-12100"), says("DAI", "99.8")}}
	d := Compare(register, s)
	want := `  SYMBOL  REGISTER  CUSTODIAN  CHANGE  VALUE    FINDING
  DAI     100       99.8       -0.2    unknown  differs
  USDC    -12000    -12100     -100    unknown  interest
  WETH    10        10.002             unknown  same
1 same, 1 interest, 1 differs
`
	if have := d.Report(); have != want || d.Agree() {
		t.Errorf("report\n%s\nwant\n%s", have, want)
	}
	if s.Lines = s.Lines[:2]; !Compare(register[1:], s).Agree() {
		t.Error("interest is a difference")
	}
}

// FuzzRead: whatever the file, it is refused with a problem or read into statements that can be right.
func FuzzRead(f *testing.F) {
	for _, tt := range files {
		f.Add(contents(f, tt.file), false)
	}
	f.Add(contents(f, "bank.csv"), true)
	m, err := ReadMapping("bank.yaml", contents(f, "bank.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte, mapped bool) {
		o := Options{File: "f", Account: "a", Currency: "USD"}
		if mapped {
			o.Map = m
		}
		exports, err := Read(text, o)
		if err != nil {
			if p, ok := errors.AsType[*lifeboat.Problem](err); !ok || exports != nil || p.Next == "" {
				t.Fatalf("not refused as a whole: %v, %v", exports, err)
			}
			return
		}
		if len(exports) == 0 {
			t.Fatal("read, and nothing in it")
		}
		for _, e := range exports {
			seen := map[string]bool{}
			for _, l := range e.Lines {
				if l.Symbol == "" || seen[l.Symbol] || l.Price.IsNegative() {
					t.Fatalf("a line that cannot be: %+v", l)
				}
				seen[l.Symbol] = true
			}
			if e.At.IsZero() {
				t.Fatal("a statement of no time")
			}
			Compare([]lifeboat.Position{{Account: "a", Symbol: "SPY", Quantity: decimal.NewFromInt(1)}}, e.Statement).Report()
		}
	})
}

func FuzzReadMapping(f *testing.F) {
	f.Add(contents(f, "bank.yaml"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := ReadMapping("m", text); err == nil {
			_, _ = Read([]byte("a,b\n1,2\n"), Options{File: "f", Map: m, Currency: "USD"})
		}
	})
}

func contents(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func understood(exports []*Export) string {
	var b strings.Builder
	for _, e := range exports {
		fmt.Fprintf(&b, "account %q: %s by %s at %s\n", e.Account, e.Title(), e.Form, e.At.Format(time.RFC3339))
		for _, l := range e.Lines {
			fmt.Fprintf(&b, "  %s: %s (free %s), price %s, value %s, cost %s %s, %s\n", l.Symbol, l.Quantity, l.Free, l.Price, l.Value, l.Cost, l.Currency, l.Name)
		}
		if e.Partial != "" {
			fmt.Fprintln(&b, "  partial:", e.Partial)
		}
		for _, n := range e.Notes {
			fmt.Fprintln(&b, "  note:", n)
		}
	}
	return b.String()
}

func told(err error) string {
	if err == nil {
		return "no error"
	}
	text := err.Error()
	if faults, ok := errors.AsType[*Faults](err); ok {
		for _, f := range faults.List {
			text += "\n" + f.String()
		}
	}
	return text
}
