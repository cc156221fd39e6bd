package audit

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// A desk is an audit of a vault, what it has in a market, and a cold wallet, on one chain, and of an exchange. Its journal is kept, so
// that it can be opened anew from that alone.
type desk struct {
	*Audit
	t       testing.TB
	book    *lifeboat.Book
	at      time.Time
	journal []entry
	height  uint64
}

type entry struct {
	at time.Time
	e  lifeboat.Event
}

const (
	vaultAt = "0x00000000000000000000000000000000000000aA"
	coldAt  = "0x00000000000000000000000000000000000000bb"
	fuelAt  = "0x00000000000000000000000000000000000000Cc" // of the key that pays for the exits of the vault
)

func treasury() *plan.Plan {
	held := func(account, symbol string) plan.Holding {
		return plan.Holding{Account: account, Symbol: symbol, Token: "0x01"}
	}
	return &plan.Plan{People: []plan.Person{{Name: "Alex", Role: "owner"}},
		Accounts: []plan.Account{{Name: "vault", Chain: "Testnet", Address: vaultAt, Safe: &plan.Safe{Relayer: &plan.SigningKey{Address: fuelAt}}}, {Name: "loan", Chain: "Testnet", Address: strings.ToLower(vaultAt)},
			{Name: "cold", Chain: "Testnet", Address: coldAt}, {Name: "beyond", Chain: "Rollup", Address: coldAt}, {Name: "exchange"}, {Name: "pool", Chain: "Testnet", Address: vaultAt},
			{Name: "fuel", Chain: "Testnet", Address: strings.ToLower(fuelAt)}},
		Holdings: []plan.Holding{held("vault", "USDC"), held("vault", "WETH"), held("loan", "WETH"), held("loan", "USDC"), held("cold", "USDC"), held("beyond", "USDC"), held("pool", "WETH"), held("fuel", "ETH")}}
}

func newDesk(t testing.TB, positions ...lifeboat.Position) *desk {
	d := &desk{t: t, at: noon, height: 100}
	d.open()
	d.apply(lifeboat.PlanLoaded{Positions: positions, Venues: map[string]string{"exchange": "binance"},
		Chains: map[string]string{"vault": "Testnet", "loan": "Testnet", "cold": "Testnet", "beyond": "Rollup", "pool": "Testnet", "fuel": "Testnet"}})
	return d
}

func (d *desk) open() {
	d.book = lifeboat.NewBook("USD")
	d.Audit = New(treasury(), d.book)
}

// restart folds the journal, as another process would.
func (d *desk) restart() {
	d.open()
	for _, e := range d.journal {
		d.book.Apply(e.at, e.e)
		d.Audit.Apply(e.at, e.e)
	}
}

func (d *desk) apply(e lifeboat.Event) {
	d.journal = append(d.journal, entry{d.at, e})
	d.book.Apply(d.at, e)
	d.Audit.Apply(d.at, e)
	d.keyed()
	for range 10 {
		events := d.Next(d.at)
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			d.journal = append(d.journal, entry{d.at, e})
			d.book.Apply(d.at, e)
			d.Audit.Apply(d.at, e)
			d.keyed()
		}
	}
	d.t.Fatal("the audit does not come to rest")
}

// keyed wants each message that may come next to be known by its key, and no other.
func (d *desk) keyed() {
	d.t.Helper()
	known := 0
	for name, k := range d.accounts {
		if k.rekeyed {
			known += len(k.keys)
			continue
		}
		for _, key := range []lifeboat.Key{k.silence(name), k.restated(), k.strange(), k.cleared()} {
			if known++; d.keys[key] != k {
				d.t.Fatalf("a message about %s is not known by its key", name)
			}
		}
	}
	if known != len(d.keys) {
		d.t.Fatalf("%d keys are known, and not %d", len(d.keys), known)
	}
}

// minutes go by, after each of which the flow asks for news.
func (d *desk) minutes(n int) {
	for range n {
		d.at = d.at.Add(time.Minute)
		d.apply(lifeboat.Instant{At: d.at})
	}
}

