"""The drawn pictures of the embedded corpus.

A scene is a plain dict: a background and a list of elements, each a shape from the tables below
with its place, size, rotation and colours. A shape is a list of strokes in its own unit square, so
that its box is known without drawing it. Colours and backgrounds are drawn independently of the
class: only what is drawn tells the emotion.
"""

from __future__ import annotations

import colorsys
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from sierlib import settings

Points = NDArray[np.float64]
Element = dict[str, Any]
Rows = list[list[int]]  # boxes or colours
Span = tuple[int, int]

FILL, SECOND, INK, PAPER = range(4)  # places in an element's list of colours
EDGE = 0.08  # width of an outline, in units of the shape
SUPERSAMPLING = 3
GROUNDS = ("plain", "gradient", "horizon", "stripes", "tiles", "noise")
PEOPLE_SHARE = 0.4  # of the emotion-bearing elements are faces or figures, the others things

#: Longer side in pixels of what is drawn, smallest and largest.
STRONG_ONE, STRONG_SEVERAL, WEAK, DISTRACTOR, MINOR = (
    (54, 80),
    (45, 54),
    (26, 42),
    (15, 20),
    (14, 30),
)

# Ranges of saturation and value, so that what carries no emotion stays in the background.
LIGHT = {"ground": ((0.05, 0.6), (0.35, 0.7)), "clutter": ((0.05, 0.6), (0.35, 0.9))}


class Stroke(NamedTuple):
    """One polygon (width 0) or line (width above 0) of a shape."""

    points: Points
    colour: int
    width: float
    edge: bool


Shape = list[Stroke]


def _fill(points: ArrayLike, colour: int = FILL, edge: bool = True) -> Stroke:
    return Stroke(np.asarray(points, float), colour, 0.0, edge)


def _line(points: ArrayLike, width: float = 0.1, colour: int = INK, edge: bool = False) -> Stroke:
    return Stroke(np.asarray(points, float), colour, width, edge)


def _arc(
    x: float, y: float, rx: float, ry: float | None = None, start: float = 0, stop: float = 360
) -> Points:
    """Return points on an ellipse; degrees run clockwise from the right, as y points down."""
    span = abs(stop - start)
    angle = np.radians(np.linspace(start, stop, max(6, round(span / 15)), endpoint=span < 360))
    return np.stack(
        [x + rx * np.cos(angle), y + (rx if ry is None else ry) * np.sin(angle)], axis=1
    )


def _box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def _smooth(points: ArrayLike) -> Points:
    """Cut the corners of a closed polygon, twice (Chaikin)."""
    corners = np.asarray(points, float)
    for _ in range(2):
        after = np.roll(corners, -1, axis=0)
        corners = np.stack(
            [0.75 * corners + 0.25 * after, 0.25 * corners + 0.75 * after], axis=1
        ).reshape(-1, 2)
    return corners


def _star(x: float, y: float, n: int, outer: float, inner: float) -> Points:
    angle, radius = (
        np.arange(2 * n) * np.pi / n,
        np.resize([outer, inner, 0.8 * outer, inner], 2 * n),
    )
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def _drop(x: float, y: float, size: float, colour: int = FILL) -> Stroke:
    """Return a drop that hangs from its tip."""
    return _fill(
        np.concatenate([[(x, y)], _arc(x, y + 1.35 * size, 0.6 * size, None, -25, 205)]), colour
    )


def _heart(scale: float) -> Points:
    t = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
    return scale * np.stack([np.sin(t) ** 3, y], axis=1)


def _cross(
    x: float, y: float, r: float, width: float, colour: int = INK, edge: bool = False
) -> Shape:
    return [_line([(x - s * r, y - r), (x + s * r, y + r)], width, colour, edge) for s in (-1, 1)]


def _cloud(x: float, y: float, size: float) -> Shape:
    lobes = ((-0.5, 0, 0.42), (0.5, 0, 0.45), (0, -0.3, 0.52))
    parts = [_arc(x + a * size, y + b * size, r * size) for a, b, r in lobes]
    parts.append(_box(x - 0.5 * size, y - 0.1, x + 0.5 * size, y + 0.4 * size))
    # All outlines first, so that they show only around the whole cloud.
    return [_fill(part) for part in parts] + [_fill(part, edge=False) for part in parts]


