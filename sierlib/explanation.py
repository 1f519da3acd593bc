"""From Shapley values to time, words, sound and pictures (Section 3.3)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pandas as pd
from scipy.ndimage import minimum_filter1d

from sierlib import dataset, encoding, settings, shapley, speech
from sierlib.corpora import Item, open_corpus
from sierlib.runs import Run
from sierlib.speech import Word

FRAME_SECONDS = settings.HOP / settings.SAMPLE_RATE
_FADE = settings.SAMPLE_RATE // 200  # samples; a cut without a fade clicks


@dataclass
class Explained:
    """A pair of the data set with its prediction and the explanation of it.

    Parameters
    ----------
    row
        Its manifest row as a dict.
    item
        The corpus item it came from.
    audio
        float32 (samples,), 16 kHz.
    speech, image
        The network's inputs, float32 (128, 128, 1) and (128, 128, 3).
    probabilities
        (4,) of the model.
    words
        The words of the text with their times, by forced alignment.
    explanations
        By target class name and method: ``explanations["sad"]["owen"]``.
    """

    row: dict[Any, Any]
    item: Item
    audio: np.ndarray
    speech: np.ndarray
    image: np.ndarray
    probabilities: np.ndarray
    words: list[Word]
    explanations: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def predicted(self) -> str:
        """Name of the predicted class."""
        return settings.CLASSES[int(self.probabilities.argmax())]

    def of(self, target: str | None = None, method: str = "owen") -> Any:
        """Return the explanation of a class (by default the predicted one)."""
        return self.explanations[target or self.predicted][method]

    @property
    def speech_decides(self) -> bool:
        """Whether the prediction is right and the speech decides it (see `speech_lead`)."""
        found = self.of()
        lead = float(speech_lead(found.speech_value, found.image_value))
        return self.predicted == self.row["label"] and lead > 0


def find_items(run: Run, ids: Sequence[str]) -> dict[str, Item]:
    """Return the run's corpus items of those ids."""
    wanted = set(ids)
    return {item.id: item for item in open_corpus(run.data, "data", run.profile, run.seed).items if item.id in wanted}


def explain_rows(
    run: Run,
    model: keras.Model,
    rows: pd.DataFrame,
    *,
    methods: Sequence[str] = ("owen",),
    target: str | None = "all",
    depth: int | None = None,
    **options: Any,
) -> list[Explained]:
    """Predict and explain manifest rows.

    Parameters
    ----------
    rows
        Manifest rows.
    methods, target, depth, options
        Passed to `sierlib.shapley.explain`; `depth` is by default the profile's.

    Returns
    -------
    list of Explained
        In the order of `rows`.
    """
    items = find_items(run, list(rows["id"]))
    given = dataset.inputs(rows, run.folder / "dataset")
    probabilities = np.asarray(model.predict(given, verbose=0), dtype=np.float64)
    explained = []
    for place, row in enumerate(rows.to_dict("records")):
        item = items[row["id"]]
        audio = encoding.spoken(item)
        words = speech.align(audio, row["text"]) if item.text is not None else speech.recognise(audio)
        case = Explained(row, item, audio, given["speech"][place], given["image"][place], probabilities[place], words)
        for method in methods:
            found = shapley.explain(
                model,
                case.speech,
                case.image,
                target=target,
                depth=depth or run.profile.depth,
                method=method,
                **options,
            )
            by_class = found if isinstance(found, dict) else {case.predicted if target is None else target: found}
            for name, value in by_class.items():
                case.explanations.setdefault(str(name), {})[method] = value
        explained.append(case)
    return explained


def case_table(cases: Sequence[Explained]) -> pd.DataFrame:
    """Return what Fig. 4 says of each case (P, GT, Score), and what its two modalities are worth."""
    return pd.DataFrame(
        {
            "sentence": [case.row["text"] for case in cases],
            "P": [case.predicted for case in cases],
            "GT": [case.row["label"] for case in cases],
            "Score": [f"{case.probabilities.max():.2f}" for case in cases],
            "speech": [f"{case.of().speech_value:+.2f}" for case in cases],
            "image": [f"{case.of().image_value:+.2f}" for case in cases],
            "speech's share": [f"{modality_share(case.of()):.0%}" for case in cases],
            "interaction": [f"{case.of().interaction:+.2f}" for case in cases],
            "evaluations": [case.of().n_evals for case in cases],
        }
    )


def largest_gaps(cases: Sequence[Explained], methods: Sequence[str] = ("owen", "published")) -> pd.DataFrame:
    """Return how far the values are from adding up (Eq. 5): the largest gap of each level, over samples and classes."""
    table = {}
    for method in methods:
        gaps = [np.abs(by_method[method].gaps) for case in cases for by_method in case.explanations.values()]
        table[method] = np.max(gaps, axis=0)
    return pd.DataFrame(table).rename_axis("level")


