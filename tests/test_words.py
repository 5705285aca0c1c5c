"""One word for one thing: the glossary of docs/design.md, held against names, options and keys."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

import featprobe
from featprobe.datasets.audit import Audit
from featprobe.datasets.base import Dataset
from featprobe.datasets.mask_audit import MaskAudit
from featprobe.evaluation.protocols import FewShot
from featprobe.evaluation.results import Result
from featprobe.extraction.summary import Summary
from featprobe.leaderboard import grid, yaml_entries, yaml_models
from featprobe.segmentation.partition import Shots
from tests.cli.test_verb import COMMANDS

ROOT = Path(featprobe.__file__).parent
# word -> what the glossary calls it; singular
INSTEAD = {
    "sample": "item", "case": "item", "subject": "group", "layer": "block", "slice": "frame",
    "remark": "note", "doubt": "warning", "entry": "cell", "chunk": "shard",
    "asked": "requested", "told": "note", "telling": "summary", "knowing": "given groups",
    "merit": "selection score", "standing": "state", "crew": "coordinator", "litter": "garbage",
    "dealer": "partitioner",
}  # fmt: skip
# Names that keep such a word, and why. A name is NAME, or FILE:NAME below featprobe/.
ALLOWED = {
    # words of others, in their meaning
    "sample_weight": "scikit-learn's argument",
    # --layer-decay, a field and so no name here, is timm's and BEiT's term: a rate by depth
    "SamplesPerPixel": "a DICOM tag",
    "num_hidden_layers": "a field of transformers' configurations",
    # one operation of a network, which is what the glossary calls a layer
    "finetuning/recipes/adapters.py": "layers that adapters replace",
    "finetuning/targets.py": "layers that adapters replace",
    "backbones/adapter_rules.py": "transformers' attribute that holds the blocks",
    "backbones/prompts.py": "VPT's layers of prompts",
    "backbones/entries/dinov2.py": "DINOv2's 1-layer and 4-layer heads",
    "segmentation/decoders/dpt.py": "convolutions",
    # drawn from a distribution
    "metrics/sums.py": "a sample is one entry of a sum: of labels an item counts several times",
    "neighbours/search.py": "a random sample", "solvers/logistic.py": "a random sample",
    "stats/resampling.py": "samples of a bootstrap",
    "cli/show_map.py": "a random sample of the items",
    "figures/embedding/embedding_map.py": "a random sample of the items",
    # other things of that name
    "testing/cases.py": "cases for tests", "StoreCase": "a case for tests",
}  # fmt: skip


def words(name: str) -> list[str]:
    """The words of an identifier, small and in the singular."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return [p.lower() for p in parts] + [p.lower().removesuffix("s") for p in parts]


def wrong(name: str) -> list[str]:
    return sorted(INSTEAD.keys() & set(words(name)))


def public_names() -> Iterator[tuple[str, str]]:
    """(file, name) of modules, classes, functions, their arguments, and attributes of objects."""
    for path in sorted(ROOT.rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        yield file, path.stem
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield file, node.name
            elif isinstance(node, ast.arg):
                yield file, node.arg
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield file, node.attr


def allowed(file: str, name: str) -> bool:
    return bool({file, name, f"{file}:{name}"} & ALLOWED.keys())


def test_names_in_the_code_use_the_words_of_the_glossary() -> None:
    found = {
        f"{file}: {name} ({', '.join(f'{w}: say {INSTEAD[w]}' for w in wrong(name))})"
        for file, name in public_names()
        if wrong(name) and not allowed(file, name) and not ENTRIES.search(name)
        and not SLICES.search(f"{file}:{name}")
    }  # fmt: skip
    assert not found, "\n".join(sorted(found))


# the catalog has entries, a YAML file too; volumes and arrays are cut into slices
ENTRIES = re.compile(r"(?i)entr(y|ies)|chunk")
SLICES = re.compile(r"(?i)(images|datasets)/.*slice|metrics/sums.py")


def test_no_exception_is_left_over() -> None:
    used = {
        n for file, name in public_names() if wrong(name) for n in (file, name, f"{file}:{name}")
    }
    assert not ALLOWED.keys() - used


# help may say how slices are cut: the glossary keeps the word for that
IN_HELP = {"slice", "case", "entry", "asked", "told", "standing", "chunk"}


# a rate by depth, as timm calls it; a random sample; what papers call --each-block
OPTIONS = ("--layer-decay", "--sample", "--layers")


@pytest.mark.parametrize("verb", COMMANDS)
def test_options_and_help_use_the_words_of_the_glossary(verb: str) -> None:
    command = COMMANDS[verb]
    for param in command.params:
        for name in (*param.opts, *param.secondary_opts):
            if name not in OPTIONS:
                assert not wrong(name), f"{verb} {name}"
        text = getattr(param, "help", None) or ""
        kept = re.sub(r"Label texts|layer-decay", "", text)
        assert not set(wrong(kept)) - IN_HELP, f"{verb} {param.name}: {text}"
        if isinstance(param.type, click.Choice):
            shown = param.metavar or ""
            assert not wrong(shown), f"{verb} {param.name}: {shown}"
    assert not set(wrong(command.help or "")) - IN_HELP, command.help


@pytest.mark.parametrize("kind", [Result, Audit, MaskAudit, Summary, Dataset, Shots, FewShot])
def test_keys_of_json_use_the_words_of_the_glossary(kind: type) -> None:
    assert not {f.name: w for f in fields(kind) if (w := wrong(f.name))}


def test_values_that_results_record_use_the_words_of_the_glossary() -> None:
    assert FewShot().to_dict()["by"] == Shots().to_dict()["by"] == "item"


def test_keys_of_the_file_of_a_leaderboard_use_the_words_of_the_glossary() -> None:
    keys = set(grid.TOP) | set(yaml_entries.ENTRY) | set(yaml_models.MODEL)
    assert not {k: w for k in keys if (w := wrong(k))}


def test_the_glossary_says_what_is_held_here() -> None:
    text = (ROOT.parent / "docs" / "design.md").read_text(encoding="utf-8")
    table = text.split("### Words", 1)[1].split("\n## ", 1)[0]
    rows = [[c.strip() for c in r.split("|")[1:4]] for r in re.findall(r"^\|.*\|$", table, re.M)]
    first = {row[0] for row in rows}
    assert len(first) == len(rows), "a word stands twice"
    terms = {"item", "frame", "group", "block", "output", "view", "part", "setting", "cell"}
    assert terms <= first
    refused = " ".join(row[2] for row in rows)
    for word in ("sample", "case", "subject", "layer", "slice", "remarks", "doubts", "entry"):
        assert re.search(rf"\b{word}\b", refused), word
