"""featprobe predict"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.common import (
    batch_option,
    cache_option,
    device_option,
    json_option,
    label_options,
    note,
    open_dataset,
    quiet_option,
    workers_option,
)
from featprobe.cli.verb import Verb, options
from featprobe.core.spreadsheet import Writer

if TYPE_CHECKING:
    from featprobe.datasets.base import Dataset
    from featprobe.evaluation.predict import Predictions
    from featprobe.evaluation.score_predictions import PredictionScores
    from featprobe.probes.saving import FeatureSource


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe predict probe.safetensors --data ./new_xrays --out predicted.csv
  featprobe predict probe.safetensors --data new.csv --root ./images --json
  featprobe predict hippo.safetensors --data ./new_volumes --out ./masks
  featprobe predict head.safetensors --data followup.csv --label age --group patient
  featprobe predict probe.safetensors --data ./new --model ./my_vit --weights epoch_90.safetensors
""",
)
@click.argument("probe_file", type=click.Path(path_type=Path))
@click.option(
    "--data", required=True,
    help="Catalog name, folder, CSV manifest, MedMNIST npz, volume or DICOM file; labels or not.",
)  # fmt: skip
@click.option(
    "--root", type=click.Path(path_type=Path),
    help="Folder of a catalog data set, or of a manifest's paths.",
)  # fmt: skip
@click.option("--name", help="Name of the data set in the cache.")
@label_options
@click.option(
    "--group", default="auto", show_default=True,
    help="Patients: auto, none, folder, regex:PATTERN, or a manifest's column.",
)  # fmt: skip
@options(
    click.option("--path", metavar="COLUMN", help="Of a manifest's file paths."),
    click.option(
        "--option",
        "catalog_options",
        multiple=True,
        metavar="NAME=VALUE...",
        help="Of a catalog data set, see 'featprobe data show NAME'.",
    ),
    group="Data",
)
@click.option("--model", help="Where the backbone is now, if not where it was.")
@click.option(
    "--out", type=click.Path(path_type=Path),
    help="The CSV, or the folder of masks.  [default: standard output; DATA-masks]",
)  # fmt: skip
@options(
    click.option(
        "--weights", multiple=True, type=click.Path(path_type=Path), metavar="FILE...",
        help="Its checkpoint file, where it was loaded from one.",
    ),
    click.option("--revision", help="Of the hub id."),
    group="Backbone",
)  # fmt: skip
@options(
    click.option(
        "--probabilities", is_flag=True, help="Of a decoder: write those of classes beside masks."
    ),
    group="Output",
)  # fmt: skip
@device_option
@batch_option
@workers_option
@quiet_option
@cache_option
@json_option
def command(
    probe_file: Path, data: str, root: Path | None, name: str | None, model: str | None,
    weights: tuple[Path, ...], revision: str | None, out: Path | None, device: str,
    batch_size: int | None, workers: int | None, quiet: bool, cache: str | None, as_json: bool,
    probabilities: bool, **rest: Any,
) -> None:  # fmt: skip
    """Predict the classes or values of new images with a saved probe and its backbone.

    Takes probes of --save and the head.safetensors of a fine-tuning. Writes a table: id, a column
    of probabilities for each class, what is predicted; of a decoder of 'featprobe segment' the
    masks, on the grid of each image. The backbone, its preprocessing and how
    slices are cut are the probe's own; another one is refused. Where labels are known, metrics
    with intervals are told on standard error.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in extract
    how: dict[str, Any] = {
        "cache": cache, "device": device, "batch_size": batch_size, "workers": workers,
        "progress": False if quiet else "json" if as_json else True,
    }  # fmt: skip
    where: dict[str, Any] = {
        "model": model, "weights": weights, "revision": revision, "beside": probe_file.parent,
    }  # fmt: skip
    from featprobe.segmentation.saving import is_decoder, read_decoder

    if is_decoder(probe_file):
        from featprobe.cli.predict_masks import predict_masks
        from featprobe.evaluation.predict import reload_backbone

        decoder = read_decoder(probe_file)
        values = {**rest, "root": root, "name": name, **decoder.source.key["recipe"]}
        dataset, _ = opened(data, cache, values, "")
        backbone = reload_backbone(decoder.source, **where)
        predict_masks(decoder, dataset, backbone, out, probabilities, as_json, how)
        return
    from featprobe.probes.loading import read_saved

    saved = read_saved(probe_file)
    if probabilities:
        raise click.UsageError(f"--probabilities is of a decoder; {probe_file} is a probe")
    from featprobe.evaluation.predict import features_of, predict, reload_backbones

    source = features_of(saved, str(probe_file))
    values = {**rest, "root": root, "name": name}
    datasets, unread = _opened_for(source, data, cache, values)
    for text in unread:
        note(text)
    found = predict(saved, reload_backbones(source, **where), datasets, **how)
    for text in found.notes:
        note(text)
    if source.thresholds:
        line = ", ".join(f"{n} {t:.3g}" for n, t in source.thresholds.items())
        note(f"decisions at thresholds that were chosen on val: {line}")
    for text in _worth(found.judged):
        note(text)
    for item in found.left_out:
        note(f"left out: {item.id}: {item.reason}")
    if as_json:
        for i, scores, predicted in zip(found.ids, found.scores, found.predicted):
            row = {"id": str(i), "predicted": predicted}
            print(json.dumps(row | {"scores": dict(zip(found.classes, scores.tolist()))}))
        return
    if out is None:
        _write(found, sys.stdout)
        return
    with out.open("w", encoding="utf-8", newline="") as f:
        _write(found, f)
    print(f"wrote {out}: {len(found.ids)} items, {source.backbone}, {saved.probe.name}")


def _opened_for(
    source: FeatureSource, data: str, cache: str | None, given: dict[str, Any]
) -> tuple[dict[str, Dataset], list[str]]:
    """The data set as each part of the probe's features takes it, opened once for each recipe."""
    datasets: dict[str, Dataset] = {}
    notes: list[str] = []
    recipes: list[tuple[dict[str, Any], Dataset]] = []
    for name, part in (source.parts or {"": source}).items():
        recipe = part.key["recipe"]
        known = next((d for r, d in recipes if r == recipe), None)
        if known is None:
            known, said = opened(data, cache, {**given, **recipe}, source.task)
            recipes.append((recipe, known))
            notes += [text for text in said if text not in notes]
        datasets[name] = known
    return datasets, notes


