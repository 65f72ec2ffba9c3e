"""The benchmark of a training step: each method that it compares makes one, and pictures have the size asked for."""

import pytest

from benchmarks.full_scale import METHODS, STOCK, tiny_trainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]


@pytest.mark.parametrize("name", [STOCK, *METHODS])
def test_each_contender_makes_a_step(name, tmp_path):
    trainer = tiny_trainer(name, str(tmp_path), 1, 112)
    trainer.train()
    assert trainer.state.global_step == 1


def test_larger_pictures_have_more_image_tokens(tmp_path):
    small, large = (tiny_trainer("grpo", str(tmp_path), 1, pixels) for pixels in (112, 448))
    pictures = [
        trainer.processing_class(images=row["images"], text=["<|image_pad|>"])["input_ids"]
        for trainer, row in ((small, small.train_dataset[0]), (large, large.train_dataset[0]))
    ]
    assert [len(ids[0]) for ids in pictures] == [16, 256]
