"""Zero-shot classification against transformers' own models on the same pixels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

import featprobe as fp
from featprobe.backbones.text import text_tower
from featprobe.core.errors import InputError, MissingPath, UnknownName
from featprobe.evaluation import results
from featprobe.images.intensity import value_range
from featprobe.imagetext.prompts import Prompts, from_templates, read_prompts
from featprobe.imagetext.zeroshot import ZeroShot, class_embeddings, make_zero_shot, zero_shot
from tests.support.imagetext import LENGTH, image_text

LABELS = ("edema", "effusion")


@pytest.fixture
def films(class_folders, tmp_path):
    """Extract the films with a small model of a kind: (features, model, tokenizer, pixels)."""

    def make(kind: str, data=None):
        model = image_text(tmp_path / kind, kind)
        backbone = fp.load_backbone(tmp_path / kind)
        data = data or fp.load_dataset(class_folders)
        features = fp.extract(backbone, data, dtype="float32", workers=0, progress=False)
        pixels = torch.cat(
            [
                backbone.prepare(p.pixels, *value_range(p, data.recipe.intensity))
                for p in map(data.open, range(len(data)))
            ]
        )
        return features, model, AutoTokenizer.from_pretrained(tmp_path / kind), pixels

    return make


def logits(kind: str, model, words, pixels: torch.Tensor, texts: list[str]) -> torch.Tensor:
    """transformers' own logits per image (N, T)."""
    how = {"padding": "max_length", "max_length": LENGTH} if kind == "siglip" else {"padding": True}
    t = words(texts, return_tensors="pt", **how)
    ids = {"input_ids": t["input_ids"]}
    with torch.inference_mode():
        if kind == "siglip":
            return model(pixel_values=pixels, **ids).logits_per_image
        ids["attention_mask"] = t["attention_mask"]
        if kind == "blip":
            out = model(pixel_values=pixels, use_itm_head=False, **ids)
            return out.itm_score / 0.07
        return model(pixel_values=pixels, **ids).logits_per_image


@pytest.mark.parametrize("kind", ["clip", "siglip", "blip"])
def test_probabilities_are_transformers_softmax(kind: str, films, cache) -> None:
    features, model, words, pixels = films(kind)
    prompts = Prompts({"normal": ("a normal chest",), "sick": ("a sick chest",)}, {})
    result = zero_shot(features, prompts, resamples=20, cache=cache, save=True)
    kept = np.load(cache / "results" / "scores" / f"{result.id}.npz")
    expected = logits(kind, model, words, pixels, ["a normal chest", "a sick chest"]).softmax(1)
    rows = [features.ids.tolist().index(i) for i in kept["ids"]]
    np.testing.assert_allclose(kept["scores"][0], expected[rows].numpy(), atol=1e-5)
    assert expected[:, 0].std() > 1e-4
    accuracy = (expected[rows].argmax(1).numpy() == kept["y"]).mean()
    assert result.metrics["accuracy"] == pytest.approx(accuracy)


def two_labels(class_folders: Path, tmp_path: Path) -> fp.Dataset:
    """The films with two labels each, drawn apart from the pixels."""
    rng = np.random.default_rng(0)
    files = sorted(class_folders.rglob("*.png"))
    rows = [f"{f},{f.stem[:-2]},{a},{b}" for f, (a, b) in zip(files, rng.integers(0, 2, (40, 2)))]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["path,patient,edema,effusion", *rows]))
    return fp.load_dataset(path, root="/", label=LABELS)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_labels_are_scored_against_their_negatives(kind, films, class_folders, tmp_path, cache):
    """CheXzero's rule: softmax over the pair."""
    features, model, words, pixels = films(kind, two_labels(class_folders, tmp_path))
    prompts = from_templates(LABELS, ["{}"], ["no {}"])
    result = zero_shot(features, prompts, resamples=20, cache=cache, save=True)
    kept = np.load(cache / "results" / "scores" / f"{result.id}.npz")
    texts = ["edema", "no edema", "effusion", "no effusion"]
    pairs = logits(kind, model, words, pixels, texts).unflatten(1, (2, 2)).softmax(2)[..., 0]
    rows = [features.ids.tolist().index(i) for i in kept["ids"]]
    np.testing.assert_allclose(kept["scores"][0], pairs[rows].numpy(), atol=1e-5)
    assert result.task == "multilabel"
    if kind == "clip":  # the default is the same
        again = zero_shot(features, resamples=20)
        assert again.metrics == result.metrics
        assert again.params["prompts"]["edema"] == {"positive": ["edema"], "negative": ["no edema"]}


def test_a_sigmoid_model_scores_each_label_by_itself(films, class_folders, tmp_path, cache) -> None:
    features, model, words, pixels = films("siglip", two_labels(class_folders, tmp_path))
    result = zero_shot(features, resamples=20, cache=cache, save=True)
    kept = np.load(cache / "results" / "scores" / f"{result.id}.npz")
    expected = logits("siglip", model, words, pixels, list(LABELS)).sigmoid()
    rows = [features.ids.tolist().index(i) for i in kept["ids"]]
    np.testing.assert_allclose(kept["scores"][0], expected[rows].numpy(), atol=1e-5)
    assert result.params["bias"] == pytest.approx(model.logit_bias.item())


