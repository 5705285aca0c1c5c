"""featprobe zeroshot and featprobe retrieval as a user meets them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import featprobe as fp
from tests.cli.test_main import one_line
from tests.support.imagetext import image_text

EXTRACT = ("extract", "--quiet", "--workers", 0)


@pytest.fixture
def extracted(run, class_folders, tmp_path):
    """The films through a small CLIP."""
    image_text(tmp_path / "clip", "clip")
    code, _, err = run(*EXTRACT, "--data", class_folders, "--model", tmp_path / "clip")
    assert code == 0, err
    return run


def captions(tmp_path: Path) -> Path:
    ids = fp.load_dataset(tmp_path / "films").ids
    path = tmp_path / "captions.csv"
    lines = [f"{i},a {'sick' if 'sick' in i else 'normal'} chest" for i in ids]
    path.write_text("\n".join(["id,text", *lines, f"{ids[0]},edema"]))
    return path


def test_zero_shot_shows_a_table_and_enters_the_leaderboard(extracted, class_folders) -> None:
    other = ("--model", "resnet18", "--init", "random", "--image-size", "32")
    assert extracted(*EXTRACT, "--data", class_folders, *other)[0] == 0
    code, out, err = extracted("zeroshot", "--resamples", 20)
    assert code == 0, err
    assert re.search(r"films +clip +.*\d\.\d{3} +\d\.\d{2}", out)
    assert "no intervals: 4 test patients" in out
    assert "resnet18" not in out + err  # has no projection, so nothing is wrong with it
    code, _, err = extracted("zeroshot", "--model", "resnet18")
    assert code == 2
    assert "no complete feature set with a projection among those named" in one_line(err)
    code, out, _ = extracted("leaderboard", "--json")
    assert [json.loads(line)["probe"] for line in out.splitlines()] == ["zeroshot"]


def test_templates_and_prompts_files_are_used(extracted, tmp_path) -> None:
    template = ("--template", "a {} chest", "an image of {}", "--resamples", 20, "--json")
    code, out, err = extracted("zeroshot", *template, "--data", "films")
    assert code == 0, err
    texts = {"positive": ["a sick chest", "an image of sick"]}
    assert json.loads(out)["params"]["prompts"]["sick"] == texts
    path = tmp_path / "prompts.yaml"
    path.write_text("normal: [a normal chest, an image of normal]\n" + f"sick: {texts}\n")
    code, again, err = extracted("zeroshot", "--prompts", path, "--resamples", 20, "--json")
    assert code == 0, err
    assert json.loads(again)["metrics"] == json.loads(out)["metrics"]


def test_retrieval_shows_both_directions(extracted, tmp_path) -> None:
    code, out, err = extracted("retrieval", "--captions", captions(tmp_path), "--resamples", 20)
    assert code == 0, err
    for way in ("image to text", "text to image"):
        assert re.search(rf"films +clip +{way} +(\d\.\d{{3}} \[.*\] +\d\.\d{{3}} +){{3}}", out)
    assert "ties lost" in out
    assert "40, 41 captions (20)" in out
    code, out, _ = extracted("retrieval", "--captions", tmp_path / "captions.csv", "--json")
    found = json.loads(out)
    assert found["chance"]["text_to_image_recall@10"] == pytest.approx(0.25)
    assert found["ci"].keys() == found["metrics"].keys()


MISTAKES = {
    "zeroshot --template chest": "template 'chest' has no {}",
    "zeroshot --negative {{}}": "--negative goes with --template",
    "zeroshot --prompts {tmp}/bad.yaml": "unknown class 'sik'. Did you mean 'sick'",
    "zeroshot --prompts {tmp}/bad.yaml --template {{}}": "exclude each other",
    "zeroshot --prompts {tmp}/none.yaml": "none.yaml: no such file",
    "zeroshot --data filns": "Did you mean 'films'",
    "zeroshot --checkpoint {tmp}/nowhere": "nowhere: no such model folder",
    "zeroshot --template {{}} --negative no-{{}}": "exclude one another",
    "retrieval": "Missing option '--captions'",
    "retrieval --captions {tmp}/none.csv": "none.csv: no such file",
    "retrieval --captions {tmp}/wrong.csv": "films / clip has no item 'nobody'",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(extracted, tmp_path, command: str) -> None:
    (tmp_path / "bad.yaml").write_text("normal: [a]\nsik: [b]\n")
    (tmp_path / "wrong.csv").write_text("id,text\nnobody,a chest\n")
    code, out, err = extracted(*command.format(tmp=tmp_path).split())
    assert code == 2
    assert out == ""
    assert MISTAKES[command] in one_line(err)


def test_an_empty_cache_says_what_to_extract(run) -> None:
    code, _, err = run("zeroshot")
    assert code == 2
    assert "featprobe extract --model clip_vitb32" in one_line(err)


def test_a_set_that_cannot_be_used_does_not_stop_the_others(extracted, class_folders, tmp_path):
    image_text(tmp_path / "gone", "clip", seed=1)
    assert extracted(*EXTRACT, "--data", class_folders, "--model", tmp_path / "gone")[0] == 0
    (tmp_path / "gone").rename(tmp_path / "away")
    code, out, err = extracted("zeroshot", "--resamples", 20, "--json")
    assert code == 0
    assert [json.loads(line)["backbone"] for line in out.splitlines()] == ["clip"]
    assert "left aside: films / gone: " in err
    code, out, err = extracted(
        "zeroshot", "--model", "gone", "--checkpoint", tmp_path / "away", "--resamples", 20
    )
    assert code == 0, err