def inverted(case: Explained, target: str | None = None, method: str = "owen") -> np.ndarray:
    """Turn the Shapley values themselves into sound, as the authors first tried and found meaningless (Section 3.3).

    Values against the class count as silence, the greatest one is as loud as a log-mel can be.

    Returns
    -------
    numpy.ndarray
        float32 (102400,), 16 kHz, in [-1, 1].
    """
    values = np.clip(case.of(target, method).speech_map, 0, None)
    sound = speech.to_sound((values / max(values.max(), 1e-12))[..., np.newaxis])
    return sound / max(1.0, float(np.abs(sound).max()))


# --------------------------------------------------------------------------------------------- time
def time_importance(speech_map: np.ndarray) -> np.ndarray:
    """Average the speech map over frequency, as Section 3.3 does: (128, 128) to (128,) frames of 50 ms."""
    return np.asarray(speech_map, dtype=np.float64).mean(axis=0)


def spoken_frames(audio: np.ndarray) -> int:
    """Return how many of the 128 frames hold sound of the recording."""
    return int(min(settings.SIZE, np.ceil(len(audio) / settings.HOP)))


def keep_frames(
    importance: np.ndarray, frames: int = settings.SIZE, percentile: float = settings.SILENCE_PERCENTILE
) -> np.ndarray:
    """Choose the frames that are not silenced: those at or above a percentile of importance.

    Parameters
    ----------
    importance
        (128,) as `time_importance` gives it.
    frames
        How many of them hold speech; the percentile is taken over those, since padding has no importance. Where
        none does, none is kept.
    percentile
        30 in Section 3.3.

    Returns
    -------
    numpy.ndarray
        bool (128,); False beyond `frames`.
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile {percentile}: between 0 and 100 was expected")
    if not 0 <= frames <= len(importance):
        raise ValueError(f"{frames} frames: between 0 and {len(importance)} were expected")
    keep = np.zeros(len(importance), bool)
    if frames:
        keep[:frames] = importance[:frames] >= np.percentile(importance[:frames], percentile)
    return keep


def silence(audio: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Silence the frames of a sound that are not kept, with short fades.

    Parameters
    ----------
    audio
        (samples,), 16 kHz.
    keep
        bool (128,), as `keep_frames` gives it. What lies beyond the window is silenced.

    Returns
    -------
    numpy.ndarray
        float32, as long as the window or the sound, whichever is shorter.
    """
    gain = np.repeat(keep.astype(np.float32), settings.HOP)[: len(audio)]
    ramp = np.hanning(2 * _FADE + 1).astype(np.float32)
    # What is kept shrinks by a fade at each end, so that the fades lie inside it and silence stays silent.
    shrunk = minimum_filter1d(gain, 2 * _FADE + 1)
    gain = np.convolve(np.pad(shrunk, _FADE, mode="edge"), ramp / ramp.sum(), mode="valid")
    return (audio[: len(gain)] * gain).astype(np.float32)


# -------------------------------------------------------------------------------------------- words
def word_values(words: Sequence[Word], speech_map: np.ndarray) -> np.ndarray:
    """Sum the speech map over each word's time.

    Frames that a word covers in part count for that part; a word beyond the window gets 0.

    Returns
    -------
    numpy.ndarray
        float64 (words,), in units of the model's output.
    """
    cumulative = np.concatenate([[0.0], np.cumsum(np.asarray(speech_map, dtype=np.float64).sum(axis=0))])
    edges = np.arange(len(cumulative)) * FRAME_SECONDS
    starts = np.array([word.start for word in words], dtype=float)
    ends = np.array([word.end for word in words], dtype=float)
    return np.interp(ends, edges, cumulative) - np.interp(starts, edges, cumulative)


def kept_words(words: Sequence[Word], keep: np.ndarray, share: float = 0.5) -> list[Word]:
    """Return the words of which at least a share of the time is kept."""
    edges = np.arange(len(keep) + 1) * FRAME_SECONDS
    cumulative = np.concatenate([[0.0], np.cumsum(keep * FRAME_SECONDS)])
    return [
        word
        for word in words
        if word.end > word.start
        and np.interp(word.end, edges, cumulative) - np.interp(word.start, edges, cumulative)
        >= share * (word.end - word.start)
    ]


def sentence_html(words: Sequence[Word], values: np.ndarray, planted: Sequence[int] = ()) -> str:
    """Write a sentence as HTML in which the shade of a word is its importance.

    Parameters
    ----------
    words, values
        As `word_values` takes and gives them.
    planted
        Indices of words that the embedded corpus planted; they are underlined.

    Returns
    -------
    str
        HTML; the words themselves are escaped.
    """
    top = max(float(np.abs(values).max(initial=0.0)), 1e-12)
    parts = []
    for index, (word, value) in enumerate(zip(words, values, strict=True)):
        # Mixed with white rather than translucent: dark letters stay readable whatever the page's own colours are.
        full, share = ((255, 193, 7) if value > 0 else (110, 168, 254)), abs(value) / top
        colour = ", ".join(str(round(255 + (one - 255) * share)) for one in full)
        line = "text-decoration: underline 2px; text-underline-offset: 4px;" if index in planted else ""
        parts.append(
            f'<span title="{value:+.3f}" style="color: #111; background: rgb({colour}); '
            f'padding: 2px 3px; border-radius: 3px; {line}">{html.escape(word.text)}</span>'
        )
    return f'<p style="font-size: 1.15em; line-height: 2;">{" ".join(parts)}</p>'


