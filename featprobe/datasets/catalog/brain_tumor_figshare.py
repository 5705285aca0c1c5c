"""Brain tumour figshare: 3,064 contrast-enhanced T1 slices of 233 patients, three tumours.

Layout as in the release's README (doi 10.6084/m9.figshare.1512427): MATLAB v7.3 files ``1.mat`` ...
``3064.mat`` with a struct ``cjdata`` of label (1 meningioma, 2 glioma, 3 pituitary tumour), PID,
image, tumorBorder, tumorMask; and ``cvind.mat``, the authors' five folds by patient. Option
``fold`` makes one of the folds the test set, ``split=rad`` every third patient or so (70 of 233,
and 50 of the others val, evenly spaced by their first file; Baharoon et al., arXiv 2312.02366);
without them the split is left to the protocol.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError, reason
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.official import assemble, find, index_files
from featprobe.datasets.study_splits import by_patient
from featprobe.images.decoded_image import FrameRecipe

CLASSES = ("meningioma", "glioma", "pituitary tumor")


IMAGE = "cjdata/image"


def _label(path: Path) -> tuple[int, str]:
    """Label (0 to 2) and patient of a file."""
    import h5py

    try:
        with h5py.File(path, "r") as f:
            label = int(np.asarray(f["cjdata/label"]).item())
            patient = "".join(chr(int(c)) for c in np.asarray(f["cjdata/PID"]).ravel())
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: not a cjdata file: {reason(error)}") from None
    if label not in (1, 2, 3) or not patient:
        raise InputError(f"{path}: label {label} of patient {patient!r}; 1, 2 or 3 expected")
    return label - 1, patient


def _folds(path: Path) -> np.ndarray:
    """Fold (1 to 5) of each of the files 1.mat, 2.mat, ..."""
    import h5py

    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as f:
            return np.asarray(f["cvind"]).ravel().astype(int)
    from scipy.io import loadmat

    return np.asarray(loadmat(path)["cvind"]).ravel().astype(int)


def _build(root: Path, recipe: FrameRecipe, memory: Path, fold: str, split: str) -> Dataset:
    found = {int(k): p for k, p in index_files(root, (".mat",)).items() if re.fullmatch(r"\d+", k)}
    if not found:
        raise InputError(f"{root}: no 1.mat, 2.mat, ... below it; unpack the four zip files")
    order = sorted(found)
    labels, patients = zip(*(_label(found[k]) for k in order))
    if split == "rad" and fold != "none":
        raise InputError(f"{root}: fold={fold} and split=rad are two splits: give one of them")
    parts = by_patient(patients, 70, 50, 233) if split == "rad" else None
    if fold != "none":
        folds = _folds(find(root, "cvind.mat", "*/cvind.mat"))
        if len(folds) < order[-1]:
            raise InputError(
                f"{root}: cvind.mat has {len(folds)} entries, none for {order[-1]}.mat"
            )
        test = folds[np.array(order) - 1] == int(fold)
        parts = np.where(test, "test", "train")
    recipe = replace(recipe, key=recipe.key or IMAGE)
    return assemble(
        "brain_tumor_figshare", root, (str(k) for k in order), [found[k] for k in order], recipe,
        memory, targets=np.array(labels), task="multiclass", classes=CLASSES,
        groups=np.array(patients), split=parts,
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="brain_tumor_figshare",
    title="Brain tumor dataset (figshare, Cheng)",
    modality="contrast-enhanced T1 MR slices, MATLAB v7.3, 512 x 512",
    task="multiclass",
    classes=CLASSES,
    build=_build,
    items=3_064,
    group="cjdata.PID",
    split="a fold of cvind.mat with the option fold, or that of a study with split",
    options={"fold": ("none", "1", "2", "3", "4", "5"), "split": ("none", "rad")},
    licence="CC-BY 4.0",
    citation="Cheng et al., PLoS ONE 10(10), 2015, doi 10.1371/journal.pone.0140381",
    home="https://doi.org/10.6084/m9.figshare.1512427",
    layout="""\
1.mat ... 3064.mat, in one folder or in those of the four zip files
cvind.mat (for the option fold)""",
)
