"""One door to every file format: what a path is, how many frames it has, its pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, MissingPath, UnreadableItem, reason
from featprobe.core.opening import held
from featprobe.images import arrays, dicom, frames, itk, nifti, plugins, raster
from featprobe.images.decoded_image import DecodedImage, FrameRecipe, ImageHeader, Volume
from featprobe.images.padding import guess

# Each module has extent(path, recipe) and load(path, recipe); DICOM's take the files of a series.
_READERS: dict[str, Any] = {
    "nifti": nifti, "dicom": dicom, "raster": raster, "itk": itk, "array": arrays,
}  # fmt: skip
# What is never opened to look for an image.
_OTHERS = (
    ".img", ".raw", ".zraw", ".csv", ".tsv", ".txt", ".json", ".xml", ".md", ".html", ".pdf", ".py",
    ".log", ".yaml", ".yml", ".zip", ".tar", ".xls", ".xlsx", ".doc", ".docx", ".parquet", ".db",
    ".mp4", ".avi", ".mov", ".bval", ".bvec", ".pt", ".pth", ".pkl", ".svs", ".ndpi",
)  # fmt: skip

DETACHED = (".hdr", ".mhd", ".nhdr")  # headers whose voxels may lie in a file of their own
_ENDINGS = 10_000  # of names that are kept in mind


def kind_of(path: Path) -> str | None:
    """``"raster"``, ``"nifti"``, ``"dicom"``, ``"itk"``, ``"array"``, the name of a reader of
    another package, or None for no image.

    Told by the name. A file whose suffix is none of an image is opened to look for the DICOM mark
    (``IM0001``, ``1.2.840.113``, ``CT.MR``, a gzipped one) and for what other readers sniff, unless
    it is plainly something else. The detached voxels of a header (.img, .raw) are no image on their
    own.
    """
    name = path.name.lower()
    kind = kind_of_name(name)
    if kind is not None or is_other(name):
        return kind
    if dicom.is_dicom(path):
        return "dicom"
    return next((k for k, reader in plugins.readers().items() if reader.matches(path)), None)


def is_other(name: str) -> bool:
    """Whether a name is plainly of no image, so that nobody has to look into the file."""
    return name.lower().endswith(_OTHERS)


def kind_of_name(name: str) -> str | None:
    """The kind that a file's name alone tells, None where it tells none.

    Raises :class:`InputError` where two readers of other packages claim it, or one claims what
    featprobe reads itself.
    """
    name = name.lower()
    kind = next((k for k in _READERS if name.endswith(_READERS[k].SUFFIXES)), None)
    others = plugins.readers()
    if not others:
        return kind
    claimed = {k: _reach(name, r.suffixes) for k, r in others.items()}
    longest = max(claimed.values(), default=0)
    if not longest or (kind and longest < _reach(name, _READERS[kind].SUFFIXES)):
        return kind
    first = [k for k, reach in claimed.items() if reach == longest]
    own = kind and longest == _reach(name, _READERS[kind].SUFFIXES)
    if own or len(first) > 1:
        who = ["featprobe"] if own else []
        who += [f"reader {k} ({others[k].of})" for k in first]
        raise InputError(
            f"{name[-longest:]} files are claimed by {' and by '.join(who)}: uninstall one, or let "
            "it use another suffix"
        )
    return first[0]


def kinds_of_names(names: Iterable[str]) -> list[str | None]:
    """:func:`kind_of_name` of each, asked once for each ending of two dots at most."""
    suffixes = [s for reader in _READERS.values() for s in reader.SUFFIXES]
    suffixes += [s for reader in plugins.readers().values() for s in reader.suffixes]
    if not all(s.startswith(".") and s.count(".") <= 2 for s in suffixes):
        return [kind_of_name(name) for name in names]
    known: dict[str, str | None] = {}
    out = []
    for name in names:
        end = ".".join(name.rsplit(".", 2)[1:])
        if end not in known:
            if len(known) > _ENDINGS:  # numbers with dots, as DICOM files are called
                known.clear()
            known[end] = kind_of_name(f".{end}")
        out.append(known[end])
    return out


def _reach(name: str, suffixes: Sequence[str]) -> int:
    """The length of the longest suffix that a name has."""
    return max((len(s) for s in suffixes if name.endswith(s)), default=0)


def _reader(kind: str) -> Any:
    return _READERS.get(kind) or plugins.readers()[kind]


def count_frames(paths: Sequence[Path], recipe: FrameRecipe) -> int:
    """Frames of an item (one file, or the ordered files of a DICOM series), from headers only.

    ``frames="foreground"`` decodes the item, since only its pixels tell.
    """
    if recipe.frames == "foreground":
        return len(read(paths, recipe).pixels)
    return count_of(header(paths, recipe), paths, recipe)


def count_of(found: ImageHeader, paths: Sequence[Path], recipe: FrameRecipe) -> int:
    """Frames of an item whose header is known."""
    try:
        return frames.count(found, recipe)
    except Exception as error:
        raise _unreadable(paths[0], error) from error


def header(paths: Sequence[Path], recipe: FrameRecipe) -> ImageHeader:
    """Size and geometry of an item before it is cut into frames, from headers only."""
    with held(paths[0]):
        kind = _kind(paths)
        try:
            found: ImageHeader = _reader(kind).extent(_given(kind, paths), recipe)
            return found
        except Exception as error:
            raise _unreadable(paths[0], error) from error


def decoded(paths: Sequence[Path], recipe: FrameRecipe) -> DecodedImage | Volume:
    """The pixels of an item before they are cut into frames."""
    with held(paths[0]):
        kind = _kind(paths)
        try:
            found: DecodedImage | Volume = _reader(kind).load(_given(kind, paths), recipe)
            return found
        except Exception as error:
            raise _unreadable(paths[0], error) from error


def _given(kind: str, paths: Sequence[Path]) -> Any:
    """What a reader takes: the files of a series, or one file."""
    return paths if kind == "dicom" else paths[0]


def read(paths: Sequence[Path], recipe: FrameRecipe) -> DecodedImage:
    """Decode an item. Whatever a decoder raises becomes :class:`UnreadableItem` with the path."""
    loaded = decoded(paths, recipe)
    try:
        if loaded.padding is None:
            padding, notes = guess(loaded.pixels)
            loaded = replace(loaded, padding=padding, notes=loaded.notes + notes)
        if isinstance(loaded, Volume):
            return frames.cut(loaded, recipe)
        return frames.choose(loaded, recipe)
    except Exception as error:
        raise _unreadable(paths[0], error) from error


def parts(names: Sequence[str]) -> list[str]:
    """All files that the pixels of an item come from: also the voxels detached from a header."""
    if not names or not names[0].lower().endswith(DETACHED):
        return list(names)
    path = Path(names[0])
    suffix = path.suffix.lower()
    extra: tuple[Path, ...] = ()
    if suffix == ".hdr":
        pair = (path.with_suffix(".img"), path.with_suffix(".img.gz"))
        extra = tuple(p for p in pair if p.exists())[:1]
    else:
        try:
            extra = itk.detached(path)
        except OSError:  # the item is unreadable, which reading it will say
            extra = ()
    return [*names, *map(str, extra)]


def _kind(paths: Sequence[Path]) -> str:
    path = paths[0]
    if not path.exists():
        raise MissingPath(_one_line(f"{path}: no such file"))
    kind = kind_of(path)
    if kind is None:
        raise UnreadableItem(_one_line(f"{path}: not an image file of a known format"))
    if path.stat().st_size == 0:
        raise UnreadableItem(_one_line(f"{path}: the file is empty"))
    return kind


def _unreadable(path: Path, error: Exception) -> UnreadableItem:
    text = reason(error)
    return UnreadableItem(
        _one_line(text if str(path) in text else f"{path}: cannot be read: {text}")
    )


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n").replace("\r", "\\r")
