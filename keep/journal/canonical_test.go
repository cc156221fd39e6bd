package journal

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lifeboat"
)

var noon = time.Date(2020, 3, 12, 12, 0, 0, 123, time.UTC)

// same compares the fast way of writing an instant with the plain one, and with what comes back.
func same(t *testing.T, in lifeboat.Instant) {
	t.Helper()
	fast, err := appendInstant(in)
	plain, errPlain := marshal(in)
	if (err == nil) != (errPlain == nil) || string(fast) != string(plain) {
		t.Fatalf("%+v\nfast  %s %v\nplain %s %v", in, fast, err, plain, errPlain)
	}
	if err != nil {
		return
	}
	back, err := lifeboat.Decode("readings", fast)
	if err != nil {
		t.Fatal(err)
	}
	// Text that is not UTF-8 comes back with U+FFFD in it, which JSON then writes in another way.
	again, err := appendInstant(back.(lifeboat.Instant))
	if err != nil || string(again) != string(fast) && !strings.Contains(string(fast), `\ufffd`) {
		t.Fatalf("%s\nwritten again is\n%s %v", fast, again, err)
	}
}

func TestInstantIsWrittenAsJSONWritesIt(t *testing.T) {
	same(t, lifeboat.Instant{})
	same(t, lifeboat.Instant{At: noon, Readings: []lifeboat.Reading{}})
	same(t, lifeboat.Instant{At: noon.In(time.FixedZone("", 5*3600+1800)), Readings: []lifeboat.Reading{{At: noon}}})
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e-6, 9.99e-7, 1e-9, 1e20, 1e21, -1e300, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(-1)} {
		same(t, lifeboat.Instant{At: noon, Readings: []lifeboat.Reading{{Series: "SPY", Value: v}}})
	}
	for _, s := range []string{"", "SPY", `"`, `\`, "<&>", "é", "\u2028", "\x00", "\x7f", "\n", "\xff", "😀"} {
		same(t, lifeboat.Instant{At: noon, Readings: []lifeboat.Reading{{Series: lifeboat.Series(s), Source: s, Why: s, Quality: lifeboat.Suspect}}})
	}
}

func FuzzInstant(f *testing.F) {
	f.Add("SPY", "alpaca", 248.11, uint8(0), "", int64(0), int64(1584043200), 3600)
	f.Add("é\"", "\xff", -1e-7, uint8(9), "not <a> number", int64(7), int64(-62135596800), -18000)
	f.Fuzz(func(t *testing.T, series, source string, value float64, quality uint8, why string, nanos, seconds int64, offset int) {
		at := time.Unix(seconds, nanos).In(time.FixedZone("", offset))
		r := lifeboat.Reading{Series: lifeboat.Series(series), Source: source, Value: value, Quality: lifeboat.Quality(quality), Why: why, At: at}
		in := lifeboat.Instant{At: at, Readings: []lifeboat.Reading{r, {Series: "VIX", Value: value}}}
		fast, err := appendInstant(in)
		same(t, in)
		if err == nil && utf8.ValidString(series+source+why) && at.Location() == time.UTC {
			back, _ := lifeboat.Decode("readings", fast)
			if got := back.(lifeboat.Instant); !reflect.DeepEqual(got, in) {
				t.Fatalf("%+v came back as %+v", in, got)
			}
		}
	})
}
