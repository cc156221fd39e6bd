package approve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// family is a plan in which Ana owns, Ben and Cem are trustees, and mandates say what takes more than a word.
func family() *plan.Plan {
	return &plan.Plan{
		People: []plan.Person{{Name: "Ana", Role: "owner"}, {Name: "Ben", Role: "trustee"}, {Name: "Cem", Role: "trustee"}, {Name: "Dee"}},
		Mandates: []plan.Mandate{
			{Name: "board", By: "trustee", Need: 2, Factor: "any"},
			{Name: "another", By: "trustee", NotStarter: true, Factor: "none"},
			{Name: "both others", By: "trustee", Need: 2, NotStarter: true},
			{Name: "key", By: "Ana", Factor: "webauthn"},
		},
	}
}

func TestTermsOf(t *testing.T) {
	for _, c := range []struct {
		name, starter string
		want          Terms
		refusal       string // a part of it
	}{
		{name: "Ben", want: Terms{To: []string{"Ben"}, Need: 1}},
		{name: "trustee", starter: "Ben", want: Terms{To: []string{"Ben", "Cem"}, Need: 1}},
		{name: "", want: Terms{To: []string{"Ana"}, Need: 1}},
		{name: "board", starter: "Ben", want: Terms{To: []string{"Ben", "Cem"}, Need: 2, Factor: "any"}},
		{name: "key", want: Terms{To: []string{"Ana"}, Need: 1, Factor: "webauthn"}},
		{name: "another", starter: "Ben", want: Terms{To: []string{"Cem"}, Need: 1, Not: "Ben"}},
		{name: "another", starter: "plan", want: Terms{To: []string{"Ben", "Cem"}, Need: 1, Not: "plan"}},
		{name: "another", starter: "Ben, Cem", refusal: "besides Ben, Cem, who started it"},
		{name: "both others", starter: "Cem", refusal: "takes a yes of 2 and the plan has 1"},
		{name: "automatic", refusal: "the plan names nobody"},
		{name: "nobody", refusal: "the plan names nobody"},
	} {
		t.Run(c.name+" started by "+c.starter, func(t *testing.T) {
			got, err := TermsOf(family(), c.name, c.starter)
			if c.refusal != "" {
				if err == nil || !strings.Contains(err.Error(), c.refusal) || lifeboat.KindOf(err) != lifeboat.Denied {
					t.Fatalf("got %v, want a refusal with %q", err, c.refusal)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v %v, want %+v", got, err, c.want)
			}
		})
	}
	alone := &plan.Plan{People: []plan.Person{{Name: "Eve"}, {Name: "Fay"}}}
	if got, err := TermsOf(alone, "", ""); err != nil || !slices.Equal(got.To, []string{"Eve"}) {
		t.Errorf("without an owner the first person is asked, not %v %v", got, err)
	}
	if _, err := TermsOf(&plan.Plan{}, "", ""); err == nil {
		t.Error("a plan without people has nobody to ask")
	}
}

const this, that = "this content", "that content"

// yes of a person to this content; factor is a kind and the content that it signed, or nothing.
func yes(by string, factor ...string) lifeboat.Answer {
	a := lifeboat.Answer{By: by, Yes: true, Content: this}
	if len(factor) == 2 {
		a.Factor = &lifeboat.Factor{Kind: factor[0], ID: "f", Content: factor[1]}
	}
	return a
}

func no(by string) lifeboat.Answer { return lifeboat.Answer{By: by} }

func TestJudge(t *testing.T) {
	one := Terms{To: []string{"Ana", "Ben", "Cem"}, Need: 1}
	two := Terms{To: one.To, Need: 2}
	other := yes("Ben")
	other.Content = that
	for _, c := range []struct {
		what    string
		terms   Terms
		answers []lifeboat.Answer
		want    Verdict
		by      string
	}{
		{"nobody answered", one, nil, Open, ""},
		{"one yes is enough", one, []lifeboat.Answer{yes("Ben")}, Yes, "Ben"},
		{"a stranger's yes is none", one, []lifeboat.Answer{yes("Eve")}, Open, ""},
		{"a stranger's no is none", one, []lifeboat.Answer{no("Eve")}, Open, ""},
		{"a no is a no, without content", two, []lifeboat.Answer{yes("Ben"), no("Cem")}, No, "Cem"},
		{"even of somebody who said yes", two, []lifeboat.Answer{yes("Ben"), no("Ben")}, No, "Ben"},
		{"what is settled stays settled", one, []lifeboat.Answer{yes("Ben"), no("Cem")}, Yes, "Ben"},
		{"a no cannot be taken back", one, []lifeboat.Answer{no("Cem"), yes("Cem")}, No, "Cem"},
		{"two different people", two, []lifeboat.Answer{yes("Ben"), yes("Ana")}, Yes, "Ben Ana"},
		{"not the same one twice", two, []lifeboat.Answer{yes("Ben"), yes("Ben")}, Open, "Ben"},
		{"not to something else", one, []lifeboat.Answer{other}, Open, ""},
		{"no more than is needed is told", two, []lifeboat.Answer{yes("Ben"), yes("Ana"), yes("Cem")}, Yes, "Ben Ana"},
		{"not the starter", Terms{To: one.To, Need: 1, Not: "Ben"}, []lifeboat.Answer{yes("Ben")}, Open, ""},
		{"not one of the starters", Terms{To: one.To, Need: 1, Not: "Ana, Ben"}, []lifeboat.Answer{yes("Ben")}, Open, ""},
		{"a name within a starter's name is another's", Terms{To: one.To, Need: 1, Not: "Benno"}, []lifeboat.Answer{yes("Ben")}, Yes, "Ben"},
		{"a factor is wanted", Terms{To: one.To, Need: 1, Factor: "any"}, []lifeboat.Answer{yes("Ben")}, Open, ""},
		{"any will do", Terms{To: one.To, Need: 1, Factor: "any"}, []lifeboat.Answer{yes("Ben", "duo", this)}, Yes, "Ben"},
		{"this kind", Terms{To: one.To, Need: 1, Factor: "totp"}, []lifeboat.Answer{yes("Ben", "totp", this)}, Yes, "Ben"},
		{"not another kind", Terms{To: one.To, Need: 1, Factor: "webauthn"}, []lifeboat.Answer{yes("Ben", "totp", this)}, Open, ""},
		{"not signed for something else", Terms{To: one.To, Need: 1, Factor: "totp"}, []lifeboat.Answer{yes("Ben", "totp", that)}, Open, ""},
		{"not even where none is wanted", one, []lifeboat.Answer{yes("Ben", "totp", that)}, Open, ""},
		{"one with, one without", Terms{To: one.To, Need: 2, Factor: "any"}, []lifeboat.Answer{yes("Ben", "totp", this), yes("Ana")}, Open, "Ben"},
	} {
		t.Run(c.what, func(t *testing.T) {
			got := c.terms.Judge(c.answers, this)
			if got.Verdict != c.want || strings.Join(got.By, " ") != c.by {
				t.Errorf("got %s by %v, want %s by %q", got.Verdict, got.By, c.want, c.by)
			}
		})
	}
}

// TestNothingToSign: a factor over nothing would be good for every other question of the kind.
func TestNothingToSign(t *testing.T) {
	terms := Terms{To: []string{"Ana"}, Need: 1, Factor: "any"}
	a := lifeboat.Answer{By: "Ana", Yes: true, Factor: &lifeboat.Factor{Kind: "totp"}}
	if got := terms.Judge([]lifeboat.Answer{a}, ""); got.Verdict != Open {
		t.Errorf("an empty content was approved: %+v", got)
	}
}

func proposal() lifeboat.Proposal {
	d := decimal.RequireFromString
	return lifeboat.Proposal{
		Run: "7Q3", Step: "2", Playbook: "exit", Hash: "abc",
		Orders: []lifeboat.ProposedOrder{
			{Order: lifeboat.Order{ID: "lb-1", Account: "broker", Symbol: "SPY", Side: lifeboat.Sell, Type: lifeboat.Limit, Quantity: d("1200.50"),
				Limit: d("408.10"), Arrival: d("412")}, SlippageBps: 12.5, How: "half of the spread, and the square root of 3% of a day's volume"},
			{Order: lifeboat.Order{ID: "lb-2", Account: "broker", Symbol: "BIL", Side: lifeboat.Buy, Type: lifeboat.Market, Quantity: d("10"), Arrival: d("91.5")},
				SlippageBps: 1},
		},
		Task: &lifeboat.Task{Kind: "http", Spec: json.RawMessage(`{"url":"https://a.example/?x=<1>&y=2"}`), Shown: "It calls a.example.\nOnce.",
			Consent: []lifeboat.Answer{{By: "Ana"}}},
		Until: noon.In(time.FixedZone("Zurich", 3600)),
	}
}

// TestDigestThroughTheJournal: what was signed before a restart is the same after it.
func TestDigestThroughTheJournal(t *testing.T) {
	before := proposal()
	var written bytes.Buffer
	enc := json.NewEncoder(&written)
	enc.SetEscapeHTML(false) // as the journal writes
	if err := enc.Encode(lifeboat.Intent{Key: "lb-q", Act: lifeboat.SendMessage, Message: &lifeboat.Message{Proposal: &before}}); err != nil {
		t.Fatal(err)
	}
	read, err := lifeboat.Decode("intent", written.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	after := read.(lifeboat.Intent).Message.Proposal
	if Digest(before) != Digest(*after) || !isDigest(Digest(before)) {
		t.Errorf("the digest was %s and is %s", Digest(before), Digest(*after))
	}
	if after.Until = after.Until.UTC(); Digest(before) != Digest(*after) {
		t.Error("another time zone is another digest")
	}
	wanted := lifeboat.Request{ID: "Q1", Verb: lifeboat.Preauthorise, By: "Ana", Bound: &lifeboat.Bound{Quantity: decimal.RequireFromString("1.50"), Until: proposal().Until}}
	body, _ := json.Marshal(wanted)
	back, err := lifeboat.Decode("request", body)
	if err != nil || DigestRequest(wanted) != DigestRequest(back.(lifeboat.Request)) {
		t.Errorf("a request has another digest after the journal (%v)", err)
	}
	signed := wanted
	signed.Factor = &lifeboat.Factor{Kind: "totp"}
	if DigestRequest(wanted) != DigestRequest(signed) || signed.Factor == nil {
		t.Error("the factor cannot be part of what it signs")
	}
}

// TestDigestCoversEverything changes one leaf after the other: a field that the digest left out could be exchanged after the yes.
func TestDigestCoversEverything(t *testing.T) {
	whole := proposal()
	changeEach(t, "proposal", reflect.ValueOf(&whole).Elem(), func() string { return Digest(whole) })
	r := lifeboat.Request{ID: "Q1", Verb: lifeboat.Preauthorise, Object: "o", Step: "s", By: "Ana", Note: "n", Bound: bound("SPY", "10", "400")}
	changeEach(t, "request", reflect.ValueOf(&r).Elem(), func() string { return DigestRequest(r) })
	if DigestQuestion("a", "bc") == DigestQuestion("ab", "c") || DigestQuestion("a", "b") == DigestQuestion("a", "c") {
		t.Error("two questions share a digest")
	}
}

func changeEach(t *testing.T, path string, v reflect.Value, digest func() string) {
	t.Helper()
	before := digest()
	old := reflect.New(v.Type()).Elem()
	old.Set(v)
	switch leaf := v.Interface().(type) {
	case decimal.Decimal:
		v.Set(reflect.ValueOf(leaf.Add(decimal.New(1, -9))))
	case time.Time:
		v.Set(reflect.ValueOf(leaf.Add(time.Nanosecond)))
	case json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage(`{}`)))
	case []lifeboat.Answer:
		v.Set(reflect.ValueOf(append(leaf[:0:0], lifeboat.Answer{By: leaf[0].By + " "})))
	case *lifeboat.Factor:
		return // it signs the rest
	default:
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				changeEach(t, path+"."+v.Type().Field(i).Name, v.Field(i), digest)
			}
			return
		case reflect.Slice:
			for i := range v.Len() {
				changeEach(t, fmt.Sprint(path, i), v.Index(i), digest)
			}
			v.Set(v.Slice(0, v.Len()-1))
		case reflect.Pointer:
			changeEach(t, path, v.Elem(), digest)
			v.SetZero()
		case reflect.String:
			v.SetString(v.String() + " ")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Float64:
			v.SetFloat(v.Float() + 1e-6)
		default:
			t.Fatalf("%s: the test cannot change a %s", path, v.Type())
		}
	}
	if digest() == before {
		t.Errorf("%s can be changed and the digest stays the same", path)
	}
	v.Set(old)
}

