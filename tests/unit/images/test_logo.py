"""Logos: nothing but their pixels is kept, and nothing but small PNG files is opened."""

import io
import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin

from audience_core.domain.sharing import MAX_LOGO_PIXELS
from audience_core.errors import InvalidInputError
from audience_core.images.logo import cleaned

SECRET = b"<script>alert(1)</script>"


def a_png(image: Image.Image, **given: object) -> bytes:
    written = io.BytesIO()
    image.save(written, "PNG", **given)
    return written.getvalue()


def an_image(mode: str = "RGB", size: tuple[int, int] = (4, 3)) -> Image.Image:
    image = Image.new("RGB", size)
    image.putdata([(n * 20 % 256, n * 7 % 256, 255 - n % 256) for n in range(size[0] * size[1])])
    return image.convert(mode)


def a_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content), formats=["PNG"])
    image.load()
    return image


def chunks(content: bytes) -> list[bytes]:
    found, place = [], 8
    while place < len(content):
        (size,) = struct.unpack(">I", content[place : place + 4])
        found.append(content[place + 4 : place + 8])
        place += size + 12
    return found


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_every_kind_of_png_keeps_what_it_shows(mode: str) -> None:
    image = an_image("L").convert("I").convert(mode) if mode == "I;16" else an_image(mode)

    made = opened(cleaned(a_png(image)))

    assert (made.format, made.size) == ("PNG", image.size)
    if mode != "I;16":  # which has more depth than is kept
        assert made.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


def test_a_transparent_colour_stays_transparent() -> None:
    image = an_image("P")
    content = a_png(image, transparency=image.getpixel((0, 0)))

    assert opened(cleaned(content)).convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]  # of RGBA


def test_nothing_hidden_survives() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET.decode())
    text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    content = a_png(an_image(), pnginfo=text, icc_profile=SECRET, exif=SECRET)
    private = a_chunk(b"hiDe", SECRET)
    header = 8 + 25
    content = content[:header] + private + content[header:] + b"PK\x03\x04" + SECRET

    made = cleaned(content)

    assert SECRET in content
    assert SECRET not in made
    assert set(chunks(made)) <= {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
    assert cleaned(made) == made


def test_one_frame_of_an_animation_is_kept() -> None:
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "green", "blue")]
    content = a_png(frames[0], save_all=True, append_images=frames[1:])
    assert b"acTL" in chunks(content)

    made = opened(cleaned(content))

    assert getattr(made, "n_frames", 1) == 1
    assert made.convert("RGB").getpixel((1, 1)) == (255, 0, 0)


@pytest.mark.parametrize("kind", ["GIF", "JPEG", "BMP", "TIFF", "WEBP", "PPM"])
def test_other_formats_are_refused_whatever_they_are_called(kind: str) -> None:
    written = io.BytesIO()
    an_image().save(written, kind)

    with pytest.raises(InvalidInputError, match="no PNG"):
        cleaned(written.getvalue())


@pytest.mark.parametrize("size", [(MAX_LOGO_PIXELS, 1), (1, MAX_LOGO_PIXELS)])
def test_long_sides_are_taken_up_to_the_limit(size: tuple[int, int]) -> None:
    assert opened(cleaned(a_png(an_image(size=size)))).size == size
    with pytest.raises(InvalidInputError, match="no side may have more than 2048"):
        cleaned(a_png(an_image(size=(size[0] + 1, size[1] + 1))))


def test_a_bomb_is_refused_by_its_header() -> None:
    """A few bytes that say they are gigapixels: they must not be unpacked to find out."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + a_chunk(b"IHDR", header) + a_chunk(b"IDAT", zlib.compress(b"\0" * 9999))

    with pytest.raises(InvalidInputError):
        cleaned(content)


def test_a_small_image_with_a_huge_text_is_refused_or_freed_of_it() -> None:
    bomb = a_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 80_000_000))
    content = a_png(an_image())
    content = content[:33] + bomb + content[33:]

    try:
        made = cleaned(content)
    except InvalidInputError:
        return
    assert len(made) < 1000


@pytest.mark.parametrize("cut", [9, 30, 40, -200])
def test_what_breaks_off_is_refused(cut: int) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read"):
        cleaned(a_png(an_image(size=(60, 60)))[:cut])


def test_damage_is_refused() -> None:
    content = bytearray(a_png(an_image(size=(60, 60))))
    content[50] ^= 255

    with pytest.raises(InvalidInputError, match="cannot be read"):
        cleaned(bytes(content))
