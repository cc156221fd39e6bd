package broker

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat/act/venue/paper"
)

type accountAnswer struct {
	ID                    string          `json:"id"`
	AccountNumber         string          `json:"account_number"`
	Status                string          `json:"status"`
	CryptoStatus          string          `json:"crypto_status"`
	Currency              string          `json:"currency"`
	Cash                  decimal.Decimal `json:"cash"`
	BuyingPower           decimal.Decimal `json:"buying_power"`
	RegTBuyingPower       decimal.Decimal `json:"regt_buying_power"`
	DaytradingBuyingPower decimal.Decimal `json:"daytrading_buying_power"`
	NonMarginBuyingPower  decimal.Decimal `json:"non_marginable_buying_power"`
	EffectiveBuyingPower  decimal.Decimal `json:"effective_buying_power"`
	BodDtbp               decimal.Decimal `json:"bod_dtbp"`
	OptionsBuyingPower    decimal.Decimal `json:"options_buying_power"`
	Equity                decimal.Decimal `json:"equity"`
	LastEquity            decimal.Decimal `json:"last_equity"`
	PortfolioValue        decimal.Decimal `json:"portfolio_value"`
	PositionMarketValue   decimal.Decimal `json:"position_market_value"`
	LongMarketValue       decimal.Decimal `json:"long_market_value"`
	ShortMarketValue      decimal.Decimal `json:"short_market_value"`
	InitialMargin         decimal.Decimal `json:"initial_margin"`
	MaintenanceMargin     decimal.Decimal `json:"maintenance_margin"`
	LastMaintenanceMargin decimal.Decimal `json:"last_maintenance_margin"`
	SMA                   decimal.Decimal `json:"sma"`
	AccruedFees           decimal.Decimal `json:"accrued_fees"`
	PendingTransferIn     decimal.Decimal `json:"pending_transfer_in"`
	PendingTransferOut    decimal.Decimal `json:"pending_transfer_out"`
	Multiplier            string          `json:"multiplier"`
	DaytradeCount         int             `json:"daytrade_count"`
	CryptoTier            int             `json:"crypto_tier"`
	PatternDayTrader      bool            `json:"pattern_day_trader"`
	TradingBlocked        bool            `json:"trading_blocked"`
	TransfersBlocked      bool            `json:"transfers_blocked"`
	AccountBlocked        bool            `json:"account_blocked"`
	TradeSuspendedByUser  bool            `json:"trade_suspended_by_user"`
	ShortingEnabled       bool            `json:"shorting_enabled"`
	IntradayAdjustments   decimal.Decimal `json:"intraday_adjustments"`
	BalanceAsof           string          `json:"balance_asof"`
	CreatedAt             time.Time       `json:"created_at"`
}

func (b *Broker) getAccount(*http.Request) (int, any, error) {
	s := b.core.Statement()
	s.Cash = s.Cash.Add(b.wrongCash())
	worth, before := decimal.Zero, s.Cash
	for _, h := range s.Holdings {
		m, _ := b.core.Market(h.Symbol)
		worth = worth.Add(h.Quantity.Mul(m.Price))
		before = before.Add(h.Quantity.Mul(m.Previous))
	}
	free := decimal.Max(decimal.Zero, s.Cash.Sub(s.Claimed))
	return http.StatusOK, accountAnswer{
		ID: b.account, AccountNumber: "LB" + strings.ToUpper(b.account[:8]), Status: "ACTIVE", CryptoStatus: "INACTIVE", Currency: "USD",
		Cash: s.Cash, BuyingPower: free, RegTBuyingPower: free, NonMarginBuyingPower: free, EffectiveBuyingPower: free,
		Equity: s.Cash.Add(worth), LastEquity: before, PortfolioValue: s.Cash.Add(worth), PositionMarketValue: worth, LongMarketValue: worth,
		InitialMargin: worth, MaintenanceMargin: worth, Multiplier: "1", TradeSuspendedByUser: b.suspended(),
		BalanceAsof: lastClose(b.cfg.Calendar, b.Now()).Format(time.DateOnly), CreatedAt: b.opened,
	}, nil
}

// configuration is what an owner may set. Only trade suspension has an effect here.
type configuration struct {
	DTBPCheck           string `json:"dtbp_check"`
	PDTCheck            string `json:"pdt_check"`
	TradeConfirmEmail   string `json:"trade_confirm_email"`
	SuspendTrade        bool   `json:"suspend_trade"`
	NoShorting          bool   `json:"no_shorting"`
	FractionalTrading   bool   `json:"fractional_trading"`
	MaxMarginMultiplier string `json:"max_margin_multiplier"`
	PTPNoExceptionEntry bool   `json:"ptp_no_exception_entry"`
	// SuspendedByUser is the same as SuspendTrade under the name by which the Go SDK knows it.
	SuspendedByUser bool `json:"trade_suspended_by_user"`
}

