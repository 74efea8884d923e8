"""Texts to token numbers, as a network of the BERT family learnt them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visavis.core.errors import ChecksumMismatch
from visavis.models.common.bert_folder import Folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_CHARACTERS_PER_TOKEN = 40
"""More of a text is not even looked at: ten megabytes would take seconds."""

_SPECIAL = ("[UNK]", "[CLS]", "[SEP]")
_OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert"}
"""Kinds whose first position is the one after the padding's number."""


class Tokens:
    """Cuts texts into token numbers. Safe to share between threads.

    Args:
        folder: Of the network.
        limit: Most tokens of a text, special ones included; the network's own limit goes first.

    Raises:
        ChecksumMismatch: The files are broken or of different models.
    """

    def __init__(self, folder: Folder, limit: int) -> None:
        is_json = folder.tokenizer.suffix == ".json"
        self._tokenizer = _read_json(folder) if is_json else _read_vocabulary(folder)
        size = folder.config.get("vocab_size")
        known = self._tokenizer.get_vocab_size(with_added_tokens=False)
        if isinstance(size, int) and known > size:
            raise ChecksumMismatch(
                f"{folder.tokenizer} has {known:,} tokens and the network {size:,}: they are of"
                " different models; copy both from one place"
            )
        self.padding = self._padding_of(folder)
        """Number of the token that fills up a row."""
        positions = folder.config.get("max_position_embeddings")
        if isinstance(positions, int) and positions > 0:
            if folder.config.get("model_type") in _OFFSET_POSITIONS:
                positions -= self.padding + 1
            limit = min(limit, positions)
        self.limit = limit
        """Most tokens of a text."""
        # Files often fill up to 128 tokens, which a mean over all would count.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(limit)

    def numbers_of(self, text: str) -> list[int]:
        """Cut one text; what goes beyond the limit is left out. There is always one number."""
        # One by one: the library's threads would warn in every process that is forked later.
        return self._tokenizer.encode(self._readable(text)).ids or [self.padding]

    @property
    def joins(self) -> bool:
        """Whether two texts can be told apart in one row: something marks where one ends."""
        return self._tokenizer.num_special_tokens_to_add(True) > 0

    def numbers_of_pair(self, one: str, other: str) -> tuple[list[int], list[int]]:
        """Cut two texts into one row; of the longer one, what goes beyond the limit is left out.

        Returns:
            Token numbers, and which of the texts each token is of: 0 or 1, as the tokenizer says.
        """
        cut = self._tokenizer.encode(self._readable(one), self._readable(other))
        return cut.ids, cut.type_ids

    def _readable(self, text: str) -> str:
        # UTF-8 cannot write halves of surrogate pairs.
        return text[: _CHARACTERS_PER_TOKEN * self.limit].encode("utf-8", "ignore").decode()

    def _padding_of(self, folder: Folder) -> int:
        own = self._tokenizer.padding
        for found in (
            folder.config.get("pad_token_id"),
            own["pad_id"] if own else None,
            self._tokenizer.token_to_id("[PAD]"),
            self._tokenizer.token_to_id("<pad>"),
        ):
            if isinstance(found, int):
                return found
        return 0


def _read_json(folder: Folder) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(folder.tokenizer))
    except Exception as error:  # the library raises the base class
        raise ChecksumMismatch(
            f"{folder.tokenizer} is no tokenizer ({' '.join(str(error).split())[:200]});"
            " copy it anew"
        ) from error


def _read_vocabulary(folder: Folder) -> Tokenizer:
    """Build BERT's own tokenizer: words and single Chinese characters, then their longest pieces."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    path = folder.tokenizer
    try:
        lines = path.read_text("utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise ChecksumMismatch(f"{path} cannot be read ({error}); copy it anew") from error
    words = {line.strip(): number for number, line in enumerate(lines)}
    if not all(token in words for token in _SPECIAL):
        raise ChecksumMismatch(
            f"{path} is no word list of BERT: {', '.join(_SPECIAL)} are not all in it"
        )
    settings = folder.tokenizer_config
    tokenizer = Tokenizer(WordPiece(words, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True) is not False,
        strip_accents=settings.get("strip_accents"),
        lowercase=settings.get("do_lower_case", True) is not False,
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", words["[SEP]"]), ("[CLS]", words["[CLS]"]))
    return tokenizer
