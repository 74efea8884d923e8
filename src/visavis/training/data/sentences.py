"""Sentences to be spoken for training: written here, multiplied by combination.

Short everyday sentences in English and Chinese. The lists are chosen so that every sound of both
languages comes in many surroundings; the sense of a sentence does not matter, its sounds do.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from visavis.core.types import Language

_EN: dict[str, tuple[str, ...]] = {
    "who": (
        "my brother", "the old farmer", "a young nurse", "our neighbour", "the bus driver",
        "Mrs. Pemberton", "the whole village", "your cousin Paul", "the judge", "a shy boy",
        "the choir", "Judith", "the French chef", "my grandmother", "a clever thief",
        "the museum guide", "their youngest daughter", "Hugo", "the vet", "somebody in the queue",
        "the five brothers", "the team from Bath", "a woman with a blue umbrella", "the usher",
        "everyone in the office", "Professor Zhou", "the plumber", "both of them", "the beekeeper",
        "no one I know",
    ),
    "did": (
        "bought", "borrowed", "painted", "measured", "dropped", "forgot", "polished", "found",
        "washed", "promised us", "gave away", "pushed", "admired", "repaired", "cooked",
        "threw out", "chose", "hid", "described", "enjoyed", "mixed up", "voted for", "unpacked",
        "brought back", "served", "swapped", "imagined", "shook", "weighed", "photographed",
    ),
    "what": (
        "a bag of plums", "the wooden bridge", "fifty paper boats", "a very thin wire",
        "the brown envelope", "some fresh bread", "a pair of rubber boots", "my favourite mug",
        "the oil lamp", "three yellow chairs", "a map of the valley", "the broken zip",
        "a huge pot of soup", "the poem about moths", "an orange scarf", "the church bell",
        "two warm jumpers", "a jar of honey", "the fishing rod", "that awful hat",
        "a bunch of violets", "the tooth brush", "the birthday cake", "a few good ideas",
        "the purple vase", "some cheap batteries", "the judge's pen", "a box of old toys",
        "the youngest puppy", "the password",
    ),
    "where": (
        "by the river", "behind the theatre", "in the market", "near the old mill", "at the zoo",
        "on the top shelf", "under the oak", "outside the bank", "in Birmingham", "on the beach",
        "at the foot of the hill", "in front of the shop", "above the garage", "at home",
        "between two walls", "in the north of France", "along the muddy path", "at the airport",
        "in the waiting room", "on platform four",
    ),
    "when": (
        "this morning", "last Thursday", "before breakfast", "at half past two", "in June",
        "every other week", "just after midnight", "years ago", "on a rainy afternoon", "yesterday",
        "during the war", "at the weekend", "the day before the wedding", "on the first of August",
        "as soon as it stopped snowing", "for the third time", "while we were asleep", "in autumn",
    ),
    "how": (
        "very slowly", "without a word", "with both hands", "by mistake", "rather badly",
        "for a pound", "as usual", "in a great hurry", "with enormous pleasure", "quite quietly",
        "for no good reason", "as a joke", "beautifully", "through the open window", "on purpose",
        "with a smile", "halfway", "in broad daylight",
    ),
    "is": (
        "empty", "far too heavy", "blue and white", "made of silver", "worth keeping", "full of mud",
        "impossible to move", "a bit pale", "smooth as butter", "covered with moss", "rough",
        "better than before", "warm enough", "missing", "from another planet", "thoroughly boring",
        "about five feet wide", "the wrong shape", "unusually bright", "ready for you", "foggy",
        "above average",
    ),
    "thing": (
        "the weather", "this pudding", "your application", "the first chapter", "the moon",
        "that piece of cloth", "the new form", "the swimming pool", "my left shoe", "the evidence",
        "the cheese", "your voice", "the music", "every third page", "the map", "the village hall",
        "the photograph on the wall", "his beard", "the vehicle", "the way home",
    ),
    "office": (
        "a new passport", "the housing fund", "a birth certificate", "the work permit",
        "social insurance", "your driving licence", "the vehicle tax", "a residence card",
        "the business register", "a marriage certificate", "the parking permit", "your pension",
    ),
    "verb": (
        "apply for", "ask about", "wait for", "pay for", "renew", "collect", "cancel", "check",
        "look up", "bring along", "copy", "change",
    ),
}  # fmt: skip
_EN_FRAMES: tuple[str, ...] = (
    "{who} {did} {what} {where}.",
    "{when}, {who} {did} {what}.",
    "{who} {did} {what} {how}.",
    "{when} {who} and {who} {did} {what}.",
    "why has {who} never seen {what}?",
    "{thing} is {is}.",
    "{thing} was {is}, but {thing} is {is}.",
    "is {thing} really {is}?",
    "oh, {thing} is {is}!",
    "where do I {verb} {office}?",
    "you can {verb} {office} {where}, or {when}.",
    "please {verb} {office} before you {verb} {office}.",
    "to {verb} {office}, show {what} {where}.",
    "if {thing} is {is}, we will wait {where}.",
    "did {who} leave {what} {where}?",
    "{who} says that {thing} is {is}.",
    "nobody knows why {who} {did} {what}.",
    "{who} {did} {what}, {what} and {what}.",
    "give me {what}, please.",
    "thank you, {who} will be {where} {when}.",
    "shall we move {what} {where}?",
    "{how}, {who} {did} {what}.",
    "it is {number} minutes past {hour}.",
    "that makes {number} pounds and {number} pence.",
    "there are {number} people {where}.",
    "open window {number} from {hour} to {hour}.",
)

_ZH: dict[str, tuple[str, ...]] = {
    "谁": (
        "我哥哥", "隔壁的奶奶", "他们全家", "那位老师傅", "小朋友", "王经理", "李阿姨", "两个护士",
        "新来的同事", "司机", "我表妹", "几位客人", "那个卖花的姑娘", "校长", "张律师", "邮递员",
        "舅舅", "双胞胎兄弟", "值班的民警", "大家", "我和父母", "周教授", "村里的人", "一只白猫",
        "骑车的男孩", "冯女士", "许多游客", "老板娘", "裁缝", "谁家的狗",
    ),
    "做": (
        "买了", "借走了", "修好了", "弄丢了", "画了", "送来", "翻出", "卖掉了", "打扫了", "包好了",
        "拍下了", "吃完了", "忘了带", "整理了", "藏起了", "捡到", "换了", "推开了", "煮了", "摆好了",
        "撕破了", "喜欢", "称了称", "取回了", "学会做", "抱着", "扔掉了", "闻了闻",
    ),
    "物": (
        "一把雨伞", "三本旧书", "那扇木门", "半斤苹果", "一双布鞋", "两瓶蜂蜜", "这张地图", "红色的围巾",
        "几颗糖", "一盆菊花", "妈妈的毛衣", "四个玻璃杯", "一封长信", "鱼汤", "那辆自行车", "五只小鸭",
        "竹篮子", "生日蛋糕", "绿豆粥", "爷爷的收音机", "一块肥皂", "户口本", "许多照片", "橡皮",
        "七八个饺子", "一串钥匙", "新窗帘", "牙刷", "一幅水墨画", "乒乓球拍",
    ),
    "处": (
        "在河边", "在学校门口", "在二楼", "在北京", "在菜市场", "在图书馆", "在桥下面", "在厨房里",
        "在火车站", "在小区花园", "在山脚下", "在银行对面", "在办公室", "在海滩上", "在老家",
        "在动物园", "在法院旁边", "在窗户外面", "在苏州", "在路口",
    ),
    "时": (
        "今天早上", "上个星期", "去年冬天", "吃饭以前", "两点半", "夜里", "周末", "刚才", "每年春节",
        "下雨的时候", "昨天下午", "暑假里", "三月初", "天黑以后", "从前", "中秋那天", "后天", "下班后",
    ),
    "样": (
        "慢慢地", "悄悄地", "高高兴兴地", "很快就", "一个人", "笑着", "不小心", "顺便", "认真地",
        "匆匆忙忙地", "又", "终于", "偷偷", "好不容易", "轻轻地", "一口气",
    ),
    "景": (
        "天气", "这碗面", "外面的风", "湖水", "他的声音", "你的申请", "这条路", "屋子里", "这件衣服",
        "那部电影", "月亮", "山上的空气", "他的普通话", "新表格", "队伍", "墙的颜色", "这个办法", "午饭",
        "第二个问题", "博物馆",
    ),
    "状": (
        "很暖和", "有点儿咸", "非常大", "特别安静", "太远了", "不够清楚", "越来越好", "干干净净",
        "又长又窄", "没什么味道", "绿油油的", "还可以", "比以前贵", "一点儿也不难", "真漂亮", "马上就好",
        "已经通过了", "白茫茫一片", "不太合适", "出乎意料",
    ),
    "事": (
        "身份证", "居住证", "护照", "社会保险", "住房公积金", "驾驶证", "营业执照", "出生证明", "结婚登记",
        "户口迁移", "车辆年检", "养老金", "医保卡", "无犯罪记录证明", "老年优待卡", "入学手续",
    ),
    "办": (
        "补办", "申请", "查询", "领取", "注销", "续期", "缴纳", "打印", "预约", "变更", "提交", "咨询",
    ),
}  # fmt: skip
_ZH_FRAMES: tuple[str, ...] = (
    "{谁}{处}{做}{物}。",
    "{时}，{谁}{做}{物}。",
    "{谁}{样}{做}{物}。",
    "{谁}说，{景}{状}。",
    "{景}{状}吗？",
    "{景}{状}，可是{景}{状}。",
    "啊，{景}{状}！",
    "请问在哪里{办}{事}？",
    "怎么{办}{事}？",
    "{办}{事}需要带{物}吗？",
    "您可以{时}{办}{事}，也可以{办}{事}。",
    "先{办}{事}，再去{办}{事}。",
    "如果{景}{状}，我们就{处}等。",
    "{谁}为什么{做}{物}？",
    "{谁}和{谁}{时}{处}见面。",
    "{物}、{物}和{物}都{处}。",
    "谢谢，{谁}{时}就到。",
    "没有人知道{谁}{做}{物}。",
    "把{物}放{处}吧。",
    "{谁}{时}{样}{做}{物}。",
    "一共{数}块，找您{数}块。",
    "现在是{钟}点{数}分。",
    "{处}有{数}个人。",
    "请到{数}号窗口{办}{事}。",
)
_HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
_TENS = ("twenty", "thirty", "forty", "fifty")
_DIGITS = "一二三四五六七八九"
_SLOT = re.compile(r"{(\w+)}")


def _fill(slot: str, language: Language, rng: random.Random) -> str:
    if slot == "hour":
        return rng.choice(_HOURS)
    if slot == "number":
        return rng.choice((f"{rng.choice(_TENS)} {rng.choice(_HOURS[:9])}", rng.choice(_HOURS)))
    if slot == "钟":
        return rng.choice(("两", *_DIGITS[2:], "十", "十一", "十二"))
    if slot == "数":
        return f"{rng.choice(_DIGITS[1:5])}十{rng.choice(_DIGITS)}"
    return rng.choice((_EN if language == "en" else _ZH)[slot])


def make_sentences(language: Language, seed: int = 0) -> Iterator[str]:
    """Yield different sentences without end, in the same order for the same seed.

    Args:
        language: ``zh`` or ``en``.
        seed: Of the order and of the combinations.
    """
    rng = random.Random(f"{language}:{seed}")
    frames = _EN_FRAMES if language == "en" else _ZH_FRAMES
    given: set[str] = set()
    while True:
        order = list(frames)
        rng.shuffle(order)
        for frame in order:
            text = _SLOT.sub(lambda match: _fill(match[1], language, rng), frame)
            text = text[0].upper() + text[1:]
            if text not in given:
                given.add(text)
                yield text