def test_templates_are_averaged_on_the_sphere(tmp_path: Path) -> None:
    """As CLIP's prompt ensembles: unit length, mean, unit length."""
    model = image_text(tmp_path, "clip")
    backbone = fp.load_backbone(tmp_path)
    tower = text_tower(backbone.origin, backbone.weights_sha256)
    prompts = from_templates(["normal", "sick"], ["a {} chest", "{} here", "{}"])
    words = AutoTokenizer.from_pretrained(tmp_path)
    for row, (name, texts) in zip(
        class_embeddings(tower, prompts.positive.values()), prompts.positive.items()
    ):
        t = words(list(texts), padding=True, return_tensors="pt")
        with torch.inference_mode():
            each = model.get_text_features(t["input_ids"], t["attention_mask"]).pooler_output
        mean = torch.nn.functional.normalize(each, dim=1).mean(0)
        np.testing.assert_allclose(row, (mean / mean.norm()).numpy(), atol=1e-6, err_msg=name)
        assert mean.norm() < 0.999  # so that the second normalisation matters


def test_the_result_stands_beside_those_of_trained_probes(films, cache) -> None:
    from featprobe.leaderboard.board import build

    features, *_ = films("clip")
    trained = fp.evaluate(features, "prototype", view="cls", resamples=20, cache=cache, save=True)[
        0
    ]
    result = zero_shot(features, resamples=20, cache=cache, save=True)
    assert (result.probe, result.protocol, result.view) == ("zeroshot", "full", "projection")
    assert result.split["digest"] == trained.split["digest"]
    assert result.sizes == trained.sizes | {"fit": 0}
    assert result.sizes["test_groups"] < 10
    assert np.isnan(result.ci["auroc"]).all()  # as of any probe with so few patients
    assert result.params["prompts"]["sick"] == {"positive": ["a medical image of sick"]}
    board = build(results.latest(results.read(cache)), "auroc")
    assert {row.result.probe for row in board} == {"prototype", "zeroshot"}
    assert len({(row.result.dataset, row.result.split["digest"]) for row in board}) == 1


