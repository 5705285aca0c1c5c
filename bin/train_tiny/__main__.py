"""The command line of ``bin/train-tiny``."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

DEFAULTS = {"steps": 2600, "seed": 0, "images": 48_000, "batch": 64}


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write.  [default: tiny]")
@click.option("--steps", type=click.IntRange(min=1), default=DEFAULTS["steps"], show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=DEFAULTS["seed"], show_default=True)
@click.option(
    "--images", type=click.IntRange(min=1), default=DEFAULTS["images"], show_default=True,
    help="Generated images to learn from.",
)  # fmt: skip
@click.option(
    "--batch", type=click.IntRange(min=2), default=DEFAULTS["batch"], show_default=True,
    help="Images a step, each in two views.",
)  # fmt: skip
@click.option("--device", default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="Of torch.  [default: cores]")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Another setting.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.pass_context
def main(
    context: click.Context, out: Path | None, steps: int, seed: int, images: int, batch: int,
    device: str, threads: int | None, changes: tuple[str, ...], quiet: bool,
) -> None:  # fmt: skip
    """Train the small backbone on images that this script generates; no data set is read.

    The same settings, seed, threads and machine give the same weights. The folder holds
    config.json, model.safetensors (float16), preprocessor_config.json and training.json.
    """
    if context.invoked_subcommand:
        return
    given = {"steps": steps, "seed": seed, "images": images, "batch": batch, **_parse(changes)}
    threads = threads or os.cpu_count() or 1
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded
    import torch

    from train_tiny.train import Settings, train

    torch.set_num_threads(threads)
    record = train(Settings(**given), out or Path("tiny"), device, threads, show=not quiet)
    final = ", ".join(f"{k} {v:.3f}" for k, v in record["final_losses"].items())
    click.echo(f"{record['steps_done']} steps in {record['seconds']['total']} s; losses: {final}")
    click.echo(f"written to {out or 'tiny'}")


def _parse(changes: tuple[str, ...]) -> dict[str, Any]:
    from train_tiny.train import Settings

    kinds: dict[str, Any] = {f.name: type(f.default) for f in fields(Settings)}
    given: dict[str, Any] = {}
    for change in changes:
        name, _, value = change.partition("=")
        if name not in kinds:
            raise click.BadParameter(f"{name!r} is none of {', '.join(kinds)}")
        given[name] = kinds[name](value)
    return given


@main.command("compare")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("data", nargs=-1, required=True)
@click.option("--features", "view", help="cls, mean or cls+mean.  [default: cls]")
@click.option("--folds", type=click.IntRange(min=3), help="Cross-validate instead of one split.")
@click.option("--metric", default="auroc", show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the random weights.")
@click.option("--resamples", default=10_000, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), help="[default: featprobe's]")
@click.option("--quiet", is_flag=True, help="No progress.")
def compare_command(
    folder: Path, data: tuple[str, ...], view: str | None, folds: int | None, metric: str,
    seed: int, resamples: int, device: str, cache: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Table of a trained FOLDER against its random initialisation on DATA (names or paths)."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from featprobe.core.paths import cache_root
    from train_tiny.compare import compare, markdown

    rows = compare(
        folder, data, cache=cache_root(cache), view=view, folds=folds, metric=metric, seed=seed,
        resamples=resamples, device=device, show=not quiet,
    )  # fmt: skip
    click.echo(markdown(rows, metric))


if __name__ == "__main__":
    main(prog_name="bin/train-tiny")
