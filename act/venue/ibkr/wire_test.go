package ibkr

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
)

// Amounts keep all their digits, in every form in which the gateway writes them.
func TestNumbers(t *testing.T) {
	for raw, want := range map[string]string{
		`1.0`: "1", `454.44000245`: "454.44000245", `2.147166880123456E8`: "214716688.0123456", `"192.26"`: "192.26", `"1,234,567.89"`: "1234567.89", `"-5"`: "-5",
		`null`: "unset", `""`: "unset", `" 7 "`: "7", `1e-8`: "0.00000001", `0.1000000000000000055511151231257827`: "0.1000000000000000055511151231257827",
		`"1,2"`: "refused", `"NaN"`: "refused", `"1 USD"`: "refused", `1e41`: "refused", `1e-41`: "refused", `true`: "refused", `[1]`: "refused", `{}`: "refused",
		`"` + strings.Repeat("9", 81) + `"`: "refused",
	} {
		var n number
		got := "refused"
		if err := json.Unmarshal([]byte(raw), &n); err == nil {
			if got = n.String(); !n.set {
				got = "unset"
			}
		}
		if got != want {
			t.Errorf("%s is %s, not %s", raw, got, want)
		}
	}
}

// An execution counts once however often it is listed, a correction takes its place, and digits are kept.
func TestAddUp(t *testing.T) {
	row := func(id, size, price, fee string) trade {
		n := func(s string) number { return number{decimal.RequireFromString(s), true} }
		return trade{ID: id, Key: "lb-x", Side: "S", Size: n(size), Price: n(price), Fee: n(fee), At: n("1702317649000")}
	}
	sums, err := addUp([]trade{
		row("0000e0d5.6576fd38.01.01", "5", "192.26", "1.01"), row("0000e0d5.6576fd38.01.01", "5", "192.26", "1.01"),
		row("0000e0d5.6576fd39.01.02", "3", "192.123456789", "0.5"), row("0000e0d5.6576fd39.01.01", "30", "192.1", "0.5"),
		{ID: "by hand"},
	})
	if err != nil || len(sums) != 1 {
		t.Fatal(sums, err)
	}
	d := sums["lb-x"]
	if d.size.String() != "8" || d.cost.String() != "1537.670370367" || d.fee.String() != "1.51" || d.price().String() != "192.208796295875" || !d.last.Equal(time.UnixMilli(1702317649000)) {
		t.Errorf("%+v at %s", d, d.price())
	}
}

// Every documented status has its word, and what fills is told with it.
func TestStatuses(t *testing.T) {
	v, err := New(venue.Connection{Account: "broker", Currency: "USD"})
	if err != nil {
		t.Fatal(err)
	}
	n := decimal.NewFromInt
	for _, tc := range []struct {
		status string
		filled int64
		want   lifeboat.ReceiptStatus
		why    string
	}{
		{"PendingSubmit", 0, lifeboat.Accepted, ""}, {"PreSubmitted", 0, lifeboat.Accepted, ""}, {"Submitted", 0, lifeboat.Accepted, ""},
		{"Submitted", 4, lifeboat.PartialFill, ""}, {"PendingCancel", 0, lifeboat.Accepted, "under way"}, {"PendingCancel", 4, lifeboat.PartialFill, "under way"},
		{"ApiPending", 0, lifeboat.Accepted, ""}, {"ApiCancelled", 0, lifeboat.Canceled, ""}, {"Inactive", 0, lifeboat.Accepted, "holds it back"},
		{"WarnState", 0, lifeboat.Accepted, "holds it back"}, {"Cancelled", 0, lifeboat.Canceled, ""}, {"Cancelled", 4, lifeboat.Canceled, ""},
		{"Filled", 10, lifeboat.Filled, ""}, {"Filled", 4, "", ""}, {"Filled", 0, "", ""}, {"Expired", 0, lifeboat.Expired, ""},
		{"Rejected", 0, lifeboat.OrderRejected, "rejected it"}, {"", 0, "", ""}, {"Whatever", 0, "", ""},
	} {
		r, err := v.tell("lb-x", standing{id: "7", status: tc.status, total: n(10), filled: n(tc.filled), average: n(50), moved: time.Unix(1, 0)}, nil)
		if (err != nil) != (tc.want == "") || err == nil && (r.Status != tc.want || !strings.Contains(r.Why, tc.why) || !r.Filled.Equal(n(tc.filled))) {
			t.Errorf("%s with %d filled: %+v, %v", tc.status, tc.filled, r, err)
		}
	}
	for status := range statuses {
		if status != strings.ToLower(status) {
			t.Errorf("%s is not in lower case", status)
		}
	}
}

