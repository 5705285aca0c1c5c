"""What presets of studies look at: every preset against every kind of backbone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from featprobe.backbones.catalog import CATALOG
from featprobe.backbones.offer import Offer
from featprobe.core.errors import InputError
from featprobe.evaluation.evaluate import evaluate, make_probe, request
from featprobe.features.feature_set import FeatureSet
from featprobe.features.wanted import STUDIES, outputs_of
from featprobe.finetuning.request import request as training_request
from featprobe.finetuning.studies import STUDIES as TUNED
from featprobe.finetuning.studies import study
from featprobe.probes.presets import PRESETS, preset
from featprobe.segmentation.decoder_configs import decoder_configs

# kind: outputs with their blocks, and the one that its classifier sees, where it says so
KINDS = {
    "vit": ({"cls": 12, "mean": 12, "tokens": 12}, "cls"),
    "vit with logits": ({"cls": 12, "mean": 12, "tokens": 12, "logits": 1}, "cls"),
    "vit, mean pooled": ({"cls": 12, "mean": 12, "tokens": 12, "logits": 1}, "mean"),
    "vit of two blocks": ({"cls": 2, "mean": 2, "tokens": 2}, "cls"),
    "vit without cls": ({"mean": 12, "tokens": 12}, ""),
    "cnn": ({"mean": 1, "tokens": 4, "logits": 1}, ""),
    "cnn of layers": ({"mean": 1, "tokens": 1, "prelogits": 1, "logits": 1}, "prelogits"),
    "swin": ({"mean": 1, "tokens": 1, "logits": 1}, ""),
    "stages with cls": ({"cls": 1, "mean": 1, "tokens": 1, "logits": 1}, ""),
    "sam": ({"mean": 12, "tokens": 12, "neck": 1}, ""),
    "seem": ({"mean": 1, "tokens": 1}, ""),
    "clip": ({"cls": 12, "mean": 12, "tokens": 12, "projection": 1}, "cls"),
    "clip of resnet": ({"mean": 1, "tokens": 1, "projection": 1}, ""),
    "siglip": ({"mean": 12, "tokens": 12, "projection": 1}, ""),
    "logits only": ({"logits": 1}, ""),
}  # fmt: skip
HEADS = ("cls", "cls+mean", "cls:4", "cls:4+mean")
CLS = {
    "vit": "cls", "vit with logits": "cls", "vit, mean pooled": "cls", "vit of two blocks": "cls",
    "vit without cls": "mean", "cnn": "mean", "cnn of layers": "prelogits", "swin": "mean",
    "stages with cls": "cls", "sam": "mean", "seem": "mean", "clip": "cls",
    "clip of resnet": "projection", "siglip": "projection", "logits only": "logits",
}  # fmt: skip
SWEEP = CLS | dict.fromkeys(("vit", "vit with logits", "vit, mean pooled", "clip"), HEADS)
FREEZE = CLS | {"vit with logits": "logits", "vit, mean pooled": "logits"}
REFUSED = ("vit", "vit of two blocks", "clip")  # transformers without ImageNet classes
# study: kind -> view or views, None where it has none
TABLE = {
    "dinov2": CLS,
    "dinov2-linear": SWEEP,
    "rad": CLS,
    "rad-linear": SWEEP,
    "wacv": CLS | {"clip": "projection"},
    "medmnist": CLS | {"sam": "neck", "vit, mean pooled": "mean"},
    "freeze": FREEZE | dict.fromkeys((*REFUSED, "stages with cls"), None)
    | {"stages with cls": "logits"},
    "freeze-tuned": FREEZE | {"stages with cls": "logits"},
}  # fmt: skip


def offer(kind: str) -> Offer:
    return Offer.of(kind, *KINDS[kind])


def features(kind: str, only: tuple[str, ...] = (), labels: bool = False) -> FeatureSet:
    """Random features of a kind of backbone, all of them stored or some."""
    draw = np.random.default_rng(0)
    blocks, own = KINDS[kind]
    y = np.arange(60) % 2
    stored = {n: b for n, b in blocks.items() if n != "tokens" and (not only or n in only)}
    x = {n: draw.normal(size=(60, b, 4)) + y[:, None, None] for n, b in stored.items()}
    targets = np.stack([y, 1 - y], 1) if labels else y
    made = FeatureSet.from_arrays(x, targets, split=["train", "val", "test"] * 20)
    made.provenance.update(outputs=blocks, pooled=own)
    return made


def presets() -> list[str]:
    return sorted(PRESETS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TABLE)
def test_a_study_has_its_view_of_every_kind_of_backbone(name: str, kind: str) -> None:
    expected = TABLE[name][kind]
    wanted = STUDIES[name]
    if expected is None:
        with pytest.raises(InputError, match=r"freeze reads logits.*--features cls"):
            wanted.of(offer(kind))
    else:
        views = (expected,) if isinstance(expected, str) else expected
        assert wanted.of(offer(kind)) == views


def test_the_table_has_every_study_and_every_preset_a_study() -> None:
    assert set(TABLE) | {"freeze-cnn"} == set(STUDIES)
    for made in PRESETS.values():
        for each in (made, *made.variants):
            assert each.views in STUDIES.values()
    assert {study(n).views for n in TUNED} == {"", "wacv", "medmnist", "freeze-tuned"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", presets())
def test_every_preset_of_a_probe_runs_on_every_kind_and_keeps_the_view(
    name: str, kind: str
) -> None:
    """A fit of each, short: the view that it came to is in the result."""
    x = features(kind, labels=name == "rad-knn")
    made = preset(name).on(x)
    served = made.views.served(offer(kind))
    short = {"iterations": 2} if "iterations" in made.params else {}
    short |= {"epochs": 1} if "epochs" in made.params else {}
    short |= {"Cs": (1.0,)} if "Cs" in made.params else {}
    short |= {"k": (3,)} if "k" in made.params else {}
    probe = make_probe(made.probe, **{**made.params, **short})
    how = {"view": made.views, "resamples": 10, **made.how}
    if not served:
        assert name == "freeze"
        with pytest.raises(InputError, match="--features cls"):
            evaluate(x, probe, **how)
        return
    (row,) = (r for r in evaluate(x, probe, **how) if r.selected)
    assert row.view in served
    assert row.request == request(x, probe, **{**how, "view": list(served)})


def test_labels_are_ml_knn_and_classes_a_vote_in_rad() -> None:
    assert preset("rad-knn").on(features("cnn", labels=True)).probe == "mlknn"
    assert preset("rad-knn").on(features("cnn")).probe == "knn"


def test_freeze_is_a_hidden_layer_on_logits_and_a_linear_layer_on_a_cnn() -> None:
    assert preset("freeze").on(features("vit with logits")).probe == "mlp"
    assert preset("freeze").on(features("cnn")).probe == "sgd"
    assert preset("freeze").on(features("cnn")).views.of(offer("cnn")) == ("mean",)


@pytest.mark.parametrize(
    ("name", "kind", "view"),
    [("wacv", "clip", "projection"), ("wacv", "sam", "mean"), ("medmnist", "sam", "neck"),
     ("medmnist", "siglip", "projection"), ("freeze", "cnn", "mean"), ("freeze", "vit", "cls"),
     ("freeze", "vit with logits", "logits"), ("rad-full", "vit", None)],
)  # fmt: skip
def test_a_trained_head_sees_what_its_study_does(name: str, kind: str, view: str | None) -> None:
    asked = training_request(preset=name)
    backbone: Any = SimpleNamespace(offer=offer(kind))
    assert asked.on(backbone).training.view == view
    given = training_request(preset=name, given={"view": "mean"})
    assert given.on(backbone).training.view == "mean"


@pytest.mark.parametrize(("blocks", "widths"), [(12, (64, 32, 16, 16)), (4, (32, 16, 16))])
def test_a_preset_of_masks_takes_the_blocks_that_there_are(blocks: int, widths: tuple) -> None:
    (asked,) = decoder_configs((), "rad-seg-unet", {})
    made = FeatureSet.from_arrays(np.ones((4, 3)))
    made.provenance.update(outputs={"tokens": blocks})
    found = asked.on(made).decoder
    assert (found.takes, found.to_dict()["widths"]) == (min(5, blocks), list(widths))


def test_one_block_of_tokens_is_for_another_preset() -> None:
    made = FeatureSet.from_arrays(np.ones((4, 3)))
    made.provenance.update(outputs={"tokens": 1})
    (asked,) = decoder_configs((), "rad-seg-unet", {})
    with pytest.raises(InputError, match="use --preset rad-seg-linear"):
        asked.on(made)
    (linear,) = decoder_configs((), "rad-seg-linear", {})
    assert linear.on(made) is linear
    (chosen,) = decoder_configs((), "rad-seg-unet", {"blocks": 3, "widths": (8, 8)})
    assert chosen.on(made) is chosen  # asked for by name, so it is not changed


def test_what_the_backbone_has_and_the_store_lacks_is_asked_for() -> None:
    """No preset falls back on what happens to be stored."""
    lacking = features("vit", only=("mean",))
    with pytest.raises(
        InputError, match=r"reads cls or .* cls of it is not stored.*--features cls:4 mean:12"
    ):
        evaluate(lacking, "knn", view=STUDIES["rad-linear"])
    with pytest.raises(InputError, match="neck of it is not stored.*--features neck mean:12"):
        evaluate(features("sam", only=("mean",)), "knn", view=STUDIES["medmnist"])


def test_stores_that_do_not_say_what_there_was_are_taken_by_what_they_hold() -> None:
    made = FeatureSet.from_arrays(np.ones((4, 3)), [0, 1, 0, 1])
    assert STUDIES["rad-linear"].stored(made) == ("features",)


def test_outputs_that_views_need() -> None:
    assert outputs_of(HEADS) == {"cls": 4, "mean": 1}


@pytest.mark.parametrize("name", [n for n in TABLE if n != "freeze"])
def test_every_entry_of_the_catalog_is_served(name: str) -> None:
    for spec in CATALOG.values():
        blocks = {n: spec.blocks if n in ("cls", "mean", "tokens") else 1 for n in spec.outputs}
        assert STUDIES[name].of(Offer.of(spec.name, blocks))
