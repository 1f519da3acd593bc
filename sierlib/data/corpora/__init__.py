"""Where pairs and teacher corpora come from: one adapter for each layout.

`open_corpus` turns a data spec, such as ``synthetic`` or ``bt4sa:PATH``, into a `Corpus`: a list of
items that have been named but not yet read, and those that could already be seen to be unusable.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sierlib import settings
from sierlib.data.corpora.items import Corpus, Item, Unusable
from sierlib.run import resolve_spec

__all__ = ["Corpus", "Item", "Unusable", "open_corpus"]


def open_corpus(spec: str, role: str, profile: settings.Profile, seed: int) -> Corpus:
    """List the items that a data spec names.

    Parameters
    ----------
    spec, role
        As `resolve_spec` takes them.
    profile, seed
        Sizes and choices of the embedded corpus; real corpora are listed whole.

    Raises
    ------
    FileNotFoundError, ValueError
        When the layout is not what the spec says; one line names the path and what was expected.
    """
    from sierlib.data.corpora import bt4sa, fi, iemocap, pairs, tweets
    from sierlib.data.corpora.embedded import plans

    kind, _, rest = resolve_spec(spec, role).partition(":")
    place, _, query = rest.partition("?")
    options = dict(part.split("=", 1) for part in query.split("&") if "=" in part)
    if kind == "synthetic":
        made: dict[str, Callable[[], Corpus]] = {
            "data": lambda: plans.pairs(profile.pairs, seed),
            "ser": lambda: plans.speech_corpus(profile.speech_items, seed),
            "ier": lambda: plans.image_corpus(profile.image_items, seed),
        }
        return made[role]()
    load: dict[str, Callable[..., Corpus]] = {
        "bt4sa": bt4sa.load,
        "pairs": pairs.load,
        "tweets": tweets.load,
        "iemocap": iemocap.load,
        "fi": fi.load,
    }
    try:
        return load[kind](Path(place), **options)
    except TypeError as error:
        if not options:
            raise
        raise ValueError(
            f"{role}={spec}: unknown option; `fi:PATH?positive=all` is the only one there is"
        ) from error
