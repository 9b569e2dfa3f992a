"""Logos that strangers send: looked at by their content, and written anew from their pixels alone."""

import io
import warnings

from PIL import Image

from audience_core.domain.sharing import MAX_LOGO_PIXELS
from audience_core.errors import InvalidInputError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def cleaned(content: bytes) -> bytes:
    """A PNG with the same pixels and nothing else: no text, no profile, no further frame, nothing behind its end.

    Raises:
        InvalidInputError: it is no PNG, cannot be read to its end, or has sides that are too long.
    """
    if not content.startswith(_SIGNATURE):
        raise InvalidInputError("the logo is no PNG file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                # The header alone was read: nothing was decoded that is larger than it may be.
                _require_small(image)
                pixels = image.convert("RGBA")
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        raise InvalidInputError("the logo cannot be read as a PNG file") from error
    anew = Image.frombytes("RGBA", pixels.size, pixels.tobytes())
    written = io.BytesIO()
    anew.save(written, "PNG", optimize=True)
    return written.getvalue()


def _require_small(image: Image.Image) -> None:
    width, height = image.size
    if max(width, height) > MAX_LOGO_PIXELS:
        raise InvalidInputError(f"the logo has {width} x {height} pixels: no side may have more than {MAX_LOGO_PIXELS}")
