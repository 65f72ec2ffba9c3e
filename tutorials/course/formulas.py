"""Every formula of the course, once: its LaTeX, and the line of the function's docstring that it stands for.

The notebooks show a formula below the comment ``<!-- formula: function_name -->``; the cheat sheet is made from this
table. Tests compare the LaTeX with the notebooks, the line with the docstring, and values with the function.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Formula:
    """A formula of the library.

    Attributes:
        says: what it gives, in a few words.
        latex: as the notebooks show it, without dollar signs.
        line: the docstring of the function holds these words.
    """

    says: str
    latex: str
    line: str


SECTIONS: dict[str, dict[str, Formula]] = {
    "From logits to a response": {
        "token_log_probs": Formula(
            "log-probability of a token, at temperature T",
            r"\log \pi(y_t) = \log \operatorname{softmax}(z_t / T)[y_t]",
            "log softmax(logits / temperature)[token]",
        ),
        "token_entropy": Formula(
            "entropy of the next token's distribution",
            r"H_t = -\sum_v p_v \log p_v, \qquad p = \operatorname{softmax}(z_t / T)",
            "-sum_v p_v log p_v",
        ),
        "trajectory_log_prob": Formula(
            "log-probability of a whole response",
            r"\log \pi(\tau) = \sum_t \log \pi(y_t)",
            "sum_t log pi(token_t)",
        ),
        "predicted_entropy_change": Formula(
            "change of entropy under a change of the logits, to first order",
            r"\Delta H \approx -\operatorname{Cov}_{a \sim \pi}\left(\log \pi(a),\, \Delta z(a)\right)",
            "-Cov_{a ~ pi}(log pi(a), change of logit(a))",
        ),
    },
    "What GRPO needs": {
        "group_advantage": Formula(
            "how much better a response is than its group",
            r"A_i = \frac{R_i - \operatorname{mean}(R)}{\operatorname{std}(R) + \varepsilon}",
            "A_i = (R_i - mean(R)) / (std(R) + std_epsilon)",
        ),
        "importance_ratio": Formula(
            "ratio of the present to the sampling policy",
            r"r_t = \exp\left(\log \pi(y_t) - \log \pi_{\mathrm{old}}(y_t)\right)",
            "exp(log pi - log pi_old)",
        ),
        "sequence_importance_ratio": Formula(
            "one ratio for a response (GSPO)",
            r"r = \exp\left(\operatorname{mean}_t\left(\log \pi(y_t) - \log \pi_{\mathrm{old}}(y_t)\right)\right)",
            "exp(mean_t (log pi - log pi_old))",
        ),
        "clipped_surrogate": Formula(
            "PPO's loss of a token",
            r"\ell_t = \max\left(-r_t A,\; -\operatorname{clip}(r_t,\, 1 - \varepsilon_{\mathrm{low}},\,"
            r" 1 + \varepsilon_{\mathrm{high}})\, A\right)",
            "loss = max(-r A, -clip(r, 1 - clip_low, 1 + clip_high) A)",
        ),
        "k3_kl": Formula(
            "estimate of the divergence from a reference policy, from one sample",
            r"k_3 = e^{d} - d - 1, \qquad d = \log \pi_{\mathrm{ref}} - \log \pi",
            "k3 = exp(d) - d - 1",
        ),
        "token_covariance": Formula(
            "a token's share in the covariance that lowers entropy (Clip-Cov, KL-Cov)",
            r"c_t = (A - \operatorname{mean} A)\,(\log \pi - \operatorname{mean} \log \pi)",
            "(A - mean A) * (log pi - mean log pi)",
        ),
    },
    "CalibRL": {
        "log_prob_gap": Formula(
            "how much surer the policy is of its own response than of the expert's",
            r"\Delta_i = \log \pi(\tau_i) - \log \pi(\tau_{\mathrm{expert}})",
            "gap = log pi(response) - log pi(expert)",
        ),
        "correctness_sign": Formula(
            "the verdict as a sign",
            r"s_i = +1 \text{ if correct, } -1 \text{ if not}",
            "sign = +1 if correct else -1",
        ),
        "leaky_relu_gate": Formula(
            "correct in full what is wrong, attenuate the rest; x is minus sign times gap",
            r"g_\alpha(x) = x \text{ if } x > 0, \quad \alpha x \text{ else}",
            "gate(x) = x if x > 0 else slope * x",
        ),
        "advantage_weight": Formula(
            "the rarer an outcome in its group, the more it counts",
            r"w_i = \lvert A_i \rvert",
            "weight = |A|",
        ),
        "exploration_loss": Formula(
            "CalibRL's term, one value for a response",
            r"\ell_i = \lvert A_i \rvert \cdot \operatorname{LeakyReLU}_\alpha\left(-s_i\,"
            r"\left(\log \pi(\tau_i) - \log \pi(\tau_{\mathrm{expert}})\right)\right)",
            "loss = |A| * LeakyReLU(-sign * (log pi(response) - log pi(expert)), slope)",
        ),
        "exploration_coefficients": Formula(
            "what a descent step does to log pi of a response, and of the expert, g being the gate's derivative",
            r"c_i = s_i\,\lvert A_i \rvert\,g_i, \qquad c_{\mathrm{expert}} = -\sum_i s_i\,\lvert A_i \rvert\,g_i",
            "response_i: s_i |A_i| g_i`` and ``expert: -sum_i s_i |A_i| g_i",
        ),
        "SlopeController": Formula(
            "a slope that holds an entropy target (an extension)",
            r"\alpha \leftarrow \operatorname{clip}\left(\alpha + \eta\,(H - H_{\mathrm{target}}),\, 0,\, 1\right)",
            "slope <- clip(slope + rate * (entropy - target_entropy), 0, 1)",
        ),
    },
    "Other gates": {
        "relu_gate": Formula("drop what lies beyond the expert", r"g(x) = \max(x, 0)", "max(x, 0)"),
        "softplus_gate": Formula(
            "a LeakyReLU without its kink",
            r"g(x) = \alpha x + (1 - \alpha) \log\left(1 + e^{x}\right)",
            "slope * x + (1 - slope) * log(1 + exp(x))",
        ),
        "sigmoid_gate": Formula("bounded on both sides", r"g(x) = \frac{1}{1 + e^{-x}}", "1 / (1 + exp(-x))"),
    },
    "Imitation": {
        "luffy_shaping": Formula(
            "LUFFY's weight of an expert's token of probability p",
            r"f(p) = \frac{p}{p + \gamma}",
            "p / (p + gamma)",
        ),
        "rl_plus_shaping": Formula(
            "RL-PLUS's weight, sg meaning no gradient",
            r"f(p) = \frac{2p}{p_{\mathrm{old}} + \frac{1}{2}\,(p_{\mathrm{old}} + 1)}\,"
            r"\left(1 - \operatorname{sg}(p)\right)^{\gamma}",
            "2 p / (p_old + (p_old + 1) / 2) * (1 - stop_gradient(p))^gamma",
        ),
        "off_policy_surrogate": Formula("loss of an expert's token", r"\ell_t = -A\, f(\pi)", "-A * f(pi)"),
        "Imitation": Formula(
            "supervised fine-tuning on the expert's tokens", r"\ell_t = -\log \pi(y_t)", "-log pi(token)"
        ),
    },
}
"""Section of the cheat sheet -> name of the function or class in ``calibrl_ref`` -> its formula."""

FORMULAS: dict[str, Formula] = {name: formula for section in SECTIONS.values() for name, formula in section.items()}
