"""The training of the small backbone that the package ships; not part of the installed package."""
