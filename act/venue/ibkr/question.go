package ibkr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"lifeboat"
)

// Consent is how a kind of question about an order is answered.
type Consent string

const (
	Always Consent = "always"
	Sales  Consent = "sales only"
	Never  Consent = "never"
)

// Kind of a question, as the broker numbers them in messageIds.
type Kind struct {
	ID      string
	About   string
	Confirm Consent
	Why     string
}

// Questions are those that the broker documents, and how each is answered. What is confirmed asks for nothing beyond what
// the plan decided: it cannot make an order larger, dearer, or another one. A limit of size or value at the broker may be
// the owner's second guard, so that only a sale, which the pre-flight holds to what is there, passes it. A kind that is not
// in the table, or has no number, is never confirmed.
var Questions = []Kind{
	{"o163", "the limit is further from the market than the preset share", Always, "a limit holds wherever the market is; the plan's own collar bounds it"},
	{"o354", "there is no market data for the instrument in the login", Always, "lifeboat decided on prices of its own feeds, whose age the pre-flight checks"},
	{"o382", "the limit is more steps of the price from the market than preset", Always, "as o163"},
	{"o383", "more units than the preset limit of size", Sales, "an exit must not hang on a preset; a purchase that large needs a person"},
	{"o403", "the order will most likely fill at once", Always, "that is what it is for"},
	{"o451", "the value is above the preset limit of value", Sales, "as o383"},
	{"o2136", "the order mixes allocations", Never, "lifeboat allocates nothing"},
	{"o2137", "there is an open order on the other side", Never, "it could trade with itself"},
	{"o2165", "no fractions outside regular hours", Never, "lifeboat sends neither"},
	{"o10082", "the bond was called", Never, "a person must look at it"},
	{"o10138", "a change of size is larger than preset", Never, "lifeboat changes no order"},
	{"o10151", "a market order has no bound of price", Always, "the plan chose it; a plan that wants a bound sends limits"},
	{"o10152", "what stop orders do once they are active", Never, "lifeboat sends none"},
	{"o10153", "the broker may cap the price, so that the order may not fill", Always, "a cap makes no fill worse, and what does not fill is told"},
	{"o10164", "an amount of cash is only an estimate", Never, "lifeboat orders units"},
	{"o10223", "an amount of cash is not guaranteed", Never, "lifeboat orders units"},
	{"o10288", "a market order for crypto has risks of its own", Never, "it is not traded here"},
	{"o10331", "what kinds of stop order there are", Never, "lifeboat sends none"},
	{"o10332", "crypto at OSL", Never, "it is not traded here"},
	{"o10333", "an option is exercised at the money", Never, "it is not traded here"},
	{"o10334", "the order goes to an omnibus account", Never, "it would be another account"},
	{"o10335", "a window of the broker's own", Never, "it means nothing here"},
	{"o10336", "not described", Never, "nobody knows what it asks"},
	{"p6", "the order is spread over several accounts", Never, "it would be other accounts"},
	{"p12", "it may be refused when it cannot fill at once: use an algorithm?", Never, "a yes would change the order"},
}

// questionsMax is how many questions about one order are answered.
const questionsMax = 5

// question is what stands between an order and the market.
type question struct {
	id    string
	kinds []string
	texts []string
}

func (q question) String() string {
	told := fmt.Sprintf("%q", plainly(strings.Join(q.texts, " / ")))
	if len(q.kinds) > 0 {
		told += " (" + plainly(strings.Join(q.kinds, ", ")) + ")"
	}
	return told
}

// harmless reports that every part of the question is of a kind that may be confirmed for the order.
func (q question) harmless(o lifeboat.Order) bool {
	for _, id := range q.kinds {
		if !confirmed(id, o.Side) {
			return false
		}
	}
	return len(q.kinds) > 0 && len(q.kinds) >= len(q.texts)
}

func confirmed(id string, side lifeboat.Side) bool {
	for _, k := range Questions {
		if k.ID == id {
			return k.Confirm == Always || k.Confirm == Sales && side == lifeboat.Sell
		}
	}
	return false
}

// answer to an order, or to a confirmation: exactly one of order, refusal and question is there.
type answer struct {
	order    string       // the broker's number
	key      lifeboat.Key // what the broker says the order's key is; "" where it does not
	status   string
	refusal  string
	question question
}

// readAnswer reads what POST orders and POST reply answer: one object, or a list of one. {"error"} with a 200 is a refusal
// as good as any other, and so is a prompt that offers to send the order differently.
func readAnswer(body []byte) (answer, error) {
	var objects []json.RawMessage
	if body = bytes.TrimSpace(body); len(body) > 0 && body[0] == '[' {
		if err := json.Unmarshal(body, &objects); err != nil {
			return answer{}, errors.New("the answer is not the JSON that it should be")
		}
	} else {
		objects = []json.RawMessage{body}
	}
	if len(objects) != 1 {
		return answer{}, fmt.Errorf("the answer is about %d orders and not about one", len(objects))
	}
	var told struct {
		Order    text     `json:"order_id"`
		Key      string   `json:"local_order_id"`
		Status   string   `json:"order_status"`
		Error    string   `json:"error"`
		ID       text     `json:"id"`
		Message  []string `json:"message"`
		Kinds    []string `json:"messageIds"`
		Prompt   text     `json:"reqId"`
		Text     string   `json:"text"`
		Failures string   `json:"failure_list"`
	}
	if err := json.Unmarshal(objects[0], &told); err != nil {
		return answer{}, errors.New("the answer is not the JSON that it should be")
	}
	switch {
	case told.Error != "":
		return answer{refusal: plainly(told.Error)}, nil
	case told.Failures != "":
		return answer{refusal: plainly(told.Failures)}, nil
	case told.Prompt != "" && told.Text != "":
		return answer{refusal: plainly(told.Text)}, nil
	case told.Order != "" && digits(string(told.Order)):
		return answer{order: string(told.Order), key: lifeboat.Key(told.Key), status: told.Status}, nil
	case told.ID != "" && told.Order == "" && numbered(string(told.ID)):
		return answer{question: question{id: string(told.ID), kinds: told.Kinds, texts: told.Message}}, nil
	}
	return answer{}, errors.New("the answer names neither an order nor a reason")
}

func digits(id string) bool {
	return id != "" && len(id) <= 20 && strings.Trim(id, "0123456789") == ""
}

var takenKey = regexp.MustCompile(`(?i)local order id|already registered|duplicate`)

// taken reports that a refusal speaks of the key: "Order couldn't be submitted: Local order ID=… is already registered."
func taken(why string) bool { return takenKey.MatchString(why) }
