"""vLLM itself, on a CPU: colocated with the training and as a server, with pictures and with text.

`make test-vllm` runs this in an environment of its own. The tiny model is served with transformers' own processor: vLLM
knows neither this project's nor one without a video section. tiny-text has heads of a width that vLLM's attention on a
CPU does not support; the text model here is a wider one with random weights.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from scipy.stats import binomtest
from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

from full_scale.data import load_problems
from full_scale.model.answers import answer_problems
from full_scale.model.checkpoint import load_model
from full_scale.model.processor import load_processor
from full_scale.model.shipped import SHIPPED_MODELS
from full_scale.model.tiny import build_model, tiny_text_config
from full_scale.run.engines import SERVE

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GAP = 1e-4
"""Nats a token, on average, in float32: ten times what was measured; vLLM in bfloat16 differs by a few hundredths."""
PICTURES = ("--preset", "tiny", "--limit", 64, "--evaluate-problems", 0, "--save-every", 100)
SERVED = ("--enforce-eager", "--dtype", "float32", "--max-model-len", 2048, "--limit-mm-per-prompt", '{"video": 0}')


def environment():
    told = {"VLLM_CPU_KVCACHE_SPACE": 1, "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": 1}
    told |= {"HF_HUB_OFFLINE": 1, "OMP_NUM_THREADS": 1, "CUDA_VISIBLE_DEVICES": ""}
    told |= {"PYTHONPATH": f"{HERE / 'shims'}{os.pathsep}{ROOT}"}
    told |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # of the command vllm
    return os.environ | {name: str(value) for name, value in told.items()}


def run(*command):
    command = [sys.executable, *map(str, command)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=1200)
    return done.returncode, done.stdout + done.stderr


def train(script, out, *flags, processes=1):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes) if processes > 1 else ()
    status, said = run(*launcher, script, *flags, "--out", out)
    assert status == 0, said[-6000:]
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()], said


def gaps(metrics):
    return [line["sampler_gap/mean"] for line in metrics if "sampler_gap/mean" in line]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The shipped model with transformers' own processor, which reads pictures in the same way."""
    folder, shipped = tmp_path_factory.mktemp("pictures") / "model", SHIPPED_MODELS["tiny"]
    own = load_processor(shipped)
    shutil.copytree(shipped, folder)
    seen = own.image_processor
    images = Qwen2VLImageProcessor(size=dict(seen.size), image_mean=seen.image_mean, image_std=seen.image_std)
    Qwen2_5_VLProcessor(
        image_processor=images,
        tokenizer=own.tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=own.chat_template,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder, tokenizer = tmp_path_factory.mktemp("text") / "model", load_processor(SHIPPED_MODELS["tiny-text"])
    build_model(tiny_text_config(tokenizer, width=128), seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def calibrl(tmp_path_factory, pictures):
    """CalibRL with experts and pictures, two updates a sampling."""
    flags = (*PICTURES, "--model", pictures, "--steps", 4, "--updates-per-sampling", 2, "--vllm", "colocate")
    metrics, _ = train(HERE / "colocated.py", tmp_path_factory.mktemp("calibrl") / "run", *flags)
    print(f"vllm-cpu {version('vllm-cpu')}, torch {version('torch')}: gaps {gaps(metrics)} nats a token")
    return metrics


def test_what_samples_is_what_is_trained_and_weights_are_handed_over(calibrl):
    assert [line["step"] for line in calibrl] == [1, 2, 3, 4]
    assert all(line["loss"] for line in calibrl)
    assert len(gaps(calibrl)) == 4
    assert max(gaps(calibrl)) < GAP


def test_pictures_expanded_twice_end_the_run_in_its_first_update(pictures, tmp_path):
    """What vLLM makes of TRL's own call (huggingface/trl#6294)."""
    flags = ("--steps", 2, "--prompts-per-step", 4, "--micro-batch-rows", 32, "--model", pictures, "--vllm", "colocate")
    status, said = run(HERE / "expanded.py", *PICTURES, *flags, "--out", tmp_path / "run")
    assert status != 0
    (found,) = re.findall(
        r"sampler_gap=(\S+): sampler and policy differ .*expected at most 0.1; .*expanded twice", said
    )
    print(f"pictures expanded twice: gap {found}, and the run ends")
    assert float(found) > 1.0
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_accuracy_is_that_of_the_transformers_engine(calibrl, pictures, tmp_path):
    other, _ = train("full_scale/train.py", tmp_path / "run", *PICTURES, "--model", pictures, "--steps", 1,
        "--updates-per-sampling", 2, "--vllm", "none")  # fmt: skip
    rows = 256
    interval = binomtest(round(other[0]["accuracy"] * rows), rows).proportion_ci(method="wilson")
    found, wanted = calibrl[0]["accuracy"], other[0]["accuracy"]
    print(f"accuracy {found:.3f}; of transformers' engine {wanted:.3f} [{interval.low:.3f}, {interval.high:.3f}]")
    assert interval.low < found < interval.high


def test_low_rank_adapters(pictures, tmp_path):
    flags = ("--lora-rank", 4, "--learning-rate", 1e-3, "--steps", 2, "--prompts-per-step", 4, "--micro-batch-rows", 32)
    metrics, _ = train(
        HERE / "colocated.py", tmp_path / "run", *PICTURES, *flags, "--model", pictures, "--vllm", "colocate"
    )
    assert max(gaps(metrics)) < GAP


def test_two_processes(pictures, tmp_path):
    flags = ("--steps", 2, "--prompts-per-step", 4, "--micro-batch-rows", 16, "--model", pictures, "--vllm", "colocate")
    metrics, _ = train(HERE / "colocated.py", tmp_path / "run", *PICTURES, *flags, processes=2)
    assert max(gaps(metrics)) < GAP
    assert json.loads((tmp_path / "run" / "results.json").read_text())["processes"] == 2


def test_text_and_a_supervised_stage(text, tmp_path):
    flags = ("--preset", "tiny-text", "--model", text, "--method", "sft_grpo", "--steps", 4, "--limit", 64)
    flags += ("--prompts-per-step", 4, "--micro-batch-rows", 32, "--evaluate-problems", 0, "--learning-rate", 1e-3)
    metrics, _ = train(HERE / "colocated.py", tmp_path / "run", *flags, "--vllm", "colocate")
    assert [line["step"] for line in metrics] == [1, 2, 3, 4]
    assert gaps(metrics)  # from the first sampling on
    assert max(gaps(metrics)) < GAP


@contextmanager
def serving(command, log, patience=900):
    """The address of a server that a shell's command starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command += " " + " ".join(f"'{word}'" for word in (*SERVED, "--host", "127.0.0.1", "--port", port))
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + patience
    with log.open("w") as said:
        process = subprocess.Popen(["bash", "-c", f"exec env {command}"], env=environment(), stdout=said, stderr=said)
        try:
            while not answers(url):
                assert process.poll() is None, log.read_text()[-6000:]
                assert time.monotonic() < end, log.read_text()[-6000:]
                time.sleep(2)
            yield url
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def server(pictures):
    """As docs/scale.md says, on a CPU."""
    with serving(SERVE.format(model=pictures), pictures.parent / "server.log") as url:
        yield url


def answers(url):
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


def test_a_server_that_holds_stale_weights_is_noticed(server, pictures, tmp_path):
    flags = ("--steps", 2, "--prompts-per-step", 4, "--micro-batch-rows", 32, "--learning-rate", 1e-3)
    metrics, said = train(HERE / "served.py", tmp_path / "run", *PICTURES, *flags, "--model", pictures,
        "--vllm", "server", "--vllm-url", server)  # fmt: skip
    fresh, stale = gaps(metrics)
    print(f"server: gap {fresh:.2g}, {stale:.2g} after an update that was not handed over")
    assert fresh < GAP
    assert stale > 10 * fresh
    assert "an update that was not handed over" in said


def test_without_a_gpu_a_server_is_refused_in_one_line(server, pictures, tmp_path):
    status, said = run("full_scale/train.py", *PICTURES, "--model", pictures, "--out", tmp_path / "run",
        "--vllm", "server", "--vllm-url", server)  # fmt: skip
    assert status != 0
    assert "expected GPUs, as TRL hands weights to a server over NCCL alone" in said
    assert len(said.strip().splitlines()) == 1


def test_experts_with_pictures_from_a_server(server, pictures, tmp_path):
    """The tiny model does not know the instruction, so none is accepted; what it says is what it says here."""
    file = tmp_path / "experts.jsonl"
    status, said = run("full_scale/make_experts.py", "--base-url", f"{server}/v1", "--model", pictures, "--dataset",
        "rendered", "--limit", 12, "--max-tokens", 64, "--temperature", 0, "--out", file)  # fmt: skip
    assert status == 0, said
    records = [json.loads(line) for line in file.read_text().splitlines()]
    model, processor, problems = load_model(pictures), load_processor(pictures), load_problems("rendered", limit=12)
    wanted = answer_problems(model, processor, problems, max_new_tokens=64, greedy=True, instruct=True)
    found = {record["id"]: record["response"] for record in records}
    assert found == {problem.id: answer.text for problem, (answer,) in zip(problems, wanted, strict=True)}
    print(f"server: {len(found)} of {len(problems)} greedy answers to pictures equal")


HAND_OVER = """
import sys
from trl.generation.vllm_client import VLLMClient
VLLMClient(sys.argv[1]).init_communicator("cpu")
"""


def test_trls_own_command_starts_such_a_server(pictures, tmp_path):
    """`trl vllm-serve` runs vLLM's server with docs/scale.md's flags; on a CPU all but handing over weights works."""
    flags = ("--steps", 1, "--prompts-per-step", 4, "--micro-batch-rows", 32, "--model", pictures, "--vllm", "server")
    with serving(f"trl vllm-serve --model {pictures}", tmp_path / "server.log") as url:
        metrics, _ = train(HERE / "served.py", tmp_path / "run", *PICTURES, *flags, "--vllm-url", url)
        status, said = run("-c", HAND_OVER, url)
    (gap,) = gaps(metrics)
    print(f"trl vllm-serve: gap {gap:.2g}")
    assert gap < GAP
    assert status != 0
    assert "NotImplementedError: Weight synchronization runs on vLLM's NCCL weight-transfer engine" in said
