"""`visavis kb`: the bases that are answered from."""

from __future__ import annotations

import click

from visavis.apps.kb.base_commands import (
    create_base,
    delete_base,
    export_base,
    list_bases,
    list_versions,
    rename_base,
    restore_version,
    show_base,
    undo_change,
)
from visavis.apps.kb.evaluate_command import evaluate_bases
from visavis.apps.kb.import_command import import_files
from visavis.apps.kb.opening import store_option
from visavis.apps.kb.pair_commands import (
    add_pair,
    edit_pair,
    list_documents,
    remove_document,
    remove_pairs,
    set_synonyms,
)
from visavis.apps.kb.search_command import search_bases


@click.group("kb")
@store_option
def command() -> None:
    """Keep the knowledge bases that are answered from: import, edit, search, measure.

    They lie in a store: an SQLite file of your own by default, or PostgreSQL. A running server takes
    changes over within seconds. Every change is a version that can be taken back.
    """


for _part in (
    add_pair, create_base, delete_base, edit_pair, evaluate_bases, export_base, import_files,
    list_bases, list_documents, list_versions, remove_document, remove_pairs, rename_base,
    restore_version, search_bases, set_synonyms, show_base, undo_change,
):  # fmt: skip
    command.add_command(_part)
