"use strict";
(() => {
  const all = (query, at = document) => [...at.querySelectorAll(query)];
  document.documentElement.classList.add("js");

  // Switches: what belongs to hidden lines, or to another N, is gone everywhere.
  const apply = () => {
    const hidden = new Set(all("input[data-members]:not(:checked)")
      .flatMap((box) => box.dataset.members.split(" ")));
    const chosen = document.querySelector("input[name=budget]:checked");
    all("[data-m], [data-b]").forEach((part) => {
      const { m, b } = part.dataset;
      const lost = m !== undefined && m.split(" ").every((one) => hidden.has(one));
      const other = b !== undefined && chosen !== null && b !== chosen.value;
      part.classList.toggle("off", lost || other);
    });
    select(null);
  };
  all(".switches").forEach((form) => {
    form.addEventListener("change", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      event.target.click();
    });
  });

  // Reading out: the nearest point is named, and the same lag lights up elsewhere.
  const visible = (plot) => all(".marks circle:not(.off)", plot);
  const at = (mark) => [Number(mark.getAttribute("cx")), Number(mark.getAttribute("cy"))];
  const select = (mark) => {
    all(".marks circle.on").forEach((other) => other.classList.remove("on"));
    all(".said").forEach((said) => { said.textContent = ""; });
    if (mark === null) return;
    const { m, l } = mark.dataset;
    mark.classList.add("on");
    mark.closest("figure").querySelector(".said").textContent = mark.dataset.say;
    if (l === undefined) return;
    all(`.marks circle[data-l="${l}"][data-m="${m}"]:not(.off)`).forEach((other) => {
      other.classList.add("on");
      const said = other.closest("figure").querySelector(".said");
      said.textContent = said.textContent || other.dataset.say;
    });
  };
  const nearest = (marks, x, y) => marks.reduce((best, mark) => {
    const [a, b] = at(mark);
    const away = (a - x) ** 2 + (b - y) ** 2;
    return away < best.away ? { mark, away } : best;
  }, { mark: null, away: Infinity });
  all(".plot").forEach((plot) => {
    plot.addEventListener("pointermove", (event) => {
      const place = new DOMPoint(event.clientX, event.clientY)
        .matrixTransform(plot.getScreenCTM().inverse());
      const found = nearest(visible(plot), place.x, place.y);
      if (found.mark !== null && found.away < 400) select(found.mark);
    });
  });
  all(".panels").forEach((panels) => {
    panels.addEventListener("keydown", (event) => {
      const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1],
        ArrowUp: [0, -1] }[event.key];
      const marks = visible(panels);
      if (step === undefined || !marks.length) return;
      event.preventDefault();
      const now = panels.querySelector(".marks circle.now:not(.off)");
      const next = now === null ? marks[0] : beside(panels, marks, now, step);
      if (now !== null) now.classList.remove("now");
      next.classList.add("now");
      select(next);
    });
  });
  const beside = (panels, marks, now, [along, across]) => {
    const plots = all(".plot", panels);
    const x = (mark) => at(mark)[0] + 1e4 * plots.indexOf(mark.closest(".plot"));
    const line = (mark) => mark.dataset.m;
    if (along) {
      const own = marks.filter((mark) => line(mark) === line(now));
      own.sort((a, b) => x(a) - x(b) || at(a)[1] - at(b)[1]);
      const place = own.indexOf(now) + along;
      return own[Math.min(Math.max(place, 0), own.length - 1)];
    }
    const lines = [...new Set(marks.map(line))];
    const turn = (lines.indexOf(line(now)) + across + lines.length) % lines.length;
    return marks.filter((mark) => line(mark) === lines[turn])
      .reduce((a, b) => (Math.abs(x(b) - x(now)) < Math.abs(x(a) - x(now)) ? b : a));
  };

  // Tables sort by a column: numbers by size, words by letters.
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = (cell.querySelector("span:not(.off)") || cell).textContent.trim();
    const number = parseFloat(text.replace(/[,≥\u202f]/g, ""));
    return Number.isNaN(number) ? text : number;
  };
  const order = (a, b) => (typeof a === typeof b
    ? (typeof a === "number" ? a - b : a.localeCompare(b))
    : (typeof a === "number" ? -1 : 1));
  all("table").forEach((table) => {
    all("thead th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => order(value(a, column), value(b, column)) * (up ? 1 : -1));
        table.tBodies[0].append(...rows);
      });
    });
  });
})();
