"""Where a checkpoint lies: a folder, adapters beside their base, or the hub; and what is said where there is none."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open

from cli.folder import read_json
from cli.names import hint
from full_scale.model.shipped import SHIPPED_MODELS

ADAPTER_FILE, CONFIG_FILE = "adapter_config.json", "config.json"
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
"""What can be looked up on the hub; anything else is a path, and asking for it would tell the hub of it."""


def base_of(folder: Path) -> str:
    """The checkpoint that a folder's adapters belong to.

    Args:
        folder: With adapter_config.json.

    Returns:
        Its folder or hub id; a shipped model's is found wherever the project lies.

    Raises:
        ValueError: It is not there any more.
    """
    named = str(read_json(folder / ADAPTER_FILE).get("base_model_name_or_path"))
    shipped = {place.name: place for place in SHIPPED_MODELS.values()}
    if Path(named).name in shipped and not Path(named).exists():
        return str(shipped[Path(named).name])
    try:
        check_place(named)
    except ValueError:
        raise ValueError(
            f"model={str(folder)!r}: its adapters belong to {named}, which is not there. "
            f"Fix: put it back, or correct base_model_name_or_path in {folder / ADAPTER_FILE}."
        ) from None
    return named


def check_place(folder: str | Path) -> None:
    """Refuse what is neither a folder with a checkpoint nor a hub id, before anything is asked of the hub.

    Args:
        folder: As the model was called.

    Raises:
        ValueError: With what was meant, where that can be guessed.
    """
    path, expected = Path(folder), "expected a folder with a checkpoint, a hub id, or tiny or tiny-text"
    if path.is_file():
        raise ValueError(f"model={str(folder)!r}: {expected}; it is a file. Fix: give its folder.")
    if path.is_dir():
        if not any((path / name).is_file() for name in (CONFIG_FILE, ADAPTER_FILE)):
            fix = _checkpoint_inside(path) or "choose another --model."
            raise ValueError(
                f"model={str(folder)!r}: {expected}; it holds neither config.json nor adapters. Fix: {fix}"
            )
    elif not HUB_ID.fullmatch(str(folder)):
        fix = hint(str(folder), SHIPPED_MODELS) or "check the path."
        raise ValueError(f"model={str(folder)!r}: {expected}; there is no such folder. Fix: {fix}")


def check_weights(folder: str | Path) -> None:
    """Refuse missing or damaged weights by their files' heads, before data is read for a model that cannot be.

    Args:
        folder: As the model was called; a hub id is not looked up.

    Raises:
        ValueError: There is no such checkpoint, or its weights are not readable.
    """
    check_place(folder)
    files = sorted(Path(folder).glob("*.safetensors"))
    with readable(folder):
        if Path(folder).is_dir() and not files:
            raise OSError("no file of weights as safetensors")
        for file in files:
            with safe_open(file, framework="pt"):
                pass


def check_adapters(folder: str | Path) -> None:
    """Refuse a checkpoint without adapters, of which a merged copy would be no more than a copy.

    Args:
        folder: As the model was called.

    Raises:
        ValueError: There is no such checkpoint, or it has no adapters.
    """
    check_place(folder)
    if not (Path(folder) / ADAPTER_FILE).is_file():
        raise ValueError(
            f"--merge: expected a folder with {ADAPTER_FILE}, model={str(folder)!r} has no adapters. "
            "Fix: --model with the folder of a run that was trained with --lora-rank."
        )


def check_whole(folder: str | Path) -> None:
    """Refuse adapters where further ones are trained: saved alone, these would seem to belong to the base itself.

    Args:
        folder: As the model was called.

    Raises:
        ValueError: It holds adapters.
    """
    if (Path(folder) / ADAPTER_FILE).is_file():
        raise ValueError(
            f"model={str(folder)!r}: expected a whole model for --lora-rank, it holds adapters. "
            f"Fix: python full_scale/evaluate.py --model {folder} --merge FOLDER, then --model FOLDER."
        )


def _checkpoint_inside(path: Path) -> str:
    inside = sorted(path.glob("checkpoint-*"), key=lambda item: (len(item.name), item.name))
    return f"did you mean {inside[-1]}?" if inside else ""


@contextmanager
def readable(folder: str | Path) -> Iterator[None]:
    """Within it, what the libraries say of an unreadable checkpoint becomes one line with its name.

    Args:
        folder: As the model was called.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        fix = "check name, network and `hf auth login`" if HUB_ID.fullmatch(str(folder)) else "check its files"
        if isinstance(error, SafetensorError) or "pytorch_model" in reason or "safetensors" in reason:
            fix = "weights are read as safetensors alone: save it with save_pretrained, or copy the file again"
        raise ValueError(f"model={str(folder)!r}: expected a readable checkpoint ({reason}). Fix: {fix}.") from error
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise ValueError(
            f"model={str(folder)!r}: it brings its own code, which is not run. Fix: read that code, then --remote-code."
        ) from error
