package drill_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRealVenuesAreSimulated: a plan whose broker is a real one is drilled as if it were simulated. Nobody there states what
// the account holds, and the playbook must not wait for it.
func TestRealVenuesAreSimulated(t *testing.T) {
	const example = "../examples/brokerage"
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "portfolio.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const real = "venue: alpaca\n    connect: {key: \"env:KEY\", secret: \"env:SECRET\"}\n    at: Example"
	changed := strings.Replace(string(text), "venue: paper                # simulated: lifeboat may trade here. Write manual where only people may act\n    at: Example", real, 1)
	if changed == string(text) {
		t.Fatal("the example's account is written otherwise now")
	}
	if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	simulated, there := rehearse(t, "covid-2020", example), rehearse(t, "covid-2020", dir)
	if n := len(simulated.Orders); n == 0 || len(there.Orders) != n {
		t.Errorf("%d orders at a real venue, %d at a simulated one", len(there.Orders), n)
	}
}
