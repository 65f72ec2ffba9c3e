"""A run's folder: what it holds, with which settings it was begun, and where it goes on."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cli.folder import RunFolder, beside, read_json, read_lines, write_json
from full_scale.problems.quarantine import QUARANTINE_FILE
from full_scale.run.manifest import checkpoints, update_of
from full_scale.run.settings import OPTIONS, Settings

SETTINGS_FILE, BEFORE_FILE, METRICS_FILE = "settings.json", "held_out_before.json", "metrics.jsonl"
RESULTS_FILE, ORIGIN_FILE, CRASH_FILE = "results.json", "origin.json", "crash.json"

RUN_FILES = (BEFORE_FILE, METRICS_FILE, RESULTS_FILE, ORIGIN_FILE, CRASH_FILE, QUARANTINE_FILE)
"""What this program writes beside the settings."""

MODEL_FILES = (
    *("config.json", "generation_config.json", "model.safetensors", "model-*-of-*.safetensors"),
    *("model.safetensors.index.json", "adapter_config.json", "adapter_model.safetensors", "README.md"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"),
    *("merges.txt", "vocab.txt", "tokenizer.model", "chat_template.jinja", "chat_template.json"),
    *("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json"),
)
"""What transformers and PEFT write for a model and its processor."""

OWN_FILES = (
    *RUN_FILES,
    *MODEL_FILES,
    *("curves.png", "curves.svg", "answers.html", "training_args.bin"),
    *("runs/*/events.out.tfevents.*", "skipped/update-*.pt"),
)
"""All that a run writes, besides its checkpoints."""

CHECKPOINT_FILES = (
    *("*.safetensors", "*.json", "*.jinja", "*.pt", "*.pth", "*.bin", "README.md", "latest", "*.py"),
    *("merges.txt", "vocab.txt", "tokenizer.model"),
    *("global_step*/*", "*_[0-9]/*"),  # DeepSpeed's and FSDP's parts
)
"""What transformers, PEFT and DeepSpeed write into a checkpoint, and what this trainer adds."""


def run_folder(out: Path) -> RunFolder:
    """The folder of a training run.

    Args:
        out: The output folder.

    Returns:
        The folder, with the names of all that a run writes.
    """
    whole = [f"*checkpoint-*/{name}" for name in CHECKPOINT_FILES]
    parts = [f"saving-checkpoint/{name}" for name in whole]  # one that is being written
    return RunFolder(out, begun=SETTINGS_FILE, names=[*OWN_FILES, *whole, *parts], is_ours=are_settings)


def are_settings(content: object) -> bool:
    """Whether a file called settings.json holds a run's settings, an older version's too, or another program's.

    Args:
        content: What the file holds.

    Returns:
        Whether it is an object with all settings that have no default.
    """
    needed = {name for name, option in OPTIONS.items() if option.default is dataclasses.MISSING}
    return isinstance(content, dict) and needed <= content.keys()


def model_folder(out: Path) -> RunFolder:
    """The folder of a model alone.

    Args:
        out: The folder.

    Returns:
        The folder, with the names of all that belongs to a model.
    """
    parts = [f"saving-model/{name}" for name in MODEL_FILES]  # one that is being written
    return RunFolder(
        out,
        begun="config.json",
        names=[*MODEL_FILES, *parts],
        is_ours=lambda config: "model_type" in config,
        resumable=False,
    )


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """The updates' metrics, in order.

    Args:
        file: metrics.jsonl.

    Returns:
        One record per update; none where the file does not exist.
    """
    return read_lines(file)


def forget_later_metrics(file: Path, step: int) -> None:
    """Drop the metrics of updates that will be done again.

    Args:
        file: metrics.jsonl.
        step: The last update that stays.
    """
    kept = [json.dumps(record) + "\n" for record in read_metrics(file) if record["step"] <= step]
    with beside(file) as part:
        part.write_text("".join(kept), encoding="utf-8")


def versions() -> dict[str, str]:
    """The versions of this project and of what a run's numbers depend on; asked before the first update."""
    packages = ("calibrl_ref", "torch", "transformers", "trl", "accelerate", "numpy")
    return {name.replace("_", "-"): _version(name) for name in packages}


def _version(package: str) -> str:
    """A package's version, also of a checkout that was never installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return str(getattr(import_module(package), "__version__", "unknown"))


def fingerprint(texts: Iterable[str]) -> str:
    """A short digest of texts in their order, to notice that data has changed."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()[:12]


def begin(folder: RunFolder, settings: Settings, *, data: str, versions: dict[str, str]) -> None:
    """Begin a run anew: a former one in the folder is removed, settings and origin are written.

    Args:
        folder: The run's, locked.
        settings: All options.
        data: Fingerprint of the training data.
        versions: From :func:`versions`.

    Raises:
        ValueError: The folder holds something that a run did not write.
    """
    folder.clear()
    write_json(folder.path / SETTINGS_FILE, dataclasses.asdict(settings))
    write_json(folder.path / ORIGIN_FILE, {"data": data, "versions": versions})