// says lets the custodian of an account state what is there, at a height: "WETH 10", "WETH ~10" of what accrues, "WETH 10 of share x" in a pool.
func (d *desk) says(account string, height uint64, lines ...string) {
	s := lifeboat.Statement{Account: account, Source: "Testnet", At: d.at, Height: height}
	for _, line := range lines {
		symbol, quantity, _ := strings.Cut(line, " ")
		quantity, share, _ := strings.Cut(quantity, " of share ")
		accrues := strings.HasPrefix(quantity, "~")
		s.Lines = append(s.Lines, lifeboat.StatementLine{Symbol: symbol, Quantity: number(strings.TrimPrefix(quantity, "~")), Accrues: accrues, Share: share})
	}
	d.apply(s)
}

// exits begins an exit of the vault, to the vault or to another account.
func (d *desk) exits(key lifeboat.Key, receiver string, beyond string) {
	spec := map[string]any{"account": "vault", "chain": "Testnet", "wallet": vaultAt, "receiver": receiver}
	if beyond != "" {
		spec["beyond"] = map[string]any{"chain": beyond}
	}
	d.task(key, "exit-apply", spec)
}

func (d *desk) task(key lifeboat.Key, kind string, spec any) {
	text, err := json.Marshal(spec)
	if err != nil {
		d.t.Fatal(err)
	}
	d.apply(lifeboat.Intent{Key: key, Act: lifeboat.PerformTask, Run: string(key), Task: &lifeboat.Task{Kind: kind, Spec: text}})
}

// ends an act, with what it has moved: "vault USDC -10 @105", or without a height, or with the share of a pool before and after: "x y".
func (d *desk) ends(key lifeboat.Key, status lifeboat.ReceiptStatus, moves ...string) {
	var all []lifeboat.Move
	for _, text := range moves {
		fields := strings.Fields(text)
		m := lifeboat.Move{Account: fields[0], Symbol: fields[1], Quantity: number(fields[2])}
		if len(fields) > 3 {
			if _, err := fmt.Sscanf(fields[3], "@%d", &m.Height); err != nil {
				d.t.Fatal(err)
			}
		}
		if len(fields) > 4 {
			m.From, m.Share = fields[4], fields[5]
		}
		all = append(all, m)
	}
	d.apply(lifeboat.Receipt{Key: key, Status: status, Facts: lifeboat.WithMoves(nil, all)})
}

// told are the messages so far: how urgent, and in what words.
func (d *desk) told() (all []string) {
	for _, e := range d.journal {
		if i, is := e.e.(lifeboat.Intent); is && i.Message != nil && !strings.HasPrefix(i.Message.Subject, "Nothing is heard") {
			all = append(all, fmt.Sprintf("%d %s", i.Message.Tier, i.Message.Text))
		}
	}
	return all
}

// hears wants exactly these messages, each of which has to have certain words; the first of them is the tier.
func (d *desk) hears(what string, messages ...[]string) {
	d.t.Helper()
	told := d.told()
	good := len(told) == len(messages)
	for i := range min(len(told), len(messages)) {
		for _, words := range messages[i] {
			good = good && strings.Contains(told[i], words)
		}
	}
	if !good {
		d.t.Errorf("%s: told is\n%s\nand not %q", what, strings.Join(told, "\n"), messages)
	}
}

func (d *desk) holds(account, symbol, want string) {
	d.t.Helper()
	if held := d.book.Quantity(account, symbol); !held.Equal(number(want)) {
		d.t.Errorf("the book has %s %s in %s, not %s", held, symbol, account, want)
	}
}

func position(account, symbol, quantity string) lifeboat.Position {
	return lifeboat.Position{Account: account, Symbol: symbol, Quantity: number(quantity)}
}

