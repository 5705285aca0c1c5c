"""Every kind of file that is kept between runs, damaged at random: one line, and no record lost."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from featprobe.backbones.yaml_description import read_description
from featprobe.core.errors import FeatprobeError
from featprobe.core.file_index import FileIndex
from featprobe.core.fingerprint import file_digest
from featprobe.datasets.decathlon import load_decathlon
from featprobe.datasets.load import load_dataset
from featprobe.evaluation import results
from featprobe.evaluation.evaluate import make_probe
from featprobe.features.exchange.transfer import export, load
from featprobe.finetuning.frames import _open as open_frames
from featprobe.finetuning.studies import study
from featprobe.images.decoded_image import FrameRecipe
from featprobe.imagetext.prompts import read_prompts
from featprobe.imagetext.retrieval import read_captions
from featprobe.leaderboard.grid import read as read_grid
from featprobe.probes.loading import read_saved
from featprobe.probes.saving import save_probe
from featprobe.store import attributes, last_used
from featprobe.store.storage_path import LocalPath
from tests.evaluation.test_results import result, save
from tests.store.test_cache import make as make_store

TIMES = 200
ODD = (b"null", b"[]", b"{}", b'""', b"-1", b"1e999", b"NaN", b"true", b'{"a": [1, {"b": null}]}')
BYTES = (b"\x00", b"\xff\xfe", b"\n", b"\r", b",", b'"', b"\x1b[31m", b"\xe2\x80\xae", b"{", b": ")


def corrupted(data: bytes, rng: random.Random) -> bytes:
    """The bytes of a file after one thing that disks, editors and killed processes do to them."""
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    at = min(a, len(data) - 1)
    match rng.randrange(9):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:a]
        case 2:
            return data[:a] + data[b:]
        case 3:
            return data[:b] + data[a:]
        case 4:
            return data[:a] + rng.randbytes(rng.randrange(1, 9)) + data[a:]
        case 5:
            return data[:a] + rng.choice(BYTES) + data[a:]
        case 6:
            return data[:a] + bytes(b - a) + data[b:]
        case 7:
            return rng.choice((*ODD, b""))
        case _:  # a value of JSON or YAML becomes another
            marks = [i for i, c in enumerate(data) if c in b":,["] or [0]
            start = rng.choice(marks) + 1
            return data[:start] + b" " + rng.choice(ODD) + data[start + rng.randrange(8) :]


@dataclass
class Kind:
    """``make`` writes a file in a folder; ``use`` reads it, and may judge what it read."""

    make: Callable[[Path], Path]
    use: Callable[[Path], Any]


def _results(folder: Path) -> Path:
    for name in ("one", "two", "three"):
        save(folder, result(dataset=name))
    return results.results_file(folder)


def _read_results(file: Path) -> None:
    told: list[str] = []
    found = {r.id for r in results.read(_cache_of(file), told.append)}
    whole = set(file.with_name("kept").read_bytes().split(b"\n"))
    there = file.read_bytes().split(b"\n")
    for line in whole & set(there):
        if line.strip():
            assert json.loads(line)["id"] in found  # a record that is whole is never lost
    if {_meaning(line) for line in there if line.strip()} - {_meaning(line) for line in whole}:
        assert told  # nor is one lost in silence, but where whole lines are gone
    assert not [text for text in told if "\n" in text]


def _meaning(line: bytes) -> object:
    """What a line of JSON says: white space between its values is no change."""
    try:
        return json.dumps(json.loads(line), sort_keys=True)
    except ValueError:
        return line


def _cache_of(file: Path) -> Path:
    return next(p for p in file.parents if results.results_file(p) == file)


def _scores(folder: Path) -> Path:
    return results.scores_file(folder, save(folder, result()))


def _read_scores(file: Path) -> None:
    cache = next(p for p in file.parents if results.results_file(p).is_file())
    results.scored(cache, results.read(cache)[0]).mean(["accuracy"])


def _probe(folder: Path) -> Path:
    x = np.eye(8, 4, dtype=np.float32)
    return save_probe(make_probe("ridge").fit(x, np.arange(8) % 2), folder / "p.safetensors")


def _read_probe(file: Path) -> None:
    read_saved(file).probe.predict(np.eye(8, 4, dtype=np.float32))


def _digests(folder: Path) -> Path:
    for name in ("a", "b"):
        (folder / name).write_text(name)
    list(FileIndex(folder / "m.json").digests([folder / "a", folder / "b"]))
    return folder / "m.json"


def _read_digests(file: Path) -> None:
    paths = [file.parent / n for n in ("a", "b")]
    found = list(FileIndex(file).digests(paths))
    assert found == [file_digest(p) for p in paths]  # never a false one


def _copy(folder: Path) -> Path:
    return Path(str(attributes.file(make_store(folder).path)))


def _read_copy(file: Path) -> None:
    store = LocalPath(file.with_name(file.name[1:].removesuffix(attributes.SUFFIX)))
    found = attributes.copy(store)
    assert found is None or found[0] == json.loads(
        (Path(str(store)) / "zarr.json").read_text()
    )["attributes"]  # fmt: skip


def _used(folder: Path) -> Path:
    return Path(str(last_used.file(make_store(folder).path)))


def _read_used(file: Path) -> None:
    assert last_used.last(LocalPath(file.with_name(file.name[1:].removesuffix(".used")))) >= 0


def _films(folder: Path) -> list[str]:
    names = [f"p{i:02d}_{k}.png" for i in range(6) for k in "ab"]
    for name in names:
        (folder / "films").mkdir(exist_ok=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "films" / name)
    return names


def _split(folder: Path) -> Path:
    rows = [f"{n},{n[:3]},{('train', 'val', 'test')[i % 3]}" for i, n in enumerate(_films(folder))]
    file = folder / "split.csv"
    file.write_text("id,group,split\n" + "\n".join(rows) + "\n")
    return file


def _read_split(file: Path) -> None:
    load_dataset(file.parent / "films", split=file, group="regex:(p..)", label="none")


def _manifest(folder: Path) -> Path:
    rows = [f"films/{n},{'ab'[i % 2]},{n[:3]},train" for i, n in enumerate(_films(folder))]
    file = folder / "films.csv"
    file.write_text("path,label,patient,split\n" + "\n".join(rows) + "\n")
    return file


def _text(name: str, text: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text(text)
        return folder / name

    return make


def _frames(folder: Path) -> Path:
    np.arange(24, dtype=np.uint16).tofile(folder / "pixels.u16")
    index = {"count": [1, 1], "shape": [[3, 2, 2], [3, 2, 2]], "left_out": [["c", "empty"]]}
    (folder / "index.json").write_text(json.dumps(index))
    return folder / "index.json"


def _exported(to: str, inside: str = "") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        out = folder / ("out" if to == "npy" else f"out.{to}")
        export(make_store(folder / "cache"), to, out)
        return out / inside if inside else out

    return make


def _import(file: Path) -> None:
    out = file if file.name.startswith("out") else file.parent
    load(out, out.parent / "other")


def _decathlon(folder: Path) -> Path:
    rows = [{"image": f"./imagesTr/{i}.nii.gz", "label": f"./labelsTr/{i}.nii.gz"} for i in "ab"]
    for row in rows:
        for part in row.values():
            (folder / part).parent.mkdir(exist_ok=True)
            (folder / part).write_bytes(b"")
    content = {"labels": {"0": "none", "1": "liver"}, "training": rows, "test": []}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder / "dataset.json"


BOARD = """data: [digits, {data: phantom_cxr, name: cxr, group: none}]
models: [tiny_vit14, {model: tiny_vit14, init: random, seed: 3}]
extract: {blocks: 2, batch_size: 16}
probes: [knn, {probe: logistic, refit: false, features: [cls]}, {preset: dinov2-linear}]
finetune: [frozen, {recipe: lora, rank: 8, epochs: 10, lr: [1e-4, 1e-3]}]
subset: [0.1, 1]
against: knn
metric: auroc
resamples: 100
seed: 0
"""
PROMPTS = (
    "normal: [a chest x-ray, healthy lungs]\neffusion: {positive: [fluid], negative: [none]}\n"
)
KINDS: dict[str, Kind] = {
    "results": Kind(_results, _read_results),
    "kept scores": Kind(_scores, _read_scores),
    "saved probe": Kind(_probe, _read_probe),
    "digests of files": Kind(_digests, _read_digests),
    "copy of attributes": Kind(_copy, _read_copy),
    "last use": Kind(_used, _read_used),
    "split": Kind(_split, _read_split),
    "manifest": Kind(_manifest, lambda f: load_dataset(f, label="label", group="patient")),
    "leaderboard": Kind(_text("board.yaml", BOARD), read_grid),
    "prompts": Kind(_text("p.yaml", PROMPTS), lambda f: read_prompts(f, ("normal", "effusion"))),
    "captions": Kind(_text("c.csv", "id,text\na,one\nb,two\n"), read_captions),
    "backbone": Kind(_text("b.yaml", "path: org/net\nname: mine\npreprocess: {resize: 32, crop: "
                           "[28, 28], mean: [0.5, 0.5, 0.5]}\n"), read_description),
    "study": Kind(_text("s.yaml", "recipe: lora\noptions: {rank: 4}\ntraining: {epochs: 3, lr: "
                        "0.001}\nlrs: [0.001, 0.01]\nsource: a paper\n"), lambda f: study(str(f))),
    "decoded frames": Kind(_frames, lambda f: open_frames(f.parent)),
    "exported npy": Kind(_exported("npy", "cls.npy"), _import),
    "exported header": Kind(_exported("npy", "featprobe.json"), _import),
    "exported safetensors": Kind(_exported("safetensors"), _import),
    "decathlon": Kind(_decathlon, lambda f: load_decathlon(f.parent, f.name, FrameRecipe(),
                      f.parent / "m.json", {"training": "train"})),
}  # fmt: skip


def _said(kind: Kind, file: Path, about: object) -> str:
    """The message of an error on purpose; any other error fails the test."""
    try:
        kind.use(file)
    except FeatprobeError as error:
        return str(error)
    except OSError as error:  # the command line makes one line of it
        return f"{error.filename}"
    except Exception as error:
        raise AssertionError(about) from error
    return ""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_is_one_line_and_no_record_is_lost(name: str, tmp_path: Path) -> None:
    kind, rng = KINDS[name], random.Random(name)
    file = kind.make(tmp_path)
    whole = file.read_bytes()
    file.with_name("kept").write_bytes(whole)
    kind.use(file)
    refused = 0
    for i in range(TIMES):
        file.write_bytes(data := corrupted(whole, rng))
        said = _said(kind, file, (i, data[:400]))
        refused += bool(said)
        assert "\n" not in said.strip(), (i, data[:300])
        assert not said or file.name in said or tmp_path.name in said, (i, said)
    silent = ("results", "digests of files", "copy of attributes", "last use")
    assert refused or name in silent  # these are read without, and say so or are made anew
    file.write_bytes(whole)
    kind.use(file)
