"""What is heard of a microphone whose packets are lost, come twice or come in another order."""

import pytest
from aiortc.rtp import RtpPacket

from visavis.apps.server.transports.arrival import PromptBuffer


def arrive(numbers):
    """The packets that are given on as each of these comes; None for nothing."""
    buffer, given = PromptBuffer(), []
    for number in numbers:
        packet = RtpPacket(sequence_number=number % 65_536, timestamp=number * 960 % 2**32)
        packet._data = str(number).encode()
        asks_again, frame = buffer.add(packet)
        assert not asks_again
        if frame is not None:
            assert frame.timestamp == packet.timestamp
        given.append(None if frame is None else int(frame.data))
    return given


@pytest.mark.parametrize("first", [0, 7, 65_530])
def test_every_packet_is_given_on_as_it_comes(first):
    numbers = [*range(first, first + 40)]
    assert arrive(numbers) == numbers


@pytest.mark.parametrize("lost", [1, 3, 20, 200])
def test_lost_ones_are_not_waited_for_and_nothing_stays_behind(lost):
    numbers = [*range(10), *range(10 + lost, 40 + lost)]
    assert arrive(numbers) == numbers


def test_one_that_comes_twice_or_after_a_later_one_is_dropped():
    assert arrive([5, 6, 6, 8, 7, 9]) == [5, 6, None, 8, None, 9]


def test_a_microphone_that_counts_anew_is_heard():
    assert arrive([40_000, 40_001, 12, 13]) == [40_000, 40_001, 12, 13]