def _rays(n: int) -> Shape:
    angles = np.arange(n) * 2 * np.pi / n
    along, across = (
        np.stack([np.cos(angles), np.sin(angles)], 1),
        0.15 * np.stack([-np.sin(angles), np.cos(angles)], 1),
    )
    return [
        _fill([0.62 * u + v, u, 0.62 * u - v], SECOND) for u, v in zip(along, across, strict=True)
    ]


def _petals(x: float, y: float, r: float, n: int) -> Shape:
    angles = np.arange(n) * 2 * np.pi / n
    petals = [_fill(_arc(x + r * np.cos(a), y + r * np.sin(a), 0.6 * r), SECOND) for a in angles]
    return [*petals, _fill(_arc(x, y, 0.6 * r), PAPER)]


def _figure(mood: str | None) -> Shape:
    head, neck, hip, *limbs = POSES[mood]
    legs = [_line([hip, *limbs[k : k + 2]], 0.17, SECOND, True) for k in (4, 6)]
    arms = [_line([neck, *limbs[k : k + 2]], 0.14, FILL, True) for k in (0, 2)]
    return [
        *SIGNS[mood],
        *legs,
        _line([neck, hip], 0.3, FILL, True),
        *arms,
        _fill(_arc(*head, 0.23), PAPER),
    ]


# fmt: off
SIDES = (-1, 1)
HEAD = _fill(_arc(0, 0, 0.9, 0.95))
EYES = [_fill(_arc(0.38 * s, y, r), c, c == PAPER) for y, r, c in ((-0.15, 0.2, PAPER), (-0.12, 0.1, INK))
        for s in SIDES]
