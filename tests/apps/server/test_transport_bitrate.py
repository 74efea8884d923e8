from visavis.apps.server.transports.bitrate import PATIENCE, STEPS, RateControl


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def after(control, clock, seconds, loss=0.0):
    for _ in range(seconds):
        clock.now += 1
        control.note_loss(loss)
    return control.rate


def test_loss_lowers_the_rate_step_by_step_and_quiet_raises_it():
    clock = Clock()
    control = RateControl(clock)
    assert control.rate == STEPS[0]
    assert after(control, clock, 1, loss=0.2) == STEPS[1]
    assert after(control, clock, 1, loss=0.2) == STEPS[1], "one change must show first"
    assert after(control, clock, 20, loss=0.2) == STEPS[-1]
    assert after(control, clock, int(PATIENCE) + 1) == STEPS[-2]
    assert after(control, clock, 5 * int(PATIENCE)) == STEPS[0]


def test_a_little_loss_changes_nothing():
    clock = Clock()
    control = RateControl(clock)
    assert after(control, clock, 60, loss=0.02) == STEPS[0]


def test_what_went_wrong_is_tried_less_often():
    clock = Clock()
    control = RateControl(clock)
    tries = []
    for _ in range(3):
        before = control.rate
        if control.rate == STEPS[0]:
            after(control, clock, 2, loss=0.3)
            before = control.rate
        waited = 0
        while control.rate == before:
            after(control, clock, 1)
            waited += 1
        tries.append(waited)
    assert tries[0] < tries[1] < tries[2]


def test_an_estimate_counts_only_below_what_is_sent():
    clock = Clock()
    control = RateControl(clock)
    control.note_estimate(400_000, sent=300_000)
    assert control.rate == STEPS[0]
    control.note_estimate(200_000, sent=300_000)
    assert control.rate == STEPS[1]
