"use strict";
(() => {
  const data = JSON.parse(document.getElementById("figure-data").textContent);
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const hidden = new Set();
  const boxes = {};
  let cursor = null;
  root.classList.add("js");

  const look = () => {
    const style = getComputedStyle(root);
    const of = (name) => style.getPropertyValue(name).trim();
    return { paper: of("--paper"), text: of("--text"), line: of("--line") };
  };

  const traces = (figure) => figure.traces.map((t) => {
    const member = data.members[t.member];
    const colour = member.colours[dark.matches ? 1 : 0];
    const paper = look().paper;
    const open = t.open || [];
    const trace = {
      type: "scatter", x: t.x, y: t.y, name: t.name, meta: t.member,
      mode: t.bare ? "lines" : "lines+markers",
      line: {
        color: colour, width: 2, shape: t.shape || "linear",
        dash: t.bare ? member.dash : "solid",
      },
      marker: {
        // An open symbol would take its outline's colour from the paper.
        size: 7, color: t.x.map((_, i) => (open[i] ? paper : colour)),
        symbol: t.x.map((_, i) => (open[i] ? "triangle-up" : member.symbol)),
        line: { color: colour, width: 1.5 },
      },
      text: t.says || t.x.map(() => ""),
      hovertemplate: "%{y:.4~g} at %{x:~g} %{text}<extra>%{fullData.name}</extra>",
      visible: hidden.has(t.member) ? false : true,
    };
    if (t.low && t.high) {
      const gap = (a, b) => (a === null || b === null ? 0 : Math.max(0, a - b));
      trace.error_y = {
        type: "data", symmetric: false, thickness: 1, width: 0, color: colour,
        array: t.y.map((y, i) => gap(t.high[i], y)),
        arrayminus: t.y.map((y, i) => gap(y, t.low[i])),
      };
    }
    return trace;
  });

  const decades = (figure, name) => {
    const all = figure.traces.flatMap((t) => t[name]).filter((v) => v > 0);
    return Math.log10(all.reduce((a, b) => Math.max(a, b), 0)
      / all.reduce((a, b) => Math.min(a, b), Infinity));
  };

  const layout = (figure) => {
    const { text, line } = look();
    const axes = figure.axes;
    // Powers of ten alone would leave a short axis with one number or none.
    // At powers of ten; at 1, 2 and 5; wherever there is room.
    const ticks = (span) => (span > 2 ? 1 : span > 0.9 ? "D2" : undefined);
    // Those of a short axis are written in full: a lone 2 could be any 2.
    const short = (log, name) => log && decades(figure, name) <= 2;
    const axis = (title, log, name) => ({
      title: { text: title }, type: log ? "log" : "linear", gridcolor: line,
      linecolor: line, zeroline: false, automargin: true, exponentformat: "power",
      dtick: log ? ticks(decades(figure, name)) : undefined,
      tickformat: short(log, name) ? "~g" : undefined,
    });
    return {
      xaxis: axis(axes.x, axes.xlog, "x"), yaxis: axis(axes.y, axes.ylog, "y"),
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, size: 13 }, margin: { l: 60, r: 15, t: 10, b: 50 },
      showlegend: false, hovermode: "closest", height: 420,
      shapes: axes.lag ? mark() : [],
    };
  };

  const mark = () => (cursor === null ? [] : [{
    type: "line", x0: cursor, x1: cursor, yref: "paper", y0: 0, y1: 1,
    line: { color: look().text, width: 1, dash: "dot" },
  }]);

  const draw = () => Object.entries(data.figures).forEach(([name, figure]) => {
    const box = boxes[name];
    if (!box) return;
    Plotly.react(box, traces(figure), layout(figure), options);
    const found = box.parentElement.querySelector(".legend");
    if (found) found.remove();
    box.after(listed(figure));
  });

  const options = {
    responsive: true, displaylogo: false,
    // Plotly's own button would upload the figure to a company.
    showSendToCloud: false, plotlyServerURL: "",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };

  const nearest = (lags, lag) => lags.reduce(
    (best, l) => (Math.abs(l - lag) < Math.abs(best - lag) ? l : best), lags[0]);

  const readOut = document.getElementById("lag-values");
  const moveTo = (lag) => {
    if (lag === cursor) return;
    cursor = lag;
    Object.entries(data.figures).forEach(([name, figure]) => {
      if (figure.axes.lag && boxes[name]) Plotly.relayout(boxes[name], { shapes: mark() });
    });
    if (!readOut) return;
    const needed = data.figures.samples.traces;
    readOut.textContent = `lag ${lag}: ` + needed
      .filter((t) => !hidden.has(t.member) && t.x.includes(lag))
      .map((t) => {
        const i = t.x.indexOf(lag);
        const least = t.open && t.open[i] ? "at least " : "";
        const n = t.y[i] === null ? "no end" : Number(t.y[i].toPrecision(3)).toLocaleString("en");
        return `${data.members[t.member].name} ${least}${n}`;
      }).join(" · ");
  };

  // A list below each figure: the library's own legend covers the axis on a phone.
  const drawing = "http://www.w3.org/2000/svg";
  const part = (name, attributes) => {
    const made = document.createElementNS(drawing, name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    return made;
  };
  const strokes = {
    solid: "", dash: "7 3", dot: "2 2.5", dashdot: "7 2.5 2 2.5",
    longdashdot: "10 3 2 3",
  };
  const symbols = {
    circle: "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0", square: "M-3 -3h6v6h-6z",
    diamond: "M0 -4.5L4.5 0L0 4.5L-4.5 0z", "triangle-down": "M-4 -3h8l-4 7z",
    "triangle-up": "M-4 3h8l-4 -7z",
    cross: "M-1.4 -4h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6v-2.8h2.6z",
    x: "M-4 -2l2 -2l2 2l2 -2l2 2l-2 2l2 2l-2 2l-2 -2l-2 2l-2 -2l2 -2z",
    pentagon: "M0 -4L4 -1L2.5 4h-5L-4 -1z", hexagon: "M-2 -4h4l2.5 4l-2.5 4h-4l-2.5 -4z",
  };
  const entry = (text, { colour, symbol, dash, open }) => {
    const item = document.createElement("li");
    const icon = part("svg", { width: 36, height: 14, "aria-hidden": "true" });
    const stroke = { stroke: colour || "currentColor", "stroke-width": 2 };
    if (!open) {
      icon.append(part("line", {
        x1: 1, x2: 35, y1: 7, y2: 7, ...stroke,
        "stroke-dasharray": strokes[dash || "solid"],
      }));
    }
    if (symbol) {
      icon.append(part("path", {
        d: symbols[symbol], transform: "translate(18 7)", ...stroke, "stroke-width": 1.2,
        fill: open ? "none" : colour || "currentColor",
      }));
    }
    const name = document.createElement("bdi");
    name.textContent = text;
    item.append(icon, name);
    return item;
  };
  const apart = () => {
    const own = (m) => m.facets.architecture;
    const rest = (m) => m.rest || "";
    const cells = new Map(data.members.map((m) => [own(m), m]));
    const rests = new Map(data.members.map((m) => [rest(m), m]));
    return cells.size + rests.size < data.members.length ? { cells, rests } : null;
  };
  const listed = (figure) => {
    const list = document.createElement("ul");
    list.className = "legend live-only";
    const bare = figure.traces.some((t) => t.bare);
    const colour = (m) => m.colours[dark.matches ? 1 : 0];
    const mark = (m) => (bare ? { dash: m.dash } : { symbol: m.symbol });
    const grid = apart();
    if (grid) {
      grid.cells.forEach((m, cell) => list.append(entry(cell, { colour: colour(m) })));
      grid.rests.forEach((m, rest) => list.append(entry(rest, mark(m))));
    } else {
      data.members.forEach(
        (m) => list.append(entry(m.name, { colour: colour(m), ...mark(m) })));
    }
    if (figure.traces.some((t) => (t.open || []).some((o) => o))) {
      list.append(entry(figure.axes.open, { symbol: "triangle-up", open: true }));
    }
    return list;
  };

  const toggles = document.getElementById("toggles");
  const facets = {};
  data.members.forEach((m) => Object.entries(m.facets).forEach(([facet, value]) => {
    (facets[facet] = facets[facet] || new Set()).add(value);
  }));
  const off = {};
  const apply = () => {
    hidden.clear();
    data.members.forEach((m, i) => {
      if (Object.entries(m.facets).some(([f, v]) => off[f].has(v))) hidden.add(i);
    });
    draw();
  };
  Object.entries(facets).forEach(([facet, values]) => {
    off[facet] = new Set();
    if (values.size < 2) return;
    const set = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = facet;
    set.append(legend);
    values.forEach((value) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.dataset.facet = facet;
      box.dataset.value = value;
      box.addEventListener("change", () => {
        if (box.checked) off[facet].delete(value); else off[facet].add(value);
        apply();
      });
      box.addEventListener("keydown", (e) => {
        if (e.key === "Enter") box.click();
      });
      const name = document.createElement("bdi");
      name.textContent = value;
      label.append(box, name);
      set.append(label);
    });
    toggles.append(set);
  });

  document.querySelectorAll("[data-figure]").forEach((box) => {
    const figure = data.figures[box.dataset.figure];
    if (!figure || !figure.traces.some((t) => t.x.length)) return;
    boxes[box.dataset.figure] = box;
    box.closest("figure").classList.add("live");
    if (figure.note) {
      const note = document.createElement("p");
      note.className = "reduced live-only";
      note.textContent = figure.note;
      box.after(note);
    }
  });
  draw();
  Object.entries(boxes).forEach(([name, box]) => {
    if (data.figures[name].axes.lag) box.on("plotly_hover", (e) => moveTo(e.points[0].x));
  });
  dark.addEventListener("change", draw);

  const lags = [...new Set(data.figures.samples.traces.flatMap((t) => t.x))]
    .sort((a, b) => a - b);
  const slider = document.getElementById("lag");
  if (slider && lags.length) {
    slider.max = lags.length - 1;
    slider.addEventListener("input", () => moveTo(lags[slider.value]));
    slider.addEventListener("change", () => moveTo(nearest(lags, lags[slider.value])));
  }

  const value = (row, column) => {
    const text = row.cells[column].textContent.trim();
    const number = parseFloat(text.replace(/[,≥\u202f]/g, ""));
    return Number.isNaN(number) ? text : number;
  };
  const order = (a, b) => (typeof a === typeof b
    ? (typeof a === "number" ? a - b : a.localeCompare(b))
    : (typeof a === "number" ? -1 : 1));

  document.querySelectorAll("table").forEach((table) => {
    table.querySelectorAll("thead th").forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        table.querySelectorAll("thead th").forEach((h) => h.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => order(value(a, column), value(b, column)) * (up ? 1 : -1));
        table.tBodies[0].append(...rows);
      });
    });
    const copy = document.createElement("button");
    copy.type = "button";
    copy.className = "copy";
    copy.textContent = "Copy table";
    copy.addEventListener("click", async () => {
      const text = [...table.rows]
        .map((row) => [...row.cells].map((c) => c.textContent.trim()).join("\t"))
        .join("\n");
      table.dataset.copied = text;
      try {
        await navigator.clipboard.writeText(text);
        copy.textContent = "Copied";
      } catch {
        const range = document.createRange();
        range.selectNode(table);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        copy.textContent = "Selected: press Ctrl+C";
      }
      setTimeout(() => { copy.textContent = "Copy table"; }, 2000);
    });
    table.closest(".scroll").before(copy);
  });
})();
