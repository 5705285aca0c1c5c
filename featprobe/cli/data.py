"""featprobe data"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.audit_text import print_audit
from featprobe.cli.common import (
    cache_option,
    choice_of_labels,
    json_option,
    label_options,
    loading_options,
    note,
    open_dataset,
    split_version_option,
)
from featprobe.cli.verb import Verbs, options

if TYPE_CHECKING:
    from featprobe.datasets.audit import Audit


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    epilog="""\b
Examples:
  featprobe data
  featprobe data show phantom_cxr
  featprobe data check ./chest_xrays
  featprobe data split ./chest_xrays --out split.csv --seed 1
  featprobe data relabel chest_xrays --targets new.csv --id file --label finding
""",
)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the data sets that have a name, show, check and split any. Folders need no name."""
    if ctx.invoked_subcommand:
        return
    from featprobe.datasets.load import CATALOG

    entries = [entry.to_dict() for entry in CATALOG.all().values()]
    if as_json:
        print(json.dumps(entries))
        return
    line = "{:24} {:11} {:>7}  {}"
    print(line.format("name", "task", "items", "title"))
    for e in entries:
        print(line.format(e["name"], e["task"] or "-", e["items"] or "-", e["title"]))


@command.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one data set: task, classes, split, licence, and how to lay its files out."""
    from featprobe.datasets.load import CATALOG

    entry = CATALOG.get(name).to_dict()
    if as_json:
        print(json.dumps(entry))
        return
    for key, value in entry.items():
        text = ", ".join(value) if isinstance(value, list) else str(value)
        print(f"{key:10} " + text.replace("\n", "\n" + " " * 11))


@command.command(
    epilog="""\b
Examples:
  featprobe data check ./chest_xrays
  featprobe data check labels.csv --root ./images --json
  featprobe data check ./dicoms --strict       exit 1 when there is a finding
""",
)
@click.argument("data")
@loading_options
@click.option(
    "--near", default=0.99, show_default=True, type=click.FloatRange(0, 1),
    help="Cosine of a near-duplicate.",
)  # fmt: skip
@options(
    click.option(
        "--workers", type=click.IntRange(min=1), default=4, show_default=True,
        help="Threads that read.",
    ),
    group="Device and speed",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Exit with 1 when there are findings.")
@cache_option
@json_option
def check(
    data: str, near: float, workers: int, strict: bool, cache: str | None, as_json: bool,
    **loading: Any,
) -> None:  # fmt: skip
    """Read every item and report leakage, duplicates and what cannot be read.

    Near-duplicates across splits are looked for when the cache has features of the data set.
    """
    from featprobe.datasets.audit import audit
    from featprobe.extraction.elsewhere import decoded_elsewhere

    dataset = open_dataset(data, cache, loading)
    with decoded_elsewhere(dataset):
        found = audit(dataset, workers, show=True)
    _near(found, dataset, near, cache)
    if as_json:
        print(json.dumps(found.to_dict()))
    else:
        print_audit(found)
    if strict and found.problems:
        raise SystemExit(1)


@command.command(
    epilog="""\b
Examples:
  featprobe data split ./chest_xrays --out split.csv
  featprobe extract --model dinov2_vits14 --data ./chest_xrays --split split.csv
""",
)
@click.argument("data")
@loading_options
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The CSV to write.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0),
    help="That of the probe.",
)  # fmt: skip
@split_version_option
@cache_option
def split(
    data: str, out: Path, seed: int, split_version: int, cache: str | None, **loading: Any
) -> None:
    """Write the split that a probe with this seed would use, to share and to use again.

    Items without a label, which no probe sees, go with their patient.
    """
    from featprobe.core.errors import InputError
    from featprobe.datasets.split_file import everybody, write_split
    from featprobe.evaluation.protocols import make_split
    from featprobe.splits.assign import NAMES
    from featprobe.splits.partition import known_targets

    d = open_dataset(data, cache, loading)
    targets = d.targets
    if targets is None and d.masks is not None:
        targets = d.masks.presence()
    if targets is None:
        raise InputError(f"{d.name}: the data set has no labels to stratify by")
    known = known_targets(targets)
    if not known.any():
        raise InputError(f"{d.name}: every label is unknown, so there is nothing to stratify by")
    s = make_split(
        targets[known], d.groups[known], d.split[known], seed=seed, origin=d.split_origin,
        grouping=d.group_origin, ids=d.ids[known], version=split_version,
    )  # fmt: skip
    part = everybody(s.parts(), known, d.groups)
    write_split(out, d.ids, d.groups, part)
    print(f"wrote {out}: {s.origin}; patients: {s.grouping}")
    for name in NAMES:
        patients = len(set(d.groups[part == name].tolist()))
        print(f"  {name:5} {(part == name).sum()} items, {patients} patients")


@command.command(
    epilog="""\b
