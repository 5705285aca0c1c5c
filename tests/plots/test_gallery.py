"""The gallery of the documentation is drawn by its own code, and looks as it did.

``FEATPROBE_DRAW_GALLERY=1`` draws it anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featprobe.plots as plots
from featprobe.plots.gallery import figures
from tests.figures.embedding.made import clusters
from tests.figures.made import kept, linear
from tests.plots.test_plots import assert_readable

DOCS = Path(__file__).parents[2] / "docs"
GALLERY = re.findall(r"(?s)```python\n(.*?)```(?:\s+!\[[^\]]*\]\((figures/[\w-]+\.png)\))?",
                     (DOCS / "report.md").read_text())  # fmt: skip


@pytest.mark.slow
def test_every_figure_of_the_gallery_is_drawn_by_the_code_above_it(study, tmp_path) -> None:
    _, cache = study
    features = clusters(600, width=4)
    sites = dict(zip(features.ids, ["Oslo", "Wien"] * 300))
    names: dict = {"cache": cache, "features": features, "sites": sites}
    drawn = 0
    for code, file in GALLERY:
        exec(compile(code, "docs/report.md", "exec"), names)
        if not file:
            continue
        assert_readable(names["ax"], file)
        path = plots.save(names["ax"], tmp_path / Path(file).name)
        if os.environ.get("FEATPROBE_DRAW_GALLERY"):
            small = Image.open(path).convert("RGB").quantize(64)
            small.save(DOCS / file, optimize=True)
        now, kept_ = (np.asarray(Image.open(p).convert("L"), float) for p in (path, DOCS / file))
        assert now.shape == kept_.shape, file
        assert np.abs(now - kept_).mean() < 4, f"{file} looks otherwise"  # of 255
        drawn += 1
    assert drawn == len(plots.__all__) - 1  # all but save


@pytest.mark.slow
def test_rank_figures_and_boxes_of_a_study_of_twelve_data_sets(cache) -> None:
    """As MED+ has them: models by three schemes on the sets of MedMNIST+."""
    schemes = (
        ("finetune", {"recipe": "full", "lr": 1e-4}),
        ("logistic", {"Cs": 0.1}),
        ("knn", {"k": 11}),
    )
    found = [
        kept(
            cache, f"set_{d:02d}_224", model, 0.25 + 0.05 * m + 0.03 * d - 0.05 * s, n=40,
            patients=40, probe=probe, params=params, searched=[],
        )
        for m, model in enumerate(("resnet18", "densenet121", "vit_b16", "clip", "dinov2"))
        for s, (probe, params) in enumerate(schemes) for d in range(12)
    ]  # fmt: skip
    for draw in (plots.critical_difference, plots.mean_ranks, plots.boxes, plots.win_matrix):
        assert_readable(draw(found), draw.__name__)
    assert len(plots.boxes(found).get_yticklabels()) == 15
    with pytest.raises(ValueError, match="no few-shot"):
        plots.few_shot(found)


def test_the_few_shot_figure_of_a_study_of_four_data_sets(cache) -> None:
    """As RAD has it: backbones by shots on each radiological data set."""
    models = ("dinov2", "dinov2_l", "clip", "openclip", "sam", "mae", "msn", "deit")
    found = [
        linear(
            cache, name, model, (0.05 + 0.02 * m) * (1 + np.log2(shots)), n=40, patients=40,
            protocol="fewshot", shots=shots, settings={"tries": 2}, tries=2, searched=[], params={},
        )
        for name in ("nih14", "chexpert") for m, model in enumerate(models)
        for shots in (1, 2, 4, 8, 16, 32, 64)
    ]  # fmt: skip
    drawn = [draw() for name, draw in figures(found, cache) if name.startswith("few-shot")]
    assert len(drawn) == 2
    for ax in drawn:
        assert_readable(ax)
        assert len(ax.get_legend().get_texts()) == 8
        assert len({(li.get_color(), li.get_marker()) for li in ax.lines[:8]}) == 8
