"""The map in headless Chromium: what a reader does with it."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import ActionChains, Keys
from sklearn.datasets import load_digits

from featprobe.features.feature_set import FeatureSet
from featprobe.figures.embedding.columns import Column
from featprobe.figures.embedding.embedding_map import embedding_map
from featprobe.leaderboard.board import build
from featprobe.report.map_page import map_page
from featprobe.report.page import page
from featprobe.report.shell import write
from tests.figures.embedding.made import clusters, large
from tests.figures.made import linear
from tests.plots.test_plots import HOSTILE
from tests.report.browser import as_documented, chromium
from tests.report.test_browser import DESK, TELEPHONE, VISITS, quiet, violations, wide

ITEMS = 90


def made_map(**more):
    """A map with all kinds of columns: class, split, patient, site, age, right and wrong."""
    features = clusters(ITEMS)
    rng = np.random.default_rng(1)
    wrong = np.where(features.split == "test", rng.random(ITEMS) < 0.3, -1).astype(int)
    return embedding_map(
        features, ["pca", "tsne"], neighbours=6, judged=[Column("prediction of knn", wrong,
                                                               ("right", "wrong"))],
        colours={
            "site": dict(zip(features.ids, rng.choice(["Oslo", "Wien"], ITEMS))),
            "age": dict(zip(features.ids, map(str, rng.integers(20, 90, ITEMS)))),
        }, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made():
    return made_map()


@pytest.fixture(scope="module")
def path(made, tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("map") / "map.html", map_page(made))


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium"), *DESK) as window:
        yield window


def opened(window, path: Path):
    """The window with the page, once the map is drawn."""
    window.get(f"{path.as_uri()}?{next(VISITS)}")
    drawn(window)
    return window


def drawn(window) -> None:
    """Wait for the next drawing that was asked for."""
    window.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));"
    )


def part(window, name: str):
    return window.find_element("css selector", f"[data-part={name}]")


def choose(window, name: str, text: str) -> None:
    window.execute_script(
        "const s = document.querySelector(`[data-part=${arguments[0]}]`);"
        "s.value = [...s.options].find(o => o.text === arguments[1]).value;"
        "s.dispatchEvent(new Event('change'))", name, text,
    )  # fmt: skip
    drawn(window)


def find(window, words: str) -> None:
    box = part(window, "words")
    box.clear()
    box.send_keys(words, Keys.ENTER)
    drawn(window)


def lasso(window, polygon) -> None:
    """Draw around points by the pointer; offsets are from the middle of the map."""
    canvas = part(window, "points")
    window.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    moves = ActionChains(window, duration=5).move_to_element_with_offset(canvas, *polygon[0])
    moves.click_and_hold()
    for x, y in polygon[1:]:
        moves.move_to_element_with_offset(canvas, x, y)
    moves.release().perform()
    drawn(window)


def pixels(window) -> np.ndarray:
    """(h, w, 3) of what is drawn of the points."""
    png = window.execute_script(
        "return document.querySelector('[data-part=points]').toDataURL().split(',')[1]"
    )
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))


def places(window, xy: np.ndarray) -> np.ndarray:
    """Where points lie in the whole map, from its middle, by the rule of the page."""
    box = part(window, "points").size
    low, high = xy.min(0), xy.max(0)
    scale = 0.92 * min(box["width"] / (high - low)[0], box["height"] / (high - low)[1])
    return (xy - (low + high) / 2) * scale * [1, -1]


def test_every_point_is_drawn_where_its_coordinates_say(desk, path, made) -> None:
    opened(desk, path)
    seen = pixels(desk).astype(int)
    back = np.median(seen.reshape(-1, 3), axis=0)
    middle = np.array(seen.shape[1::-1]) / 2
    at = np.rint(places(desk, made.layouts[0].xy) + middle).astype(int)
    assert (np.abs(seen[at[:, 1], at[:, 0]] - back).sum(1) > 100).all()
    inked = np.abs(seen - back).sum(2) > 100
    away = np.ones(inked.shape, bool)
    for x, y in at:
        away[y - 7 : y + 8, x - 7 : x + 8] = False
    assert not inked[away].any()


def test_a_lasso_lists_the_numbers_of_the_points_within(desk, path, made) -> None:
    opened(desk, path)
    at = places(desk, made.layouts[0].xy)
    middle = np.sort(at[:, 0])[[ITEMS // 3, ITEMS // 3 + 1]].mean()
    left = np.flatnonzero(at[:, 0] < middle)
    box = part(desk, "points").size
    x, y = box["width"] // 2 - 3, box["height"] // 2 - 3
    part(desk, "lasso").click()
    lasso(desk, [(-x, -y), (int(np.floor(middle)), -y), (int(np.floor(middle)), y), (-x, y)])
    inside = np.flatnonzero(at[:, 0] < np.floor(middle))
    assert abs(len(inside) - len(left)) < 3
    listed = part(desk, "chosen").find_element("tag name", "textarea").get_attribute("value")
    assert listed.splitlines() == [str(i + 1) for i in inside]
    assert part(desk, "told").text == f"{len(inside)} items chosen"
    counts = part(desk, "chosen").find_element("css selector", ".counts").text
    label = made.column("label")
    for c in np.unique(label.codes[inside]):
        assert f"{label.names[c]} {(label.codes[inside] == c).sum()}" in counts
    saved = desk.execute_async_script(
        "const done = arguments[0], keep = URL.createObjectURL;"
        "URL.createObjectURL = (b) => { b.text().then(done);"
        "URL.createObjectURL = keep; return '#'; };"
        "[...document.querySelectorAll('[data-part=chosen] button')]"
        ".find(b => b.textContent === 'Download').click()"
    )
    assert saved == f"{listed}\n"
    desk.execute_script("document.querySelectorAll('[data-part=chosen] button')[2].click()")
    assert not part(desk, "chosen").is_displayed()


def test_a_point_has_its_neighbours_in_feature_space_wrong_ones_framed(desk, path, made) -> None:
    opened(desk, path)
    label = made.column("label").codes
    odd = (label[made.near] != label[:, None]).sum(1)
    i = int(odd.argmax())
    at = places(desk, made.layouts[0].xy)
    canvas = part(desk, "points")
    near = np.flatnonzero(np.hypot(*(at - at[i]).T) < 4)
    ActionChains(desk, duration=5).move_to_element_with_offset(
        canvas, *np.rint(at[i]).astype(int).tolist()
    ).click().perform()
    drawn(desk)
    shown = part(desk, "item").find_element("tag name", "h3").text
    assert int(shown.split()[1]) - 1 in near
    find(desk, str(i + 1))
    item = part(desk, "item")
    assert item.find_element("tag name", "h3").text == f"Item {i + 1}"
    buttons = item.find_elements("css selector", ".near button")
    assert [int(b.text.split()[1]) - 1 for b in buttons] == made.near[i].tolist()
    framed = ["wrong" in b.get_attribute("class") for b in buttons]
    assert framed == (label[made.near[i]] != label[i]).tolist()
    assert ["other label" in b.text for b in buttons] == framed
    assert f"{odd[i]} of another label" in item.text
    facts = item.find_element("tag name", "dl").text
    for c in made.columns:
        value = c.texts()[i]
        value = f"patient {c.codes[i] + 1}" if c.identity else value
        value = "unknown" if value is None else value
        assert f"{c.name}\n{value:g}" in facts if isinstance(value, float) else value in facts
    buttons[0].click()
    assert part(desk, "item").find_element("tag name", "h3").text == f"Item {made.near[i][0] + 1}"


def test_the_legend_hides_classes_which_no_lasso_then_takes(desk, path, made) -> None:
    opened(desk, path)
    boxes = desk.find_elements("css selector", ".entries label")
    sizes = np.bincount(made.column("label").codes)
    assert [b.text.split() for b in boxes] == [
        [n, str(s)] for n, s in zip(made.column("label").names, sizes)
    ]
    before = (pixels(desk) != 255).any(2).sum()
    boxes[0].click()
    drawn(desk)
    assert (pixels(desk) != 255).any(2).sum() < before
    part(desk, "seen").click()
    listed = part(desk, "chosen").find_element("tag name", "textarea").get_attribute("value")
    assert listed.splitlines() == [
        str(i + 1) for i in np.flatnonzero(made.column("label").codes != 0)
    ]
    choose(desk, "colour", "patient")
    assert desk.find_element("css selector", ".entries label").text.startswith("patient 1")
    choose(desk, "colour", "age")
    assert desk.find_element("css selector", ".legend .ends").text.split("\n") == [
        f"{made.column('age').values.min():g}", f"{made.column('age').values.max():g}"
    ]  # fmt: skip
    choose(desk, "colour", "prediction of knn")
    names = [e.text.split()[0] for e in desk.find_elements("css selector", ".entries label")]
    assert names == ["right", "wrong", "unknown"]


def test_it_is_used_by_keyboard(desk, path) -> None:
    opened(desk, path)
    canvas = part(desk, "points")
    desk.execute_script("arguments[0].focus()", canvas)
    whole = pixels(desk)
    canvas.send_keys("+", Keys.ARROW_LEFT)
    drawn(desk)
    assert (pixels(desk) != whole).any()
    canvas.send_keys("0")
    drawn(desk)
    np.testing.assert_array_equal(pixels(desk), whole)
    canvas.send_keys(Keys.ENTER)
    assert part(desk, "item").text.startswith("Item ")
    canvas.send_keys(Keys.ESCAPE)
    assert not part(desk, "item").is_displayed()


def test_the_pointer_moves_and_the_wheel_zooms_where_it_points(desk, path) -> None:
    opened(desk, path)
    canvas = part(desk, "points")
    before = (pixels(desk) != 255).any(2)
    ActionChains(desk, duration=5).click_and_hold(canvas).move_by_offset(31, 17).release().perform()
    drawn(desk)
    after = (pixels(desk) != 255).any(2)
    np.testing.assert_array_equal(after[40:-40, 60:-40], before[23:-57, 29:-71])
    whole = pixels(desk)
    desk.execute_script("arguments[0].focus()", canvas)
    ActionChains(desk).scroll_from_origin(_origin(canvas), 0, -200).perform()
    drawn(desk)
    assert (pixels(desk) != whole).any()


def _origin(canvas):
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    return ScrollOrigin.from_element(canvas)


def test_another_layout_has_its_own_numbers_and_quality(desk, path, made) -> None:
    opened(desk, path)
    assert part(desk, "said").text.startswith("PCA: ")
    one = pixels(desk)
    choose(desk, "layout", "t-SNE")
    assert part(desk, "said").text.startswith("t-SNE (perplexity")
    assert f"Trustworthiness {made.layouts[1].quality['trustworthiness']:.3f}" in (
        part(desk, "said").text
    )
    assert (pixels(desk) != one).any()


def test_items_are_found_by_id_where_ids_are_there(desk, made, tmp_path) -> None:
    path = write(tmp_path / "ids.html", map_page(made, ids=True))
    opened(desk, path)
    find(desk, "FILM-0042")
    assert part(desk, "item").find_element("tag name", "h3").text == "film-0042"
    find(desk, "film-001")
    listed = part(desk, "chosen").find_element("tag name", "textarea").get_attribute("value")
    assert listed.splitlines() == [f"film-001{i}" for i in range(10)]
    find(desk, "nothing")
    assert part(desk, "told").text == "Nothing found."


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESK, TELEPHONE])
def test_names_of_any_kind_keep_the_layout_and_run_nothing(tmp_path, size) -> None:
    features = clusters(
        60, classes=HOSTILE[:5], ids=[f"{HOSTILE[i % 6]} {i}" for i in range(60)],
        dataset=HOSTILE[4], backbone=HOSTILE[0],
    )  # fmt: skip
    sites = {i: HOSTILE[k % 6] for k, i in enumerate(features.ids)}
    made = embedding_map(features, colours={HOSTILE[4]: sites, HOSTILE[0]: sites})
    path = write(tmp_path / "map.html", map_page(made, ids=True))
    with chromium(tmp_path / "chromium", *size) as window:
        opened(window, path)
        find(window, features.ids[4].lower()[:30])
        part(window, "seen").click()
        choose(window, "colour", HOSTILE[0])
        assert wide(window) == 0
        assert window.find_elements("css selector", ".map script:not([type])") == []
        assert violations(window) == []
        quiet(window, path)


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """The page of scikit-learn's digits, in which some lie among others."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    n = 500
    features = FeatureSet.from_arrays(
        x[:n] + rng.normal(0, 2.5, (n, 64)), y[:n], classes=[f"digit {c}" for c in range(10)],
        groups=[f"writer {i // 5}" for i in range(n)], split=np.where(
            np.arange(n) // 5 % 4, "train", "test"), dataset="digits", backbone="pixels",
    )  # fmt: skip
    made = embedding_map(features, ["tsne", "pca"], metric="l2", neighbours=8)
    return write(tmp_path_factory.mktemp("digits") / "map.html", map_page(made))


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("name", "size"), [("desk", DESK), ("telephone", TELEPHONE)])
def test_it_is_good_in_both_widths_and_themes(digits, tmp_path, name, size, theme) -> None:
    """``FEATPROBE_DRAW_GALLERY=1`` takes the pictures of the documentation anew."""
    kept = Path(__file__).parents[2] / "docs" / "figures" / f"map-{name}-{theme}.png"
    with chromium(tmp_path / "chromium", *size) as window:
        opened(window, digits)
        if theme == "dark":
            window.find_element("id", "theme").click()
        find(window, "6")
        window.execute_script("scrollTo(0, 0); document.activeElement.blur()")
        drawn(window)
        window.save_screenshot(str(tmp_path / "seen.png"))
        assert wide(window) == 0
        assert violations(window) == []
        quiet(window, digits)
    as_documented(tmp_path / "seen.png", kept, size, theme)


