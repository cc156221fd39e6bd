package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Protocol is the version that this lifeboat speaks; docs/plugins.md and docs/plugin.schema.json describe it.
const Protocol = 1

const (
	lineMax    = 64 << 10 // bytes
	messageMax = 300      // characters of a fault that are passed on
)

// What lifeboat says.
type (
	hello struct {
		Op       string `json:"op"`
		Protocol int    `json:"protocol"`
		Lifeboat string `json:"lifeboat"`
	}
	subscribe struct {
		Op     string   `json:"op"`
		Series []string `json:"series"`
	}
	stop struct {
		Op string `json:"op"`
	}
)

// message is a line that a plug-in says: one of these.
type message struct {
	Hello     *greeting `json:"hello"`
	Reading   *reading  `json:"reading"`
	Heartbeat *struct{} `json:"heartbeat"`
	Error     *fault    `json:"error"`
}

type greeting struct {
	Protocol int    `json:"protocol"`
	Name     string `json:"name"`
	Version  string `json:"version"`
}

type reading struct {
	Series  string          `json:"series"`
	Value   json.RawMessage `json:"value"` // a number, or one in quotes
	Time    string          `json:"time"`  // RFC 3339; the time at which it is heard when absent
	Quality string          `json:"quality"`
	Why     string          `json:"why"`
}

type fault struct {
	Series  string `json:"series"` // all when absent
	Message string `json:"message"`
	Fatal   bool   `json:"fatal"`
}

// parse reads one line strictly: what is misspelt would otherwise be missing in silence.
func parse(line []byte) (m message, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, errors.New("it said what is no message")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, errors.New("it said more than one message on a line")
	}
	kinds := 0
	for _, is := range []bool{m.Hello != nil, m.Reading != nil, m.Heartbeat != nil, m.Error != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return m, errors.New("it said what is not one of hello, reading, heartbeat and error")
	}
	switch {
	case m.Reading != nil:
		return m, m.Reading.check()
	case m.Error != nil && m.Error.Message == "":
		return m, errors.New("it said an error without a message")
	}
	return m, nil
}

func (r *reading) check() error {
	switch {
	case r.Series == "":
		return errors.New("it said a reading without a series")
	case len(r.Value) == 0 || r.Value[0] != '"' && r.Value[0] != '-' && (r.Value[0] < '0' || r.Value[0] > '9'):
		return errors.New("it said a reading whose value is no number")
	case r.Quality != "" && r.Quality != "good" && r.Quality != "suspect":
		return fmt.Errorf("it said a reading of quality %.20q, and there are good and suspect", r.Quality)
	}
	if r.Time != "" {
		if _, err := time.Parse(time.RFC3339, r.Time); err != nil {
			return errors.New("it said a reading whose time is not in the form of RFC 3339")
		}
	}
	return nil
}

// text of the value. An empty one is no blank, which would be nothing at all.
func (r *reading) text() string {
	var text string
	if json.Unmarshal(r.Value, &text) != nil {
		text = string(r.Value)
	}
	if text = strings.TrimSpace(text); text == "" {
		return "nothing"
	}
	return text
}

// cut keeps foreign words from filling a page.
func cut(text string) string {
	if runes := []rune(text); len(runes) > messageMax {
		return string(runes[:messageMax]) + "…"
	}
	return text
}

// complaints takes what a plug-in writes to its error output into the log: whole lines, cut, and not too many.
type complaints struct {
	plugin *Plugin
	line   []byte
	minute time.Time
	lines  int
}

const complaintsMax = 60 // a minute

func (c *complaints) Write(text []byte) (int, error) {
	for _, b := range text {
		switch {
		case b == '\n':
			c.log()
		case len(c.line) < 4*messageMax:
			c.line = append(c.line, b)
		}
	}
	return len(text), nil
}

func (c *complaints) log() {
	line := string(c.line)
	c.line = c.line[:0]
	if minute := c.plugin.Clock.Now().Truncate(time.Minute); !minute.Equal(c.minute) {
		c.minute, c.lines = minute, 0
	}
	if c.lines++; c.lines > complaintsMax || strings.TrimSpace(line) == "" {
		return
	}
	c.plugin.Log.Warn("a plug-in complains", "plugin", c.plugin.Name, "text", cut(strings.ToValidUTF8(c.plugin.Scrub(line), "?")))
}
