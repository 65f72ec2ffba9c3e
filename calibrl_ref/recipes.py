"""CalibRL's recipes, and ``RECIPES``: whole methods by name, each with its source's hyper-parameters as defaults.

A new recipe is one frozen dataclass, its function beside it, and its name in ``Recipes`` and ``RECIPES`` below; the
command lines, the documentation and the type checkers read its fields. ``slope`` is the paper's alpha,
``exploration_weight`` its lambda.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar, cast, overload

from calibrl_ref._checks import did_you_mean
from calibrl_ref.baseline_recipes import (
    clip_cov,
    cppo,
    cppo_released,
    dapo,
    dr_grpo,
    entropy_bonus,
    entropy_coefficient,
    entropy_target,
    grpo,
    kl_cov,
    luffy,
    luffy_released,
    rl_plus,
    rl_plus_released,
    sft,
)
from calibrl_ref.baselines import BASELINES, GAPS
from calibrl_ref.composition import AggregationName, DualClipped, Keywords, Pruned, recipe
from calibrl_ref.controllers import SlopeController
from calibrl_ref.further_recipes import ace, chord, cispo, gspo, hpt, pivot, sapo, srft, top_entropy, w_reinforce
from calibrl_ref.gates import GATES
from calibrl_ref.objective import Objective
from calibrl_ref.recipe_reader import OneOf
from calibrl_ref.selection import informative_groups
from calibrl_ref.terms import Exploration

GapName = Annotated[str, OneOf(GAPS)]
GateName = Annotated[str, OneOf(GATES)]
BaselineName = Annotated[str, OneOf(BASELINES)]


@dataclass(frozen=True, kw_only=True)
class Exploring(DualClipped):
    """A recipe with CalibRL's exploration term.

    Attributes:
        slope: alpha, the gate's attenuation beyond the expert's level, in [0, 1].
        exploration_weight: lambda, weight of the exploration term.
        gap: the level at which log-probabilities are compared.
        detach_expert: no gradient into the expert.
    """

    slope: float = 0.5
    exploration_weight: float = 0.1
    gap: GapName = "trajectory"
    detach_expert: bool = False


@dataclass(frozen=True, kw_only=True)
class CalibRL(Exploring):
    """CalibRL, the paper's form: one gate per response, gradient through the expert, token sum per response.

    Attributes:
        gate: what becomes of a gap.
        baseline: what a response is compared with.
        weighted: weight the exploration term by |A|, or every response by 1.

    Reference:
        arXiv:2602.20197, Eq. 9 and 10, with alpha = 0.5 and lambda = 0.1.
    """

    gate: GateName = "leaky_relu"
    baseline: BaselineName = "expert"
    weighted: bool = True
    aggregation: AggregationName = "sequence_mean_token_sum"

    def objective(self) -> Objective:
        """Return the surrogate and the exploration term."""
        exploration = Exploration(
            weight=self.exploration_weight,
            slope=self.slope,
            gap=self.gap,
            gate=self.gate,
            baseline=self.baseline,
            detach_baseline=self.detach_expert,
            weighted=self.weighted,
        )
        return self.compose(self.surrogate(), exploration)


calibrl = recipe("calibrl", CalibRL)


@dataclass(frozen=True, kw_only=True)
class CalibRLReleased(Exploring):
    """CalibRL, the released code's form: one gate per token, compared by index with the old policy's expert.

    ``detach_expert=False`` takes the expert's log-probability under the current policy instead, with its gradient. A
    group without an expert has no exploration term here; the released code compares with 0 there.

    Reference:
        "expert-guided" in src/core_algos.py, compute_mix_policy_loss.
    """

    gap: GapName = "token_aligned"
    detach_expert: bool = True
    dual_clip: float | None = 3.0
    scale_by_std: bool = False

    def objective(self) -> Objective:
        """Return the surrogate and the exploration term."""
        baseline = "old_expert" if self.detach_expert else "expert"
        exploration = Exploration(weight=self.exploration_weight, slope=self.slope, gap=self.gap, baseline=baseline)
        return self.compose(self.surrogate(), exploration)


calibrl_released = recipe("calibrl_released", CalibRLReleased)


@dataclass(frozen=True, kw_only=True)
class CalibRLReLU(CalibRL):
    """Ablation: nothing beyond the expert's level (a ReLU, slope 0).

    Reference:
        arXiv:2602.20197, ablation of the activation.
    """

    gate: GateName = "relu"


calibrl_relu = recipe("calibrl_relu", CalibRLReLU)


@dataclass(frozen=True, kw_only=True)
class CalibRLLinear(CalibRL):
    """Ablation: no gate (slope 1), so that the four quadrants are not told apart.

    Reference:
        arXiv:2602.20197, ablation of the activation.
    """

    gate: GateName = "linear"


calibrl_linear = recipe("calibrl_linear", CalibRLLinear)


@dataclass(frozen=True, kw_only=True)
class CalibRLSoftplus(CalibRL):
    """Ablation: a LeakyReLU without its kink.

    Reference:
        this project's; the paper has no smooth gate.
    """

    gate: GateName = "softplus"


calibrl_softplus = recipe("calibrl_softplus", CalibRLSoftplus)


@dataclass(frozen=True, kw_only=True)
class CalibRLSigmoid(CalibRL):
    """Ablation: a bounded gate, which saturates far from the expert's level.

    Reference:
        arXiv:2602.20197, ablation of the activation (its formula is not printed; here 1 / (1 + exp(-x))).
    """

    gate: GateName = "sigmoid"


calibrl_sigmoid = recipe("calibrl_sigmoid", CalibRLSigmoid)


@dataclass(frozen=True, kw_only=True)
class CalibRLUnweighted(CalibRL):
    """Ablation: every response has weight 1 instead of |A|.

    Reference:
        arXiv:2602.20197, ablation of the advantage weighting.
    """

    weighted: bool = False


calibrl_unweighted = recipe("calibrl_unweighted", CalibRLUnweighted)


@dataclass(frozen=True, kw_only=True)
class CalibRLLengthNormalised(CalibRL):
    """Ablation: the gap is taken between log-probabilities per token.

    Reference:
        arXiv:2602.20197, ablation of length normalisation.
    """

    gap: GapName = "trajectory_mean"


calibrl_length_normalised = recipe("calibrl_length_normalised", CalibRLLengthNormalised)


@dataclass(frozen=True, kw_only=True)
class CalibRLReferenceBaseline(CalibRL):
    """Ablation: a frozen reference policy's log-probability of the same response takes the expert's place.

    Reference:
        arXiv:2602.20197, ablation of the baseline.
    """

    baseline: BaselineName = "reference"


calibrl_reference_baseline = recipe("calibrl_reference_baseline", CalibRLReferenceBaseline)


@dataclass(frozen=True, kw_only=True)
class CalibRLRandomGate(CalibRL):
    """Control: the slope is 1 or alpha by a coin that knows nothing of the gap's sign.

    Reference:
        a control of this project.
    """

    gate: GateName = "random"


calibrl_random_gate = recipe("calibrl_random_gate", CalibRLRandomGate)


@dataclass(frozen=True, kw_only=True)
class CalibRLShuffledExpert(CalibRL):
    """Control: the expert of another prompt takes the expert's place.

    Reference:
        a control of this project.
    """

    baseline: BaselineName = "shuffled_expert"


calibrl_shuffled_expert = recipe("calibrl_shuffled_expert", CalibRLShuffledExpert)


@dataclass(frozen=True, kw_only=True)
class CalibRLDrGRPO(CalibRL):
    """CalibRL on Dr.GRPO: the advantage is only centred.

    The token sum per response of Eq. 10 is Dr.GRPO's aggregation up to its constant, which keeps the two terms'
    relative weight.

    Reference:
        an extension of this project; Dr.GRPO: arXiv:2503.20783, Eq. 4.
    """

    scale_by_std: bool = False


calibrl_dr_grpo = recipe("calibrl_dr_grpo", CalibRLDrGRPO)


@dataclass(frozen=True, kw_only=True)
class CalibRLDAPO(CalibRL):
    """CalibRL on DAPO: higher upper clip, token mean, groups of one outcome dropped.

    The gap is length-normalised by default: beside a token mean, a sum over the response would outweigh the surrogate
    by the response's length.

    Reference:
        an extension of this project; DAPO: arXiv:2503.14476, Eq. 8 and 11.
    """

    gap: GapName = "trajectory_mean"
    clip_high: float | None = 0.28
    aggregation: AggregationName = "token_mean"

    def objective(self) -> Objective:
        """Return CalibRL's objective with DAPO's selection."""
        return replace(super().objective(), selection=informative_groups)


calibrl_dapo = recipe("calibrl_dapo", CalibRLDAPO)


@dataclass(frozen=True, kw_only=True)
class CalibRLCPPO(Pruned, CalibRL):
    """CalibRL on CPPO: only the ``keep_fraction`` of each group with the largest |A| is scored and updated.

    Reference:
        an extension of this project, the combination being an open question of the paper's readers; CPPO:
        arXiv:2503.22342, section 3.3.
    """

    def objective(self) -> Objective:
        """Return CalibRL's objective with the pruning."""
        return self.prune(super().objective())


