package notify

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"lifeboat"
)

//go:embed words.tmpl
var wordsText string

var words = template.Must(template.New("words").Parse(wordsText))

// said is what the templates may name.
type said struct {
	Portfolio string
	Person    string
	At        string
	Line      string // the message in one line
	Said      string // the message in full
	Link      string
	Key       lifeboat.Key
}

const (
	lineMax   = 100 // characters of a subject's own part
	shortMax  = 160 // characters of one SMS
	spokenMax = 600 // characters that are read out: about 40 seconds
)

// put puts a delivery into words. Key, person, tier and the like are set.
func put(portfolio string, in *time.Location, d Delivery, subject, text string) Delivery {
	text = strings.TrimSpace(plain(text))
	line := strings.Join(strings.Fields(plain(cmp.Or(subject, firstLine(text)))), " ")
	what := said{Portfolio: plain(portfolio), Person: plain(d.Person), At: d.At.In(in).Format("2 Jan 2006 15:04 MST"),
		Line: cut(line, lineMax), Said: text, Link: d.Link, Key: d.Key}
	kind := kindOf(d)
	d.Subject, d.Text = fill(kind+".subject", what), fill(kind+".body", what)
	d.Short = short(kind, text, d)
	d.Spoken = cut(fmt.Sprintf("lifeboat, for %s. %s. %s", what.Person, map[string]string{"question": "Please answer",
		"emergency": "Emergency", "action": "Action is needed", "information": "For your information"}[kind], speakable(text)), spokenMax)
	return d
}

// kindOf a delivery: question, emergency, action or information. Word that a matter is in hand, or over, informs.
func kindOf(d Delivery) string {
	switch {
	case d.Standing != Open:
		return "information"
	case d.Question:
		return "question"
	case d.Tier >= lifeboat.Emergency:
		return "emergency"
	case d.Tier == lifeboat.Action:
		return "action"
	}
	return "information"
}

func fill(name string, what said) string {
	var out bytes.Buffer
	if err := words.ExecuteTemplate(&out, name, what); err != nil {
		panic("words: " + err.Error()) // the templates are compiled in, and a test fills each
	}
	return out.String()
}

// short is one SMS: as much of the text as fits, the link if it leaves the text room to say something, and the key last.
func short(kind, text string, d Delivery) string {
	const textMin = 60
	mark := map[string]string{"question": "? ", "emergency": "!! ", "action": "! "}[kind]
	end := " " + string(d.Key)
	if link := " " + d.Link; d.Link != "" && shortMax-utf8.RuneCountInString(mark+link+end) >= textMin {
		end = link + end
	}
	text = strings.Join(strings.Fields(text), " ")
	return mark + cut(text, shortMax-utf8.RuneCountInString(mark+end)) + end
}

// speakable leaves out what is to be typed: nobody can write down a key that a phone reads out.
func speakable(text string) string {
	text = strings.Join(strings.Fields(untyped(text)), " ")
	if text == "" || strings.ContainsAny(text[len(text)-1:], ".?!") {
		return text
	}
	return text + "."
}

// untyped is a text without the command that answers it, with which questions end.
func untyped(text string) string {
	text, _, _ = strings.Cut(text, "Answer: lifeboat ")
	return text
}

// firstLine is a text's first sentence, or its first line.
func firstLine(text string) string {
	line, _, _ := strings.Cut(untyped(text), "\n")
	if i := strings.Index(line, ". "); i > 0 {
		line = line[:i]
	}
	return line
}

// cut shortens a text to so many characters, and shows that it did.
func cut(text string, runesMax int) string {
	if utf8.RuneCountInString(text) <= runesMax {
		return text
	}
	if runesMax < 1 {
		return ""
	}
	return string([]rune(text)[:runesMax-1]) + "…"
}