// Limits go to the step of their range, on the owner's side.
func TestOnStep(t *testing.T) {
	n := func(s string) number { return number{decimal.RequireFromString(s), true} }
	c := contract{steps: []priceStep{{n("0"), n("0.0001")}, {n("1"), n("0.05")}}}
	for _, tc := range []struct {
		side        lifeboat.Side
		limit, want string
	}{
		{lifeboat.Sell, "10.01", "10.05"}, {lifeboat.Buy, "10.09", "10.05"}, {lifeboat.Sell, "10.05", "10.05"}, {lifeboat.Buy, "0.12345", "0.1234"}, {lifeboat.Sell, "0.12345", "0.1235"},
	} {
		if got := c.onStep(tc.side, decimal.RequireFromString(tc.limit)); got.String() != tc.want {
			t.Errorf("%s at %s goes to %s, not %s", tc.side, tc.limit, got, tc.want)
		}
	}
	if got := (contract{}).onStep(lifeboat.Sell, decimal.RequireFromString("1.2345")); got.String() != "1.2345" {
		t.Errorf("without steps it goes to %s", got)
	}
}

// Each question has a word of its own on how it is answered.
func TestQuestionsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Questions {
		if seen[k.ID] || k.About == "" || k.Why == "" || k.Confirm != Always && k.Confirm != Sales && k.Confirm != Never {
			t.Errorf("%+v", k)
		}
		seen[k.ID] = true
	}
}

// Whatever an answer to an order says, it is at most one of order, refusal and question, and what goes into a path is fit for it.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`[{"order_id":"1171486718","local_order_id":"lb-x","order_status":"PreSubmitted","encrypt_message":"1"}]`,
		`{"order_id":987654,"order_status":"Submitted"}`,
		`[{"id":"07a13a5a-4a48-44a5-bb25-5ab37b79186c","message":["The following order \"BUY 5 AAPL\" exceeds \nthe Percentage constraint of 3%."],"isSuppressed":false,"messageIds":["o163"]}]`,
		`{"error":"Order couldn't be submitted: Local order ID=lb-x is already registered."}`,
		`{"orderId":1,"reqId":"12","text":"<b>no</b>","options":["Yes"],"prompt":true}`,
		`[]`, `[{},{}]`, `null`, `7`, `{"id":"../../logout"}`, `{"order_id":"1/../2"}`, `<html>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := readAnswer(body)
		if err != nil {
			return
		}
		kinds := 0
		for _, is := range []bool{a.order != "", a.refusal != "", a.question.id != ""} {
			if is {
				kinds++
			}
		}
		if kinds != 1 || a.order != "" && !digits(a.order) || a.question.id != "" && !numbered(a.question.id) || strings.ContainsAny(a.refusal, "\n\r") {
			t.Errorf("%q is read as %+v", body, a)
		}
	})
}

// Whatever the lists say, what is read of them can be written as a receipt or is refused.
func FuzzLists(f *testing.F) {
	f.Add([]byte(`[{"acct":"U1","conid":265598,"orderId":1234568790,"remainingQuantity":0.0,"filledQuantity":5.0,"totalSize":5.0,"status":"Filled","avgPrice":"192.26","origOrderType":"MARKET","order_ref":"lb-x","lastExecutionTime_r":1702317649000,"side":"SELL"}]`),
		[]byte(`[{"execution_id":"0000e0d5.6576fd38.01.01","symbol":"AAPL","side":"S","trade_time_r":1702317649000,"size":5.0,"price":"192.26","order_ref":"lb-x","commission":"1.01","account":"U1","conid":265598}]`))
	f.Add([]byte(`[{"orderId":"1","status":"Submitted","totalSize":"1,000","filledQuantity":null,"price":""}]`), []byte(`[]`))
	f.Add([]byte(`[{"orderId":1,"totalSize":1e400}]`), []byte(`[{"order_ref":"lb-x","size":-1}]`))
	v, err := New(venue.Connection{Account: "broker", Currency: "USD"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, orders, trades []byte) {
		var rows []listedOrder
		var fills []trade
		if json.Unmarshal(orders, &rows) != nil || json.Unmarshal(trades, &fills) != nil {
			return
		}
		sums, err := addUp(fills)
		if err != nil {
			return
		}
		for _, row := range rows {
			s, err := row.standing()
			if err != nil {
				continue
			}
			r, err := v.tell(s.key, s, sums[s.key])
			if err != nil {
				continue
			}
			if r.Filled.IsNegative() || r.Filled.IsPositive() && (!r.Price.IsPositive() || r.FilledAt.IsZero()) || r.Fee.IsNegative() || r.Status == lifeboat.Filled && r.Filled.LessThan(s.total) {
				t.Errorf("%s %s: %+v", orders, trades, r)
			}
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		}
	})
}
