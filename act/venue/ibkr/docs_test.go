package ibkr

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The connector's page has the table of questions as the code has it.
func TestPageHasTheQuestions(t *testing.T) {
	page, err := os.ReadFile("../../../docs/connectors/ibkr.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	for _, k := range Questions {
		fmt.Fprintf(&rows, "| %s | %s | %s | %s |\n", k.ID, k.About, k.Confirm, k.Why)
	}
	if !strings.Contains(string(page), "|---|---|---|---|\n"+rows.String()+"| any other") {
		t.Errorf("docs/connectors/ibkr.md should have:\n%s", rows.String())
	}
}
