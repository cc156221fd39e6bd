package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"lifeboat"
)

// canonical writes an event as JSON in the one way in which it is written: fields in the order of the words, keys of
// maps sorted, no white space, < > & as they are (so that the pinned content of a run keeps its own hash).
func canonical(event lifeboat.Event) ([]byte, error) {
	if in, ok := event.(lifeboat.Instant); ok {
		return appendInstant(in)
	}
	body, err := marshal(event)
	if err != nil {
		return nil, err
	}
	// What cannot be read back must not be written: a restart would stand in front of it.
	if _, err := lifeboat.Decode(event.Word(), body); err != nil {
		return nil, err
	}
	return body, nil
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	if bad, ok := errors.AsType[*json.UnsupportedValueError](err); ok {
		return nil, fmt.Errorf("%s is not a number that can be recorded", bad.Str)
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// appendInstant writes what marshal would write, byte for byte, ten times as fast: nearly all of a journal is
// instants, and a drill of twenty years is held up by nothing else.
func appendInstant(in lifeboat.Instant) ([]byte, error) {
	b := make([]byte, 0, 64+64*len(in.Readings))
	b = append(b, `{"at":"`...)
	b, err := in.At.AppendText(b)
	if err != nil {
		return nil, err
	}
	if in.Readings == nil {
		return append(b, `","readings":null}`...), nil
	}
	b = append(b, `","readings":[`...)
	for i, r := range in.Readings {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendReading(b, r); err != nil {
			return nil, fmt.Errorf("reading of %s: %w", r.Series, err)
		}
	}
	return append(b, "]}"...), nil
}

func appendReading(b []byte, r lifeboat.Reading) ([]byte, error) {
	b = appendString(append(b, `{"series":`...), string(r.Series))
	if r.Source != "" {
		b = appendString(append(b, `,"source":`...), r.Source)
	}
	b, err := appendFloat(append(b, `,"value":`...), r.Value)
	if err != nil {
		return nil, err
	}
	if r.Quality != lifeboat.Good {
		b = strconv.AppendUint(append(b, `,"quality":`...), uint64(r.Quality), 10)
	}
	if r.Why != "" {
		b = appendString(append(b, `,"why":`...), r.Why)
	}
	if !r.At.IsZero() {
		if b, err = r.At.AppendText(append(b, `,"at":"`...)); err != nil {
			return nil, err
		}
		b = append(b, '"')
	}
	return append(b, '}'), nil
}

// appendString quotes text. Only what needs escaping takes the slow way.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := marshal(s) // text always can be quoted
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendFloat follows encoding/json, which follows ECMAScript: digits, and an exponent only for the very small and the
// very large.
func appendFloat(b []byte, v float64) ([]byte, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, fmt.Errorf("%s is not a number that can be recorded", strconv.FormatFloat(v, 'g', -1, 64))
	}
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		encoded, err := json.Marshal(v)
		return append(b, encoded...), err
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64), nil
}
