"""What is found: values in words, differences with the side they lie on, and the verdicts made of
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sierbook.numbers import Key, write_estimate, write_trainings
from sierlib.experiment.models import NETWORKS
from sierlib.experiment.scores import Estimate

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
NOT_TESTABLE = "not testable here"
NOT_COMPUTED = "not computed yet"

#: Kinds of what is not testable: what is missing.
NEEDS_DATA = "needs the paper's data"
NEEDS_FULL = "needs the paper's data and full width"
TOO_LITTLE = "the paper does not say enough"
OTHER_SYSTEM = "about another system"
NOT_LEARNED = "a network did not learn"
NOT_IN_PROFILE = "not in this profile"
NOT_IN_CORPUS = "not with this corpus"
KINDS = (
    NEEDS_DATA, NEEDS_FULL, TOO_LITTLE, OTHER_SYSTEM, NOT_LEARNED, NOT_IN_PROFILE, NOT_IN_CORPUS,
)  # fmt: skip

#: Verdicts, in the order in which they are counted.
VERDICTS = (REPRODUCED, NOT_REPRODUCED, NOT_TESTABLE, NOT_COMPUTED)

#: What stands where there is no value.
DASH = "–"


@dataclass(frozen=True)
class Finding:
    """What result files say to a claim: our value in words, its numbers with their keys, a verdict,
    its reason, and the run behind the value.

    Parameters
    ----------
    kind
        One of `KINDS`, of what is not testable.
    trainings
        How many trainings of each network a difference is the mean of; 0 where that is no question.
    deviation
        How far our value is from the published one, as a share; None where that has no number.
    """

    ours: str
    verdict: str
    reason: str
    made: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    trainings: int = 0
    deviation: float | None = None


def untestable(ours: str, kind: str, reason: str, made: Mapping[str, Any] | None = None) -> Finding:
    """Say that nothing here can settle a claim, and what is missing: one of `KINDS`."""
    return Finding(ours, NOT_TESTABLE, reason, made or {}, kind)


def title_of(name: str) -> str:
    """Return a network's title."""
    return NETWORKS[name].title


def share(estimate: Estimate, key: Key) -> str:
    """Write a share with its interval."""
    return write_estimate(estimate, "percent", key)


def epochs(by_network: Mapping[str, Sequence[int]], quantity: str, run: str) -> str:
    """Write epochs of networks, a number for each training.

    Parameters
    ----------
    by_network
        By the name of the specification.
    quantity, run
        What they are, and of which run, for their keys.
    """
    listed = []
    for name, found in by_network.items():
        written = write_trainings(found, "d", Key(quantity, name, "", "", run))
        listed.append(f"{title_of(name)} {written}")
    return "; ".join(listed)


def decide(ours: str, holds: bool, yes: str, no: str, made: Mapping[str, Any]) -> Finding:
    """Make a verdict of what either holds or does not, each with its reason."""
    if holds:
        return Finding(ours, REPRODUCED, yes, made)
    return Finding(ours, NOT_REPRODUCED, no, made)


@dataclass(frozen=True)
class Difference:
    """By how much one network is ahead of another, with p after Holm's correction where made.

    `idle` names those of the two that are not clearly better than always naming the largest class.
    """

    estimate: Estimate
    made: Mapping[str, Any]
    title: str = ""
    corrected: float | None = None
    note: str = ""
    idle: tuple[str, ...] = ()
    trainings: int = 1
    key: Key = Key("lead", "", "", "")

    def side(self) -> int:
        """Return 1 where the first is ahead, -1 where it is behind, 0 where neither can be
        claimed."""
        if self.corrected is not None and self.corrected >= 0.05:
            return 0
        return (self.estimate["low"] > 0) - (self.estimate["high"] < 0)

    def text(self) -> str:
        """Return the value in points, with its interval."""
        return f"{write_estimate(self.estimate, 'points', self.key)}{self.note}"


def decide_direction(found: Sequence[Difference], ours: str, wanted: int = 1) -> Finding:
    """Make a verdict of differences, all of which have to lie in the claimed direction.

    A network that did not learn is evidence neither for nor against another.

    Parameters
    ----------
    wanted
        How many differences the claim is about; some may not have been measured.
    """
    made, trainings = found[0].made, min(each.trainings for each in found)
    idle = list(dict.fromkeys(name for each in found for name in each.idle))
    failed = [each for each in found if each.side() < 1 and not each.idle]
    turned = [each for each in failed if each.side() < 0]
    if failed:
        reason = "it is the other way round" if turned else "no difference can be claimed"
        if wanted > 1:
            names = [each.title for each in turned or failed]
            reason = f"{reason}: {', '.join(names)}"
        return Finding(ours, NOT_REPRODUCED, reason, made, trainings=trainings)
    if idle:
        reason = f"{' and '.join(idle)} did not get clearly beyond always naming the largest class"
        reason = f"{reason}: that says little of either"
        return Finding(ours, NOT_TESTABLE, reason, made, NOT_LEARNED, trainings)
    if len(found) < wanted:
        reason = (
            f"{len(found)} of {wanted} differences, none against the claim; run notebook 03 for "
            "the others"
        )
        return Finding(ours, NOT_COMPUTED, reason, made)
    intervals = "the interval lies" if wanted == 1 else "every interval lies"
    reason = f"{intervals} on the claimed side"
    return Finding(ours, REPRODUCED, reason, made, trainings=trainings)
