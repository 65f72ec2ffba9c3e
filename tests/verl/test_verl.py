"""The real verl and the real Tinker client: ``make test-verl`` makes their environment and runs this.

verl's own loss machinery runs on tensors on a CPU: ``ppo_loss`` picks the registered loss, hands it micro-batches
and the numbers of the global batch. What needs a GPU (its trainer, its engines) has not run.
"""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
import tinker
import torch
from conftest import make_rollouts
from tensordict import TensorDict
from tinker.lib.public_interfaces.training_client import TrainingClient
from verl import DataProto
from verl.experimental.agent_loop.agent_loop import AgentLoopWorker
from verl.trainer.ppo import core_algos
from verl.utils import tensordict_utils
from verl.workers.config import FSDPActorConfig, PolicyLossConfig
from verl.workers.utils.losses import ppo_loss

from calibrl_ref import RECIPES
from calibrl_ref.integrations.tinker import custom_loss
from calibrl_ref.integrations.verl import AGGREGATION_OF_MODE, policy_loss, set_constants
from calibrl_ref.integrations.verl_experts import NAME, ExpertAgentLoop, ExpertWorker

FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
PROMPT = 2  # tokens


def batch_of(seed=0, **changes):
    return make_rollouts(seed, dtype=torch.float32, **changes)


def micro_batch(batch, advantages, rows, whole):
    """What verl's engine hands to ``ppo_loss`` for some rows of a batch."""
    mask = batch.mask[rows]
    number = len(mask)
    data = TensorDict(
        {
            "prompts": torch.ones(number, PROMPT, dtype=torch.long),
            "responses": torch.ones(mask.shape, dtype=torch.long),
            "attention_mask": torch.cat([torch.ones(number, PROMPT, dtype=torch.long), mask.long()], dim=1),
            "response_mask": mask.long(),
            "old_log_probs": batch.old_token_log_prob[rows],
            "advantages": advantages[rows],
        },
        batch_size=number,
    )
    tensordict_utils.assign_non_tensor(data, dp_size=1, **whole)
    packed = [
        torch.cat([torch.zeros(PROMPT - 1), values[kept], torch.zeros(1)])  # verl shifts by one token
        for values, kept in zip(batch.token_log_prob[rows], mask, strict=True)
    ]
    return {"log_probs": torch.cat(packed)}, data


def through_verl(batch, advantages, name, mode, cuts):
    """The sum of verl's losses over micro-batches."""
    config = FSDPActorConfig(
        strategy="fsdp",
        rollout_n=4,
        ppo_micro_batch_size_per_gpu=1,
        loss_agg_mode=mode,
        entropy_coeff=0.0,
        policy_loss=PolicyLossConfig(loss_mode=name),
    )
    whole = {"batch_num_tokens": int(batch.mask.sum()), "global_batch_size": len(batch.mask)}
    losses = []
    for rows in cuts:
        output, data = micro_batch(batch, advantages, rows, whole)
        losses.append(ppo_loss(config, output, data)[0])
    return sum(losses)


def gradient(loss, batch):
    return torch.autograd.grad(loss, batch.token_log_prob, retain_graph=True)[0]


def test_verl_has_loaded_the_plugin():
    names = set(core_algos.POLICY_LOSS_REGISTRY)
    assert {f"calibrl_ref.{name}" for name in ("grpo", "dapo", "gspo", "cispo", "sapo", "constants")} <= names
    assert "calibrl_ref.calibrl" not in names
    assert core_algos.get_adv_estimator_fn("calibrl_ref").__name__ == "group_advantage_without_experts"


@pytest.mark.parametrize("cuts", [[slice(None)], [slice(0, 1), slice(1, 7), slice(7, 12)]], ids=["whole", "cut"])
@pytest.mark.parametrize("mode", AGGREGATION_OF_MODE)
@pytest.mark.parametrize("name", ["grpo", "dapo", "gspo"])
def test_a_method_through_verls_loss_equals_the_core(name, mode, cuts):
    batch = batch_of(experts=False)
    advantages = batch.advantage.unsqueeze(1) * batch.mask
    found = through_verl(batch, advantages, f"calibrl_ref.{name}", mode, cuts)
    wanted = RECIPES[name](aggregation=AGGREGATION_OF_MODE[mode])(batch).total
    torch.testing.assert_close(found, wanted, **FLOAT32)
    torch.testing.assert_close(gradient(found, batch), gradient(wanted, batch), **FLOAT32)


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        ("grpo", "vanilla", {"dual_clip": 3.0}),
        ("gspo", "gspo", {"clip_low": 0.2, "clip_high": 0.2}),
        ("cispo", "cispo", {"ratio_low": 0.8, "ratio_high": 1.2}),
        ("sapo", "sapo", {}),
    ],
)
def test_a_method_equals_verls_own(ours, theirs, options):
    batch = batch_of(experts=False, old_shift=0.6)
    advantages = batch.advantage.unsqueeze(1) * batch.mask
    core_algos.register_policy_loss("calibrl_ref.tested")(policy_loss(ours, **options))
    mode = "seq-mean-token-mean"
    found = through_verl(batch, advantages, "calibrl_ref.tested", mode, [slice(None)])
    wanted = through_verl(batch, advantages, theirs, mode, [slice(None)])
    torch.testing.assert_close(found, wanted, **FLOAT32)
    torch.testing.assert_close(gradient(found, batch), gradient(wanted, batch), **FLOAT32)


