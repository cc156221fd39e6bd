package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSignatureOf takes what the tools of wallets leave behind.
func TestSignatureOf(t *testing.T) {
	signature := "0x" + strings.Repeat("ab", 65)
	for name, content := range map[string]string{"bare": signature, "with a line's end": signature + "\n", "as JSON": "\"" + signature + "\"\n"} {
		path := filepath.Join(t.TempDir(), "signature")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := signatureOf(answerCommand(), "@"+path); err != nil || got != signature {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if got, err := signatureOf(answerCommand(), " "+signature); err != nil || got != signature {
		t.Errorf("%q %v", got, err)
	}
	if _, err := signatureOf(answerCommand(), "@"+filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is read")
	}
}
