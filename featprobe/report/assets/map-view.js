"use strict";
// Moving about on a map: pointer, fingers, wheel and keys; a lasso; what is pointed at.
(() => {
  const TOUCH = 12;  // pixels within which a point is meant

  // host: {n, xy(), shown, draw(), pointed(i, x, y), clicked(i), drawn(polygon)}; sizes in CSS pixels
  function view(canvas, over, host) {
    const at = {scale: 1, x: 0, y: 0}, fingers = new Map();
    let width = 1, height = 1, lasso = false, path = null, moved = 0, waiting = false, home = 1;
    const ratio = () => Math.min(devicePixelRatio || 1, 2);
    const changed = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; host.draw(); });
    };

    function fit() {
      const xy = host.xy();
      let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
      for (let i = 0; i < host.n; i += 1) {
        left = Math.min(left, xy[2 * i]); right = Math.max(right, xy[2 * i]);
        low = Math.min(low, xy[2 * i + 1]); high = Math.max(high, xy[2 * i + 1]);
      }
      const wide = right - left || 1e-9, tall = high - low || 1e-9;
      at.scale = home = 0.92 * Math.min(width / wide, height / tall);
      at.x = width / 2 - ((left + right) / 2) * at.scale;
      at.y = height / 2 + ((low + high) / 2) * at.scale;
      changed();
    }

    function resize() {
      const box = canvas.getBoundingClientRect(), middle = [(width / 2 - at.x) / at.scale, (at.y - height / 2) / at.scale];
      if (!box.width) return;
      [width, height] = [box.width, box.height];
      for (const c of [canvas, over]) { c.width = Math.round(width * ratio()); c.height = Math.round(height * ratio()); }
      [at.x, at.y] = [width / 2 - middle[0] * at.scale, height / 2 + middle[1] * at.scale];
      host.draw();  // at once: a canvas of a new size is empty
    }

    function zoom(by, x = width / 2, y = height / 2) {
      const scale = Math.min(Math.max(at.scale * by, home / 4), home * 4000), real = scale / at.scale;
      at.scale = scale; at.x = x + (at.x - x) * real; at.y = y + (at.y - y) * real;
      changed();
    }
    const pan = (dx, dy) => { at.x += dx; at.y += dy; changed(); };
    const place = (i) => [host.xy()[2 * i] * at.scale + at.x, at.y - host.xy()[2 * i + 1] * at.scale];

    function nearest(x, y, far = TOUCH) {
      const xy = host.xy(), px = (x - at.x) / at.scale, py = (at.y - y) / at.scale;
      let best = -1, least = (far / at.scale) ** 2;
      for (let i = 0; i < host.n; i += 1) {
        const d = (xy[2 * i] - px) ** 2 + (xy[2 * i + 1] - py) ** 2;
        if (d < least && host.shown[i]) { least = d; best = i; }
      }
      return best;
    }

    // the points that are shown within a polygon of pixels
    function within(polygon) {
      const out = [], xs = polygon.map((p) => p[0]), ys = polygon.map((p) => p[1]);
      const box = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
      for (let i = 0; i < host.n; i += 1) {
        if (!host.shown[i]) continue;
        const [x, y] = place(i);
        if (x < box[0] || x > box[1] || y < box[2] || y > box[3]) continue;
        let odd = false;
        for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a, a += 1) {
          if ((ys[a] > y) !== (ys[b] > y) && x < ((xs[b] - xs[a]) * (y - ys[a])) / (ys[b] - ys[a]) + xs[a]) odd = !odd;
        }
        if (odd) out.push(i);
      }
      return out;
    }

    const spot = (e) => { const b = canvas.getBoundingClientRect(); return [e.clientX - b.left, e.clientY - b.top]; };
    canvas.addEventListener("pointerdown", (e) => {
      if (e.button) return;
      try { canvas.setPointerCapture(e.pointerId); } catch { /* a made-up pointer */ }
      fingers.set(e.pointerId, spot(e));
      moved = fingers.size > 1 ? 99 : 0;
      path = fingers.size === 1 && (lasso || e.shiftKey) ? [spot(e)] : null;
    });
    canvas.addEventListener("pointermove", (e) => {
      const now = spot(e), before = fingers.get(e.pointerId);
      if (!before) { host.pointed(nearest(...now), ...now); return; }
      const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
      moved += Math.hypot(dx, dy);
      if (fingers.size > 1) {
        const [, other] = [...fingers].find(([id]) => id !== e.pointerId);
        const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
        zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
        pan(dx / 2, dy / 2);
      } else if (path) { path.push(now); changed(); } else if (moved > 3) pan(dx, dy);
      fingers.set(e.pointerId, now);
    });
    const up = (e) => {
      if (!fingers.delete(e.pointerId)) return;
      const drawn = path;
      path = null;
      if (drawn && drawn.length > 2 && moved > 8) host.drawn(within(drawn));
      else if (moved <= 3 && e.type === "pointerup") host.clicked(nearest(...spot(e)));
      changed();
    };
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, up);
    canvas.addEventListener("pointerleave", () => host.pointed(-1, 0, 0));
    canvas.addEventListener("wheel", (e) => {
      if (document.activeElement !== canvas && !e.ctrlKey) return;  // the page scrolls
      e.preventDefault();
      zoom(2 ** (-Math.max(-200, Math.min(200, e.deltaY)) / 250), ...spot(e));
    }, {passive: false});
    canvas.addEventListener("keydown", (e) => {
      const step = 60, keys = {
        ArrowLeft: () => pan(step, 0), ArrowRight: () => pan(-step, 0), ArrowUp: () => pan(0, step), ArrowDown: () => pan(0, -step),
        "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), 0: fit,
        Enter: () => host.clicked(nearest(width / 2, height / 2, Infinity)), Escape: () => { path = null; host.clicked(-1); },
      };
      if (e.ctrlKey || e.metaKey || e.altKey || !keys[e.key]) return;
      e.preventDefault();
      keys[e.key]();
    });
    canvas.addEventListener("focus", changed);
    canvas.addEventListener("blur", changed);
    new ResizeObserver(resize).observe(canvas);

    return {
      fit, resize, zoom, changed, place, within, ratio, path: () => path, size: () => [width, height],
      lasso: (on) => { lasso = on; },
      transform: () => ({scale: at.scale * ratio(), x: at.x * ratio(), y: at.y * ratio()}),
      // moves a point into what is seen
      show: (i) => {
        const [x, y] = place(i);
        if (x < 20 || y < 20 || x > width - 20 || y > height - 20) pan(width / 2 - x, height / 2 - y);
      },
    };
  }

  Object.assign(featprobeMap, {view});
})();
