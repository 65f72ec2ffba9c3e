"""Experts in verl's groups: the last of a prompt's ``n`` responses is the data set's own (written for verl 0.9.1).

Set ``actor_rollout_ref.rollout.agent.agent_loop_manager_class`` to
``calibrl_ref.integrations.verl_experts.ExpertManager``, ``actor_rollout_ref.rollout.n`` to the group's size and one
more, and give the data set a column ``expert`` with the expert's whole response. A prompt without one samples all.
"""

from typing import Any

import numpy as np
import ray
from verl.experimental.agent_loop.agent_loop import AgentLoopManager, AgentLoopOutput, AgentLoopWorker
from verl.experimental.agent_loop.agent_loop import register as register_agent_loop
from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop

NAME = "calibrl_ref.expert"


def takes_the_expert(rollout_n: int, n: int, expert: object, *, validate: bool) -> bool:
    """Whether this response of a prompt is the expert's: the last of ``n``, in training, if the prompt has one."""
    return not validate and n > 1 and rollout_n == n - 1 and bool(expert)


@register_agent_loop(NAME)
class ExpertAgentLoop(SingleTurnAgentLoop):  # type: ignore[misc]  # verl has no types
    """An agent loop that samples nothing: its response is the column ``expert`` of the data set."""

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> AgentLoopOutput:  # noqa: ANN401  # verl's
        """Return the expert's response behind the prompt, with ``is_expert`` beside it."""
        messages = list(kwargs["raw_prompt"])
        pictures = await self.process_multi_modal_info(messages)
        prompt = await self.ct_build_initial_tokens(messages, images=pictures.get("images"), mm_inputs_out={})
        response = self.tokenizer.encode(kwargs["expert"], add_special_tokens=False)
        response = [*response, self.tokenizer.eos_token_id][: self.response_length]
        return AgentLoopOutput(
            prompt_ids=prompt,
            response_ids=response,
            response_mask=[1] * len(response),
            multi_modal_data=pictures,
            num_turns=2,
            metrics={},
            extra_fields={"is_expert": True, "turn_scores": [], "tool_rewards": []},
        )


class ExpertWorker(AgentLoopWorker):  # type: ignore[misc]  # verl has no types
    """A worker that hands the last response of each prompt to ``ExpertAgentLoop``."""

    async def _run_agent_loop(
        self,
        sampling_params: dict[str, Any],
        trajectory: dict[str, Any],
        *,
        agent_name: str,
        **kwargs: Any,  # noqa: ANN401  # verl's
    ) -> Any:  # noqa: ANN401  # verl's
        n, number = self.config.actor_rollout_ref.rollout.n, trajectory["rollout_n"]
        if takes_the_expert(number, n, kwargs.get("expert"), validate=trajectory["validate"]):
            agent_name = NAME
        return await super()._run_agent_loop(sampling_params, trajectory, agent_name=agent_name, **kwargs)

    def _postprocess(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # verl's
        batch = super()._postprocess(*args, **kwargs)
        given = batch.non_tensor_batch.get("is_expert", [None] * len(batch))
        batch.non_tensor_batch["is_expert"] = np.array([bool(value) for value in given], dtype=object)
        return batch


class ExpertManager(AgentLoopManager):  # type: ignore[misc]  # verl has no types
    """verl's manager with ``ExpertWorker``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # verl's
        self.agent_loop_workers_class = ray.remote(ExpertWorker)
        super().__init__(*args, **kwargs)
