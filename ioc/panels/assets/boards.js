/* Writes faces into the elements that the server drew. Nothing is added or removed: texts, marks and widths only. */
(() => {
  "use strict";
  const ioc = (window.iocPanels = window.iocPanels || {});
  const WORST_FIRST = { silent: 0, stale: 1, late: 2, on_time: 3 };
  const SMALLEST_SCALE = 5;

  const field = (element, name) => element.querySelector(`[data-field="${name}"]`);
  const each = (selector, act) => document.querySelectorAll(selector).forEach(act);

  function text(element, name, value) {
    const target = field(element, name);
    if (target && target.textContent !== value) target.textContent = value;
  }

  function mark(element, name, value) {
    if (element && element.dataset[name] !== value) element.dataset[name] = value;
  }

  const shape = (element, name, value) => mark(field(element, name), "shape", value);

  function show(element, visible) {
    if (element && element.hidden === visible) element.hidden = !visible;
  }

  function widen(element, name, percent) {
    const target = field(element, name);
    const width = `${percent.toFixed(1)}%`;
    if (target && target.style.width !== width) target.style.width = width;
  }

  /** The same distance as on the map: 1 well above the target, 5 far below, 0 without a value. */
  function shadeOf(value, target) {
    if (value === null || target === null) return 0;
    const step = [3, 1.5, 0, -3].findIndex((least) => ioc.rounded(value, 1) - target >= least);
    return step < 0 ? 5 : step + 1;
  }

  const originWord = (origin) => (origin === null ? "" : ioc.words["origin_" + origin] || origin);

  function fillCard(card, now) {
    const element = document.querySelector(`[data-card="${card.id}"]`);
    if (!element) return;
    const face = ioc.cardFace(card, now);
    text(element, "value", face.value);
    text(element, "unit", face.unit);
    text(element, "ratio", face.ratio);
    text(element, "target", face.target);
    text(element, "judged", face.judged);
    text(element, "movement", face.movement);
    text(element, "span", face.span);
    text(element, "of", face.movement ? ioc.fill(ioc.words.over_span, { span: face.span }) : "");
    text(element, "moved-word", ioc.words["moved_" + face.moved] || "");
    text(element, "state-word", face.asOf.word);
    text(element, "as-of", face.asOf.text);
    text(element, "origin", originWord(card.origin));
    text(element, "reporting", face.reporting);
    shape(element, "verdict", face.verdict);
    shape(element, "moved", face.moved);
    shape(element, "state", face.asOf.state);
    shape(element, "origin-sign", card.origin || "");
    widen(element, "share", face.share);
    mark(element, "verdict", face.verdict);
    mark(element, "state", face.asOf.state);
    const spark = field(element, "spark");
    mark(spark, "spark", JSON.stringify(card.spark));
    mark(spark, "target", card.target === null ? "" : String(card.target));
  }

  function fillCards(cards, all, now) {
    cards.forEach((card) => fillCard(card, now));
    const verdicts = all.map((card) => ioc.cardFace(card, now).verdict);
    const judged = verdicts.filter((verdict) => verdict !== "").length;
    const missed = verdicts.filter((verdict) => verdict === "missed").length;
    const note = judged ? ioc.fill(ioc.words.kpis_note, { missed, n: judged }) : "";
    text(document, "kpis-note", note);
  }

  function unitsSummary(rows, limits, now) {
    const words = ioc.words;
    const known = rows.find((row) => row.target !== null);
    if (!known) return "";
    const verdicts = rows.map((row) => ioc.unitFace(row, limits, now).verdict);
    const judged = verdicts.filter((verdict) => verdict !== "").length;
    const missed = verdicts.filter((verdict) => verdict === "missed").length;
    const value = ioc.quantity(known.target, Number.isInteger(known.target) ? 0 : 1, "%");
    const form = !judged ? words.units_note : missed ? words.units_summary : words.units_all_met;
    return ioc.fill(form, { missed, n: judged, value });
  }

  function fillUnits(rows, limits, now) {
    const gaps = rows.filter((row) => row.gap !== null && row.state !== "silent").map((row) => Math.abs(row.gap));
    const scale = Math.max(SMALLEST_SCALE, ...gaps);
    let rank = rows.filter((row) => !ioc.unitFace(row, limits, now).silent).length;
    document.querySelectorAll(".unit-row").forEach((element, i) => {
      const row = rows[i];
      show(element, Boolean(row));
      if (!row) return;
      const face = ioc.unitFace(row, limits, now);
      const away = face.silent || row.target === null ? 0 : row.value - row.target;
      text(element, "rank", face.silent ? ioc.DASH : ioc.number(rank, 0));
      if (!face.silent) rank -= 1;
      text(element, "name", row.name);
      ["note", "value", "gap", "open", "overdue", "speed"].forEach((name) => text(element, name, face[name]));
      widen(element, "short", Math.min(100, (Math.max(0, -away) / scale) * 100));
      widen(element, "over", Math.min(100, (Math.max(0, away) / scale) * 300));
      mark(element, "unit", row.unit);
      mark(element, "state", face.state);
      mark(element, "verdict", face.verdict);
      mark(element, "shade", String(shadeOf(row.value, row.target)));
    });
    text(document, "units-note", unitsSummary(rows, limits, now));
    show(field(document, "units-empty"), rows.length === 0);
  }

  function fillSegments(rows, slowBelow, limits, now) {
    const words = ioc.words;
    const said = { congested: words.segment_congested, slow: words.segment_slow, free: words.segment_free };
    const known = rows
      .map((row) => [row, ioc.segmentKind(row, slowBelow, limits, now)])
      .filter(([, kind]) => kind !== "silent" && kind !== "none")
      .sort(([a], [b]) => Number(b.congested) - Number(a.congested) || a.value - b.value);
    document.querySelectorAll(".segment-row").forEach((element, i) => {
      const [row, kind] = known[i] || [];
      show(element, Boolean(row));
      if (!row) return;
      text(element, "title", ioc.language === "en" ? row.title_en : row.title_vi);
      text(element, "kind", said[kind]);
      text(element, "speed", ioc.number(row.value, 0));
      shape(element, "sign", { congested: "critical", slow: "missed" }[kind] || "");
      mark(element, "kind", kind);
    });
    const congested = known.filter(([row]) => row.congested).length;
    const counts = { congested: ioc.number(congested, 0), n: ioc.number(known.length, 0) };
    text(document, "segments-note", known.length ? ioc.fill(words.segments_note, counts) : "");
    show(field(document, "segments-empty"), known.length === 0);
  }

  function fillSources(rows, now, lost) {
    const ordered = [...rows].sort((a, b) => WORST_FIRST[a.state] - WORST_FIRST[b.state]);
    document.querySelectorAll(".source-row").forEach((element, i) => {
      const row = ordered[i];
      show(element, Boolean(row));
      if (!row) return;
      const face = ioc.sourceFace(row, now, lost);
      text(element, "state-word", face.word);
      text(element, "source", row.source);
      text(element, "feed", ioc.feeds[row.feed] || row.feed);
      text(element, "origin", originWord(row.origin));
      ["last", "lag", "rate", "rejected"].forEach((name) => text(element, name, face[name]));
      shape(element, "state", face.state);
      shape(element, "origin-sign", row.origin || "");
      mark(element, "state", face.state);
    });
    const bad = rows.filter((row) => row.state !== "on_time").length;
    const counts = { n: ioc.number(rows.length, 0), bad: ioc.number(bad, 0) };
    text(document, "sources-note", rows.length ? ioc.fill(ioc.words.sources_note, counts) : "");
    show(field(document, "sources-empty"), rows.length === 0);
    show(field(document, "source-heads"), rows.length > 0);
  }

  function fillBand(origins) {
    const named = ["simulated", "replay", "exercise"].filter((origin) => origins.includes(origin));
    show(document.querySelector(".band"), named.length > 0);
    text(document, "band", named.map((origin) => ioc.words["band_" + origin]).join(" \u00b7 "));
  }

  function fillClock(now) {
    const at = ioc.local(now);
    text(document, "clock", `${at.hour}:${String(at.minute).padStart(2, "0")}`);
    text(document, "seconds", String(at.second).padStart(2, "0"));
    text(document, "date", ioc.longDate(now));
  }

  Object.assign(ioc, {
    field, each, text, mark, shape, show, shadeOf,
    fillCards, fillUnits, fillSegments, fillSources, fillBand, fillClock,
  });
})();