calibrl_cppo = recipe("calibrl_cppo", CalibRLCPPO)


@dataclass(frozen=True, kw_only=True)
class CalibRLAdaptive(CalibRL):
    """CalibRL with a slope that holds an entropy target; see ``SlopeController``.

    A trainer calls ``objective = objective.adapt(entropy)`` after every step; ``slope`` is where it starts.

    Attributes:
        target_entropy: the entropy to hold, in nats per token.
        adaptation_rate: change of the slope per nat and step.

    Reference:
        an extension of this project; an adaptive slope is an open question of the paper's readers.
    """

    target_entropy: float = 0.5
    adaptation_rate: float = 0.05

    def objective(self) -> Objective:
        """Return CalibRL's objective with the controller."""
        controller = SlopeController(target_entropy=self.target_entropy, rate=self.adaptation_rate)
        return replace(super().objective(), slope_controller=controller)


calibrl_adaptive = recipe("calibrl_adaptive", CalibRLAdaptive)


Name = TypeVar("Name")
Returned = TypeVar("Returned")
AnyRecipe = Callable[..., Objective]
Item = Callable[["Recipes", Name], Returned]


def _as(
    made: Callable[Keywords, Objective],
) -> Callable[[Item[Name, object]], Item[Name, Callable[Keywords, Objective]]]:
    """Type an overload of ``Recipes`` as returning what ``made`` is: no annotation can spell a recipe's keywords."""
    return lambda item: cast(Any, item)  # pragma: no mutate  # typing alone: overloads are never called


