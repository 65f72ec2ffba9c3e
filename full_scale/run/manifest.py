"""A checkpoint's manifest: its files with their checksums, and what wrote it.

The manifest is written last, and a checkpoint gets its name when it is whole. So a folder without a manifest was cut
off in the middle, or was written by another program; a file that is not as the manifest says is damaged.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.folder import read_json, write_json

MANIFEST_FILE = "manifest.json"


def write_manifest(folder: Path, about: Mapping[str, Any]) -> None:
    """Finish a checkpoint: force its files to the disk and write down their sizes and checksums.

    Args:
        folder: The checkpoint, whole but for this.
        about: What else the manifest says, such as settings and versions.
    """
    files = {_below(path, folder): _described(path, sync=True) for path in _files(folder)}
    file = folder / MANIFEST_FILE
    write_json(file, {**about, "files": files})
    _sync(file)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a checkpoint's manifest says.

    Args:
        folder: The checkpoint.

    Returns:
        Its content.

    Raises:
        ValueError: There is none, or it cannot be read.
    """
    file = folder / MANIFEST_FILE
    if not file.is_file():
        raise ValueError(
            f"{folder}: expected a {MANIFEST_FILE}, there is none: writing it was cut off, or another program wrote it."
        )
    try:
        content: dict[str, Any] = read_json(file)
        return content | {"files": dict(content["files"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: expected the JSON of a manifest; it is damaged.") from error


def verify(folder: Path) -> dict[str, Any]:
    """Check every file of a checkpoint against its manifest.

    Args:
        folder: The checkpoint.

    Returns:
        What the manifest says.

    Raises:
        ValueError: Naming the first file that is missing or not as it was written.
    """
    manifest = read_manifest(folder)
    for name, wanted in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{path}: expected a file of this checkpoint, it is missing.")
        if _described(path) != wanted:
            raise ValueError(f"{path}: expected the content that was written, it has changed: the file is damaged.")
    return manifest


def checkpoints(out: Path) -> list[Path]:
    """The whole checkpoints in a run's folder, the earliest first.

    Args:
        out: The run's folder.

    Returns:
        Folders ``checkpoint-<update>`` with a manifest; those that were cut off while they were written are left out.
    """
    found = [path for path in out.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted((path for path in found if (path / MANIFEST_FILE).is_file()), key=update_of)


def update_of(checkpoint: Path) -> int:
    """The number of updates before a checkpoint.

    Example:
        >>> update_of(Path("out/checkpoint-40"))
        40
    """
    return int(checkpoint.name.rpartition("-")[2])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and _below(path, folder) != MANIFEST_FILE)


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _described(path: Path, *, sync: bool = False) -> dict[str, Any]:
    if sync:
        _sync(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