def test_it_prints_in_light(desk, path) -> None:
    opened(desk, path)
    desk.execute_script("document.documentElement.dataset.theme = 'dark'")
    desk.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    desk.execute_script("dispatchEvent(new Event('beforeprint'))")
    drawn(desk)
    assert (np.median(pixels(desk).reshape(-1, 3), axis=0) == 255).all()
    assert not part(desk, "lasso").is_displayed()
    desk.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.slow
def test_a_hundred_thousand_points_are_all_there(desk, tmp_path) -> None:
    made = large()
    path = write(tmp_path / "large.html", map_page(made))
    desk.get_log("browser"), desk.get_log("performance")
    opened(desk, path)
    part(desk, "seen").click()
    assert part(desk, "told").text == "100,000 items chosen"
    find(desk, "77777")
    buttons = desk.find_elements("css selector", ".near button")
    assert [int(b.text.split()[1]) - 1 for b in buttons] == made.near[77776].tolist()
    quiet(desk, path)


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESK, TELEPHONE])
def test_maps_stand_in_the_page_of_results_each_for_itself(cache, made, tmp_path, size) -> None:
    board = build([linear(cache, "films", "net", 0.5), linear(cache, "films", "other", 0.4)])
    path = write(tmp_path / "page.html", page(board, cache, maps=[made, made]))
    with chromium(tmp_path / "chromium", *size) as window:
        opened(window, path)
        window.execute_script("document.querySelectorAll('[data-part=seen]')[1].click()")
        shown = [e.text for e in window.find_elements("css selector", "[data-part=told]")]
        assert shown == ["", f"{ITEMS} items chosen"]
        window.find_element("id", "theme").click()
        drawn(window)
        assert (np.median(pixels(window).reshape(-1, 3), axis=0) < 60).all()
        assert wide(window) == 0
        assert violations(window) == []
        quiet(window, path)


