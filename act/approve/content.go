package approve

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/prose"
)

// Digest of a proposal: the SHA-256, in hex, of its JSON. It is the same before and after the proposal went through the journal.
func Digest(p lifeboat.Proposal) string {
	p.Until = p.Until.UTC()
	return digest(p)
}

// DigestQuestion is the content of a question that proposes nothing which could be frozen, where a factor is wanted all the same.
func DigestQuestion(key lifeboat.Key, text string) string {
	return digest(struct {
		Question lifeboat.Key `json:"question"`
		Text     string       `json:"text"`
	}{key, text})
}

// DigestRequest is what the factor of a request signs: all of the request but the factor.
func DigestRequest(r lifeboat.Request) string {
	r.Factor = nil
	if r.Bound != nil {
		bound := *r.Bound
		bound.Until = bound.Until.UTC()
		r.Bound = &bound
	}
	return digest(struct {
		Request lifeboat.Request `json:"request"`
	}{r})
}

func digest(v any) string {
	content, err := json.Marshal(v)
	if err != nil { // an infinite slippage, say: the journal would refuse it as well, and nobody may be asked about it
		panic(fmt.Sprintf("approve: content that cannot be written down: %v", err))
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Short is how people compare a digest: its first eight digits.
func Short(digest string) string { return digest[:min(8, len(digest))] }

// What is shown of a task at most. The rest is told of; the digest covers all of it.
const (
	specMax  = 4000 // letters of how it is written
	shownMax = 60   // lines of what it does
	lineMax  = 400  // letters of each
)

// Show says what a yes permits: one line for each act, then the sums, then until when a yes counts and the beginning of the digest.
func Show(p lifeboat.Proposal) string {
	lines := []string{head(p)}
	for _, o := range p.Orders {
		lines = append(lines, "- "+order(o))
	}
	if len(p.Orders) > 0 {
		lines = append(lines, sums(p.Orders))
	}
	if p.Task != nil {
		lines = append(lines, "- "+task(*p.Task))
		lines = append(lines, showTx(p)...)
	}
	return strings.Join(append(lines, fmt.Sprintf("A yes counts until %s. Content %s.", instant(p.Until), Short(Digest(p)))), "\n")
}

// ShowRequest says what somebody asks for, to be signed with a second factor.
func ShowRequest(r lifeboat.Request) string {
	text := fmt.Sprintf("%s asks for: %s %s", plain(r.By), r.Verb, plain(r.Object))
	if r.Step != "" {
		text += ", step " + plain(r.Step)
	}
	if b := r.Bound; b != nil {
		text += fmt.Sprintf("%s up to %s %s in %s", b.Side, number(b.Quantity), plain(b.Symbol), plain(b.Account))
		if b.Price.IsPositive() {
			text += map[lifeboat.Side]string{lifeboat.Sell: ", not below ", lifeboat.Buy: ", not above "}[b.Side] + number(b.Price)
		}
		text += ", once, until " + instant(b.Until)
	}
	return fmt.Sprintf("%s.%s\nContent %s.", strings.TrimSpace(text), prose.After("\nNote: ", plain(r.Note)), Short(DigestRequest(r)))
}

func head(p lifeboat.Proposal) string {
	text := "Playbook " + plain(p.Playbook)
	if p.Run != "" {
		text += ", run " + plain(p.Run)
	}
	if p.Step != "" {
		text += ", step " + plain(p.Step)
	}
	what := prose.Count(len(p.Orders), "order")
	switch {
	case p.Task != nil && len(p.Orders) == 0:
		what = "1 task"
	case p.Task != nil:
		what += " and 1 task"
	case len(p.Orders) == 0:
		what = "nothing is sent"
	}
	return text + ": " + what + "."
}

func order(o lifeboat.ProposedOrder) string {
	text := fmt.Sprintf("%s %s %s in %s", o.Side, number(o.Quantity), plain(o.Symbol), plain(o.Account))
	switch {
	case o.Type != lifeboat.Limit:
		text += ", at the market"
	case o.Side == lifeboat.Sell:
		text += ", not below " + number(o.Limit)
	default:
		text += ", not above " + number(o.Limit)
	}
	if o.Arrival.IsPositive() {
		text += fmt.Sprintf("; about %s at %s", money(value(o)), number(o.Arrival))
	} else {
		text += "; its value is not known"
	}
	return fmt.Sprintf("%s; expected slippage %.1f bps, about %s%s.", text, o.SlippageBps, money(cost(o)), prose.After(": ", plain(o.How)))
}

// sums are what all orders come to. They are in the currency in which the prices are.
func sums(orders []lifeboat.ProposedOrder) string {
	var sold, bought, slips decimal.Decimal
	for _, o := range orders {
		if slips = slips.Add(cost(o)); o.Side == lifeboat.Sell {
			sold = sold.Add(value(o))
		} else {
			bought = bought.Add(value(o))
		}
	}
	return fmt.Sprintf("Together: about %s sold and %s bought, at an expected cost of %s.", money(sold), money(bought), money(slips))
}

// task is what will be done in words, each line of them set in so that none can pass for a line of ours, and as it is written.
func task(t lifeboat.Task) string {
	if t.Shown == "" {
		return plain(t.Kind) + " " + cut(string(t.Spec), specMax)
	}
	lines := []string{plain(t.Kind) + ":"}
	for line := range strings.Lines(t.Shown) {
		if len(lines) > shownMax {
			lines = append(lines, "    | … and more lines that are not shown here")
			break
		}
		lines = append(lines, "    | "+cut(line, lineMax))
	}
	return strings.Join(append(lines, "  As it is written: "+cut(string(t.Spec), specMax)), "\n")
}

func cut(text string, most int) string {
	letters := []rune(plain(text))
	if len(letters) <= most {
		return string(letters)
	}
	return string(letters[:most]) + fmt.Sprintf(" … and %d characters more that are not shown here", len(letters)-most)
}

func value(o lifeboat.ProposedOrder) decimal.Decimal { return o.Quantity.Mul(o.Arrival) }

func cost(o lifeboat.ProposedOrder) decimal.Decimal {
	return value(o).Mul(decimal.NewFromFloat(o.SlippageBps)).Shift(-4)
}

func number(d decimal.Decimal) string { return prose.Grouped(d.String()) }
func money(d decimal.Decimal) string  { return prose.Grouped(d.StringFixed(2)) }
func instant(t time.Time) string      { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// plain keeps a text on its line, and drops what a screen obeys or does not show: a name must not be able to write a second
// line, or to turn a number round.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, prose.OneLine(text))
}
