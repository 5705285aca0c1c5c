"""What is said to be run again is a command that there is."""

from __future__ import annotations

import pytest

from featprobe.cli.main import main
from featprobe.evaluation.commands import command_of


@pytest.mark.parametrize(
    ("probe", "protocol", "task", "said"),
    [
        ("logistic", "full", "multiclass", "featprobe linear"),
        ("sgd", "cv", "multilabel", "featprobe linear --probe sgd"),
        ("knn", "loo", "multiclass", "featprobe knn"),
        ("knn", "fewshot", "multiclass", "featprobe fewshot --probe knn"),
        ("logistic", "fewshot", "multiclass", "featprobe fewshot"),
        ("ridge", "transfer", "regression", "featprobe transfer --probe ridge"),
        ("finetune", "full", "segmentation", "featprobe finetune"),
        ("segment", "full", "segmentation", "featprobe segment"),
        ("ensemble", "full", "multiclass", "featprobe ensemble"),
        ("zeroshot", "zeroshot", "multiclass", "featprobe zeroshot"),
    ],
)
def test_a_result_is_made_again_by_a_verb_that_there_is(
    probe, protocol, task, said, capsys
) -> None:
    assert command_of(probe, protocol, task) == said
    with pytest.raises(SystemExit) as end:
        main([said.split()[1], "--help"])
    assert end.value.code == 0
