"""The same words, said otherwise: at another speed, and by a second voice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sierbook import numbers, second_voice, statistics
from sierbook.audit.inputs import Trial
from sierbook.recorded import read_transfer
from sierlib import settings
from sierlib.data import speech
from sierlib.data.corpora import Item
from sierlib.data.feed import read_inputs
from sierlib.data.shards import item_text, save_arrays
from sierlib.experiment.manifest import find_items
from sierlib.experiment.models import NETWORKS, select_rows
from sierlib.experiment.train import fit_spec
from sierlib.files import hold, replacing
from sierlib.keys import digest, source_key
from sierlib.networks.pretrained import WeightsUnavailable, find_weights
from sierlib.run import Run

Array = NDArray[Any]
#: What speaks: called with a text, a `seed` and a `speed`.
Voice = Callable[..., Array]

#: How a sentence is spoken again: what is added to the seed of the voice's noise, and the speed.
TAKES = {"spoken anew": (1, 1.0), "slower": (0, 0.8), "faster": (0, 1.25)}

_FEW = 100  # sentences are spoken before other processes have started

#: ParallelNet that has learned from both voices: its artefact, and its title.
_BOTH = "models/fused-two-voices"
BOTH_TITLE = "ParallelNet, from both voices"


def speak_again(
    trial: Trial,
    count: int = 200,
    takes: dict[str, tuple[int, float]] = TAKES,
    workers: int | None = None,
) -> pd.DataFrame:
    """Speak test rows again, at speeds that nothing was trained on.

    Parameters
    ----------
    count
        How many rows, at most; only those whose speech the voice made are drawn.
    takes
        What is added to the seed of the voice's noise, and the speed, by name. A take that changes
        only the noise is the control: what it costs, any new recording costs.
    workers
        Processes; by default one for each core, and none beside this one for a few sentences.

    Returns
    -------
    pandas.DataFrame
        `take`, `speed`, `network` (ParallelNet and its speech half), `n`; `accuracy` on the labels,
        and `before` for the rows as they are; their paired `difference` with `low`, `high`, `p`;
        `changed`, the share of predictions that did; `cut`, the share of utterances longer than the
        window. Empty where the voice spoke nothing.
    """
    items, places = _find_spoken(trial, count)
    if not items:
        return pd.DataFrame()
    jobs = [
        (speech.speak, item, item.seed + more, speed)
        for more, speed in takes.values()
        for item in items
    ]
    mels, cut = _say_all(jobs, workers)
    shape = (len(takes), len(items))
    by_take = zip(
        takes, mels.reshape(*shape, *mels.shape[1:]), cut.reshape(shape).mean(axis=1), strict=True
    )
    image, found = trial.take_features("image", places), []
    for take, said, share in by_take:
        given = _scale(said)
        guesses = {
            "fused": trial.classify(trial.extract("speech", given), image),
            "ser": trial.classify_half("speech", given),
        }
        for name, guess in guesses.items():
            before = trial.guesses[name][places]
            found.append(
                {
                    "take": take,
                    "speed": takes[take][1],
                    "network": NETWORKS[name].title,
                    **_compare(trial, places, guess, before),
                    "changed": float(np.mean(guess != before)),
                    "cut": float(share),
                }
            )
    return pd.DataFrame(found)


def compare_voices(trial: Trial, count: int = 1_000, workers: int | None = None) -> pd.DataFrame:
    """Let the second voice speak test rows, to networks that never heard it and to one that did.

    Parameters
    ----------
    count
        How many test rows, at most.
    workers
        Processes, as `speak_again`.

    Returns
    -------
    pandas.DataFrame
        `network`, `change` (from what to what), `n`, accuracies on the labels `before` and after
        (`accuracy`), their paired `difference` with `low`, `high`, `p`. The last row is about the
        second voice alone: what it is worth to have learned from it. Empty where the first voice
        spoke nothing.

    Raises
    ------
    WeightsUnavailable
        When the second voice is not installed, or damaged.
    """
    find_weights(second_voice.JOE)
    items, places = _find_spoken(trial, count)
    if not items:
        return pd.DataFrame()
    given, _ = _say_all([(second_voice.speak, item, 0, 1.0) for item in items], workers)
    given = _scale(given)
    own = read_inputs(trial.rows.iloc[places], trial.folder)
    both = train_on_both(trial.run, workers)
    heard = {"first": own, "second": own | {"speech": given}}
    learned = {
        voice: both.predict(inputs, batch_size=64, verbose=0).argmax(axis=1)
        for voice, inputs in heard.items()
    }
    image = trial.take_features("image", places)
    fused = trial.classify(trial.extract("speech", given), image)
    half = trial.classify_half("speech", given)
    changes = [
        (NETWORKS["fused"].title, "another voice", trial.guesses["fused"][places], fused),
        (NETWORKS["ser"].title, "another voice", trial.guesses["ser"][places], half),
        (BOTH_TITLE, "another voice", learned["first"], learned["second"]),
        (BOTH_TITLE, "from one voice to both", fused, learned["second"]),
    ]
    rows = [
        {"network": network, "change": change, **_compare(trial, places, after, before)}
        for network, change, before, after in changes
    ]
    return pd.DataFrame(rows)


class Compared(NamedTuple):
    """What `compare_voices` found, of which run it is, and that in a sentence."""

    rows: pd.DataFrame
    run: str
    said: str


def compare_or_recall(trial: Trial) -> Compared:
    """Compare the voices where the second can be had; elsewhere take what was recorded, if anything
    was."""
    try:
        found = compare_voices(trial)
    except WeightsUnavailable as problem:
        recorded = read_transfer().get("voices")
        if not recorded:
            return Compared(pd.DataFrame(), numbers.THIS_RUN, f"{problem}.")
        made = numbers.name_run(recorded["provenance"] | {"recorded": True})
        return Compared(
            pd.DataFrame(recorded["rows"]), made, f"{problem}. What is shown is {made}."
        )
    said = "Computed in this run." if len(found) else "These rows are recordings: no voice spoke."
    return Compared(found, numbers.THIS_RUN, said)


def train_on_both(run: Run, workers: int | None = None) -> keras.Model:
    """Train ParallelNet as the run's, with half of the sentences spoken by the second voice.

    Which ones is drawn by the run's seed, among the rows that are learned from and among those
    that validate. A network that is there is read.
    """
    spec = NETWORKS["fused"]
    rows = select_rows(run, spec)
    del rows["test"]
    path = run.folder / f"{_BOTH}.keras"
    key = digest(spec.adapt(run.profile).recipe(), run.seed, run.key_of("manifest"))
    key = digest(key, second_voice.JOE.sha256, source_key(__name__))
    with hold(run.folder):
        if not run.current(_BOTH, key):
            parts = {name: _respeak(run, some, name, workers) for name, some in rows.items()}
            model, _ = fit_spec(run, spec, parts, run.seed, run.unfinished(_BOTH, key))
            with replacing(path) as partial:
                model.save(partial)
            run.done(_BOTH, key, path)
    return keras.saving.load_model(path)


def _respeak(run: Run, rows: pd.DataFrame, part: str, workers: int | None) -> pd.DataFrame:
    """Let the second voice speak half of the rows; return all, in their order."""
    items = find_items(run, list(rows["id"]))
    spoken = np.flatnonzero([_is_spoken(items[name]) for name in rows["id"]])
    drawn = np.random.default_rng([run.seed, 17]).permutation(spoken)[: len(spoken) // 2]
    if not len(drawn):
        return rows
    jobs = [(second_voice.speak, items[name], 0, 1.0) for name in rows["id"].iloc[drawn]]
    mels, _ = _say_all(jobs, workers)
    references = rows["speech"].to_numpy(dtype=object, copy=True)
    place = run.folder / "dataset" / f"second-voice-{part}.bin"
    references[drawn] = save_arrays(list(mels), place)
    return rows.assign(speech=references)


def _compare(trial: Trial, places: Array, after: Array, before: Array) -> dict[str, Any]:
    """Return how many are right, before and after, and the paired difference."""
    labels = trial.labels[places]
    change = statistics.paired_difference(after == labels, before == labels, trial.run.seed)
    return {
        "n": len(places),
        "accuracy": float(np.mean(after == labels)),
        "before": float(np.mean(before == labels)),
        "difference": change["value"],
        "low": change["low"],
        "high": change["high"],
        "p": change["p"],
    }


def _find_spoken(trial: Trial, count: int) -> tuple[list[Item], Array]:
    """Return up to `count` items of the test part whose speech the voice made, and their places."""
    names = trial.rows["id"]
    items = find_items(trial.run, list(names))
    spoken = np.flatnonzero([_is_spoken(items[name]) for name in names])
    places = trial.draw_rows(count, spoken)
    return [items[name] for name in names.iloc[places]], places


def _is_spoken(item: Item) -> bool:
    """Tell whether the voice made an item's speech."""
    return item.text is not None and item.audio is None