// An exit sends ten away, and all of the time something else goes or comes as well. Wherever among the statements the receipt comes, and
// wherever lifeboat was stopped, exactly what the exit does not explain is told, once.
func TestOwnExitInAnyOrder(t *testing.T) {
	for name, tc := range map[string]struct {
		there string // after all of it, of 100
		told  [][]string
	}{
		"nothing else":    {"90", nil},
		"a theft":         {"88", [][]string{{"2 ", "2 ", " went"}}},
		"something came":  {"93", [][]string{{"0 ", "3 ", " came"}}},
		"the exit erred":  {"97", [][]string{{"0 ", "7 ", " came"}}},
		"none of it left": {"100", [][]string{{"0 ", "10 ", " came"}}},
		"a great theft":   {"0", [][]string{{"2 ", "90 ", " went"}}},
	} {
		for receipt := range 6 {
			for stop := range 8 {
				t.Run(fmt.Sprintf("%s, receipt %d, stop %d", name, receipt, stop), func(t *testing.T) {
					d := newDesk(t, position("vault", "USDC", "100"))
					d.says("vault", 100, "USDC 100")
					d.exits("k", vaultAt, "")
					for i := range 8 {
						if i == stop {
							d.restart()
						}
						if i == receipt {
							d.ends("k", lifeboat.Performed, "vault USDC -10 @105")
						}
						if i == 7 {
							break
						}
						d.minutes(1)
						there := "100"
						if i > 0 {
							there = tc.there
						}
						d.says("vault", 103+uint64(2*i), "USDC "+there)
					}
					d.minutes(10)
					d.hears(name, tc.told...)
					d.holds("vault", "USDC", tc.there)
				})
			}
		}
	}
}

// What an exit costs has gone from the key that pays before its receipt says so, and nobody is told; what went beside it is told.
func TestWhatAnExitCosts(t *testing.T) {
	for _, c := range []struct {
		left string
		told [][]string
	}{{"0.996", nil}, {"0.9", [][]string{{"2 ", "0.096 ETH went"}}}} {
		d := newDesk(t, position("fuel", "ETH", "1"))
		d.exits("k", vaultAt, "")
		d.says("fuel", 106, "ETH "+c.left)
		d.minutes(2)
		d.says("fuel", 108, "ETH "+c.left)
		d.minutes(2)
		d.hears("before the receipt")
		d.ends("k", lifeboat.NotPerformed, "fuel ETH -0.001 @104", "fuel ETH -0.003 @106") // reverted, and once more
		d.minutes(10)
		d.hears("after it", c.told...)
		d.holds("fuel", "ETH", c.left)
	}
}

// An exit of ten that never says what it moved: what has gone is told after five minutes and not before; its receipt says later whose that was.
func TestPatienceHasAnEnd(t *testing.T) {
	d := newDesk(t, position("vault", "USDC", "100"))
	d.exits("k", vaultAt, "")
	d.says("vault", 106, "USDC 88")
	d.minutes(1)
	d.says("vault", 107, "USDC 88")
	d.minutes(4)
	d.hears("while the exit may explain it")
	if due := d.Due(); due.After(d.at.Add(time.Minute)) {
		t.Errorf("it is looked at again at %s", due)
	}
	d.minutes(1)
	d.hears("after five minutes", []string{"2 ", "12 USDC went", "what the exit of run k moves there"})
	d.restart()
	d.ends("k", lifeboat.Performed, "vault USDC -10 @105")
	d.minutes(9)
	d.hears("when the receipt is in", []string{"2 "}, []string{"0 ", "10 USDC went, as the exit of run k said"})
}

// What an exit brings must not cover what a thief took meanwhile.
func TestWhatCameCoversNothing(t *testing.T) {
	for _, late := range []bool{false, true} {
		d := newDesk(t, position("vault", "USDC", "5"))
		d.says("vault", 100, "USDC 5")
		d.exits("k", vaultAt, "")
		end := func() { d.ends("k", lifeboat.Performed, "vault USDC 10 @105") }
		if !late {
			end()
		}
		for i := range uint64(3) {
			d.minutes(1)
			if s := (lifeboat.Statement{Account: "vault", Height: 106 + i}); d.Awaits(s) != (!late && i < 2) {
				t.Errorf("receipt late %v: statement %d is awaited: %v", late, i, d.Awaits(s))
			}
			d.says("vault", 106+i, "USDC 5")
		}
		if late {
			end()
		}
		d.minutes(2)
		d.hears(fmt.Sprint("ten came and ten were stolen, receipt late: ", late), []string{"2 ", "10 ", "went"})
	}
}

