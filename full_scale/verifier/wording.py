# ruff: noqa: RUF001, SIM905  # signs of many keyboards are the subject; word lists read best as text
"""What stands around an answer: characters of many keyboards, LaTeX's and Markdown's markup, a short sentence.

Markup is translated, a sentence is taken off only where every word of it is known; what is left is for the grammar.
"""

import re

from full_scale.verifier.units import COUNTED

LONGEST_ANSWER = 1000
"""Characters; a longer answer must equal the ground truth letter by letter."""

_FULL_WIDTH = {0xFF01 + place: 0x21 + place for place in range(94)}  # a Chinese keyboard's letters and digits
_INVISIBLE = dict.fromkeys(
    map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202b\u202c\u2061\u2062\u2063\ufe0f"), ""
)
_BLANKS = dict.fromkeys(
    map(ord, "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t"), " "
)
_SAME = str.maketrans(
    {
        **dict.fromkeys("−﹣", "-"), **dict.fromkeys("×✕✖⨯·⋅∙∗＊", "*"), "÷": "/", "∕": "/", "⁄": "/", "／": "/",
        "∶": ":", "﹕": ":", "％": "%", "﹪": "%", "º": "°", "˚": "°", "掳": "°",  # 掳: a degree sign misread
        "′": "'", "’": "'", "‘": "'", "″": "''", "”": '"', "“": '"', "￥": "¥", "￡": "£", "﹩": "$",
        "≦": "≤", "≧": "≥", "⩽": "≤", "⩾": "≥", "≒": "≈", "≃": "≈", "Δ": "△", "▵": "△", "ℼ": "π", "𝜋": "π",
        "【": "[", "】": "]", "〔": "(", "〕": ")", "﹙": "(", "﹚": ")", "⟨": "<", "⟩": ">",
        "，": ",", "；": ";", "：": ":", "（": "(", "）": ")", "．": ".", "﹒": ".", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]",
        "㎡": "m^{2}", "㎠": "cm^{2}", "㎢": "km^{2}", "㎟": "mm^{2}", "㎥": "m^{3}", "㎤": "cm^{3}",
        "㎝": "cm", "㎜": "mm", "㎞": "km", "㎏": "kg", "㎎": "mg", "㎖": "mL", "ℓ": "L",
    }
)  # fmt: skip
_DASHES = "–—‐‑‒―"  # a minus at the front only: between two numbers they are a range
_FRACTIONS = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅐": "1/7", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "⅑": "1/9", "⅒": "1/10",
}  # fmt: skip
_FRACTION = re.compile("[" + "".join(_FRACTIONS) + "]")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿˣ", "0123456789+-=()nx")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿˣ]+")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉ₙₓ", "0123456789nx")
_SUBSCRIPT = re.compile("[₀₁₂₃₄₅₆₇₈₉ₙₓ]+")

_GROUP = r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*"  # what braces hold, braces in it included
_TEXT_COMMAND = re.compile(
    r"\\(?:text|textrm|textbf|textit|textsf|texttt|textnormal|mathrm|mathbf|mathit|mathsf|mathtt|mathnormal|mbox|hbox|fbox|"
    rf"bm|boldsymbol|bold|operatorname|emph|underline|rm|bf)\s*\{{({_GROUP})\}}"
)
_SPACING = re.compile(
    r"\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|big|Big|bigg|Bigg|displaystyle|textstyle|scriptstyle|quad|qquad|"
    r"tiny|small|normalsize|large|Large|LARGE|huge|Huge|limits|nolimits|enspace|thinspace|bf|rm)(?![A-Za-z])|\\[,;:>!\s]|\\\\|(?<=.)~|\$|\\[()\[\]]"
)
_LONE_DOLLAR = re.compile(r"^([^$]*)(?<!\\)\$(?=\d)([^$]*)$")  # a price; mathematics has two
_OVER = re.compile(rf"\{{([^{{}}]*)\\over(?![a-z])({_GROUP})\}}")
_DOUBLED = re.compile(r"\\\\(?=[a-zA-Z])")  # LaTeX that was escaped twice
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:(?:\{,\}|,\\!\s*|\\,|\\!,)\d{3})+(?![\d])")
_DEGREE = re.compile(
    r"\{\s*\}(?=\s*\^)|\^\s*(?:\{\s*\\?(?:circ|degree)\s*\}|\\?(?:circ|degree))\^?|\^\s*\{\s*(?:o|°)\s*\}|\^\s*o(?![a-z])|\^°\^?|\\degrees?(?![a-z])"
)
_PRIMES = re.compile(r"\^\s*(?:\{\s*((?:\\prime\s*){1,2})\}|(\\prime))|\\prime|\^\{?('{1,2})\}?")
_PANDOC_POWER = re.compile(r"\^([23])\^")
_ABBREVIATION = re.compile(r"\b(sq|cu)\.\s*", re.IGNORECASE)
_TIMES_TEN = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*(?:\^|\*\*))", re.ASCII)  # "5.2 x 10^3"
_MARKDOWN = re.compile(r"(?<![\w)\]}])\*\*|\*\*(?![\w(\[{\\.√-])|(?<!\w)__|__(?!\w)|^#+\s+|`")
_QUOTES = "*_\"'"