FACES: dict[str | None, Shape] = {
    None: [HEAD, *EYES, _line([(-0.3, 0.5), (0.3, 0.5)])],
    "anger": [_fill(_star(0, 0, 12, 1.3, 0.85), SECOND), HEAD, *EYES, _fill(_box(-0.55, 0.28, 0.55, 0.68), PAPER),
              _line([(-0.5, 0.6), (-0.3, 0.35), (-0.1, 0.6), (0.1, 0.35), (0.3, 0.6), (0.5, 0.35)]),
              *(_line([(0.12 * s, -0.2), (0.65 * s, -0.6)], 0.2) for s in SIDES)],
    "happy": [HEAD, *(_line(_arc(0.38 * s, -0.1, 0.2, 0.25, 180, 360), 0.13) for s in SIDES),
              _fill(_arc(0, 0.15, 0.6, 0.6, 0, 180), PAPER)],
    "hate": [HEAD, *(_line([(0.65 * s, -0.45), (0.2 * s, -0.2), (0.65 * s, 0.05)], 0.13) for s in SIDES),
             _line([(-0.55, 0.45), (-0.2, 0.32), (0.15, 0.45), (0.5, 0.35)], 0.13),
             _fill(_smooth([(-0.05, 0.4), (0.4, 0.4), (0.45, 1.05), (-0.05, 1.05)]), SECOND)],
    "sad": [HEAD, *EYES, *(_line([(0.15 * s, -0.65), (0.65 * s, -0.4)], 0.13) for s in SIDES),
            _line(_arc(0, 0.8, 0.3, 0.35, 190, 350), 0.14), *(_drop(0.5 * s, 0.0, 0.4, PAPER) for s in SIDES)],
}
#: Joints of a figure by mood: head, neck, hip, then two arms (elbow, hand) and two legs (knee,
#: foot).
POSES: dict[str | None, list[tuple[float, float]]] = {
    None: [(0, -0.78), (0, -0.5), (0, 0.15), (-0.24, -0.15), (-0.26, 0.2), (0.24, -0.15), (0.26, 0.2),
           (-0.14, 0.55), (-0.15, 1), (0.14, 0.55), (0.15, 1)],
    "anger": [(0, -0.6), (0, -0.3), (0, 0.25), (-0.62, -0.2), (-0.7, -0.75), (0.62, -0.2), (0.7, -0.75),
              (-0.4, 0.5), (-0.55, 1), (0.4, 0.5), (0.55, 1)],
    "happy": [(0, -0.5), (0, -0.22), (0, 0.35), (-0.35, -0.55), (-0.62, -0.95), (0.35, -0.55), (0.62, -0.95),
              (-0.5, 0.5), (-0.45, 0.95), (0.5, 0.5), (0.9, 0.75)],
    "hate": [(-0.5, -0.6), (-0.4, -0.35), (-0.2, 0.25), (0.0, -0.45), (0.45, -0.5), (0.0, -0.1), (0.45, -0.1),
             (-0.4, 0.6), (-0.55, 1), (0.05, 0.6), (0.0, 1)],
    "sad": [(0.15, 0.1), (-0.1, 0.2), (-0.4, 0.85), (0.1, 0.5), (0.45, 0.6), (0.0, 0.55), (0.35, 0.7),
            (0.3, 0.3), (0.5, 0.95), (0.15, 0.35), (0.35, 0.95)],
}
#: What a figure carries or stands under, as comics do.
SIGNS: dict[str | None, Shape] = {
    None: [],
    "anger": [_fill(_star(0, -0.65, 10, 0.75, 0.42), PAPER)],
    "happy": [_line([(0.62, -0.95), (0.62, -1.1)]), _fill(_arc(0.62, -1.4, 0.34, 0.4)), *_petals(-0.62, -1.1, 0.24, 6)],
    "hate": [_fill(_box(0.3, -0.75, 1.05, 0.1), PAPER), *_cross(0.68, -0.33, 0.24, 0.14)],
    "sad": [*_cloud(0.1, -0.85, 0.8), *(_drop(x, -0.45, 0.28, SECOND) for x in (-0.4, 0.2, 0.7))],
}
CRACK = [(0.0, -0.3), (0.15, -0.05), (-0.15, 0.25), (0.15, 0.55), (0.0, 1.0)]
#: The things that carry each emotion, and under None what is merely there.
THINGS: dict[str | None, dict[str, Shape]] = {
    "anger": {
        "flame": [_fill(_smooth(f * np.array([(0, 1), (-0.6, 0.8), (-0.75, 0.25), (-0.6, -0.6), (-0.3, 0.05), (0, -1.2),
                                              (0.25, -0.15), (0.5, -0.8), (0.75, 0.2), (0.6, 0.8)]) + (0, y)), c)
                  for f, y, c in ((1.0, 0.0, FILL), (0.5, 0.42, SECOND))],
        "lightning": [_fill([(0.1, -1), (-0.6, 0.15), (-0.1, 0.15), (-0.4, 1), (0.6, -0.25), (0.1, -0.25), (0.6, -1)])],
        "explosion": [_fill(_star(0, 0, 10, 1, 0.55)), _fill(_star(0, 0, 10, 0.6, 0.3), SECOND)],
        "bomb": [_line([(0.35, -0.35), (0.5, -0.7), (0.75, -0.75)], 0.12), _fill(_arc(-0.1, 0.25, 0.75)),
                 _fill(_star(0.75, -0.75, 8, 0.48, 0.22), SECOND),
                 _line(_arc(-0.1, 0.25, 0.48, None, 190, 250), 0.1, PAPER)],
    },
    "happy": {
        "sun": [*_rays(10), _fill(_arc(0, 0, 0.52)), _line(_arc(0, 0.0, 0.3, 0.3, 20, 160), 0.1)],
        "flower": [_line([(0, 0), (0, 1.1)], 0.12, FILL, True), *_petals(0, -0.35, 0.45, 6),
                   _fill(_smooth([(0, 0.75), (0.25, 0.35), (0.6, 0.3), (0.45, 0.65)]))],
        "balloons": [_line([(-0.4, 0), (0, 1.1), (0.4, 0)], 0.06), *(_fill(_arc(x, y, 0.42, 0.5), c) for x, y, c in
                     ((-0.45, -0.25, FILL), (0.45, -0.2, SECOND), (0, -0.55, PAPER)))],
        "gift": [_fill(_box(-0.75, -0.2, 0.75, 0.85)), _fill(_box(-0.85, -0.5, 0.85, -0.15)),
                 _fill(_box(-0.18, -0.5, 0.18, 0.85), SECOND),
                 *(_fill(_smooth([(0, -0.5), (0.55 * s, -1.1), (0.7 * s, -0.45)]), SECOND) for s in SIDES)],
    },
    "hate": {
        "skull": [*_cross(0, 0.45, 0.6, 0.2, PAPER, True), _fill(_box(-0.35, 0.0, 0.35, 0.55), PAPER),
                  _fill(_arc(0, -0.35, 0.7, 0.6), PAPER), *(_fill(_arc(x, -0.3, 0.2), INK, False) for x in (-0.3, 0.3)),
                  *(_line([(x, 0.25), (x, 0.55)], 0.08) for x in (-0.12, 0.12))],
        "crossed heart": [_fill(_heart(0.95)), *_cross(0, 0, 0.75, 0.22, SECOND, True)],
        "poison": [_fill(_box(-0.24, -1, 0.24, -0.65), SECOND),
                   _fill(_smooth([(-0.25, -0.7), (0.25, -0.7), (0.25, -0.3), (0.8, 0), (0.8, 1), (-0.8, 1), (-0.8, 0),
                                  (-0.25, -0.3)])),
                   _fill(_box(-0.5, -0.05, 0.5, 0.85), PAPER), *_cross(0, 0.4, 0.3, 0.17)],
        "thumb down": [_fill(_box(-1, -0.7, -0.55, 0.3), SECOND),
                       _fill(_smooth([(-0.4, 0), (0.1, 0), (0.05, 0.6), (0.15, 1.2), (-0.35, 1.2), (-0.5, 0.3)])),
                       _fill(_box(-0.6, -0.75, 0.2, 0.3)),
                       *(_fill(_smooth(_box(-0.1, y, 0.8, y + 0.36))) for y in (-0.75, -0.47, -0.19, 0.09))],
    },
    "sad": {
        "rain cloud": [*_cloud(0, -0.4, 0.95),
                       *(_drop(x, y, 0.4, SECOND) for x, y in ((-0.6, 0.15), (0, 0.3), (0.6, 0.15)))],
        "tears": [_drop(-0.1, -1, 0.8), _drop(0.55, -0.75, 0.45, SECOND), _drop(0.5, 0.2, 0.45, PAPER)],
        "broken heart": [_fill(np.concatenate([_heart(0.95)[16 + s : 16 + 16 * s : s], CRACK]) - (0.16 * s, 0))
                         for s in SIDES],
        "wilted flower": [_line([(-0.35, 1.1), *_arc(0.08, -0.35, 0.42, 0.5, 185, 355)], 0.12, FILL, True),
                          *(_fill(_arc(0.5 + 0.22 * k, 0.3, 0.17, 0.34), SECOND) for k in (-1, 1, 0)),
                          _fill(_arc(0.5, 0.0, 0.3, 0.2)), *(_drop(x, 0.72, 0.25, SECOND) for x in (0.3, 0.75))],
    },
    None: {
        "crate": [_fill(_box(-0.9, -0.7, 0.9, 0.8)), _line([(-0.9, 0), (0.9, 0)])],
        "tree": [_fill(_box(-0.13, 0.1, 0.13, 1), SECOND), _fill(_arc(0, -0.35, 0.6, 0.65))],
        "cup": [_line(_arc(0.55, 0, 0.35, None, -90, 90), 0.12, FILL, True),
                _fill([(-0.65, -0.6), (0.6, -0.6), (0.5, 0.7), (-0.5, 0.7)])],
        "house": [_fill(_box(-0.7, -0.1, 0.7, 0.9)), _fill([(-0.9, -0.1), (0, -0.9), (0.9, -0.1)], SECOND),
                  _fill(_box(-0.2, 0.35, 0.15, 0.9), PAPER)],
        "ball": [_fill(_arc(0, 0, 1))],
        "car": [_fill([(-0.55, 0), (-0.35, -0.5), (0.4, -0.5), (0.6, 0)], PAPER), _fill(_box(-1, -0.05, 1, 0.45)),
                *(_fill(_arc(x, 0.45, 0.23), INK, False) for x in (-0.5, 0.5))],
        "signpost": [_fill(_box(-0.07, 0, 0.07, 1), SECOND), _fill([(-0.7, -0.8), (0.8, -0.8), (0.8, 0), (-0.7, 0)])],
        "cloud": _cloud(0, 0, 1),
    },
}
PEOPLE = {mood: {"face": FACES[mood], "figure": _figure(mood)} for mood in POSES}
KINDS: dict[str | None, dict[str, Shape]] = {mood: THINGS[mood] | PEOPLE[mood] for mood in POSES}
# fmt: on