// A statement saw the exit in a block that a reorganisation took away; the receipt says a later one.
func TestReorganisedExit(t *testing.T) {
	d := newDesk(t, position("vault", "USDC", "100"))
	d.says("vault", 100, "USDC 100")
	d.exits("k", vaultAt, "")
	for i := range uint64(2) {
		d.minutes(1)
		d.says("vault", 105+i, "USDC 88")
	}
	d.ends("k", lifeboat.Performed, "vault USDC -10 @110")
	d.minutes(2)
	d.hears("before a statement of the later block")
	for i := range uint64(2) {
		d.says("vault", 111+i, "USDC 88")
		d.minutes(1)
	}
	d.hears("after it", []string{"2 ", "2 USDC went"})
}

// Two exits at once, of which one fails, and what they do to the same account and to another one.
func TestTwoExits(t *testing.T) {
	d := newDesk(t, position("vault", "USDC", "100"), position("cold", "USDC", "1"))
	d.says("vault", 100, "USDC 100")
	d.says("cold", 100, "USDC 1")
	d.exits("one", coldAt, "")
	d.exits("two", coldAt, "")
	d.exits("three", coldAt, "")
	for i := range uint64(3) {
		d.minutes(1)
		d.says("vault", 105+i, "USDC 60")
		d.says("cold", 105+i, "USDC 31")
		switch i {
		case 1:
			d.ends("one", lifeboat.Performed, "vault USDC -10 @104", "cold USDC 10 @104")
		case 2:
			d.ends("three", lifeboat.NotPerformed)
			d.ends("two", lifeboat.Performed, "vault USDC -20 @105", "cold USDC 20 @105")
		}
	}
	d.minutes(9)
	d.hears("ten more went than came", []string{"2 vault", "10 USDC went"})
}

// What is lent and owed earns interest up to the block of the exit, which the exit takes along.
func TestExitOfWhatAccrues(t *testing.T) {
	for _, late := range []bool{false, true} {
		d := newDesk(t, position("loan", "WETH", "10"), position("loan", "USDC", "-12000"))
		for i := range uint64(3) {
			d.says("loan", 100+i, "WETH ~10", "USDC ~-12000")
			d.minutes(1)
		}
		d.exits("k", vaultAt, "")
		end := func() { d.ends("k", lifeboat.Performed, "loan WETH -10.02 @105", "loan USDC 12050 @105") }
		if !late {
			end()
		}
		for i := range uint64(2) {
			d.minutes(1)
			d.says("loan", 106+i)
		}
		if late {
			end()
		}
		d.minutes(9)
		d.hears(fmt.Sprint("everything is out, receipt late: ", late))
		d.holds("loan", "WETH", "0")
	}
}

// Over a bridge something is gone here at once and there after days, in which what comes there waits for the bridge, and what goes does not.
func TestOverABridge(t *testing.T) {
	d := newDesk(t, position("vault", "USDC", "100"), position("beyond", "USDC", "7"))
	d.says("vault", 100, "USDC 100")
	d.says("beyond", 1000, "USDC 7")
	d.exits("k", coldAt, "Rollup")
	d.ends("k", lifeboat.Accepted, "vault USDC -10 @105")
	minute := func(vault, beyond string) {
		d.minutes(1)
		d.height++
		d.says("vault", d.height+5, "USDC "+vault)
		d.says("beyond", 900+d.height, "USDC "+beyond)
	}
	for range 3 {
		minute("90", "7")
	}
	d.hears("it has left")
	d.minutes(7 * 24 * 60)
	for range 2 {
		minute("89", "7")
	}
	d.hears("a theft here, where nothing is under way any more", []string{"2 ", "89 USDC where the book had 90"})
	for range 2 {
		minute("89", "5")
	}
	d.minutes(5)
	d.hears("a theft there, before it arrives", []string{"89"}, []string{"2 beyond", "2 USDC went"})
	for range 3 {
		minute("89", "12") // ten arrive, and three go
	}
	d.restart()
	d.hears("it is there, and the bridge does not say so yet", []string{"89"}, []string{"2 beyond", "2 USDC went"})
	d.ends("k", lifeboat.Performed, "vault USDC -10 @105", "beyond USDC 10 @1008")
	for range 3 {
		minute("89", "12")
	}
	d.hears("it has arrived", []string{"89"}, []string{"2 beyond", "2 USDC went"}, []string{"2 beyond", "3 USDC went"})
}

