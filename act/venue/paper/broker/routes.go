package broker

import "net/http"

// route joins every path that is served with what answers it.
func (b *Broker) route() *http.ServeMux {
	m := http.NewServeMux()
	for pattern, c := range map[string]call{
		"GET /v2/account":                       b.getAccount,
		"GET /v2/account/configurations":        b.getConfiguration,
		"PATCH /v2/account/configurations":      b.patchConfiguration,
		"GET /v2/account/activities":            b.getActivities,
		"GET /v2/account/activities/{type}":     b.getActivities,
		"GET /v2/assets":                        b.getAssets,
		"GET /v2/assets/{symbol}":               b.getAsset,
		"POST /v2/orders":                       b.postOrder,
		"GET /v2/orders":                        b.getOrders,
		"DELETE /v2/orders":                     b.deleteOrders,
		"GET /v2/orders/{id}":                   b.getOrder,
		"PATCH /v2/orders/{id}":                 b.patchOrder,
		"DELETE /v2/orders/{id}":                b.deleteOrder,
		"GET /v2/orders:by_client_order_id":     b.getOrderByClientID,
		"GET /v2/positions":                     b.getPositions,
		"GET /v2/positions/{symbol}":            b.getPosition,
		"DELETE /v2/positions":                  b.deletePositions,
		"DELETE /v2/positions/{symbol}":         b.deletePosition,
		"GET /v2/clock":                         b.getClock,
		"GET /v3/clock":                         b.getMarketClocks,
		"GET /v2/calendar":                      b.getCalendar,
		"GET /v2/stocks/bars":                   b.getBars,
		"GET /v2/stocks/bars/latest":            b.getLatestBars,
		"GET /v2/stocks/quotes":                 b.getQuotes,
		"GET /v2/stocks/quotes/latest":          b.getLatestQuotes,
		"GET /v2/stocks/trades":                 b.getTrades,
		"GET /v2/stocks/trades/latest":          b.getLatestTrades,
		"GET /v2/stocks/snapshots":              b.getSnapshots,
		"GET /v2/stocks/{symbol}/bars":          b.getBars,
		"GET /v2/stocks/{symbol}/bars/latest":   b.getLatestBars,
		"GET /v2/stocks/{symbol}/quotes":        b.getQuotes,
		"GET /v2/stocks/{symbol}/quotes/latest": b.getLatestQuotes,
		"GET /v2/stocks/{symbol}/trades":        b.getTrades,
		"GET /v2/stocks/{symbol}/trades/latest": b.getLatestTrades,
		"GET /v2/stocks/{symbol}/snapshot":      b.getSnapshots,
		"/":                                     notServed,
	} {
		m.HandleFunc(pattern, b.answers(c))
	}
	m.HandleFunc("GET /v2/events/trades", b.serveEvents)
	m.HandleFunc("GET /stream", b.serveStream)
	for _, path := range dataStreams {
		m.HandleFunc("GET "+path, b.serveDataStream)
	}
	b.routeControl(m)
	return m
}

func notServed(r *http.Request) (int, any, error) {
	return 0, nil, absent("endpoint not found")
}
