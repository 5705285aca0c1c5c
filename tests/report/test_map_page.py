"""The page of a map: what is in it, what is not, and that its numbers are those of the map."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest

from featprobe.figures.embedding.columns import Column
from featprobe.figures.embedding.embedding_map import embedding_map
from featprobe.report.map_page import map_page
from tests.figures.embedding.made import clusters, large
from tests.plots.test_plots import HOSTILE
from tests.report.test_page import KNOWN, Reader

MORE = {"form", "canvas", "aside"}


def held(text: str) -> dict:
    """The JSON of the map in a page."""
    found = re.search(r'(?s)<script type="application/json" data-part="data">(.*?)</script>', text)
    return json.loads(found[1])


def unpacked(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.dtype(kind).newbyteorder("<"))


def test_it_asks_for_nothing_and_says_what_it_does_not_show() -> None:
    text = map_page(embedding_map(clusters(), ["pca", "tsne"]))
    read = Reader(text)
    assert {t for t, _ in read.elements} <= KNOWN | MORE
    for tag, attributes in read.elements:
        assert not {"src", "srcset", "action", "data", "xlink:href"} & attributes.keys(), tag
        assert attributes.get("href", "#").startswith("#")
        assert not [a for a in attributes if a.startswith("on")]
    policy = next(a["content"] for t, a in read.elements if a.get("http-equiv"))
    assert re.fullmatch(
        r"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-[\w+/=]+'"
        r"; form-action 'none'; base-uri 'none'",
        policy,
    )
    assert len(read.scripts) == 2
    assert "distances between clusters" in text
    said = [layout["said"] for layout in held(text)["layouts"]]
    assert all("Trustworthiness 0." in s and "nearest on the map" in s for s in said)
    assert "of the variance is on the map" in said[0]


def test_its_numbers_are_those_of_the_map() -> None:
    features = clusters(60)
    ages = {i: str(20 + k) for k, i in enumerate(features.ids[:50])}
    made = embedding_map(features, ["pca", "tsne"], colours={"age": ages}, neighbours=4)
    of = held(map_page(made))
    assert (of["n"], of["k"], of["ids"], of["numbers"]) == (60, 4, None, None)
    frame = made.to_frame()
    for layout, name in zip(of["layouts"], ("pca", "tsne")):
        xy = unpacked(layout["xy"], "f4").reshape(-1, 2)
        np.testing.assert_array_equal(xy, frame[[f"{name}_x", f"{name}_y"]])
    np.testing.assert_array_equal(unpacked(of["near"], "u4").reshape(-1, 4), made.near)
    label, split, patient, age = of["columns"]
    names = [label["names"][c] for c in unpacked(label["codes"], "u1")]
    assert names == frame["label"].tolist()
    assert [split["names"][c] for c in unpacked(split["codes"], "u1")] == frame["split"].tolist()
    assert "names" not in patient
    assert patient["count"] == 20
    np.testing.assert_array_equal(unpacked(patient["codes"], "u1"), np.arange(60) // 3)
    np.testing.assert_array_equal(unpacked(age["values"], "f4"), frame["age"].astype("f4"))
    drawn = embedding_map(features, sample=10)
    np.testing.assert_array_equal(
        unpacked(held(map_page(drawn))["numbers"], "u4"), drawn.to_frame()["number"]
    )


def test_no_patient_and_no_item_is_named_unless_it_is_asked_for() -> None:
    features = clusters(60, classes=("benign", "of film-0004", "Doe^Jane 3"))
    who = dict(zip(features.ids, features.groups))
    made = embedding_map(features, colours={"who": who})
    text = map_page(made)
    for name in {*features.ids.tolist(), *features.groups.tolist()}:
        assert name not in text, name
    assert "Doe" not in text
    assert "holds no name of a patient" in text
    open_ = map_page(made, ids=True)
    assert held(open_)["ids"] == features.ids.tolist()
    assert held(open_)["columns"][2]["names"][1] == "Doe^Jane 1"
    assert "holds no name" not in open_


def test_pictures_are_there_alone_where_they_are_given() -> None:
    made = embedding_map(clusters(12))
    assert "data:image" not in map_page(made)
    text = map_page(made, thumbnails={3: "data:image/jpeg;base64,AAAA"})
    assert held(text)["thumbs"] == {"3": "data:image/jpeg;base64,AAAA"}
    assert "; img-src data:; " in text
    assert "1 of 12 items have a picture (0.0 MB): these are patient images" in text


def test_names_of_any_kind_are_text() -> None:
    n = 60
    features = clusters(
        n, classes=HOSTILE[:5], ids=[f"{HOSTILE[i % 6]} {i}" for i in range(n)],
        dataset=HOSTILE[0], backbone=HOSTILE[1],
    )  # fmt: skip
    sites = {i: HOSTILE[k % 6] for k, i in enumerate(features.ids)}
    made = embedding_map(features, colours={HOSTILE[0]: sites})
    text = map_page(made, ids=True)
    read = Reader(text)
    assert {t for t, _ in read.elements} <= KNOWN | MORE
    assert len(read.scripts) == 2
    of = held(text)
    assert "<script>alert(1)</script>" in of["columns"][0]["names"]
    every = [*of["ids"], *(x for c in of["columns"] for x in (c["name"], *c.get("names", ())))]
    assert not any("\n" in s or "\u202e" in s for s in every)


@pytest.mark.parametrize("classes", [3, 254, 255, 256, 65_535])
def test_codes_take_as_many_bytes_as_they_need(classes) -> None:
    made = large(70_000, k=0, classes=2)
    codes = np.arange(70_000) % classes
    codes[5] = -1
    made.columns[:] = [Column("site", codes, tuple(f"s{i}" for i in range(classes)))]
    (column,) = held(map_page(made))["columns"]
    size = column["size"]
    assert size == (1 if classes < 255 else 2 if classes < 65_535 else 4)
    found = unpacked(column["codes"], f"u{size}").astype(int)
    np.testing.assert_array_equal(np.where(found == 2 ** (8 * size) - 1, -1, found), codes)


def test_a_map_of_a_hundred_thousand_items_is_of_a_bounded_size() -> None:
    text = map_page(large())
    assert len(text.encode()) < 9e6
    assert len(map_page(large(k=0)).encode()) < 3e6