def _colour(rng: Generator, role: str, avoid: Rows) -> list[int]:
    """Draw any hue, in the range of lightness of its role, that can be told from the colours to
    avoid."""
    saturation, value = LIGHT.get(role, ((0.2, 0.9), (0.75, 1)))
    for _ in range(12):
        rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
        colour = [round(255 * c) for c in rgb]
        if all(
            sum(abs(a - b) for a, b in zip(colour, other, strict=True)) > 130 for other in avoid
        ):
            break
    return colour


def _strokes(element: Element) -> Shape:
    """Return an element's strokes in pixels of a 128x128 picture."""
    kinds, angle = KINDS[element["emotion"]], np.radians(element["angle"])
    cos, sin = np.cos(angle), np.sin(angle)
    turn = (
        np.array([(element["stretch"], 0), (element["shear"], 1)])
        @ [(cos, sin), (-sin, cos)]
        * element["scale"]
    )
    turn[0] *= -1 if element["mirrored"] else 1
    at, shape = (element["x"], element["y"]), kinds[element["kind"]]
    return [
        s._replace(points=s.points @ turn + at, width=s.width * element["scale"]) for s in shape
    ]


def _extent(element: Element) -> Points:
    """Return the smallest and the largest x and y that an element touches, as ``[[x0, y0], [x1,
    y1]]``."""
    edge = EDGE * element["scale"]
    lows, highs = [], []
    for points, _, width, edged in _strokes(element):
        reach = width / 2 + (edge / (1 if width else 2) if edged else 0)
        lows.append(points.min(axis=0) - reach)
        highs.append(points.max(axis=0) + reach)
    return np.stack([np.min(lows, axis=0), np.max(highs, axis=0)])


