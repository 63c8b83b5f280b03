/* Carries a page on after the server drew it: one event stream, texts first, then one graph per animation frame.

   Every second all values age in front of the viewer, also while the server is not heard. A gap in the counter, a
   stream that ends or falls silent: connect again, and the snapshot that comes first puts everything right.
   `window.iocLive` tells tests what was last applied. */
(() => {
  "use strict";
  const ioc = (window.iocPanels = window.iocPanels || {});
  const QUIET_MS = 15000; // three of the server's ticks: then the stream is dead, whatever the socket says
  const LONGEST_WAIT_MS = 10000;
  const PACE_MS = 1000; // a graph is drawn once a second at most; numbers are written at once
  const HIDDEN_MS = 60000; // a tab that nobody sees gives its connection back
  const live = (window.iocLive = { seq: null, connectedAt: null, snapshots: 0 });

  let root = null;
  let doc = null;
  let stream = null;
  let anchor = null; // server time at a moment of both local clocks
  let heardAt = null;
  let lost = true;
  let attempts = 0;
  let retryTimer = null;
  let hiddenTimer = null;
  let over = false;
  let mapBusy = false;
  let mapResized = false; // asked for since it was last drawn
  let trendResized = false;
  const waiting = new Map(); // graph work, by name, one piece per frame
  let frameAsked = false;

  // ---- time

  function setAnchor(iso) {
    anchor = { at: Date.parse(iso), steady: performance.now(), wall: Date.now() };
  }

  /** The server's time. A machine that slept has one clock that stood still; the larger step is the honest age. */
  function serverNow() {
    if (!anchor) return Date.now();
    return anchor.at + Math.max(performance.now() - anchor.steady, Date.now() - anchor.wall, 0);
  }

  // ---- what applies to the whole page

  const cardOf = (series) => doc.cards.find((card) => card.series === series) || null;

  function rules() {
    const speed = cardOf(doc.trend.series);
    const perUnit = doc.cards.find((card) => card.id === root.dataset.unitKpi) || null;
    return { slowBelow: speed ? speed.target : null, speedLimits: speed, unitLimits: perUnit };
  }

  function fillTexts(cards) {
    const now = serverNow();
    const { slowBelow, speedLimits, unitLimits } = rules();
    ioc.fillCards(cards, doc.cards, now);
    ioc.fillUnits(doc.units, unitLimits, now);
    ioc.fillSegments(doc.segments, slowBelow, speedLimits, now);
    ioc.fillSources(doc.sources, now, lost);
    ioc.fillBand(doc.origins);
  }

  // ---- graphs, one per frame

  /** The graph once Dash has finished drawing it: before that, MapLibre takes no changes. */
  function plotted(name) {
    const graph = document.querySelector(`[data-graph="${name}"] .js-plotly-plot`);
    const ready = graph && graph._fullLayout && window.Plotly && !graph.closest(".dash-graph--pending");
    return ready && !graph.querySelector(".dash-graph--pending") ? graph : null;
  }

  function queue(name, work) {
    waiting.set(name, work);
    askFrame();
  }

  function askFrame() {
    if (frameAsked || !waiting.size) return;
    frameAsked = true;
    requestAnimationFrame(() => {
      frameAsked = false;
      const [name, work] = waiting.entries().next().value;
      waiting.delete(name);
      work();
      askFrame();
    });
  }

  function queueTrend(resized) {
    trendResized = trendResized || resized;
    const graph = plotted("trend");
    if (!graph || pause("trend")) {
      retryGraph("trend", () => queueTrend(false), pause("trend") || undefined);
      return;
    }
    queue("trend", () => {
      drawnAt.set("trend", performance.now());
      ioc.drawTrend(graph, doc, serverNow(), trendResized);
      trendResized = false;
    });
  }

  function queueMap(resized) {
    if (!document.querySelector('[data-graph="map"]') || !ioc.canDrawMap()) return;
    mapResized = mapResized || resized;
    const graph = plotted("map");
    if (!graph || mapBusy || pause("map")) {
      retryGraph("map", () => queueMap(false), pause("map") || undefined);
      return;
    }
    queue("map", async () => {
      mapBusy = true;
      drawnAt.set("map", performance.now());
      const anew = mapResized;
      mapResized = false;
      try {
        await ioc.loadMap();
        await ioc.drawMap(graph, doc, rules(), serverNow(), anew);
      } catch (error) {
        console.warn("map", error);
        retryGraph("map", () => queueMap(true), 5000);
      } finally {
        mapBusy = false;
      }
    });
  }

  const retries = new Map();
  const drawnAt = new Map();

  /** Milliseconds until the graph may be drawn again. */
  const pause = (name) => Math.max(0, (drawnAt.get(name) ?? -PACE_MS) + PACE_MS - performance.now());

  function retryGraph(name, again, after = 50) {
    clearTimeout(retries.get(name));
    if (document.contains(root)) retries.set(name, setTimeout(again, after));
  }

  function queueGraphs(resized) {
    queue("sparks", () => {
      ioc.drawSparks();
      ioc.drawStrip(doc.units);
    });
    queueTrend(resized);
    queueMap(resized);
  }

  // ---- documents

  const byKey = (old, changed, key) => {
    const fresh = new Map(changed.map((one) => [one[key], one]));
    const kept = old.map((one) => fresh.get(one[key]) || one);
    const known = new Set(old.map((one) => one[key]));
    return kept.concat(changed.filter((one) => !known.has(one[key])));
  };

  function merge(change) {
    const next = { ...doc, n: change.n, at: change.at };
    if (change.cards) next.cards = byKey(doc.cards, change.cards, "id");
    if (change.segments) next.segments = byKey(doc.segments, change.segments, "asset");
    ["units", "sources", "origins", "notices", "centre"].forEach((key) => {
      if (change[key]) next[key] = change[key];
    });
    if (change.trend && change.trend.series) {
      next.trend = change.trend; // whole: its origin is another one now
    } else if (change.trend) {
      const points = new Map(doc.trend.points.map((point) => [point[0], point]));
      change.trend.points.forEach((point) => points.set(point[0], point));
      const newest = Math.max(...points.keys());
      const kept = [...points.values()].filter(([start]) => start > newest - 25 * 3600e3);
      next.trend = { ...doc.trend, ...change.trend, points: kept.sort((a, b) => a[0] - b[0]) };
    }
    return next;
  }

  function onSnapshot(event) {
    doc = JSON.parse(event.data);
    setAnchor(doc.at);
    live.seq = doc.n;
    live.snapshots += 1;
    live.connectedAt = Date.now();
    attempts = 0;
    heard();
    fillTexts(doc.cards);
    queueGraphs(false);
  }

  function onChange(event) {
    const change = JSON.parse(event.data);
    if (live.seq === null || change.n !== live.seq + 1) {
      connect(); // a gap: only a snapshot knows what was missed
      return;
    }
    setAnchor(change.at);
    doc = merge(change);
    heard();
    fillTexts(change.cards || []);
    live.seq = change.n;
    if (change.cards || change.units) {
      queue("sparks", () => {
        ioc.drawSparks();
        if (change.units) ioc.drawStrip(doc.units);
      });
    }
    if (change.trend) queueTrend(false);
    if (change.units || change.segments) queueMap(false);
  }

  // ---- the stream

  function heard() {
    heardAt = performance.now();
    lost = false;
    sayConnection();
  }

  function sayConnection() {
    const holder = document.querySelector(".connection");
    if (!holder) return;
    const notice = lost ? null : doc.notices[0] || null;
    const state = lost ? (live.connectedAt === null && attempts < 2 ? "late" : "silent") : notice ? "late" : "on_time";
    ioc.mark(holder, "state", state);
    ioc.shape(holder, "connection-sign", state);
    ioc.mark(document.documentElement, "connection", lost ? "lost" : "live");
    const seconds = Math.max(0, Math.floor((performance.now() - heardAt) / 1000));
    const age = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    const words = ioc.words;
    let said = lost ? ioc.fill(words.disconnected, { age }) : words.connected;
    if (state === "late") said = notice ? words["notice_" + notice] : words.connecting;
    if (over) said = `${words.session_over} ${words.reload_page}`;
    ioc.text(holder, "connection", said);
  }

  function connect() {
    clearTimeout(retryTimer);
    if (stream) stream.close();
    stream = new EventSource(`/live?view=${encodeURIComponent(root.dataset.view)}`);
    live.seq = null;
    stream.addEventListener("snapshot", onSnapshot);
    stream.addEventListener("change", onChange);
    stream.addEventListener("tick", (event) => {
      setAnchor(JSON.parse(event.data).at);
      if (live.seq !== null) heard();
    });
    stream.onerror = dropped;
  }

  function dropped() {
    if (stream) stream.close();
    stream = null;
    lost = true;
    attempts += 1;
    sayConnection();
    clearTimeout(retryTimer);
    const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** attempts) * (0.75 + Math.random() / 2);
    retryTimer = setTimeout(connect, wait);
    if (attempts === 3) askWhetherSignedIn();
  }

  /** An event stream does not tell why it was refused; the page itself does. */
  async function askWhetherSignedIn() {
    try {
      const answer = await fetch(location.href, { redirect: "manual", cache: "no-store" });
      over = answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403;
    } catch {
      over = false; // nobody answers: the server is away, not the session
    }
    if (over) ioc.mark(document.documentElement, "session", "over");
    sayConnection();
  }

  function eachSecond() {
    if (!root || !document.contains(root)) return;
    if (stream && !lost && performance.now() - heardAt > QUIET_MS) dropped();
    ioc.fillClock(serverNow());
    if (lost) sayConnection();
    fillTexts(doc.cards);
  }

  function onVisibility() {
    clearTimeout(hiddenTimer);
    if (document.hidden) {
      hiddenTimer = setTimeout(() => {
        clearTimeout(retryTimer);
        if (stream) stream.close();
        stream = null;
        lost = true;
      }, HIDDEN_MS);
    } else if (root && !stream) {
      connect();
    }
  }

  // ---- the start

  function adopt(element) {
    root = element;
    const html = document.documentElement;
    html.dataset.page = root.dataset.page;
    html.dataset.theme = root.dataset.theme;
    html.lang = root.dataset.language;
    ioc.language = root.dataset.language;
    ioc.words = JSON.parse(root.dataset.words);
    ioc.feeds = JSON.parse(root.dataset.feeds);
    doc = JSON.parse(root.dataset.document);
    document.title = `${root.querySelector("h1").textContent} \u00b7 ${ioc.words.product}`;
    setAnchor(doc.at);
    heardAt = performance.now();
    if (!ioc.canDrawMap()) ioc.show(document.querySelector('[data-field="map-impossible"]'), true);
    fillTexts(doc.cards);
    ioc.fillClock(serverNow());
    queueGraphs(true);
    connect();
    setInterval(eachSecond, 1000);
    let settle = null;
    new ResizeObserver(() => {
      clearTimeout(settle);
      settle = setTimeout(() => queueGraphs(true), 120);
    }).observe(root);
    document.fonts.ready.then(() => queueGraphs(true));
    document.addEventListener("visibilitychange", onVisibility);
  }

  function look() {
    const element = document.getElementById("panels-view");
    if (element && element !== root) adopt(element);
    return Boolean(element);
  }

  new MutationObserver((_, observer) => {
    if (look()) observer.disconnect();
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
