"""Where pairs and teacher corpora come from: one adapter for each layout.

`open_corpus` turns a data spec, such as ``synthetic`` or ``bt4sa:PATH``, into a `Corpus`: a list of
items that have been named but not yet read, and those that could already be seen to be unusable.
"""

from __future__ import annotations

import gc
import inspect
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sierlib import settings
from sierlib.data.corpora.items import LINKS, Corpus, Item, Unusable
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
        When the layout is not what the spec says, the adapter has no such option, or no row can be
        used; one line names the path and what was expected or seen.
    """
    from sierlib.data.corpora import bt4sa, fi, iemocap, labelled, pairs, tweets

    kind, _, rest = resolve_spec(spec, role).partition(":")
    if not rest:
        return _generate(kind, role, profile, seed)
    adapters: dict[str, Callable[..., Corpus]] = {
        "bt4sa": bt4sa.load,
        "pairs": pairs.load,
        "tweets": tweets.load,
        "iemocap": iemocap.load,
        "fi": fi.load,
        "recordings": labelled.load_recordings,
        "pictures": labelled.load_pictures,
    }
    load = adapters[kind]
    path, _, query = rest.partition("?")
    options = dict(part.partition("=")[::2] for part in query.split("&") if part)
    # An adapter takes a path and then its options: what it declares is what there is.
    known = list(inspect.signature(load).parameters)[1:]
    if not set(options) <= set(known):
        names = " or ".join(f"?{name}=" for name in known)
        raise ValueError(f"{role}={spec}: unknown option; {kind}: takes {names or 'none'}")
    if options.get("links", "inside") not in LINKS:
        raise ValueError(f"{role}={spec}: links= is one of {', '.join(LINKS)}")
    # Millions of items are no garbage: looking for some among them takes a fifth of the time.
    gc.disable()
    try:
        corpus = load(Path(path), **options)
    finally:
        gc.enable()
    if not corpus.items:
        raise ValueError(f"{role}={spec}: {_tell_faults(corpus)}")
    return corpus


def _tell_faults(corpus: Corpus) -> str:
    """Say why a corpus has no usable row: the kinds of faults, and one of each."""
    reasons = [reason for _, _, reason in corpus.quarantined]
    kinds = Counter(reason.partition(":")[0] for reason in reasons)
    examples = []
    for kind, count in kinds.most_common(3):
        example = next(reason for reason in reasons if reason.partition(":")[0] == kind)
        examples.append(f"{count} with {example}")
    others = f"; and {len(kinds) - 3} other faults" if len(kinds) > 3 else ""
    told = "; ".join([*examples, *corpus.notes]) or "it has none"
    return f"not one usable row in it: {told}{others}"


def _generate(kind: str, role: str, profile: settings.Profile, seed: int) -> Corpus:
    """Generate the embedded corpus's part for a role, or the one beside it, in the profile's
    size."""
    from sierlib.data.corpora.embedded import plans

    vocabulary = plans.choose_vocabulary(profile.emotion_words, profile.emotion_shapes)
    if kind == "together":
        return plans.together(profile.pairs, seed, vocabulary)
    if role == "data":
        return plans.pairs(profile.pairs, seed, vocabulary)
    if role == "ser":
        return plans.speech_corpus(profile.speech_items, seed, vocabulary)
    return plans.image_corpus(profile.image_items, seed, vocabulary)
