"""Which pixels a reader gives: raised where it gives others for a file than before.

Features stored under another version are of other pixels and must not be taken for equal. 1 is what
keys without a version mean.

2: DICOM with a VOI LUT or sigmoid (modality units under rules other than ``auto`` and ``file``),
with padding, with an intercept and no slope, with a rescale at root and by frame, 16-bit palettes
of bytes, a window of width 1; colour that is not 8 bit under ``auto``; volumes of bytes up to 15
under ``auto``; volumes with a plateau below -1100; TIFF with an orientation or a palette of bytes,
NIfTI with an sform of zeros. Which files form a DICOM item is part of ids and contents already.
"""

from __future__ import annotations

READERS = {"dicom": 2, "raster": 2, "nifti": 2, "itk": 2, "array": 2}
READER_VERSION = max(READERS.values())
