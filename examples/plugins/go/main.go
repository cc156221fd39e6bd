// Command prices is a plug-in of lifeboat that says what another program writes into a text file: each line is a series,
// its value and, if it is known, its time, as in "ESZ6 5023.25 2026-11-28T08:00:00Z". Replace follow by whatever the
// private source wants; the rest is the protocol of docs/plugins.md. It imports nothing of lifeboat, and keeps nothing.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	pause     = 200 * time.Millisecond
	heartbeat = 15 * time.Second // lifeboat starts a plug-in again that is silent for a minute
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: prices FILE")
		os.Exit(2)
	}
	ctx, end := context.WithCancel(context.Background())
	defer end() // also when lifeboat is gone, and nothing more comes
	heard := bufio.NewScanner(os.Stdin)
	heard.Buffer(nil, 1<<20)
	for heard.Scan() {
		var asked struct {
			Op     string
			Series []string
		}
		if err := json.Unmarshal(heard.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, "lifeboat said what is no message:", err)
			continue
		}
		switch asked.Op {
		case "hello":
			say("hello", map[string]any{"protocol": 1, "name": "prices", "version": "1"})
		case "subscribe":
			go follow(ctx, os.Args[1], asked.Series)
		case "stop":
			return
		}
	}
}

var speaking sync.Mutex

// say prints one message as one line; nothing else is ever printed.
func say(what string, content any) {
	line, err := json.Marshal(map[string]any{what: content})
	if err != nil {
		return
	}
	speaking.Lock()
	defer speaking.Unlock()
	_, _ = os.Stdout.Write(append(line, '\n'))
}

// follow says the file's lines about the series as they are written, and that it is alive between them.
func follow(ctx context.Context, path string, series []string) {
	var place int64
	var part []byte
	for silent := time.Duration(0); ; silent += pause {
		text, err := readFrom(path, place)
		if err != nil {
			say("error", map[string]any{"message": "the file cannot be read"})
		}
		place += int64(len(text))
		part = append(part, text...)
		for {
			line, rest, whole := bytes.Cut(part, []byte("\n"))
			if !whole {
				break
			}
			part = rest
			if words := strings.Fields(string(line)); len(words) >= 2 && slices.Contains(series, words[0]) {
				reading := map[string]any{"series": words[0], "value": words[1]}
				if len(words) > 2 {
					reading["time"] = words[2]
				}
				say("reading", reading)
				silent = 0
			}
		}
		if silent >= heartbeat {
			say("heartbeat", struct{}{})
			silent = 0
		}
		wait, done := context.WithTimeout(ctx, pause)
		<-wait.Done()
		done()
		if ctx.Err() != nil {
			return
		}
	}
}

func readFrom(path string, place int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(place, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(file, 1<<20))
}
