"""The texts of a dataset, embedded once; every training sample draws a few for its frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt.data.clips import Clip, TimedText
from genmo_rt.data.waves import chance, uniform
from genmo_rt.data.wording import clean_description, mirrored, wording_of
from genmo_rt.model import Texts

if TYPE_CHECKING:
    from genmo_rt.text import TextEncoder

TEXT_WIDTH = 384  # of a token's embedding, before anything was encoded
TEXTS_PER_SAMPLE = 2
SHORTEST_SPAN = 15  # ticks that a text must speak of


@dataclass(frozen=True, slots=True)
class TextTable:
    """N distinct texts, and M times that one of them is said of frames of a clip.

    Attributes:
        strings: N texts.
        labels: N actions, "" where unknown.
        held_out: (N,) bool, True for what is never trained on.
        mirror: (N,) int64, which text is said of the mirrored motion.
        tokens: (T, 384) float16, the embeddings of all texts' tokens end to end; T is 0 where
            the dataset was built without a text encoder.
        token_starts: (N + 1,) int64.
        caption_starts: (C + 1,) int64; captions caption_starts[c] .. are those of clip c.
        caption_text: (M,) int64 which text.
        caption_span: (M, 2) int64 frames [start, end) of the clip.
    """

    strings: tuple[str, ...]
    labels: tuple[str, ...]
    held_out: NDArray[np.bool_]
    mirror: NDArray[np.int64]
    tokens: NDArray[np.float16]
    token_starts: NDArray[np.int64]
    caption_starts: NDArray[np.int64]
    caption_text: NDArray[np.int64]
    caption_span: NDArray[np.int64]


def said_of(clip: Clip) -> tuple[TimedText, ...]:
    """Everything that may be said of a clip while training: its description and paraphrases."""
    length = len(clip.root)
    wording = wording_of(clip.description)
    own = (clean_description(clip.description),) if clip.description else ()
    return tuple(TimedText(text, 0, length) for text in (*own, *wording.train)) + clip.texts


def build_table(
    captions: Sequence[Sequence[TimedText]],
    descriptions: Sequence[str],
    encoder: "TextEncoder | None",
) -> TextTable:
    """Collects the distinct texts, their mirror images and the held-out ones, and embeds them.

    Args:
        captions: for each clip, what may be said of it.
        descriptions: of each clip, which lead to its label and held-out texts.
        encoder: None leaves the tokens out; nothing can then be trained from text.
    """
    labels: dict[str, str] = {}
    held_out: set[str] = set()
    for timed, description in zip(captions, descriptions, strict=True):
        wording = wording_of(description)
        held_out.update(wording.held_out)
        for text in (*(caption.text for caption in timed), *wording.held_out):
            labels.setdefault(text, wording.label)
    for text, label in list(labels.items()):
        labels.setdefault(mirrored(text), label)
        if text in held_out:
            held_out.add(mirrored(text))
    strings = tuple(labels)
    number = {text: index for index, text in enumerate(strings)}
    tokens, token_starts = _embed(strings, encoder)
    return TextTable(
        strings=strings,
        labels=tuple(labels.values()),
        held_out=np.array([text in held_out for text in strings], np.bool_),
        mirror=np.array([number[mirrored(text)] for text in strings], np.int64),
        tokens=tokens,
        token_starts=token_starts,
        caption_starts=np.cumsum([0, *(len(timed) for timed in captions)], dtype=np.int64),
        caption_text=np.array(
            [number[caption.text] for timed in captions for caption in timed], np.int64
        ),
        caption_span=np.array(
            [(caption.start, caption.end) for timed in captions for caption in timed], np.int64
        ).reshape(-1, 2),
    )


def _embed(
    strings: Sequence[str], encoder: "TextEncoder | None"
) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """The texts' tokens end to end, and where each text's begin."""
    parts: list[NDArray[np.float16]] = []
    if encoder is not None:
        for first in range(0, len(strings), 64):
            values, masks = encoder.encode(strings[first : first + 64])
            parts += [
                value[mask].to(torch.float16).numpy()
                for value, mask in zip(values, masks, strict=True)
            ]
    width = encoder.width if encoder is not None else TEXT_WIDTH
    lengths = [len(part) for part in parts] or [0] * len(strings)
    tokens = np.concatenate([*parts, np.zeros((0, width), np.float16)])
    return tokens, np.cumsum([0, *lengths], dtype=np.int64)


def embedded(table: TextTable, texts: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Token embeddings of some texts of the table, as an encoder would give them.

    Args:
        texts: (...) numbers of texts, −1 for none.
    Returns:
        (..., T, 384) float32 and (..., T) bool, True where there is a token; T is at least 1.
    """
    begin = np.where(texts < 0, 0, table.token_starts[texts])
    count = np.where(texts < 0, 0, table.token_starts[texts + 1] - begin)
    slots = np.arange(max(1, int(count.max(initial=0))))
    mask = slots < count[..., None]
    if not len(table.tokens):
        values = np.zeros((*mask.shape, table.tokens.shape[1]), np.float32)
        return torch.from_numpy(values), torch.from_numpy(mask)
    index = np.where(mask, begin[..., None] + slots, 0)
    values = table.tokens[index].astype(np.float32) * mask[..., None]
    return torch.from_numpy(values), torch.from_numpy(mask)


