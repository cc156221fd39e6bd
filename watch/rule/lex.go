package rule

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"lifeboat/prose"
)

type tokenKind uint8

const (
	theEnd tokenKind = iota
	aNumber
	aName
	aQuoted // a name in quotes
	aSign   // an operator, parenthesis or comma, or a word that is one
)

// A token is a word of the expression. Its text is normal: operators in one spelling, AND OR NOT IF THEN in capitals.
type token struct {
	kind    tokenKind
	text    string
	at, end int // in runes
	value   float64
	typ     Type   // of a number; plain ones are Number
	unit    bool   // the number was written with its unit
	units   string // of a duration, as written: "d", "hm"
}

var unitSeconds = map[string]float64{"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}

var words = map[string]bool{"AND": true, "OR": true, "NOT": true, "IF": true, "THEN": true}

// signs by their spelling; longer spellings are tried first.
var signs = []struct{ written, means string }{
	{"==", "=="}, {"!=", "!="}, {"<=", "<="}, {">=", ">="}, {"<", "<"}, {">", ">"}, {"≤", "<="}, {"≥", ">="}, {"≠", "!="},
	{"+", "+"}, {"-", "-"}, {"−", "-"}, {"*", "*"}, {"/", "/"}, {"(", "("}, {")", ")"}, {",", ","}, {"=", "="},
}

// foreign spellings, and what they are here.
var foreign = []struct{ written, means string }{{"&&", "AND"}, {"||", "OR"}, {"<>", "!="}, {"=>", ">="}, {"=<", "<="}, {"!", "NOT"}}

// lex cuts an expression into tokens, the last of which is theEnd.
func lex(expr string) ([]token, *Fault) {
	x := lexer{runes: []rune(expr)}
	for {
		x.skipSpace()
		t, fault := x.token()
		if fault != nil {
			return nil, fault
		}
		x.tokens = append(x.tokens, t)
		if t.kind == theEnd {
			return x.tokens, nil
		}
	}
}

type lexer struct {
	runes  []rune
	at     int
	tokens []token
}

func (x *lexer) skipSpace() {
	for x.at < len(x.runes) && unicode.IsSpace(x.runes[x.at]) {
		x.at++
	}
}

// peek is the n-th rune from here, 0 after the end.
func (x *lexer) peek(n int) rune {
	if x.at+n < len(x.runes) {
		return x.runes[x.at+n]
	}
	return 0
}

func (x *lexer) token() (token, *Fault) {
	switch r := x.peek(0); {
	case x.at == len(x.runes):
		return token{kind: theEnd, at: x.at, end: x.at}, nil
	case digit(r), r == '.' && digit(x.peek(1)):
		return x.number()
	case r == '$':
		return x.money()
	case r == '\'' || r == '"':
		return x.quoted(r)
	case letter(r):
		return x.name(), nil
	}
	return x.sign()
}

func (x *lexer) name() token {
	from := x.at
	for letter(x.peek(0)) || digit(x.peek(0)) || x.peek(0) == '.' && (letter(x.peek(1)) || digit(x.peek(1))) {
		x.at++
	}
	text := string(x.runes[from:x.at])
	if upper := strings.ToUpper(text); words[upper] {
		return token{kind: aSign, text: upper, at: from, end: x.at}
	}
	return token{kind: aName, text: text, at: from, end: x.at}
}

func (x *lexer) quoted(quote rune) (token, *Fault) {
	from := x.at
	for x.at++; x.at < len(x.runes); x.at++ {
		if x.runes[x.at] == quote {
			x.at++
			return token{kind: aQuoted, text: string(x.runes[from+1 : x.at-1]), at: from, end: x.at}, nil
		}
	}
	return token{}, &Fault{from, x.at - from, "the quote is not closed", ""}
}

// number reads 7, 0.15, 7%, 1.5x, 200d and 1h30m.
func (x *lexer) number() (token, *Fault) {
	from := x.at
	value, fault := x.digits(false)
	if fault != nil {
		return token{}, fault
	}
	t := token{kind: aNumber, at: from, value: value, typ: Number}
	after := x.at
	if x.skipSpace(); x.peek(0) == '%' {
		x.at++
		t.value, t.typ, t.unit = percent(value), Ratio, true
		return x.end(t), nil
	}
	x.at = after
	switch unit := x.unit(); {
	case unit == "":
		return x.end(t), nil
	case unit == "x":
		t.typ, t.unit = Ratio, true
		return x.end(t), nil
	default:
		return x.span(t, unit)
	}
}

// percent keeps 7% the same number as 0.07: 7/100 is, 7*0.01 is not.
func percent(value float64) float64 { return value / 100 }

// span adds up the parts of a duration, the first of which is read.
func (x *lexer) span(t token, unit string) (token, *Fault) {
	var sum float64
	for value := t.value; ; {
		seconds, known := unitSeconds[unit]
		if !known {
			text := string(x.runes[t.at:x.at])
			return t, &Fault{t.at, x.at - t.at, strconv.Quote(text) + " has no unit that is known here: %, x, s, m, h, d or w", meant(t, unit)}
		}
		sum += value * seconds
		t.units += unit
		if !digit(x.peek(0)) {
			t.value, t.typ, t.unit = sum, Duration, true
			return x.end(t), nil
		}
		var fault *Fault
		if value, fault = x.digits(false); fault != nil {
			return t, fault
		}
		unit = x.unit()
	}
}

// spelled are units as people write them, and what they are here. A month and a year of sessions are those of an exchange.
var spelled = map[string]struct {
	times float64
	unit  string
}{
	"sec": {1, "s"}, "secs": {1, "s"}, "second": {1, "s"}, "seconds": {1, "s"},
	"min": {1, "m"}, "mins": {1, "m"}, "minute": {1, "m"}, "minutes": {1, "m"},
	"hr": {1, "h"}, "hrs": {1, "h"}, "hour": {1, "h"}, "hours": {1, "h"},
	"d": {1, "d"}, "day": {1, "d"}, "days": {1, "d"}, "session": {1, "d"}, "sessions": {1, "d"},
	"s": {1, "s"}, "m": {1, "m"}, "h": {1, "h"}, "w": {5, "d"}, "week": {5, "d"}, "weeks": {5, "d"},
	"mo": {21, "d"}, "month": {21, "d"}, "months": {21, "d"}, "y": {250, "d"}, "yr": {250, "d"}, "year": {250, "d"}, "years": {250, "d"},
	"percent": {1, "%"}, "pct": {1, "%"}, "bp": {0.01, "%"}, "bps": {0.01, "%"}, "k": {1_000, ""}, "mn": {1_000_000, ""},
}

// meant is a number with a unit in other words, as it is written here: 3 days is 3d. "" when it cannot be guessed.
func meant(number token, unit string) string {
	word, known := spelled[strings.ToLower(unit)]
	if !known || number.unit {
		return ""
	}
	return strconv.FormatFloat(math.Round(number.value*word.times*1e6)/1e6, 'f', -1, 64) + word.unit
}

func (x *lexer) unit() string {
	from := x.at
	for letter(x.peek(0)) {
		x.at++
	}
	return string(x.runes[from:x.at])
}

// money reads $5,000 and $12.50.
func (x *lexer) money() (token, *Fault) {
	from := x.at
	x.at++
	x.skipSpace()
	if !digit(x.peek(0)) {
		return token{}, &Fault{from, 1, "an amount must follow the $", ""}
	}
	value, fault := x.digits(true)
	if fault != nil {
		return token{}, fault
	}
	if letter(x.peek(0)) || x.peek(0) == '%' {
		meant := ""
		if times := map[string]float64{"k": 1_000, "m": 1_000_000, "mn": 1_000_000, "bn": 1_000_000_000, "b": 1_000_000_000}[strings.ToLower(x.unit())]; times > 0 {
			meant = "$" + prose.Grouped(strconv.FormatFloat(value*times, 'f', -1, 64))
		} else if x.peek(0) == '%' {
			x.at++
		}
		return token{}, &Fault{from, x.at - from, "an amount of money has no other unit than the $", meant}
	}
	return x.end(token{kind: aNumber, at: from, value: value, typ: Money, unit: true}), nil
}

// digits reads a decimal number; with commas between its thousands where nothing else can be meant by them.
func (x *lexer) digits(commas bool) (float64, *Fault) {
	from := x.at
	var text strings.Builder
	for dot := false; ; x.at++ {
		switch r := x.peek(0); {
		case digit(r):
			text.WriteRune(r)
			continue
		case r == '.' && !dot:
			dot = true
			text.WriteRune(r)
			continue
		case r == ',' && commas && !dot && digit(x.peek(1)) && digit(x.peek(2)) && digit(x.peek(3)) && !digit(x.peek(4)):
			continue
		}
		break
	}
	value, err := strconv.ParseFloat(text.String(), 64)
	if err != nil {
		return 0, &Fault{from, x.at - from, "this is not a number", ""}
	}
	return value, nil
}

func (x *lexer) end(t token) token {
	t.end = x.at
	t.text = string(x.runes[t.at:t.end])
	return t
}

func (x *lexer) sign() (token, *Fault) {
	rest := string(x.runes[x.at:min(x.at+2, len(x.runes))])
	for _, s := range foreign {
		if strings.HasPrefix(rest, s.written) && rest != "!=" {
			return token{}, &Fault{x.at, len(s.written), s.written + " is not written like that here", s.means}
		}
	}
	for _, s := range signs {
		if strings.HasPrefix(rest, s.written) {
			from := x.at
			x.at += len([]rune(s.written))
			return token{kind: aSign, text: s.means, at: from, end: x.at}, nil
		}
	}
	return token{}, &Fault{x.at, 1, "the sign " + strconv.Quote(rest[:len(string(x.runes[x.at]))]) + " means nothing here", ""}
}

func digit(r rune) bool  { return '0' <= r && r <= '9' }
func letter(r rune) bool { return r == '_' || unicode.IsLetter(r) }
