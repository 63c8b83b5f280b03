/* What a value says at this second: the same rules as ioc/panels/faces.py, applied every second as values age. */
(() => {
  "use strict";
  const ioc = (window.iocPanels = window.iocPanels || {});

  const RATE_DECIMALS = 1;

  /** Seconds since `asOf`, null where nothing was ever observed. */
  const ageOf = (asOf, now) => (asOf === null ? null : Math.max(0, (now - Date.parse(asOf)) / 1000));

  /** The state by age alone. `limits` has late_after, stale_after, silent_after. */
  function stateOf(asOf, limits, now) {
    const age = ageOf(asOf, now);
    if (age === null || age > limits.silent_after) return "silent";
    if (age > limits.stale_after) return "stale";
    return age > limits.late_after ? "late" : "on_time";
  }

  /** Judged as it is shown: 94.96 reads 95,0 %, and that reaches 95. */
  function verdictOf(value, decimals, target, better, state) {
    if (value === null || target === null || state === "stale" || state === "silent") return "";
    const shown = ioc.rounded(value, decimals);
    return (better === "higher" ? shown >= target : shown <= target) ? "met" : "missed";
  }

  function freshness(state, asOf, now) {
    const words = ioc.words;
    if (asOf === null) return { state: "none", word: words.no_data_yet, text: "" };
    const age = ioc.duration(ageOf(asOf, now), state === "late");
    const time = ioc.clock(Date.parse(asOf), now);
    return {
      state,
      word: state === "on_time" ? "" : words["state_" + state],
      text: ioc.fill(words["as_of_" + state], { age, time }),
    };
  }

  function target(card, state, now) {
    const words = ioc.words;
    const last = card.last_value !== null ? card.last_value : card.value;
    if (state === "silent" && card.as_of !== null) {
      if (last === null) return "";
      const value = ioc.quantity(last, card.decimals, card.unit);
      return ioc.fill(words.last_known, { value, time: ioc.clock(Date.parse(card.as_of), now) });
    }
    if (card.target === null) return "";
    const decimals = Number.isInteger(card.target) ? 0 : card.decimals;
    const value = ioc.quantity(card.target, decimals, card.unit === "%" ? "%" : "");
    return ioc.fill(card.better === "higher" ? words.target_at_least : words.target_at_most, { value });
  }

  function distance(card) {
    const words = ioc.words;
    const unit = card.unit === "%" ? words.points : card.unit in words.units_of ? "" : card.unit;
    const value = (ioc.number(Math.abs(card.value - card.target), card.decimals) + ioc.NO_BREAK + unit).trimEnd();
    return ioc.fill(card.value < card.target ? words.missed_below : words.missed_above, { value });
  }

  function movement(card, state) {
    const first = card.spark[0] ?? null;
    const last = card.spark[card.spark.length - 1] ?? null;
    if (first === null || last === null || state === "stale" || state === "silent") return ["", ""];
    const change = last - first;
    const value = ioc.number(Math.abs(change), card.decimals);
    const moved = value === ioc.number(0, card.decimals) ? "level" : change > 0 ? "up" : "down";
    return [value, moved];
  }

  function cardFace(card, now) {
    const words = ioc.words;
    const state = stateOf(card.as_of, card, now);
    const silent = state === "silent" || card.value === null;
    const verdict = verdictOf(card.value, card.decimals, card.target, card.better, state);
    const counted = !silent && card.numerator !== null && card.denominator !== null;
    const [text, moved] = movement(card, state);
    return {
      asOf: freshness(state, card.as_of, now),
      value: silent ? ioc.DASH : ioc.number(card.value, card.decimals),
      unit: silent ? "" : ioc.unitWord(card.unit),
      ratio: counted ? `${ioc.number(card.numerator, 0)}/${ioc.number(card.denominator, 0)}` : "",
      target: target(card, state, now),
      verdict,
      judged: verdict === "met" ? words.met : verdict === "missed" ? distance(card) : "",
      movement: text,
      span: card.spark.filter((point) => point !== null).length > 1 && state !== "stale" && state !== "silent"
        ? ioc.duration(card.spark_span) : "",
      moved,
      reporting: card.expected
        ? ioc.fill(words.reporting, { m: ioc.number(card.reporting, 0), n: ioc.number(card.expected, 0) })
        : "",
      share: silent || card.unit !== "%" ? 0 : Math.min(100, Math.max(0, card.value)),
    };
  }

  const count = (value) => (value === null ? ioc.DASH : ioc.number(value, 0));

  /** `limits` are those of the card that shows the same figure for the whole centre; without one, the server's word. */
  function unitFace(row, limits, now) {
    const words = ioc.words;
    const aged = limits ? stateOf(row.as_of, limits, now) : row.state;
    const state = row.as_of === null ? "none" : aged;
    const silent = state === "silent" || row.value === null;
    let gap = "";
    if (!silent && row.target !== null) {
      const away = ioc.rounded(row.value, RATE_DECIMALS) - row.target;
      gap = (ioc.rounded(away, RATE_DECIMALS) > 0 ? "+" : "") + ioc.number(away, RATE_DECIMALS);
    }
    let note = { silent: words.state_silent, none: words.no_data_yet }[state] || "";
    if (!note && row.value === null) note = words.units_due_none;
    if (!note && row.overdue !== null) note = ioc.fill(words.unit_overdue_of, { overdue: count(row.overdue) });
    return {
      state,
      silent,
      value: silent ? ioc.DASH : ioc.quantity(row.value, RATE_DECIMALS, "%"),
      gap,
      verdict: verdictOf(row.value, RATE_DECIMALS, row.target, "higher", aged),
      note,
      open: count(row.open),
      overdue: count(row.overdue),
      speed: row.speed === null ? ioc.DASH : ioc.number(row.speed, 0),
    };
  }

  function segmentKind(row, slowBelow, limits, now) {
    if (row.as_of === null) return "none";
    const state = limits ? stateOf(row.as_of, limits, now) : row.state;
    if (state === "stale" || state === "silent" || row.value === null) return "silent";
    if (row.congested) return "congested";
    return slowBelow !== null && row.value < slowBelow ? "slow" : "free";
  }

  /** While the server is not heard, nobody knows how a source is: its word says so. */
  function sourceFace(row, now, lost) {
    const words = ioc.words;
    const age = ageOf(row.last_message, now);
    const state = age === null ? "none" : lost && row.state === "on_time" ? "stale" : row.state;
    const word = lost && row.state === "on_time" ? words.state_unknown : words["state_" + row.state];
    return {
      state,
      word: age === null ? words.no_data_yet : word,
      last: age === null ? ioc.DASH : ioc.duration(age, false),
      lag: row.lag_s === null ? ioc.DASH : ioc.duration(row.lag_s, false),
      rate: row.per_minute === null ? ioc.DASH : ioc.number(row.per_minute, 0),
      rejected: row.rejected_share === null ? ioc.DASH : ioc.quantity(100 * row.rejected_share, 1, "%"),
    };
  }

  Object.assign(ioc, { ageOf, stateOf, verdictOf, cardFace, unitFace, segmentKind, sourceFace });
})();
