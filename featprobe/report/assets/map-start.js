"use strict";
// Puts the parts of each map of the page together.
(() => {
  const M = featprobeMap;

  function start(root) {
    const part = (name) => root.querySelector(`[data-part="${name}"]`);
    const map = M.unpack(part("data").textContent);
    const canvas = part("points"), over = part("over"), tip = part("tip");
    const context = canvas.getContext("2d", {alpha: false}), top = over.getContext("2d");
    const scene = {shown: new Uint8Array(map.n).fill(1), chosen: null, order: M.order(map.n), ink: M.inks(root)};
    let layout = map.layouts[0], column = map.columns[0] || null, current = -1, items = [];

    const host = {
      n: map.n, shown: scene.shown, xy: () => layout.xy, draw,
      pointed(i, x, y) {
        tip.hidden = i < 0;
        if (i < 0) return;
        tip.replaceChildren(M.text(map.title(i)), column ? M.make("span", {}, M.text(`${column.name}: ${column.text(i)}`)) : "");
        tip.style.left = `${Math.max(0, Math.min(x + 12, canvas.clientWidth - tip.offsetWidth - 4))}px`;
        tip.style.top = `${Math.max(0, y > canvas.clientHeight - 70 ? y - tip.offsetHeight - 10 : y + 14)}px`;
      },
      clicked: (i) => select(i),
      drawn: (found) => choose(found),
    };
    const view = M.view(canvas, over, host);

    function draw() {
      const ratio = view.ratio();
      Object.assign(scene, {xy: layout.xy, view: view.transform(), radius: M.radius(map.n) * ratio});
      M.draw(context, scene);
      top.setTransform(ratio, 0, 0, ratio, 0, 0);
      const [width, height] = view.size(), style = getComputedStyle(root);
      top.clearRect(0, 0, width, height);
      top.lineWidth = 2;
      const ring = (i, size, dash, ink) => {
        const [x, y] = view.place(i);
        top.strokeStyle = style.getPropertyValue(ink); top.setLineDash(dash);
        top.beginPath(); top.arc(x, y, size, 0, 7); top.stroke();
      };
      if (current >= 0) {
        for (const j of map.neighbours(current)) ring(j, 6, map.differs(current, j) ? [3, 2] : [], map.differs(current, j) ? "--c1" : "--fg");
        ring(current, 4, [], "--fg");
        ring(current, 10, [], "--fg");
      }
      top.setLineDash([]);
      top.strokeStyle = style.getPropertyValue("--fg");
      if (document.activeElement === canvas) {  // what Enter means
        top.lineWidth = 1;
        top.beginPath();
        top.moveTo(width / 2 - 8, height / 2); top.lineTo(width / 2 + 8, height / 2);
        top.moveTo(width / 2, height / 2 - 8); top.lineTo(width / 2, height / 2 + 8);
        top.stroke();
      }
      const path = view.path();
      if (path) {
        top.lineWidth = 1.5; top.setLineDash([4, 3]);
        top.beginPath();
        path.forEach(([x, y]) => top.lineTo(x, y));
        top.closePath(); top.stroke();
        top.globalAlpha = 0.1; top.fillStyle = style.getPropertyValue("--c0"); top.fill(); top.globalAlpha = 1;
      }
      root.dataset.drawn = String(Number(root.dataset.drawn || 0) + 1);
    }

    function paint() {
      scene.ink = M.inks(root);
      const none = {values: null, code: () => 0};
      Object.assign(scene, M.painted(column || none, map.n, scene.ink));
      view.changed();
    }
    function select(i) {
      current = i;
      tip.hidden = true;
      M.item(part("item"), map, i, (j) => { select(j); view.show(j); }, () => { select(-1); canvas.focus(); });
      view.changed();
    }
    function choose(found) {
      items = found;
      scene.chosen = found.length ? new Uint8Array(map.n) : null;
      for (const i of found) scene.chosen[i] = 1;
      M.chosen(part("chosen"), map, column || {values: [], text: String}, found, () => choose([]));
      part("told").textContent = found.length ? `${found.length.toLocaleString("en")} items chosen` : "";
      view.changed();
    }
    function colour() {
      if (column) {
        M.legend(part("legend"), column, (off) => {
          for (let i = 0; i < map.n; i += 1) scene.shown[i] = off.size && off.has(column.code(i)) ? 0 : 1;
          view.changed();
        });
      }
      paint();
      if (items.length) choose(items);
    }

    const option = (select, of, name) => select.append(...of.map((o, i) => M.make("option", {value: String(i)}, o[name])));
    const layouts = part("layout"), colours = part("colour");
    option(layouts, map.layouts, "title");
    option(colours, map.columns, "name");
    layouts.addEventListener("change", () => { layout = map.layouts[layouts.value]; part("said").textContent = layout.said; view.fit(); });
    colours.addEventListener("change", () => { column = map.columns[colours.value]; colour(); });
    layouts.parentElement.hidden = map.layouts.length < 2;
    colours.parentElement.hidden = map.columns.length < 2;
    part("said").textContent = layout.said;
    const lasso = part("lasso");
    lasso.addEventListener("click", () => {
      const on = lasso.getAttribute("aria-pressed") !== "true";
      lasso.setAttribute("aria-pressed", String(on));
      view.lasso(on);
      canvas.dataset.lasso = on ? "yes" : "";
    });
    part("in").addEventListener("click", () => view.zoom(1.4));
    part("out").addEventListener("click", () => view.zoom(1 / 1.4));
    part("home").addEventListener("click", view.fit);
    part("seen").addEventListener("click", () => {
      const [w, h] = view.size();
      choose(view.within([[0, 0], [w, 0], [w, h], [0, h]]));
    });
    part("find").addEventListener("submit", (e) => {
      e.preventDefault();
      const found = map.find(part("words").value, 1000);
      part("told").textContent = found.length === 0 ? "Nothing found." : "";
      if (found.length > 1) choose(found);
      if (found.length) { select(found[0]); view.show(found[0]); }
    });
    addEventListener("featprobe-theme", paint);
    matchMedia("(prefers-color-scheme:dark)").addEventListener("change", paint);
    for (const kind of ["beforeprint", "afterprint"]) addEventListener(kind, () => { paint(); draw(); });
    matchMedia("print").addEventListener("change", () => { paint(); draw(); });
    colour();
    view.resize();
    view.fit();
    root.dataset.ready = "yes";
  }

  document.querySelectorAll(".map").forEach(start);
})();
