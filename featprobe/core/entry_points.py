"""Whether any package that is installed may have entry points of ours.

Reading them takes ``importlib.metadata`` some 40 ms, much of what ``featprobe models`` takes. So
the files in which packages declare them are searched for the name of our groups first, and are
read as they should be only where it is there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

NAME = b"featprobe."
FILES = ("entry_points.txt", "EGG-INFO/entry_points.txt")
METADATA = (".dist-info", ".egg-info", ".egg")
# Python's own finder, and the one that its backport adds as soon as some library imports it.
FOLDER_FINDERS = ("_frozen_importlib_external", "importlib_metadata")


def may_be_declared(path: Sequence[str], name: bytes = NAME) -> bool:
    """Whether a section of some ``entry_points.txt`` on the ``path`` begins with ``name``; True as
    well where packages are found by other means than folders (archives, finders of their own)."""
    if any(hasattr(f, "find_distributions") and not _usual(f) for f in sys.meta_path):
        return True
    return any(_in_folder(folder or ".", b"[" + name) for folder in dict.fromkeys(path))


def _usual(finder: object) -> bool:
    return getattr(finder, "__module__", "") in FOLDER_FINDERS


def _in_folder(folder: str, section: bytes) -> bool:
    try:
        names = os.listdir(folder)
    except NotADirectoryError:
        return True
    except OSError:
        return False
    places = (os.path.join(folder, n) for n in names if n.endswith(METADATA))
    return any(_holds(os.path.join(place, file), section) for place in places for file in FILES)


def _holds(file: str, section: bytes) -> bool:
    try:
        with open(file, "rb") as f:
            text = f.read()
    except OSError:
        return False
    return section in text.replace(b" ", b"")
