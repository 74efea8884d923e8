from visavis.core.types import Message
from visavis.pipeline.history import OPEN_TURNS, History
from visavis.pipeline.turn import Turn


def asked(number: int, question: str) -> Turn:
    turn = Turn(number)
    turn.question = question
    return turn


def texts(history: History) -> list[str]:
    return [message.text for message in history.messages()]


def test_the_newest_messages_are_kept() -> None:
    history = History(6)
    for number in range(1, 11):
        history.add(asked(number, f"{number}?"))
    assert texts(history) == ["5?", "6?", "7?", "8?", "9?", "10?"]
    assert history.messages()[-1] == Message("user", "10?")


def test_turns_that_are_open_may_still_change() -> None:
    history = History(20)
    first = asked(1, "")
    history.add(first)
    first.question = "heard late"
    assert texts(history) == ["heard late"]
    for number in range(2, OPEN_TURNS + 2):
        history.add(asked(number, f"{number}?"))
    first.question = "too late"
    assert texts(history)[0] == "heard late"


def test_what_is_cleared_does_not_come_back() -> None:
    history = History(20)
    turns = [asked(number, f"{number}?") for number in range(1, OPEN_TURNS + 3)]
    for turn in turns:
        history.add(turn)
    history.clear()
    assert history.messages() == []
    turns[-1].question = "heard late"
    history.note_played(turns[-1].number, 1.0)
    assert history.messages() == []
    history.add(asked(9, "new?"))
    assert texts(history) == ["new?"]