def go_on(folder: RunFolder, settings: Settings, *, data: str, versions: dict[str, str]) -> list[str]:
    """Go on with the run in a folder: it must have the same data; what may change and has is returned.

    Args:
        folder: The run's, locked; its settings were checked.
        settings: All options now.
        data: Fingerprint of the training data.
        versions: From :func:`versions`.

    Returns:
        Lines that tell what is not as it was.

    Raises:
        ValueError: The data has changed.
    """
    begun = read_json(folder.path / SETTINGS_FILE)
    file = folder.path / ORIGIN_FILE
    origin: dict[str, Any] = read_json(file) if file.is_file() else {"data": data, "versions": versions}
    if origin["data"] != data:
        raise ValueError(
            f"--resume: {folder.path} was begun with other data. Fix: restore it, or start anew in another --out."
        )
    now = {name: getattr(settings, name) for name in MAY_CHANGE}
    pairs = [*_pairs(begun, now), *_pairs(origin["versions"], versions)]
    write_json(folder.path / SETTINGS_FILE, dataclasses.asdict(settings))
    return [f"{name} was {before}, now {after}" for name, before, after in pairs]


def _pairs(before: Mapping[str, object], now: Mapping[str, object]) -> list[tuple[str, object, object]]:
    """Name, former value and present value of what differs."""
    return [(name, before.get(name), value) for name, value in now.items() if before.get(name) != value]


MAY_CHANGE = ("steps", "save_every")
"""Settings that a resumed run may change."""


def check_same_settings(folder: Path, settings: Settings) -> None:
    """Refuse to go on with a run under other settings than those that it was begun with.

    Args:
        folder: The run's.
        settings: All options now.

    Raises:
        ValueError: Naming each difference.
    """
    begun, now = read_json(folder / SETTINGS_FILE), dataclasses.asdict(settings)
    before = {name: begun.get(name, OPTIONS[name].default) for name in OPTIONS} | {"recipe": begun.get("recipe", {})}
    differences = [
        f"{name} was {before[name]!r}, now {value!r}"
        for name, value in now.items()
        if name not in MAY_CHANGE and before[name] != value
    ]
    if before["steps"] != settings.steps and _depends_on_steps(settings):
        differences.append(f"steps was {before['steps']}, now {settings.steps}, on which the schedule depends")
    if differences:
        raise ValueError(f"--resume: {'; '.join(differences)}. Fix: resume with the run's settings, or start anew.")


def _depends_on_steps(settings: Settings) -> bool:
    """Whether an update depends on how many there are: through the learning rate, or the shares of several stages."""
    return settings.learning_rate_schedule != "constant" or len(settings.schedule().stages) > 1


def finished_results(folder: Path, settings: Settings) -> dict[str, Any] | None:
    """What results.json holds where the run has made all its updates and was evaluated; else None.

    Args:
        folder: The run's.
        settings: All options now.

    Returns:
        The results.
    """
    file = folder / RESULTS_FILE
    results: dict[str, Any] = read_json(file) if file.is_file() else {"finished": False}
    return results if results.get("finished") and results["steps"] >= settings.steps else None


def checkpoint_to_resume(folder: Path, name: str | None) -> Path | None:
    """The checkpoint to go on from; later ones are set aside under another name.

    Args:
        folder: The run's.
        name: Of an earlier checkpoint, "checkpoint-40" or "40"; None for the last one.

    Returns:
        Its folder; None where the run was interrupted before its first whole checkpoint.

    Raises:
        ValueError: There is no such checkpoint.
    """
    whole = {path.name: path for path in checkpoints(folder)}
    if name is None:
        return next(reversed(whole.values()), None)
    called = f"checkpoint-{Path(name).name.removeprefix('checkpoint-')}"
    if called not in whole:
        having = ", ".join(whole) or "none"
        raise ValueError(f"--checkpoint {name}: expected one of {folder}: {having}. Fix: choose one of these.")
    return whole[called]


def set_aside_later(checkpoint: Path) -> list[str]:
    """Rename the checkpoints after one that is gone on from, since a later resumption takes the last.

    The empty place of one that was cut off while it was written is removed.

    Args:
        checkpoint: The one that is gone on from.

    Returns:
        The new names.
    """
    step, renamed = update_of(checkpoint), []
    for path in sorted(checkpoint.parent.glob("checkpoint-*")):
        number = path.name.rpartition("-")[2]
        if number.isdigit() and int(number) > step and not any(path.iterdir()):
            path.rmdir()
        elif number.isdigit() and int(number) > step:
            target = next(
                place
                for count in range(1, 1000)
                if not (place := path.with_name(f"former-{count}-{path.name}")).exists()
            )
            path.rename(target)
            renamed.append(target.name)
    return renamed
