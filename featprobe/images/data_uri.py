"""Images within a page."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


def jpeg_uri(image: Image.Image, quality: int) -> str:
    """An image as a JPEG in a data URI."""
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}"