Examples:
  featprobe data relabel chest_xrays --targets new.csv --id file --label finding
  featprobe data relabel chest_xrays --targets grades.csv --label grade --task ordinal
  featprobe data relabel ./chest_xrays --targets findings.csv --label edema effusion

\b
Extracting again from the files brings back the labels that they have.
""",
)
@click.argument("data")
@click.option(
    "--targets", required=True, type=click.Path(path_type=Path), help="A CSV, TSV or Parquet table."
)
@click.option("--id", "id_column", default="id", show_default=True, help="Its column of item ids.")
@label_options
@choice_of_labels
@cache_option
@json_option
def relabel(
    data: str, targets: Path, id_column: str, cache: str | None, as_json: bool, **reading: Any
) -> None:  # fmt: skip
    """Give stored features other labels by item id, without extracting again.

    DATA is a data set's name or path, or one of its stores; all backbones are relabelled. Items
    that the table lacks become unknown.
    """
    from featprobe.core import paths as settings
    from featprobe.features.relabelling import relabel as run

    for done in run(settings.feature_root(cache), data, targets, id_column, **reading):
        if as_json:
            print(json.dumps(done.to_dict()))
            continue
        print(
            f"{done.store}: {'has its new labels' if done.changed else 'has these labels already'}"
        )
        print(f"  {done.task}: " + ", ".join(f"{c} {n}" for c, n in done.counts.items()))
        print(f"  {done.known} of {done.items} items have a known label")
        for text in done.notes:
            note(f"{done.store}: {text}")
        if done.missing:
            note(f"{done.store}: {done.missing} items are not in {targets}: unknown now")
        if done.surplus:
            note(f"{done.store}: {done.surplus} ids of {targets} are none of its items")


def _near(found: Audit, dataset: Any, threshold: float, cache: str | None) -> None:
    """Add near-duplicates when a complete store of exactly these items is in the cache."""
    import numpy as np

    from featprobe.core import paths as settings
    from featprobe.core.errors import FeatprobeError
    from featprobe.evaluation.protocols import make_split
    from featprobe.extraction.notes import of_features
    from featprobe.features.feature_set import FeatureSet
    from featprobe.features.leakage import near_duplicates
    from featprobe.store.cache import entries

    stores = [
        e.store for e in entries(settings.feature_root(cache))
        if e.store is not None and e.store.dataset == dataset.name and e.store.complete
    ]  # fmt: skip
    stores = [s for s in stores if s.key.dataset == dataset.fingerprint]
    if not stores or dataset.targets is None:
        return
    stores.sort(key=lambda s: bool(s.attributes["provenance"].get("random")))
    features = FeatureSet(stores[0])
    found.warnings |= {"features": alike} if (alike := of_features(features)) else {}
    row = {i: n for n, i in enumerate(dataset.ids.tolist())}
    kept = np.array([row[i] for i in features.ids.tolist()])
    try:
        s = make_split(
            dataset.targets[kept], dataset.groups[kept], dataset.split[kept], ids=dataset.ids[kept]
        )
    except FeatprobeError as error:
        found.near_checked = f"not checked: {error}"
        return
    found.near_duplicates = near_duplicates(features, s.parts(), threshold)
    made = "official split" if (dataset.split != "").any() else "split of seed 0"
    found.near_checked = f"by {features.backbone}, cosine of {threshold} or more, {made}"
