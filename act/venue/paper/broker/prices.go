package broker

import "github.com/shopspring/decimal"

// Price is the last known close of a symbol, with what a session of it usually has.
type Price struct {
	Symbol, Name, Exchange string
	Last                   decimal.Decimal
	Volume                 float64 // shares of a usual session; 0 when not known, and then fills are not bounded
	Volatility             float64 // of a day, as a fraction
}

// LastKnown is the table of last known closes.
//
// ETFs: closing price, mean volume and standard deviation of the daily returns of the last 20 sessions, from daily prices
// of Yahoo: to 27 March 2026 for SPY, QQQ, IWM, EFA, TLT, GLD, VNQ and XLE, to 3 December 2025 for IEF, and to
// 6 December 2024 for AGG and BND. Shares: closing price adjusted for dividends since, and volatility, of
// 28 December 2022, from the data set sp500_dataset of skfolio; their volume is not in it. All of it is for practice: a
// price from this table is years old, and says nothing of today's.
func LastKnown() []Price {
	var all []Price
	for _, p := range []struct {
		symbol, name, exchange, last string
		volume, volatility           float64
	}{
		{"SPY", "SPDR S&P 500 ETF Trust", "ARCA", "634.09", 99_244_555, 0.0094},
		{"QQQ", "Invesco QQQ Trust", "NASDAQ", "562.58", 73_169_920, 0.0118},
		{"IWM", "iShares Russell 2000 ETF", "ARCA", "243.10", 54_805_185, 0.0143},
		{"EFA", "iShares MSCI EAFE ETF", "ARCA", "93.80", 30_818_550, 0.0159},
		{"TLT", "iShares 20+ Year Treasury Bond ETF", "NASDAQ", "85.64", 48_955_375, 0.0077},
		{"IEF", "iShares 7-10 Year Treasury Bond ETF", "NASDAQ", "96.97", 10_809_194, 0.0027},
		{"AGG", "iShares Core US Aggregate Bond ETF", "ARCA", "99.33", 9_134_460, 0.0030},
		{"BND", "Vanguard Total Bond Market ETF", "NASDAQ", "73.71", 6_736_295, 0.0030},
		{"GLD", "SPDR Gold Shares", "ARCA", "414.70", 15_946_620, 0.0228},
		{"VNQ", "Vanguard Real Estate ETF", "ARCA", "87.00", 4_613_470, 0.0094},
		{"XLE", "Energy Select Sector SPDR Fund", "ARCA", "62.56", 69_884_645, 0.0107},
		{"AAPL", "Apple Inc.", "NASDAQ", "125.67", 0, 0.0209},
		{"AMD", "Advanced Micro Devices, Inc.", "NASDAQ", "62.57", 0, 0.0291},
		{"BAC", "Bank of America Corporation", "NYSE", "32.30", 0, 0.0177},
		{"BBY", "Best Buy Co., Inc.", "NYSE", "78.28", 0, 0.0180},
		{"CVX", "Chevron Corporation", "NYSE", "173.73", 0, 0.0170},
		{"GE", "General Electric Company", "NYSE", "63.88", 0, 0.0185},
		{"HD", "The Home Depot, Inc.", "NYSE", "311.22", 0, 0.0150},
		{"JNJ", "Johnson & Johnson", "NYSE", "174.09", 0, 0.0077},
		{"JPM", "JPMorgan Chase & Co.", "NYSE", "129.57", 0, 0.0117},
		{"KO", "The Coca-Cola Company", "NYSE", "62.61", 0, 0.0100},
		{"LLY", "Eli Lilly and Company", "NYSE", "363.10", 0, 0.0137},
		{"MRK", "Merck & Co., Inc.", "NYSE", "109.58", 0, 0.0097},
		{"MSFT", "Microsoft Corporation", "NASDAQ", "233.43", 0, 0.0212},
		{"PEP", "PepsiCo, Inc.", "NASDAQ", "179.28", 0, 0.0081},
		{"PFE", "Pfizer Inc.", "NYSE", "49.25", 0, 0.0167},
		{"PG", "The Procter & Gamble Company", "NYSE", "149.13", 0, 0.0087},
		{"RRC", "Range Resources Corporation", "NYSE", "24.50", 0, 0.0335},
		{"UNH", "UnitedHealth Group Incorporated", "NYSE", "524.42", 0, 0.0134},
		{"WMT", "Walmart Inc.", "NYSE", "140.18", 0, 0.0102},
		{"XOM", "Exxon Mobil Corporation", "NYSE", "106.63", 0, 0.0157},
	} {
		all = append(all, Price{p.symbol, p.name, p.exchange, decimal.RequireFromString(p.last), p.volume, p.volatility})
	}
	return all
}

// usual tells the core what the table knows of sessions.
func usual(table []Price) func(string) (volume, volatility float64) {
	known := map[string]Price{}
	for _, p := range table {
		known[p.Symbol] = p
	}
	return func(symbol string) (float64, float64) { return known[symbol].Volume, known[symbol].Volatility }
}

// halfSpread between bid and ask as a fraction of the price: a hundredth of a percent, what large funds and shares cost.
func halfSpread(string) float64 { return 0.0001 }