def _place(
    rng: Generator, role: str, emotion: str | None, size: Span, taken: Rows, ground: Rows
) -> Element | None:
    """Return a random element that touches no box of `taken`, or None where 30 tries found no
    room."""
    names = list(KINDS[emotion])
    people = 0.2 if emotion is None else PEOPLE_SHARE
    share = [
        people / 2 if name in ("face", "figure") else (1 - people) / (len(names) - 2)
        for name in names
    ]
    fill = _colour(rng, role, ground)
    ink, paper = (
        [int(v) for v in rng.integers(0, 50, 3)],
        [int(v) for v in rng.integers(210, 256, 3)],
    )
    if role == "clutter":
        ink, paper = [v // 2 for v in fill], [(v + 255) // 2 for v in fill]
    element: Element = {
        "kind": str(rng.choice(names, p=share)),
        "role": role,
        "emotion": emotion,
        "mirrored": bool(rng.random() < 0.5),
        **{key: round(float(rng.uniform(*span)), 3) for key, span in
           {"angle": (-15, 15), "stretch": (0.88, 1.12), "shear": (-0.12, 0.12)}.items()},
        "colours": [fill, _colour(rng, role, [fill]), ink, paper],
    }  # fmt: skip
    unit = _extent(element | {"x": 0, "y": 0, "scale": 1})
    for _ in range(30):
        scale = rng.uniform(*size) / (unit[1] - unit[0]).max()
        corner = 1 + rng.random(2) * (settings.SIZE - 2 - (unit[1] - unit[0]) * scale)
        far = corner + (unit[1] - unit[0]) * scale
        box = [
            int(v) for v in (*np.floor(corner - 0.4), *np.ceil(far + 0.4))
        ]  # lines are rounded to whole pixels
        if all(box[0] > b[2] or box[2] < b[0] or box[1] > b[3] or box[3] < b[1] for b in taken):
            x, y = (float(v) for v in np.round(corner - unit[0] * scale, 3))
            return element | {"x": x, "y": y, "scale": round(float(scale), 4), "box": box}
    return None


def compose(
    rng: Generator, emotion: str | None, strength: int, distractor: str | None = None
) -> dict[str, Any]:
    """Compose a picture that carries an emotion, or none.

    Parameters
    ----------
    rng
        Everything random comes from it.
    emotion
        One of `settings.CLASSES`, or None for a neutral picture.
    strength
        0 draws a neutral picture, 1 one small emotion-bearing element, 2 a large one or two or
        three.
    distractor
        Another class of which a minor element is added, where there is room, to a picture that
        carries an emotion.

    Returns
    -------
    dict
        JSON-serialisable. ``elements`` are in drawing order, each with ``kind``, ``role``
        ("emotion", "distractor" or "clutter"), ``emotion``, ``box`` (``[x0, y0, x1, y1]``, pixels
        of a 128x128 picture, last ones exclusive) and all that draws it. No other element touches
        the box of an emotion-bearing one.

    Raises
    ------
    ValueError
        When the emotion, the strength or the distractor is not one of those above.
    """
    same = emotion is not None and emotion == distractor
    if {emotion, distractor} - {None, *settings.CLASSES} or strength not in (0, 1, 2) or same:
        raise ValueError(
            f"emotion {emotion!r}, strength {strength!r}, distractor {distractor!r}: expected two "
            "different classes of "
            f"{', '.join(settings.CLASSES)}, or None, and a strength of 0, 1 or 2"
        )
    first, other = _colour(rng, "ground", []), _colour(rng, "ground", [])
    ground = [
        first,
        [(a + b) // 2 for a, b in zip(first, other, strict=True)],
    ]  # textures stay faint
    background = {
        "kind": str(rng.choice(GROUNDS)), "colours": ground, "seed": int(rng.integers(2**31)),
        **{key: round(float(rng.uniform(*span)), 1) for key, span in
           {"angle": (0, 180), "period": (16, 48), "grain": (0, 6)}.items()},
    }  # fmt: skip
    wanted: list[tuple[str, str, Span]] = []
    if emotion is not None and strength:
        n = int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2])) if strength == 2 else 1
        wanted += [
            (
                "emotion",
                emotion,
                WEAK if strength == 1 else STRONG_ONE if n == 1 else STRONG_SEVERAL,
            )
        ] * n
        wanted += [("distractor", distractor, DISTRACTOR)] if distractor is not None else []
    placed: list[Element] = []
    for role, name, sizes in wanted:
        element = _place(rng, role, name, sizes, [e["box"] for e in placed], ground)
        placed += [element] if element else []
    taken = [e["box"] for e in placed]
    clutter = [
        _place(rng, "clutter", None, MINOR, taken, ground) for _ in range(int(rng.integers(1, 5)))
    ]
    return {"background": background, "elements": [e for e in clutter if e] + placed}