// What is withdrawn from an exchange is gone there before anybody says so, and comes to the wallet some time.
func TestWithdrawalIsNoTheft(t *testing.T) {
	begin := func(t *testing.T) (d *desk, minute func(exchange, cold string)) {
		d = newDesk(t, position("exchange", "USDC", "50"), position("cold", "USDC", "1"))
		minute = func(exchange, cold string) {
			d.minutes(1)
			d.height++
			d.says("exchange", 0, "USDC "+exchange)
			d.says("cold", d.height, "USDC "+cold)
		}
		minute("50", "1")
		d.task("w", "withdraw-apply", map[string]any{"account": "exchange", "to": "cold"})
		return d, minute
	}
	taken := []string{"exchange USDC -10", "cold USDC 9.5"}
	t.Run("as it should be", func(t *testing.T) {
		d, minute := begin(t)
		for range 3 {
			minute("40", "1")
		}
		d.ends("w", lifeboat.Accepted, taken...)
		d.restart()
		for range 90 {
			minute("40", "1")
		}
		d.ends("w", lifeboat.Performed, taken...)
		for range 90 {
			minute("40", "1")
		}
		for range 3 {
			minute("40", "10.5")
		}
		d.hears("ten left and nine and a half came")
		for range 3 {
			minute("40", "20")
		}
		d.hears("a second time they are nobody's", []string{"0 ", "20 USDC where the book had 10.5"})
	})
	t.Run("more went", func(t *testing.T) {
		d, minute := begin(t)
		d.ends("w", lifeboat.Accepted, taken...)
		for range 3 {
			minute("37", "1")
		}
		d.ends("w", lifeboat.Performed, taken...)
		d.hears("ten of thirteen", []string{"2 ", "3 USDC went"})
	})
	t.Run("taken back", func(t *testing.T) {
		d, minute := begin(t)
		d.ends("w", lifeboat.Accepted, taken...)
		for range 3 {
			minute("40", "1")
		}
		d.ends("w", lifeboat.NotPerformed)
		for range 3 {
			minute("50", "1")
		}
		d.hears("what went came back")
		for range 3 {
			minute("40", "1")
		}
		d.hears("and went again", []string{"2 ", "40 USDC where the book had 50"})
	})
}

// An exit takes half of a share out of a pool in which others trade all the time: the quantities say nothing, the shares do.
func TestExitFromAPool(t *testing.T) {
	for name, tc := range map[string]struct {
		there string
		told  [][]string
	}{
		"others trade":                  {"WETH 4.2 of share half", nil},
		"somebody takes more":           {"WETH 3.2 of share third", [][]string{{"2 ", "pool", "1.3 ", " went"}}},
		"somebody takes all that there": {"WETH 0", [][]string{{"2 ", "pool", "4.5 ", " went"}}},
	} {
		for _, late := range []bool{false, true} {
			for _, stop := range []bool{false, true} {
				d := newDesk(t, position("pool", "WETH", "10"))
				d.says("pool", 100, "WETH 10 of share whole")
				d.exits("k", vaultAt, "")
				end := func() { d.ends("k", lifeboat.Performed, "pool WETH -5.5 @105 whole half") }
				if !late {
					end()
				}
				for i := range uint64(3) {
					d.minutes(1)
					d.says("pool", 106+i, tc.there)
					if stop {
						d.restart()
					}
				}
				if late {
					end()
				}
				d.minutes(9)
				d.hears(fmt.Sprintf("%s, receipt late %v, stop %v", name, late, stop), tc.told...)
			}
		}
	}
}

