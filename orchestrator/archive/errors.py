"""Errors of the archive. The message names what is wrong and what to do."""


class ArchiveError(Exception):
    """The archive cannot go on; no row was lost."""


class ArchiveBusy(ArchiveError):
    """Another process archives or restores."""
