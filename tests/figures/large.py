"""Results of the shape of a large benchmark, without scores."""

from __future__ import annotations

import numpy as np

from featprobe.evaluation.results import Result
from tests.evaluation.test_results import result

METRICS = ("auroc", "accuracy", "balanced_accuracy", "f1", "ap", "kappa", "sens_at_95spec",
           "spec_at_95sens", "ece", "brier")  # fmt: skip
PROBES = (("knn", {"k": 20}), ("logistic", {"Cs": 0.1}), ("ridge", {}), ("mlp", {}))


def benchmark(models: int = 50, sets: int = 12, seeds: int = 3) -> list[Result]:
    """Every model on every data set by four probes, with intervals, classes and provenance."""
    rng = np.random.default_rng(0)
    out = []
    names = [f"{n}:{c}" for n in ("auroc", "f1") for c in ("normal", "benign", "malignant")]
    for m in range(models):
        weights = f"{m:064x}"
        for d in range(sets):
            for probe, params in PROBES:
                for seed in range(seeds):
                    level = 0.6 + 0.25 * m / models + 0.01 * d
                    found = {n: float(rng.normal(level, 0.03)) for n in (*METRICS, *names)}
                    out.append(
                        result(
                            dataset=f"dataset_{d:02d}", backbone=f"backbone_{m:02d}_vitb14",
                            probe=probe, params=params, metrics=found,
                            ci={n: (v - 0.04, v + 0.03) for n, v in found.items()},
                            chance=dict.fromkeys(found, 0.5), settings={"seed": seed}, seconds=1.5,
                            split={"origin": "made here: 60/20/20", "grouping": "PatientID",
                                   "seed": seed, "digest": f"{d:08x}{seed:08x}"},
                            labels=f"{d:064x}", key=f"{m:032x}{d:032x}", classes=3,
                            class_sizes={"normal": {"items": 100, "patients": 80}},
                            provenance={
                                "key": {"weights": weights, "precision": "float32",
                                        "dtype": "float16",
                                        "preprocess": {"resize": [256, 256], "crop": [224, 224]}},
                                "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
                            },
                            ci_method=dict.fromkeys(METRICS, "Wilson score"),
                        )
                    )  # fmt: skip
    return out
