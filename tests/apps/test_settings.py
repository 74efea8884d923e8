import pytest

from visavis.apps.options import EMOTIONS as OFFERED_EMOTIONS
from visavis.apps.options import POSES as OFFERED_POSES
from visavis.apps.settings import Settings, load_settings
from visavis.core.errors import ConfigError
from visavis.core.types import EMOTIONS


def test_nothing_set_gives_the_defaults() -> None:
    assert load_settings({"PATH": "/bin", "VISAVIS_AVATAR": ""}) == Settings()


def test_each_kind_of_value_is_read() -> None:
    settings = load_settings(
        {
            "VISAVIS_AVATAR": "lin",
            "VISAVIS_SIZE": "720",
            "VISAVIS_INTENSITY": "0.8",
            "VISAVIS_LABEL": "no",
            "VISAVIS_RESPELL": "off",
            "VISAVIS_EMOTION": "happy",
            "VISAVIS_LANGUAGE": "en",
        }
    )
    assert settings == Settings(
        avatar="lin",
        size=720,
        intensity=0.8,
        label=False,
        respell=False,
        emotion="happy",
        language="en",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIZE", "large"),
        ("SIZE", "64"),
        ("SIZE", "1e9"),
        ("INTENSITY", "1.5"),
        ("INTENSITY", "nan"),
        ("EMOTION", "bored"),
        ("LANGUAGE", "fr"),
        ("LABEL", "maybe"),
        ("RESPELL", "2"),
        ("SEED", "-1"),
        ("MAX_CHARACTERS", "0"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"VISAVIS_{name} is .*; set"):
        load_settings({f"VISAVIS_{name}": value})


def test_the_options_offer_what_there_is() -> None:
    from visavis.apps.assemble import POSES

    assert OFFERED_EMOTIONS == EMOTIONS
    assert OFFERED_POSES == POSES


def test_a_persona_brings_what_is_not_set() -> None:
    settings = load_settings({"VISAVIS_PERSONA": "clerk"})
    assert (settings.responder, settings.avatar, settings.language) == ("persona", "mei", "zh")
    assert (settings.voice_zh, settings.voice_en) == ("zf_xiaohe", "af_heart")
    chosen = load_settings({"VISAVIS_PERSONA": "clerk", "VISAVIS_AVATAR": "lin"})
    assert (chosen.avatar, chosen.voice_zh) == ("lin", "zf_xiaohe")
    with pytest.raises(ConfigError, match="clerk"):
        load_settings({"VISAVIS_PERSONA": "nobody"})
