/* Numbers, durations and moments in the language of the page; the same rules as ioc/panels/formats.py. */
(() => {
  "use strict";
  const ioc = (window.iocPanels = window.iocPanels || {});
  const DASH = "\u2013";
  const NO_BREAK = "\u00a0";
  const ZONE_SHIFT_MS = 7 * 3600 * 1000; // Asia/Ho_Chi_Minh, which has no daylight saving
  const formatters = new Map();

  const fill = (form, values) => form.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  function formatter(decimals) {
    const locale = ioc.language === "en" ? "en-GB" : "vi-VN";
    const key = locale + decimals;
    if (!formatters.has(key)) {
      formatters.set(
        key,
        new Intl.NumberFormat(locale, {
          minimumFractionDigits: decimals,
          maximumFractionDigits: decimals,
          signDisplay: "negative",
        }),
      );
    }
    return formatters.get(key);
  }

  const number = (value, decimals) => formatter(decimals).format(value).replace("-", "\u2212");

  const plain = [0, 1, 2, 3].map(
    (decimals) => new Intl.NumberFormat("en-US", { useGrouping: false, maximumFractionDigits: decimals }),
  );
  /** The number as it is shown. */
  const rounded = (value, decimals) => Number(plain[decimals].format(value));

  function quantity(value, decimals, unit) {
    const text = number(value, decimals);
    if (!unit) return text;
    const space = unit === "%" && ioc.language === "en" ? "" : NO_BREAK;
    return text + space + unitWord(unit);
  }

  const unitWord = (unit) => ioc.words.units_of[unit] || unit;

  function duration(seconds, exact = true) {
    const words = ioc.words;
    const whole = Math.max(0, Math.floor(seconds));
    const minutes = Math.floor(whole / 60);
    const s = whole % 60;
    const h = Math.floor(minutes / 60);
    const m = minutes % 60;
    if (whole < 60) return fill(words.seconds, { s });
    if (whole < 600) return s && exact ? fill(words.minutes_seconds, { m, s }) : fill(words.minutes, { m });
    if (whole < 3600) return fill(words.minutes, { m });
    if (whole < 86400) {
      return m ? fill(words.hours_minutes, { h, mm: String(m).padStart(2, "0") }) : fill(words.hours, { h });
    }
    return fill(words.days, { d: Math.floor(h / 24) });
  }

  /** Fields of a moment in the province's time. */
  function local(ms) {
    const shifted = new Date(ms + ZONE_SHIFT_MS);
    return {
      year: shifted.getUTCFullYear(),
      month: shifted.getUTCMonth() + 1,
      day: shifted.getUTCDate(),
      weekday: (shifted.getUTCDay() + 6) % 7,
      hour: shifted.getUTCHours(),
      minute: shifted.getUTCMinutes(),
      second: shifted.getUTCSeconds(),
    };
  }

  function clock(ms, now) {
    const at = local(ms);
    const today = local(now);
    const sameDay = at.year === today.year && at.month === today.month && at.day === today.day;
    if (sameDay) return `${at.hour}:${String(at.minute).padStart(2, "0")}`;
    const day = `${at.day}/${at.month}`;
    return at.year === today.year ? day : `${day}/${at.year}`;
  }

  function longDate(ms) {
    const at = local(ms);
    return `${ioc.words.weekdays[at.weekday]} ${at.day}/${at.month}/${at.year}`;
  }

  Object.assign(ioc, {
    DASH, NO_BREAK, ZONE_SHIFT_MS, fill, number, rounded, quantity, unitWord, duration, local, clock, longDate,
  });
})();
