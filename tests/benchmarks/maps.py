"""How smoothly a map of 100,000 items moves in headless Chromium, and how large its page is.

Frames are counted by ``requestAnimationFrame`` while a pointer drags the map; no graphics card is
used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from featprobe.report.map_page import map_page
from featprobe.report.shell import write
from tests.benchmarks.rows import Row
from tests.figures.embedding.made import large
from tests.report.browser import chromium

ITEMS, WANTED, MOST = 100_000, 20.0, 9.0
FRAMES = 60

# drags the map by some pixels a frame; the times between frames that were drawn, in milliseconds
DRAG = """
const done = arguments[1], canvas = document.querySelector('[data-part=points]');
const map = document.querySelector('.map'), box = canvas.getBoundingClientRect();
const times = [], send = (kind, x) => canvas.dispatchEvent(new PointerEvent(kind, {
  pointerId: 1, button: 0, clientX: box.left + x, clientY: box.top + 300, bubbles: true}));
let n = 0, last = 0, drawn = Number(map.dataset.drawn);
send('pointerdown', 300);
const step = (now) => {
  if (n > 1 && Number(map.dataset.drawn) > drawn) times.push(now - last);
  drawn = Number(map.dataset.drawn); last = now; n += 1;
  if (n > arguments[0]) { send('pointercancel', 300); done(times); return; }
  send('pointermove', 300 + 60 * Math.sin(n / 5));
  requestAnimationFrame(step);
};
requestAnimationFrame(step);
"""


def rows(runs: int) -> Iterator[Row]:
    """Frames a second while the map is dragged, and the size of the page."""
    with tempfile.TemporaryDirectory() as folder:
        text = map_page(large(ITEMS))
        page = write(Path(folder) / "map.html", text)
        size = len(text.encode()) / 1e6
        yield Row("map of 100,000 items, 10 neighbours each", size, 1, "MB", MOST, more=False)
        for name, width, height in (("desk", 1280, 900), ("telephone", 390, 844)):
            with chromium(Path(folder) / name, width, height) as window:
                window.get(page.as_uri())
                rates = []
                for _ in range(max(runs, 3)):
                    times = window.execute_async_script(DRAG, FRAMES)
                    assert len(times) > FRAMES // 2, "the map was not drawn in most frames"
                    rates.append(1000 / float(np.mean(times)))
                rate = float(np.median(rates))
                yield Row(f"map of 100,000 items dragged, {name}", rate, 1, "frames/s", WANTED,
                          runs=len(rates))  # fmt: skip