func usualConfiguration() configuration {
	return configuration{DTBPCheck: "entry", PDTCheck: "entry", TradeConfirmEmail: "all", NoShorting: true, FractionalTrading: true, MaxMarginMultiplier: "1"}
}

func (b *Broker) suspended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.settings.SuspendTrade
}

func (b *Broker) getConfiguration(*http.Request) (int, any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return http.StatusOK, b.settings, nil
}

func (b *Broker) patchConfiguration(r *http.Request) (int, any, error) {
	var change struct {
		DTBPCheck           *string `json:"dtbp_check"`
		PDTCheck            *string `json:"pdt_check"`
		TradeConfirmEmail   *string `json:"trade_confirm_email"`
		SuspendTrade        *bool   `json:"suspend_trade"`
		SuspendedByUser     *bool   `json:"trade_suspended_by_user"`
		NoShorting          *bool   `json:"no_shorting"`
		FractionalTrading   *bool   `json:"fractional_trading"`
		MaxMarginMultiplier *string `json:"max_margin_multiplier"`
		MaxOptionsLevel     *int    `json:"max_options_trading_level"`
		PTPNoExceptionEntry *bool   `json:"ptp_no_exception_entry"`
	}
	if err := read(r, &change); err != nil {
		return 0, nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.settings
	put(&s.DTBPCheck, change.DTBPCheck)
	put(&s.PDTCheck, change.PDTCheck)
	put(&s.TradeConfirmEmail, change.TradeConfirmEmail)
	put(&s.SuspendTrade, change.SuspendedByUser)
	put(&s.SuspendTrade, change.SuspendTrade)
	put(&s.PTPNoExceptionEntry, change.PTPNoExceptionEntry)
	s.SuspendedByUser = s.SuspendTrade
	return http.StatusOK, *s, nil
}

func put[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

type assetAnswer struct {
	ID                           string   `json:"id"`
	Class                        string   `json:"class"`
	Exchange                     string   `json:"exchange"`
	Symbol                       string   `json:"symbol"`
	Name                         string   `json:"name"`
	Status                       string   `json:"status"`
	Tradable                     bool     `json:"tradable"`
	Marginable                   bool     `json:"marginable"`
	MaintenanceMarginRequirement uint     `json:"maintenance_margin_requirement"`
	Shortable                    bool     `json:"shortable"`
	EasyToBorrow                 bool     `json:"easy_to_borrow"`
	Fractionable                 bool     `json:"fractionable"`
	Attributes                   []string `json:"attributes"`
}

func (b *Broker) asset(symbol string) assetAnswer {
	a := assetAnswer{ID: assetID(symbol), Class: "us_equity", Exchange: "NYSE", Symbol: symbol, Name: symbol, Status: "active",
		Tradable: b.core.PhaseOf(symbol, b.Now()) != paper.CancelOnly, MaintenanceMarginRequirement: 100, Fractionable: true, Attributes: []string{}}
	for _, p := range b.cfg.Prices {
		if p.Symbol == symbol {
			a.Name, a.Exchange = p.Name, p.Exchange
		}
	}
	return a
}

func (b *Broker) getAssets(r *http.Request) (int, any, error) {
	all := []assetAnswer{}
	q := r.URL.Query()
	if status, class := q.Get("status"), q.Get("asset_class"); status == "inactive" || class != "" && class != "us_equity" {
		return http.StatusOK, all, nil
	}
	for _, symbol := range b.core.Symbols() {
		if a := b.asset(symbol); q.Get("exchange") == "" || q.Get("exchange") == a.Exchange {
			all = append(all, a)
		}
	}
	return http.StatusOK, all, nil
}

func (b *Broker) getAsset(r *http.Request) (int, any, error) {
	symbol, known := b.symbolOf(r.PathValue("symbol"))
	if !known {
		return 0, nil, absent("asset not found for %s", r.PathValue("symbol"))
	}
	return http.StatusOK, b.asset(symbol), nil
}

// symbolOf finds a symbol that is quoted by itself or by its asset id.
func (b *Broker) symbolOf(name string) (string, bool) {
	symbols := b.core.Symbols()
	if upper := strings.ToUpper(name); slices.Contains(symbols, upper) {
		return upper, true
	}
	i := slices.IndexFunc(symbols, func(s string) bool { return assetID(s) == name })
	if i < 0 {
		return "", false
	}
	return symbols[i], true
}
