"""What a data set is called where it is extracted is what every other verb takes, too."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.cli.main import cli, main
from featprobe.core.errors import InputError, UnknownName
from featprobe.core.paths import expanded
from featprobe.datasets.load import ALIASES, CATALOG, dataset_name, entry_named, load_dataset
from featprobe.features.lookup import data_named, model_named, store_named
from tests.support.cached import cached

FOUND = "nih_chestxray14"
# verb to arguments; NAME is what the data set is called. None: it opens files, see below, or.
VERBS: dict[str, list[str] | None] = {
    "knn": ["--data", "NAME", "--k", "3"],
    "linear": ["--data", "NAME", "--C", "1"],
    "fewshot": ["--data", "NAME", "--shots", "1", "--tries", "2"],
    "transfer": ["--train", "NAME", "--test", "elsewhere"],
    "compare": ["--data", "NAME", "--between", "probes"],
    "ensemble": ["dinov2_vits14/knn", "dinov2_vits14/linear", "--data", "NAME"],
    "leaderboard": ["--data", "NAME"],
    "report": ["--data", "NAME"],
    "data relabel": ["NAME", "--targets", "LABELS", "--label", "label"],
    "export": ["NAME", "OUT", "--to", "npy"],
    "cache ls": ["--data", "NAME"],
    "cache show": ["NAME"],
    "cache verify": ["NAME"],
    "cache rm": ["NAME"],
    "zeroshot": ["--data", "NAME"],
    "retrieval": ["--data", "NAME", "--captions", "CAPTIONS"],
    "data show": ["NAME"],
    "show map": ["--data", "NAME", "--model", "dinov2_vits14", "--json"],
    "extract": None,
    "finetune": None,
    "segment": None,
    "show tokens": None,
    "predict": None,
    "data check": None,
    "data split": None,
}
WITHOUT_PROJECTION = ("zeroshot", "retrieval")
NAMES = ["chestxray", "ChestX-ray14", "NIH-ChestXray14", FOUND]


def commands(group: click.Group, before: str = "") -> dict[str, click.Command]:
    """All verbs by what is typed."""
    ctx, out = click.Context(group), {}
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            out |= commands(command, f"{before}{name} ")
        out[f"{before}{name}"] = command
    return out


def test_no_verb_that_takes_data_is_forgotten() -> None:
    taking = {
        verb for verb, command in commands(cli).items()
        for p in command.params
        if p.name == "data" or (p.name == "store" and isinstance(p, click.Argument))
    } - {"models"}  # fmt: skip
    assert taking <= VERBS.keys()


@pytest.fixture
def features(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Features and results of an entry of the catalog, and files beside them."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    x = rng.standard_normal((40, 4)) + y[:, None]
    cached(cache, {"cls": x[::-1] + 0.1}, y[::-1], dataset="elsewhere", backbone="dinov2_vits14")
    store = cached(cache, {"cls": x}, y, dataset=FOUND, backbone="dinov2_vits14").store
    with (tmp_path / "labels.csv").open("w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([("id", "label"), *((i, "x") for i in store.items().ids)])
    (tmp_path / "captions.csv").write_text("id,text\na,b\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(verb: str, name: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    files = {"NAME": name, "OUT": "out", "LABELS": "labels.csv", "CAPTIONS": "captions.csv"}
    arguments = [files.get(a, a) for a in VERBS[verb] or ()]
    with pytest.raises(SystemExit) as end:
        main([*verb.split(), *arguments])
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


@pytest.mark.parametrize("verb", [v for v, arguments in VERBS.items() if arguments])
def test_every_verb_knows_every_name(
    verb: str, features: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = features / "kept"
    if verb in ("compare", "ensemble", "leaderboard", "report"):
        for made in ("knn", "linear"):
            assert call(made, FOUND, capsys)[0] == 0
    shutil.copytree(cache, kept)
    told = set()
    for name in NAMES:
        shutil.rmtree(cache)
        shutil.copytree(kept, cache)
        shutil.rmtree(features / "out", ignore_errors=True)
        code, out, err = call(verb, name, capsys)
        if verb in WITHOUT_PROJECTION:
            assert "with a projection among those named" in err
        else:
            assert code == 0, (verb, name, err)
            told.add(out)
    if verb in ("export", "cache rm", "cache show", "data show", "compare"):
        assert len(told) == 1  # to the last character
    code, _, err = call(verb, "chestxrey", capsys)
    assert code == 2
    assert err.count("\n") == 1
    assert "chestxrey" in err or FOUND in err


@pytest.mark.parametrize("verb", [v for v, arguments in VERBS.items() if arguments is None])
def test_every_verb_that_opens_files_knows_them_too(
    verb: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The files are not here, so the entry says where it expects them."""
    probe = tmp_path / "probe.safetensors"
    if verb == "predict":
        monkeypatch.setattr("featprobe.probes.loading.read_saved", lambda _: None)
        about = {"key": {"recipe": {}}, "dataset": "", "task": "", "thresholds": {}, "parts": {}}
        source = type("Source", (), about)
        monkeypatch.setattr("featprobe.evaluation.predict.features_of", lambda *_: source)
    own = {
        "extract": ["--model", "tiny_vit14"], "predict": [str(probe)],
        "finetune": ["--model", "tiny_vit14", "--recipe", "full"],
        "show tokens": ["--model", "tiny_vit14", "--out", str(tmp_path / "tokens.png")],
        "data split": ["--out", str(tmp_path / "split.csv")],
    }  # fmt: skip
    for name in NAMES:
        place = [name] if verb.startswith("data ") else ["--data", name]
        with pytest.raises(SystemExit):
            main([*verb.split(), *place, *own.get(verb, [])])
        assert f"{FOUND}: its files are expected in" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_the_file_of_a_leaderboard_knows_them(name: str, tmp_path: Path) -> None:
    from featprobe.leaderboard.grid import read

    file = tmp_path / "board.yaml"
    file.write_text(json.dumps({"data": [name], "models": ["tiny_vit14"], "probes": ["knn"]}))
    assert [d.text for d in read(file).data] == [FOUND]


