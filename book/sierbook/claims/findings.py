"""What is found: values in words, differences with the side they lie on, and the verdicts made of
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sierlib.experiment.scores import Estimate

#: Verdicts, in the order in which they are counted.
VERDICTS = REPRODUCED, NOT_REPRODUCED, NOT_TESTABLE, NOT_COMPUTED = (
    "reproduced", "not reproduced", "not testable here", "not computed yet",
)  # fmt: skip

#: What stands where there is no value.
DASH = "–"

#: Networks by the names of their specifications.
NAMES = {
    "fused": "ParallelNet", "ser": "speech only", "ier": "image only", "baseline1": "Baseline 1", "baseline2": "Baseline 2",
    "baseline3": "Baseline 3", "addition": "weighted addition", "n2-vgg16": "VGG16 twice", "n2-vgg19": "VGG19 twice",
    "n2-resnet34": "ResNet-34", "n2-resnet50": "ResNet-50", "n2-resnet101": "ResNet-101",
    "n2-inception3a": "Inception 3a", "n2-inception4a": "Inception 4a", "n2-mobilenet": "MobileNet",
    "n2-densenet": "DenseNet",
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """What result files say to a claim: our value in words, a verdict, its reason, and the run
    behind the value."""

    ours: str
    verdict: str
    reason: str
    made: Mapping[str, Any] = field(default_factory=dict)


def corpus(data: Any) -> str:
    """Name a data spec, without the path in it.

    Examples
    --------
    >>> corpus("synthetic"), corpus("bt4sa:some/folder")
    ('embedded corpus', 'B-T4SA')
    """
    kind = str(data or DASH).partition(":")[0]
    return {"synthetic": "embedded corpus", "bt4sa": "B-T4SA", "pairs": "pairs from a file"}.get(
        kind, kind
    )


def percent(value: float) -> str:
    """Write a share."""
    return f"{value:.1%}".replace("%", " %")


def share(estimate: Estimate) -> str:
    """Write a share with its interval."""
    low, high = 100 * estimate["low"], 100 * estimate["high"]
    return f"{percent(estimate['value'])} [{low:.1f}, {high:.1f}]"


def points(value: float) -> str:
    """Write a difference of shares in points, with its sign."""
    return f"{value * 100:+.1f}".replace("-", "−")


def epochs(best: Mapping[str, Sequence[int]]) -> str:
    """Write the best epochs of networks."""
    return "best epoch: " + "; ".join(
        f"{NAMES[name]} {', '.join(map(str, found))}" for name, found in best.items()
    )


def judged(ours: str, holds: bool, yes: str, no: str, made: Mapping[str, Any]) -> Finding:
    """Make a verdict of what either holds or does not, each with its reason."""
    return Finding(ours, REPRODUCED if holds else NOT_REPRODUCED, yes if holds else no, made)


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

    def side(self) -> int:
        """Return 1 where the first is ahead, -1 where it is behind, 0 where neither can be
        claimed."""
        claimed = self.corrected is None or self.corrected < 0.05
        return claimed * ((self.estimate["low"] > 0) - (self.estimate["high"] < 0))

    def text(self) -> str:
        """Return the value in points, with its interval."""
        value, low, high = (points(self.estimate[key]) for key in ("value", "low", "high"))
        return f"{value} points [{low}, {high}]{self.note}"


def directed(found: Sequence[Difference], text: str, wanted: int = 1) -> Finding:
    """Make a verdict of differences, all of which have to lie in the claimed direction.

    A network that did not learn is evidence neither for nor against another.
    """
    made, idle = found[0].made, list(dict.fromkeys(name for each in found for name in each.idle))
    failed = [each for each in found if each.side() < 1 and not each.idle]
    turned = [each for each in failed if each.side() < 0]
    if failed:
        reason = "it is the other way round" if turned else "no difference can be claimed"
        names = ", ".join(each.title for each in turned or failed) if wanted > 1 else ""
        return Finding(text, NOT_REPRODUCED, f"{reason}: {names}" if names else reason, made)
    if idle:
        reason = f"{' and '.join(idle)} did not get clearly beyond always naming the largest class"
        return Finding(text, NOT_TESTABLE, f"{reason}: that says little of either", made)
    if len(found) < wanted:
        reason = f"{len(found)} of {wanted} differences, none against the claim; run notebook 03 for the others"
        return Finding(text, NOT_COMPUTED, reason, made)
    return Finding(
        text,
        REPRODUCED,
        f"{'the' if wanted == 1 else 'every'} interval lies on the claimed side",
        made,
    )
