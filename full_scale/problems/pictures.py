"""Pictures as data sets keep them (files, members of a zip archive, bytes in a table), opened when they are needed."""

import io
import os
import re
import struct
import warnings
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import PIL.Image
import PIL.ImageOps

MAX_PIXELS = 50_000_000
"""Larger pictures are refused: decoding one takes 150 MB, and the processors shrink it to at most 1280 x 28 x 28."""

MAX_ASPECT_RATIO = 200
"""Qwen2.5-VL's image processor refuses longer strips."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
"""What PIL may decode; it knows more, some of which start other programs."""

MAX_BYTES = 200 * 2**20
"""Larger members of an archive are refused: a few kilobytes of zip can unpack to gigabytes."""

_LONGEST_NAME = 240


@dataclass(frozen=True)
class EncodedPicture:
    """A picture in a table's cell, kept encoded: the pixels of a whole data set would not fit into memory.

    Args:
        content: The bytes of a PNG, JPEG ...
        name: How messages call it.
    """

    content: bytes = field(repr=False)
    name: str = "in the table"

    def __str__(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True)
class PackedPicture:
    """A member of a zip archive, such as ViRL39K's images.zip.

    Args:
        archive: The archive.
        member: The member's full name.
    """

    archive: Path
    member: str

    def __str__(self) -> str:
        """Archive and member."""
        return f"{self.archive}:{self.member}"

    def read(self) -> bytes:
        """The member's bytes.

        Returns:
            A PNG, JPEG ...

        Raises:
            OSError: It is larger than a picture can be.
        """
        archive = _archive(self.archive, os.getpid())
        if archive.getinfo(self.member).file_size > MAX_BYTES:
            raise OSError(f"it unpacks to more than {MAX_BYTES} bytes")
        return archive.read(self.member)


_UNREADABLE = (  # what PIL and zipfile raise on damaged files, beside OSError
    OSError,
    SyntaxError,  # PNG
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    NotImplementedError,  # a zip's compression
    RuntimeError,  # a zip with a password
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    PIL.Image.DecompressionBombError,
)

Picture: TypeAlias = PIL.Image.Image | Path | EncodedPicture | PackedPicture


def rgb_picture(picture: Picture) -> PIL.Image.Image:
    """Decode a picture as RGB: transparent parts white, turned as its EXIF orientation says.

    Args:
        picture: In any form.

    Returns:
        An RGB picture.

    Raises:
        ValueError: It is unreadable, empty, too large or too narrow; the message says what to do.
    """
    shown = (picture.format or "in memory") if isinstance(picture, PIL.Image.Image) else str(picture)
    try:
        if isinstance(picture, PIL.Image.Image):
            return _on_white(_checked(picture, shown))
        with warnings.catch_warnings(action="ignore"), open_picture(picture) as opened:  # of odd EXIF data, say
            return _on_white(_checked(opened, shown))
    except _UNREADABLE as error:
        reason = re.sub(r"identify image file .*", "tell its kind", str(error))  # PIL names objects and addresses
        raise ValueError(f"cannot read picture {shown}: {reason}; repair the file or leave the record out") from error


def open_picture(picture: Path | EncodedPicture | PackedPicture) -> PIL.Image.Image:
    """Open a picture of one of :data:`FORMATS`; PIL reads its header only.

    Args:
        picture: A file, a member of an archive, or bytes.

    Returns:
        The picture, to be closed by the caller.

    Raises:
        OSError: It is no picture.
    """
    if isinstance(picture, Path):
        source: Path | io.BytesIO = picture
    else:
        source = io.BytesIO(picture.content if isinstance(picture, EncodedPicture) else picture.read())
    with warnings.catch_warnings(action="ignore"):  # MAX_PIXELS is stricter than PIL's own limit
        return PIL.Image.open(source, formats=FORMATS)


def find_picture(root: Path, name: str) -> Path | PackedPicture:
    """The picture that a record names by a relative path; nothing outside of the data set's folder is looked at.

    Args:
        root: The data set's folder, or its file.
        name: The record's path, such as "images/3.jpg".

    Returns:
        The first that exists of: the path below the folder, below its `images` folder, also with another suffix; then
        a member of a zip archive in the folder. Else the plain path, which `Problem` refuses.

    Raises:
        ValueError: The path leads out of the folder, by "..", from the root, or by a link.
    """
    folder = root if root.is_dir() else root.parent
    relative = Path(name.removeprefix("file://"))
    if any(len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in relative.parts) or not name.isprintable():
        raise ValueError(f"the picture {name[:40]!r} is no path of a file; give one, or the picture's bytes as base64")
    if relative.is_absolute() or ".." in relative.parts:
        raise _outside(name, folder)
    for place in (folder / relative, folder / "images" / relative):
        for suffix in (place.suffix, ".png", ".jpg", ".jpeg"):
            if place.name and place.with_suffix(suffix).is_file():
                return inside(place.with_suffix(suffix), folder)
    return _packed(folder, name) or folder / relative


def inside(place: Path, folder: Path) -> Path:
    """The path itself, where no link leads out of the data set's folder.

    Args:
        place: An existing file.
        folder: The data set's folder; a snapshot in the hub's cache includes its blobs, to which its links lead.

    Returns:
        The path.

    Raises:
        ValueError: The file lies elsewhere.
    """
    real, home = place.resolve(), folder.resolve()
    homes = [home, *(parent.parent / "blobs" for parent in (home, *home.parents) if parent.name == "snapshots")]
    if not any(real.is_relative_to(one) for one in homes):
        raise _outside(str(place), folder)
    return place


def _outside(name: str, folder: Path) -> ValueError:
    return ValueError(f"{name} lies outside of the data set's folder {folder}; copy it into the folder")


def _packed(folder: Path, name: str) -> PackedPicture | None:
    for archive in _archives(folder):
        for member in _members(archive).get(Path(name).name, ()):
            if f"/{member}".endswith(f"/{name}"):
                return PackedPicture(archive, member)
    return None


@lru_cache(maxsize=8)
def _archives(folder: Path) -> list[Path]:
    return [inside(archive, folder) for archive in sorted(folder.glob("*.zip"))]


@lru_cache(maxsize=8)
def _members(archive: Path) -> dict[str, list[str]]:
    """File name -> members with that name."""
    members: dict[str, list[str]] = {}
    for member in _archive(archive, os.getpid()).namelist():
        members.setdefault(Path(member).name, []).append(member)
    return members


@lru_cache(maxsize=8)
def _archive(archive: Path, _process: int) -> zipfile.ZipFile:
    """The opened archive; a forked process opens its own, since the two would move one file position."""
    try:
        return zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"cannot read {archive} as a zip archive: {error}; download it again") from error


def _checked(image: PIL.Image.Image, shown: str) -> PIL.Image.Image:
    width, height = image.size
    where = f"picture {shown} is {width} x {height}"
    if not width or not height:
        raise ValueError(f"{where}; it is empty: repair the file or leave the record out")
    if width * height > MAX_PIXELS:
        raise ValueError(f"{where}; at most {MAX_PIXELS} pixels: shrink it")
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise ValueError(f"{where}; sides may differ {MAX_ASPECT_RATIO}-fold at most: crop or pad it")
    return image


def _on_white(image: PIL.Image.Image) -> PIL.Image.Image:
    """Turn the picture upright, flatten transparency onto white (diagrams are black on nothing), convert to RGB."""
    image = PIL.ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 or 32 bits a pixel: PIL itself clips all above 255
        values = np.asarray(image)
        image = PIL.Image.fromarray((values // (257 if values.max() > 255 else 1)).astype(np.uint8))
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = PIL.Image.new("RGBA", rgba.size, "white")
    return PIL.Image.alpha_composite(white, rgba).convert("RGB")
