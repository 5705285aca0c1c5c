"""Headless Chromium, as it comes with Debian."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


@contextmanager
def chromium(profile: Path, width: int = 1280, height: int = 900) -> Iterator:
    """A driver of a window of this size that logs its console and what it asks the network for."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("chromium and chromedriver are not installed: the page is not looked at")
    options = selenium.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = selenium.ChromeService(driver, env={**os.environ, "HOME": str(profile)})
    window = selenium.Chrome(options, service)
    try:
        window.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        yield window
    finally:
        window.quit()


def as_documented(taken: Path, kept: Path, size: tuple[int, int], theme: str) -> None:
    """A picture of a window has the size and the theme of that in the documentation, which
    ``FEATPROBE_DRAW_GALLERY=1`` takes anew."""
    seen = Image.open(taken).convert("RGB")
    if os.environ.get("FEATPROBE_DRAW_GALLERY"):
        seen.quantize(64).save(kept, optimize=True)
    assert seen.size == Image.open(kept).size == size
    bright = np.asarray(seen.convert("L")).mean()
    assert (bright > 200) if theme == "light" else (bright < 70)