def opened(
    data: str, cache: str | None, given: dict[str, Any], task: str
) -> tuple[Dataset, list[str]]:
    """The data set, with labels where they can be read, and what to say where they cannot.

    Labels that are asked for must be read; others are tried as they are, then as of the probe's
    ``task``.
    """
    from featprobe.core.errors import InputError

    if any(given[n] for n in ("label", "task", "separator", "uncertain", "missing")):
        return open_dataset(data, cache, {**given, "task": given["task"] or task}), []
    try:
        return open_dataset(data, cache, given), []
    except InputError as error:
        try:
            return open_dataset(data, cache, {**given, "task": task}), []
        except InputError:
            dataset = open_dataset(data, cache, {**given, "bare": True})
            return dataset, [f"labels are not read, so nothing is judged: {error}"]


def _worth(judged: PredictionScores | None) -> list[str]:
    """The metrics of labelled images, a line each."""
    if judged is None:
        return []
    lines = [f"labels are known of {judged.items} items of {judged.patients} patients:"]
    for name, value in judged.metrics.items():
        low, high = judged.ci.get(name, (math.nan, math.nan))
        within = f" [{low:.3f}, {high:.3f}]" if math.isfinite(low) else ""
        lines.append(f"  {name:24} {value:.3f}{within}")
    return lines + [f"  {text}" for text in judged.notes]


def _write(found: Predictions, file: object) -> None:
    writer = Writer(file)
    writer.writerow(["id", *found.classes, "predicted"])
    for i, scores, predicted in zip(found.ids, found.scores, found.predicted):
        writer.writerow([i, *(f"{p:.6g}" for p in scores), predicted])
