"""What is said where the base has no answer, and what is taken for yes or for a number."""

from __future__ import annotations

import re

from visavis.core.types import Language

REFUSAL: dict[Language, str] = {
    "zh": "这个问题的答案不在我的资料库里。",
    "en": "My knowledge base has no answer to that.",
}
TOPICS: dict[Language, str] = {
    "zh": "您可以问我，比如：{0}",
    "en": "You can ask me, for example: {0}",
}
HINT: dict[Language, str] = {
    "zh": "您想问的是不是：{0}如果是，请说“是的”。",
    "en": "Do you mean: {0} If so, say yes.",
}
CHOICE: dict[Language, str] = {
    "zh": "您想问的是哪一个问题？",
    "en": "Which of these do you mean?",
}
NEITHER: dict[Language, str] = {
    "zh": "如果都不是，请换个说法再问一次。",
    "en": "If none of them, please ask in other words.",
}
NOTHING: dict[Language, str] = {
    "zh": "抱歉，我没有想出答案，请换个说法再问一次。",
    "en": "Sorry, I could not come up with an answer. Please ask again in other words.",
}
ORDINALS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(words)
    for words in (
        r"第?[一1]个?(?:问题)?|(?:the )?first(?: one| question)?|(?:number )?(?:one|1)",
        r"第?[二2两]个?(?:问题)?|(?:the )?second(?: one| question)?|(?:number )?(?:two|2)",
        r"第?[三3]个?(?:问题)?|(?:the )?third(?: one| question)?|(?:number )?(?:three|3)",
    )
)
YES = re.compile(
    r"(?:是|是的|对|对的|没错|就是(?:这个|它)?|嗯+|好的?|可以|yes|yeah|yep|yes please|right|correct"
    r"|exactly|that is it|thats it|that one|sure|ok|okay)",
)


def close_question(question: str, language: Language) -> str:
    """End a question with a mark, so that it is spoken as a sentence."""
    if question[-1] in "？?。！!.":
        return question
    return question + ("。" if language == "zh" else ".")
