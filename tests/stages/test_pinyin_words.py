import pytest

from visavis.stages.synthesizers.text.pinyin import cut_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("从二零二五年七月起", ["从", "二零二五年", "七月", "起"]),
        ("幺三八零零一三八零零零", ["幺三八", "零零一三", "八零零零"]),
        ("热线幺二三四五咨询", ["热线", "幺二三四五", "咨询"]),
        ("三百二十五", ["三百", "二十五"]),
    ],
)
def test_digits_that_are_read_one_by_one_stay_together(text, words):
    assert cut_words(text) == words
