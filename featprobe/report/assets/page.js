"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement, S = data.strings, FEW = 12, LARGE = 300;
  const make = (name, attributes = {}, ...inner) => {
    const e = document.createElement(name);
    for (const [k, v] of Object.entries(attributes)) if (v !== null) e.setAttribute(k, v);
    e.append(...inner);
    return e;
  };
  const drawn = (name, attributes) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    return e;
  };
  // what comes from data keeps its own direction of writing
  const text = (t) => make("bdi", {}, t);

  const rows = [], leagues = [];
  const number = (t) => { const m = /^-?\d+(\.\d+)?/.exec(t); return m ? parseFloat(m[0]) : null; };
  const thousandth = (v) => v === null ? "-" : (v / 1000).toFixed(3);

  function bar(of, league) {
    const svg = drawn("svg", {viewBox: "0 0 110 22", preserveAspectRatio: "none", "aria-hidden": "true"});
    const [low, high] = league.span, at = (v) => 5 + 100 * (high > low ? (v - low) / (high - low) : 0.5);
    const [value, from, to] = of.ends;
    if (value === null) return svg;
    if (from !== null) svg.append(drawn("line", {x1: at(from), x2: at(to), y1: 11, y2: 11, class: "line s0"}));
    svg.append(drawn("line", {x1: at(value), x2: at(value), y1: 5, y2: 17, class: "median"}));
    return svg;
  }

  function details(of, table) {
    const facts = make("div", {class: "facts"});
    const body = make("tbody");
    table.names.forEach((name, i) => {
      const [value, low, high] = of.metrics.slice(3 * i, 3 * i + 3);
      if (value === null) return;
      const ends = low === null ? "" : `[${thousandth(low)}, ${thousandth(high)}]`;
      body.append(make("tr", {}, make("td", {}, text(name)), make("td", {}, thousandth(value)), make("td", {}, ends)));
    });
    const head = make("thead", {}, make("tr", {}, ...["metric", "value", "95 %"].map((t) => make("th", {scope: "col"}, t))));
    facts.append(make("div", {}, make("h3", {}, "Metrics on test"), make("table", {}, head, body)));
    for (const b of of.blocks) {
      const [title, ...pairs] = data.blocks[b].map((t) => S[t]);
      const list = make("dl");
      for (let i = 0; i < pairs.length; i += 2) {
        if (pairs[i]) list.append(make("dt", {}, pairs[i]), make("dd", {}, text(pairs[i + 1])));
      }
      const block = make("div", {}, make("h3", {}, title));
      if (list.children.length) block.append(list);
      const said = pairs.filter((_, i) => i % 2 && !pairs[i - 1]);
      if (said.length) block.append(make("ul", {class: "said"}, ...said.map((t) => make("li", {}, text(t)))));
      facts.append(block);
    }
    return facts;
  }

  function toggle(of, table, width) {
    const open = of.more !== null;
    of.button.setAttribute("aria-expanded", String(!open));
    of.button.textContent = open ? "+" : "\u2212";
    if (open) { of.more.remove(); of.more = null; return; }
    of.more = make("tr", {class: "more"}, make("td", {colspan: width}, details(of, table)));
    of.row.after(of.more);
  }

  function build(of, table, league) {
    if (of.row) return of.row;
    const width = table.heads.length + 1, name = of.cells.slice(1, 4).join(" ");
    of.button = make("button", {type: "button", "aria-expanded": "false", "aria-label": `Details of ${name}`}, "+");
    of.button.addEventListener("click", () => toggle(of, table, width));
    const cells = of.cells.map((t, i) => make("td", {class: table.kinds[i]}, text(t)));
    cells.splice(table.value + 1, 0, make("td", {class: "bar"}, bar(of, league)));
    of.row = make("tr", {class: of.first ? "row first" : "row"}, make("td", {class: "act"}, of.button), ...cells);
    return of.row;
  }

  function fill(league) {
    const {table, body} = league;
    let hit = league.rows.filter((of) => of.hit);
    if (table.by !== null) {
      const key = (of) => table.numeric[table.by] ? (table.by === table.value ? of.ends[0] : number(of.cells[table.by])) : of.cells[table.by];
      const known = hit.filter((of) => key(of) !== null && key(of) !== "-");
      const compare = (a, b) => typeof a === "number" ? a - b : a.localeCompare(b);
      known.sort((a, b) => (table.down ? -1 : 1) * compare(key(a), key(b)));
      hit = known.concat(hit.filter((of) => !known.includes(of)));
    }
    const most = league.all ? hit.length : FEW, shown = hit.slice(0, most);
    const out = [league.head];
    for (const of of shown) { out.push(build(of, table, league)); if (of.more) out.push(of.more); }
    if (hit.length > shown.length) out.push(league.rest);
    league.rest.querySelector("button").textContent = `Show all ${hit.length} results of ${S[league.name]}`;
    const whole = league.rows.length, results = whole === 1 ? "result" : "results";
    league.count.textContent = hit.length === whole ? ` ${whole} ${results}` : ` ${hit.length} of ${whole} ${results}`;
    body.replaceChildren(...out);
    body.hidden = hit.length === 0;
  }

  const total = data.tables.flatMap((t) => t.leagues).reduce((n, l) => n + l.rows.length, 0);
  const place = document.getElementById("tables");
  data.tables.forEach((table, t) => {
    const heads = table.heads.slice(1);  // the data set is the head of its league
    table.numeric = heads.map((h, i) => i === 0 || i > 3);
    table.value = heads.findIndex((h) => h === table.metric || h.startsWith(table.metric + " ["));
    const counts = heads.findIndex((h) => h.startsWith("test ("));  // words from there on
    table.kinds = heads.map((h, i) => [i === 0 || (i > 3 && i < counts) ? "num" : "name", i === table.value ? "value" : "", i > 2 && i !== table.value ? "wide" : "", h === "setting" ? h : "", i === counts ? "test" : ""].join(" ").trim());
    table.by = null; table.down = false;
    const sorts = [];
    const head = make("tr", {}, make("th", {class: "act", scope: "col"}, make("span", {class: "unseen"}, "details")));
    heads.forEach((h, i) => {
      const button = make("button", {type: "button"}, h === "rank" ? "#" : h);
      if (h === "rank") button.setAttribute("aria-label", "rank");
      const cell = make("th", {scope: "col", class: table.kinds[i], "aria-sort": "none"}, button);
      button.addEventListener("click", () => {
        table.down = table.by === i ? !table.down : i > 3;
        table.by = i;
        sorts.forEach((s, k) => s.setAttribute("aria-sort", k === i ? (table.down ? "descending" : "ascending") : "none"));
        leagues.filter((l) => l.table === table).forEach(fill);
      });
      sorts.push(cell); head.append(cell);
      if (i === table.value) head.append(make("th", {class: "bar", scope: "col"}, "95 %"));
    });
    const element = make("table", {"aria-label": table.title}, make("thead", {}, head));
    for (const league of table.leagues) {
      league.table = table; league.all = total <= LARGE;
      league.body = make("tbody", {class: "league"});
      league.count = make("span", {class: "soft"});
      league.head = make("tr", {class: "head"}, make("th", {colspan: heads.length + 2, scope: "rowgroup"}, text(S[league.name]), league.count));
      const rest = make("button", {type: "button"});
      rest.addEventListener("click", () => { league.all = true; fill(league); });
      league.rest = make("tr", {}, make("td", {colspan: heads.length + 2}, rest));
      league.rows = league.rows.map(([cells, ends, first, blocks, metrics]) => {
        const of = {cells: cells.map((c) => S[c]), ends, first, blocks, metrics, row: null, more: null, hit: true};
        of.words = `${S[league.name]} ${of.cells.slice(1, 4).join(" ")}`.toLowerCase();
        rows.push([of, league]);
        return of;
      });
      const ends = league.rows.flatMap((of) => of.ends).filter((v) => v !== null);
      league.span = ends.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
      element.append(league.body);
      leagues.push(league);
      fill(league);
    }
    place.append(make("h3", {}, table.title), make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": `Table: ${table.title}`}, element));
  });

  const find = document.getElementById("find"), set = document.getElementById("set"), probe = document.getElementById("probe");
  const best = document.getElementById("best"), told = document.getElementById("told");
  const choices = (select, names) => [...new Set(names)].sort().forEach((n) => select.append(make("option", {value: n}, n)));
  choices(set, leagues.map((l) => S[l.data]));
  choices(probe, rows.map(([of]) => of.cells[2]));
  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const [of, league] of rows) {
      of.hit = words.every((w) => of.words.includes(w)) && (!set.value || S[league.data] === set.value)
        && (!probe.value || of.cells[2] === probe.value) && (!best.checked || Boolean(of.first));
      count += of.hit;
    }
    leagues.forEach(fill);
    told.textContent = `${count} of ${rows.length} result${rows.length === 1 ? "" : "s"}`;
  }
  let waits = 0;
  find.addEventListener("input", () => { clearTimeout(waits); waits = setTimeout(filter, rows.length > LARGE ? 150 : 0); });
  [set, probe, best].forEach((e) => e.addEventListener("change", filter));
  filter();
  const closed = new Set();
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not([open])").forEach((d) => { closed.add(d); d.open = true; });
    if (rows.length <= 1000) leagues.forEach((l) => { l.all = true; fill(l); });
  });
  addEventListener("afterprint", () => { closed.forEach((d) => { d.open = false; }); closed.clear(); });
  root.dataset.ready = "yes";
})();
