package plan

import "strings"

// Classes of holdings that a plan may name.
func Classes() []string {
	return []string{"equities", "bonds", "commodities", "real-estate", "crypto", "stablecoin", "cash", "other"}
}

// classes by every word that people use for them.
var classes = map[string]string{
	"equities": "equities", "equity": "equities", "stocks": "equities", "stock": "equities",
	"bonds": "bonds", "bond": "bonds", "fixed-income": "bonds",
	"commodities": "commodities", "commodity": "commodities",
	"real-estate": "real-estate", "realestate": "real-estate",
	"crypto": "crypto", "cryptos": "crypto",
	"stablecoin": "stablecoin", "stablecoins": "stablecoin",
	"cash": "cash", "other": "other", "others": "other",
}

// ClassName is the class that a word means: equity, equities and stocks are one.
func ClassName(word string) (string, bool) {
	word = strings.NewReplacer(" ", "-", "_", "-").Replace(strings.ToLower(strings.TrimSpace(word)))
	class, ok := classes[word]
	return class, ok
}
