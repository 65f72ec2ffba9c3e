"""Every formula of the project, once: its LaTeX, the line of the docstring that it stands for, its source, its proof.

``python docs/formulas.py`` writes ``docs/formulas.md``. The notebooks show a formula below the comment
``<!-- formula: function_name -->``. Tests compare the LaTeX with the notebooks, the line with the docstring, the value
worked out by hand with the function's, and look for the function in the test file that is said to prove it.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_suffix(".md")


@dataclass(frozen=True)
class Formula:
    """A formula of the project.

    Attributes:
        says: what it gives, in a few words.
        latex: as the notebooks show it, without dollar signs.
        line: the docstring of the function holds these words.
        source: the paper's equation, or the file and function of the code that it is taken from.
        test: the file under tests/ that proves it.
        module: where the function lives; the public names of calibrl_ref need not say it.
    """

    says: str
    latex: str
    line: str
    source: str
    test: str
    module: str = "calibrl_ref"


CALIBRL = "CalibRL, Eq. 9"
GRPO = "GRPO, arXiv:2402.03300"
PPO = "PPO, arXiv:1707.06347, Eq. 7"
DAPO = "DAPO, arXiv:2503.14476"
ENTROPY_MECHANISM = "arXiv:2505.22617"
RELEASED = "released CalibRL, src/core_algos.py"
OWN = "this project"
TEXTBOOK = "definition"

SECTIONS: dict[str, dict[str, Formula]] = {
    "From logits to a response": {
        "token_log_probs": Formula(
            "log-probability of a token, at temperature T",
            r"\log \pi(y_t) = \log \operatorname{softmax}(z_t / T)[y_t]",
            "log softmax(logits / temperature)[token]",
            TEXTBOOK,
            "core/test_log_probs.py",
        ),
        "token_entropy": Formula(
            "entropy of the next token's distribution",
            r"H_t = -\sum_v p_v \log p_v, \qquad p = \operatorname{softmax}(z_t / T)",
            "-sum_v p_v log p_v",
            TEXTBOOK,
            "core/test_log_probs.py",
        ),
        "trajectory_log_prob": Formula(
            "log-probability of a whole response",
            r"\log \pi(\tau) = \sum_t \log \pi(y_t)",
            "sum_t log pi(token_t)",
            CALIBRL,
            "core/test_log_probs.py",
        ),
        "predicted_entropy_change": Formula(
            "change of entropy under a change of the logits, to first order",
            r"\Delta H \approx -\operatorname{Cov}_{a \sim \pi}\left(\log \pi(a),\, \Delta z(a)\right)",
            "-Cov_{a ~ pi}(log pi(a), change of logit(a))",
            f"{ENTROPY_MECHANISM}, Lemma 1",
            "core/test_diagnostics.py",
        ),
    },
    "What GRPO needs": {
        "group_advantage": Formula(
            "how much better a response is than its group",
            r"A_i = \frac{R_i - \operatorname{mean}(R)}{\operatorname{std}(R) + \varepsilon}",
            "A_i = (R_i - mean(R)) / (std(R) + std_epsilon)",
            f"{GRPO}; without the division: Dr.GRPO, arXiv:2503.20783",
            "core/test_advantages.py",
        ),
        "importance_ratio": Formula(
            "ratio of the present to the sampling policy",
            r"r_t = \exp\left(\log \pi(y_t) - \log \pi_{\mathrm{old}}(y_t)\right)",
            "exp(log pi - log pi_old)",
            "CalibRL, Eq. 10",
            "core/test_surrogates.py",
        ),
        "sequence_importance_ratio": Formula(
            "one ratio for a response",
            r"r = \exp\left(\operatorname{mean}_t\left(\log \pi(y_t) - \log \pi_{\mathrm{old}}(y_t)\right)\right)",
            "exp(mean_t (log pi - log pi_old))",
            "GSPO, arXiv:2507.18071, Eq. 7",
            "core/test_surrogates.py",
        ),
        "truncated_mismatch_weight": Formula(
            "weight of a token whose sampling engine disagrees with the trainer",
            r"w_t = \min\left(\frac{\pi_{\mathrm{old}}(y_t)}{\pi_{\mathrm{sampler}}(y_t)},\, c\right)",
            "min(exp(log pi_old - log pi_sampler), cap)",
            "F. Yao et al. (2025); verl, TRL",
            "core/test_terms.py",
        ),
        "clipped_surrogate": Formula(
            "PPO's loss of a token",
            r"\ell_t = \max\left(-r_t A,\; -\operatorname{clip}(r_t,\, 1 - \varepsilon_{\mathrm{low}},\,"
            r" 1 + \varepsilon_{\mathrm{high}})\, A\right)",
            "loss = max(-r A, -clip(r, 1 - clip_low, 1 + clip_high) A)",
            f"{PPO}; two ranges: {DAPO}",
            "core/test_surrogates.py",
        ),
        "clipped_surrogate(dual_clip=c)": Formula(
            "the same, its loss capped where the advantage is negative",
            r"\ell_t \leftarrow \min(\ell_t,\, -c A) \text{ if } A < 0",
            "min(loss, -c A)",
            "arXiv:1912.09729, Eq. 5",
            "core/test_surrogates.py",
        ),
        "k3_kl": Formula(
            "estimate of the divergence from a reference policy, from one sample",
            r"k_3 = e^{d} - d - 1, \qquad d = \log \pi_{\mathrm{ref}} - \log \pi",
            "k3 = exp(d) - d - 1",
            f"{GRPO}, Eq. 4",
            "core/test_surrogates.py",
        ),
        "KLPenalty": Formula(
            "cost of leaving the reference policy, of weight w",
            r"\ell_t = w\, k_3",
            "``weight * k3_kl`` per token",
            GRPO,
            "docs/test_formulas.py",
        ),
        "EntropyBonus": Formula(
            "reward for an undecided policy, of weight w",
            r"\ell_t = -w H_t",
            "-weight * H_t",
            "CalibRL's baseline",
            "docs/test_formulas.py",
        ),
    },
    "From tokens to one number": {
        "aggregate(mode='token_mean')": Formula(
            "every token counts alike",
            r"\frac{\sum_{i,t} \ell_{i,t}}{\sum_i T_i}",
            "| token_mean | sum / tokens |",
            f"{DAPO}; {RELEASED}",
            "core/test_aggregation.py",
        ),
        "aggregate(mode='sequence_mean_token_mean')": Formula(
            "every response counts alike",
            r"\operatorname{mean}_i \frac{\sum_t \ell_{i,t}}{T_i}",
            "| sequence_mean_token_mean | mean over rows of the row's mean |",
            GRPO,
            "core/test_aggregation.py",
        ),
        "aggregate(mode='sequence_mean_token_sum')": Formula(
            "a long response counts more",
            r"\operatorname{mean}_i \sum_t \ell_{i,t}",
            "| sequence_mean_token_sum | mean over rows of the row's sum |",
            "CalibRL, Eq. 10",
            "core/test_aggregation.py",
        ),
        "aggregate(mode='constant_length')": Formula(
            "a divisor that no response moves; L is the longest length allowed, N the number of responses",
            r"\frac{\sum_{i,t} \ell_{i,t}}{N L}",
            "| constant_length | sum / (rows x max_length) |",
            "Dr.GRPO, arXiv:2503.20783",
            "core/test_aggregation.py",
        ),
        "aggregate(mode='constant_length_sum')": Formula(
            "the same without the number of responses",
            r"\frac{\sum_{i,t} \ell_{i,t}}{L}",
            "| constant_length_sum | sum / max_length |",
            RELEASED,
            "core/test_aggregation.py",
        ),
    },
    "Which rows, and what length costs": {
        "OverlongPenalty": Formula(
            "what a response of T tokens is charged; B is the buffer before L",
            r"p = \operatorname{clip}\left(\frac{L - B - T}{B},\, -1,\, 0\right)",
            "falling linearly to -1 at ``max_length``",
            f"{DAPO}, Eq. 13",
            "core/test_selection.py",
        ),
        "PruneByAdvantage": Formula(
            "how many responses of a group of G are kept, those of the largest advantage",
            r"k = \max\left(1,\, \lfloor f G \rfloor\right)",
            "``floor(keep_fraction * G)`` rows, at least one",
            "CPPO, arXiv:2503.22342, section 3.3",
            "core/test_selection.py",
        ),
        "informative_groups": Formula(
            "which groups are kept: neither all right nor all wrong",
            r"0 < \sum_i [R_i \text{ is right}] < G",
            "neither all right nor all wrong",
            f"{DAPO}, Eq. 11",
            "core/test_selection.py",
        ),
    },
    "Other surrogates and weights": {
        "truncated_reinforce": Formula(
            "CISPO's loss of a token; sg: no gradient",
            r"\ell_t = -\operatorname{sg}\left(\operatorname{clip}(r_t,\, r_{\mathrm{low}},\, r_{\mathrm{high}})\right)"
            r" A \log \pi(y_t)",
            "-sg(clip(r, ratio_low, ratio_high)) * A * log pi",
            "CISPO, arXiv:2506.13585; TRL, verl",
            "core/test_soft_clipping.py",
        ),
        "sigmoid_surrogate": Formula(
            "SAPO's loss of a token",
            r"\ell_t = -\frac{4}{\tau}\, \frac{A}{1 + e^{-\tau (r_t - 1)}}",
            "-(4 / tau) * sigmoid(tau * (r - 1)) * A",
            "SAPO, arXiv:2511.20347; verl, TRL",
            "core/test_soft_clipping.py",
        ),
        "confidence_advantage": Formula(
            "ACE's advantage of a wrong response; c is the confidence gained over the reference",
            r"A' = A\, \left(1 + \alpha \log(1 + e^{c})\right) \text{ if } A < 0",
            "A * (1 + alpha * softplus(c))",
            "ACE, arXiv:2602.21420 (text)",
            "core/test_confidence.py",
        ),
        "WeightedImitation": Formula(
            "CHORD's and SRFT's loss of an expert's token",
            r"\ell_t = -w\, w_t \log \pi(y_t)",
            "-weight * w_t * log pi",
            "CHORD, arXiv:2508.11408; SRFT, arXiv:2506.19767",
            "core/test_hybrid_terms.py",
        ),
        "chord_mu": Formula(
            "CHORD's weight of the imitation at step s after a warm-up of W; D is the decay",
            r"\mu = v + (p - v)\, \frac{1 + \cos(\pi (s - W) / D)}{2}",
            "a cosine down to ``valley``",
            "CHORD, arXiv:2508.11408",
            "core/test_schedules.py",
        ),
        "replay_weights": Formula(
            "how often a prompt comes back; p is the share of its group that was right",
            r"w = p\,(1 - p)",
            "p (1 - p)",
            "PIVOT (text)",
            "core/test_replay.py",
        ),
    },
    "Covariance (Clip-Cov, KL-Cov)": {
        "token_covariance": Formula(
            "a token's share in the covariance that lowers entropy",
            r"c_t = (A - \operatorname{mean} A)\,(\log \pi - \operatorname{mean} \log \pi)",
            "(A - mean A) * (log pi - mean log pi)",
            f"{ENTROPY_MECHANISM}, Eq. 10",
            "core/test_covariance.py",
        ),
        "KLCovSurrogate": Formula(
            "KL-Cov's loss of a chosen token",
            r"\ell_t = -r_t A + w\,\lvert \log \pi - \log \pi_{\mathrm{old}} \rvert",
            "-r A + weight * |log pi - log pi_old|",
            ENTROPY_MECHANISM,
            "core/test_covariance.py",
        ),
    },
    "CalibRL": {
        "log_prob_gap": Formula(
            "how much surer the policy is of its own response than of the expert's",
            r"\Delta_i = \log \pi(\tau_i) - \log \pi(\tau_{\mathrm{expert}})",
            "gap = log pi(response) - log pi(expert)",
            CALIBRL,
            "core/test_calibration.py",
        ),
        "correctness_sign": Formula(
            "the verdict as a sign",
            r"s_i = +1 \text{ if correct, } -1 \text{ if not}",
            "sign = +1 if correct else -1",
            CALIBRL,
            "core/test_calibration.py",
        ),
        "leaky_relu_gate": Formula(
            "correct in full what is wrong, attenuate the rest; x is minus sign times gap",
            r"g_\alpha(x) = x \text{ if } x > 0, \quad \alpha x \text{ else}",
            "gate(x) = x if x > 0 else slope * x",
            CALIBRL,
            "core/test_calibration.py",
        ),
        "advantage_weight": Formula(
            "the rarer an outcome in its group, the more it counts",
            r"w_i = \lvert A_i \rvert",
            "weight = |A|",
            CALIBRL,
            "core/test_calibration.py",
        ),
        "exploration_loss": Formula(
            "CalibRL's term, one value for a response",
            r"\ell_i = \lvert A_i \rvert \cdot \operatorname{LeakyReLU}_\alpha\left(-s_i\,"
            r"\left(\log \pi(\tau_i) - \log \pi(\tau_{\mathrm{expert}})\right)\right)",
            "loss = |A| * LeakyReLU(-sign * (log pi(response) - log pi(expert)), slope)",
            CALIBRL,
            "core/test_calibration.py",
        ),
        "exploration_coefficients": Formula(
            "what a descent step does to log pi of a response, and of the expert, g being the gate's derivative",
            r"c_i = s_i\,\lvert A_i \rvert\,g_i, \qquad c_{\mathrm{expert}} = -\sum_i s_i\,\lvert A_i \rvert\,g_i",
            "response_i: s_i |A_i| g_i`` and ``expert: -sum_i s_i |A_i| g_i",
            f"derived from {CALIBRL}",
            "core/test_diagnostics.py",
        ),
        "SlopeController": Formula(
            "a slope that holds an entropy target (an extension)",
            r"\alpha \leftarrow \operatorname{clip}\left(\alpha + \eta\,(H - H_{\mathrm{target}}),\, 0,\, 1\right)",
            "slope <- clip(slope + rate * (entropy - target_entropy), 0, 1)",
            OWN,
            "core/test_controllers.py",
        ),
    },
    "Other gates": {
        "relu_gate": Formula(
            "drop what lies beyond the expert",
            r"g(x) = \max(x, 0)",
            "max(x, 0)",
            "CalibRL's ablation",
            "core/test_gates.py",
        ),
        "linear_gate": Formula("no gate", r"g(x) = x", "No gate: ``x``", "CalibRL's ablation", "docs/test_formulas.py"),
        "softplus_gate": Formula(
            "a LeakyReLU without its kink",
            r"g(x) = \alpha x + (1 - \alpha) \log\left(1 + e^{x}\right)",
            "slope * x + (1 - slope) * log(1 + exp(x))",
            OWN,
            "core/test_gates.py",
        ),
        "sigmoid_gate": Formula(
            "bounded on both sides",
            r"g(x) = \frac{1}{1 + e^{-x}}",
            "1 / (1 + exp(-x))",
            "CalibRL's ablation",
            "core/test_gates.py",
        ),
        "random_gate": Formula(
            "control: the slope by the toss of a coin u in [0, 1)",
            r"g(x) = x \text{ if } u < \tfrac{1}{2}, \quad \alpha x \text{ else}",
            "by the toss of a coin",
            OWN,
            "core/test_gates.py",
        ),
    },
    "Imitation": {
        "luffy_shaping": Formula(
            "LUFFY's weight of an expert's token of probability p",
            r"f(p) = \frac{p}{p + \gamma}",
            "p / (p + gamma)",
            "LUFFY, arXiv:2504.14945",
            "core/test_surrogates.py",
        ),
        "rl_plus_shaping": Formula(
            "RL-PLUS's weight, sg meaning no gradient",
            r"f(p) = \frac{2p}{p_{\mathrm{old}} + \frac{1}{2}\,(p_{\mathrm{old}} + 1)}\,"
            r"\left(1 - \operatorname{sg}(p)\right)^{\gamma}",
            "2 p / (p_old + (p_old + 1) / 2) * (1 - stop_gradient(p))^gamma",
            "RL-PLUS, arXiv:2508.00222",
            "core/test_surrogates.py",
        ),
        "off_policy_surrogate": Formula(
            "loss of an expert's token",
            r"\ell_t = -A\, f(\pi)",
            "-A * f(pi)",
            "LUFFY, arXiv:2504.14945",
            "core/test_surrogates.py",
        ),
        "Imitation": Formula(
            "supervised fine-tuning on the expert's tokens",
            r"\ell_t = -\log \pi(y_t)",
            "-log pi(token)",
            TEXTBOOK,
            "docs/test_formulas.py",
        ),
    },
    "What is watched": {
        "approx_kl": Formula(
            "how far the policy has moved since it sampled",
            r"k_1 = \operatorname{mean}_t\left(\log \pi_{\mathrm{old}} - \log \pi\right)",
            "``log pi_old - log pi``",
            "J. Schulman, Approximating KL divergence (2020)",
            "core/test_diagnostics.py",
        ),
        "expected_calibration_error": Formula(
            "does the policy know when it is right; b runs over bins of confidence",
            r"\operatorname{ECE} = \sum_b \frac{n_b}{n}\,\lvert \operatorname{acc}_b - \operatorname{conf}_b \rvert",
            "|accuracy - confidence|",
            "arXiv:1706.04599, Eq. 3",
            "core/test_diagnostics.py",
        ),
    },
    "The toy's exact quantities": {
        "accuracy": Formula(
            "chance that a sampled response is right, over all paths",
            r"J = \sum_\tau \pi(\tau)\, p(\tau)",
            "Chance that a sampled response is right",
            TEXTBOOK,
            "toy/world/test_exact.py",
            "toy.world.exact",
        ),
        "Enumeration.entropy": Formula(
            "entropy of the response, per decision of D",
            r"H = -\frac{1}{D} \sum_\tau \pi(\tau) \log \pi(\tau)",
            "Entropy of the response, nats per decision",
            TEXTBOOK,
            "toy/world/test_exact.py",
            "toy.world.exact",
        ),
        "sound_coverage": Formula(
            "share of the S sound paths that n responses would show",
            r"C = \frac{1}{S} \sum_{\tau \text{ sound}} \left(1 - (1 - \pi(\tau))^n\right)",
            "Expected share of the sound paths",
            OWN,
            "toy/world/test_exact.py",
            "toy.world.exact",
        ),
    },
    "The vision-language trainer's figures": {
        "pass_at_k": Formula(
            "chance that one of k responses is right, from n of which c are",
            r"1 - \frac{\binom{n - c}{k}}{\binom{n}{k}}",
            "1 - C(n - c, k) / C(n, k)",
            "arXiv:2107.03374, Eq. 1",
            "full_scale/evaluation/test_intervals.py",
            "full_scale.evaluation.intervals",
        ),
        "wilson_interval": Formula(
            "95 % interval of a share p of n, z being 1.96",
            r"\frac{p + \frac{z^2}{2n} \pm z \sqrt{\frac{p (1 - p)}{n} + \frac{z^2}{4 n^2}}}{1 + \frac{z^2}{n}}",
            "Wilson interval of a share",
            "Wilson (1927), Eq. 5",
            "full_scale/evaluation/test_intervals.py",
            "full_scale.evaluation.intervals",
        ),
        "mcnemar_p": Formula(
            "chance that two equal models differ as much; a and b count the problems that only one has right",
            r"\min\left(1,\, 2^{1 - a - b} \sum_{i \le \min(a, b)} \binom{a + b}{i}\right)",
            "two-sided p-value of McNemar's test",
            "McNemar (1947), exact form",
            "full_scale/evaluation/test_intervals.py",
            "full_scale.evaluation.intervals",
        ),
    },
}
"""Title of a section of the cheat sheet -> function or class -> formula."""

FORMULAS = {name: formula for section in SECTIONS.values() for name, formula in section.items()}
"""All formulas by the function or class that computes them; in brackets, the argument that chooses it."""

_HEAD = """\
# Formulas

Every formula, where it comes from, the function that computes it, and the test that proves it. Log-probabilities, gaps
and entropies are in nats; advantages, ratios and weights have no unit. The page is made by `python docs/formulas.py`; a
test works each formula out by hand and compares.
"""


def function_of(name: str) -> Callable[..., Any]:
    """The function, class or method that a formula is named after."""
    found: Any = importlib.import_module(FORMULAS[name].module)
    for part in name.partition("(")[0].split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]  # the table names callables only; a test calls each


def written() -> str:
    """The page."""
    return _HEAD + "".join(f"\n## {title}\n\n{_table(formulas)}" for title, formulas in SECTIONS.items())


def _table(formulas: dict[str, Formula]) -> str:
    rows = (_row(name, formula) for name, formula in formulas.items())
    return "| what | formula | function, source, proof |\n|---|---|---|\n" + "".join(rows)


def _row(name: str, formula: Formula) -> str:
    path = function_of(name).__module__.replace(".", "/")
    function = f"[`{name}`](../{path}.py)"
    proof = f"[{formula.test}](../tests/{formula.test})"
    return f"| {formula.says} | ${formula.latex}$ | {function}<br>{formula.source}<br>{proof} |\n"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