_NAME = r"(?:[A-Z]{1,5}'?|[a-zA-Z](?![a-z]))"
_ADJECTIVES = (
    "final correct right exact total whole required desired resulting numerical shaded unknown missing remaining "
    "surface lateral base side arc inscribed central exterior interior longest shortest maximum minimum largest "
    "smallest greatest least average mean new combined straight-line horizontal vertical simplified only entire "
    "outer inner same equal second first third adjacent original"
).split()
_SUBJECTS = (
    "answer result solution value area perimeter circumference volume length width height depth distance radius "
    "diameter radii hypotenuse leg base side sides angle angles measure degree degrees slope gradient intercept "
    "coordinates coordinate ratio number numbers sum difference product quotient probability scale factor speed "
    "velocity time rate cost price age mass weight capacity size sector segment chord tangent median altitude "
    "bisector diagonal arc circle triangle square rectangle trapezoid trapezium parallelogram rhombus polygon "
    "quadrilateral pentagon hexagon octagon cylinder cone sphere cube prism pyramid region part shape figure line "
    "point points equation expression function minimum maximum mean average mode range percentage percent fraction "
    "amount count quantity choice option term root roots variable thickness shadow ladder tree building tower "
    "bridge river ship boat car train s.a. sa slant apothem magnitude sine cosine"
).split()
_LINKS = "there the a an its my our of in for to from between at and with on by this that it".split()
_KNOWN_WORDS = frozenset((*_ADJECTIVES, *_SUBJECTS, *_LINKS, *COUNTED))
_ANGLE_WORDS = frozenset(("angle", "∠", "angles", "arc", "problem", "question", "figure"))
_OPENING = re.compile(
    r"(?:(?:so|thus|hence|therefore|then|finally|and|ok|okay|now|overall|consequently|in conclusion|"
    r"(?:we|i) (?:get|have|find|obtain|conclude|know|see)|(?:this|which) (?:gives|means)|that is|"
    r"i\.e\.|\\(?:therefore|because)|∴)(?:\s+that)?(?![a-z])[,:\s]*)+",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\s*(?:(?<![A-Za-z])(?:is|are|was|equals|has|measures|(?:must|should|will|would|has to) be|comes (?:out )?to)"
    r"(?:\s+(?:equal to|exactly|given by|found to be|therefore|thus))?(?![a-z])\s*[:=]?|[:=])\s*",
    re.IGNORECASE,
)
_SUBJECT_WORD = re.compile(r"\\?[A-Za-z][A-Za-z.'-]*|\d+|\S")
_CHINESE_OPENING = re.compile(r"(?:所以|因此|因而|于是|综上所述|综上|故|则|即|∴|解|答(?!案))?[,:\s]*")
_CHINESE_SUBJECT = re.compile(
    r"(?:(?:最终|最后|正确|本题|该题|此题|这道题|阴影|部分|三角形|四边形|梯形|矩形|长方形|正方形|平行四边形|菱形|扇形|圆锥|圆柱|圆|球|"
    r"图形|直线|线段|侧|底|表|总|最大|最小|最短|最长|的|其|它|这个|该|这|小|大|两|点|到|与|和|[A-Za-z]|∠|△|⊙|\d(?=的)|\s)*"
    r"(?:答案|结果|选项|面积|表面积|周长|体积|长度|长|宽|高|高度|宽度|距离|半径|直径|弧长|度数|角度|大小|值|数值|概率|比|比值|"
    r"边长|斜率|坐标|角|面|积)\s*)(?:应该|应当|应|就)?(?:是|为|等于|有|:|=)[:\s]*|(?:一共|总共|共)(?:有|是)?"
)
_TRAILING = re.compile(
    r"\s*,?\s+(?:is|are)\s+(?:the\s+)?(?:my\s+)?(?:final\s+)?(?:correct\s+)?(?:answer|result|solution)$", re.IGNORECASE
)
_REASON = re.compile(r"[,;(\s]*(?:\b(?:because|since|due to)\b|因为)(.*)$", re.IGNORECASE | re.DOTALL)
_DOUBT = re.compile(
    r"\b(?:not|no|nor|never|none|neither|wrong|incorrect|false|but|however|wait|actually|or|maybe|perhaps|might|may|could|"
    r"instead|rather|unless|except|hmm|alternatively|correction|mistake|sorry|if|either|both|all|cannot|can't|isn't|doubt|"
    r"unsure|uncertain|possibly|probably|about|approximately|other|others|guess|instead|another|than|impossible)\b|n't|"
    r"[?？]|不|错|或|没|非|否|可能|也许|但",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    r"""An answer in one alphabet, without markup that changes nothing.

    Args:
        text: An answer, plain, LaTeX or Markdown.

    Returns:
        The text with ASCII for full-width signs, "\frac{1}{2}" for "½", "^{2}" for "²", "°" for every degree sign.

    Example:
        >>> plain("**½ \\text{ cm}²**")
        '\\frac{1}{2} cm^{2}'
    """
    text = text.translate(_FULL_WIDTH).translate(_INVISIBLE).translate(_BLANKS).translate(_SAME)
    text = _LONE_DOLLAR.sub(r"\1dollar \2", _OVER.sub(r"\\frac{\1}{\2}", _DOUBLED.sub(r"\\", text)))
    text = _THOUSANDS.sub(lambda found: re.sub(r"\D", "", found[0]), text)
    for _ in range(3):  # nested text commands
        text, count = _TEXT_COMMAND.subn(r" \1", text)
        if not count:
            break
    text = _PRIMES.sub(lambda found: "'" * (found[0].count("prime") or found[0].count("'")), text)
    text = _PANDOC_POWER.sub(r"^{\1}", _DEGREE.sub("°", text.replace("\\$", "dollar ")))
    text = _ABBREVIATION.sub(r"\1 ", text)
    text = _TIMES_TEN.sub("*", text)
    text = _FRACTION.sub(lambda found: "\\frac{{{}}}{{{}}}".format(*_FRACTIONS[found[0]].split("/")), text)
    text = _SUPERSCRIPT.sub(lambda found: f"^{{{found[0].translate(_SUPERSCRIPTS)}}}", text)
    text = _SUBSCRIPT.sub(lambda found: f"_{{{found[0].translate(_SUBSCRIPTS)}}}", text)
    text = re.sub(r"\s+", " ", _MARKDOWN.sub("", _SPACING.sub(" ", text))).strip()
    while len(text) > 2 and text[0] == text[-1] and text[0] in _QUOTES:
        text = text[1:-1].strip()
    return _without_stop(f"-{text[1:]}" if text[:1] in _DASHES and text else text)


def _without_stop(text: str) -> str:
    stopped = re.sub(r"(?<![.。])[.。]\s*$|[,;:]\s*$", "", text)
    return stopped.strip()


def without_sentence(text: str) -> str:
    """The answer without a short sentence around it: "The area is 52" is 52, "so x is 52" is x = 52.

    Args:
        text: As :func:`plain` gives it.

    Returns:
        What the sentence says, or the text itself where a word of the sentence is not known: who writes "the area is
        not 52" or "at least 52" has not answered 52.
    """
    for _ in range(3):
        shorter = _without_reason(_TRAILING.sub("", _without_subject(text)))
        if shorter == text:
            break
        text = shorter
    return text


def doubtful(text: str) -> bool:
    """Whether words beside an answer may take it back: "not", "or", "wrong", "maybe", a question mark.

    Args:
        text: What stands beside the answer.

    Returns:
        True where there is such a word, English or Chinese.
    """
    return _DOUBT.search(text) is not None


def _without_subject(text: str) -> str:
    if chinese := _CHINESE_SUBJECT.match(text, _CHINESE_OPENING.match(text).end()):  # type: ignore[union-attr]
        return text[chinese.end() :]
    opening = _OPENING.match(text)
    start = opening.end() if opening else 0
    for verb in _VERB.finditer(text, start):
        subject = text[start : verb.start()]
        if len(subject) > 100 or not _known(subject):
            break
        if verb.end() == len(text):
            break
        if _wordy(subject):
            return text[verb.end() :]
        if subject:
            return text[start:] if "=" in verb[0] else f"{subject} = {text[verb.end() :]}"
    return text[start:]


def _known(subject: str) -> bool:
    """Whether all words are known; a number counts only as the name of an angle."""
    words = _SUBJECT_WORD.findall(subject)
    for before, word in zip(["", *words], words, strict=False):
        name = word.lstrip("\\")
        is_name = re.fullmatch(_NAME, name) or name in "∠△⊙(),"
        if not (
            is_name or name.lower() in _KNOWN_WORDS or (name.isdigit() and before.lower().lstrip("\\") in _ANGLE_WORDS)
        ):
            return False
    return True


def _wordy(subject: str) -> bool:
    """Whether a subject has a word, so that it is no name that the grammar reads."""
    return any(
        word.lower() in _KNOWN_WORDS and not re.fullmatch(_NAME, word) for word in _SUBJECT_WORD.findall(subject)
    )


def _without_reason(text: str) -> str:
    reason = _REASON.search(text)
    if reason is None or reason.start() == 0 or re.search(r"\d", reason[1]) or doubtful(reason[1]):
        return text
    return text[: reason.start()]


_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)
_BESIDE_SIGN = re.compile(r"\s*([^\w\s])\s*")


def as_words(text: str) -> str:
    """The form in which answers that are no mathematics are compared: without capitals, article and outer blanks.

    Args:
        text: An answer.

    Returns:
        For example "equilateral triangle". Blanks between words and digits stay.
    """
    words = _ARTICLE.sub("", without_sentence(plain(text)))
    return _BESIDE_SIGN.sub(r"\1", re.sub(r"\s+", " ", words)).strip().casefold()
