/* Lines over time: the spark line of a card, and the 24-hour trend. A gap stays a gap, and says so. */
(() => {
  "use strict";
  const ioc = (window.iocPanels = window.iocPanels || {});
  const STEP_MS = 15 * 60 * 1000;
  const DAY_MS = 24 * 3600 * 1000;
  const RUSH = [[6.5, 8.5], [16, 18.5]]; // hours of the day
  const SVG = "http://www.w3.org/2000/svg";
  let drawn = null;
  let window_ = null;

  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const isWall = () => document.documentElement.dataset.page === "wall";

  /** Pixels of one unit of the wall's grid; on a desk the sizes are fixed. */
  function unitPixels() {
    const probe = document.createElement("div");
    probe.style.cssText = "position:absolute;visibility:hidden;width:calc(var(--u) * 100)";
    document.body.append(probe);
    const width = probe.getBoundingClientRect().width / 100;
    probe.remove();
    return width;
  }

  // ---- spark lines

  function svg(tag, attributes, parent) {
    const element = document.createElementNS(SVG, tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    parent.append(element);
    return element;
  }

  /** Drawn at display size, so that strokes keep their weight. It ends in a disc only where the last value is known. */
  function drawSpark(element) {
    const box = element.getBoundingClientRect();
    const points = JSON.parse(element.dataset.spark || "[]");
    const key = `${Math.round(box.width)}x${Math.round(box.height)}${element.dataset.spark}${element.dataset.target}`;
    if (element.dataset.drawn === key || box.width < 8) return;
    element.dataset.drawn = key;
    element.replaceChildren();
    const known = points.filter((point) => point !== null);
    if (known.length < 2) return;
    const limit = element.dataset.target ? Number(element.dataset.target) : null;
    const reach = Math.max(...known) - Math.min(...known);
    const near = limit !== null && limit > Math.min(...known) - 2 * reach && limit < Math.max(...known) + 2 * reach;
    const all = near ? [...known, limit] : known;
    const low = Math.min(...all);
    const high = Math.max(...all);
    const pad = box.height * 0.1;
    const x = (i) => (i * (box.width - 2 * pad)) / (points.length - 1) + pad;
    const y = (value) => box.height - pad - ((value - low) / (high - low || 1)) * (box.height - 2 * pad);
    const root = svg("svg", { width: box.width, height: box.height, viewBox: `0 0 ${box.width} ${box.height}` }, element);
    if (near) svg("line", { x1: 0, x2: box.width, y1: y(limit), y2: y(limit), class: "spark-target" }, root);
    let run = [];
    points.concat([null]).forEach((value, i) => {
      if (value !== null) {
        run.push(`${x(i)},${y(value)}`);
      } else {
        if (run.length > 1) svg("polyline", { points: run.join(" "), class: "spark-line" }, root);
        run = [];
      }
    });
    const last = points.length - 1;
    if (points[last] !== null) {
      svg("circle", { cx: x(last), cy: y(points[last]), r: pad * 0.9, class: "spark-end" }, root);
    }
  }

  const drawSparks = () => ioc.each('[data-field="spark"]', drawSpark);

  /** All units on one axis, the target as a line: those behind as triangles above it, the others as discs. */
  function drawStrip(units) {
    const element = document.querySelector('[data-field="strip"]');
    const known = units.filter((row) => row.value !== null && row.state !== "silent");
    ioc.show(element, known.length > 0 && known[0].target !== null);
    if (!element || element.hidden) return;
    const { width, height } = element.getBoundingClientRect();
    const target = known[0].target;
    const values = known.map((row) => row.value);
    const low = Math.floor(Math.min(target, ...values) - 1);
    const high = Math.min(100, Math.ceil(Math.max(target, ...values) + 1)); // per cent
    const side = 16;
    const x = (value) => side + ((value - low) / (high - low)) * (width - 2 * side);
    const middle = height - 36;
    element.replaceChildren();
    const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, element);
    svg("line", { x1: side, x2: width - side, y1: middle, y2: middle, class: "strip-axis" }, root);
    const taken = [];
    [...values].sort((a, b) => a - b).forEach((value) => {
      const at = x(value);
      let level = 0;
      while (taken.some(([other, step]) => step === level && Math.abs(other - at) < 9)) level += 1;
      taken.push([at, level]);
      const y = middle - [0, 1, -1, 2][level % 4] * 9;
      if (value < target) svg("path", { d: `M${at} ${y - 5}l5 9h-10z`, class: "strip-missed" }, root);
      else svg("circle", { cx: at, cy: y, r: 3.7, class: "strip-met" }, root);
    });
    svg("line", { x1: x(target), x2: x(target), y1: 2, y2: height - 16, class: "strip-target" }, root);
    const label = (value, words, anchor, css) => {
      svg("text", { x: value, y: height - 3, "text-anchor": anchor, class: css }, root).textContent = words;
    };
    const shown = ioc.quantity(target, Number.isInteger(target) ? 0 : 1, "%");
    const middleLabel = ioc.fill(ioc.words.target_at_least, { value: shown });
    const room = 80;
    label(Math.min(width - room, Math.max(room, x(target))), middleLabel, "middle", "strip-label-target");
    if (x(target) > 2 * room) label(side, ioc.number(low, 0), "middle", "strip-label");
    if (x(target) < width - 2 * room) label(width - side, ioc.number(high, 0), "middle", "strip-label");
  }

  // ---- the trend

  const localTime = (ms) => new Date(ms + ioc.ZONE_SHIFT_MS).toISOString().slice(0, 19);

  /** One value for each quarter of an hour, null where none came, each at the middle of its quarter. */
  function seriesOf(points, now) {
    const values = new Map(points.map(([start, value]) => [start, value]));
    const starts = [...values.keys()].sort((a, b) => a - b);
    const x = [];
    const y = [];
    if (!starts.length) return { x, y, starts: [] };
    const grid = [];
    for (let at = starts[0]; at <= starts[starts.length - 1]; at += STEP_MS) {
      grid.push(at);
      x.push(localTime(Math.min(at + STEP_MS / 2, Math.max(at, now))));
      y.push(values.has(at) ? values.get(at) : null);
    }
    return { x, y, starts: grid };
  }

  function gapsOf(series, now) {
    const gaps = [];
    let since = null;
    series.starts.forEach((start, i) => {
      if (series.y[i] === null) {
        since = since === null ? start : since;
      } else {
        if (since !== null && since > series.starts[0]) gaps.push([since, start]);
        since = null;
      }
    });
    const known = series.starts.filter((_, i) => series.y[i] !== null);
    const end = known.length ? known[known.length - 1] + STEP_MS : null;
    if (end !== null && now - end > STEP_MS) gaps.push([end, now]);
    return gaps;
  }

  /** Whether the line reaches the present: only then does it end in a disc with its value. */
  function isCurrent(series, now) {
    const last = series.y.length - 1;
    return last >= 0 && series.y[last] !== null && now - series.starts[last] < 2 * STEP_MS;
  }

  /** Where a label of that width stands farthest from the line. */
  function freest(series, left, right, width, level) {
    let best = [left, -1];
    for (let at = left; at + width < right; at += 4 * STEP_MS) {
      const near = series.starts.flatMap((start, i) =>
        start >= at - STEP_MS && start <= at + width && series.y[i] !== null ? [Math.abs(series.y[i] - level)] : [],
      );
      const distance = near.length ? Math.min(...near) : 0;
      if (distance > best[1]) best = [at, distance];
    }
    return best[0];
  }

  function layoutOf(series, card, unit, box, now) {
    const wall = isWall();
    const u = wall ? unitPixels() : 3.4;
    const note = wall ? 3.5 * u : 12;
    const right = Math.floor(now / STEP_MS) * STEP_MS + STEP_MS;
    const left = right - DAY_MS;
    const room = (wall ? 27 * u : 86) / Math.max(100, box.width - 14 * u);
    const end = right + (DAY_MS * room) / (1 - room);
    const perMs = (box.width - 10 * u) / (end - left);
    const known = series.y.filter((value) => value !== null);
    const top = Math.max(60, Math.ceil((Math.max(0, ...known) + 4) / 10) * 10);
    const shapes = [];
    const annotations = [];
    const write = (x, y, text, more) =>
      annotations.push({ x: typeof x === "number" ? localTime(x) : x, y, text, showarrow: false, font: { size: note }, ...more });
    const midnight = left - ((left + ioc.ZONE_SHIFT_MS) % DAY_MS);
    for (let day = midnight; day < end; day += DAY_MS) {
      RUSH.forEach(([from, to]) => {
        const start = Math.max(left, day + from * 3600e3);
        const stop = Math.min(right, day + to * 3600e3);
        if (stop - start < 600e3) return;
        shapes.push({
          type: "rect", layer: "below", x0: localTime(start), x1: localTime(stop), yref: "paper", y0: 0, y1: 1,
          fillcolor: token("rush"), line: { width: 0 },
        });
        if (stop - start < 5400e3) return;
        const hour = (value) => `${Math.floor(value)}:${value % 1 ? "30" : "00"}`;
        const span = `${hour(from)}\u2013${hour(to)}`;
        const wording = ioc.fill(ioc.words.rush, { span });
        const roomy = 9 * 3600e3 * perMs > (wording.length + span.length) * note * 0.3;
        const text = roomy && from < 12 ? wording : span;
        const half = (text.length * note * 0.29) / perMs;
        const middle = Math.max(left + half, (start + stop) / 2);
        write(middle, 1, text, { yref: "paper", yanchor: "bottom" });
      });
    }
    gapsOf(series, now).forEach(([start, stop]) => {
      if (stop < left) return;
      shapes.push({
        type: "rect", layer: "below", x0: localTime(Math.max(left, start)), x1: localTime(stop), yref: "paper", y0: 0,
        y1: 1, fillcolor: token("silent"), opacity: 0.12, line: { width: 0 },
      });
      write((Math.max(left, start) + stop) / 2, top * 0.04, ioc.words.trend_gap, {
        yanchor: "bottom", font: { size: note, color: token("silent") },
      });
    });
    if (card && card.target !== null && known.length) {
      shapes.push({
        type: "line", layer: "below", x0: localTime(left), x1: localTime(right), y0: card.target, y1: card.target,
        line: { color: token("axis"), width: 0.3 * u, dash: "dash" },
      });
      const form = card.better === "higher" ? ioc.words.target_at_least : ioc.words.target_at_most;
      const text = ioc.fill(form, { value: ioc.number(card.target, 0) });
      const width = (text.length * note * 0.58) / perMs;
      const height = (note * 1.4 * top) / Math.max(50, box.height - 13 * u);
      write(freest(series, left, right, width, card.target - height / 2), card.target, text, {
        xanchor: "left", yanchor: "top", font: { size: note, color: token("ink-2") },
      });
    }
    const last = series.y.length - 1;
    if (isCurrent(series, now)) {
      const value = ioc.number(series.y[last], 1);
      write(series.x[last], series.y[last], `${value} ${ioc.unitWord(unit)}`, {
        xanchor: "left", xshift: 2.4 * u, font: { size: wall ? 5 * u : 15, color: token("ink"), weight: 600 },
      });
    }
    const ticks = [];
    const every = box.width / 8 > 14 * u ? 3 : 6;
    for (let at = midnight; at <= right; at += every * 3600e3) if (at >= left + 1200e3) ticks.push(at);
    return {
      "font.size": note,
      margin: wall ? { l: 8 * u, r: u, t: 6 * u, b: 6.4 * u } : { l: 30, r: 6, t: 22, b: 24 },
      "xaxis.showticklabels": true,
      "xaxis.range": [localTime(left), localTime(end)],
      "xaxis.tickvals": ticks.map(localTime),
      "xaxis.ticktext": ticks.map((at) => ioc.fill(ioc.words.hour_tick, { h: ioc.local(at).hour })),
      "yaxis.showticklabels": true,
      "yaxis.range": [0, top],
      "yaxis.dtick": 20,
      shapes,
      annotations,
    };
  }

  /** Fills the graph; a quarter of an hour that only grew at the end is appended, anything else is drawn anew. */
  function drawTrend(graph, doc, now, resized) {
    const series = seriesOf(doc.trend.points, now);
    // An axis of time needs a moment to stand on, even where there is no value.
    if (!series.x.length) Object.assign(series, { x: [localTime(now)], y: [null], starts: [now] });
    const card = doc.cards.find((one) => one.series === doc.trend.series);
    const box = graph.getBoundingClientRect();
    const u = isWall() ? unitPixels() : 3.4;
    const last = series.y.length - 1;
    const current = isCurrent(series, now);
    const old = drawn && drawn.graph === graph ? drawn.series : null;
    const appended = old && old.y.length < series.y.length && old.y.every((value, i) => value === series.y[i] && old.x[i] === series.x[i]);
    const from = appended ? old.y.length : 0;
    if (appended) {
      window.Plotly.extendTraces(graph, { x: [series.x.slice(from)], y: [series.y.slice(from)] }, [0], 4 * 24 + 2);
    } else {
      window.Plotly.restyle(graph, { x: [series.x], y: [series.y], "line.width": isWall() ? 0.5 * u : 2 }, [0]);
    }
    const end = { x: [current ? [series.x[last]] : []], y: [current ? [series.y[last]] : []] };
    window.Plotly.restyle(graph, { ...end, "marker.size": isWall() ? 2.4 * u : 8 }, [1]);
    const key = `${Math.floor(now / STEP_MS)} ${box.width}x${box.height} ${current ? series.x[last] + series.y[last] : ""}`;
    if (resized || key !== window_) window.Plotly.relayout(graph, layoutOf(series, card, doc.trend.unit, box, now));
    window_ = key;
    drawn = { graph, series };
    ioc.show(document.querySelector('[data-field="trend-empty"]'), series.y.every((value) => value === null));
  }

  Object.assign(ioc, { token, isWall, unitPixels, drawSparks, drawStrip, drawTrend, trendSeries: seriesOf });
})();