class Recipes(dict[str, AnyRecipe]):
    """Name -> recipe, to which users may add. A type checker knows the hyper-parameters of those named here."""

    @overload
    @_as(grpo)
    def __getitem__(self, name: Literal["grpo", "dr_grpo", "gspo"], /) -> object: ...
    @overload
    @_as(dapo)
    def __getitem__(self, name: Literal["dapo"], /) -> object: ...
    @overload
    @_as(cppo)
    def __getitem__(self, name: Literal["cppo", "cppo_released"], /) -> object: ...
    @overload
    @_as(entropy_bonus)
    def __getitem__(self, name: Literal["entropy_bonus"], /) -> object: ...
    @overload
    @_as(entropy_coefficient)
    def __getitem__(self, name: Literal["entropy_coefficient"], /) -> object: ...
    @overload
    @_as(entropy_target)
    def __getitem__(self, name: Literal["entropy_target"], /) -> object: ...
    @overload
    @_as(clip_cov)
    def __getitem__(self, name: Literal["clip_cov"], /) -> object: ...
    @overload
    @_as(kl_cov)
    def __getitem__(self, name: Literal["kl_cov"], /) -> object: ...
    @overload
    @_as(sft)
    def __getitem__(self, name: Literal["sft"], /) -> object: ...
    @overload
    @_as(luffy)
    def __getitem__(self, name: Literal["luffy", "rl_plus", "luffy_released", "rl_plus_released"], /) -> object: ...
    @overload
    @_as(cispo)
    def __getitem__(self, name: Literal["cispo"], /) -> object: ...
    @overload
    @_as(sapo)
    def __getitem__(self, name: Literal["sapo"], /) -> object: ...
    @overload
    @_as(w_reinforce)
    def __getitem__(self, name: Literal["w_reinforce"], /) -> object: ...
    @overload
    @_as(ace)
    def __getitem__(self, name: Literal["ace"], /) -> object: ...
    @overload
    @_as(top_entropy)
    def __getitem__(self, name: Literal["top_entropy"], /) -> object: ...
    @overload
    @_as(chord)
    def __getitem__(self, name: Literal["chord"], /) -> object: ...
    @overload
    @_as(hpt)
    def __getitem__(self, name: Literal["hpt"], /) -> object: ...
    @overload
    @_as(srft)
    def __getitem__(self, name: Literal["srft"], /) -> object: ...
    @overload
    @_as(pivot)
    def __getitem__(self, name: Literal["pivot"], /) -> object: ...
    @overload
    @_as(calibrl_released)
    def __getitem__(self, name: Literal["calibrl_released"], /) -> object: ...
    @overload
    @_as(calibrl_cppo)
    def __getitem__(self, name: Literal["calibrl_cppo"], /) -> object: ...
    @overload
    @_as(calibrl_adaptive)
    def __getitem__(self, name: Literal["calibrl_adaptive"], /) -> object: ...
    @overload
    @_as(calibrl)
    def __getitem__(
        self,
        name: Literal[
            "calibrl",
            "calibrl_relu",
            "calibrl_linear",
            "calibrl_softplus",
            "calibrl_sigmoid",
            "calibrl_unweighted",
            "calibrl_length_normalised",
            "calibrl_reference_baseline",
            "calibrl_random_gate",
            "calibrl_shuffled_expert",
            "calibrl_dr_grpo",
            "calibrl_dapo",
        ],
        /,
    ) -> object: ...
    @overload
    def __getitem__(self, name: str, /) -> AnyRecipe: ...

    def __getitem__(self, name: str, /) -> AnyRecipe:
        """Return the recipe."""
        return super().__getitem__(name)

    def __missing__(self, name: str) -> AnyRecipe:
        """Say what was meant."""
        fix = did_you_mean(name, self, otherwise="use one of these, or register it first")
        raise KeyError(f"recipe={name!r}: expected one of {sorted(self)}. Fix: {fix}.")


RECIPES = Recipes(
    {
        made.__name__: made
        for made in (
            grpo,
            dr_grpo,
            dapo,
            cppo,
            cppo_released,
            entropy_bonus,
            entropy_coefficient,
            entropy_target,
            clip_cov,
            kl_cov,
            sft,
            luffy,
            rl_plus,
            luffy_released,
            rl_plus_released,
            cispo,
            gspo,
            sapo,
            w_reinforce,
            ace,
            top_entropy,
            chord,
            hpt,
            srft,
            pivot,
            calibrl,
            calibrl_released,
            calibrl_relu,
            calibrl_linear,
            calibrl_softplus,
            calibrl_sigmoid,
            calibrl_unweighted,
            calibrl_length_normalised,
            calibrl_reference_baseline,
            calibrl_random_gate,
            calibrl_shuffled_expert,
            calibrl_dr_grpo,
            calibrl_dapo,
            calibrl_cppo,
            calibrl_adaptive,
        )
    }
)
"""Name -> the recipe of a whole method: ``RECIPES["calibrl"](slope=0.5)`` gives its objective."""
