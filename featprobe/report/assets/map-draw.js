"use strict";
// Points as pixels: each is a stamp written into an image, which needs no graphics card and draws a
// hundred thousand in a few milliseconds.
(() => {
  const SHAPES = 4, COLOURS = 6;  // told apart: their pairs; then they repeat
  const inside = [
    (x, y) => x * x + y * y <= 1,
    (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.86,
    (x, y) => y <= 0.75 && Math.abs(x) * 1.5 <= (y + 1.1) * 0.85,
    (x, y) => Math.abs(x) + Math.abs(y) <= 1.2,
  ];

  // offsets of its pixels in an image so wide, where they lie, and how much of each is covered (256: all)
  function stamp(shape, radius, width) {
    const far = Math.ceil(radius * 1.2), fine = 4, out = {at: [], x: [], y: [], covered: []};
    for (let dy = -far; dy <= far; dy += 1) {
      for (let dx = -far; dx <= far; dx += 1) {
        let hits = 0;
        for (let s = 0; s < fine * fine; s += 1) {
          const x = dx + ((s % fine) + 0.5) / fine - 0.5, y = dy + (Math.floor(s / fine) + 0.5) / fine - 0.5;
          hits += inside[shape](x / radius, y / radius);
        }
        if (hits) { out.at.push(dy * width + dx); out.x.push(dx); out.y.push(dy); out.covered.push(hits * (256 / (fine * fine))); }
      }
    }
    return Object.fromEntries(Object.entries(out).map(([k, v]) => [k, Int32Array.from(v)]));
  }

  const probe = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  function word(colour) {  // of four bytes, as an image holds them
    probe.fillStyle = "#000";
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  function mixed(a, b, t) {
    let out = 255 << 24;
    for (const s of [0, 8, 16]) out |= Math.round(((a >>> s) & 255) * (1 - t) + ((b >>> s) & 255) * t) << s;
    return out >>> 0;
  }

  // the colours of the theme that is shown
  function inks(element) {
    const style = getComputedStyle(element), of = (name) => word(style.getPropertyValue(name).trim());
    const classes = Array.from({length: COLOURS}, (_, i) => of(`--c${i}`));
    const back = of("--bg"), faint = mixed(of("--soft"), back, 0.62);
    const low = of("--c0"), middle = mixed(of("--soft"), back, 0.3), high = of("--c1");
    const ramp = Array.from({length: 64}, (_, i) => i < 32 ? mixed(low, middle, i / 32) : mixed(middle, high, (i - 32) / 31));
    return {classes, back, faint, ramp};
  }

  // colour and shape of every point by a column
  function painted(column, n, ink) {
    const colours = new Uint32Array(n), shapes = new Uint8Array(n), span = column.high - column.low;
    for (let i = 0; i < n; i += 1) {
      if (column.values) {
        const v = column.values[i];
        colours[i] = Number.isFinite(v) ? ink.ramp[span > 0 ? Math.round((63 * (v - column.low)) / span) : 32] : ink.faint;
      } else {
        const c = column.code(i);
        colours[i] = c < 0 ? ink.faint : ink.classes[c % COLOURS];
        shapes[i] = c < 0 ? 0 : Math.floor(c / COLOURS) % SHAPES;
      }
    }
    return {colours, shapes};
  }

  // the same shuffled order for the same number: no class lies over the others
  function order(n) {
    const out = Uint32Array.from({length: n}, (_, i) => i);
    let seed = 12345;
    for (let i = n - 1; i > 0; i -= 1) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const j = Math.floor((seed / 4294967296) * (i + 1));
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }

  const radius = (n) => n > 50000 ? 1.3 : n > 10000 ? 1.8 : n > 2000 ? 2.6 : n > 300 ? 3.4 : 4.5;

  // scene: xy, view {scale, x, y} in pixels of the image, colours, shapes, shown, chosen, order, ink
  function draw(context, scene) {
    const {width, height} = context.canvas;
    if (!scene.image || scene.image.width !== width || scene.image.height !== height) {
      scene.image = context.createImageData(width, height);
      scene.pixels = new Uint32Array(scene.image.data.buffer);
    }
    scene.pixels.fill(scene.ink.back);
    const stamps = Array.from({length: SHAPES}, (_, s) => stamp(s, scene.radius, width));
    for (const wanted of scene.chosen ? [0, 1] : [-1]) layer(scene, stamps, wanted, width, height);
    context.putImageData(scene.image, 0, 0);
  }

  // all points (-1), those that are not chosen (0), or those that are (1)
  function layer(scene, stamps, wanted, width, height) {
    const {pixels, xy, view: {scale, x: left, y: top}, colours, shapes, shown, chosen, order: sequence} = scene;
    const edge = Math.ceil(scene.radius * 1.2), n = sequence.length, faint = scene.ink.faint;
    for (let o = 0; o < n; o += 1) {
      const i = sequence[o];
      if (!shown[i] || (wanted >= 0 && chosen[i] !== wanted)) continue;
      const x = Math.round(xy[2 * i] * scale + left), y = Math.round(top - xy[2 * i + 1] * scale);
      if (x < -edge || y < -edge || x >= width + edge || y >= height + edge) continue;
      const colour = wanted === 0 ? faint : colours[i], {at, x: dx, y: dy, covered} = stamps[shapes[i]];
      const whole = x >= edge && y >= edge && x < width - edge && y < height - edge, start = y * width + x;
      for (let p = 0; p < at.length; p += 1) {
        if (!whole && (x + dx[p] < 0 || y + dy[p] < 0 || x + dx[p] >= width || y + dy[p] >= height)) continue;
        const k = covered[p], place = start + at[p];
        pixels[place] = k > 240 ? colour : over(pixels[place], colour, k);
      }
    }
  }

  // k of 256 parts of b over a
  function over(a, b, k) {
    const j = 256 - k;
    const rb = (((a & 0xff00ff) * j + (b & 0xff00ff) * k) >>> 8) & 0xff00ff;
    const g = (((a & 0xff00) * j + (b & 0xff00) * k) >>> 8) & 0xff00;
    return (0xff000000 | rb | g) >>> 0;
  }

  Object.assign(featprobeMap, {inks, painted, order, radius, draw, COLOURS, SHAPES});
})();
