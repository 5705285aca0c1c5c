"""The page in headless Chromium: what a reader does with it."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from featprobe.leaderboard.board import build
from featprobe.report.page import page
from featprobe.report.shell import write
from tests.figures.large import benchmark
from tests.figures.made import linear
from tests.plots.test_plots import HOSTILE
from tests.report.browser import as_documented, chromium

AXE = Path(__file__).parent / "axe" / "axe.min.js"
VISITS = count()
TELEPHONE, DESK = (390, 844), (1280, 900)


@pytest.fixture(scope="module")
def desk(study, tmp_path_factory):
    """A window of 1280 pixels with the page of the study."""
    with chromium(tmp_path_factory.mktemp("chromium"), *DESK) as window:
        yield opened(window, study[2])


def opened(window, path: Path):
    """The window with the page, once its script has run; each visit has an address of its own."""
    address = f"{path.as_uri()}?{next(VISITS)}"
    window.get(address)
    window.execute_async_script(
        "const done = arguments[1], see = () => location.href === arguments[0] && "
        "document.documentElement.dataset.ready ? done() : requestAnimationFrame(see); see();",
        address,
    )
    return window


def rows(window, league: int = 0) -> list[list[str]]:
    """The texts of the rows that are shown of a league."""
    return window.execute_script(
        "return [...document.querySelectorAll('#tables tbody')[arguments[0]].querySelectorAll("
        "'tr.row')].map(r => [...r.cells].map(c => c.textContent))", league,
    )  # fmt: skip


def click(window, css: str, text: str | None = None) -> None:
    """Press the first element of that kind (with that text) as a reader would."""
    found = window.find_elements("css selector", css)
    one = next(e for e in found if text is None or e.text.split(" \u2195")[0].strip() == text)
    window.execute_script("arguments[0].scrollIntoView({block: 'center'})", one)
    one.click()


def quiet(window, path: Path) -> None:
    """Nothing on the console, and nothing asked for but the file."""
    assert [e for e in window.get_log("browser") if e["level"] in ("SEVERE", "WARNING")] == []
    asked = [
        m["params"]["request"]["url"].partition("?")[0]
        for entry in window.get_log("performance")
        for m in [json.loads(entry["message"])["message"]]
        if m["method"] == "Network.requestWillBeSent"
        and not m["params"]["documentURL"].startswith("chrome")  # its own first tab
    ]
    assert {u for u in asked if not u.startswith("data:")} <= {path.as_uri()}


def violations(window) -> list[str]:
    """What axe-core calls serious or critical."""
    window.execute_script(AXE.read_text() + ";window.axe = axe;")
    found = window.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations))"
    )
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:160]}"
        for v in found if v["impact"] in ("serious", "critical")
    ]  # fmt: skip


def wide(window) -> int:
    """By how many pixels the page is wider than its window."""
    return window.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


def test_rows_are_sorted_within_their_league_by_number_and_by_name(desk, study) -> None:
    opened(desk, study[2])
    before = rows(desk)
    assert [r[2] for r in before] == [
        row.result.backbone for row in study[0] if row.league == study[0][0].league
    ]
    click(desk, "thead button", "backbone")
    names = [r[2] for r in rows(desk)]
    assert names == sorted(names)
    head = "th[aria-sort=ascending]"
    assert desk.find_element("css selector", head).text.startswith("backbone")
    click(desk, "thead button", "backbone")
    assert [r[2] for r in rows(desk)] == sorted(names, reverse=True)
    click(desk, "thead button", "AUROC [95 %]")
    values = [float(r[5].split()[0]) for r in rows(desk)]
    assert values == sorted(values, reverse=True)
    click(desk, "thead button", "AUROC [95 %]")
    assert [float(r[5].split()[0]) for r in rows(desk)] == sorted(values)
    assert len(rows(desk)) == len(before)
    leagues = desk.execute_script("return document.querySelectorAll('#tables tbody').length")
    assert leagues == len({row.league for row in study[0]})


def test_rows_are_found_by_words_data_set_probe_and_tests(desk, study) -> None:
    opened(desk, study[2])
    board = study[0]
    told = desk.find_element("id", "told")
    shown = "return document.querySelectorAll('#tables tbody:not([hidden]) tr.row').length"
    assert told.text == f"{len(board)} of {len(board)} results"
    find = desk.find_element("id", "find")
    find.send_keys("DINO linear")
    wanted = sum(r.result.backbone == "dino" and r.result.probe == "logistic" for r in board)
    wanted -= sum(bool(r.result.shots) and r.result.backbone == "dino" for r in board)
    desk.execute_async_script("setTimeout(arguments[0], 0)")
    assert told.text == f"{wanted} of {len(board)} results"
    assert desk.execute_script(shown) == wanted
    find.clear()
    choose = "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
    choose += "s.dispatchEvent(new Event('change'))"
    desk.execute_script("document.getElementById('find').dispatchEvent(new Event('input'))")
    desk.execute_script(choose, "set", "fundus")
    desk.execute_script(choose, "probe", "knn")
    assert desk.execute_script(shown) == 4
    click(desk, "#best")
    first = [r for r in board if r.result.dataset == "fundus" and r.result.probe == "knn"]
    assert desk.execute_script(shown) == sum(r.may_be_first for r in first)
    assert told.text.startswith(f"{sum(r.may_be_first for r in first)} of")


def test_details_open_by_keyboard_and_say_metrics_and_provenance(desk, study) -> None:
    opened(desk, study[2])
    button = desk.find_element("css selector", "#tables td.act button")
    assert button.get_attribute("aria-expanded") == "false"
    assert button.get_attribute("aria-label").startswith("Details of dino")
    button.send_keys("\ue007")  # Enter
    assert button.get_attribute("aria-expanded") == "true"
    text = desk.find_element("css selector", "tr.more").text
    r = study[0][0].result
    low, high = r.ci["f1"]
    assert f"F1 {r.metrics['f1']:.3f} [{low:.3f}, {high:.3f}]" in text
    for said in ("Data and split", "PatientID", "made here", r.id, "seconds"):
        assert said in text
    button.send_keys(" ")
    assert not desk.find_elements("css selector", "tr.more")


@pytest.mark.slow
def test_the_theme_follows_the_system_the_reader_and_the_last_visit(desk, study) -> None:
    path = study[2]
    opened(desk, path)
    colour = "return getComputedStyle(document.body).backgroundColor"
    feature = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    light = desk.execute_script(colour)
    desk.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    dark = desk.execute_script(colour)
    assert dark != light
    opened(desk, path)
    assert desk.find_element("id", "theme").text == "Light theme"
    click(desk, "#theme")
    assert desk.execute_script(colour) == light
    opened(desk, path)
    assert desk.execute_script(colour) == light
    assert violations(desk) == []
    click(desk, "#theme")
    assert desk.execute_script(colour) == dark
    assert violations(desk) == []
    desk.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    desk.execute_script("localStorage.clear()")


def test_nothing_is_asked_for_and_nothing_complains(desk, study) -> None:
    desk.get_log("browser"), desk.get_log("performance")
    opened(desk, study[2])
    desk.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    click(desk, "#tables td.act button")
    quiet(desk, study[2])
    assert wide(desk) == 0


@pytest.mark.slow
def test_it_is_good_on_a_telephone(study, tmp_path) -> None:
    with chromium(tmp_path / "chromium", *TELEPHONE) as window:
        opened(window, study[2])
        window.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        click(window, "#tables td.act button")
        assert wide(window) == 0
        narrow = window.execute_script(
            "return [...document.querySelectorAll('svg.chart')].every("
            "s => s.getBoundingClientRect().right <= innerWidth)"
        )
        assert narrow
        table = window.find_element("css selector", "#tables .scroll")
        assert table.size["width"] <= 390
        assert violations(window) == []
        quiet(window, study[2])


def test_it_prints_in_light_on_a_sheet_with_all_of_the_table(study, tmp_path) -> None:
    with chromium(tmp_path / "chromium", 794, 1123) as window:  # A4 at 96 dots an inch
        opened(window, study[2])
        window.execute_script("document.documentElement.dataset.theme = 'dark'")
        window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        window.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert wide(window) == 0
        last = window.execute_script(
            "const cells = document.querySelector('#tables tr.row').cells;"
            "return cells[cells.length - 1].getBoundingClientRect().right <= innerWidth"
        )
        assert last
        colour = "return getComputedStyle(document.body).backgroundColor"
        assert window.execute_script(colour) == "rgb(255, 255, 255)"
        assert not window.find_element("id", "theme").is_displayed()
        closed = "return document.querySelectorAll('details:not([open])').length"
        assert window.execute_script(closed) == 0
        window.execute_script("dispatchEvent(new Event('afterprint'))")
        assert window.execute_script(closed) > 0


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESK, TELEPHONE])
def test_names_of_any_kind_keep_the_layout_and_run_nothing(cache, tmp_path, size) -> None:
    found = [
        linear(cache, data, name, 0.3 + 0.1 * i, classes=HOSTILE[:3], n=60, patients=30)
        for data in HOSTILE[:5] for i, name in enumerate(HOSTILE)
    ]  # fmt: skip
    path = write(tmp_path / "page.html", page(build(found), cache))
    with chromium(tmp_path / "chromium", *size) as window:
        opened(window, path)
        window.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert wide(window) == 0
        assert {r[2] for r in rows(window)} == {
            " ".join("".join(c for c in n if c not in "\u202e\u202c").split()) for n in HOSTILE
        }
        assert window.find_elements("css selector", "#tables script, svg script") == []
        over = window.execute_script(OVERLAPS)
        assert over == []
        quiet(window, path)


# texts of a figure that lie on each other, or beyond its edges
OVERLAPS = """
return [...document.querySelectorAll('svg.chart')].flatMap(svg => {
  const edge = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')];
  const boxes = texts.map(t => [t.textContent, t.getBoundingClientRect()]);
  const out = [];
  boxes.forEach(([t, a], i) => {
    if (a.left < edge.left - 2 || a.right > edge.right + 2) out.push(`cut: ${t.slice(0, 60)}`);
    boxes.slice(i + 1).forEach(([u, b]) => {
      const w = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (w > 1.5 && h > 3.5) out.push(`${t.slice(0, 60)} on ${u.slice(0, 60)}`);
    });
  });
  return out;
});
"""


def test_no_text_of_a_figure_lies_on_another(desk, study) -> None:
    opened(desk, study[2])
    desk.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert desk.execute_script(OVERLAPS) == []


@pytest.mark.slow
def test_thousands_of_rows_are_there_and_few_are_drawn(cache, tmp_path) -> None:
    path = write(tmp_path / "page.html", page(build(benchmark()), cache))
    with chromium(tmp_path / "chromium", *DESK) as window:
        opened(window, path)
        assert window.find_element("id", "told").text == "7200 of 7200 results"
        shown = "return document.querySelectorAll('#tables tr.row').length"
        assert window.execute_script(shown) == 36 * 12
        click(window, "#tables tbody tr:last-child button")
        assert window.execute_script(shown) == 35 * 12 + 200
        quiet(window, path)


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("name", "size"), [("desk", DESK), ("telephone", TELEPHONE)])
def test_it_is_seen_as_in_the_documentation(study, tmp_path, name, size, theme) -> None:
    """``FEATPROBE_DRAW_GALLERY=1`` takes the pictures of the documentation anew."""
    kept = Path(__file__).parents[2] / "docs" / "figures" / f"page-{name}-{theme}.png"
    with chromium(tmp_path / "chromium", *size) as window:
        opened(window, study[2])
        window.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
        window.save_screenshot(str(tmp_path / "seen.png"))
    as_documented(tmp_path / "seen.png", kept, size, theme)
