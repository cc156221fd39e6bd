package paper_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper"
)

func openLedger(t testing.TB, path string) *paper.File {
	t.Helper()
	ledger, err := paper.FileLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ledger.Close() })
	return ledger
}

// written is a ledger file with one filled order, one open and one cancelled.
func written(t testing.TB) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "paper.jsonl")
	ledger := openLedger(t, path)
	for _, e := range entries() {
		if err := ledger.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, content
}

func entries() []paper.Entry {
	arrives := func(id lifeboat.Key, limit string) paper.Entry {
		return paper.Entry{
			At:      opens,
			Order:   &lifeboat.Order{ID: id, Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Limit, Quantity: dec("10"), Limit: dec(limit)},
			Receipt: lifeboat.Receipt{Key: id, Account: "broker", Status: lifeboat.Accepted},
		}
	}
	stands := func(id lifeboat.Key, status lifeboat.ReceiptStatus, filled string) paper.Entry {
		return paper.Entry{At: midday, Receipt: lifeboat.Receipt{Key: id, Account: "broker", Status: status, Filled: dec(filled), Price: dec("240"), FilledAt: midday}}
	}
	return []paper.Entry{
		arrives("lb-filled", "230"), arrives("lb-open", "250"), stands("lb-filled", lifeboat.PartialFill, "4"),
		arrives("lb-cancelled", "260"), stands("lb-filled", lifeboat.Filled, "10"), stands("lb-cancelled", lifeboat.Canceled, "0"),
	}
}

// A crash may cut the last line anywhere: it was never acknowledged, so it goes, and the ledger is as before it.
func TestTornLastLine(t *testing.T) {
	path, content := written(t)
	lines := bytes.SplitAfter(content, []byte("\n"))
	lines = lines[:len(lines)-1]
	lastLine := lines[len(lines)-1]
	whole := content[:len(content)-len(lastLine)]
	for cut := range len(lastLine) {
		if err := os.WriteFile(path, append(bytes.Clone(whole), lastLine[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		ledger := openLedger(t, path)
		if got, _ := ledger.Read(); len(got) != len(lines)-1 {
			t.Fatalf("cut after %d bytes: %d entries", cut, len(got))
		}
		if left, _ := os.ReadFile(path); !bytes.Equal(left, whole) {
			t.Fatalf("cut after %d bytes: the torn line is still there", cut)
		}
		if err := ledger.Append(entries()[len(lines)-1]); err != nil {
			t.Fatal(err)
		}
		if again, _ := os.ReadFile(path); !bytes.Equal(again, content) {
			t.Fatalf("cut after %d bytes: the ledger did not grow from where it was whole", cut)
		}
		_ = ledger.Close()
	}
}

// Damage anywhere else is never taken for a torn line: the account does not open, and the problem says so to people.
func TestDamagedLedger(t *testing.T) {
	_, content := written(t)
	lines := bytes.SplitAfter(content, []byte("\n"))
	for name, damaged := range map[string][]byte{
		"a line that is no entry":       bytes.Replace(content, []byte(`{"at"`), []byte(`{"at`), 1),
		"the last line, with its end":   append(bytes.Clone(content), "}\n"...),
		"an order that arrives twice":   append(bytes.Clone(content), lines[0]...),
		"a fill of what never arrived":  bytes.Join(lines[1:], nil),
		"a fill after the end":          append(bytes.Clone(content), lines[2]...),
		"an entry about nothing":        append(bytes.Clone(content), "{}\n"...),
		"more filled than was ordered":  bytes.Replace(content, []byte(`"filled":"10"`), []byte(`"filled":"11"`), 1),
		"another account's order":       bytes.Replace(content, []byte(`"account":"broker","symbol"`), []byte(`"account":"elsewhere","symbol"`), 1),
		"a receipt of another order":    bytes.Replace(content, []byte(`"client_order_id":"lb-open"`), []byte(`"client_order_id":"lb-shut"`), 1),
		"a line lost from the middle":   bytes.Join([][]byte{lines[0], lines[2], lines[3], lines[4], []byte("\n"), lines[5]}, nil),
		"totals that go back on a fill": bytes.Join([][]byte{lines[0], lines[2], bytes.Replace(lines[2], []byte(`"filled":"4"`), []byte(`"filled":"3"`), 1)}, nil),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "paper.jsonl")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			ledger, err := paper.FileLedger(path)
			if err == nil {
				defer ledger.Close()
				_, err = paper.New(paper.Config{Account: "broker", Currency: "USD", Ledger: ledger})
			}
			var p *lifeboat.Problem
			if !errors.As(err, &p) || p.Reason != "ledger-broken" || p.Money == "" || p.Next == "" || p.Kind() != lifeboat.Storage {
				t.Fatalf("got %v", err)
			}
			t.Log(p)
		})
	}
}

