"""Changing values of a frozen config by name, from text: ``loop.learning_rate=1e-4``."""

from __future__ import annotations

import ast
import types
import typing
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

from visavis.core.errors import ConfigError

Config = TypeVar("Config")


def override(config: Config, changes: Iterable[str]) -> Config:
    """Return a config with some values replaced.

    Args:
        config: A frozen dataclass; values may be dataclasses again.
        changes: ``name=value`` with dots between the names of nested configs. A value is what Python
            would read, or plain text.

    Raises:
        ConfigError: There is no such name, or the value is not of its type.
    """
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals:
            raise ConfigError(f"{change!r} sets nothing; write name=value")
        config = _replace(config, path.strip().split("."), text.strip(), path.strip())
    return config


def _replace(config: Any, names: list[str], text: str, path: str) -> Any:
    known = {f.name for f in fields(config)} if is_dataclass(config) else set()
    name, *rest = names
    if name not in known:
        offered = ", ".join(sorted(known)) or "nothing"
        raise ConfigError(f"there is no setting {path!r}; here there are: {offered}")
    if rest:
        return replace(config, **{name: _replace(getattr(config, name), rest, text, path)})
    kind = typing.get_type_hints(type(config))[name]
    return replace(config, **{name: _read(text, kind, path)})


def _read(text: str, kind: Any, path: str) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if _fits(value, kind):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and _fits(0.0, kind):
        return float(value)
    raise ConfigError(f"{path} is {_name(kind)}; {text!r} is not")


def _fits(value: Any, kind: Any) -> bool:
    origin = typing.get_origin(kind)
    if origin is Literal:
        return value in typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(kind))
    if kind is None or kind is type(None):
        return value is None
    if origin is tuple:
        parts = typing.get_args(kind)
        if not isinstance(value, tuple):
            return False
        if len(parts) == 2 and parts[1] is Ellipsis:
            return all(_fits(v, parts[0]) for v in value)
        return len(value) == len(parts) and all(map(_fits, value, parts))
    if isinstance(kind, type):
        return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    return False


def _name(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(kind)))
    return getattr(kind, "__name__", str(kind))
