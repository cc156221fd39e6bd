// Package report tells a backtest: as a page for the record, as JSON for programs, and as text for the person who just
// ran it.
//
// [Write] fills a directory with backtest.html and backtest.json; [JSON] and [Text] write to a stream. The order is the
// same everywhere: the first lines that the owner has to know, the verdict, then trigger by trigger and play by play.
// The page is one file that asks nobody for anything: its style and drawings are in it and it runs no script, so that it
// can be mailed, printed and kept. Whatever the plan calls its things is escaped. The same result gives the same bytes.
//
// It measures and judges nothing: every figure is in the [backtest.Result].
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lifeboat/backtest"
)

// Page is the name of the report in its directory.
const Page = "backtest.html"

// Write makes backtest.html and backtest.json in a directory, which it creates if need be.
func Write(dir string, r backtest.Result) error {
	var contract, page bytes.Buffer
	if err := JSON(&contract, r); err != nil {
		return err
	}
	if err := HTML(&page, r); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make report directory: %w", err)
	}
	for _, file := range []struct {
		name string
		text []byte
	}{{Page, page.Bytes()}, {"backtest.json", contract.Bytes()}} {
		if err := os.WriteFile(filepath.Join(dir, file.name), file.text, 0o644); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// JSON writes the contract of lifeboat backtest --json: one object, indented, lists never null.
func JSON(w io.Writer, r backtest.Result) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
