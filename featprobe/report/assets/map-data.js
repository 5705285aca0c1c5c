"use strict";
// What a map holds, unpacked: coordinates, columns, neighbours.
const featprobeMap = (() => {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const INTEGERS = {1: Uint8Array, 2: Uint16Array, 4: Uint32Array};

  function column(of) {
    if (of.values) {
      const values = new Float32Array(bytes(of.values));
      let low = Infinity, high = -Infinity;
      for (const v of values) if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
      const text = (i) => Number.isFinite(values[i]) ? String(Number(values[i].toPrecision(6))) : "unknown";
      return {name: of.name, truth: of.truth, values, low, high, count: 0, text, code: () => -1};
    }
    const codes = new INTEGERS[of.size](bytes(of.codes)), none = 2 ** (8 * of.size) - 1;
    const code = (i) => codes[i] === none ? -1 : codes[i];
    const called = (c) => of.names ? of.names[c] : `${of.name} ${c + 1}`;
    const count = of.names ? of.names.length : of.count;
    const sizes = new Uint32Array(count + 1);  // the last: unknown
    for (const c of codes) sizes[c === none ? count : c] += 1;
    return {name: of.name, truth: of.truth, count, sizes, code, called, text: (i) => code(i) < 0 ? "unknown" : called(code(i))};
  }

  function unpack(text) {
    const of = JSON.parse(text), columns = of.columns.map(column);
    const truths = columns.filter((c) => c.truth);
    const layouts = of.layouts.map((l) => ({title: l.title, said: l.said, xy: new Float32Array(bytes(l.xy))}));
    const near = of.near ? new Uint32Array(bytes(of.near)) : null;
    const numbers = of.numbers ? new Uint32Array(bytes(of.numbers)) : null;
    const number = (i) => numbers ? numbers[i] : i + 1;
    // of independent labels: those that are there
    const label = (i) => truths.length < 2 ? truths.map((c) => c.text(i)).join("")
      : truths.filter((c) => c.code(i) === 1).map((c) => c.called(1)).join(", ") || "no label";
    const differs = (i, j) => truths.some((c) => c.code(i) >= 0 && c.code(j) >= 0 && c.code(i) !== c.code(j));
    return {
      n: of.n, k: of.k, ids: of.ids, layouts, columns, near, number, label, differs, thumbs: of.thumbs || {},
      labelled: truths.length > 0, classes: truths.some((c) => !c.values),
      neighbours: (i) => near ? Array.from(near.subarray(i * of.k, (i + 1) * of.k)) : [],
      listed: (i) => of.ids ? of.ids[i] : String(number(i)),
      title: (i) => of.ids ? of.ids[i] : `Item ${number(i)}`,
      find: (words, most) => found(of, number, words, most),
    };
  }

  // the item of that number or id first, then those whose id holds the words
  function found(of, number, words, most) {
    const text = words.trim().toLowerCase(), exact = [], some = [];
    for (let i = 0; text && i < of.n && exact.length + some.length < most; i += 1) {
      const id = of.ids ? of.ids[i].toLowerCase() : "";
      if (id === text || (!of.ids && String(number(i)) === text)) exact.push(i);
      else if (of.ids && id.includes(text)) some.push(i);
    }
    return exact.concat(some);
  }

  return {unpack};
})();
