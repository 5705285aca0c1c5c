"""featprobe linear"""

from __future__ import annotations

from typing import Any

import click

from featprobe.cli.common import Verb, folds_option, probe_options, run_probe


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe linear
  featprobe linear --data nih_cxr --features cls+mean
  featprobe linear --C 0.01 1 100 --no-refit
""",
)
@click.option(
    "--C", "cs", multiple=True, type=click.FloatRange(min=0, min_open=True), metavar="C...",
    help="Candidates.  [default: 45 values from 1e-6 to 1e5]",
)  # fmt: skip
@click.option("--no-refit", is_flag=True, help="Test the fit on train alone, without val.")
@click.option("--no-standardize", is_flag=True, help="Use the features as they are.")
@folds_option
@probe_options
def command(
    cs: tuple[float, ...],
    no_refit: bool,
    no_standardize: bool,
    folds: int | None,
    seed: int,
    **common: Any,
) -> None:
    """L2 logistic regression on standardised features; C by macro AUROC on val, refit, one test."""
    from featprobe.probes.logistic import LogisticProbe
    from featprobe.protocols import CrossVal, Full

    run_probe(
        lambda: LogisticProbe(Cs=sorted(set(cs)) or None, standardize=not no_standardize),
        CrossVal(folds, seed) if folds else Full(seed=seed, refit=not no_refit),
        title="linear probe",
        **common,
    )
