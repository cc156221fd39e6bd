package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// root of the repository, seen from here.
const root = "../.."

// TestDocsCLI keeps docs/cli.md the same as the commands; make generate writes it.
func TestDocsCLI(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\nMade from the code by `make generate`. Exit codes are explained in [reasons.md](reasons.md).\n")
	for _, c := range commands(newRoot()) {
		describe(&b, c)
	}
	path := filepath.Join(root, "docs", "cli.md")
	if os.Getenv("LIFEBOAT_WRITE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != b.String() {
		t.Errorf("docs/cli.md is not what the code says; run make generate (%v)", err)
	}
}

// commands lists a command and all below it, in the order of their names.
func commands(c *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{c}
	for _, below := range c.Commands() {
		if !below.Hidden {
			list = append(list, commands(below)...)
		}
	}
	return list
}

func describe(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
	if c.Runnable() && c.HasParent() && !c.HasSubCommands() {
		fmt.Fprintf(b, "\n    %s\n", c.UseLine())
	}
	if c.Long != "" {
		fmt.Fprintf(b, "\n```text\n%s\n```\n", c.Long)
	}
	var rows []string
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != "version" {
			_, usage := pflag.UnquoteUsage(f)
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", spelled(f), usage, preset(f)))
		}
	})
	if len(rows) > 0 {
		fmt.Fprintf(b, "\n| flag | what it says | when absent |\n|---|---|---|\n%s", strings.Join(rows, ""))
	}
}

// spelled is the flag as it is typed: -l, --list.
func spelled(f *pflag.Flag) string {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if kind, _ := pflag.UnquoteUsage(f); kind != "" {
		name += " " + kind
	}
	return name
}

func preset(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]", "false":
		return ""
	}
	return "`" + f.DefValue + "`"
}

// TestCommandsHaveWords holds every command to a short text that starts large and ends without a full stop.
func TestCommandsHaveWords(t *testing.T) {
	for _, c := range commands(newRoot()) {
		if !regexp.MustCompile(`^[A-Z].*[^.]$`).MatchString(c.Short) {
			t.Errorf("%s: %q", c.CommandPath(), c.Short)
		}
		for line := range strings.Lines(c.Long) {
			widthMax := 80
			if strings.HasPrefix(line, "  ") { // an example, which must not be broken
				widthMax = 100
			}
			if len([]rune(strings.TrimRight(line, "\n"))) > widthMax {
				t.Errorf("%s: a line of its text is wider than a terminal: %s", c.CommandPath(), line)
			}
		}
	}
}

// TestDocsTypeWhatExists tries every lifeboat command line of the README, the docs and the examples on the commands:
// it must name one that exists, with flags that it has.
func TestDocsTypeWhatExists(t *testing.T) {
	tried := 0
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, typed := range typedIn(string(text)) {
			tried++
			if err := understood(typed); err != nil {
				t.Errorf("%s: %q: %v", strings.TrimPrefix(page, root+"/"), strings.Join(typed, " "), err)
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d command lines were found; the pattern has lost them", tried)
	}
}

func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/*/*.md", "examples/*/README.md", "changes/*.md"} {
		more, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, more...)
	}
	return found
}

// aLine is a command line in a block of code, aSpan one in backticks within a sentence.
var (
	aLine = regexp.MustCompile(`(?m)^(?: {4,}|\t+| *\$ +)?(?:\./|bin/)?lifeboat +(\S.*)$`)
	aSpan = regexp.MustCompile("`(?:\\$ +)?(?:\\./|bin/)?lifeboat +([^`]+)`")
	fence = regexp.MustCompile("(?ms)^```[^\n]*\n(.*?)^```")
)

// typedIn finds the command lines in a page of Markdown.
func typedIn(text string) [][]string {
	var found [][]string
	take := func(typed string) {
		typed, _, _ = strings.Cut(typed, " #")
		typed, _, _ = strings.Cut(typed, " | ")
		typed, _, _ = strings.Cut(typed, " > ")
		typed, _, _ = strings.Cut(typed, "   ") // the remark behind a command in a list
		found = append(found, strings.Fields(typed))
	}
	for _, block := range fence.FindAllStringSubmatch(text, -1) {
		for _, m := range aLine.FindAllStringSubmatch(block[1], -1) {
			if looksTyped(m[1]) {
				take(m[1])
			}
		}
	}
	text = fence.ReplaceAllString(text, "")
	for _, m := range aLine.FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(m[0], "    ") || strings.HasPrefix(m[0], "\t") {
			take(m[1])
		}
	}
	for _, m := range aSpan.FindAllStringSubmatch(text, -1) {
		take(m[1])
	}
	return found
}

// looksTyped tells a command line from a sentence in a block of text: "lifeboat is a …", "lifeboat: …".
func looksTyped(rest string) bool {
	first := strings.Fields(rest)[0]
	for _, c := range newRoot().Commands() {
		if c.Name() == first {
			return true
		}
	}
	return strings.HasPrefix(first, "-")
}

// understood tries a command line without running it.
func understood(words []string) error {
	c, rest, err := newRoot().Find(words)
	if err != nil {
		return err
	}
	if c.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && !strings.Contains(rest[0], "|") {
		return fmt.Errorf("%s has no command %s", c.CommandPath(), rest[0])
	}
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	for _, word := range rest {
		word = strings.Trim(word, "[]().,;…")
		name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		switch {
		case strings.HasPrefix(word, "--") && c.Flags().Lookup(name) == nil:
			return fmt.Errorf("%s has no flag --%s", c.CommandPath(), name)
		case strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--") && len(name) == 1 && c.Flags().ShorthandLookup(name) == nil:
			return fmt.Errorf("%s has no flag -%s", c.CommandPath(), name)
		}
	}
	return nil
}

// TestDocsFindWhatIsTyped holds the finder itself to account.
func TestDocsFindWhatIsTyped(t *testing.T) {
	const page = "Run `lifeboat check .` and\n\n    lifeboat drill run covid-2020 --plan .   # March\n\n```\n$ lifeboat chekc\nlifeboat: unknown command\nlifeboat is a boat\n" +
		"lifeboat status --dta x\n```\n`lifeboat drill rum`, `lifeboat init DIR --template brokerage|defi` and lifeboat itself.\n"
	var said []string
	for _, typed := range typedIn(page) {
		verdict := "exists"
		if understood(typed) != nil {
			verdict = "does not exist"
		}
		said = append(said, strings.Join(typed, " ")+": "+verdict)
	}
	const want = "status --dta x: does not exist\ndrill run covid-2020 --plan .: exists\ncheck .: exists\ndrill rum: does not exist\ninit DIR --template brokerage|defi: exists"
	if got := strings.Join(said, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestDocsREADME keeps the first screen of the README what the drill really prints; make generate writes it.
func TestDocsREADME(t *testing.T) {
	var screen bytes.Buffer
	if code := run(t.Context(), []string{"drill", "run", "covid-2020", "--plan", "../../examples/brokerage"}, &screen, io.Discard); code != 0 {
		t.Fatalf("the drill ended with %d", code)
	}
	shown, _, _ := strings.Cut(screen.String(), "\n\nHOW LONG IT TOOK")
	const path = "../../README.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), "```\nDRILL: ")
	_, after, closed := strings.Cut(rest, "\n```")
	if !found || !closed {
		t.Fatalf("%s shows no drill", path)
	}
	want := before + "```\n" + shown + "\n```" + after
	if os.Getenv("LIFEBOAT_WRITE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s does not show what the drill prints; run make generate", path)
	}
}
