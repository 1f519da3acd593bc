"""What the explorer reads of a sample and of its explanations, as JSON.

One sample is one object, made by `sample_payload`:

    id            text that names the sample
    text          the sentence as it was posted (shown as text, never as markup)
    window        seconds that the log-mel and the speech maps span
    duration      seconds of sound inside that window
    words         [{text, start, end}] in seconds, those beyond the window too: nobody hears them.
                  A word's value is the sum of the finest steps of time that it covers
    image         {src: data URI, alt}
    mel           {rows, cols, data}: base64 of uint8, row 0 is the lowest frequency
    audio         {rate, encoding: "mulaw", data}: base64 of G.711 mu-law bytes, mono
    classes       names, in the order of every vector below
    scores        the model's probabilities
    predicted     name
    label         the one that the network was to learn, or null
    teachers      {speech: probabilities or null, image: the same,
                  winner: "speech" or "image" or null}: the winner gave the label
    planted       what the embedded corpus put there: {emotion, relation: "agree" or "conflict",
                  speech: {emotion, words: numbers of words}, image: {emotion, boxes:
                  [[left, top, right, bottom]] as shares of the sides}}, or null
    pairs         what words and regions of the picture add to each other, `pairs_payload`; may lack
    decided_by    "speech", "image" or "neither", by the rule of `listening.decided_by`
    explanations  {method: {class: explanation}}, what is absent being silence and black
    blurred       the same where what is absent is blurred instead; may be empty

and an explanation, made by `explanation_payload`:

    base, value    the score of the baseline and of the sample
    speech, image  the modalities' values
    interaction    what only both bring
    n_evals        coalitions that were scored
    levels         [{speech: grid, image: grid}] from the undivided modality to the finest
                   division, where grid is {rows, cols, values}, row by row, a value being its
                   region's whole value
    left           scores of what is left of the sample, by threshold; may lack

Mu-law takes a byte per sample of sound, sounds like 14 bits, and is decoded in 5 lines of
JavaScript.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from sierlib import settings
from sierlib.explorer import listening

Payload = dict[str, Any]

MU = 255
DIGITS = 4  # significant digits of every value of a map
DEEPEST = 8  # levels beyond this one have more regions than can be told apart


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _round(values: Iterable[float]) -> list[float]:
    """Keep the significant digits of values, which must be finite."""
    numbers = np.asarray(list(values), dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("an explanation or a score holds values that are not finite")
    return [float(f"{x:.{DIGITS}g}") for x in numbers]


def encode_sound(sound: np.ndarray, rate: int = settings.SAMPLE_RATE) -> Payload:
    """Encode sound as mu-law, a byte per sample.

    Parameters
    ----------
    sound
        (samples,), float in [-1, 1] or int16, mono.
    rate
        Samples per second.

    Raises
    ------
    ValueError
        When it is empty or not mono.

    Examples
    --------
    >>> encode_sound(np.zeros(3, np.float32))
    {'rate': 16000, 'encoding': 'mulaw', 'data': '////'}
    """
    sound = np.asarray(sound)
    if sound.ndim != 1 or not sound.size:
        raise ValueError(f"sound of shape {sound.shape}, expected (samples,)")
    if sound.dtype.kind != "i":
        sound = np.clip(np.nan_to_num(sound), -1, 1) * 32767
    size = np.minimum(np.abs(sound.astype(np.int32)), 32635) + 132
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    code = (sound < 0) * 128 | exponent << 4 | size >> (exponent + 3) & 15
    return {
        "rate": int(rate),
        "encoding": "mulaw",
        "data": _base64((~code & MU).astype(np.uint8).tobytes()),
    }


def encode_image(image: np.ndarray | Image.Image, size: int = 256, quality: int = 82) -> str:
    """Encode a photograph as a square WebP data URI.

    An array (H, W, 3) is uint8, or float in [0, 1].
    """
    if not isinstance(image, Image.Image):
        array = np.asarray(image)
        if array.dtype != np.uint8:
            array = np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
        image = Image.fromarray(array)
    side = min(size, max(image.size))
    square = image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    square.save(out, "WEBP", quality=quality, method=6)
    return f"data:image/webp;base64,{_base64(out.getvalue())}"


def encode_mel(log_mel: np.ndarray) -> Payload:
    """Quantise a log-mel (rows, cols) or (rows, cols, 1) in [0, 1] to a byte per value."""
    mel = np.asarray(log_mel, np.float64)
    mel = mel[..., 0] if mel.ndim == 3 else mel
    rows, cols = mel.shape
    data = np.rint(np.clip(mel, 0, 1) * 255).astype(np.uint8)
    return {"rows": rows, "cols": cols, "data": _base64(data.tobytes())}


def _grid(regions: Sequence[Any]) -> Payload:
    """Lay the regions of one level of one modality out as a grid; their boxes tile it regularly."""
    ordered = sorted(regions, key=lambda region: (region.box[0], region.box[2]))
    tops = set()
    lefts = set()
    sizes = set()
    for region in ordered:
        r0, r1, c0, c1 = region.box
        tops.add(r0)
        lefts.add(c0)
        sizes.add((r1 - r0, c1 - c0))
    rows = len(tops)
    cols = len(lefts)
    if rows * cols != len(regions) or len(sizes) != 1:
        raise ValueError(
            f"{len(regions)} regions of sizes {sorted(sizes)} are no grid of {rows} by {cols}"
        )
    values = [region.value for region in ordered]
    return {"rows": rows, "cols": cols, "values": _round(values)}


def _sums(values: np.ndarray, level: int, time_only: bool) -> Payload:
    """Sum a map over the 2**level regions that halving gives, rows first."""
    rows = 1 if time_only else 2 ** ((level + 1) // 2)
    cols = 2**level // rows
    blocks: list[float] = []
    for band in np.array_split(values, rows):
        blocks += [block.sum() for block in np.array_split(band, cols, axis=1)]
    return {"rows": rows, "cols": cols, "values": _round(blocks)}


def explanation_payload(explanation: Any, depth: int = 6) -> Payload:
    """Turn a `sierlib.shapley.explain.Explanation` into what the explorer reads.

    Parameters
    ----------
    explanation
        With the attributes of `Explanation`. Without `levels` the maps are summed over halves here,
        to `depth`; a speech map that does not vary with frequency is halved in time only.
    depth
        Finest level that is kept.

    Raises
    ------
    ValueError
        When a level is no regular grid, or a value is not finite.
    """
    depth = min(depth, DEEPEST)
    known = getattr(explanation, "levels", None)
    levels = []
    if known:
        for level in known[: depth + 1]:
            regions: dict[str, list[Any]] = {m: [] for m in settings.MODALITIES}
            for region in level:
                regions[region.modality].append(region)
            levels.append({m: _grid(each) for m, each in regions.items()})
    else:
        speech = np.asarray(explanation.speech_map)
        image = np.asarray(explanation.image_map)
        flat = bool(np.allclose(speech, speech[:1]))
        for n in range(depth + 1):
            level = {"speech": _sums(speech, n, flat), "image": _sums(image, n, False)}
            levels.append(level)
    payload: Payload = {}
    for name in ("base_value", "value", "speech_value", "image_value", "interaction"):
        payload[name.removesuffix("_value")] = _round([getattr(explanation, name)])[0]
    return {**payload, "n_evals": int(explanation.n_evals), "levels": levels}


def pairs_payload(found: Any, words: Sequence[int], target: str) -> Payload:
    """Return `sierlib.shapley.interactions.Interactions` of some of a sample's words.

    Returns
    -------
    dict
        ``class``; ``rows`` and ``cols`` of the picture's regions; ``words``, their numbers in the
        sample; ``values``, by word and by region, row by row; ``stderr``, of a value on average,
        null where they are exact.
    """
    units, rows, cols = found.values.shape
    values = [_round(each) for each in found.values.reshape(units, -1)]
    error = None if found.stderr is None else _round([found.stderr.mean()])[0]
    grid = {"class": target, "rows": rows, "cols": cols, "words": list(words), "values": values}
    return {**grid, "stderr": error}


def _word(word: Any) -> Payload:
    fields = dict(word) if isinstance(word, Mapping) else vars(word)
    return {
        "text": str(fields["text"]),
        "start": round(float(fields["start"]), 3),
        "end": round(float(fields["end"]), 3),
    }


def sample_payload(
    name: str,
    *,
    image: np.ndarray | Image.Image,
    sound: np.ndarray,
    log_mel: np.ndarray,
    words: Sequence[Any],
    scores: Sequence[float],
    explanations: Mapping[str, Mapping[str, Any]],
    blurred: Mapping[str, Mapping[str, Any]] | None = None,
    label: str | None = None,
    teachers: Mapping[str, Any] | None = None,
    planted: Payload | None = None,
    text: str = "",
    alt: str = "",
    classes: Sequence[str] = settings.CLASSES,
    rate: int = settings.SAMPLE_RATE,
    window: float = settings.WINDOW_SECONDS,
    depth: int = 6,
) -> Payload:
    """Gather everything the explorer shows of one sample.

    Parameters
    ----------
    name
        The sample's id.
    image
        (H, W, 3), or a PIL image.
    sound
        (samples,) at `rate`; what lies beyond `window` seconds is cut, as the log-mel is.
    log_mel
        (128, 128) or (128, 128, 1) in [0, 1], low frequencies first.
    words
        Dicts or objects with text, start and end.
    scores
        The model's probabilities, in the order of `classes`.
    explanations, blurred
        By method, then by class: against silence and black, and against a blurred sample.
    label
        The class that the network was to learn.
    teachers
        {"speech": probabilities, "image": probabilities, "winner": "speech" or "image"}.
    planted
        As at the top of this module.

    Raises
    ------
    ValueError
        When `scores` or a teacher's vector does not have one value per class, or no explanation is
        given.
    """
    opinions = {"speech": None, "image": None, "winner": None, **(teachers or {})}
    _check_length(name, "scores", scores, classes)
    for m in settings.MODALITIES:
        if opinions[m] is not None:
            _check_length(name, f"teachers['{m}']", opinions[m], classes)
            opinions[m] = _round(opinions[m])
    if not any(explanations.values()):
        raise ValueError(f"sample {name}: no explanation to show")
    predicted = classes[int(np.argmax(scores))]
    by_method = _explanation_payloads(explanations, depth)
    first = next(iter(by_method.values())).get(predicted)
    decided_by = "neither"
    if first:
        right = label in (None, predicted)
        decided_by = listening.decided_by(first["speech"], first["image"], right)
    sound = np.asarray(sound)[: int(window * rate)]
    return {
        "id": str(name),
        "text": str(text),
        "window": float(window),
        "duration": round(len(sound) / rate, 3),
        "words": [_word(word) for word in words],
        "image": {"src": encode_image(image), "alt": str(alt)},
        "mel": encode_mel(log_mel),
        "audio": encode_sound(sound, rate),
        "classes": list(classes),
        "scores": _round(scores),
        "predicted": predicted,
        "label": label,
        "teachers": opinions,
        "planted": planted,
        "decided_by": decided_by,
        "explanations": by_method,
        "blurred": _explanation_payloads(blurred or {}, depth),
    }


def _explanation_payloads(
    explanations: Mapping[str, Mapping[str, Any]], depth: int
) -> dict[str, Payload]:
    by_method: dict[str, Payload] = {}
    for method, by_class in explanations.items():
        by_method[method] = {
            target: explanation_payload(explanation, depth)
            for target, explanation in by_class.items()
        }
    return by_method


def _check_length(name: str, what: str, vector: Sequence[float], classes: Sequence[str]) -> None:
    if len(vector) != len(classes):
        raise ValueError(
            f"sample {name}: {what} has {len(vector)} values for {len(classes)} classes"
        )
