"""Pictures of segmented items in a page: those that ``segment --overlays`` has drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from featprobe.core.errors import InputError, MissingPath, reason
from featprobe.images.data_uri import jpeg_uri
from featprobe.report.svg import element, text_of

KINDS = (".png", ".jpg", ".jpeg")
WIDEST = 1200  # pixels; of wider ones a page would be of many megabytes
_QUALITY = 85
WARNING = (
    "These are images of patients, with the names of items that were drawn on them: do not send "
    "the file where they may not go."
)


def overlay_figures(folder: Path, hide: Callable[[str], str]) -> list[str]:
    """Markup of the pictures of a folder by name, as JPEG within the page; captions are the names
    of the files, through ``hide``.

    Raises :class:`MissingPath` without the folder, and :class:`InputError` where it holds no
    picture or one that cannot be read.
    """
    if not folder.is_dir():
        raise MissingPath(
            f"{folder}: no such folder; 'featprobe segment --overlays {folder}' draws into it"
        )
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in KINDS)
    if not files:
        raise InputError(
            f"{folder}: it holds no picture (.png, .jpg); 'featprobe segment --overlays {folder}' "
            "draws some"
        )
    out = []
    for file in files:
        name = hide(file.stem)
        picture = element("img", src=_uri(file), alt=f"Overlays: {name}", class_="overlay")
        out.append(element("figure", picture + element("figcaption", text_of(name))))
    return out


def _uri(file: Path) -> str:
    from PIL import Image

    try:
        with Image.open(file) as f:
            image = f.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{file}: not a readable picture ({reason(error)})") from error
    image.thumbnail((WIDEST, 4 * WIDEST))
    return jpeg_uri(image, _QUALITY)
