"""What is left of a fine-tuning to masks: Result, kept scores, and the decoder in a file."""

from __future__ import annotations

from pathlib import Path

from featprobe.backbones.base import Backbone
from featprobe.datasets.base import Dataset
from featprobe.evaluation.predict import source_of_items
from featprobe.finetuning.dense.judging import experiment_of, fitted_of
from featprobe.finetuning.dense.reporting import report
from featprobe.finetuning.images import Images
from featprobe.finetuning.state import TrainState
from featprobe.finetuning.trained import Ended
from featprobe.segmentation.reporting import keep
from featprobe.segmentation.saving import save_decoder, saved_of

FILE = "decoder.safetensors"


def ended(state: TrainState, dataset: Dataset, resamples: int, label: str) -> Ended:
    """Score the test items of the trial that was chosen, in their own voxels.

    The decoder becomes a file for ``featprobe predict``, on the trained backbone.
    """
    experiment = experiment_of(state)
    result, scored = report(state, resamples, label)

    def save(backbone: Backbone) -> Path:
        labeled, wanted = experiment.labeled, state.network.wanted
        features = Images(backbone, dataset, labeled.frames, wanted, labeled.key.precision)
        source = source_of_items(features, result.view, "mean")
        file = experiment.folder / FILE
        return save_decoder(saved_of(fitted_of(state), experiment.masked, source), file)

    return Ended(result, save, lambda: keep(experiment.cache, result, scored, None))
