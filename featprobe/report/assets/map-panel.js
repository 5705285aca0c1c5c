"use strict";
// Beside a map: the legend, an item with its neighbours, the items that were chosen.
(() => {
  const MOST = 60, LISTED = 8, SVG = "http://www.w3.org/2000/svg";
  const make = (name, attributes = {}, ...inner) => {
    const e = document.createElement(name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    e.append(...inner);
    return e;
  };
  const text = (t) => make("bdi", {}, t);
  const SHAPES = ["M1 7a6 6 0 1 0 12 0a6 6 0 1 0-12 0Z", "M2 2H12V12H2Z", "M7 1L13 12H1Z", "M7 0L14 7L7 14L0 7Z"];

  function swatch(code) {
    const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
    svg.setAttribute("viewBox", "0 0 14 14");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", SHAPES[code < 0 ? 0 : Math.floor(code / featprobeMap.COLOURS) % SHAPES.length]);
    path.setAttribute("class", code < 0 ? "unknown" : `s${code % featprobeMap.COLOURS}`);
    svg.append(path);
    return svg;
  }

  // a box for each class, the largest of very many; changed(off: Set of codes, -1 unknown)
  function legend(place, column, changed) {
    place.replaceChildren();
    if (column.values) {
      const plain = (v) => String(Number(v.toPrecision(4)));
      const ends = column.low <= column.high ? [plain(column.low), plain(column.high)] : ["no value", ""];
      place.append(make("div", {class: "ramp"}), make("div", {class: "ends"}, make("span", {}, ends[0]), make("span", {}, ends[1])));
      changed(new Set());
      return;
    }
    const off = new Set(), boxes = [];
    let codes = Array.from({length: column.count}, (_, c) => c).filter((c) => column.sizes[c]);
    const rest = codes.length > MOST ? [...codes].sort((a, b) => column.sizes[b] - column.sizes[a]).slice(MOST) : [];
    if (rest.length) { const apart = new Set(rest); codes = codes.filter((c) => !apart.has(c)); }
    const entries = codes.map((c) => [[c], column.called(c), column.sizes[c]]);
    if (rest.length) entries.push([rest, `${rest.length} others`, rest.reduce((n, c) => n + column.sizes[c], 0)]);
    if (column.sizes[column.count]) entries.push([[-1], "unknown", column.sizes[column.count]]);
    const all = make("button", {type: "button"}, "All"), none = make("button", {type: "button"}, "None");
    const set = (on) => {
      for (const [box, members] of boxes) { box.checked = on; for (const c of members) on ? off.delete(c) : off.add(c); }
      changed(off);
    };
    all.addEventListener("click", () => set(true));
    none.addEventListener("click", () => set(false));
    const list = make("div", {class: "entries", tabindex: "0", role: "group", "aria-label": `Classes of ${column.name}`});
    for (const [members, name, size] of entries) {
      const box = make("input", {type: "checkbox", checked: ""});
      box.addEventListener("change", () => { for (const c of members) box.checked ? off.delete(c) : off.add(c); changed(off); });
      boxes.push([box, members]);
      const many = members.length > 1;
      list.append(make("label", {title: name}, box, many ? "" : swatch(members[0]), make("span", {class: "called"}, text(name)), make("span", {class: "soft"}, size.toLocaleString("en"))));
    }
    if (entries.length > 2) place.append(make("div", {class: "both"}, all, none));
    place.append(list);
    const pairs = featprobeMap.COLOURS * featprobeMap.SHAPES;
    if (column.count > pairs) place.append(make("p", {class: "soft"}, `Colours and shapes repeat after ${pairs}.`));
    changed(off);
  }

  function picture(map, i) {
    return map.thumbs[i] ? make("img", {src: map.thumbs[i], alt: `${map.title(i)}, as the backbone sees it`}) : "";
  }

  // an item with all that is known of it, and its neighbours in feature space; go(i) goes to one
  function item(place, map, i, go, close) {
    place.replaceChildren();
    place.hidden = i < 0;
    if (i < 0) return;
    const shut = make("button", {type: "button"}, "Close");
    shut.addEventListener("click", close);
    const facts = make("dl");
    for (const c of map.columns) facts.append(make("dt", {}, text(c.name)), make("dd", {}, text(c.text(i))));
    const known = make("div", {class: "known"}, picture(map, i), facts);
    place.append(make("div", {class: "top"}, make("h3", {}, text(map.title(i))), shut), known);
    if (!map.near) return;
    const others = map.neighbours(i), wrong = others.filter((j) => map.differs(i, j)).length;
    const told = !map.classes ? "" : wrong ? `; ${wrong} of another label, framed` : "; none of another label";
    const list = make("ol", {class: "near"});
    for (const j of others) {
      const other = map.differs(i, j), button = make("button", {type: "button", class: other ? "wrong" : ""});
      button.append(picture(map, j), make("span", {}, text(map.title(j))));
      if (map.labelled) button.append(make("span", {class: "soft"}, text(map.label(j))));
      if (other) button.append(make("span", {class: "other"}, "other label"));
      button.addEventListener("click", () => go(j));
      list.append(make("li", {}, button));
    }
    place.append(make("h4", {}, `The ${others.length} nearest by features${told}`), list);
  }

  // the chosen items: how many of each class, their ids or numbers to copy and to keep
  function chosen(place, map, column, items, clear) {
    place.replaceChildren();
    place.hidden = items.length === 0;
    if (!items.length) return;
    const what = map.ids ? "ids" : "numbers", lines = items.map(map.listed).join("\n");
    const area = make("textarea", {readonly: "", rows: "6", "aria-label": `The ${what} of the chosen items`});
    area.value = lines;
    const said = make("span", {class: "soft", role: "status"});
    const copy = make("button", {type: "button"}, `Copy ${what}`), save = make("button", {type: "button"}, "Download"), none = make("button", {type: "button"}, "Clear");
    copy.addEventListener("click", async () => {
      area.select();
      try { await navigator.clipboard.writeText(lines); said.textContent = "Copied."; } catch { said.textContent = "Marked: press Ctrl+C."; }
    });
    save.addEventListener("click", () => {
      const link = make("a", {href: URL.createObjectURL(new Blob([`${lines}\n`], {type: "text/plain"})), download: "items.txt"});
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    none.addEventListener("click", clear);
    const counts = new Map();
    if (!column.values) for (const i of items) counts.set(column.text(i), (counts.get(column.text(i)) || 0) + 1);
    const most = [...counts].sort((a, b) => b[1] - a[1]), list = make("ul", {class: "counts"});
    for (const [name, n] of most.slice(0, LISTED)) list.append(make("li", {}, text(name), make("span", {class: "soft"}, ` ${n.toLocaleString("en")}`)));
    if (most.length > LISTED) list.append(make("li", {class: "soft"}, `and ${most.length - LISTED} more`));
    place.append(make("h3", {}, `${items.length.toLocaleString("en")} chosen`), list, area, make("div", {class: "both"}, copy, save, none, said));
  }

  Object.assign(featprobeMap, {make, text, legend, item, chosen});
})();
