"""Files to arrays: rasters, DICOM, NIfTI, npz; the frame recipe and the intensity rules."""