def _say_all(
    jobs: Sequence[tuple[Voice, Item, int, float]], workers: int | None
) -> tuple[Array, Array]:
    """Speak items, each by a voice with a seed and a speed.

    Returns
    -------
    mels, cut
        uint8 (n, 128, 128, 1), as shards hold them, and (n,) whether an utterance is longer
        than the window.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    workers = workers or (1 if len(jobs) < _FEW else os.cpu_count() or 1)
    made = Parallel(workers, return_as="generator")(delayed(_say)(*job) for job in jobs)
    return _stack(tqdm(made, "speaking", len(jobs)))


def _stack(said: Iterable[tuple[Array, bool]]) -> tuple[Array, Array]:
    mels, cut = zip(*said, strict=True)
    return np.stack(mels), np.array(cut)


def _scale(mels: Array) -> Array:
    """Return log-mels as networks take them, float32 in [0, 1]."""
    return mels.astype(np.float32) / 255


def _say(voice: Voice, item: Item, seed: int, speed: float) -> tuple[Array, bool]:
    """Speak an item: its log-mel as shards hold it, in 255 steps, and whether it was cut."""
    sound = voice(item_text(item), seed=seed, speed=speed)
    mel = np.round(speech.log_mel(sound) * 255).astype(np.uint8)
    return mel, len(sound) > settings.SIZE * settings.HOP
