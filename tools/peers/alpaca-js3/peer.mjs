// Alpaca's official npm SDK 3, older and widely used, as a peer of the paper broker: what a trading program does, with no
// code of lifeboat's. It ends with a sentence and a failure at the first answer that is not Alpaca's. It expects a fresh
// account of 100,000 dollars, an open market, and SPY quoted near 634.
import Alpaca from "@alpacahq/alpaca-trade-api";

const base = process.argv[2];
const alpaca = new Alpaca({ keyId: "PKPEER", secretKey: "secret", baseUrl: base, dataBaseUrl: base, feed: "iex" });

function must(holds, sentence, shown) {
  if (!holds) throw new Error(sentence + (shown === undefined ? "" : ": " + JSON.stringify(shown)));
}

async function fails(call, status, code) {
  try {
    await call();
  } catch (e) {
    must(e.response?.status === status && e.response.data.code === code, `wanted ${status}/${code}, got ${e.response?.status} ${JSON.stringify(e.response?.data)} ${e.message}`);
    return;
  }
  throw new Error(`wanted ${status}/${code}, and it succeeded`);
}

async function until(what, holds) {
  for (let i = 0; i < 500; i++) {
    const found = await holds();
    if (found) return found;
    await new Promise((resume) => setTimeout(resume, 20));
  }
  throw new Error("never came: " + what);
}

const updates = [];
const trades = [];
const buy = (over) => alpaca.createOrder({ symbol: "SPY", qty: 2, side: "buy", type: "market", time_in_force: "day", ...over });

const flows = {
  async account() {
    const account = await alpaca.getAccount();
    must(account.status === "ACTIVE" && Number(account.cash) === 100000, "the account is not as opened", account);
    const settings = await alpaca.getAccountConfigurations();
    must(settings.suspend_trade === false, "the configuration is wrong", settings);
  },
  async "calendar and clock"() {
    const clock = await alpaca.getClock();
    must(clock.is_open === true, "the clock is wrong", clock);
    const days = await alpaca.getCalendar({ start: "2026-11-26", end: "2026-11-27" });
    must(days.length === 1 && days[0].open === "09:30" && days[0].close === "13:00", "Thanksgiving is wrong", days);
  },
  async assets() {
    const asset = await alpaca.getAsset("SPY");
    must(asset.symbol === "SPY" && asset.tradable === true, "SPY is wrong", asset);
  },
  async "the stream of updates"() {
    alpaca.trade_ws.onConnect(() => alpaca.trade_ws.subscribe(["trade_updates"]));
    alpaca.trade_ws.onOrderUpdate((u) => updates.push(u));
    alpaca.trade_ws.connect();
    await until("the authorisation of the stream", () => alpaca.trade_ws.currentState === "connected");
    await until("an update", async () => {
      if (updates.length === 0) await buy({ qty: 1 }); // the subscription may still be under way
      return updates.length > 0;
    });
  },
  async "an order"() {
    const order = await buy({ client_order_id: "js3-1" });
    must(order.status === "pending_new" && order.qty === "2", "the order is wrong", order);
    const fill = await until("the fill", () => updates.find((u) => u.order.id === order.id && u.event === "fill"));
    must(fill.qty === "2" && Number(fill.price) > 600, "the fill is wrong", fill);
    const found = await alpaca.getOrderByClientId("js3-1");
    must(found.id === order.id && found.status === "filled", "by its client id the order is wrong", found);
    must((await alpaca.getOrder(order.id)).filled_qty === "2", "by its id the order is wrong");
  },
  async "what is refused"() {
    await fails(() => buy({ client_order_id: "js3-1" }), 422, 40010001);
    await fails(() => buy({ qty: 100000 }), 403, 40310000);
    await fails(() => buy({ symbol: "NOSUCH" }), 422, 42210000);
    await fails(() => alpaca.getOrderByClientId("never"), 404, 40410000);
  },
  async "replace and cancel"() {
    const order = await buy({ type: "limit", limit_price: 100.5, time_in_force: "gtc" });
    const open = await alpaca.getOrders({ status: "open", limit: 10 });
    must(open.length === 1 && open[0].id === order.id, "the open orders are wrong", open);
    const next = await alpaca.replaceOrder(order.id, { qty: "5", limit_price: "101" });
    must(next.replaces === order.id && next.qty === "5", "the replacement is wrong", next);
    await alpaca.cancelOrder(next.id);
    await fails(() => alpaca.cancelOrder(next.id), 422, 42210000);
    must((await alpaca.cancelAllOrders()).length === 0, "nothing was open, and something was cancelled");
  },
  async "market data"() {
    const quote = await alpaca.getLatestQuote("SPY");
    must(quote.BidPrice > 600 && quote.AskPrice >= quote.BidPrice, "the quote is wrong", quote);
    const snapshot = await alpaca.getSnapshot("SPY");
    must(snapshot.LatestTrade.Price > 600, "the snapshot is wrong", snapshot);
    const bars = [];
    for await (const bar of alpaca.getBarsV2("SPY", { timeframe: "1Day", start: "2026-06-01" })) bars.push(bar);
    must(bars.length >= 2 && bars[0].ClosePrice > 600, "the bars are wrong", bars);
  },
  async "the stream of data"() {
    const data = alpaca.data_stream_v2;
    data.session.url = base.replace(/^http/, "ws") + "/v2/iex"; // it would always use TLS
    data.onConnect(() => data.subscribeForTrades(["SPY"]));
    data.onStockTrade((trade) => trades.push(trade));
    data.connect();
    await until("a trade", async () => {
      await fetch(base + "/lifeboat/prices", { method: "POST", body: JSON.stringify({ SPY: "640.25" }) });
      return trades.length > 0;
    });
    must(trades[0].Symbol === "SPY" && trades[0].Price === 640.25, "the trade is wrong", trades[0]);
    data.disconnect();
  },
  async positions() {
    const position = await alpaca.getPosition("SPY");
    must(Number(position.qty) > 2 && position.current_price === "640.25", "the position is wrong", position);
    const order = await alpaca.closePosition("SPY");
    must(order.side === "sell" && order.qty === position.qty, "closing made another order", order);
    await until("an empty account", async () => (await alpaca.getPositions()).length === 0);
    const fills = await alpaca.getAccountActivities({ activityTypes: "FILL" });
    must(fills.length >= 3 && fills[0].side === "sell", "the activities are wrong", fills);
  },
};

let now = "";
try {
  for (const [name, run] of Object.entries(flows)) {
    now = name;
    await run();
  }
  console.log("alpaca-js3: every flow ran as against Alpaca");
  process.exit(0);
} catch (e) {
  console.error(`alpaca-js3: ${now}: ${e.message}`);
  process.exit(1);
}