def _ground(background: dict[str, Any], size: int) -> NDArray[np.uint8]:
    """Return the background, uint8 (size, size, 3)."""
    y, x = np.mgrid[0:size, 0:size] / size
    angle, period = np.radians(background["angle"]), background["period"] / settings.SIZE
    along = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    across = (y - 0.5) * np.cos(angle) - (x - 0.5) * np.sin(angle)
    rng = np.random.default_rng(background["seed"])
    blots = Image.fromarray(rng.random((8, 8), dtype=np.float32)).resize(
        (size, size), Image.Resampling.BICUBIC
    )
    share = {
        "plain": 0 * x,
        "gradient": along + 0.5,
        "horizon": (y > 0.35 + background["angle"] / 600) * 0.8 + 0.2 * y,
        "stripes": np.floor(2 * along / period) % 2,
        "tiles": (np.floor(along / period) + np.floor(across / period)) % 2,
        "noise": np.asarray(blots),
    }[background["kind"]]
    first, second = (np.array(colour, float) for colour in background["colours"])
    noise = (
        rng.standard_normal((settings.SIZE, settings.SIZE), dtype=np.float32) * background["grain"]
    )
    grain = np.asarray(Image.fromarray(noise).resize((size, size)))
    picture = first + share[..., None] * (second - first) + grain[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def draw(scene: dict[str, Any], size: int = settings.SIZE) -> NDArray[np.uint8]:
    """Draw a scene from `compose`: RGB, uint8 (size, size, 3), the same pixels each time."""
    factor, fine = SUPERSAMPLING * size / settings.SIZE, SUPERSAMPLING * size
    canvas = Image.fromarray(_ground(scene["background"], size)).resize(
        (fine, fine), Image.Resampling.NEAREST
    )
    pen = ImageDraw.Draw(canvas)

    def trace(points: Points, width: float, colour: tuple[int, ...]) -> None:
        # Round joints and ends keep a line within half its width of its points.
        pen.line(points.ravel().tolist(), colour, max(1, round(width)))
        for x, y in points if width > 2 else ():
            r = width / 2 - 0.5
            pen.ellipse((x - r, y - r, x + r, y + r), colour)

    for element in scene["elements"]:
        colours = [tuple(colour) for colour in element["colours"]]
        edge = EDGE * element["scale"] * factor
        for points, colour, width, edged in _strokes(element):
            at = points * factor
            if width:
                trace(at, width * factor + 2 * edge * edged, colours[INK])
                trace(at, width * factor, colours[colour])
            else:
                pen.polygon(at.ravel().tolist(), colours[colour])
                if edged:
                    trace(np.vstack([at, at[:1]]), edge, colours[INK])
    return np.asarray(canvas.reduce(SUPERSAMPLING))


def emotion_boxes(scene: dict[str, Any]) -> list[list[int]]:
    """Return the boxes of the elements that carry the scene's emotion, ``[x0, y0, x1, y1]`` in
    128x128 pixels."""
    return [element["box"] for element in scene["elements"] if element["role"] == "emotion"]
