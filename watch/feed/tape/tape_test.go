package tape

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"lifeboat"
	"lifeboat/session"
)

// TestRead shows what becomes of a file: one line per instant, readings in the order in which they travel.
func TestRead(t *testing.T) {
	tests := []struct {
		name, file, text string
		options          Options
		want             string
	}{
		{
			name: "a price per session", file: "drill.csv",
			text: "date,SPX,VIX\n2020-03-13,2711.02,57.83\n2020-03-16,2386.13,82.69\n",
			want: `
				2020-03-13T20:00:00Z SPX=2711.02 VIX=57.83
				2020-03-16T20:00:00Z SPX=2386.13 VIX=82.69`,
		}, {
			name: "a bar is known in two parts, its close last", file: "drill.csv",
			text: "Date,SPY.close,SPY.volume,SPY.high,SPY.low,SPY.open\n2020-03-16,239.85,297240000,256.9,237.36,241.18\n",
			want: `
				2020-03-16T13:30:00Z SPY.open=241.18
				2020-03-16T20:00:00Z SPY.high=256.9 SPY.low=237.36 SPY.volume=2.9724e+08 SPY=239.85`,
		}, {
			name: "a day that closes early", file: "drill.csv",
			text: "DATE,SPY.open,SPY\n2018-12-24,239.04,234.34\n",
			want: `
				2018-12-24T14:30:00Z SPY.open=239.04
				2018-12-24T18:00:00Z SPY=234.34`,
		}, {
			name: "one series named as its file", file: "history/SPY.csv",
			text: "Date,Open,High,Low,Close,Volume,Dividends\n2020-03-16,241,257,237,240,5,0\n",
			want: `
				2020-03-16T13:30:00Z SPY.open=241
				2020-03-16T20:00:00Z SPY.high=257 SPY.low=237 SPY.volume=5 SPY=240
				! history/SPY.csv: the columns "Dividends" are not read, because a file with a column Close is one series`,
		}, {
			name: "with a source in the file's name", file: `C:\history\USDC@dex.CSV.gz`,
			text: "time,close\n2023-03-11T08:30:00Z,0.8994\n",
			want: `2023-03-11T08:30:00Z USDC@dex=0.8994`,
		}, {
			name: "two sources, each with its own bar", file: "usde.csv",
			text: "date,USDE.close@binance,USDE@uniswap,USDE.low@binance\n2025-10-10T21:54:00Z,0.668,0.9999,0.65\n2025-10-10T21:55:00Z,0.7,,0.69\n",
			want: `
				2025-10-10T21:54:00Z USDE.low@binance=0.65 USDE@binance=0.668 USDE@uniswap=0.9999
				2025-10-10T21:55:00Z USDE.low@binance=0.69 USDE@binance=0.7`,
		}, {
			name: "days of 24/7 end at midnight", file: "drill.csv",
			text: "date,BTC.open,BTC\n2020-03-13,4970,5563\n2020-03-14,5563,5200\n",
			want: `
				2020-03-13T00:00:00Z BTC.open=4970
				2020-03-14T00:00:00Z BTC=5563 BTC.open=5563
				2020-03-15T00:00:00Z BTC=5200`,
		}, {
			name: "times in every form", file: "drill.csv",
			text: "timestamp,BTC\n1584360000,1\n1584363600000,2\n2020-03-16 14:00:00,3\n2020-03-16T11:00:00-04:00,4\n2020-03-16 12:00:00-04:00,5\n2020-03-16 17:00:00 UTC,6\n",
			want: `
				2020-03-16T12:00:00Z BTC=1
				2020-03-16T13:00:00Z BTC=2
				2020-03-16T14:00:00Z BTC=3
				2020-03-16T15:00:00Z BTC=4
				2020-03-16T16:00:00Z BTC=5
				2020-03-16T17:00:00Z BTC=6`,
		}, {
			name: "a date that was written as its midnight", file: "AGG.csv",
			text: "Date,Open,Close\n2020-03-06 00:00:00-05:00,117,118\n2020-03-09 00:00:00-04:00,118,117\n",
			want: `
				2020-03-06T14:30:00Z AGG.open=117
				2020-03-06T21:00:00Z AGG=118
				2020-03-09T13:30:00Z AGG.open=118
				2020-03-09T20:00:00Z AGG=117
				! AGG.csv: every time is midnight, so the rows are taken for daily bars and known when their day's session closes`,
		}, {
			name: "our own midnights are times", file: "drill.csv",
			text: "date,BTC\n2020-03-13T00:00:00Z,1\n2020-03-14T00:00:00Z,2\n",
			want: `
				2020-03-13T00:00:00Z BTC=1
				2020-03-14T00:00:00Z BTC=2`,
		}, {
			name: "what is not there is no reading", file: "drill.csv",
			text: "observation_date,A,B,C,D,E\r\n2020-03-16,.,NA,null, ,5\r\n\r\n2020-03-17,1,2,3,4,\r\n",
			want: `
				2020-03-16T20:00:00Z E=5
				2020-03-17T20:00:00Z A=1 B=2 C=3 D=4
				! E ends at 2020-03-16T20:00:00Z, before the history does at 2020-03-17T20:00:00Z; triggers on it say 'no data' from then on`,
		}, {
			name: "levels may be negative, and there may be no volume", file: "drill.csv",
			text: "date,DGS1MO,WTI,SPY,SPY.volume\n2020-04-20,-0.01,-37.63,282,0\n", options: Options{Levels: map[string]bool{"WTI": true}},
			want: `2020-04-20T20:00:00Z DGS1MO=-0.01 WTI=-37.63 SPY.volume=0 SPY=282`,
		}, {
			name: "the VIX on a holiday", file: "drill.csv",
			text: "date,VIX\n2022-05-27,25.72\n2022-05-30,26.54\n2022-05-31,26.19\n",
			want: `
				2022-05-27T20:00:00Z VIX=25.72
				2022-05-30T20:00:00Z VIX=26.54
				2022-05-31T20:00:00Z VIX=26.19
				! drill.csv: 1 row is dated on a day without a session of the calendar nyse, first 2022-05-30; stamped with a plain day's close`,
		}, {
			name: "a byte order mark and spaces", file: "drill.csv",
			text: "\ufeffdate , SPY \n2020-03-16, 240\n",
			want: `2020-03-16T20:00:00Z SPY=240`,
		}, {
			name: "missing sessions and an early end", file: "drill.csv",
			text: "date,SPY,VIX\n2020-03-09,1,54\n2020-03-10,1,47\n2020-03-11,1,54\n2020-03-12,1,\n2020-03-13,1,58\n2020-03-17,1,\n",
			want: `
				2020-03-09T20:00:00Z SPY=1 VIX=54
				2020-03-10T20:00:00Z SPY=1 VIX=47
				2020-03-11T20:00:00Z SPY=1 VIX=54
				2020-03-12T20:00:00Z SPY=1
				2020-03-13T20:00:00Z SPY=1 VIX=58
				2020-03-17T20:00:00Z SPY=1
				! SPY has no reading for 1 of 7 sessions, first 2020-03-16; triggers on it say 'no data' meanwhile
				! VIX has no reading for 1 of 5 sessions, first 2020-03-12; triggers on it say 'no data' meanwhile
				! VIX ends at 2020-03-13T20:00:00Z, before the history does at 2020-03-17T20:00:00Z; triggers on it say 'no data' from then on`,
		}, {
			name: "an outage of an exchange", file: "drill.csv",
			text: "date,BTC\n2021-04-25T01:00:00Z,1\n2021-04-25T02:00:00Z,1\n2021-04-25T03:00:00Z,1\n2021-04-25T08:00:00Z,1\n",
			want: `
				2021-04-25T01:00:00Z BTC=1
				2021-04-25T02:00:00Z BTC=1
				2021-04-25T03:00:00Z BTC=1
				2021-04-25T08:00:00Z BTC=1
				! BTC has 1 gap longer than its usual 1h, the longest after 2021-04-25T03:00:00Z; triggers on it say 'no data' meanwhile`,
		}, {
			name: "a series without any reading", file: "drill.csv",
			text: "date,SPY,VIX\n2020-03-16,240,\n",
			want: `
				2020-03-16T20:00:00Z SPY=240
				! VIX has no good reading at all; triggers on it say 'no data'`,
		}, {
			name: "quarantine", file: "drill.csv", options: Options{Quarantine: true},
			text: "date,SPY,SPY.high,SPY.low\n2020-03-12,248,1,2\n2020-03-13,-3,,\n2020-03-13,269,,\nlater,5,,\n2020-03-11,1,,\n2020-03-16,240\n2020-03-17,NaN,6,5\n",
			want: `
				2020-03-12T20:00:00Z SPY.high="1" is a high below the low 2 SPY.low="2" is a low above the high 1 SPY=248
				2020-03-13T20:00:00Z SPY="-3" is no price: prices are positive
				2020-03-17T20:00:00Z SPY.high=6 SPY.low=5 SPY="NaN" is not a finite number
				! drill.csv:2:16: "1" is a high below the low 2; the value counts as suspect
				! drill.csv:3:12: "-3" is no price: prices are positive; the value counts as suspect
				! drill.csv:4:1: "2020-03-13" comes twice; the first row stands
				! drill.csv:5:1: "later" is no date from 1800 to 2199: write 2020-03-16, 20200316, 2020-03-16 20:00:00, 2020-03-16T20:00:00Z or epoch seconds; the row is left out
				! drill.csv:6:1: "2020-03-11" is out of order: an earlier row is later; the row is left out
				! drill.csv:7:1: "2020-03-16" begins a row of 2 fields where the header has 4; the row is left out
				! drill.csv:8:12: "NaN" is not a finite number; the value counts as suspect`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tape, err := Read(tt.file, strings.NewReader(tt.text), tt.options)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := show(tape), strings.ReplaceAll(strings.TrimSpace(tt.want), "\t", ""); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"an empty file", "", `drill.csv: is empty`},
		{"a header alone", "date,SPY\n", `drill.csv: has no row of readings`},
		{"no date", "day,SPY\n2020-03-16,1\n", `drill.csv:1:1: "day" is no date column: the first column must be called date, datetime, time, timestamp, observation_date`},
		{"no series", "date\n2020-03-16\n", `drill.csv:1:1: "date" stands alone: there is no column with a series`},
		{"a nameless column", "date,SPY,\n", `drill.csv:1:10: names no series; delete the column or give it a name`},
		{"a column nobody knows", "date,SPY.bid\n", `drill.csv:1:6: "SPY.bid" is no part of a bar: behind a dot stands open, high, low, close or volume; a name has no dots of its own, so rename BRK.B to BRK-B`},
		{"a column twice", "date,SPY,SPY.Close\n", `drill.csv:1:10: "SPY.Close" comes twice: another column is the close of SPY too`},
		{"not a number", "date,SPY\n2020-03-16,1x\n", `drill.csv:2:12: "1x" is not a number`},
		{"a number of Go", "date,SPY\n2020-03-16,0x1p4\n", `drill.csv:2:12: "0x1p4" is not a number`},
		{"thousands", "date,SPY\n2020-03-16,\"1,234\"\n", `drill.csv:2:12: "1,234" is not a number: write it plainly, with a point for decimals and nothing else, such as 1234.56`},
		{"NaN", "date,SPY\n2020-03-16,NaN\n", `drill.csv:2:12: "NaN" is not a finite number`},
		{"infinite", "date,SPY\n2020-03-16,-inf\n", `drill.csv:2:12: "-inf" is not a finite number`},
		{"too large", "date,SPY\n2020-03-16,1e999\n", `drill.csv:2:12: "1e999" is not a finite number`},
		{"zero", "date,SPY\n2020-03-16,0.00\n", `drill.csv:2:12: "0.00" is no price: prices are positive`},
		{"negative", "date,SPY\n2020-03-16,-1\n", `drill.csv:2:12: "-1" is no price: prices are positive`},
		{"a negative volume", "date,SPY.volume\n2020-03-16,-1\n", `drill.csv:2:12: "-1" is a negative volume`},
		{"high below low", "date,SPY.low,SPY.high\n2020-03-16,2,1\n", `drill.csv:2:14: "1" is a high below the low 2`},
		{"twice", "date,SPY\n2020-03-16,1\n2020-03-16,2\n", `drill.csv:3:1: "2020-03-16" comes twice`},
		{"twice and late", "date,SPY\n2020-03-16,1\n2020-03-17,1\n2020-03-16,2\n", `drill.csv:4:1: "2020-03-16" comes twice`},
		{"newest first", "date,SPY\n2020-03-16,1\n2020-03-13,2\n2020-03-12,2\n2020-03-11,2\n2020-03-10,2\n", `drill.csv: runs from the newest row to the oldest: sort it by date`},
		{"semicolons", "Datum;SPY;VIX\n16.03.2020;239,85;82,7\n", `drill.csv:1:1: "Datum;SPY;VIX" shows columns set apart by semicolons: save the file with commas between them, and points in its numbers`},
		{"tabs", "date\tSPY\n2020-03-16\t1\n", `drill.csv:1:1: "date\tSPY" shows columns set apart by tabs: save the file with commas between them, and points in its numbers`},
		{"UTF-16", "\xff\xfed\x00a\x00t\x00e\x00,\x00S\x00\n", `drill.csv:1:1: "\xff\xfed\x00a\x00t\x00e\x00" is no text in UTF-8: save the file as "CSV UTF-8"`},
		{"no header", "2020-03-16,1\n", `drill.csv:1:1: "2020-03-16" is a row already: the first line has to name the columns, such as date,SPY,VIX`},
		{"decimal comma", "date,SPY\n2020-03-16,\"239,85\"\n", `drill.csv:2:12: "239,85" is not a number: write it plainly, with a point for decimals and nothing else, such as 1234.56`},
		{"with a sign", "date,SPY\n2020-03-16,$239.85\n", `drill.csv:2:12: "$239.85" is not a number: write it plainly, with a point for decimals and nothing else, such as 1234.56`},
		{"out of order", "date,SPY\n2020-03-16,1\n2020-03-13,2\n", `drill.csv:3:1: "2020-03-13" is out of order: an earlier row is later`},
		{"too few fields", "date,SPY\n2020-03-16\n", `drill.csv:2:1: "2020-03-16" begins a row of 1 fields where the header has 2`},
		{"no such day", "date,SPY\n2020-02-30,1\n", `drill.csv:2:1: "2020-02-30" is no date from 1800 to 2199: write 2020-03-16, 20200316, 2020-03-16 20:00:00, 2020-03-16T20:00:00Z or epoch seconds`},
		{"digits that are no day", "date,SPY\n20200231,1\n", `drill.csv:2:1: "20200231" is no date from 1800 to 2199: write 2020-03-16, 20200316, 2020-03-16 20:00:00, 2020-03-16T20:00:00Z or epoch seconds`},
		{"dates and times", "date,SPY\n2020-03-16,1\n2020-03-17T20:00:00Z,1\n", `drill.csv:3:1: "2020-03-17T20:00:00Z" is a date among times, or a time among dates`},
		{"an open quote", "date,SPY\n2020-03-16,\"1\n", `drill.csv:2:15: is not CSV: extraneous or missing " in quoted-field`},
		{"damaged", "\x1f\x8bnothing at all", `drill.csv: is compressed and damaged: gzip: invalid header`},
		{"too long a text", "date,SPY\n2020-03-16," + strings.Repeat("ä", 90) + "\n", `drill.csv:2:12: "` + strings.Repeat("ä", 40) + `…" is not a number`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read("drill.csv", strings.NewReader(tt.text), Options{})
			var faults *Faults
			if !errors.As(err, &faults) || faults.Total != 1 || faults.Error() != tt.want {
				t.Fatalf("%v\nwant %s", faults, tt.want)
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	text := "date,SPY\n2020-03-16,0\n"
	for range 70 {
		text += "2020-03-16,1\n"
	}
	_, err := Read("drill.csv", strings.NewReader(text), Options{})
	var problem *lifeboat.Problem
	var faults *Faults
	if !errors.As(err, &problem) || !errors.As(err, &faults) {
		t.Fatal(err)
	}
	if want := `price history has 71 faults, the first: drill.csv:2:12: "0" is no price: prices are positive`; problem.What != want {
		t.Errorf("what: %s\nwant %s", problem.What, want)
	}
	if problem.Reason != "tape-invalid" || problem.Kind() != lifeboat.Invalid || problem.Money == "" || !strings.Contains(problem.Next, "--quarantine") {
		t.Errorf("%#v", problem)
	}
	if len(faults.List) != faultsMax || faults.Total != 71 || !strings.HasSuffix(faults.Error(), "\nand 21 more") {
		t.Errorf("%d of %d listed", len(faults.List), faults.Total)
	}
	_, err = Read("drill.csv", strings.NewReader("day,SPY\n"), Options{})
	if errors.As(err, &problem); strings.Contains(problem.Next, "quarantine") {
		t.Errorf("quarantine is offered where it cannot help: %s", problem.Next)
	}
}

func TestLimits(t *testing.T) {
	wide := "date" + strings.Repeat(",S", columnsMax+1)
	tests := []struct {
		name, want string
		text       io.Reader
	}{
		{"columns", "is one column too many: at most 1000 are read", strings.NewReader(wide)},
		{"bytes", "is larger than 64 MiB", io.LimitReader(endless{}, bytesMax+10)},
		{"bytes after unpacking", "is larger than 64 MiB", packed(t, io.LimitReader(endless{}, bytesMax+10))},
	}
	for _, tt := range tests {
		_, err := Read("drill.csv", tt.text, Options{Quarantine: true})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestTheMachineFailsNotTheFile(t *testing.T) {
	broken := errors.New("input/output error")
	_, err := Read("drill.csv", iotest.ErrReader(broken), Options{})
	var problem *lifeboat.Problem
	if !errors.Is(err, broken) || errors.As(err, &problem) {
		t.Errorf("%v", err)
	}
}

func TestCompressed(t *testing.T) {
	tape, err := Read("SPY.csv.gz", packed(t, strings.NewReader("Date,Close\n2020-03-16,240\n")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := show(tape); got != "2020-03-16T20:00:00Z SPY=240" {
		t.Error(got)
	}
}

func TestWhichCalendar(t *testing.T) {
	tests := []struct {
		rows string
		want *session.Calendar
	}{
		{"2020-03-13,1\n2020-03-16,1\n", session.NYSE()},
		{"2020-03-13,1\n2020-03-14,1\n", session.AllDay()},
		{"2020-03-15,1\n", session.AllDay()},                                   // a Sunday
		{"2020-03-13T14:00:00Z,1\n2020-03-14T00:30:00Z,1\n", session.NYSE()},   // Friday after hours in New York
		{"2020-03-13T14:00:00Z,1\n2020-03-14T14:30:00Z,1\n", session.AllDay()}, // a Saturday
		{"2025-10-10T16:00:00Z,1\n2025-10-11T02:00:00Z,1\n", session.AllDay()}, // a Friday night
		{"2020-03-12 00:00:00,1\n2020-03-13 00:00:00,1\n", session.NYSE()},     // midnights that are dates
		{"2020-03-13 00:00:00,1\n2020-03-14 00:00:00,1\n", session.AllDay()},   // and one of a Saturday
		{"2020-03-09T13:31:00Z,1\n2020-03-09T20:00:00Z,1\n", session.NYSE()},   // bars of a session
		{"2020-12-09T09:00:00Z,1\n2020-12-09T21:00:00Z,1\n", session.NYSE()},   // and before and after hours
		{"2020-03-09T23:59:00Z,1\n2020-03-10T00:00:00Z,1\n2020-03-10T07:59:00Z,1\n", session.AllDay()},
	}
	for _, tt := range tests {
		tape, err := Read("x.csv", strings.NewReader("date,X\n"+tt.rows), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if tape.Calendar != tt.want || tape.Series[0].Calendar != tt.want {
			t.Errorf("%q: %s, want %s", tt.rows, tape.Calendar.Name(), tt.want.Name())
		}
	}
}

func TestSeriesInfo(t *testing.T) {
	tape := read(t, "x.csv", "date,BTC.volume@a,BTC@a,BTC@b,VIX\n2021-04-24T01:00:00Z,1,1,,\n2021-04-24T02:00:00Z,,1,,5\n2021-04-24T03:00:00Z,1,1,2,\n2021-04-27T05:00:00Z,1,,2,\n")
	btc, vix := tape.Series[0], tape.Series[1]
	if got, want := fmt.Sprintf("%+v", []any{btc.Name, btc.Sources, btc.Columns, btc.Rows, btc.Missing, btc.Cadence}), "[BTC [a b] [volume close] 3 2 74h0m0s]"; got != want {
		t.Errorf("%s\nwant %s", got, want) // the slower source sets the pace
	}
	if btc.First != at("2021-04-24T01:00:00Z") || btc.Last != at("2021-04-27T05:00:00Z") {
		t.Errorf("from %s to %s", btc.First, btc.Last)
	}
	if vix.Rows != 1 || vix.Cadence != 24*time.Hour {
		t.Errorf("a single reading: %+v", vix)
	}
	daily := read(t, "x.csv", "date,SPY\n2020-03-12,1\n2020-03-13,1\n2020-03-16,1\n")
	if got := daily.Series[0].Cadence; got != 390*time.Minute || !daily.Daily {
		t.Errorf("daily bars come every %s of market time", got)
	}
}

func TestBetween(t *testing.T) {
	tape := read(t, "x.csv", "date,SPY,VIX\n2020-03-12,1,\n2020-03-13,2,5\n2020-03-16,3,6\n2020-03-17,4,7\n")
	part := tape.Between(at("2020-03-13T20:00:00Z"), at("2020-03-16T20:00:00Z"))
	if got, want := show(part), "2020-03-13T20:00:00Z SPY=2 VIX=5\n2020-03-16T20:00:00Z SPY=3 VIX=6"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if part.Series[0].Rows != 2 || tape.Series[0].Rows != 4 {
		t.Errorf("rows %d of %d", part.Series[0].Rows, tape.Series[0].Rows)
	}
	if all := tape.Between(time.Time{}, time.Time{}); show(all) != show(tape) {
		t.Error("no bounds, and something is missing")
	}
	if none := tape.Between(at("2021-01-01T00:00:00Z"), time.Time{}); len(none.Instants) != 0 || len(none.Series) != 2 || len(none.Warnings) != 2 {
		t.Errorf("a part without readings: %+v", none)
	}
}

func TestMerge(t *testing.T) {
	spy := read(t, "SPY.csv", "Date,Open,Close\n2020-03-13,263,269\n2020-03-16,241,240\n")
	vix := read(t, "VIX.csv", "Date,Close\n2020-03-13,57.83\n2020-03-16,82.69\n")
	btc := read(t, "BTC.csv", "Date,Close\n2020-03-14,5200\n2020-03-15,5400\n2020-03-16,5000\n")
	merged, err := Merge(spy, vix)
	if err != nil {
		t.Fatal(err)
	}
	want := "2020-03-13T13:30:00Z SPY.open=263\n2020-03-13T20:00:00Z SPY=269 VIX=57.83\n2020-03-16T13:30:00Z SPY.open=241\n2020-03-16T20:00:00Z SPY=240 VIX=82.69"
	if got := show(merged); got != want || merged.Calendar != session.NYSE() || !merged.Daily {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := show(spy); again != "2020-03-13T13:30:00Z SPY.open=263\n2020-03-13T20:00:00Z SPY=269\n2020-03-16T13:30:00Z SPY.open=241\n2020-03-16T20:00:00Z SPY=240" {
		t.Errorf("merging changed a tape:\n%s", again)
	}
	both, err := Merge(spy, btc)
	if err != nil {
		t.Fatal(err)
	}
	if both.Calendar != session.AllDay() || both.Series[0].Calendar != session.NYSE() || both.Series[0].Cadence != 390*time.Minute || len(both.Warnings) != 0 {
		t.Errorf("%s, %+v, %q", both.Calendar.Name(), both.Series, both.Warnings)
	}
	_, err = Merge(spy, vix, read(t, "other.csv", "date,SPY.volume\n2020-03-16,5\n"))
	if err == nil || !strings.Contains(err.Error(), `other.csv: "SPY" is already in SPY.csv`) {
		t.Errorf("the same series twice: %v", err)
	}
	if _, err := Merge(read(t, "a.csv", "date,X@a\n2020-03-16,5\n"), read(t, "b.csv", "date,X@b\n2020-03-16,5\n")); err != nil {
		t.Errorf("two sources: %v", err)
	}
}

func TestRename(t *testing.T) {
	tape := read(t, "x.csv", "date,UST.volume,UST,USDE,BTC\n2022-05-11T07:30:00Z,9,0.225,1,30000\n")
	tests := []struct {
		cast map[string]string
		want string
	}{
		{nil, "UST.volume=9 UST=0.225 USDE=1 BTC=30000"},
		{map[string]string{"UST": "DAI", "nobody": "BTC"}, "DAI.volume=9 DAI=0.225 USDE=1 BTC=30000"},
		{map[string]string{"UST": "USDE"}, "USDE.volume=9 USDE=0.225 BTC=30000\n! USDE is not played: another series stands for USDE"},
		{map[string]string{"UST": "USDE", "USDE": "UST"}, "USDE.volume=9 USDE=0.225 UST=1 BTC=30000"},
		{map[string]string{"UST": "DAI", "USDE": "DAI"}, "DAI.volume=9 DAI=0.225 BTC=30000\n! USDE is not played: another series stands for DAI"},
	}
	for _, tt := range tests {
		renamed := tape.Rename(tt.cast)
		if got := strings.TrimPrefix(show(renamed), "2022-05-11T07:30:00Z "); got != tt.want {
			t.Errorf("%v\n%s\nwant\n%s", tt.cast, got, tt.want)
		}
	}
	if got := show(tape); got != "2022-05-11T07:30:00Z UST.volume=9 UST=0.225 USDE=1 BTC=30000" {
		t.Errorf("renaming changed the tape: %s", got)
	}
}

// FuzzRead: whatever the file, reading it ends in a problem with faults, or in a tape that can be played.
func FuzzRead(f *testing.F) {
	f.Add("x.csv", "date,SPY,SPY.high,SPY.low,SPY.open,SPY.volume,VIX@a\n2020-03-16,1,2,1,1,0,\n2020-03-17,1,1,1,1,5,80\n", false)
	f.Add("SPY.csv", "Date,Open,High,Low,Close,Volume,Adj Close\n2020-03-13 00:00:00-04:00,1,2,1,1,0,1\n2020-03-14 00:00:00-04:00,0,2,3,1,0,1\n", true)
	f.Add("x.csv", "timestamp,A,B\n1584360000,NaN,.\n1584363600000,-1,inf\n1584360000,1,\n", true)
	f.Add("x.csv", "time,\"A\n\"\n1,\"2", true)
	f.Add("x.csv", "date,A\n1800-01-01,1\n2199-12-31,1\n", false)
	f.Fuzz(func(t *testing.T, name, text string, quarantine bool) {
		tape, err := Read(name, strings.NewReader(text), Options{Quarantine: quarantine})
		var faults *Faults
		if err != nil {
			if !errors.As(err, &faults) || faults.Total == 0 {
				t.Fatalf("an error without faults: %v", err)
			}
			return
		}
		playable(t, tape, quarantine)
		again, err := Merge(tape)
		if err != nil || show(again) != show(tape) || show(tape.Rename(nil)) != show(tape) {
			t.Fatalf("merged alone, or renamed to nothing, it is another tape: %v", err)
		}
	})
}

func playable(t *testing.T, tape *Tape, quarantine bool) {
	t.Helper()
	var last time.Time
	for _, in := range tape.Instants {
		if !in.At.After(last) || len(in.Readings) == 0 || in.At.Location() != time.UTC {
			t.Fatalf("instant %v after %v", in, last)
		}
		last = in.At
		for _, r := range in.Readings {
			suspect := quarantine && r.Quality == lifeboat.Suspect && r.Value == 0 && r.Why != ""
			if good := r.Quality == lifeboat.Good && r.Why == "" && r.Value-r.Value == 0; !good && !suspect {
				t.Fatalf("reading %+v", r)
			}
			symbol, _ := r.Series.Column()
			if !slices.ContainsFunc(tape.Series, func(s SeriesInfo) bool { return string(s.Name) == symbol }) {
				t.Fatalf("%s is not among the series", r.Series)
			}
		}
	}
}

// endless is a file that does not end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func packed(t *testing.T, r io.Reader) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if _, err := io.Copy(w, r); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func read(t *testing.T, name, text string) *Tape {
	t.Helper()
	tape, err := Read(name, strings.NewReader(text), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tape
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// show writes a tape as a person would: a line per instant, then the warnings.
func show(tape *Tape) string {
	var lines []string
	for _, in := range tape.Instants {
		line := in.At.Format(time.RFC3339)
		for _, r := range in.Readings {
			name := string(r.Series)
			if r.Source != "" {
				name += "@" + r.Source
			}
			if r.Quality == lifeboat.Good {
				line += fmt.Sprintf(" %s=%v", name, r.Value)
			} else {
				line += fmt.Sprintf(" %s=%s", name, r.Why)
			}
		}
		lines = append(lines, line)
	}
	for _, w := range tape.Warnings {
		lines = append(lines, "! "+w)
	}
	return strings.Join(lines, "\n")
}
