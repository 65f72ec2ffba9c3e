"""Experts in verl's groups, on stand-ins of verl's agent loops; tests/verl has the real ones."""

import asyncio
import importlib
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

MODULE = "calibrl_ref.integrations.verl_experts"


class Worker:
    """In the place of verl's AgentLoopWorker: tells which agent loop a response went to, and hands out its batch."""

    def __init__(self, n, batch=None):
        self.config = SimpleNamespace(actor_rollout_ref=SimpleNamespace(rollout=SimpleNamespace(n=n)))
        self.batch = batch

    async def _run_agent_loop(self, sampling_params, trajectory, *, agent_name, **kwargs):
        return sampling_params, trajectory, agent_name, kwargs

    def _postprocess(self, *args, **kwargs):
        return self.batch(*args, **kwargs)


class Loop:
    """In the place of verl's SingleTurnAgentLoop."""

    def __init__(self, response_length):
        self.response_length = response_length
        self.tokenizer = SimpleNamespace(encode=self.encode, eos_token_id=9)

    def encode(self, text, *, add_special_tokens):
        assert add_special_tokens is False
        return [len(word) for word in text.split()]

    async def process_multi_modal_info(self, messages):
        return {"images": messages[0]["images"]} if "images" in messages[0] else {}

    async def ct_build_initial_tokens(self, messages, *, images, mm_inputs_out):
        assert mm_inputs_out == {}
        return [7, len(messages), len(images or [])]


class Manager:
    def __init__(self, *args, **kwargs):
        self.given = (args, kwargs, self.agent_loop_workers_class)


@pytest.fixture
def experts(monkeypatch):
    """The module, with verl's and ray's names beside it, and the agent loops that it registered."""
    registered = {}

    def register(name):
        return lambda loop: registered.setdefault(name, loop)

    names = {"AgentLoopManager": Manager, "AgentLoopOutput": SimpleNamespace, "AgentLoopWorker": Worker}
    loops = {"agent_loop": {**names, "register": register}, "single_turn_agent_loop": {"SingleTurnAgentLoop": Loop}}
    modules = {"ray": {"remote": lambda worker: ("remote", worker)}, "verl": {}, "verl.experimental": {}}
    modules["verl.experimental.agent_loop"] = {}
    modules |= {f"verl.experimental.agent_loop.{name}": content for name, content in loops.items()}
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    module = importlib.import_module(MODULE)
    yield SimpleNamespace(module=module, registered=registered)
    sys.modules.pop(MODULE, None)


@pytest.mark.parametrize(
    ("number", "n", "expert", "validate", "taken"),
    [
        (3, 4, "text", False, True),
        (2, 4, "text", False, False),
        (3, 4, "", False, False),
        (3, 4, None, False, False),
        (3, 4, "text", True, False),
        (0, 1, "text", False, False),
        (1, 2, "text", False, True),
    ],
)
def test_the_last_response_of_a_prompt_is_the_experts(experts, number, n, expert, validate, taken):
    worker = experts.module.ExpertWorker(n)
    trajectory = {"rollout_n": number, "validate": validate}
    given = {} if expert is None else {"expert": expert}
    answer = asyncio.run(
        worker._run_agent_loop({"temperature": 1.0}, trajectory, agent_name="single", other=5, **given)
    )
    name = "calibrl_ref.expert" if taken else "single"
    assert answer == ({"temperature": 1.0}, trajectory, name, {"other": 5, **given})
    assert experts.registered == {"calibrl_ref.expert": experts.module.ExpertAgentLoop}


@pytest.mark.parametrize(("length", "tokens"), [(9, [2, 3, 5, 9]), (4, [2, 3, 5, 9]), (2, [2, 3])])
def test_the_experts_agent_loop_returns_the_experts_tokens_with_an_end(experts, length, tokens):
    messages = [{"content": "?", "images": ["a", "b"]}]
    loop = experts.module.ExpertAgentLoop(length)
    output = asyncio.run(loop.run({}, raw_prompt=iter(messages), expert="so its seven"))
    assert vars(output) == {
        "prompt_ids": [7, 1, 2],
        "response_ids": tokens,
        "response_mask": [1] * len(tokens),
        "multi_modal_data": {"images": ["a", "b"]},
        "num_turns": 2,
        "metrics": {},
        "extra_fields": {"is_expert": True, "turn_scores": [], "tool_rewards": []},
    }


def test_a_prompt_without_pictures(experts):
    output = asyncio.run(experts.module.ExpertAgentLoop(9).run({}, raw_prompt=[{"content": "?"}], expert="so"))
    assert (output.prompt_ids, output.multi_modal_data) == ([7, 1, 0], {})


class Batch(list):
    """Of two rows; ``non_tensor_batch`` as verl's."""

    def __init__(self, fields):
        super().__init__([0, 0])
        self.non_tensor_batch = dict(fields)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [({}, [False, False]), ({"is_expert": np.array([None, True], dtype=object)}, [False, True])],
)
def test_every_row_of_a_batch_says_whether_it_is_an_experts(experts, fields, wanted):
    asked = []

    def batch(*args, **kwargs):
        asked.append((args, kwargs))
        return Batch(fields)

    column = experts.module.ExpertWorker(2, batch)._postprocess(1, 2, key=3).non_tensor_batch["is_expert"]
    assert asked == [((1, 2), {"key": 3})]
    assert (column.tolist(), column.dtype) == (wanted, np.dtype(object))


def test_the_manager_starts_workers_that_know_of_experts(experts):
    manager = experts.module.ExpertManager(1, key=2)
    assert manager.given == ((1,), {"key": 2}, ("remote", experts.module.ExpertWorker))
