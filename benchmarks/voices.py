"""Speak sentences, recognise them back, and count the errors.

    python benchmarks/voices.py                      the default voices, all sentences
    python benchmarks/voices.py --every-voice        every voice, six sentences of its language
    python benchmarks/voices.py --text answers       whole answers of the sample base
    python benchmarks/voices.py --text plain         everyday Chinese sentences without figures
    python benchmarks/voices.py --synthesizer hibari

The recognisers are whisper-base and the small vosk model of the language; ``--whisper FOLDER`` names
another Whisper in CTranslate2's format, such as whisper-small. Both sides are written out by the normaliser before they are
compared, so that "50%" against "百分之五十" is no error; figures are read as quantity or digit by
digit, whichever is nearer. For Chinese the errors in pinyin with tones are counted too: a recogniser that
writes another character of the same sound has heard right. And the errors that are left when what was heard is
written as the sample base writes what sounds the same (`visavis.knowledge.sound_alikes`), as the product does with
questions: by the whole base, and by the base without the pairs whose answers are spoken. Also printed: seconds of computing for a second of sound, the delay of
the first sound, the mean pitch and the level.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter

import numpy as np

from visavis.core.registry import load
from visavis.core.types import Language, Sentence
from visavis.knowledge.base import load_samples, samples_folder
from visavis.knowledge.sound_alikes import SoundAlikes
from visavis.models.assets import locate
from visavis.models.common.simplified import to_simplified
from visavis.pipeline.sentences import split_sentences
from visavis.stages.synthesizers.text.chinese_numbers import read_digits
from visavis.stages.synthesizers.text.normalize import normalize

SENTENCES: dict[Language, list[str]] = {
    "zh": [
        "您好，请问有什么可以帮您？",
        "补办身份证需要本人携带户口簿到户籍所在地派出所办理。",
        "请您先在网上预约，然后到办事大厅3号窗口提交申请材料。",
        "材料齐全的，自受理之日起20个工作日内办结。",
        "如有疑问，请拨打服务热线12345咨询。",
        "社会保险费由用人单位和职工共同缴纳，个人缴费比例为8%。",
        "住房公积金贷款年利率从3.1%下调到2.85%。",
        "首次申领居民身份证免费，补领每证收取工本费￥40。",
        "办公时间为周一至周五9:00-17:00，中午不休息。",
        "新规定从2025年7月1日起施行。",
        "我的手机号码是138-0013-8000，请尽快与我联系。",
        "营业执照遗失后，企业应当在10天内申请补领。",
        "机动车每2年检验1次，超过15年的每6个月检验1次。",
        "外国人居留许可的有效期最短为90日，最长为5年。",
        "今天最高气温32℃，最低气温-5℃，请注意保暖。",
        "全市常住人口约2189.3万人，比上年增长0.2%。",
        "办理港澳通行证需要提交2寸照片2张。",
        "请到2楼205室领取您的结婚证。",
        "出生医学证明遗失的，由父母双方共同申请补发。",
        "我们会在3-5个工作日内把结果发到您的邮箱。",
        "公司注册资本为500万元，由3名股东认缴。",
        "残疾人可以享受乘坐公共汽车的优惠政策。",
        "大约1/3的申请可以在网上全程办理，不用跑腿。",
        "您可以使用ATM机，也可以用VISA卡付款。",
    ],
    "en": [
        "Hello, how can I help you today?",
        "To replace a lost identity card, please bring your household register to the police station.",
        "First book an appointment online, then hand in the documents at window 3.",
        "Your application will be processed within 20 working days.",
        "If you have any questions, please call the service hotline at 555-0123.",
        "The employee pays 8% of the monthly salary into the pension fund.",
        "The annual interest rate went down from 3.1% to 2.85%.",
        "The first card is free of charge, and a replacement costs $40.",
        "The office is open from 9:00 AM to 5:30 PM, Monday to Friday.",
        "The new rules come into force on July 1, 2025.",
        "Dr. Smith moved to 12 Main St. in 1998.",
        "A lost business licence must be reported within 10 days.",
        "Cars are inspected every 2 years, and after 15 years every 6 months.",
        "A residence permit is valid for at least 90 days and at most 5 years.",
        "It will be 32°C today, so please drink enough water.",
        "The city has about 21.9 million inhabitants, which is 0.2% more than last year.",
        "Please bring 2 photographs and a copy of your passport.",
        "You can pick up your marriage certificate in room 205 on the 2nd floor.",
        "If the birth certificate is lost, both parents must apply for a new one.",
        "We will send the result to your mailbox in 3-5 working days.",
        "The company has a registered capital of $5.5 million and 3 shareholders.",
        "People with disabilities can ride the bus free of charge.",
        "About 1/3 of all applications can be made entirely online.",
        "You can pay with a VISA card or take money from the ATM.",
    ],
}


PLAIN = [
    "我家离学校不远，走路十分钟就到了。",
    "这件衣服的颜色很好看，可是有点儿贵。",
    "他正在打电话，请你等一会儿。",
    "我们公司下个月要搬到新的办公楼。",
    "妹妹喜欢唱歌，也喜欢跳舞。",
    "冬天来了，外面的风很大，多穿一点衣服。",
    "医生告诉他要多喝水，多休息。",
    "这个问题很简单，大家都会回答。",
    "昨天的会议开得很成功。",
    "老师让我们回家以后复习今天的课文。",
    "火车马上就要开了，快上车吧。",
    "他学会了游泳，每个星期都去游泳馆。",
    "请把窗户打开，房间里太热了。",
    "我不知道他什么时候回来。",
    "这里的风景非常美丽，吸引了很多游客。",
    "爷爷奶奶住在农村，他们种了很多蔬菜。",
    "图书馆里很安静，大家都在认真看书。",
    "我已经把邮件发给你了，请查收。",
    "他因为生病，所以没有来上班。",
    "生日那天，朋友们送给我很多礼物。",
]
"""Everyday Chinese, without figures and terms."""


def texts_of(kind: str, language: Language) -> list[str]:
    """The texts of a kind: ``figures``, ``plain`` (Chinese only) or ``answers``."""
    if kind == "plain":
        if language != "zh":
            raise SystemExit("the plain sentences are Chinese: add --language zh")
        return PLAIN
    if kind == "answers":
        lines = (samples_folder() / f"government_{language}.jsonl").read_text("utf-8")
        answers = [answer for line in lines.splitlines() if (answer := json.loads(line)["answer"])]
        # None of these was heard while the default voice was chosen: that was done on others.
        return [*answers[2::12], *answers[5::12]]
    return SENTENCES[language]


def write_out(text: str, language: Language, digits: bool = False) -> list[str]:
    """Characters or words as said, without punctuation."""
    if language == "zh":
        from zhconv import convert

        text = convert(text, "zh-cn").replace("％", "%")
        if digits:
            text = re.sub(r"\d+", lambda m: read_digits(m.group()), text)
        said = normalize(text, "zh") if text.strip(" .。") else ""
        said = said.replace("幺", "一").replace("两", "二").lower()
        return re.findall(r"[a-z]+|[\u4e00-\u9fff]", said)
    text = re.sub(r"(\d)\.(\d\d) ?([ap])\.?m", r"\1:\2 \3m", text)
    if digits:
        text = re.sub(r"\d", r" \g<0> ", text)
    said = normalize(text, "en") if text.strip(" .") else ""
    return re.findall(r"[a-z']+", said.lower().replace("-", " "))


def base_without(texts: list[str]) -> SoundAlikes:
    """How the Chinese sample base writes what sounds the same, were some of its answers not in it."""
    return SoundAlikes(
        text
        for base in load_samples()
        for pair in base.pairs
        if pair.language == "zh" and pair.answer not in texts
        for text in (*pair.wordings, pair.answer)
    )


def pinyin_of(characters: list[str]) -> list[str]:
    from pypinyin import Style, lazy_pinyin

    return lazy_pinyin("".join(characters), style=Style.TONE3, neutral_tone_with_five=True)


class Recognisers:
    """Both recognisers, on 16 kHz sound."""

    def __init__(self, language: Language, whisper: str) -> None:
        import vosk
        from faster_whisper import WhisperModel

        vosk.SetLogLevel(-1)
        self._language = language
        self._vosk = vosk.Model(str(locate(f"vosk-{language}")))
        self._whisper = WhisperModel(
            whisper or str(locate("whisper-base")), device="cpu", compute_type="int8", cpu_threads=2
        )

    def whisper(self, sound: np.ndarray) -> str:
        prompt = "以下是普通话的句子。" if self._language == "zh" else None
        segments, _ = self._whisper.transcribe(
            sound, language=self._language, initial_prompt=prompt, beam_size=5, temperature=0.0
        )
        return "".join(s.text for s in segments).strip()

    def vosk(self, sound: np.ndarray) -> str:
        import vosk

        recogniser = vosk.KaldiRecognizer(self._vosk, 16_000)
        padded = np.concatenate([np.zeros(4000), sound, np.zeros(8000)])
        recogniser.AcceptWaveform((padded * 32767).astype("<i2").tobytes())
        text = json.loads(recogniser.FinalResult())["text"]
        return text.replace(" ", "") if self._language == "zh" else text


def edit_distance(left: list[str], right: list[str]) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def pitch_of(sound: np.ndarray, rate: int) -> float:
    """Median fundamental frequency of the voiced frames, by autocorrelation, in Hz."""
    frame, found = rate // 25, []
    for start in range(0, len(sound) - frame, frame):
        part = sound[start : start + frame]
        if np.sqrt(np.mean(part**2)) < 0.05:
            continue
        spectrum = np.fft.rfft(part * np.hanning(frame), 2 * frame)
        correlation = np.fft.irfft(np.abs(spectrum) ** 2)
        low, high = rate // 400, rate // 60
        peak = low + int(np.argmax(correlation[low:high]))
        if correlation[peak] > 0.5 * correlation[0]:
            found.append(rate / peak)
    return float(np.median(found)) if found else 0.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--synthesizer", default="kokoro")
    parser.add_argument("--voice", action="append")
    parser.add_argument("--every-voice", action="store_true")
    parser.add_argument("--language", choices=["zh", "en"])
    parser.add_argument("--sentences", type=int)
    parser.add_argument("--text", choices=["figures", "plain", "answers"], default="figures")
    parser.add_argument("--whisper", default="", help="folder of a Whisper in CTranslate2's format")
    arguments = parser.parse_args()

    stage = load("synthesizers", arguments.synthesizer)()
    voices = list(stage.voices())
    if arguments.voice:
        voices = [v for v in voices if v.name in arguments.voice]
    elif not arguments.every_voice:
        voices = voices[: 4 if arguments.synthesizer == "kokoro" else 1]
    count = arguments.sentences or (6 if arguments.every_voice else None)
    for voice in voices:
        language: Language = arguments.language or voice.languages[0]
        texts = texts_of(arguments.text, language)[:count]
        recognisers = Recognisers(language, arguments.whisper)
        respelling = (
            {"others": base_without(texts), "base": base_without([])} if language == "zh" else {}
        )
        wrong: Counter[str] = Counter(whisper=0, vosk=0)
        total = 0
        computed = sounded = 0.0
        first, levels, pitches = [], [], []
        for text in texts:
            began = time.perf_counter()
            cpu = time.process_time()
            speeches = []
            for number, sentence in enumerate(split_sentences(text)):
                for speech in stage.iterate(Sentence(0, number, sentence, language), voice.name):
                    if not speeches:
                        first.append(time.perf_counter() - began)
                    speeches.append(speech)
            computed += time.process_time() - cpu
            sound = np.concatenate([s.audio.samples for s in speeches])
            sounded += len(sound) / voice.sample_rate
            levels.append(float(np.sqrt(np.mean(sound[np.abs(sound) > 0.01] ** 2))))
            pitches.append(pitch_of(sound, voice.sample_rate))
            heard_sound = np.interp(
                np.arange(0, len(sound), voice.sample_rate / 16_000), np.arange(len(sound)), sound
            ).astype(np.float32)
            said = write_out(text, language)
            total += len(said)
            for name in ("whisper", "vosk"):
                heard = getattr(recognisers, name)(heard_sound)
                readings = [write_out(heard, language, digits) for digits in (False, True)]
                errors = min(edit_distance(said, reading) for reading in readings)
                wrong[name] += errors
                for known, alikes in respelling.items():
                    written = alikes.repair(to_simplified(heard, "zh-cn"))
                    wrong[f"{name}_by_{known}"] += min(
                        edit_distance(said, write_out(written, language, digits))
                        for digits in (False, True)
                    )
                if language == "zh":
                    wrong[f"{name}_pinyin"] += min(
                        edit_distance(pinyin_of(said), pinyin_of(reading)) for reading in readings
                    )
                if errors:
                    print(f"  {name} {errors}: {text}\n     {heard}", flush=True)
        row = {
            "voice": voice.name,
            "language": language,
            "text": arguments.text,
            "sentences": len(texts),
            "error_rates": {name: round(count / total, 4) for name, count in wrong.items()},
            "cpu_seconds_per_second": round(computed / sounded, 3),
            "first_sound_s": round(float(np.median(first)), 2),
            "pitch_hz": round(float(np.median(pitches))),
            "level_db": round(20 * np.log10(float(np.mean(levels))), 1),
            "level_spread_db": round(20 * np.log10(max(levels) / min(levels)), 1),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
