"""featprobe show: its tokens; the map is in a module of its own"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.common import cache_option, loading_options, open_dataset
from featprobe.cli.show_map import command as show_map
from featprobe.cli.verb import Verb, Verbs

if TYPE_CHECKING:
    import numpy as np

    from featprobe.features.tokens import TokenSet


@click.group(
    cls=Verbs,
    epilog="""\b
Examples:
  featprobe show map --model dinov2_vits14 --data ./chest_xrays --html map.html
  featprobe show tokens --model dinov2_vits14 --data ./chest_xrays --out tokens.png
""",
)
def command() -> None:
    """Pictures of what a backbone makes of images: a map of all items, tokens as colours."""


command.add_command(show_map)


@command.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe show tokens --model dinov2_vits14 --data ./chest_xrays --out tokens.png
  featprobe show tokens --model tiny_vit14 --data ./volumes --count 3 --foreground none --out t.pdf
  featprobe show tokens --model dinov2_vits14 --data ./chest_xrays --attention --out heads.png

\b
The tokens are those that 'featprobe extract --features tokens' has stored.
""",
)
@click.option("--model", required=True, help="As it was given to extract.")
@click.option("--data", required=True, help="As it was given to extract.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help=".png, .svg or .pdf.")
@click.option(
    "--count", default=6, show_default=True, type=click.IntRange(1, 60),
    help="How many items, evenly over the data set; of a volume the middle frame is shown.",
)  # fmt: skip
@click.option("--item", multiple=True, metavar="ID...", help="These items instead.")
@click.option(
    "--foreground", default="0.5", show_default=True, metavar="SHARE",
    help="Of the first component, above which a token is coloured; none: all are.",
)  # fmt: skip
@click.option(
    "--attention", is_flag=True,
    help="The attention of CLS to patches in the last block, its heads' mean, in place of colours.",
)  # fmt: skip
@click.option("--image-size", type=int, metavar="PIXELS", help="Of the tokens, of several sizes.")
@loading_options
@cache_option
def tokens(
    model: str, data: str, out: Path, count: int, item: tuple[str, ...], foreground: str,
    attention: bool, image_size: int | None, cache: str | None, **loading: Any,
) -> None:  # fmt: skip
    """Patch tokens of several images as colours, by one PCA over all of them."""
    from featprobe.extraction.elsewhere import decoded_elsewhere
    from featprobe.features.token_colours import pca_colours
    from featprobe.features.tokens import open_tokens
    from featprobe.plots.overlays import colours
    from featprobe.plots.style import save

    threshold = _threshold(foreground)
    found = open_tokens(
        open_dataset(data, cache, loading), model, cache=cache, image_size=image_size
    )
    rows = _rows(found, item, count)
    middle = [found.frames(i) // 2 for i in rows]
    with decoded_elsewhere(found.data):
        pictures = [found.images(i, found.size)[m].mean(0) for i, m in zip(rows, middle)]
    if attention:
        values = _attention(found, model, rows, middle)
        text = "attention of CLS in the last block"
    else:
        frames = [found.tokens(i, 1, slice(m, m + 1))[0, 0] for i, m in zip(rows, middle)]
        values, kept = pca_colours(frames, threshold)
        text = f"three components keep {kept:.1%} of the variance of what is coloured"
    save(colours(pictures, values, [str(found.ids[i]) for i in rows]), out)
    print(f"wrote {out}: {len(rows)} items of {found.dataset} / {found.backbone}, {text}")


def _threshold(text: str) -> float | None:
    if text == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise click.BadParameter(f"{text!r} is neither none nor a number from 0 to 1")
    return value


def _rows(found: TokenSet, items: tuple[str, ...], count: int) -> list[int]:
    import numpy as np

    from featprobe.core.errors import UnknownName, nearest

    place = {str(name): i for i, name in enumerate(found.ids)}
    for name in items:
        if name not in place:
            raise UnknownName(f"{found.dataset} has no item {name!r}.{nearest(name, place)}")
    if items:
        return [place[name] for name in items]
    return np.unique(np.linspace(0, len(found) - 1, count).round().astype(int)).tolist()


def _attention(found: TokenSet, model: str, rows: list[int], middle: list[int]) -> list[np.ndarray]:
    """Mean attention (h, w) of the heads, of each picture from 0 to 1."""
    import torch

    from featprobe.backbones.attention import attention
    from featprobe.backbones.load import load_backbone
    from featprobe.core.errors import InputError

    backbone = load_backbone(model, image_size=found.size[0])
    if backbone.weights_sha256 != found.features.key.weights:
        raise InputError(f"{model}: these are not the weights of the stored tokens")
    out = []
    for i, m in zip(rows, middle):
        x = torch.from_numpy(found.images(i, found.size)[m : m + 1])
        weights = attention(backbone, backbone.normalised(x)).mean(1)[0].numpy()
        out.append(weights / max(float(weights.max()), 1e-12))
    return out
