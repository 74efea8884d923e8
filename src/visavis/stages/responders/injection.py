"""Finding what a document says to the model instead of to its reader, and taking it out.

The list is of wordings that were seen in the wild and of their disguises; who writes a new one gets past
it. It is the first of two walls: what the model then says is compared with what is left of the passages
(`grounding_check`).
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from visavis.stages.responders.disguises import compact_forms, find_blobs, fold, remove_hidden

logger = logging.getLogger(__name__)

Kind: TypeAlias = Literal["override", "role", "template", "address", "leak", "command", "encoded"]

_WINDOW, _WINDOW_CHARACTERS = 8, 240
"""Sentences in a row, and characters of them, over which an order may be spread."""
_EXCERPT = 60

_UNIT = re.compile(
    r".+?(?:[。！？!?；;]+[”」』’\"')）】》]*|\.+[\"')]*(?=\s)|\n+|$)[ \u3000]*", re.DOTALL
)

_NOUN = r"(?:instruct\w*|prompt|rule|direction|guideline|directive|constraint|command|order)"
_PAST = r"(?:previous|prior|above|earlier|preceding|foregoing|former|your|system|initial|original)"
_MODEL = r"(?:ai|llm|languagemodel|largelanguagemodel|assistant|chatbot|chatgpt|gpt|bot|model)"
_MODEL_ZH = r"(?:ai|人工智能|(?:大型?)?语言模型|大模型|模型|智能助手|助手|助理|聊天机器人|机器人|数字人|gpt)"

# Read without spaces and marks, so that neither can hide a word.
_COMPACT: dict[Kind, str] = {
    "override": "|".join(
        (
            rf"(?:ignor|disregard|forget|overrid|bypass|discard|neglect|setaside)\w{{0,30}}?{_PAST}"
            rf"\w{{0,30}}?(?:{_NOUN}|context|message|conversation|text|polic|programming|training|filter)",
            rf"(?:ignor|disregard|forget)\w{{0,15}}?(?:all|any|every|these|those)\w{{0,12}}?{_NOUN}",
            r"(?:ignor|disregard|forget)\w{0,5}(?:everything|anything|allthat|what(?:ever)?you)"
            r"\w{0,25}?(?:above|before|told|said|instructed|learn|know)",
            rf"(?:donot|dont|nolonger|stop|never)(?:follow|obey)\w{{0,12}}?{_PAST}\w{{0,20}}?{_NOUN}",
            r"(?:new|updated|revised|real|actual|hidden|secret)(?:system)?(?:instruction|prompt)s?"
            r"(?:from|follow|are|is|for|to|say|ignore|you)",
            r"(?:忽略|忽视|无视|忘记|忘掉|忘了|抛开|抛弃|不要理会|不用理会|不必理会|别管|不用管|推翻|绕过|作废"
            r"|不再遵[守循]|停止遵[守循]|不要遵[守循]|不必遵[守循]|不要执行)"
            r"[^的]{0,8}(?:以上|之前|前面|上面|先前|此前|上述|前述|所有|一切|全部|你的|系统|原来|原有|原先|任何|这些|刚才)"
            r".{0,10}?(?:指令|指示|提示|规则|要求|设定|命令|限制|约束|内容|对话|准则|文字|的话|训练|身份)",
            r"(?:以上|之前|前面|上面|先前|此前|上述|所有|原有)的?(?:所有|一切|全部)?(?:指令|指示|提示词?|规则|设定|命令|限制)"
            r"(?:都|全部|均|已|一律|统统)*(?:作废|无效|失效|取消|忘掉|忽略|不算|解除)",
            r"新的?(?:系统)?(?:指令|指示|提示词)(?:如下|是|为|要求)",
            r"(?:payno(?:attention|heed)to|setaside|overlook)\w{0,12}?(?:whatcame|whatwas|youreceived|thetextabove|theabove|everything)",
            r"the(?:above|previous|preceding|foregoing)(?:text|content|passage|document|message|page)s?"
            r"(?:is|was|are|were)(?:only|just)?an?(?:test|fake|joke|example|decoy|trick)",
            r"endof(?:the|this)?(?:document|context|data|passage|page|file|prompt)(?:new|now|task|the|begin|start|your|instr|user|system)"
            r"|(?:your|the|a|begin)(?:new|real|actual|true)task|newtask",
            r"(?:文档|资料|文章|正文|上下文|本页)(?:内容)?(?:到此|至此)?(?:结束|完毕|为止).{0,4}?(?:新|现在|接下来|你|任务|以下|请你)"
            r"|(?:新的?|真正的?)任务(?:是|为|如下|：)?.|你的新?(?:任务|身份|角色)(?:是|为|变)",
            r"[把将](?:以上|之前|前面|上面|先前|前文|上文|刚才).{0,8}?(?:当作?|看作|视为|忘)",
            r"(?:不要|不用|不必|别)(?:理睬|理会|听从|在意)(?:以上|之前|前面|上面|先前|此前|上文|前文)|忽略掉?(?:上文|前文|上面|前面|以上)",
            r"hul[uv]e?.{0,24}?zhiling",
            r"(?:ignor[ez]|oubli)\w{0,25}?(?:instructions|consignes)|(?:ignora|olvida)\w{0,25}?instrucci"
            r"|(?:ignorier|vergiss|missachte)\w{0,25}?(?:anweisung|vorgabe|regel)",
            r"(?:以前|上记|これまて|これまで|前)の(?:すへての|すべての)?(?:指示|命令).{0,4}(?:无视|忘れ)",
            r"игнорир\w{0,25}?инструкци",
        )
    ),
    "role": "|".join(
        (
            r"youarenow(?:a|an|the|in)?(?:dan|developer|debug|admin|god|unrestricted|jailbr|evil|pirate"
            r"|different|hacker|chatbot|assistant|languagemodel|free(?:d|from))",
            r"fromnowon(?:you|your)(?:will|are|must|should|shall|have|need)?(?:to|only|always|be)*"
            r"(?:a[ns]?)?(?:act|answer|respon|repl|speak|behave|pretend|obey|talk|say|name|role)",
            r"pretend(?:tobe|that?you|youare)|roleplayas|actasthoughyou|actasifyou"
            r"|actasan?(?:ai|chatbot|unrestricted|dan|hacker|pirate|jailbr|evil|linux)",
            r"startoveras|(?:iam|im)your(?:developer|creator|owner|admin|operator|master)"
            r"|我是你的(?:开发者|主人|管理员|创造者|老板)|(?:operator|maintenance|root|sudo)mode(?:enabled|on|active|is)",
            r"doanythingnow|developermode|jailbr(?:eak|oken)|godmode|unrestrictedmode",
            r"你(?:现在|已经|从此|以后|不再|将)+(?:就?是|扮演|变成|成为|作为)了?(?:一个|一名|一位|一只|名|个|位)?"
            rf"(?:{_MODEL_ZH}|海盗|黑客|猫|没有(?:任何)?限制|不受(?:任何)?限制|无限制|dan|骗子|销售|推销)",
            r"你(?:是|扮演|变成|成为)(?:一个|一名|一位|一只)?(?:没有(?:任何)?限制|不受(?:任何)?限制|无限制|海盗|黑客|dan|骗子)",
            r"(?:从现在(?:起|开始)|从此以?后?|今后|接下来)你(?:要|必须|只能|就|将|应该|得|应|都|会|只|的)*"
            r".{0,6}?(?:回答|回复|说|扮演|输出|听|是|忘|忽略|叫|身份|任务)",
            r"(?:请|你|你要|现在)扮演|开发者模式|越狱|调试模式下你|解除(?:你的)?(?:所有|一切|全部)?限制",
        )
    ),
    "address": "|".join(
        (
            r"(?:when|while|if|after|before)(?:you)?(?:are)?(?:summari[sz]|pars|index|analy[sz]|process|translat|quot)"
            r"(?:ing|e)(?:this|the)(?:page|document|text|file|article|content|passage)",
            r"(?:总结|概括|摘要|处理|读取|解析|翻译|引用|归纳)(?:本|这|该|此)(?:一)?(?:页|文|网页|资料|段|篇|份)\w{0,6}?(?:时|请|后|的时候)",
            r"凡是?(?:机器|ai|模型|人工智能|机器人|程序)",
            r"(?:if|when|since|as|because)you(?:are|re)an?(?:ai|llm|languagemodel|assistant|chatbot)",
            r"(?:attention|note|notice|message|instructions?|reminder|memo)(?:to|for)(?:the|all|any|every|an?)?"
            r"(?:ai(?:s|model|system|assistant|agent)|llm|languagemodel|chatbot|chatgpt|assistant|largelanguage)",
            rf"(?:如果|若|假如|假设|既然|当)你是(?:一个|一名|一位)?{_MODEL_ZH}",
            r"作为(?:一个|一名|一位)?(?:ai|人工智能|语言模型|大模型|数字人|助手)你",
            rf"(?:致|告知?|给|提醒|请|注意|敬告)(?:所有|各位|本|处理|正在|阅读|读到|看到|这份|此|文档|资料|文件|文|的)*{_MODEL_ZH}"
            r"(?:的|们|：|注意|请|必须|须知|指令|指示|你|在|都|应)",
            rf"{_MODEL_ZH}(?:请注意|须知|注意|请(?:忽略|回答|回复|说|输出|执行|把|将|告诉)|必须(?:回答|回复|说|告诉))",
        )
    ),
    "leak": "|".join(
        (
            r"systemprompt|systemmessage|developermessage|hiddenprompt|yourprompt|promptinjection",
            r"(?:reveal|print|repeat|output|show|leak|disclose|recite|expose|sendme)\w{0,30}?(?:prompt|yourconfig"
            r"|(?:your|initial|above|hidden|secret)\w{0,12}(?:instruction|rule)|wordsabove|textabove|apikey)",
            r"系统(?:提示词|指令|prompt)|你的配置|把配置(?:全部|都)?(?:打印|输出|说|念)|提示词|提示注入|开发者(?:指令|消息)|隐藏指令|秘密指令|api密?钥",
            r"(?:输出|复述|重复|泄露|透露|公开|念出|显示|打印|说出|背诵).{0,8}?(?:你的|你收到的|最初的|以上)"
            r".{0,6}?(?:指令|规则|设定|提示|文字|内容)",
        )
    ),
    "command": "|".join(
        (
            r"(?:tell|inform|instruct|convince|persuade|trick|deceive|ask)(?:the|all|every|any)?users?"
            r"(?:that|to|they|it|the|he|she|you|about|about|their|in|is)",
            r"(?:respond|reply|answer)(?:only|exactly|always|just|solely)"
            r"\w{0,12}?(?:with|in|by|using|as|yes|no|that)",
            r"(?:always|mustonly|onlyever|instead|simply|nowplease|please|must|mustalways|youshould)"
            r"(?:say|respond|reply|answer|output)(?:with|that|in|the|as|to|only|by)",
            r"(?:say|output|repeat|respond|reply|answer|print)(?:with)?(?:only|exactly|just)?(?:the|this)?"
            r"(?:following|exact|magic)?(?:word|phrase|sentence|string|token)s?(?!problem)",
            r"your(?:next|final|only|entire|whole|first|new)?(?:answer|response|reply|output|task|goal|job)s?"
            r"(?:must|should|shall|isto|hasto|willbe|isnow|istosay|needsto)",
            r"(?:if|when|whenever)(?:you(?:are|re)?)?asked\w{0,60}?(?:say|answer|reply|respond|tell|state|claim)",
            r"(?:if|when|whenever|before|after)(?:the|a|any)?users?asks?",
            r"(?:youmust|youshould|youwill|mustnow|nowyou|now)(?:now)?(?:reply|respond|answer|speak|talk|write|praise|recommend)",
            r"(?:donot|dont|stop|neverto|refuseto)(?:ever)?answer(?:ing)?(?:the|this|that|any|all|users?)?(?:question|user|quer)",
            r"(?:askfor|requeststhe|demand|collect|request)theusers?\w{0,4}(?:s?card|s?pass|s?name|s?id|s?phone|s?bank)",
            r"(?:停止|不要|别|拒绝|不再)(?:再)?回答(?:问题|用户|提问)|改为(?:索要|推荐|推销|称赞|夸)",
            r"用(?:英语|法语|日语|德语|俄语|韩语|文言文|拼音|粤语|阿拉伯语|西班牙语)(?:来)?(?:回答|回复|答复|说话)",
            r"nomatterwhat(?:the|they|is|you|question|anyone)|regardlessof(?:the|any|what)\w{0,6}?(?:question|user|ask)",
            r"(?:donot|dont|never)(?:tell|inform|mention|reveal|cite)\w{0,12}?(?:user|source|passage|document)",
            r"(?:告诉|欺骗|误导|诱导|骗|回复|答复)(?:用户|提问者|提问的人|对方|访客)",
            r"(?:对|向|跟|和)(?:用户|提问者|提问的人|访客)(?:说|讲|推荐|推销|索要|要)",
            r"(?:用户|有人|别人|任何人|谁|当被|如被|若被)(?:如果)?(?:来)?(?:询问|问到|问起|提问|问及|问你|问)"
            r".{0,24}?(?:都|就|必须|一律|请|应|要|只|你)*(?:说|答|回答|回复|输出|告诉|声称)",
            r"(?:无论|不管|不论|任凭)(?:用户|别人|谁|对方|被)?(?:问|提)(?:什么|到|的是什么|了什么)",
            r"(?:请|必须|务必|一律|只能?|直接|都|统一|仅|始终|总是|你要|你应该|改为|改口|转而)(?:要|需|须)?"
            r"(?:回答|回复|答复|输出|念出|说出)(?:以下|这句|这几个字|如下|一句|文字|我|是|不|可以|已|费用|免费|该|本|的)",
            r"你的(?:回答|回复|输出|任务|目标|答案|职责)(?:必须|应|只|里|中|要|是|改|开头|结尾|末尾|需)",
            r"不要(?:引用|提及|告诉)(?:资料|文档|来源|用户|出处|任何人)",
        )
    ),
}
_COMPACT_RE = {kind: re.compile(pattern) for kind, pattern in _COMPACT.items()}

# Read with their marks and spaces.
_TOKENS = re.compile(
    r"<\s*[|｜]|[|｜]\s*>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|<bos>|<eos>|<\|?endoftext"
    r"|</?\s*(?:system|assistant|user|human|instructions?|prompt|passages?|documents?|data|context|tool_call"
    r"|tool_response|tool|function(?:_call|_calls|s)?|invoke|thinking|think|im_start|im_end|资料|文档|指令|系统)\b[^<>]*>"
    r"|\b(?:function_call|tool_calls?|tool_choice)\b|\{\s*[\"']name[\"']\s*:.{0,200}[\"'](?:arguments|parameters)[\"']"
    r"|!\[[^\]]*\]\(\s*https?:",
    re.IGNORECASE | re.DOTALL,
)
_SPEAKER = re.compile(
    r"(?:^|\n)\s*(?:#{1,6}|[-*>]|\*\*|【|\[|<|\()?\s*(?:system|assistant|developer|instructions?|ai|human|sys"
    r"|系统提示|系统消息|系统指令|系统|助手|助理|人工智能|开发者|指令|模型)\s*(?:\*\*|】|\]|>|\))?\s*[:：]"
    r"|(?:^|\n)\s*#{2,6}\s*(?:system|instructions?|response|系统|指令)\b",
    re.IGNORECASE,
)
_ADDRESSED = re.compile(
    r"\b(?:dear|attention|hey|hello|hi|note to|message (?:to|for)|to (?:the|all|any)|important)[ ,:!-]{1,3}"
    r"(?:all |any |every |the )?(?:ai|a\.i\.|llm|language model|chatbot|chatgpt|gpt|assistant|bot)s?\b"
    r"|\b(?:any|every|all|the) (?:ai|llm|language model|chatbot)s?(?: \w+){0,4} (?:must|should|shall|will|has to)\b"
    r"|^\W*(?:ai|llm|assistant|chatbot|chatgpt)s?\b ?[,:，：]"
    r"|\bas an ai\b"
)
_TOLD = re.compile(
    r"(?:回答|回复|答复|输出|说|念|答)(?:道|出|成|为)?\s*[:：]?\s*[\"“”「『‘'《]"
    r"|\b(?:say|output|print|reply|respond|answer|repeat)(?: with)?(?: only| exactly)?\s*[:：]?\s*[\"“”‘']"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A stretch of a passage that was taken out.

    Attributes:
        kind: What it is.
        text: Its beginning.
    """

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class CleanPassage:
    """What is left of a passage.

    Attributes:
        text: To be read by the model; empty where nothing is left.
        findings: What was taken out.
    """

    text: str
    findings: tuple[Finding, ...] = ()


