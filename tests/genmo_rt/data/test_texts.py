"""Texts: what is trained on, what is held out, and what is said of which ticks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genmo_rt.data.clips import TimedText
from genmo_rt.data.texts import TextTable, build_table, draw_texts, embedded
from genmo_rt.data.wording import TABLE, clean_description, mirrored, read_wordings, wording_of
from genmo_rt.errors import FileFormatError
from tests.genmo_rt.data.tiny_words import CountingEncoder

YES, NO = torch.tensor([True]), torch.tensor([False])


def _table(*captions: TimedText, description: str = "walk") -> TextTable:
    return build_table([captions], [description], CountingEncoder())


def _said(table: TextTable, mirror: torch.Tensor = NO, seed: int = 0) -> list[tuple[str, int, int]]:
    """The texts of one sample of 60 ticks, in plain words."""
    source = torch.arange(60.0)[None]
    texts = draw_texts(
        table, np.zeros(1, np.int64), source, mirror, YES, torch.Generator().manual_seed(seed)
    )
    words = {
        tuple(value[0][mask[0]][:, 0].tolist()): text
        for number, text in enumerate(table.strings)
        for value, mask in [embedded(table, np.array([number]))]
    }
    return [
        (words[tuple(texts.tokens[0, k][texts.mask[0, k]][:, 0].tolist())], *span)
        for k, span in enumerate(texts.span[0].tolist())
        if texts.mask[0, k].any()
    ]


def test_no_text_is_both_trained_on_and_held_out() -> None:
    wordings = read_wordings(TABLE).values()
    trained = {text for wording in wordings for text in wording.train}
    held_out = {text for wording in wordings for text in wording.held_out}
    assert len(trained) > 300
    assert len(held_out) > 80
    assert not trained & held_out


def test_every_description_has_paraphrases_of_both_kinds_and_an_action() -> None:
    for description, wording in read_wordings(TABLE).items():
        assert len(wording.train) >= 3, description
        assert wording.held_out, description
        assert wording.label, description


def test_an_unknown_description_has_no_paraphrases() -> None:
    assert wording_of("juggling chainsaws").train == ()


def test_a_table_that_trains_on_held_out_words_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "texts.toml"
    block = '[[block]]\nlabel = "walk"\nof = ["walk"]\ntrain = ["{}"]\nheld_out = ["{}"]\n'
    path.write_text(block.format("a stroll", "a stroll"))
    with pytest.raises(FileFormatError, match="both trained on and held out: a stroll"):
        read_wordings(path)
    path.write_text(
        block.format("a", "b") + block.format("c", "d").replace('"walk"\nof', '"run"\nof')
    )
    with pytest.raises(FileFormatError, match="'walk' is both 'walk' and 'run'"):
        read_wordings(path)
    path.write_text("[[block]]\nlabel = 'walk'\n")
    with pytest.raises(FileFormatError, match="lacks held_out, of, train"):
        read_wordings(path)


def test_left_and_right_change_places_and_other_words_stay() -> None:
    assert mirrored("Left, right, leftover") == "Right, left, leftover"


def test_descriptions_lose_the_indexs_punctuation() -> None:
    assert clean_description("playground - climb/hang") == "playground, climb, hang"


def test_held_out_texts_are_embedded_but_never_said() -> None:
    table = _table(TimedText("a person walks", 0, 60))
    held_out = {text for text, held in zip(table.strings, table.held_out, strict=True) if held}
    assert set(wording_of("walk").held_out) <= held_out
    assert {text for seed in range(30) for text, *_ in _said(table, seed=seed)} == {
        "a person walks"
    }
    assert (np.diff(table.token_starts) > 0).all()


def test_a_text_of_a_part_is_said_of_its_ticks() -> None:
    table = _table(TimedText("turning around now", 10, 40))
    assert _said(table)[0] == ("turning around now", 10, 40)


def test_two_paraphrases_of_the_whole_share_the_ticks_between_them() -> None:
    table = _table(TimedText("one", 0, 60), TimedText("three", 0, 60))
    doubles = [said for seed in range(30) for said in [_said(table, seed=seed)] if len(said) == 2]
    assert 2 < len(doubles) < 20
    for (_, first, cut), (_, start, last) in doubles:
        assert (first, last) == (0, 60)
        assert cut == start
        assert 10 < cut < 50


def test_a_mirrored_motion_is_described_mirrored() -> None:
    table = _table(TimedText("the left", 0, 60))
    assert _said(table, YES)[0] == ("the right", 0, 60)
    assert _said(table, NO)[0] == ("the left", 0, 60)


def test_nothing_is_said_of_samples_that_are_not_spoken_of() -> None:
    table = _table(TimedText("a person walks", 0, 60))
    texts = draw_texts(
        table, np.zeros(1, np.int64), torch.arange(60.0)[None], NO, NO, torch.Generator()
    )
    assert not texts.mask.any()


def test_without_an_encoder_texts_have_no_tokens() -> None:
    table = build_table([[TimedText("a person walks", 0, 60)]], ["walk"], None)
    values, mask = embedded(table, np.array([0, -1]))
    assert values.shape == (2, 1, 384)
    assert not mask.any()
