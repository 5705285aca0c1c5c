"""Every example of docs/extending.md runs as it stands, and mistakes at every door are one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featprobe as fp
from featprobe.core import plugins
from featprobe.core.errors import FeatprobeError, InputError, UnreadableItem
from featprobe.images import files
from featprobe.images.decoded_image import FrameRecipe
from featprobe.metrics.measures import compute
from featprobe.probes.base import Probe

DOC = Path(__file__).parents[2] / "docs" / "extending.md"
EXAMPLES = dict(
    re.findall(r"##+ ([^\n]*)\n(?:(?!\n#).)*?```python\n(.*?)```", DOC.read_text(), re.S)
)


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What a test registers is gone when it ends."""
    before = {kind: set(there) for kind, there in plugins._here.items()}
    yield
    for kind, there in plugins._here.items():
        for name in set(there) - before[kind]:
            plugins.forget(kind, name)


def test_there_is_an_example_of_every_kind() -> None:
    heads = " ".join(EXAMPLES).lower().replace("data set", "dataset")
    assert all(kind in heads for kind in plugins.HOMES)


@pytest.mark.slow
@pytest.mark.parametrize("head", EXAMPLES)
def test_the_example_runs(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLES[head], f"{DOC}: {head}", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out.strip()


def nothing(*_: Any) -> None:
    """A function that returns nothing."""


class Own(Probe):
    """A probe that does nothing."""


@pytest.mark.parametrize(
    ("kind", "name", "value", "facts", "said"),
    [
        ("prob", "a", Own, {}, "no plug-ins of kind 'prob'. Did you mean 'probe'?"),
        (["probe"], "a", Own, {}, "no plug-ins of kind"),
        ("probe", "", Own, {}, "under a name of letters"),
        ("probe", "a b", Own, {}, "under a name of letters"),
        ("probe", 3, Own, {}, "under a name of letters.* not 3"),
        ("probe", "a", nothing, {}, "expected a subclass of featprobe.probes.base.Probe, got func"),
        ("probe", "a", Own(), {}, "expected a subclass"),
        ("probe", "a", Own, {"label": "x"}, "no fact 'label'. There are: none"),
        ("recipe", "a", Own, {}, "expected a subclass of .*Recipe, got the class Own"),
        ("metric", "a", 3, {}, "expected a function, got int '3'"),
        ("metric", "a", lambda y: 0, {}, r"takes \(y\), expected \(y, p\)"),
        ("metric", "a", lambda y, p, q: 0, {}, r"takes \(y, p, q\), expected"),
        (
            "metric",
            "a",
            lambda y, p: 0,
            {"tasks": "multiclas"},
            "Did you mean 'multiclass",
        ),
        ("metric", "a", lambda y, p: 0, {"tasks": []}, "for which tasks"),
        ("metric", "a", lambda y, p: 0, {"low": "0"}, "low must be a number or null, not '0'"),
        ("metric", "a", lambda y, p: 0, {"low": 1, "high": 0}, "low=1 is not below high=0"),
        ("metric", "a", lambda y, p: 0, {"higher": "no"}, "higher must be true or false"),
        ("metric", "a", lambda y, p: 0, {"lable": "x"}, "no fact 'lable'. Did you mean 'label'?"),
        ("reader", "a", nothing, {}, "say which files it reads"),
        ("reader", "a", nothing, {"suffixes": ["png2"]}, "begins with a dot, unlike 'png2'"),
        ("reader", "a", nothing, {"suffixes": 3}, "suffixes must be a list of names"),
        ("reader", "a", nothing, {"suffixes": [".a"], "sniff": 3}, "sniff must be a function"),
        ("reader", "a", Own, {"suffixes": [".a"]}, "expected a function, got the class Own"),
        ("importer", "a", "file", {}, "expected a function, got str 'file'"),
        ("importer", "a", nothing, {"suffixes": ["a"]}, "begins with a dot"),
        ("backbone", "a", Own, {}, "expected a ModelSpec or a function"),
        ("backbone", "a", lambda size: 0, {}, "takes 'size', known: init, seed"),
        ("backbone", "a", lambda: 0, {"width": "8"}, "width must be a whole number, not '8'"),
        ("dataset", "a", np.zeros(3), {}, "expected a DatasetEntry or a function"),
        ("dataset", "a", lambda folder: 0, {}, r"takes \(folder\), known are \(\) and \(root\)"),
    ],
)
def test_what_cannot_be_registered_is_one_line(
    kind: Any, name: Any, value: Any, facts: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said) as told:
        fp.register(kind, name, **facts)(value)
    assert "\n" not in str(told.value)


def test_a_second_of_one_name_is_refused_and_the_same_again_is_not() -> None:
    def define() -> Any:
        @fp.register("metric", "twice")
        def twice(y, p):
            return 0.0

        return twice

    define()
    define()  # a cell that is run again
    with pytest.raises(InputError, match="two metrics are named 'twice': .*define.* and .*lambda"):
        fp.register("metric", "twice")(lambda y, p: 1.0)
    fp.register("probe", "knn")(Own)
    with pytest.raises(InputError, match="two probes are named 'knn', of featprobe and of .*Own"):
        fp.evaluate(fp.FeatureSet.from_arrays(np.eye(20), np.arange(20) % 2), "knn")


def test_what_a_plugin_returns_is_checked(tmp_path: Path) -> None:
    fp.register("backbone", "none")(lambda: None)
    with pytest.raises(InputError, match="must return a Backbone.*, not NoneType 'None'"):
        fp.load_backbone("none")
    with pytest.raises(InputError, match="backbone none .* has no seed: .* takes nothing"):
        fp.load_backbone("none", seed=3)
    fp.register("dataset", "none")(lambda: [1])
    with pytest.raises(InputError, match="must return a Dataset.*, not list"):
        fp.load_dataset("none")


@pytest.mark.parametrize(
    "came",
    [
        None, [[1, 2]], "x", np.array(["a"]), np.zeros(3), np.zeros((0, 3)),
        (np.zeros((2, 2, 2)), np.eye(3)), (np.zeros((2, 2)), np.eye(4)), np.full((2, 2), np.nan),
        np.zeros((2, 2, 2, 2, 2)),
    ],
)  # fmt: skip
def test_what_a_reader_returns_is_checked(came: Any, tmp_path: Path) -> None:
    fp.register("reader", "odd", suffixes=[".odd"])(lambda path: came)
    path = tmp_path / "a.odd"
    path.write_bytes(b"1")
    with pytest.raises(UnreadableItem) as told:
        files.read([path], FrameRecipe())
    assert "a.odd" in str(told.value)
    assert "\n" not in str(told.value)


def test_files_that_two_readers_claim_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    path.write_bytes(b"1")
    assert files.kind_of(path) == "itk"
    fp.register("reader", "seg", suffixes=[".seg.nrrd"])(nothing)
    assert files.kind_of(path) == "seg"  # the longer suffix
    fp.register("reader", "other", suffixes=[".SEG.nrrd"])(lambda path: 0)
    with pytest.raises(InputError, match="claimed by reader seg .* and by reader other"):
        files.kind_of(path)
    fp.register("reader", "png", suffixes=[".png"])(lambda path: 1)
    with pytest.raises(InputError, match="claimed by featprobe and by reader png"):
        files.kind_of(tmp_path / "a.png")


def test_a_reader_may_know_its_files_by_their_content(tmp_path: Path) -> None:
    def sniff(path: Path) -> bool:
        return path.read_bytes()[:4] == b"MINE"

    fp.register("reader", "mine", sniff=sniff)(lambda path: np.ones((2, 2)))
    (tmp_path / "IM0001").write_bytes(b"MINE")
    (tmp_path / "IM0002").write_bytes(b"OTHER")
    assert files.kind_of(tmp_path / "IM0001") == "mine"
    assert files.kind_of(tmp_path / "IM0002") is None


@pytest.mark.parametrize("came", [None, "x", [0.5, 1], np.zeros(2), {}])
def test_a_metric_that_gives_no_number_is_nan_and_said(came: Any) -> None:
    fp.register("metric", f"odd{type(came).__name__}")(lambda y, p: came)
    name = f"odd{type(came).__name__}"
    y = np.arange(20) % 2
    with pytest.warns(UserWarning, match=f"metric {name} .* fails: .*; the rest goes on"):
        found = compute("multiclass", y, np.eye(2)[y])
    assert np.isnan(found[name]).all()
    assert found["accuracy"] == 1


def test_a_metric_without_weights_has_no_interval_and_says_so() -> None:
    @fp.register("metric", "unweighted")
    def unweighted(y, p):
        return float((p.argmax(1) == y).mean())

    rng = np.random.default_rng(0)
    y = np.arange(90) % 2
    result = fp.evaluate(
        fp.FeatureSet.from_arrays(rng.normal(size=(90, 3)) + y[:, None], y), "ridge"
    )
    assert result[0].metrics["unweighted"] == result[0].metrics["accuracy"]
    assert np.isnan(result[0].ci["unweighted"]).all()
    assert any(
        "no interval of unweighted: the function takes no weights" in n for n in result[0].notes
    )


SHORT = st.text(max_size=2)
BAD = st.one_of(
    st.none(), st.text(max_size=5), st.integers(), st.floats(), st.lists(SHORT, max_size=3),
    st.lists(st.floats(), max_size=3), st.dictionaries(SHORT, st.integers(), max_size=2),
)  # fmt: skip


@given(value=BAD, groups=BAD)
def test_whatever_is_given_at_a_door_is_taken_or_told_in_one_line(value: Any, groups: Any) -> None:
    x, said = np.zeros((4, 6, 5), np.uint8), []
    for door in (
        lambda: fp.Dataset.from_arrays(value),
        lambda: fp.Dataset.from_arrays(x, value, groups=groups),
        lambda: fp.Dataset.from_arrays(x, [0, 1, 0, 1], split=value),
        lambda: fp.Dataset.from_files(value),
        lambda: fp.FeatureSet.from_arrays(value),
        lambda: fp.FeatureSet.from_arrays(np.ones((4, 3)), value, groups=groups),
        lambda: fp.Backbone.from_module(value, value, groups),
        lambda: fp.register("metric", "any", label=value)(lambda y, p: 0),
        lambda: fp.register("reader", "any", suffixes=value)(nothing),
    ):
        try:
            door()
        except FeatprobeError as error:
            said.append(str(error))
        finally:
            plugins.forget("metric", "any")
            plugins.forget("reader", "any")
    assert all(text and "\n" not in text for text in said)
