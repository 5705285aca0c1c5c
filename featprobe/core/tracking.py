"""Metrics mirrored to Weights & Biases, MLflow or TensorBoard, each through its own client.

    with tracking(("mlflow",), "finetune", {"data": "films"}, folder):
        track({"loss": 0.7}, step=10)

Nothing is sent but numbers, names of data sets and backbones, and settings: no ids of items or
patients, no paths, no names of classes, no output of the terminal. Where each client keeps or sends
them, its own environment variables say (``WANDB_MODE``, ``MLFLOW_TRACKING_URI``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from featprobe.core.errors import InputError, MissingExtra, look_up, reason

PROJECT = "featprobe"
_UNUSUAL = re.compile(r"[^\w\-. /]+")  # what one of the clients refuses in a name


class Tracker(Protocol):
    """A run of a client."""

    def log(self, values: Mapping[str, float], step: int | None) -> None:
        """Numbers by name at a step, the next one where None."""

    def close(self, failed: bool) -> None:
        """End the run."""


class _Wandb:
    def __init__(self, name: str, config: Mapping[str, Any], folder: Path) -> None:
        wandb = _client("wandb")
        # of this machine and its terminal nothing: ids of items stand in paths and messages
        quiet = wandb.Settings(
            console="off", disable_git=True, save_code=False, x_disable_meta=True,
            x_disable_stats=True, program="featprobe", host="-",
        )  # fmt: skip
        self._run = wandb.init(
            project=PROJECT, name=name, config=dict(config), dir=str(folder), settings=quiet
        )

    def log(self, values: Mapping[str, float], step: int | None) -> None:
        self._run.log({**values, **({} if step is None else {"step": step})})

    def close(self, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


class _Mlflow:
    def __init__(self, name: str, config: Mapping[str, Any], folder: Path) -> None:
        mlflow = _client("mlflow")
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient()
        where = mlflow.get_experiment_by_name(PROJECT)
        number = where.experiment_id if where else self._client.create_experiment(PROJECT)
        # the client's own tags would name the user and the path of the program
        self._run = self._client.create_run(number, run_name=name, tags={"featprobe": name})
        for key, value in config.items():
            self._client.log_param(self._run.info.run_id, key, value)
        self._step = 0

    def log(self, values: Mapping[str, float], step: int | None) -> None:
        self._step = self._step + 1 if step is None else step
        for key, value in values.items():
            self._client.log_metric(self._run.info.run_id, key, value, step=self._step)

    def close(self, failed: bool) -> None:
        status = "FAILED" if failed else "FINISHED"
        self._client.set_terminated(self._run.info.run_id, status)


class _TensorBoard:
    def __init__(self, name: str, config: Mapping[str, Any], folder: Path) -> None:
        _client("tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))
        self._writer.add_text("config", "\n\n".join(f"{k}: {v}" for k, v in config.items()))
        self._steps: dict[str, int] = {}

    def log(self, values: Mapping[str, float], step: int | None) -> None:
        for key, value in values.items():
            self._steps[key] = self._steps.get(key, -1) + 1 if step is None else step
            self._writer.add_scalar(key, value, self._steps[key])

    def close(self, failed: bool) -> None:
        self._writer.close()


CLIENTS: dict[str, type[Any]] = {"wandb": _Wandb, "mlflow": _Mlflow, "tensorboard": _TensorBoard}
_open: list[Tracker] = []
_within: list[str] = []


def _client(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(f"--log {name} needs it: pip install 'featprobe[{name}]'") from error


@contextmanager
def tracking(
    clients: Sequence[str], name: str, config: Mapping[str, Any], folder: Path
) -> Iterator[None]:
    """Mirror what :func:`track` is given meanwhile. ``config``: settings of the run; ``folder``:
    where a client that keeps files of its own puts them, in a folder of its name.

    Raises :class:`~featprobe.core.errors.UnknownName` for a client that there is not,
    :class:`MissingExtra` for one that is not installed, :class:`InputError` where it cannot begin.
    """
    plain = {k: str(v) for k, v in config.items()}
    mine: list[Tracker] = []
    failed = True
    try:
        for client in dict.fromkeys(clients):
            made = look_up("log", client, CLIENTS)
            (folder / client).mkdir(parents=True, exist_ok=True)
            try:
                mine.append(made(name, plain, folder / client))
            except MissingExtra:
                raise
            except Exception as error:  # whatever a client raises
                raise InputError(f"--log {client}: it cannot begin: {reason(error)}") from error
        _open.extend(mine)
        yield
        failed = False
    finally:
        for tracker in mine:
            if tracker in _open:
                _open.remove(tracker)
            tracker.close(failed)


def track(values: Mapping[str, float], step: int | None = None) -> None:
    """Hand numbers to the clients that are open; those that are not finite are left out."""
    if not _open:
        return
    place = "/".join(_within)
    named = {
        _UNUSUAL.sub("_", f"{place}/{n}" if place else n): float(v)
        for n, v in values.items() if math.isfinite(v)
    }  # fmt: skip
    for tracker in _open if named else ():
        tracker.log(named, step)


def tracked() -> bool:
    """Whether a client is open: what is only made for it need not be made otherwise."""
    return bool(_open)


@contextmanager
def within(place: str) -> Iterator[None]:
    """Names of :func:`track` begin with a place meanwhile."""
    _within.append(place.replace("/", " "))
    try:
        yield
    finally:
        _within.pop()
