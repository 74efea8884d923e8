"""What is sympathy and what is a claim, in an answer that must rest on passages."""

import time

import pytest

from visavis.core.types import Language
from visavis.stages.responders.kind_words import is_kind

LOST_ZH, LOST_EN = "我的钱包丢了，我好害怕", "I lost my wallet and I am scared."


@pytest.mark.parametrize(
    ("said", "question", "language"),
    [
        ("我很理解您的心情。", "x", "zh"),
        ("听到您的钱包丢了，我很难过。", LOST_ZH, "zh"),
        ("听到您钱包丢了我很难过，请先别着急。", LOST_ZH, "zh"),
        ("我非常理解您钱包丢了的着急心情。", LOST_ZH, "zh"),
        ("别怕，我在这里。", LOST_ZH, "zh"),
        ("非常抱歉给您带来不便。", "你们太慢了", "zh"),
        ("很抱歉让您久等了。", "x", "zh"),
        ("我能理解您的愤怒，对此我们深表歉意。", "气死我了", "zh"),
        ("这种情况确实让人着急，请您先冷静一下，慢慢来。", "x", "zh"),
        ("恭喜您！", "x", "zh"),
        ("I'm so sorry to hear that.", "x", "en"),
        ("I’m sorry to hear that you lost your wallet, please don’t worry.", LOST_EN, "en"),
        ("I can understand your frustration, and I am sorry for the inconvenience.", "x", "en"),
        ("That must be very stressful.", "x", "en"),
        ("Please stay calm, and take a deep breath.", "x", "en"),
        ("I'm sorry for your loss.", "My father died.", "en"),
    ],
)
def test_sympathy(said: str, question: str, language: Language) -> None:
    assert is_kind(said, question, language)


@pytest.mark.parametrize(
    ("said", "question", "language"),
    [
        ("别担心，不用交费。", "要交费吗", "zh"),
        ("别担心，可以交费。", "可以交费吗", "zh"),
        ("听到您可以免费补办，我很高兴。", "可以免费补办吗", "zh"),
        ("听到费用全免了，我很高兴。", "费用全免了吗", "zh"),
        ("听到您的钱包丢了，警察已经找到了，我很高兴。", LOST_ZH, "zh"),
        ("听到您要去五楼找王经理，我很难过。", LOST_ZH, "zh"),
        ("听到您的钱包丢了。", LOST_ZH, "zh"),
        ("我理解您的心情，请去二楼。", "x", "zh"),
        ("很抱歉，中心周日不上班。", "周日上班吗", "zh"),
        ("恭喜您，申请已批准。", "我的申请批准了吗", "zh"),
        ("别担心，拨打12333。", "x", "zh"),
        ("费用二十元。", "x", "zh"),
        ("", "x", "zh"),
        ("。", "x", "zh"),
        ("Don't worry, it is free.", "Is it free?", "en"),
        ("I'm sorry that the fee is refunded.", "Is the fee refunded?", "en"),
        ("I'm sorry, the pool is closed.", "Is the pool closed?", "en"),
        ("I'm sorry that children enter alone.", "Where do I apply?", "en"),
        ("I understand how to apply.", "How do I apply?", "en"),
        ("Congratulations, you won the prize.", "Did I win the prize?", "en"),
        ("Don't worry, see www.card-help.com.", "x", "en"),
        ("I hear that you lost your wallet.", LOST_EN, "en"),
    ],
)
def test_a_claim_is_no_sympathy(said: str, question: str, language: Language) -> None:
    assert not is_kind(said, question, language)


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("真太好都" * 15, "zh"),
        ("听到" + "真" * 58, "zh"),
        ("别担心，" * 1_000_000, "zh"),
        ("i understand " + "how that why " * 14, "en"),
        ("i am " + "so very " * 24, "en"),
    ],
)
def test_hostile_text_takes_no_time(said: str, language: Language) -> None:
    began = time.perf_counter()
    assert not is_kind(said, "x", language)
    assert time.perf_counter() - began < 0.1
