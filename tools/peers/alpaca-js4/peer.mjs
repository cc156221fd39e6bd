// Alpaca's official npm SDK 4 as a peer of the paper broker: what a trading program does, with no code of lifeboat's. It
// ends with a sentence and a failure at the first answer that is not Alpaca's. It expects a fresh account of 100,000
// dollars, an open market, and SPY quoted near 634.
import { Alpaca, trading, ValidationError, PermissionError, NotFoundError, RateLimitError } from "@alpacahq/alpaca-trade-api";

const base = process.argv[2];
const hosts = /^https:\/\/(paper-api|api|data)\.alpaca\.markets/;
const alpaca = new Alpaca({
  keyId: "PKPEER", secret: "secret", paper: true,
  fetchApi: (url, init) => fetch(String(url).replace(hosts, base), init),
});

function must(holds, sentence, shown) {
  if (!holds) throw new Error(sentence + (shown === undefined ? "" : ": " + JSON.stringify(shown)));
}

async function fails(call, kind, status, code) {
  try {
    await call();
  } catch (e) {
    must(e instanceof kind && e.status === status && Number(e.code) === code, `wanted ${kind.name} ${status}/${code}, got ${e.name} ${e.status}/${e.code} ${e.message}`);
    must(e.requestId?.length === 36, "an error has no request id");
    return e;
  }
  throw new Error(`wanted ${kind.name} ${status}/${code}, and it succeeded`);
}

const updates = [];
const stream = alpaca.trading.stream({ url: base.replace(/^http/, "ws") + "/stream" });
stream.onTradeUpdate((u) => updates.push(u));

async function until(what, holds) {
  for (let i = 0; i < 500; i++) {
    const found = await holds();
    if (found) return found;
    await new Promise((resume) => setTimeout(resume, 20));
  }
  throw new Error("never came: " + what);
}

const update = (id, event) => until(`${event} of ${id}`, () => updates.find((u) => u.order.id === id && u.event === event));

