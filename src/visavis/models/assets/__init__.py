"""Model files: which there are, where they lie, and fetching them when asked.

    visavis models list | pull NAME... | verify | where

`locate` never fetches. `VISAVIS_MODELS` names a folder that is looked in first, with one folder for
each asset as in the cache. `VISAVIS_OFFLINE=1` forbids every fetch.
"""

from visavis.models.assets.catalogue import CATALOGUE, DEFAULT_ASSETS
from visavis.models.assets.entries import Archive, Asset, File, Package, Url
from visavis.models.assets.fetch import Progress, pull
from visavis.models.assets.pickles import load_pickle_restricted
from visavis.models.assets.store import (
    entries,
    folders,
    get,
    home,
    is_offline,
    locate,
    verify,
)

__all__ = [
    "CATALOGUE",
    "DEFAULT_ASSETS",
    "Archive",
    "Asset",
    "File",
    "Package",
    "Progress",
    "Url",
    "entries",
    "folders",
    "get",
    "home",
    "is_offline",
    "load_pickle_restricted",
    "locate",
    "pull",
    "verify",
]
