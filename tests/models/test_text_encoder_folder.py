"""What folders of text encoders may look like, and how their texts are cut."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from visavis.core.errors import (
    AssetError,
    ChecksumMismatch,
    ConfigError,
    MissingWeights,
    UnknownAsset,
)
from visavis.models.common.bert_folder import Folder, open_folder
from visavis.models.common.bert_tokens import Tokens
from visavis.models.text_encoder.predictor import TextEncoder

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "我",
    "的",
    "身",
    "份",
    "证",
    "id",
    "card",
    "2024",
    "un",
    "##aff",
    "##able",
    "，",
    "!",
    "cafe",
    "É",
    "ID",
]


def write_network(path: Path, *names: str, dtype: int = TensorProto.INT64) -> Path:
    """A network whose hidden states are the token numbers themselves, (b, tokens, 2)."""
    names = names or ("input_ids", "attention_mask")
    nodes = [
        helper.make_node("Cast", [names[0]], ["whole"], to=TensorProto.FLOAT),
        helper.make_node("Neg", ["whole"], ["minus"]),
        helper.make_node("Unsqueeze", ["whole", "last"], ["one"]),
        helper.make_node("Unsqueeze", ["minus", "last"], ["other"]),
        helper.make_node("Concat", ["one", "other"], ["last_hidden_state"], axis=2),
    ]
    shape = ["batch", "sequence"]
    graph = helper.make_graph(
        nodes,
        "numbers",
        [helper.make_tensor_value_info(name, dtype, shape) for name in names],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, 2])],
        [helper.make_tensor("last", TensorProto.INT64, [1], [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def find_files(folder: Path) -> Folder:
    return open_folder(folder, "feature-extraction")


def write_words(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")


def mean_number(encoder: TextEncoder, text: str) -> float:
    return float(encoder.encode([text])[0, 0])


def cut(folder: Path, text: str, limit: int = 128) -> list[str]:
    return [WORDS[number] for number in Tokens(find_files(folder), limit).numbers_of(text)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_network(tmp_path / "model.onnx")
    write_words(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("我的身份证", "我 的 身 份 证"),
        ("My ID card!", "[UNK] id card !"),
        ("我的ID card，2024", "我 的 id card ， 2024"),
        ("unaffable unaff unabled", "un ##aff ##able un ##aff [UNK]"),
        ("CAFÉ", "cafe"),
        ("身😀份", "身 [UNK] 份"),
        ("身\u0000\u200d份\r\n证", "身 份 证"),
    ],
)
def test_a_word_list_is_cut_as_bert_cuts(folder: Path, text: str, wanted: str) -> None:
    assert cut(folder, text) == ["[CLS]", *wanted.split(), "[SEP]"]


def test_settings_of_the_tokenizer_are_kept(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": False, "strip_accents": False})
    )
    assert cut(folder, "ID id É") == ["[CLS]", "ID", "id", "É", "[SEP]"]
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenize_chinese_chars": False}))
    assert cut(folder, "身份") == ["[CLS]", "[UNK]", "[SEP]"]


def test_the_end_is_kept_when_a_text_is_cut_off(folder: Path) -> None:
    assert cut(folder, "我的身份证", limit=4) == ["[CLS]", "我", "的", "[SEP]"]


def test_a_tokenizers_own_filling_and_limit_do_not_count(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordPiece({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=64)
    tokenizer.enable_truncation(4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    write_network(tmp_path / "model.onnx")
    assert cut(tmp_path, "我的身份证") == ["[CLS]", *"我的身份证", "[SEP]"]
    wanted = np.mean([2, *(WORDS.index(w) for w in "我的身份证"), 3])
    assert mean_number(TextEncoder(tmp_path, normalise=False), "我的身份证") == pytest.approx(
        wanted
    )


def test_a_tokenizer_without_ends_gives_a_text_of_nothing_one_token(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordPiece({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text('{"pad_token_id": 7}')
    write_network(tmp_path / "model.onnx")
    assert mean_number(TextEncoder(tmp_path, normalise=False), "") == 7


def test_roberta_counts_its_positions_from_behind_the_padding(folder: Path) -> None:
    settings = {"max_position_embeddings": 12, "pad_token_id": 1, "model_type": "roberta"}
    (folder / "config.json").write_text(json.dumps(settings))
    assert Tokens(find_files(folder), 128).limit == 10


def test_where_the_network_may_lie(folder: Path) -> None:
    plain = folder / "model.onnx"
    assert find_files(folder).network == plain
    small = write_network(folder / "model_quantized.onnx")
    inside = write_network(folder / "onnx" / "model.onnx")
    assert find_files(folder).network == plain
    plain.unlink()
    assert find_files(folder).network == small
    small.unlink()
    assert find_files(folder).network == inside
    other = inside.rename(folder / "onnx" / "encoder_uint8.onnx")
    assert find_files(folder).network == other
    assert find_files(other).tokenizer == folder / "vocab.txt"
    assert TextEncoder(str(other)).dimension == 2


def test_tokenizer_json_goes_before_the_word_list(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    assert find_files(folder).tokenizer.name == "tokenizer.json"


def test_folders_that_lack_something_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnknownAsset, match=r"no model and no folder 'nowhere'.*tokenizer\.json"):
        TextEncoder("nowhere")
    with pytest.raises(MissingWeights, match=r"no model\.onnx; export one: optimum-cli"):
        TextEncoder(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(MissingWeights, match="weights and no ONNX network; export it: optimum-cli"):
        TextEncoder(tmp_path)
    write_network(tmp_path / "a.onnx")
    with pytest.raises(MissingWeights, match=r"neither tokenizer\.json nor vocab\.txt"):
        TextEncoder(tmp_path)
    write_words(tmp_path)
    write_network(tmp_path / "b.onnx")
    with pytest.raises(ConfigError, match=r"several networks \(a\.onnx, b\.onnx\).*path of one"):
        TextEncoder(tmp_path)


def test_a_pulled_asset_that_is_not_here_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("VISAVIS_MODELS", raising=False)
    with pytest.raises(MissingWeights, match="visavis models pull roformer-sim-small"):
        TextEncoder("roformer-sim-small")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.onnx", b"no network", r"model\.onnx.*export it again"),
        ("model.onnx", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("vocab.txt", b"[PAD]\n[UNK]\n", r"no word list of BERT"),
        ("vocab.txt", "[PAD]\n[UNK]\n身".encode("gb18030"), r"vocab\.txt cannot be read"),
        ("tokenizer.json", b"{}", r"tokenizer\.json is no tokenizer.*copy it anew"),
        ("tokenizer.json", b"\xff\xfe", r"tokenizer\.json is no tokenizer.*copy it anew"),
        ("config.json", b"{", r"config\.json cannot be read"),
        ("config.json", b"[1]", r"config\.json holds no settings"),
        ("config.json", b'{"vocab_size": 5}', "20 tokens and the network 5.*different models"),
    ],
)
def test_broken_files_are_asset_errors(
    folder: Path, name: str, content: bytes, message: str
) -> None:
    (folder / name).write_bytes(content)
    encoder = TextEncoder(folder)
    with pytest.raises(ChecksumMismatch, match=message) as caught:
        encoder.encode(["我"])
    assert isinstance(caught.value, AssetError)


@pytest.mark.parametrize(
    ("names", "dtype", "message"),
    [
        (
            ("input_ids", "pixel_values"),
            TensorProto.INT64,
            "'pixel_values' is none.*feature-extract",
        ),
        (("attention_mask",), TensorProto.INT64, "no token numbers; its inputs are attention_mask"),
        (("input_ids",), TensorProto.DOUBLE, "'input_ids' is float64; int64, int32, float32"),
    ],
)
def test_networks_that_take_something_else(
    folder: Path, names: tuple[str, ...], dtype: int, message: str
) -> None:
    write_network(folder / "model.onnx", *names, dtype=dtype)
    with pytest.raises(ConfigError, match=message):
        TextEncoder(folder).encode(["我"])


def test_settings_out_of_range(folder: Path) -> None:
    with pytest.raises(ConfigError, match="pooling is 'max'; it can be mean, cls, network"):
        TextEncoder(folder, pooling="max")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="max_tokens is 2; 3 is the least"):
        TextEncoder(folder, max_tokens=2)