// Nobody but an act of lifeboat's own explains anything: not a receipt that no intent stands behind, not a command of the plan.
func TestOnlyOwnActsExplain(t *testing.T) {
	d := newDesk(t, position("vault", "USDC", "100"))
	d.task("cmd", "exec", map[string]any{"account": "vault", "chain": "Testnet", "wallet": vaultAt})
	d.ends("cmd", lifeboat.Performed, "vault USDC -10 @105")
	d.ends("nobody", lifeboat.Performed, "vault USDC -10 @105")
	for i := range uint64(3) {
		d.says("vault", 106+i, "USDC 90")
		d.minutes(1)
	}
	d.hears("a forged word", []string{"2 ", "90 USDC where the book had 100"})
}

// However statements, receipts and thefts follow on each other, what is told adds up to what nothing explains.
func FuzzNothingIsHidden(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 0, 4, 1, 2, 2})
	f.Add([]byte{3, 0, 2, 2, 1, 2, 4, 4, 0, 2})
	f.Add([]byte{0, 3, 1, 1, 2, 2, 2, 5, 0, 1, 4, 2, 2})
	f.Fuzz(func(t *testing.T, script []byte) {
		d := newDesk(t, position("vault", "USDC", "1000"))
		d.says("vault", d.height, "USDC 1000")
		there, unexplained := decimal.NewFromInt(1000), decimal.Zero
		type running struct {
			key   lifeboat.Key
			moves []string
		}
		var open []running
		for i, b := range script[:min(len(script), 40)] {
			d.height++
			amount := decimal.NewFromInt(int64(b>>4) + 1)
			switch b % 6 {
			case 0: // an exit takes something out, in this block, and says so later
				key := lifeboat.Key(fmt.Sprint("k", i))
				d.exits(key, vaultAt, "")
				there = there.Sub(amount)
				open = append(open, running{key, []string{fmt.Sprintf("vault USDC -%s @%d", amount, d.height)}})
			case 1: // the oldest says so
				if len(open) > 0 {
					d.ends(open[0].key, lifeboat.Performed, open[0].moves...)
					open = open[1:]
				}
			case 2:
				d.says("vault", d.height, "USDC "+there.String())
			case 3: // a thief
				there, unexplained = there.Sub(amount), unexplained.Add(amount)
			case 4:
				d.restart()
			case 5:
				d.minutes(1)
			}
			if b%2 == 0 {
				d.at = d.at.Add(20 * time.Second)
			}
		}
		for _, one := range open {
			d.ends(one.key, lifeboat.Performed, one.moves...)
		}
		for range 4 {
			d.minutes(1)
			d.height++
			d.says("vault", d.height, "USDC "+there.String())
		}
		told := decimal.Zero
		for _, one := range d.told() {
			told = told.Add(goneIn(one))
		}
		if !told.Equal(unexplained) {
			t.Errorf("%s were taken and %s told:\n%s", unexplained, told, strings.Join(d.told(), "\n"))
		}
		d.holds("vault", "USDC", there.String())
	})
}

var (
	otherwise = regexp.MustCompile(`and (\S+) (went|came) otherwise`)
	cleared   = regexp.MustCompile(`(\S+) USDC (went|came), as `)
	restated  = regexp.MustCompile(`(\S+) USDC where the book had (\S+)\.`)
	strange   = regexp.MustCompile(`(\S+) USDC (went|came)`)
)

// goneIn is how much a message says to have gone that nothing explains, less what it says to be explained.
func goneIn(message string) (sum decimal.Decimal) {
	add := func(amount, way string) {
		if way == "came" {
			sum = sum.Sub(number(amount))
		} else {
			sum = sum.Add(number(amount))
		}
	}
	if m := otherwise.FindStringSubmatch(message); m != nil {
		add(m[1], m[2])
		return sum
	}
	if all := cleared.FindAllStringSubmatch(message, -1); all != nil {
		for _, m := range all {
			add(m[1], m[2])
		}
		return sum.Neg()
	}
	if m := restated.FindStringSubmatch(message); m != nil {
		return number(m[2]).Sub(number(m[1]))
	}
	for _, m := range strange.FindAllStringSubmatch(message, -1) {
		add(m[1], m[2])
	}
	return sum
}