def test_a_common_name_takes_the_options_of_its_entry(tmp_path: Path) -> None:
    """As its own name does: ``uncertain`` is the entry's, and the root is not without effect."""
    for name in NAMES:
        with pytest.raises(UnknownName, match="nih_chestxray14 has no option 'uncertain'"):
            load_dataset(name, root=tmp_path, uncertain="zeros")


def test_what_is_cached_under_that_very_name_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert data_named("chestxray", {"chestxray", FOUND}) == "chestxray"
    (tmp_path / "chestxray").mkdir()  # somebody's own, which extract would take
    assert data_named("chestxray", {FOUND}) == "chestxray"
    assert data_named("./chestxray", {FOUND}) == "chestxray"
    (tmp_path / FOUND).mkdir()  # but an entry's very name is the entry
    assert entry_named(FOUND) == FOUND


@pytest.mark.parametrize("text", ["/gone/films", "/gone/films/", "gone/films.csv", "./films.csv"])
def test_a_path_that_has_been_moved_is_known_by_its_name(text: str) -> None:
    assert data_named(text, {"films"}) == "films"
    assert data_named(text, {"others"}) == text


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=12))
def test_a_text_is_a_name_that_is_known_or_stays(text: str) -> None:
    if "\0" in text:
        with pytest.raises(InputError, match="which no file can be called"):
            data_named(text, ())
        return
    known = {"films", FOUND}
    meant = data_named(text, known)
    assert meant in known or meant in CATALOG or expanded(text).exists() or meant == text
    assert model_named(text, {text}) == text


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_every_common_name_is_the_entry_in_any_spelling(alias: str) -> None:
    for text in (alias, alias.upper(), alias.replace("_", "-"), alias.title()):
        assert data_named(text, ()) == ALIASES[alias]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("facebook/dinov2-small", "dinov2-small"),
        ("timm:resnet18.a1_in1k", "timm_resnet18.a1_in1k"),
        ("dinov2_vits14", "dinov2_vits14"),
        ("nothing at all", "nothing at all"),
    ],
)
def test_a_backbone_is_called_what_its_features_are(text: str, name: str) -> None:
    assert model_named(text, {"other"}) == name
    assert model_named(text, {f"{text}@56"}) == text


def test_a_data_set_with_several_stores_names_them(cache: Path) -> None:
    y = np.repeat([0, 1], 4)
    for n, backbone in ((3, "one"), (4, "two")):
        cached(cache, {"cls": np.ones((8, n))}, y, dataset=FOUND, backbone=backbone)
    with pytest.raises(InputError, match="'chestxray' is a data set with 2 stores; name one: one-"):
        store_named(cache, "chestxray")
    with pytest.raises(UnknownName, match="no store 'kermany'"):
        store_named(cache, "kermany")
    assert dataset_name(Path("/gone/films")) == "films"