def modality_share(explained: Any) -> float:
    """Return speech's share of the prediction: |speech| / (|speech| + |image|), 0.5 where both are zero."""
    spoken, seen = abs(explained.speech_value), abs(explained.image_value)
    return 0.5 if spoken + seen == 0 else float(spoken / (spoken + seen))


def speech_lead(speech: Any, image: Any) -> np.ndarray:
    """Return by how much the speech decides: |speech| - |image| where it speaks for the class, else minus infinity.

    A speech that speaks against the class does not decide for it, however little the image says. An image weighs the
    same whether it helps or has to be overcome. It is the difference and not the share that counts, because one of two
    values next to zero can have all of the share and still decide nothing.

    Parameters
    ----------
    speech, image
        The values of the modalities, numbers or (n,).
    """
    return np.where(np.asarray(speech) > 0, np.abs(speech) - np.abs(image), -np.inf)


def represent(
    rows: pd.DataFrame, probabilities: np.ndarray, count: int, lead: np.ndarray | None = None
) -> pd.DataFrame:
    """Choose test rows to explain as Fig. 4 does: two "sad" ones, the other classes, and some in which speech decides.

    Parameters
    ----------
    rows
        Test rows.
    probabilities
        (n, 4) of the model for them.
    count
        How many.
    lead
        (n,) as `speech_lead` gives it. Where it is given, up to a third of the cases, rounded up, are those that are
        predicted right, in which the speech decides and is furthest ahead.

    Returns
    -------
    pandas.DataFrame
        Rows, each class in turn: sad, sad, hate, anger, happy, and so on; then those in which speech decides.
    """
    decided: list[Any] = []
    if lead is not None:
        predicted = np.array(settings.CLASSES)[probabilities.argmax(axis=1)]
        ahead = pd.Series(lead, index=rows.index)[(predicted == rows["label"].to_numpy()) & (np.asarray(lead) > 0)]
        decided = list(ahead.sort_values(ascending=False).index[: -(-count // 3)])
        count -= len(decided)
    others = rows.drop(index=decided)
    sure = pd.Series(probabilities.max(axis=1), index=rows.index)[others.index].sort_values(ascending=False)
    queues = {name: list(sure.index[others["label"][sure.index] == name]) for name in settings.CLASSES}
    chosen: list[Any] = []
    order = ("sad", "sad", "hate", "anger", "happy")
    turn = 0
    while len(chosen) < min(count, len(others)):
        queue = queues[order[turn % len(order)]]
        turn += 1
        if queue:
            # Not the very surest, which look alike: the first quarter's last.
            chosen.append(queue.pop(len(queue) // 4))
    return rows.loc[[*chosen, *decided]]


def word_table(case: Explained, target: str | None = None, method: str = "owen") -> pd.DataFrame:
    """Return each word with its time in seconds and its value, in the order in which they are spoken."""
    values = word_values(case.words, case.of(target, method).speech_map)
    return pd.DataFrame(
        [
            {"word": word.text, "from": word.start, "to": word.end, "value": value}
            for word, value in zip(case.words, values, strict=True)
        ],
        columns=["word", "from", "to", "value"],
    )


def teachers_of(row: dict[Any, Any]) -> dict[str, Any] | None:
    """Return both teachers' opinions on a manifest row as the explorer takes them; None where none was asked."""
    if row["winner"] == "given":
        return None
    opinion = {
        modality: [float(row[f"{role}_{name}"]) for name in settings.CLASSES]
        for role, modality in (("ser", "speech"), ("ier", "image"))
    }
    return {**opinion, "winner": {"ser": "speech", "ier": "image"}[row["winner"]]}


def _described(case: Explained) -> str:
    """Say what a picture shows to those who do not see it; of a photograph nothing is known but its label."""
    drawn = [
        f"{element['kind']} ({element['emotion']})" if element["emotion"] else str(element["kind"])
        for element in reversed((case.item.scene or {}).get("elements", []))  # those that carry an emotion come last
    ]
    shown = f", showing {', '.join(drawn)}" if drawn else ""
    return f"Picture of sample {case.row['id']}, labelled {case.row['label']}{shown}"


def payload(case: Explained, methods: Sequence[str] = ("owen", "published")) -> dict[str, Any]:
    """Return an explained pair as the explorer takes it."""
    from sierlib.explorer import sample_payload

    return sample_payload(
        case.row["id"],
        image=encoding.seen(case.item, 256),
        sound=case.audio,
        log_mel=case.speech,
        words=case.words,
        scores=list(case.probabilities),
        label=case.row["label"],
        text=case.row["text"],
        alt=_described(case),
        teachers=teachers_of(case.row),
        explanations={method: {name: by[method] for name, by in case.explanations.items()} for method in methods},
    )
