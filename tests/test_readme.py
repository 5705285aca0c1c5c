"""The README's Python example runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_python_example_runs(capsys) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) == 1
    exec(compile(blocks[0], str(README), "exec"), {})
    out = capsys.readouterr().out
    assert re.search(r"\(226, 384\) \(226,\) \('lesion', 'none'\)", out)
    assert re.search(r"AUROC 0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\]", out)


def test_commands_of_the_readme_exist() -> None:
    from featprobe.cli.main import VERBS

    said = set(re.findall(r"^ *featprobe (\w+)", README.read_text(), flags=re.MULTILINE))
    assert said
    assert said <= set(VERBS)
    for script in re.findall(r"^ *bin/(\w+)", README.read_text(), flags=re.MULTILINE):
        assert (README.parent / "bin" / script).stat().st_mode & 0o100
