package rule

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestDocsVocabulary finds everything that the language knows in docs/plan.md.
func TestDocsVocabulary(t *testing.T) {
	text, err := os.ReadFile("../../docs/plan.md")
	if err != nil {
		t.Fatal(err)
	}
	words := append(slices.Collect(maps.Keys(portfolioSignals)), "volume_spike`", "_ma`", "_ma_breach`", "_drawdown`", "_daily_return`", "_volume_spike`")
	for name := range functions {
		words = append(words, "`"+name+"(")
	}
	for _, word := range words {
		if !strings.Contains(string(text), word) {
			t.Errorf("docs/plan.md does not tell of %s", strings.Trim(word, "`("))
		}
	}
}
