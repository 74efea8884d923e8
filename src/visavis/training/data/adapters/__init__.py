"""Published datasets of talking faces, each by its own layout and labels, as one kind of record.

None is bundled or fetched: an adapter reads the copy that a user has. ``registry`` finds the adapter of
a folder, ``describe`` counts what is in it, ``to_sources`` hands it to ``visavis prepare``. A dataset is
added by one file with an ``ADAPTER`` and one line in ``registry``.
"""
