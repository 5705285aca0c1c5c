"""Shared by the tests of verbs."""

from __future__ import annotations

import pytest

from featprobe.cli.main import main


@pytest.fixture
def run(capsys):
    """Run the command line in this process: (exit code, standard output, standard error)."""

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_info:
            main([str(a) for a in args])
        out = capsys.readouterr()
        return int(exit_info.value.code or 0), out.out, out.err

    return call
