"""Measure by what the channels of Kokoro's vocoder are normalized, for each voice.

    python -m visavis.training.recipes.kokoro_normalization normalization.npz

Every voice speaks clauses of many lengths, most in its own language, with the normalization of the
published network, which is by the clause. What that comes to is regressed on the share of silence and the
length, which are known before any sound is. Two cores need about ten minutes.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from visavis.core.types import Floats, Language
from visavis.models.kokoro.graphs import EPSILON
from visavis.models.kokoro.normalization import STYLE, describe
from visavis.models.kokoro.predictor import Kokoro, language_of

log = logging.getLogger(__name__)

SENTENCES: dict[Language, Sequence[str]] = {
    "zh": (
        # 初级会计每年一月报名，五月考试，高中以上学历就可以报，中级会计要有五年的工作经历，请在网上报名，每科大约六十元。
        "ꭧʰu→ʨi↗ kʰwai↘ʨi↘ mei↓njɛ↗n i→ɥe↘ pau↘mi↗ŋ, u↓ɥe↘ kʰau↓ʂɨ↘, kau→ꭧʊ→ŋ i↓ʂa↘ŋɕɥe↗li↘ "
        "ʨjou↘ kʰɤ↗i↓ pau↘, ꭧʊ→ŋʨi↗kʰwai↘ʨi↘ jau↘ jou↓ u↓njɛ↗n tɤ kʊ→ŋʦwo↘ ʨi→ŋli↘, ʨʰi↓ŋ "
        "ʦai↘ wa↓ŋʂa↘ŋ pau↘mi↗ŋ, mei↓ kʰɤ→ ta↘ɥe→ ljou↘ʂɨ↗ɥɛ↗n.",
        # 身份证丢失以后，请本人带上户口簿，到就近的派出所户籍窗口办理补领。
        "ʂə→nfə↘nꭧə↘ŋ tjou→ʂɨ→ i↓xou↘, ʨʰi↓ŋ pə↓nɻə↗n tai↘ʂa↘ŋ xu↘kʰou↓pu↘, tau↘ ʨjou↘ʨi↘n "
        "tɤ pʰai↘ꭧʰu→swo↓ xu↘ʨi↗ ꭧʰwa→ŋkʰou↓ pa↘nli↓ pu↗li↓ŋ.",
        # 您好，很高兴为您服务，请问有什么可以帮您？
        "ni↗nxau↓, xə↓n kau→ɕi↘ŋ wei↘ni↗nfu↗u↘, ʨʰi↓ŋwə↘n jou↓ ʂə↗nmɤ kʰɤ↗i↓ pa→ŋ ni↗n?",
        # 今天天气不错，我们下午三点半在门口见面吧。
        "ʨi→ntʰjɛ→ntʰjɛ→nʨʰi↘ pu↗ʦʰwo↘, wo↓mən ɕja↘u↓ sa→ntjɛ↓n pa↘nʦai↘ mə↗nkʰou↓ ʨjɛ↘nmjɛ↘n pa.",
        # 他昨天买了一本旧书，里面夹着一张发黄的照片。
        "tʰa→ ʦwo↗tʰjɛ→n mai↓ lɤ i↘pə↓n ʨjou↘ʂu→, li↓mjɛ↘n ʨja→ ꭧɤ i↘ꭧa→ŋ fa→xwa↗ŋ tɤ ꭧau↘pʰjɛ↘n.",
        # 请稍等，我马上查一下。
        "ʨʰi↓ŋʂau→tə↓ŋ, wo↓ ma↓ʂa↘ŋ ꭧʰa↗ i↗ɕja↘.",
        # 请问您贵姓？
        "ʨʰi↓ŋwə↘n ni↗n kwei↘ɕi↘ŋ?",
        # 没有问题，
        "mei↗jou↓ wə↘ntʰi↗,",
        # 欢迎再来。
        "xwa→ni↗ŋ ʦai↘ lai↗.",
        # 这个星期五下午，
        "ꭧɤ↘kɤ ɕi→ŋʨʰi→u↓ ɕja↘u↓,",
        # 一般需要三个工作日。
        "i↘pa→n ɕy→jau↘ sa→nkɤ↘ kʊ→ŋʦwo↘ɻɨ↘.",
        # 材料齐全的话，当场就可以办好！
        "ʦʰai↗ljau↘ ʨʰi↗ʨʰɥɛ↗n tɤxwa↘, ta→ŋꭧʰa↓ŋ ʨjou↘ kʰɤ↗i↓ pa↘nxau↓!",
    ),
    "en": (
        # If you have lived in the city for half a year, you can apply for a residence permit at
        # any police station, and it costs nothing at all.
        "ˌɪf ju hæv lˈɪvd ɪn ðə sˈɪTi fɔɹ hˈæf ɐ jˈɪɹ, ju kæn əplˈI fɔɹ ɐ ɹˈɛzədᵊns pˈɜɹmɪt "
        "æt ˈɛni pəlˈis stˈAʃən, ænd ɪt kˈɔsts nˈʌθɪŋ æt ˈɔl.",
        # If you lose your identity card, bring your household register to the nearest police
        # station.
        "ˌɪf ju lˈuz jʊɹ IdˈɛntəTi kˈɑɹd, bɹˈɪŋ jʊɹ hˈWshˌOld ɹˈɛʤəstəɹ tə ðə nˈɪɹᵻst pəlˈis "
        "stˈAʃən.",
        # Hello, how can I help you today?
        "həlˈO, hˌW kæn ˌI hˈɛlp ju tədˈA?",
        # I'm sorry, I didn't quite catch that; could you say it again?
        "ˌIm sˈɔɹi, ˌI dˈɪdᵊnt kwˈIt kˈɛʧ ðˈæt; kʊd ju sˈA ɪt əɡˈɛn?",
        # The old man picked up a jar of yellow paint and walked slowly through the quiet village.
        "ði ˈOld mˈæn pˈɪkt ˌʌp ɐ ʤˈɑɹ ʌv jˈɛlO pˈAnt ænd wˈɔkt slˈOli θɹu ðə kwˈIət vˈɪlɪʤ.",
        # Good morning, everyone.
        "ɡˈʊd mˈɔɹnɪŋ, ˈɛvɹiwən.",
        # On Friday afternoon,
        "ˌɔn fɹˈIdˌA ˌæftəɹnˈun,",
        # It takes three days.
        "ˌɪt tˈAks θɹˈi dˈAz.",
        # Of course, I can.
        "ˌʌv kˈɔɹs, ˌI kˈæn.",
        # Please wait a moment, I will look it up.
        "plˈiz wˈAt ɐ mˈOmᵊnt, ˌI wɪl lˈʊk ɪt ˌʌp.",
        # When all documents are complete, it is done on the spot!
        "wˌɛn ˈɔl dˈɑkjəmənts ɑɹ kəmplˈit, ɪt ɪz dˈʌn ˌɔn ðə spˈɑt!",
    ),
}
"""As phonemes, from long to short."""
OTHERS = 2
"""Clauses that a voice speaks in the other language."""


def sentences_for(voice: str) -> list[str]:
    """Choose what a voice speaks, as phonemes."""
    own: Language = language_of(voice) or "en"
    other: Language = "en" if own == "zh" else "zh"
    return [*SENTENCES[own], *SENTENCES[other][:OTHERS]]


def measure(kokoro: Kokoro, voice: str) -> Floats:
    """Regress means and logarithms of variances on what is known of a clause; float32 (2, 3, n)."""
    described, measured = [], []
    for phonemes in sentences_for(voice):
        described.append(describe(phonemes, kokoro.plan(phonemes, voice).durations))
        _, means, variances = kokoro.measure(phonemes, voice)
        measured.append(np.stack([means, np.log(np.maximum(variances, EPSILON))]))
    solved = np.linalg.lstsq(
        np.stack(described), np.stack(measured).reshape(len(measured), -1), rcond=None
    )[0]
    return solved.reshape(3, 2, -1).transpose(1, 0, 2).astype(np.float32)


def main() -> None:
    """Measure all voices and write the file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("voices", nargs="*", help="only these")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    kokoro = Kokoro()
    offered = [name for name in (*kokoro.voices, *kokoro.blends) if language_of(name)]
    measured = {}
    for voice in arguments.voices or offered:
        log.info("%s", voice)
        measured[voice] = measure(kokoro, voice).astype(np.float16)
        measured[voice + STYLE] = kokoro.style_of(voice).astype(np.float16)
    np.savez_compressed(arguments.file, **measured)


if __name__ == "__main__":
    main()
