"""featprobe: frozen features of medical images, extracted once, probed in seconds.

The public names below are loaded when first used, so that importing the package is cheap::

    import featprobe as fp

    data = fp.load_dataset("digits")
    backbone = fp.load_backbone("resnet18", init="random", image_size=64)
    features = fp.extract(backbone, data)
    for result in fp.evaluate(features, "knn"):
        print(result.metrics["auroc"], result.ci["auroc"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from featprobe.core._version import __version__
from featprobe.core.lazy import lazily

if TYPE_CHECKING:
    from featprobe.backbones.base import Backbone
    from featprobe.backbones.load import load_backbone
    from featprobe.core.plugins import register
    from featprobe.datasets.base import Dataset
    from featprobe.datasets.load import load_dataset
    from featprobe.evaluation.evaluate import evaluate
    from featprobe.evaluation.protocols import CrossVal, FewShot, Full
    from featprobe.evaluation.result_list import Results
    from featprobe.evaluation.results import Result
    from featprobe.evaluation.transfer import transfer
    from featprobe.extraction.local import extract
    from featprobe.features.feature_set import FeatureSet
    from featprobe.figures.embedding.embedding_map import embedding_map
    from featprobe.finetuning.dense.settings import Segmentation
    from featprobe.finetuning.recipes.named import make_recipe
    from featprobe.finetuning.run import finetune
    from featprobe.finetuning.settings import Training
    from featprobe.probes.attentive import AttentiveProbe
    from featprobe.probes.calibrated import CalibratedProbe
    from featprobe.probes.knn import KNNProbe
    from featprobe.probes.labelprop import LabelPropagationProbe
    from featprobe.probes.loading import load_probe
    from featprobe.probes.logistic import LogisticProbe
    from featprobe.probes.mlp import MLPProbe
    from featprobe.probes.ordinal import OrdinalProbe
    from featprobe.probes.prototype import PrototypeProbe
    from featprobe.probes.ridge import RidgeProbe
    from featprobe.probes.sgd import SGDProbe
    from featprobe.probes.transformer import TransformerProbe
    from featprobe.solvers.logistic import logistic_path

_WHERE = {
    "AttentiveProbe": "probes.attentive",
    "Backbone": "backbones.base",
    "CalibratedProbe": "probes.calibrated",
    "CrossVal": "evaluation.protocols",
    "Dataset": "datasets.base",
    "FeatureSet": "features.feature_set",
    "FewShot": "evaluation.protocols",
    "Full": "evaluation.protocols",
    "KNNProbe": "probes.knn",
    "LabelPropagationProbe": "probes.labelprop",
    "LogisticProbe": "probes.logistic",
    "OrdinalProbe": "probes.ordinal",
    "PrototypeProbe": "probes.prototype",
    "Result": "evaluation.results",
    "Results": "evaluation.result_list",
    "RidgeProbe": "probes.ridge",
    "MLPProbe": "probes.mlp",
    "SGDProbe": "probes.sgd",
    "Segmentation": "finetuning.dense.settings",
    "Training": "finetuning.settings",
    "TransformerProbe": "probes.transformer",
    "embedding_map": "figures.embedding.embedding_map",
    "evaluate": "evaluation.evaluate",
    "extract": "extraction.local",
    "finetune": "finetuning.run",
    "load_backbone": "backbones.load",
    "load_dataset": "datasets.load",
    "load_probe": "probes.loading",
    "logistic_path": "solvers.logistic",
    "make_recipe": "finetuning.recipes.named",
    "register": "core.plugins",
    "transfer": "evaluation.transfer",
}

__all__ = [
    "AttentiveProbe",
    "Backbone",
    "CalibratedProbe",
    "CrossVal",
    "Dataset",
    "FeatureSet",
    "FewShot",
    "Full",
    "KNNProbe",
    "LabelPropagationProbe",
    "LogisticProbe",
    "OrdinalProbe",
    "PrototypeProbe",
    "Result",
    "Results",
    "RidgeProbe",
    "MLPProbe",
    "SGDProbe",
    "Segmentation",
    "Training",
    "TransformerProbe",
    "__version__",
    "embedding_map",
    "evaluate",
    "extract",
    "finetune",
    "load_backbone",
    "load_dataset",
    "load_probe",
    "logistic_path",
    "make_recipe",
    "register",
    "transfer",
]

__getattr__, __dir__ = lazily(__name__, _WHERE, __all__)