def test_other_prompts_and_other_text_towers_are_another_cell(films, cache, tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    features, *_ = films("clip")

    def cells(template: str, checkpoint: Path | None = None) -> int:
        prompts = from_templates(features.classes, [template])
        place = str(checkpoint) if checkpoint else None
        zero_shot(features, prompts, checkpoint=place, resamples=20, cache=cache, save=True)
        return len(results.latest(results.read(cache)))

    assert [cells("{}"), cells("{}"), cells("a {} chest")] == [1, 1, 2]
    tuned = tmp_path / "tuned"  # with the image tower locked
    shutil.copytree(tmp_path / "clip", tuned)
    assert cells("{}", tuned) == 2
    state = load_file(tuned / "model.safetensors")
    state["text_projection.weight"] *= -1
    save_file(state, tuned / "model.safetensors", metadata={"format": "pt"})
    assert cells("{}", tuned) == 3


def test_a_label_without_positives_in_train_is_scored_by_its_texts(films, tmp_path, class_folders):
    """Trained probes score such a label 0.5; texts need no training."""
    rng = np.random.default_rng(1)
    files = sorted(class_folders.rglob("*.png"))
    part = ["train", "val", "test", "test"] * 10
    path = tmp_path / "official.csv"
    rows = [
        f"{f},{i},{rng.integers(2)},{i % 2 if p == 'test' else 0},{p}"
        for i, (f, p) in enumerate(zip(files, part))
    ]
    path.write_text("\n".join(["path,patient,edema,effusion,split", *rows]))
    features, *_ = films("clip", fp.load_dataset(path, root="/", label=LABELS))
    prompts = from_templates(LABELS, ["{}"], ["no {}"])
    only = {"edema": prompts.positive["edema"], "effusion": prompts.positive["edema"]}
    opposite = {"edema": prompts.negative["edema"], "effusion": prompts.negative["edema"]}
    same = zero_shot(features, Prompts(only, opposite), resamples=20)
    other = zero_shot(features, prompts, resamples=20)
    assert same.metrics["auroc"] != other.metrics["auroc"]


def test_volumes_are_the_mean_of_their_projections(tmp_path: Path, cache) -> None:
    import nibabel

    rng = np.random.default_rng(0)
    for label in ("normal", "sick"):
        (tmp_path / "scans" / label).mkdir(parents=True)
        for i in range(8):
            image = nibabel.Nifti1Image(rng.normal(size=(20, 24, 3)).astype("f4"), np.eye(4))
            image.to_filename(tmp_path / "scans" / label / f"{label}{i}.nii")
    image_text(tmp_path / "clip", "clip")
    backbone = fp.load_backbone(tmp_path / "clip")
    data = fp.load_dataset(tmp_path / "scans")
    features = fp.extract(backbone, data, dtype="float32", workers=0, progress=False)
    prompts = from_templates(features.classes, ["a {} chest"])
    result = zero_shot(features, prompts, resamples=20, cache=cache, save=True)
    kept = np.load(cache / "results" / "scores" / f"{result.id}.npz")
    tower = text_tower(backbone.origin, backbone.weights_sha256)
    x = features.frames("projection")[:, 0].reshape(16, 3, -1).mean(1)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    z = tower.scale * x @ tower.encode(["a normal chest", "a sick chest"]).T
    rows = [features.ids.tolist().index(i) for i in kept["ids"]]
    expected = torch.from_numpy(z).softmax(1).numpy()[rows]
    np.testing.assert_allclose(kept["scores"][0], expected, atol=1e-5)


def units(draw, rows: int, d: int) -> np.ndarray:
    x = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).normal(size=(rows, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@st.composite
def cases(draw):
    n, c, d = draw(st.integers(1, 6)), draw(st.integers(2, 5)), draw(st.integers(1, 8))
    labels = draw(st.booleans())
    negative = units(draw, c, d) if labels else None
    bias = draw(st.none() | st.floats(-20, 20))
    if labels and bias is not None:
        negative[draw(st.lists(st.integers(0, c - 1), max_size=c))] = np.nan
    scale = draw(st.floats(0.1, 120))
    return units(draw, n, d), ZeroShot(units(draw, c, d), negative, scale, bias, labels)


@settings(max_examples=100, deadline=None)
@given(cases(), st.randoms(use_true_random=False), st.floats(1e-3, 1e3))
def test_scores_are_probabilities_that_order_and_length_do_not_change(case, random, length) -> None:
    x, probe = case
    p = probe.score_candidates(x)[0]
    assert ((p >= 0) & (p <= 1)).all()
    if not probe.labels:
        np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_allclose(probe.score_candidates(x * length)[0], p, atol=1e-9)
    order = random.sample(range(p.shape[1]), p.shape[1])
    negative = None if probe.negative is None else probe.negative[order]
    turned = ZeroShot(probe.positive[order], negative, probe.scale, probe.bias, probe.labels)
    np.testing.assert_allclose(turned.score_candidates(x)[0], p[:, order], atol=1e-9)


MISTAKES = {
    "normal: [a]\nsik: [b]": "unknown class 'sik'. Did you mean 'sick'",
    "normal: [a]": "no prompts for class 'sick'",
    "normal: [a]\nsick: []": "sick: no text, or an empty one",
    "normal: [a]\nsick: ['  ']": "sick: no text, or an empty one",
    "normal: [a]\nsick:": "sick: no text, or an empty one",
    "normal: [a]\nsick: {negative: [b]}": "sick: no text, or an empty one",
    "normal: [a]\nsick: {positiv: [b]}": "sick: unknown 'positiv'. Did you mean 'positive'",
    "normal: [a]\nsick: [[b]]": "sick: a list of texts is wanted",
    "- a\n- b": "prompts are written 'class:",
    "a: [b": "not readable as YAML",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_prompts_file_that_does_not_fit_says_what_and_which(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_text(text)
    with pytest.raises((InputError, UnknownName)) as error:
        read_prompts(path, ("normal", "sick"))
    assert MISTAKES[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_classes_called_like_yaml_values_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_text("0: healthy\nno: {positive: [nothing], negative: [something, more]}\n")
    prompts = read_prompts(path, ("0", "no"))
    assert prompts.positive == {"0": ("healthy",), "no": ("nothing",)}
    assert prompts.negative == {"no": ("something", "more")}
    with pytest.raises(MissingPath, match="no such file"):
        read_prompts(tmp_path / "other.yaml", ("0", "no"))


def test_prompts_that_do_not_fit_the_task_are_refused(tmp_path: Path) -> None:
    image_text(tmp_path, "clip")
    backbone = fp.load_backbone(tmp_path)
    tower = text_tower(backbone.origin, backbone.weights_sha256)
    with pytest.raises(InputError, match="template 'a chest' has no {}"):
        from_templates(LABELS, ["a chest"])
    with pytest.raises(InputError, match="'edema' has negative prompts, .* exclude one another"):
        make_zero_shot(tower, from_templates(LABELS, ["{}"], ["no {}"]), "multiclass")
    with pytest.raises(InputError, match="label 'edema' has no negative prompts"):
        make_zero_shot(tower, from_templates(LABELS, ["{}"]), "multilabel")


def test_features_without_a_text_tower_are_refused_by_name(tiny_backbone, class_folders, tmp_path):
    features = fp.extract(tiny_backbone, fp.load_dataset(class_folders), progress=False)
    with pytest.raises(InputError, match="films / tiny-random0: no projection is stored"):
        zero_shot(features)
    image_text(tmp_path / "clip", "clip")
    random = fp.load_backbone(tmp_path / "clip")
    random.origin |= {"init": "random"}
    features = fp.extract(random, fp.load_dataset(class_folders), progress=False)
    with pytest.raises(InputError, match="films / clip: random weights"):
        zero_shot(features)
