"""What an interpreter and a notebook show: one line each, of results a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import featprobe as fp
from featprobe.datasets.masks import Masks
from featprobe.evaluation.result_list import HEADS, MOST, Results
from featprobe.evaluation.results import Result
from featprobe.probes.registry import PROBES
from tests.support.cached import cached

EVIL = "<script>alert(1)</script>\n"


@pytest.fixture
def features() -> fp.FeatureSet:
    y = np.arange(60) % 2
    x = np.random.default_rng(0).normal(size=(60, 5)) + y[:, None]
    split = np.repeat(["train", "val", "test"], 20)
    return fp.FeatureSet.from_arrays(x, y, split=split, dataset=EVIL, backbone="net")


@pytest.fixture
def found(features: fp.FeatureSet) -> Results:
    return fp.evaluate(features, fp.KNNProbe(k=[1, 5, 20]), resamples=20)


def test_evaluate_gives_a_table_with_a_row_for_each_result(found: Results) -> None:
    assert isinstance(found, Results)
    heads, *rows = repr(found).splitlines()
    assert heads.split("  ")[0] == "data"
    assert len(rows) == 3
    for result, line in zip(found, rows):
        assert f"k={result.params['k']}" in line
        assert f"{result.metrics['auroc']:.3f} [{result.ci['auroc'][0]:.3f}, " in line
        assert (" *" in line) == result.selected


def test_a_notebook_shows_the_same_cells_with_markup_as_text(found: Results) -> None:
    page = found._repr_html_()
    assert page.count("<tr>") == 1 + len(found)
    assert [page.index(f"<th>{h}</th>") for h in HEADS] == sorted(
        page.index(f"<th>{h}</th>") for h in HEADS
    )
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\n" in page


def test_a_frame_has_a_row_for_each_metric_and_tells_settings_apart(found: Results) -> None:
    frame = found.to_frame()
    assert len(frame) == sum(len(r.metrics) for r in found)
    ranks = frame[frame.metric == "auroc"]
    assert ranks.setting.tolist() == ["k=1", "k=5", "k=20"]
    assert ranks.selected.tolist() == [r.selected for r in found]
    assert ranks.value.tolist() == [r.metrics["auroc"] for r in found]
    assert Results().to_frame().empty


def test_slices_and_sums_are_tables_too(found: Results) -> None:
    assert isinstance(found[0], Result)
    assert isinstance(found[1:], Results)
    assert isinstance(found + found, Results)
    assert len(found + list(found)) == 6
    assert repr(Results()) == "Results([])"
    many = Results(list(found) * MOST)
    assert repr(many).splitlines()[-1] == f"and {2 * MOST} more"


@pytest.mark.parametrize("protocol", [fp.FewShot(shots=(2,), tries=2), fp.CrossVal(3)])
def test_every_protocol_is_told(features: fp.FeatureSet, protocol: object) -> None:
    said = repr(fp.evaluate(features, "prototype", protocol, resamples=20))
    assert ("2 shots x 2" in said) or ("3 folds" in said)


def test_everything_that_a_reader_holds_is_one_short_line(
    features: fp.FeatureSet, found: Results, tiny_backbone: fp.Backbone, cache: Path
) -> None:
    pictures = np.zeros((4, 8, 8), np.uint8)
    data = fp.Dataset.from_arrays(pictures, [0, 1, 0, 1], name=EVIL)
    stored = cached(cache, {"cls": np.zeros((60, 5))}, np.arange(60) % 2)
    shown = [
        features, found[0], tiny_backbone, data, Masks.of([Path("a.png"), None]),
        fp.Training(epochs=3), stored, stored.store, fp.FewShot(), fp.Full(), fp.CrossVal(),
    ]  # fmt: skip
    for thing in shown:
        told = repr(thing)
        assert told.startswith(type(thing).__name__ + "(")
        assert told.isprintable()
        assert len(told) < 250 + len(str(cache))
        if hasattr(thing, "_repr_html_"):
            assert "<script>" not in thing._repr_html_()
    assert repr(fp.Training(epochs=3)) == "Training(epochs=3)"
    assert "items=4, task=multiclass, classes=2, groups=4" in repr(data)
    assert "weights=random" in repr(tiny_backbone)
    assert repr(Masks.of([Path("a.png"), None])).startswith("Masks(items=2, with_mask=1, ")


@pytest.mark.parametrize("name", PROBES.names())
def test_a_probe_says_what_was_changed_and_is_made_again_from_it(name: str) -> None:
    kind = type(PROBES.get(name)())
    assert len(repr(kind())) < 100
    first = next(iter(kind().get_params(deep=False)), None)
    made = kind()
    if first is not None and first != "probe":
        made.set_params(**{first: 0.125})
        assert repr(made) == f"{kind.__name__}({first}=0.125)"
    known = {type(PROBES.get(n)()).__name__: type(PROBES.get(n)()) for n in PROBES.names()}
    again = eval(repr(made), known)
    assert repr(again) == repr(made)
    assert str(again.get_params(deep=False)) == str(made.get_params(deep=False))
