"""Every key of every YAML file, every argument of a data set and an import: meant, or refused.

The keys come from the tables and classes by which the code reads them, so that a new key is tested
from the day on which it is there.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from featprobe.backbones import yaml_description
from featprobe.backbones.spec import Preprocess
from featprobe.cli.main import cli
from featprobe.core.display import on_one_line
from featprobe.core.errors import FeatprobeError
from featprobe.datasets.load import load_dataset
from featprobe.features.exchange.transfer import load
from featprobe.finetuning import studies
from featprobe.leaderboard import grid, probe_request, yaml_models
from featprobe.leaderboard import yaml_entries as OF
from featprobe.leaderboard.exclusions import EXCLUDE
from featprobe.leaderboard.protocol_request import KINDS, schema
from featprobe.probes.registry import PROBES

ODD: list[Any] = [
    "x", "", " ", "a\nb", "n\0l", -1, 0, 3, 1.5, 2**70, math.nan, math.inf, None, True, [], [None],
    [1, "x"], [[1]], {}, {"a": 1}, b"x",
]  # fmt: skip
LEAST = {"data": ["digits"], "models": ["tiny_vit14"], "probes": ["knn"]}
Made = Callable[[str, Any], Mapping[str, Any]]


def _entry(section: str, **known: Any) -> Made:
    return lambda key, value: {**LEAST, section: [{**known, key: value}]}


SECTIONS: dict[str, tuple[Made, Mapping[str, Any]]] = {
    "top": (lambda key, value: {**LEAST, key: value}, grid.TOP),
    "data": (_entry("data", data="digits"), OF.ENTRY),
    "data of one's own": (_entry("data", data="films"), OF.ENTRY),
    "models": (_entry("models", model="tiny_vit14"), yaml_models.MODEL),
    "extract": (lambda key, value: {**LEAST, "extract": {key: value}}, OF.EXTRACT),
    "exclude": (_entry("exclude"), EXCLUDE),
    **{f"protocol {kind}": (_entry("protocols", protocol=kind), schema(kind)) for kind in KINDS},
}


def may(kind: Any, value: Any) -> bool:
    """Whether an annotation has room for a value that is written in YAML."""
    parts = get_args(kind)
    if kind is Any:
        return True
    if get_origin(kind) in (Union, types.UnionType):
        return any(may(part, value) for part in parts)
    if get_origin(kind) is Literal:
        return value in parts
    if get_origin(kind) in (tuple, Sequence):
        one = [value] if isinstance(value, str) and get_origin(kind) is tuple else value
        return isinstance(one, list) and bool(one) and all(may(parts[0], v) for v in one)
    if kind is dict or get_origin(kind) in (dict, Mapping):
        return isinstance(value, dict)
    if value is None or kind is types.NoneType:
        return value is None and kind is types.NoneType
    if isinstance(value, str):
        return kind is str and value.strip() != "" and value.isprintable()
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, int):
        return kind is float or (kind is int and value < 2**63)
    return kind is float and isinstance(value, float) and math.isfinite(value)


def told(use: Callable[[], object], about: object) -> str:
    """The message of an error on purpose, as it is printed; any other error fails the test."""
    try:
        use()
    except FeatprobeError as error:
        said = on_one_line(str(error))
        assert said
        assert "Traceback" not in said
        return said
    except Exception as error:
        raise AssertionError(about) from error
    return ""


def meant_or_refused(
    keys: Mapping[str, Any], read: Callable[[str, Any], object], place: str
) -> Iterator[tuple[str, Any]]:
    """What is taken, key and value: only what its annotation has room for, and never everything."""
    for key, kind in keys.items():
        refused = 0
        for odd in ODD:
            said = told(partial(read, key, odd), (key, odd))
            refused += bool(said)
            if said:
                assert place in said, (key, odd, said)
            else:
                assert may(kind, odd), f"{key}: {odd!r} was taken"
                yield key, odd
        assert refused, f"{key} takes anything"


@pytest.fixture
def board(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    return tmp_path / "board.yaml"


def written(file: Path, content: Any) -> Path:
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


@pytest.mark.parametrize("section", SECTIONS)
def test_a_key_of_a_leaderboard_is_meant_or_refused(section: str, board: Path) -> None:
    make, keys = SECTIONS[section]

    def read(key: str, value: Any) -> object:
        return grid.read(written(board, make(key, value)))

    for _ in meant_or_refused(keys, read, str(board)):
        pass
    for key in keys:
        said = told(partial(read, f"{key}x", 1), key)
        assert said.startswith(str(board)), said
        assert "unknown key" in said


@pytest.mark.parametrize("name", PROBES.names())
def test_a_key_of_a_probe_is_meant_or_refused_before_anything_runs(name: str) -> None:
    own = get_type_hints(PROBES.get(name).__init__)
    own = {k: v for k, v in own.items() if k not in ("return", *probe_request.PROBE)}
    asked = {k: v for k, v in probe_request.PROBE.items() if k not in ("probe", "preset")}

    def read(key: str, value: Any) -> object:
        return probe_request.make_probe_request({"probe": name, key: value}, "b.yaml: entry 1")

    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 12)
    x = rng.standard_normal((36, 4)).astype(np.float32) + y[:, None]
    trained = ("mlp", "attentive", "sgd", "transformer")
    quick = {"epochs": 1, "iterations": 1} if name in trained else {}
    quick = {k: v for k, v in quick.items() if k in own}
    for key, value in meant_or_refused(own | asked, read, "b.yaml: entry 1"):
        if key not in own or key in quick or (isinstance(value, int) and value > 2**60):
            continue
        made = PROBES.get(name)(**{**quick, key: value})
        said = told(partial(made.fit, x, y), (key, value))
        assert not said, f"{key}: {value!r} was taken, and is refused when it is used: {said}"


def test_a_key_of_a_preset_is_meant_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"

    def read(key: str, value: Any) -> object:
        return studies.study(str(written(file, {"recipe": "lora", key: value})))

    plain = {k: v for k, v in studies.FIELDS.items() if v is not str or k == "recipe"}
    for _ in meant_or_refused(plain, read, str(file)):
        pass
    assert "unknown key 'lr'. Did you mean 'lrs'" in told(partial(read, "lr", 1), "lr")
    assert "unknown study 'x'" in told(partial(read, "views", "x"), "views")
    for prose in studies.FIELDS.keys() - plain.keys() - {"views"}:  # several lines are meant
        assert "must be a name" in told(partial(read, prose, 3), prose)
        assert not told(partial(read, prose, "a\nb\n"), prose)


def test_a_key_of_a_backbone_is_meant_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"

    def read(key: str, value: Any) -> object:
        return yaml_description.read_description(written(file, {"path": "net", key: value}))

    for _ in meant_or_refused(yaml_description.FIELDS, read, str(file)):
        pass
    least = {"resize": 32, "crop": None}

    def preprocess(key: str, value: Any) -> object:
        return read("preprocess", {**least, key: value})

    for key, value in meant_or_refused(get_type_hints(Preprocess), preprocess, str(file)):
        assert value is None or (isinstance(value, int) and value > 0), (key, value)
    assert "resize is needed" in told(lambda: read("preprocess", {"crop": [8, 8]}), "crop")
    assert "a list of 2 whole numbers" in told(lambda: preprocess("crop", [8, 8, 8]), "crop")


@pytest.mark.parametrize("section", ["top", "data", "models", "extract"])
def test_the_verb_ends_with_2_and_one_line(section: str, board: Path) -> None:
    make, keys = SECTIONS[section]
    key = list(keys)[-1]
    ended = CliRunner().invoke(
        cli, ["leaderboard", str(written(board, make(key, [None]))), "--cache", str(board.parent)]
    )
    assert isinstance(ended.exception, FeatprobeError)  # which main ends with 2
    assert str(board) in str(ended.exception)
    assert key in str(ended.exception)


ARGUMENTS = {
    n: k for n, k in get_type_hints(load_dataset).items()
    if n not in ("path_or_name", "options", "return", "cache")
} | OF.FRAMES | {"spacing": float | Sequence[float] | None}  # fmt: skip


@pytest.mark.parametrize("what", ["films", "films.csv", "films.npz", "digits"])
def test_an_argument_of_a_data_set_is_meant_or_refused(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    films = rng.integers(0, 255, (16, 8, 8), dtype=np.uint8)
    lines = ["path,label"]
    for i in range(8):
        file = tmp_path / "films" / "ab"[i % 2] / f"{i}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, films[i])
        lines.append(f"{file.relative_to(tmp_path)},{'ab'[i % 2]}")
    (tmp_path / "films.csv").write_text("\n".join(lines))
    labels = np.arange(4) % 2
    parts = {f"{p}_images": films[:4] for p in ("train", "val", "test")}
    np.savez("films.npz", **parts, **{f"{p}_labels": labels for p in ("train", "val", "test")})
    for name, kind in ARGUMENTS.items():
        for odd in [*ODD, object()]:
            use = partial(load_dataset, what, cache="cache", **{name: odd})
            if not told(lambda: use().fingerprint, (name, odd)):  # noqa: B023
                like = "x" if isinstance(odd, str) else ["x"] if odd == [] else odd
                assert may(kind, like), f"{name}: {odd!r} was taken"
    said = told(lambda: load_dataset(what, cache="cache", planes="axial"), "planes")
    assert "planes" in said


@pytest.mark.parametrize("argument", list(inspect.signature(load).parameters))
def test_an_argument_of_an_import_is_meant_or_refused(argument: str, tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", np.eye(4, dtype=np.float32))
    (tmp_path / "items.csv").write_text("id\na\nb\nc\nd\n")
    given = {
        "path": tmp_path / "f.npy", "name": "films", "backbone": "net",
        "items": tmp_path / "items.csv",
    }  # fmt: skip
    for i, odd in enumerate([*ODD, object(), "..", "../up"]):
        if argument == "cache" and isinstance(odd, str):
            continue  # a folder may be called so
        use = partial(load, **{"cache": tmp_path / str(i), **given, argument: odd})
        if not told(use, (argument, odd)):
            assert (argument, odd) in [
                ("name", "x"), ("backbone", "x"), ("name", " "), ("backbone", " "),
                ("format", None), ("backbone", ".."), ("backbone", "../up"),
            ], odd  # fmt: skip


def test_a_name_of_an_import_stays_in_the_cache(tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", np.eye(2, dtype=np.float32))
    (tmp_path / "items.csv").write_text("id\na\nb\n")
    for name in ("../out", "..", "a/b", "/root"):
        use = partial(
            load, tmp_path / "f.npy", tmp_path / "cache", name=name, backbone="net",
            items=tmp_path / "items.csv",
        )  # fmt: skip
        assert "a name is one part of a path" in told(use, name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.npy", "items.csv"]
