"""What a deployment of the live server may set: ``VISAVIS_SERVER_PORT=8443`` and so on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from visavis.core.errors import ConfigError

PREFIX = "VISAVIS_SERVER_"


class IceServer(BaseModel):
    """A STUN or TURN server."""

    urls: tuple[str, ...]
    username: str = ""
    credential: SecretStr = SecretStr("")


class ServerSettings(BaseSettings):
    """Defaults of the live server; options of ``visavis serve`` go before them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen at; 0.0.0.0 for all.")
    port: int = Field(8010, ge=0, le=65535, description="0 for any free one.")
    token: SecretStr = Field(
        SecretStr(""), description="Needed by all who come in; empty for a new one at each start."
    )
    admin_token: SecretStr = Field(
        SecretStr(""), description="Needed for the admin page; empty: the same as `token`."
    )
    public: bool = Field(
        False, description="Let anybody in without a token, but not to the admin page."
    )
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    origins: tuple[str, ...] = Field((), description="Other origins whose pages may call the API.")

    data: Path | None = Field(
        None, description="Folder of the store and results; the user's own by default."
    )
    database: str = Field(
        "", description="URL, such as postgresql://…; empty for SQLite in the data folder."
    )
    records: Literal["none", "unanswered", "all"] = Field(
        "unanswered",
        description="Which questions are kept as texts, and with `all` answers too; numbers are blotted out.",
    )
    audio: bool = Field(
        False,
        description="Keep the sound of spoken questions as well; only with `records` all.",
    )
    audio_mb: int = Field(
        500, ge=1, le=1_000_000, description="Megabytes of that sound; the oldest makes room."
    )
    retention_days: int = Field(90, ge=1)

    sessions: int = Field(
        0, ge=0, le=256, description="Sessions at once; 0 to measure what this machine can do."
    )
    late_limit: float | None = Field(
        None,
        ge=0,
        le=1,
        description=(
            "Share of late pictures, in sessions that talk, beyond which no new one is let in; 0 to"
            " let it in all the same. By default 0.03 where `sessions` is measured, else 0."
        ),
    )
    idle_limit: float = Field(
        300.0, gt=0, description="Seconds without a word after which a session ends."
    )
    remembered_speech: float = Field(
        600.0, ge=0, le=36_000, description="Seconds of speech kept in case the same is said again."
    )
    speech_shelf_mb: int = Field(
        512, ge=0, le=1_000_000, description="Megabytes of spoken sentences on disk; 0 for none."
    )
    prepare_speech: bool = Field(
        True, description="Speak the answers ahead of time, on to the disk, while nobody talks."
    )
    keep_speech: bool = Field(
        True, description="Keep what sessions say on disk too; not where `records` is none."
    )
    session_limit: float = Field(3600.0, gt=0, description="Longest session in seconds.")
    vanished_limit: float = Field(
        20.0, gt=0, description="Seconds without any connection after which a session ends."
    )
    stage_limit: float = Field(
        30.0,
        gt=0,
        description=(
            "Seconds that voice, face or hearing may take for one piece, and a face to open; then it"
            " is given up, the question fails and the next one gets a fresh start."
        ),
    )
    answer_limit: float = Field(
        150.0,
        gt=0,
        description="Likewise of an answer for its next words; a slow model needs long.",
    )

    ice_servers: tuple[IceServer, ...] = Field(
        (),
        description="STUN and TURN: JSON list of {urls, username, credential}.",
    )
    ice_ports: str = Field(
        "",
        description=(
            "UDP ports of WebRTC, such as 40000-40199, for a firewall to let through; empty for any"
            " that the system gives. Each viewer takes one for each address of this machine."
        ),
    )

    job_expiry_hours: float = Field(24.0, gt=0, description="Hours that a render's files are kept.")
    jobs: int = Field(1, ge=1, le=64, description="Renders at once.")
    max_upload_mb: int = Field(200, ge=1)

    @field_validator("audio")
    @classmethod
    def _check_audio(cls, given: bool, known: ValidationInfo) -> bool:
        if given and known.data.get("records", "all") != "all":
            raise ValueError(f"sound is kept only together with {PREFIX}RECORDS=all")
        return given

    @field_validator("ice_ports")
    @classmethod
    def _check_ports(cls, given: str) -> str:
        if given:
            _read_ports(given)
        return given

    @property
    def media_ports(self) -> range | None:
        """UDP ports that WebRTC may use; None for any."""
        return _read_ports(self.ice_ports) if self.ice_ports else None


def _read_ports(given: str) -> range:
    found = re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", given)
    first, last = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1024 <= first < last <= 65535:
        raise ValueError("it is no range of ports from 1024 to 65535, such as 40000-40199")
    return range(first, last + 1)


def load_server_settings(**options: object) -> ServerSettings:
    """Read the settings from the environment; options that are not None go before them.

    Raises:
        ConfigError: A value is not of its kind or out of its range.
    """
    try:
        return ServerSettings(**{k: v for k, v in options.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        why = first["msg"][:1].lower() + first["msg"][1:]
        raise ConfigError(f"{name} cannot be used: {why}; set it otherwise") from None