def draw_texts(
    table: TextTable,
    clips: NDArray[np.int64],
    source: Tensor,
    mirror: Tensor,
    spoken: Tensor,
    random: torch.Generator,
) -> Texts:
    """Draws what is said of each sample: one text, or two, of different times or of one another's.

    Where the only texts speak of the whole clip, a share of the samples gets two paraphrases, one
    for the first part and one for the rest, so that windows are learnt from them too.

    Args:
        clips: (B,) which clip each sample is cut out of.
        source: (B, L) the clip's frame at every tick.
        mirror: (B,) bool, mirrored samples.
        spoken: (B,) bool, samples of which something is said.
    """
    batch, length = source.shape
    draws = uniform((batch, 4), random)
    double = chance(batch, 0.3, random)
    chosen = np.full((batch, TEXTS_PER_SAMPLE), -1, np.int64)
    span = torch.zeros(batch, TEXTS_PER_SAMPLE, 2, dtype=torch.int64)
    for row, clip in enumerate(clips.tolist()):
        first, last = table.caption_starts[clip : clip + 2]
        if not spoken[row] or first == last:
            continue
        picked = first + (draws[row, :2].numpy() * (last - first)).astype(np.int64)
        spans = [_ticks(source[row], table.caption_span[caption]) for caption in picked]
        if not double[row]:
            spans[1] = (0, 0)
        elif spans[0] == spans[1] == (0, length):
            cut = int(length * (0.25 + 0.5 * draws[row, 2]))
            spans = [(0, cut), (cut, length)]
        for slot, (start, end) in enumerate(spans):
            if end - start >= min(SHORTEST_SPAN, length):
                text = table.caption_text[picked[slot]]
                chosen[row, slot] = table.mirror[text] if mirror[row] else text
                span[row, slot] = torch.tensor((start, end))
    tokens, mask = embedded(table, chosen)
    return Texts(tokens=tokens, mask=mask, span=span)


def _ticks(source: Tensor, span: NDArray[np.int64]) -> tuple[int, int]:
    """The first run of ticks [start, end) that shows frames of the span."""
    inside = (source >= int(span[0])) & (source <= int(span[1]) - 1 + 1e-3)
    at = torch.nonzero(inside)[:, 0]
    if not len(at):
        return 0, 0
    start = int(at[0])
    after = torch.nonzero(~inside[start:])[:, 0]
    return start, start + int(after[0]) if len(after) else len(source)
