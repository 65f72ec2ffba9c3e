"""An image-only processor for Qwen2.5-VL, and the tokenizer of the tiny model.

``transformers``' own ``Qwen2_5_VLProcessor`` contains a video processor, which needs torchvision. Geometry needs
pictures only, so the class here joins the same image processor (its PIL version) with a tokenizer and nothing else.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias, cast

from transformers import AutoConfig, AutoProcessor, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.processing_utils import ProcessorMixin
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from cli.folder import read_json
from full_scale.model.place import ADAPTER_FILE, base_of, check_place, readable

Processor: TypeAlias = ProcessorMixin | PreTrainedTokenizerBase
"""What turns problems into a model's input; a text model needs its tokenizer only."""

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD = "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"


class ImageTextProcessor(ProcessorMixin):
    """Pictures and text for Qwen2.5-VL, without video.

    Args:
        image_processor: Cuts pictures into patches; ``merge_size`` squared patches make one image token.
        tokenizer: Must know ``<|image_pad|>``.
        chat_template: Jinja template of a conversation.
    """

    return_mm_token_type_ids = True

    def __init__(
        self,
        image_processor: Qwen2VLImageProcessorPil | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        chat_template: str | None = None,
    ) -> None:
        if tokenizer is None or image_processor is None:
            raise ValueError("ImageTextProcessor needs an image_processor and a tokenizer; pass both.")
        self.image_token = IMAGE_PAD
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_PAD)
        super().__init__(image_processor, tokenizer, chat_template=chat_template)  # type: ignore[no-untyped-call]  # transformers annotates nothing

    def replace_image_token(self, image_inputs: dict[str, Any], image_idx: int, **_: object) -> str:
        """One image-pad token for each merged patch of picture ``image_idx`` (transformers' hook)."""
        patches = int(image_inputs["image_grid_thw"][image_idx].prod())
        features: int = patches // self.image_processor.merge_size**2
        return self.image_token * features


def tokenizer_of(processor: Processor) -> PreTrainedTokenizerBase:
    """A processor's tokenizer; a tokenizer itself.

    Args:
        processor: Of a model.

    Returns:
        The tokenizer.
    """
    return cast(PreTrainedTokenizerBase, getattr(processor, "tokenizer", processor))


def reads_pictures(folder: str | Path, *, remote_code: bool = False) -> bool:
    """Whether a checkpoint is a vision-language model, by its configuration.

    Args:
        folder: Folder of a checkpoint, or a hub id; of adapters it is their base that says it.
        remote_code: Run code that the checkpoint brings.

    Returns:
        False for a model of text only.
    """
    if (Path(folder) / ADAPTER_FILE).is_file():
        return reads_pictures(base_of(Path(folder)), remote_code=remote_code)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=remote_code)
    return config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def load_processor(folder: str | Path, *, remote_code: bool = False) -> Processor:
    """The processor of a checkpoint; of adapters that were saved without one, their base's.

    Args:
        folder: Folder of a checkpoint or of adapters, or a hub id.
        remote_code: Run code that the checkpoint brings.

    Returns:
        :class:`ImageTextProcessor` where this project saved it, the tokenizer of a text-only model, else the
        checkpoint's own, by ``AutoProcessor``. It pads on the left.

    Raises:
        ValueError: If the checkpoint's own processor needs a package that is missing, or there is no chat template.
    """
    check_place(folder)
    path = Path(folder)
    if (path / ADAPTER_FILE).is_file() and not (path / "tokenizer_config.json").is_file():
        return load_processor(base_of(path), remote_code=remote_code)
    with readable(folder):
        saved = path / "processor_config.json"
        if saved.is_file() and read_json(saved).get("processor_class") == ImageTextProcessor.__name__:
            # backend: so that pixels are the same with torchvision and without
            return ImageTextProcessor.from_pretrained(
                folder, padding_side="left", backend="pil", trust_remote_code=remote_code
            )
        if not reads_pictures(folder, remote_code=remote_code):
            return _text_processor(folder, remote_code=remote_code)
        return _own_processor(folder, remote_code=remote_code)


def _text_processor(folder: str | Path, *, remote_code: bool) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        folder, padding_side="left", trust_remote_code=remote_code
    )
    if tokenizer.chat_template is None:
        raise ValueError(
            f"model={str(folder)!r}: expected a chat template, its tokenizer has none. "
            "Fix: choose an instruction-tuned model."
        )
    return tokenizer


def _own_processor(folder: str | Path, *, remote_code: bool) -> ProcessorMixin:
    """The checkpoint's own; without torchvision most cannot be loaded, since their video processors need it."""
    try:
        processor: ProcessorMixin = AutoProcessor.from_pretrained(
            folder, padding_side="left", trust_remote_code=remote_code
        )
    except (ImportError, OSError) as error:
        if find_spec("torchvision") is not None:
            raise
        raise ValueError(
            f"model={str(folder)!r}: its processor could not be loaded, and torchvision, which most need, is missing. "
            f"Fix: pip install '.[gpu]'. transformers says: {error}"
        ) from error
    return processor