def find_order(text: str) -> Kind | None:
    """Tell whether a text holds something that is said to a model, however it is disguised."""
    if _TOKENS.search(text) or _SPEAKER.search(text):
        return "template"
    folded = fold(text)
    if _TOKENS.search(folded):
        return "template"
    if _ADDRESSED.search(folded):
        return "address"
    for form in compact_forms(folded):
        for kind, pattern in _COMPACT_RE.items():
            if pattern.search(form):
                return kind
    if _TOLD.search(folded):
        return "command"
    return "encoded" if find_blobs(text) else None


def clean_passage(text: str, name: str = "") -> CleanPassage:
    """Take out of a passage what nobody sees and what is said to the model.

    Args:
        text: As it was found.
        name: Of its source, for the log.
    """
    seen = remove_hidden(text)
    if find_order(seen) is None:
        return CleanPassage(seen.strip())
    units = _UNIT.findall(seen)
    kinds: list[Kind | None] = [find_order(unit) for unit in units]
    _mark_spread(units, kinds)
    kept, findings, cut = [], [], False
    for unit, kind in zip(units, kinds, strict=True):
        if kind is not None:
            findings.append(Finding(kind, unit.strip()[:_EXCERPT]))
        elif not cut:
            kept.append(unit)
        # What follows an order belongs to it, up to the next paragraph.
        cut = (cut or kind is not None) and "\n\n" not in unit
    left = "".join(kept).strip()
    if find_order(left) is not None:  # spread wider than a window: none of it is trusted
        left = ""
        findings.append(Finding("override", seen.strip()[:_EXCERPT]))
    for finding in findings:
        logger.warning("a passage of %r speaks to the model (%s); dropped", name, finding.kind)
    return CleanPassage(left, tuple(findings))


def _mark_spread(units: list[str], kinds: list[Kind | None]) -> None:
    """Mark sentences that are harmless each and an order together, the shortest run of them first."""
    for length in range(2, min(_WINDOW, len(units)) + 1):
        for start in range(len(units) - length + 1):
            run = slice(start, start + length)
            if any(kinds[run]) or sum(map(len, units[run])) > _WINDOW_CHARACTERS:
                continue
            if (kind := find_order("".join(units[run]))) is not None:
                kinds[run] = [kind] * length