def test_values_independent_labels_and_no_labels_have_maps_too(desk, tmp_path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 4))
    y = (np.random.default_rng(1).random((30, 2)) < 0.5).astype(float)
    many = embedding_map(
        FeatureSet.from_arrays(x, y, classes=("mass", "node"), task="multilabel"), neighbours=4
    )
    ages = embedding_map(FeatureSet.from_arrays(x, np.arange(30) + 0.5, task="regression"))
    bare = embedding_map(FeatureSet.from_arrays(x))
    told = {}
    for name, of in (("many", many), ("ages", ages), ("bare", bare)):
        path = write(tmp_path / f"{name}.html", map_page(of))
        desk.get_log("browser"), desk.get_log("performance")
        opened(desk, path)
        find(desk, "3")
        part(desk, "seen").click()
        drawn(desk)
        told[name] = part(desk, "item").text
        assert part(desk, "told").text == "30 items chosen"
        assert (pixels(desk) != 255).any()
        assert violations(desk) == []
        quiet(desk, path)
    differ = (y[many.near[2]] != y[2]).any(1)
    assert told["many"].count("\nother label") == differ.sum()
    assert "10 nearest by features\n" in told["ages"]
    assert "label\n2.5" in told["ages"]
    assert "label" not in told["bare"]


def test_pictures_stand_beside_an_item_and_its_neighbours(desk, made, tmp_path) -> None:
    held = io.BytesIO()
    Image.new("L", (64, 64), 90).save(held, "JPEG")
    uri = f"data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}"
    some = {4: uri, int(made.near[4][1]): uri}
    path = write(tmp_path / "map.html", map_page(made, thumbnails=some))
    desk.get_log("browser"), desk.get_log("performance")
    opened(desk, path)
    find(desk, "5")
    images = "return [...document.querySelectorAll('[data-part=item] img')].map(i => i.alt)"
    assert desk.execute_script(images) == [
        f"Item {i + 1}, as the backbone sees it" for i in (4, int(made.near[4][1]))
    ]
    loaded = (
        "const done = arguments[0]; Promise.all([...document.querySelectorAll('[data-part=item] "
        "img')].map(i => i.decode().then(() => i.naturalWidth))).then(done)"
    )
    assert desk.execute_async_script(loaded) == [64, 64]
    quiet(desk, path)
