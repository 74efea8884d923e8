"""Words and signs that name or carry an emotion, Chinese and English.

Common words, written down by hand; they weigh what training lets them weigh.
"""

from __future__ import annotations

from collections.abc import Mapping

from visavis.core.types import Emotion

CHINESE: Mapping[Emotion, str] = {
    "angry": (
        "生气 气死 气愤 愤怒 恼火 火大 发火 可恶 混蛋 忍无可忍 岂有此理 凭什么 投诉 太过分 欺负 烦死"
        " 受够 说法 推诿 踢皮球 敷衍 骗子 恨死 气炸 讲理 不像话 他妈 妈的 滚 闭嘴 废话 发脾气 怒"
    ),
    "contempt": (
        "呵呵 切， 不屑 瞧不起 看不起 看不上 废物 草包 可笑 就凭 配当 也配 算老几 懒得 不值一提 不过如此"
        " 装什么 自以为是 吹牛 丢人 幼稚 白痴 蠢 笨 小儿科 自不量力 井底之蛙 外行 土包子 哼"
    ),
    "disgusted": (
        "恶心 反胃 想吐 作呕 呕 臭 脏 馊 油腻 倒胃口 腥 霉 蟑螂 苍蝇 蛆 虫子 反感 膈应 嫌弃 呸 咦惹"
        " 口水 鼻涕 黏糊 熏 难闻 猥琐"
    ),
    "fear": (
        "害怕 好怕 怕黑 可怕 恐怖 恐慌 恐惧 吓 慌 担心 紧张 发抖 救命 救我 焦虑 不安 提心吊胆 胆小 不敢"
        " 怎么办怎么办 心跳 哆嗦 腿软 毛骨悚然 瘆"
    ),
    "happy": (
        "开心 高兴 快乐 幸福 太好了 真好 太棒 棒 谢谢 感谢 感激 满意 喜欢 耶 激动 期待 点赞 真不错 愉快"
        " 顺利 好极了 美滋滋 舒畅 乐 赞 恭喜 好消息 嘻嘻 嘿嘿 爽 松了口气"
    ),
    "sad": (
        "难过 伤心 悲伤 想哭 哭 眼泪 流泪 孤单 孤独 寂寞 失望 失落 绝望 沮丧 心碎 痛苦 唉 委屈 遗憾 后悔"
        " 心酸 舍不得 去世 过世 走了 没用 低落 抑郁 难受 想念 可惜 呜 心痛 分手"
    ),
    "surprised": (
        "居然 竟然 没想到 想不到 天哪 天啊 天呐 哇 真的假的 不会吧 怎么可能 意外 惊讶 惊呆 难以置信 咦"
        " 不敢相信 我的天 不可思议 出乎意料 原来 怎么会 我去 我靠 真的吗 好家伙"
    ),
}

ENGLISH: Mapping[Emotion, str] = {
    "angry": (
        "angry furious mad outrageous outraged livid pissed annoyed fuming rage hate complaint unacceptable"
        " ridiculous unfair infuriating damn bloody hell incompetent rude excuses liar lying shame"
        " fed_up sick_of tired_of how_dare shut_up enough_of kidding_me what_the_hell screw bastard bastards"
    ),
    "contempt": (
        "pathetic loser losers worthless idiot idiots stupid fool fools clown clowns joke amateur mediocre"
        " ignorant laughable beneath useless scorn despise contempt wannabe clueless dumb so_called"
        " some_expert who_cares look_down spare_me talk_to_a_wall moron"
    ),
    "disgusted": (
        "disgusting disgusted gross yuck yucky ew eww ugh revolting nasty vile filthy stink stinks stench"
        " smelly vomit puke nauseous nauseating sickening rotten mould mold slimy foul repulsive reeks gag"
        " cockroach maggots throw_up be_sick creepy urine pus"
    ),
    "fear": (
        "scared afraid terrified frightened fear panic panicking worried nervous anxious horrified scary"
        " dread petrified trembling shaking threatened help_me freaking_out spooky terror nightmare"
        " scared_to_death unsafe petrifying what_if"
    ),
    "happy": (
        "happy glad great wonderful thanks thank love lovely awesome fantastic excellent amazing delighted"
        " thrilled excited yay hooray brilliant perfect grateful appreciate proud enjoy fun haha lol funny"
        " delicious congratulations celebrate pleased joy smile cheers relieved looking_forward well_done"
    ),
    "sad": (
        "sad cry crying cried tears lonely alone heartbroken miss depressed hopeless disappointed miserable"
        " grief grieving sorry unhappy regret hurts devastated sorrow empty worthless_feeling passed_away"
        " died broke_up lost_hope homesick sigh unfortunately gloomy failure lonely"
    ),
    "surprised": (
        "wow surprised surprising unbelievable incredible astonished astonishing amazed stunned whoa omg"
        " unexpected unexpectedly really seriously gosh no_way oh_my_god oh_my can't_believe"
        " didn't_expect never_expected had_no_idea speechless who_knew wait_what"
    ),
}

SIGNS: Mapping[Emotion, str] = {
    "angry": "😠😡🤬💢👿😤",
    "contempt": "🙄😒😏🖕",
    "disgusted": "🤢🤮🤧",
    "fear": "😨😰😱😧😖",
    "happy": "😀😃😄😁😆😊🙂😍🥰😘🎉👍❤😂🤣🥳😋😺",
    "sad": "😢😭😞😔☹🙁💔😟🥺😿",
    "surprised": "😮😲😯🤯😳",
}
"""Emoji; the first code point of each is enough."""

FACES: Mapping[Emotion, str] = {
    "happy": ":) :-) :D =) ^_^ ^^ (^o^)",
    "sad": ":( :-( T_T TT ;_; T^T",
    "surprised": ":o :O o_O O_O",
    "angry": ">:( >_<",
}
"""Faces made of letters."""