@pytest.mark.parametrize("name", ["calibrl", "calibrl_released"])
def test_a_method_with_experts_through_verls_loss_equals_the_core_however_it_is_cut(name):
    source, objective = batch_of(3), RECIPES[name]()
    leaf = source.token_log_prob.detach().clone().requires_grad_()
    score = torch.zeros_like(leaf.detach())
    score[:, 0] = source.correct.float()
    data = DataProto.from_dict(
        tensors={
            "old_log_probs": leaf.detach(),
            "response_mask": source.mask.long(),
            "token_level_scores": score,
        },
        non_tensors={
            "uid": np.array([str(group) for group in source.group.tolist()], dtype=object),
            "is_expert": np.array(source.is_expert.tolist(), dtype=object),
        },
    )
    set_constants(data, objective)
    advantage = objective.advantage(source.correct.float(), source.group, source.is_expert)
    batch = batch_of(3, token_log_prob=leaf, old_token_log_prob=leaf.detach(), advantage=advantage)
    wanted = gradient(objective(batch).total, batch)
    for cuts in ([slice(None)], [slice(0, 1), slice(1, 7), slice(7, 15)]):
        loss = through_verl(batch, data.batch["advantages"], "calibrl_ref.constants", "token-mean", cuts)
        torch.testing.assert_close(gradient(loss, batch), wanted, **FLOAT32)


@pytest.mark.parametrize(
    ("number", "n", "expert", "validate", "taken"),
    [
        (4, 5, "text", False, True),
        (3, 5, "text", False, False),
        (4, 5, None, False, False),
        (4, 5, "text", True, False),
        (0, 1, "text", False, False),
    ],
)
def test_the_last_response_of_a_prompt_is_the_experts(monkeypatch, number, n, expert, validate, taken):
    async def run(self, sampling_params, trajectory, *, agent_name, **kwargs):
        return agent_name

    monkeypatch.setattr(AgentLoopWorker, "_run_agent_loop", run)
    worker = object.__new__(ExpertWorker)
    worker.config = SimpleNamespace(actor_rollout_ref=SimpleNamespace(rollout=SimpleNamespace(n=n)))
    trajectory = {"rollout_n": number, "validate": validate}
    found = asyncio.run(worker._run_agent_loop({}, trajectory, agent_name="single_turn_agent", expert=expert))
    assert found == (NAME if taken else "single_turn_agent")


def test_the_experts_agent_loop_returns_the_experts_tokens():
    loop = object.__new__(ExpertAgentLoop)
    loop.tokenizer = SimpleNamespace(encode=lambda text, add_special_tokens: [ord(c) for c in text], eos_token_id=0)
    loop.response_length = 3

    async def pictures(messages):
        return {}

    async def prompt(messages, **kwargs):
        return [7, 8]

    loop.process_multi_modal_info, loop.ct_build_initial_tokens = pictures, prompt
    found = asyncio.run(loop.run({}, raw_prompt=[{"role": "user", "content": "?"}], expert="ab"))
    assert (found.prompt_ids, found.response_ids, found.response_mask) == ([7, 8], [97, 98, 0], [1, 1, 1])
    assert found.extra_fields["is_expert"] is True
    longer = asyncio.run(loop.run({}, raw_prompt=[{"role": "user", "content": "?"}], expert="abcd"))
    assert longer.response_ids == [97, 98, 99]
    assert NAME == "calibrl_ref.expert"


def as_tinker(batch):
    rows = []
    for row, length in enumerate(batch.mask.sum(1).tolist()):
        fields = {
            "target_tokens": torch.ones(length, dtype=torch.long),
            "weights": torch.ones(length),
            "group": batch.group[row : row + 1],
            "is_expert": batch.is_expert[row : row + 1].long(),
            "correct": batch.correct[row : row + 1].long(),
            "advantage": batch.advantage[row : row + 1],
            "old_token_log_prob": batch.old_token_log_prob[row, :length],
            "mask": torch.ones(length),
        }
        rows.append(
            tinker.types.Datum(model_input=tinker.types.ModelInput.from_ints([1] * length), loss_fn_inputs=fields)
        )
    return rows


@pytest.mark.parametrize("name", ["grpo", "calibrl", "calibrl_released"])
def test_tinkers_own_gradient_computation_gives_the_objectives_derivative(name):
    batch = batch_of(4)
    answered = [
        {"logprobs": tinker.types.TensorData.from_torch(batch.token_log_prob.detach()[row, :length])}
        for row, length in enumerate(batch.mask.sum(1).tolist())
    ]
    forward = SimpleNamespace(loss_fn_outputs=answered)
    result = TrainingClient._compute_custom_loss(as_tinker(batch), custom_loss(RECIPES[name]()), forward)
    expected = gradient(RECIPES[name]()(batch).total, batch)
    for row, datum in enumerate(result.data):
        sent = datum.loss_fn_inputs["weights"].to_torch()
        torch.testing.assert_close(-sent, expected[row, : len(sent)], **FLOAT32)
