from toy.learning.methods import parse_method
from toy.pages.names import NAMES, idea_of, name_of, source_of
from toy.pages.report import LABEL_WIDTH
from toy.studies.questions import DEFAULT_METHODS


def test_every_default_method_has_a_short_name_and_an_idea_in_eight_words():
    assert set(NAMES) == set(DEFAULT_METHODS)
    assert len({name for name, _ in NAMES.values()}) == len(NAMES)
    for method, (name, idea) in NAMES.items():
        assert parse_method(method).name == method
        assert len(name) <= LABEL_WIDTH
        assert 3 <= len(idea.split()) <= 8


def test_every_recipe_leads_to_its_paper():
    sources = {method: source_of(method) for method in DEFAULT_METHODS}
    assert [method for method, source in sources.items() if not source] == ["sft_grpo", "calibrl_released"]
    assert sources["dapo"] == "https://arxiv.org/abs/2503.14476"


def test_a_method_without_a_name_is_called_as_it_is_typed():
    assert (name_of("calibrl:slope=0.3"), idea_of("calibrl:slope=0.3")) == ("calibrl:slope=0.3", "")
