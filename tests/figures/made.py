"""Results of the shape of whole studies, some with kept scores, all made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from featprobe.evaluation import results
from featprobe.evaluation.results import Result
from featprobe.metrics import measures as metrics
from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.intervals import intervals
from featprobe.stats.resampling import bootstrap
from tests.evaluation.test_results import result


def kept(
    cache: Path, dataset: str, backbone: str, gain: float, *, seed: int = 0, n: int = 120,
    patients: int = 60, classes: tuple[str, ...] = ("no", "yes"), tries: int = 1,
    task: str = "multiclass", group: str = "p", **changes,
) -> Result:  # fmt: skip
    """A result with metrics, intervals and kept scores that follow the truth by ``gain``."""
    shared = np.random.default_rng([*dataset.encode(), seed])
    k = len(classes)
    ids = np.array([f"i{i:04d}" for i in range(n)])
    groups = np.array([f"{group}{i % patients:03d}" for i in range(n)])
    rng = np.random.default_rng([seed, *dataset.encode(), *backbone.encode()])
    if task == "multilabel":
        y = shared.integers(0, 2, (n, k)).astype(float)
        p = 1 / (1 + np.exp(-gain * (2 * y - 1) - rng.normal(size=(tries, n, k))))
    else:
        y = shared.permutation(np.arange(n) % k)
        logit = (
            gain * np.eye(k)[y]
            + rng.normal(size=(tries, n, k)) / 2
            + shared.normal(size=(n, k)) / 2
        )
        p = np.exp(logit) / np.exp(logit).sum(2, keepdims=True)
    scored = ItemScores(task, ids, y, groups, list(p), None, classes)
    values = scored.mean()
    boot = bootstrap(scored, resamples=60, seed=seed)
    found = intervals(scored, values, boot)
    sizes = {"train": 300, "val": 100, "test": n, "test_groups": patients, "fit": 400}
    settings = {"seed": seed} | changes.pop("settings", {})
    split = {"origin": "made here", "grouping": "PatientID", "seed": seed,
             "digest": f"{dataset}-{seed}"}  # fmt: skip
    made = result(
        dataset=dataset, backbone=backbone, metrics=values, ci=found.ci, ci_method=found.method,
        chance=metrics.chance(task, y, k, classes), task=task, classes=k, sizes=sizes,
        settings=settings, split=split, labels=f"labels-{dataset}",
        seconds=round(0.2 + gain, 3),
        class_sizes={c: {"items": n // k, "patients": patients // k} for c in classes}, **changes,
    )  # fmt: skip
    results.append(cache, made, ids=ids, y=y, groups=groups, scores=p, classes=classes)
    return made


def linear(cache: Path, dataset: str, backbone: str, gain: float, **changes) -> Result:
    more = {"probe": "logistic", "params": {"Cs": 0.1}, "searched": ["Cs"]}
    return kept(cache, dataset, backbone, gain, **{**more, **changes})


def studies(cache: Path, sets: int = 4) -> list[Result]:
    """Four backbones on some data sets: linear and kNN, few-shot, parts of train, fine-tunings."""
    gains = {"dino": 1.0, "mae": 0.9, "resnet": 0.7, "random": 0.1}
    made = []
    for d, name in enumerate(["films", "fundus", "slides", "skin", "ct", "mr"][:sets]):
        classes = ("benign", "malignant", "unclear") if name == "skin" else ("no", "yes")
        for backbone, gain in gains.items():
            gain = gain + 0.15 * d
            of = {"classes": classes, "random": backbone == "random"}
            made.append(linear(cache, name, backbone, gain, **of))
            made.append(kept(cache, name, backbone, 0.9 * gain, **of))
        for backbone in ("dino", "resnet"):
            history = [
                {
                    "step": 10 * e,
                    "loss": 0.7 / e ** gains[backbone] + 0.02 * d,
                    "val": 0.9 - 0.3 / e,
                }
                for e in range(1, 9)
            ]
            cost = {"trainable": 2e6, "parameters": 2.2e7, "seconds": 90.0, "peak_memory": 2e9,
                    "images_per_second": 50.0}  # fmt: skip
            made.append(
                kept(
                    cache, name, backbone, 1.1 * gains[backbone] + 0.15 * d, classes=classes,
                    probe="finetune", params={"recipe": "full", "lr": 1e-4}, cost=cost, searched=[],
                    provenance={"history": history},
                )
            )  # fmt: skip
    for backbone in ("dino", "resnet", "random"):
        for shots in (1, 2, 4, 8, 16):
            gain = 0.6 * gains[backbone] * (0.3 + 0.17 * np.log2(shots))
            made.append(
                linear(
                    cache, "films", backbone, gain, tries=3, protocol="fewshot", shots=shots,
                    settings={"tries": 3}, searched=[], params={},
                )
            )  # fmt: skip
        for share in (0.01, 0.1, 0.5):
            gain = gains[backbone] * (1 + 0.2 * np.log10(share))
            made.append(linear(cache, "films", backbone, gain, settings={"subset": share}))
        for view in ("cls:2", "cls:4"):
            made.append(linear(cache, "films", backbone, gains[backbone] * 1.1, view=view))
    ci = made[0].ci["auroc"]
    made[0].subgroups = {
        "column": "sex", "without": 0, "metric": "auroc", "worst": "F",
        "values": {
            s: {"units": 60, "patients": 30, "metrics": {"auroc": v}, "ci": {"auroc": ci},
                "notes": []} for s, v in (("F", 0.82), ("M", 0.88))
        },
    }  # fmt: skip
    results.amend(cache, made[0])
    return made