func TestShow(t *testing.T) {
	p := proposal()
	want := strings.TrimSpace(`
Playbook exit, run 7Q3, step 2: 2 orders and 1 task.
- sell 1,200.5 SPY in broker, not below 408.1; about 494,606.00 at 412; expected slippage 12.5 bps, about 618.26: half of the spread, and the square root of 3% of a day's volume.
- buy 10 BIL in broker, at the market; about 915.00 at 91.5; expected slippage 1.0 bps, about 0.09.
Together: about 494,606.00 sold and 915.00 bought, at an expected cost of 618.35.
- http:
    | It calls a.example.
    | Once.
  As it is written: {"url":"https://a.example/?x=<1>&y=2"}
A yes counts until 2026-11-23 12:00:00 UTC. Content ` + Digest(p)[:8] + `.`)
	if got := Show(p); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	long := lifeboat.Proposal{Playbook: "move", Task: &lifeboat.Task{Kind: "exec", Spec: json.RawMessage(`"` + strings.Repeat("é", specMax+10) + `"`)}}
	if got := Show(long); !strings.Contains(got, "… and 12 characters more that are not shown here") {
		t.Errorf("what is cut off is not told of: %s", got[len(got)-200:])
	}
	long.Task.Shown = strings.Repeat("no more\n- sell everything\n", shownMax)
	if got := Show(long); !strings.Contains(got, "… and more lines that are not shown here") || strings.Contains(got, "\n- sell") || strings.Count(got, "\n") > shownMax+5 {
		t.Errorf("got %s", got)
	}
	asked := lifeboat.Request{ID: "Q1", Verb: lifeboat.Preauthorise, By: "Ana", Bound: bound("SPY", "10", "400"), Note: "for the weekend"}
	want = "Ana asks for: preauthorise sell up to 10 SPY in broker, not below 400, once, until 2026-11-23 13:00:00 UTC.\nNote: for the weekend\nContent " +
		Short(DigestRequest(asked)) + "."
	if got := ShowRequest(asked); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// FuzzShow: no name or explanation can add a line, or move the cursor.
func FuzzShow(f *testing.F) {
	f.Add("SPY\nA yes counts until", "\u202e12", "\x1b[2K", `{"a":"\u202e"}`)
	f.Fuzz(func(t *testing.T, symbol, account, how, spec string) {
		if !json.Valid([]byte(spec)) {
			spec = "{}"
		}
		p := lifeboat.Proposal{Playbook: symbol, Orders: []lifeboat.ProposedOrder{{Order: lifeboat.Order{Symbol: symbol, Account: account}, How: how}},
			Task: &lifeboat.Task{Kind: account, Spec: json.RawMessage(spec)}}
		text := Show(p)
		if n := strings.Count(text, "\n"); n != 4 {
			t.Errorf("%d lines: %q", n+1, text)
		}
		if plain(strings.ReplaceAll(text, "\n", "")) != strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", "")), " ") {
			t.Errorf("%q holds something that a screen obeys", text)
		}
	})
}