const flows = {
  async account() {
    const check = await alpaca.trading.validateConnection();
    must(check.ok, "the connection is not valid", check);
    must(check.account.status === "ACTIVE" && Number(check.account.cash) === 100000, "the account is not as opened", check.account);
  },
  async "calendar and clock"() {
    const clock = await alpaca.trading.clock.legacyClock();
    must(clock.isOpen === true && clock.nextClose > clock.timestamp, "the clock is wrong", clock);
    const { clocks } = await alpaca.trading.clock.clock();
    must(clocks.length === 1 && clocks[0].phase === "core" && clocks[0].isMarketDay === true && clocks[0].market.mic === "XNYS", "the newer clock is wrong", clocks);
    const days = await alpaca.trading.calendar.legacyCalendar({ start: new Date("2026-11-26"), end: new Date("2026-11-27") });
    must(days.length === 1 && days[0].close === "13:00", "Thanksgiving is wrong", days);
  },
  async "the stream of updates"() {
    stream.connect();
    stream.subscribeTradeUpdates();
    const order = await alpaca.trading.submitAndWait({ type: "market", symbol: "SPY", qty: 2, side: "buy", timeInForce: "day", clientOrderId: "js4-wait" }, { stream, timeoutMs: 10000 });
    must(order.status === "filled" && order.clientOrderId === "js4-wait", "submitAndWait came back with another order", order);
  },
  async "a market order"() {
    const order = await alpaca.trading.orders.market({ symbol: "SPY", qty: 3, side: "buy", clientOrderId: "js4-1" });
    must(order.status === "pending_new" && order.qty === "3" && order.filledQty === "0", "the order is wrong", order);
    const fill = await update(order.id, "fill");
    must(fill.qty === "3" && Number(fill.price) > 600 && fill.positionQty === "5", "the fill is wrong", fill);
    const found = await alpaca.trading.orders.getOrderByClientOrderId({ clientOrderId: "js4-1" });
    must(found.id === order.id && found.status === "filled" && found.filledAvgPrice === fill.price, "by its client id the order is wrong", found);
  },
  async "what is refused"() {
    const market = (over) => () => alpaca.trading.orders.market({ symbol: "SPY", qty: 3, side: "buy", clientOrderId: "js4-" + Math.random(), ...over });
    await fails(market({ clientOrderId: "js4-1" }), ValidationError, 422, 40010001);
    await fails(market({ qty: 100000 }), PermissionError, 403, 40310000);
    await fails(market({ qty: 1000, side: "sell" }), PermissionError, 403, 40310000);
    await fails(market({ symbol: "NOSUCH" }), ValidationError, 422, 42210000);
    await fails(() => alpaca.trading.orders.getOrderByClientOrderId({ clientOrderId: "never" }), NotFoundError, 404, 40410000);
    await fails(() => alpaca.trading.orders.deleteOrderByOrderID({ orderId: "904837e3-3b76-47ec-b432-046db621571b" }), NotFoundError, 404, 40410000);
  },
  async "the rate limit"() {
    await fetch(base + "/lifeboat/faults", { method: "POST", body: JSON.stringify({ on: "POST /v2/orders", throttle: 1 }) });
    const e = await fails(() => alpaca.trading.orders.market({ symbol: "SPY", qty: 1, side: "buy", clientOrderId: "js4-hurried" }), RateLimitError, 429, 42910000);
    must(e.retryAfterMs === 1000, "it does not say when to try again", e.retryAfterMs);
    await fails(() => alpaca.trading.orders.getOrderByClientOrderId({ clientOrderId: "js4-hurried" }), NotFoundError, 404, 40410000);
  },
  async "replace and cancel"() {
    const order = await alpaca.trading.orders.limit({ symbol: "SPY", qty: 2, side: "buy", limitPrice: "100.50", timeInForce: "gtc" });
    const next = await alpaca.trading.orders.patchOrderByOrderId({ orderId: order.id, patchOrderRequest: { limitPrice: "101", qty: "4" } });
    must(next.id !== order.id && next.replaces === order.id && next.qty === "4", "the replacement is wrong", next);
    await update(order.id, "replaced");
    await alpaca.trading.orders.deleteOrderByOrderID({ orderId: next.id });
    await update(next.id, "canceled");
    await fails(() => alpaca.trading.orders.deleteOrderByOrderID({ orderId: next.id }), ValidationError, 422, 42210000);
  },
  async "classes"() {
    const bracket = await alpaca.trading.orders.bracket({ symbol: "AAPL", qty: 4, side: "buy", type: "market", timeInForce: "gtc", takeProfit: { limitPrice: "200" }, stopLoss: { stopPrice: "90" } });
    must(bracket.orderClass === "bracket" && bracket.legs.length === 2, "the bracket is wrong", bracket);
    await update(bracket.id, "fill");
    const held = await alpaca.trading.positions.getOpenPosition({ symbolOrAssetId: "AAPL" });
    must(held.qty === "4" && held.qtyAvailable === "0", "the exits do not hold the shares", held);
    const all = await alpaca.trading.orders.deleteAllOrders();
    must(all.length === 2 && all.every((one) => one.status === 200), "cancelling all went wrong", all);
    const trail = await alpaca.trading.orders.trailingStop({ symbol: "AAPL", qty: 1, side: "sell", trailPercent: "5", timeInForce: "gtc" });
    must(trail.type === "trailing_stop" && trail.trailPercent === "5", "the trailing stop is wrong", trail);
    await alpaca.trading.orders.deleteOrderByOrderID({ orderId: trail.id });
  },
  async "positions"() {
    const all = await alpaca.trading.positions.getAllOpenPositions();
    must(all.length === 2 && all[0].symbol === "SPY" && all[0].qty === "5", "the positions are wrong", all);
    const closed = await alpaca.trading.closeAllPositions({ cancelOrders: true });
    must(closed.length === 2 && closed.every((one) => String(one.status) === "200"), "closing all went wrong", closed);
    await until("an empty account", async () => (await alpaca.trading.positions.getAllOpenPositions()).length === 0);
  },
  async "the stream of data"() {
    const data = alpaca.marketData.stockStream({ feed: "iex", url: base.replace(/^http/, "ws") + "/v2/iex" });
    const trades = [];
    data.onTrade((trade) => trades.push(trade));
    data.onConnect(() => data.subscribeForTrades(["SPY"]));
    data.connect();
    await until("a trade", async () => {
      await fetch(base + "/lifeboat/prices", { method: "POST", body: JSON.stringify({ SPY: "640.25" }) });
      return trades.length > 0;
    });
    must(trades[0].symbol === "SPY" && trades[0].price === 640.25, "the trade is wrong", trades[0]);
    data.disconnect();
  },
  async "market data"() {
    const { quotes } = await alpaca.marketData.stocks.stockLatestQuotes({ symbols: "SPY,AAPL" });
    must(Object.keys(quotes).length === 2, "the quotes are wrong", quotes);
    const { bars } = await alpaca.marketData.stocks.stockBars({ symbols: "SPY", timeframe: "1Day", start: new Date("2026-06-01") });
    must(bars.SPY.length >= 2, "the bars are wrong", bars);
  },
};

let now = "";
try {
  for (const [name, run] of Object.entries(flows)) {
    now = name;
    await run();
  }
  stream.disconnect();
  console.log("alpaca-js4: every flow ran as against Alpaca");
  process.exit(0);
} catch (e) {
  console.error(`alpaca-js4: ${now}: ${e.message}`);
  process.exit(1);
}
