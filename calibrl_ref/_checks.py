"""Argument checks: every message names the argument, the value, what was expected and the fix."""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

Value = TypeVar("Value")


def bad_value(argument: str, value: object, expected: str, fix: str) -> ValueError:
    """Build the error that every failed check raises."""
    return ValueError(f"{argument}={value!r}: expected {expected}. Fix: {fix}.")


def check_range(argument: str, value: float | Tensor, low: float, high: float = math.inf) -> None:
    """Raise unless ``value`` is a finite number in ``[low, high]``.

    So must be every element of a tensor on the CPU; one on another device is not read, as the host would wait for it.
    """
    if isinstance(value, Tensor):
        wrong = ~_in_range(value, low, high)
        if not (value.is_cpu and bool(wrong.any())):
            return
        value = value[wrong][0].item()
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{argument}={value!r}: expected a number. Fix: pass an int or a float.")
    if not (math.isfinite(value) and low <= value <= high):
        raise bad_value(argument, value, f"a finite number in [{low}, {high}]", "choose a value in that range")


def bounded(argument: str, value: float | Tensor, low: float, high: float = math.inf) -> float | Tensor:
    """Return ``value``; raise if it is a number out of ``[low, high]``, make NaN of such elements of a tensor.

    NaN reaches the loss, where it is seen; to raise, the host would have to wait for the device.
    """
    if isinstance(value, Tensor):
        return value.where(_in_range(value, low, high), torch.nan)
    check_range(argument, value, low, high)
    return value


def _in_range(values: Tensor, low: float, high: float) -> Tensor:
    return torch.isfinite(values) & (values >= low) & (values <= high)


def check_count(argument: str, value: int | None) -> None:
    """Raise unless ``value`` is None or an int of at least 1."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise bad_value(argument, value, "a whole number of at least 1, or None", "pass a positive int")


def check_same_shape(**tensors: Tensor) -> None:
    """Raise unless all tensors have one shape."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1:
        raise bad_value(", ".join(shapes), list(shapes.values()), "equal shapes", "expand or index them to one shape")


def check_row_values(matrix_name: str, matrix: Tensor, **values: Tensor) -> None:
    """Raise unless all ``values`` have the shape of ``matrix``, or are columns [rows, 1] beside a [rows, time] one."""
    for name, tensor in values.items():
        if not (matrix.dim() == 2 and tensor.shape == (len(matrix), 1)):
            check_same_shape(**{matrix_name: matrix, name: tensor})


def check_shape(argument: str, tensor: Tensor, shape: Iterable[int], meaning: str) -> None:
    """Raise unless ``tensor`` has this shape; ``meaning`` says it in words, as in ``[rows, time]``."""
    if tuple(tensor.shape) != tuple(shape):
        raise bad_value(
            f"{argument}.shape", tuple(tensor.shape), f"{tuple(shape)} {meaning}", "give every field the same rows"
        )


def check_float(argument: str, tensor: Tensor) -> None:
    """Raise unless ``tensor`` is a floating-point tensor."""
    _check_dtype(argument, tensor, "a floating-point tensor", tensor.is_floating_point(), ".float()")


def check_bool(argument: str, tensor: Tensor) -> None:
    """Raise unless ``tensor`` is a boolean tensor."""
    _check_dtype(
        argument, tensor, "a bool tensor", tensor.dtype == torch.bool, ".bool(), or compare, as in score > 0.1"
    )


def check_integer(argument: str, tensor: Tensor) -> None:
    """Raise unless ``tensor`` is an integer tensor."""
    integers = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
    _check_dtype(argument, tensor, "an integer tensor", tensor.dtype in integers, ".long()")


def _check_dtype(argument: str, tensor: Tensor, expected: str, holds: bool, conversion: str) -> None:
    if not holds:
        raise TypeError(f"{argument}.dtype={tensor.dtype}: expected {expected}. Fix: convert it with {conversion}.")


def check_tensor(argument: str, value: object) -> None:
    """Raise unless ``value`` is a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{argument}={value!r}: expected a torch.Tensor. Fix: pass torch.as_tensor({argument}).")


def check_finite(argument: str, tensor: Tensor) -> None:
    """Raise, naming the first offending position, if an element is NaN or infinite."""
    finite = torch.isfinite(tensor)
    if not bool(finite.all()):
        position = torch.nonzero(~finite)[0].tolist()
        raise bad_value(
            f"{argument}{position}",
            float(tensor[tuple(position)].detach()),
            "a finite number",
            f"find why row {position[0]} is not",
        )


def check_at_most(argument: str, tensor: Tensor, limit: float) -> None:
    """Raise, naming the first offending position, if a log-probability exceeds ``limit`` (0 and its rounding)."""
    above = tensor > limit
    if bool(above.any()):
        position = torch.nonzero(above)[0].tolist()
        raise bad_value(
            f"{argument}{position}",
            float(tensor[tuple(position)].detach()),
            "a log-probability in nats, at most 0",
            "take log-softmax in float32, as token_log_probs does; a loss has the opposite sign",
        )


HALF = (torch.bfloat16, torch.float16)


def precise(values: Tensor) -> Tensor:
    """Return bf16 and fp16 as float32 (a sum or an exponential of them is of no use), any other tensor as it is."""
    return values.float() if values.dtype in HALF else values


def look_up(registry: Mapping[str, Value], argument: str, name: str, *, closed: bool = False) -> Value:
    """Return ``registry[name]``, or raise an error that lists the valid names and guesses the one that was meant.

    Users may add to a registry, unless it is ``closed``.
    """
    if name not in registry:
        otherwise = "use one of these" if closed else f"use one of these, or register {name!r} first"
        fix = did_you_mean(name, registry, otherwise=otherwise)
        raise bad_value(argument, name, f"one of {sorted(registry)}", fix)
    return registry[name]


def did_you_mean(name: str, valid: Iterable[str], *, otherwise: str) -> str:
    """Return how to fix a wrong name: the valid one that looks like it, if one does, and ``otherwise``."""
    close = difflib.get_close_matches(str(name), list(valid), n=1)
    return f"did you mean {close[0]!r}? If not, {otherwise}" if close else otherwise
