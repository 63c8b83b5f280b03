/* The map: units shaded by their distance to the target, roads by how they flow, names as HTML above.
   The map never moves, so names are placed by the projection itself (web Mercator) and need nothing of the renderer. */
(() => {
  "use strict";
  const ioc = (window.iocPanels = window.iocPanels || {});
  const TILE = 512; // MapLibre's world at zoom 0
  const KINDS = ["free", "silent", "slow", "congested"];
  const WIDTHS = { free: 0.4, silent: 0.4, slow: 0.9, congested: 1.3 }; // in --u of a wall
  let shapes = null;
  let roads = null;
  let view = null;
  let kindsDrawn = "";
  let shadesDrawn = "";
  let namesDrawn = "";

  const mercator = (lon, lat) => {
    const sine = Math.sin((lat * Math.PI) / 180);
    return [(lon + 180) / 360, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
  };
  const longitude = (x) => x * 360 - 180;
  const latitude = (y) => (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;

  const rings = (geometry) =>
    geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flatMap((polygon) => polygon);

  async function load() {
    if (!shapes) {
      const [units, lines] = await Promise.all(
        ["/panels/units.geojson", "/panels/roads.geojson"].map((url) => fetch(url).then((answer) => answer.json())),
      );
      shapes = new Map(units.features.map((feature) => [feature.properties.unit, feature]));
      roads = new Map(lines.features.map((feature) => [feature.properties.asset, feature.geometry.coordinates]));
    }
  }

  /** The window on the world that shows all covered units, set to the right so that the legend has its corner. */
  function fit(doc, box) {
    const covered = doc.units.map((row) => shapes.get(row.unit)).filter(Boolean);
    const shown = covered.length ? covered : [...shapes.values()];
    const points = shown.flatMap((feature) => rings(feature.geometry).flat()).map(([lon, lat]) => mercator(lon, lat));
    if (!points.length) return null;
    const xs = points.map(([x]) => x);
    const ys = points.map(([, y]) => y);
    const [west, east] = [Math.min(...xs), Math.max(...xs)];
    const [north, south] = [Math.min(...ys), Math.max(...ys)];
    const pad = Math.min(box.width, box.height) * 0.02;
    const scale = Math.min((box.width - 2 * pad) / (east - west), (box.height - 2 * pad) / (south - north));
    const spare = box.width - 2 * pad - (east - west) * scale;
    const shift = document.documentElement.dataset.page === "leader" ? 0 : Math.min(spare / 2, ioc.isWall() ? spare : 60);
    return {
      scale,
      x: (west + east) / 2 - shift / scale,
      y: (north + south) / 2,
      width: box.width,
      height: box.height,
    };
  }

  function project(lon, lat) {
    const [x, y] = mercator(lon, lat);
    return [(x - view.x) * view.scale + view.width / 2, (y - view.y) * view.scale + view.height / 2];
  }

  function hoverText(row, now, limits) {
    const face = ioc.unitFace(row, limits, now);
    return `${row.name}<br>${face.value} ${ioc.words.units_rate}<br>${face.note}`;
  }

  async function drawShades(graph, doc, limits, now) {
    const known = doc.units.filter((row) => shapes.has(row.unit));
    const shades = known.map((row) => {
      const face = ioc.unitFace(row, limits, now);
      return face.state === "silent" ? 0 : ioc.shadeOf(row.value, row.target);
    });
    const key = JSON.stringify([known.map((row) => row.unit), shades]);
    if (key === shadesDrawn) return;
    shadesDrawn = key;
    const ids = new Set(known.map((row) => row.unit));
    const others = [...shapes.keys()].filter((unit) => !ids.has(unit));
    const border = ioc.isWall() ? 0.35 * ioc.unitPixels() : 1.2;
    const hover = ioc.isWall() ? {} : { text: [[], known.map((row) => hoverText(row, now, limits))] };
    await window.Plotly.restyle(
      graph,
      {
        locations: [others, known.map((row) => row.unit)],
        z: [others.map(() => 0), shades.map((shade) => shade + 0.5)],
        "marker.line.width": border,
        ...hover,
      },
      [0, 1],
    );
  }

  async function drawRoads(graph, doc, slowBelow, limits, now) {
    const kinds = new Map(doc.segments.map((row) => [row.asset, ioc.segmentKind(row, slowBelow, limits, now)]));
    const key = JSON.stringify([...kinds]);
    if (key === kindsDrawn) return;
    kindsDrawn = key;
    const lines = Object.fromEntries(KINDS.map((kind) => [kind, { lon: [], lat: [] }]));
    roads.forEach((points, asset) => {
      // A road of which nothing was ever heard is a road, neither free nor lost.
      const kind = kinds.get(asset) === "none" ? "free" : kinds.get(asset);
      if (!kind) return;
      points.forEach(([lon, lat]) => {
        lines[kind].lon.push(lon);
        lines[kind].lat.push(lat);
      });
      lines[kind].lon.push(null);
      lines[kind].lat.push(null);
    });
    const u = ioc.isWall() ? ioc.unitPixels() : 2.8;
    await window.Plotly.restyle(
      graph,
      {
        lon: KINDS.map((kind) => lines[kind].lon),
        lat: KINDS.map((kind) => lines[kind].lat),
        "line.width": KINDS.map((kind) => WIDTHS[kind] * u),
      },
      KINDS.map((_, i) => i + 2),
    );
  }

  function shortName(name) {
    const prefix = ioc.words.name_prefixes.find((one) => name.startsWith(one));
    return prefix ? name.slice(prefix.length) : name;
  }

  /** Names of what matters first: units behind the target, then the largest; none that would touch another. */
  function drawNames(box, doc, limits, now) {
    const faces = doc.units.map((row) => [row.unit, row.name, ioc.unitFace(row, limits, now)]);
    const key = JSON.stringify([view, faces.map(([unit, name, face]) => [unit, name, face.verdict, face.state])]);
    if (key === namesDrawn) return;
    namesDrawn = key;
    const holder = box.querySelector('[data-field="names"]');
    const size = ioc.isWall() ? 3.2 * ioc.unitPixels() : 12;
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.font = `500 ${size}px "Be Vietnam Pro"`;
    const legend = box.parentElement.querySelector(".legend").getBoundingClientRect();
    const frame = box.getBoundingClientRect();
    const taken = [
      [legend.left - frame.left, legend.top - frame.top, legend.right - frame.left, legend.bottom - frame.top],
    ];
    const area = (feature) => {
      const points = rings(feature.geometry).flat().map(([lon, lat]) => project(lon, lat));
      const xs = points.map(([x]) => x);
      const ys = points.map(([, y]) => y);
      return (Math.max(...xs) - Math.min(...xs)) * (Math.max(...ys) - Math.min(...ys));
    };
    const rows = doc.units
      .filter((row) => shapes.has(row.unit))
      .map((row) => ({ row, feature: shapes.get(row.unit), face: ioc.unitFace(row, limits, now) }))
      .map((one) => ({ ...one, missed: one.face.verdict === "missed", area: area(one.feature) }))
      .sort((a, b) => Number(b.missed) - Number(a.missed) || (a.missed ? 0 : b.area - a.area));
    holder.replaceChildren();
    rows.forEach(({ row, feature, missed, face }) => {
      const { lon, lat } = feature.properties;
      const [x, y] = project(lon, lat);
      const name = shortName(row.name);
      const half = canvas.measureText(name).width / 2 + size * 0.25;
      const spot = [
        [0, 0], [0, -1.2], [0, 1.2], [0.6, -0.8], [-0.6, 0.8], [0.6, 0.8], [-0.6, -0.8],
      ]
        .map(([dx, dy]) => [x + dx * half, y + dy * size])
        .find(([cx, cy]) => {
          const mine = [cx - half, cy - size * 0.62, cx + half, cy + size * 0.62];
          const inside = mine[0] >= 0 && mine[1] >= 0 && mine[2] <= frame.width && mine[3] <= frame.height;
          return inside && !taken.some((o) => mine[0] < o[2] && mine[2] > o[0] && mine[1] < o[3] && mine[3] > o[1]);
        });
      if (!spot) return;
      taken.push([spot[0] - half, spot[1] - size * 0.62, spot[0] + half, spot[1] + size * 0.62]);
      const label = document.createElement("span");
      label.textContent = name;
      label.className = missed ? "name missed" : "name";
      if (face.state === "silent") label.classList.add("silent");
      label.style.left = `${spot[0]}px`;
      label.style.top = `${spot[1]}px`;
      holder.append(label);
    });
  }

  function drawLegend(panel, doc, slowBelow, speedUnit) {
    const target = (doc.units.find((row) => row.target !== null) || {}).target;
    ioc.each(".legend .step:has([data-shade]), .legend .step-target", (step) => {
      if (target !== undefined || step.querySelector('[data-shade="0"]')) ioc.show(step, true);
      else ioc.show(step, false);
    });
    if (target !== undefined) {
      const shown = (value) => ioc.number(value, Number.isInteger(value) ? 0 : 1);
      const words = ioc.words;
      const percent = (value) => `${shown(value)}${ioc.language === "en" ? "" : ioc.NO_BREAK}%`;
      ioc.text(panel, "shade-1", ioc.fill(words.map_from, { value: percent(target + 3) }));
      ioc.text(panel, "shade-2", `${shown(target + 1.5)}\u2013${shown(target + 3)}`);
      ioc.text(panel, "shade-3", `${shown(target)}\u2013${shown(target + 1.5)}`);
      ioc.text(panel, "shade-4", `${shown(target - 3)}\u2013${shown(target)}`);
      ioc.text(panel, "shade-5", ioc.fill(words.map_below, { value: percent(target - 3) }));
      ioc.text(panel, "shade-target", ioc.fill(words.target_at_least, { value: percent(target) }));
    }
    const slow = ioc.field(panel, "road-slow");
    ioc.show(slow.closest(".step"), slowBelow !== null);
    if (slowBelow !== null) {
      ioc.text(panel, "road-slow", ioc.fill(ioc.words.map_slow, { value: `${ioc.number(slowBelow, 0)} ${speedUnit}` }));
    }
  }

  /** One after another: two updates of MapLibre's layers at a time break each other. */
  async function drawMap(graph, doc, rules, now, resized) {
    const box = graph.closest(".graph-box");
    const size = box.getBoundingClientRect();
    if (resized || !view || view.width !== size.width || view.height !== size.height) {
      drawLegend(box.parentElement, doc, rules.slowBelow, ioc.unitWord(doc.trend.unit));
      view = fit(doc, size);
      if (!view) return;
      kindsDrawn = shadesDrawn = namesDrawn = "";
      await window.Plotly.relayout(graph, {
        "map.center": { lon: longitude(view.x), lat: latitude(view.y) },
        "map.zoom": Math.log2(view.scale / TILE),
      });
    }
    drawNames(box, doc, rules.unitLimits, now);
    await drawShades(graph, doc, rules.unitLimits, now);
    await drawRoads(graph, doc, rules.slowBelow, rules.speedLimits, now);
    box.dataset.drawn = "true";
  }

  let able = null;
  /** Asked once: each answer costs a context, and a browser has few. */
  function canDraw() {
    if (able === null) {
      const context = document.createElement("canvas").getContext("webgl2");
      able = Boolean(context);
      context?.getExtension("WEBGL_lose_context")?.loseContext();
    }
    return able;
  }

  Object.assign(ioc, { loadMap: load, drawMap, canDrawMap: canDraw });
})();