// A file that cannot grow takes nothing back that it said, and says that it cannot.
func TestLedgerOnAClosedFile(t *testing.T) {
	path, content := written(t)
	ledger := openLedger(t, path)
	_ = ledger.Close()
	for range 2 {
		if err := ledger.Append(entries()[0]); err == nil {
			t.Fatal("appended to a closed file")
		}
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(after, content) {
		t.Error("the file changed")
	}
}

// Whatever bytes lie in the file: it opens and goes on from there, or is refused; it never panics, and what it took
// in it finds again.
func FuzzFileLedger(f *testing.F) {
	_, content := written(f)
	f.Add(content)
	f.Add(content[:len(content)-7])
	f.Add([]byte("{}\n"))
	f.Add([]byte(nil))
	f.Add([]byte("\n\n"))
	f.Add([]byte(`{"receipt":{"key":"lb-1","status":"filled","filled":"1e999999999"}}` + "\n"))
	f.Add([]byte(`{"order":{"client_order_id":"lb-1","quantity":"1e400000"},"receipt":{"key":"lb-1","status":"accepted"}}` + "\n"))
	path := filepath.Join(f.TempDir(), "paper.jsonl")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		ledger, err := paper.FileLedger(path)
		if err != nil {
			return
		}
		defer ledger.Close()
		before, _ := ledger.Read()
		if _, err := paper.New(paper.Config{Account: "broker", Currency: "USD", Ledger: ledger}); err != nil {
			return
		}
		if err := ledger.Append(entries()[1]); err != nil {
			t.Fatal(err)
		}
		if after, err := openLedger(t, path).Read(); err != nil || len(after) != len(before)+1 {
			t.Fatalf("%d entries became %d: %v", len(before), len(after), err)
		}
	})
}

// ledgerOfTheKilled names, in the environment of a child process, the ledger on which it places orders until it is
// killed.
const ledgerOfTheKilled = "LIFEBOAT_TEST_PAPER_LEDGER"

func TestMain(m *testing.M) {
	if path := os.Getenv(ledgerOfTheKilled); path != "" {
		placeUntilKilled(path)
	}
	os.Exit(m.Run())
}

func rich() paper.Config {
	return paper.Config{Account: "broker", Currency: "USD", Positions: []lifeboat.Position{
		{Account: "broker", Symbol: "USD", Quantity: decimal.New(1, 9)},
	}}
}

// placeUntilKilled shows quotes and places orders as fast as it can, and prints each key that the venue acknowledged.
func placeUntilKilled(path string) {
	cfg := rich()
	ledger, err := paper.FileLedger(path)
	if err != nil {
		panic(err)
	}
	cfg.Ledger = ledger
	v, err := paper.New(cfg)
	if err != nil {
		panic(err)
	}
	at := opens.Add(time.Duration(len(v.Orders())) * time.Second)
	for n := len(v.Orders()); ; n++ {
		at = at.Add(time.Second)
		_ = v.Show(lifeboat.Instant{At: at, Readings: []lifeboat.Reading{{Series: "SPY", Value: 100}, {Series: "SPY.volume", Value: 5}}})
		o := lifeboat.Order{ID: lifeboat.Key(fmt.Sprintf("lb-%d", n)), Account: "broker", Symbol: "SPY", Side: lifeboat.Buy, Type: lifeboat.Market, Quantity: decimal.NewFromInt(1)}
		if _, err := v.Place(context.Background(), at, o); err != nil {
			panic(err)
		}
		fmt.Println(o.ID)
	}
}

// A process killed at any instant leaves every order it acknowledged in the ledger, once, with its fills.
func TestKilledProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paper.jsonl")
	acknowledged := map[lifeboat.Key]bool{}
	for life := range 8 {
		child := exec.Command(os.Args[0], "-test.run=^$")
		child.Env = append(os.Environ(), ledgerOfTheKilled+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			acknowledged[lifeboat.Key(lines.Text())] = true
			if n == 3+2*life { // what follows until the pipe is empty was acknowledged too
				_ = child.Process.Kill()
			}
		}
		_ = child.Wait()
	}
	cfg := rich()
	cfg.Ledger = openLedger(t, path)
	v, err := paper.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	found := map[lifeboat.Key]int{}
	bought := decimal.Zero
	for _, o := range v.Orders() {
		found[o.Order.ID]++
		bought = bought.Add(o.Receipt.Filled)
	}
	for id := range acknowledged {
		if found[id] != 1 {
			t.Errorf("%s was acknowledged and is in the ledger %d times", id, found[id])
		}
	}
	if extra := len(found) - len(acknowledged); extra < 0 || extra > 8 {
		t.Errorf("%d orders were acknowledged, %d are there: at most one per kill may be on its way", len(acknowledged), len(found))
	}
	if !holds(v, "SPY").Equal(bought) || bought.IsZero() {
		t.Errorf("%s were bought and %s are held", bought, holds(v, "SPY"))
	}
	t.Logf("%d orders acknowledged over 8 kills", len(acknowledged))
}
