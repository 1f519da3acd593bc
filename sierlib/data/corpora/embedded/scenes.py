"""The drawn pictures of the embedded corpus.

A scene is a plain dict: a background and a list of elements, each one of `shapes.KINDS` with its
place, size, rotation and colours. Colours and backgrounds are drawn independently of the class:
only what is drawn tells the emotion.
"""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sierlib import settings
from sierlib.data.corpora.embedded.shapes import EDGE, INK, KINDS, Points, Shape

Element = dict[str, Any]
Box = list[int]  # [x0, y0, x1, y1], pixels of a 128x128 picture
Colour = list[int]  # [red, green, blue], 0 to 255
Span = tuple[float, float]  # smallest and largest

SUPERSAMPLING = 3
GROUNDS = ("plain", "gradient", "horizon", "stripes", "tiles", "noise")

# Shares of faces and figures among what carries an emotion, and among what is merely there.
PEOPLE = ("face", "figure")
PEOPLE_SHARE = 0.4
BYSTANDERS_SHARE = 0.2

#: Longer side in pixels of what is drawn, smallest and largest.
STRONG_ONE: Span = (54, 80)
STRONG_SEVERAL: Span = (45, 54)
WEAK: Span = (26, 42)
DISTRACTOR: Span = (15, 20)
MINOR: Span = (14, 30)

# Ranges of saturation and value by role: what carries no emotion stays in the background.
LIGHT = {"ground": ((0.05, 0.6), (0.35, 0.7)), "clutter": ((0.05, 0.6), (0.35, 0.9))}
BRIGHT = ((0.2, 0.9), (0.75, 1))

# How far apart two colours are that can be told apart: sum of differences of red, green and blue.
CONTRAST = 130

POSE: dict[str, Span] = {"angle": (-15, 15), "stretch": (0.88, 1.12), "shear": (-0.12, 0.12)}
TEXTURE: dict[str, Span] = {"angle": (0, 180), "period": (16, 48), "grain": (0, 6)}


def compose(
    rng: Generator,
    emotion: str | None,
    strength: int,
    distractor: str | None = None,
    shapes: int | None = None,
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
    shapes
        How many kinds of shapes of each class are in use, face and figure always among them; None
        for all.

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
            f"different classes of {', '.join(settings.CLASSES)}, or None, and a strength of 0, 1 "
            "or 2"
        )
    background = _random_background(rng)
    ground = background["colours"]

    # What matters is placed first, while there is room, and drawn last, above the clutter.
    foreground: list[Element] = []
    if emotion is not None and strength:
        count = int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2])) if strength == 2 else 1
        size = _size_of(strength, count)
        for _ in range(count):
            foreground += _random_element(rng, "emotion", emotion, size, foreground, ground, shapes)
        if distractor is not None:
            foreground += _random_element(
                rng, "distractor", distractor, DISTRACTOR, foreground, ground, shapes
            )
    # Pieces of clutter keep clear of that, and not of each other.
    clutter: list[Element] = []
    for _ in range(int(rng.integers(1, 5))):
        clutter += _random_element(rng, "clutter", None, MINOR, foreground, ground)
    return {"background": background, "elements": clutter + foreground}


def draw(scene: dict[str, Any], size: int = settings.SIZE) -> NDArray[np.uint8]:
    """Draw a scene from `compose`: RGB, uint8 (size, size, 3), the same pixels each time."""
    # Everything is drawn SUPERSAMPLING times too large and then averaged, for smooth edges.
    fine = SUPERSAMPLING * size
    factor = fine / settings.SIZE
    ground = Image.fromarray(_draw_background(scene["background"], size))
    canvas = ground.resize((fine, fine), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(canvas)
    for element in scene["elements"]:
        _draw_element(pen, element, factor)
    return np.asarray(canvas.reduce(SUPERSAMPLING))


def emotion_boxes(scene: dict[str, Any]) -> list[Box]:
    """Return the boxes [x0, y0, x1, y1] of what carries the scene's emotion, in 128x128 pixels."""
    return [element["box"] for element in scene["elements"] if element["role"] == "emotion"]


# ------------------------------------------------------------------------------------- composing
def _size_of(strength: int, count: int) -> Span:
    if strength == 1:
        return WEAK
    return STRONG_ONE if count == 1 else STRONG_SEVERAL


def _random_colour(rng: Generator, role: str, avoid: list[Colour]) -> Colour:
    """Draw any hue, in its role's range of lightness, that can be told from the colours to avoid.

    After 12 tries the last one is taken: a corpus needs no perfect contrast in every picture.
    """
    saturation, value = LIGHT.get(role, BRIGHT)
    for _ in range(12):
        rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
        colour = [round(255 * channel) for channel in rgb]
        if all(_distance(colour, other) > CONTRAST for other in avoid):
            break
    return colour


def _distance(first: Colour, second: Colour) -> int:
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


def _random_background(rng: Generator) -> dict[str, Any]:
    first, other = _random_colour(rng, "ground", []), _random_colour(rng, "ground", [])
    # Halfway between the two, so that textures stay faint.
    second = [(a + b) // 2 for a, b in zip(first, other, strict=True)]
    background = {
        "kind": str(rng.choice(GROUNDS)),
        "colours": [first, second],
        "seed": int(rng.integers(2**31)),
    }
    for name, span in TEXTURE.items():
        background[name] = round(float(rng.uniform(*span)), 1)
    return background


def _random_element(
    rng: Generator,
    role: str,
    emotion: str | None,
    size: Span,
    others: list[Element],
    ground: list[Colour],
    shapes: int | None = None,
) -> list[Element]:
    """Draw an element that touches none of the others; an empty list where it finds no room."""
    # What it is: faces and figures have a share of their own, things share the rest.
    kinds = list(KINDS[emotion])
    if shapes is not None:
        kinds = kinds[-shapes:]  # people come last
    people = BYSTANDERS_SHARE if emotion is None else PEOPLE_SHARE
    chances = np.full(len(kinds), (1 - people) / (len(kinds) - len(PEOPLE)))
    chances[np.isin(kinds, PEOPLE)] = people / len(PEOPLE)

    # Its colours can be told from the background and from each other.
    fill = _random_colour(rng, role, ground)
    ink = rng.integers(0, 50, 3).tolist()
    paper = rng.integers(210, 256, 3).tolist()
    if role == "clutter":  # neither black nor white, which would stand out
        ink = [value // 2 for value in fill]
        paper = [(value + 255) // 2 for value in fill]

    # Its pose; the place comes last, since it depends on how much room all that takes.
    element: Element = {
        "kind": str(rng.choice(kinds, p=chances)),
        "role": role,
        "emotion": emotion,
        "mirrored": bool(rng.random() < 0.5),
    }
    for name, span in POSE.items():
        element[name] = round(float(rng.uniform(*span)), 3)
    element["colours"] = [fill, _random_colour(rng, role, [fill]), ink, paper]
    return _find_room(rng, element, size, [other["box"] for other in others])


def _find_room(rng: Generator, element: Element, size: Span, taken: list[Box]) -> list[Element]:
    """Place an element at random, touching no box; an empty list when 30 tries found no room."""
    low, high = _extent(element | {"x": 0, "y": 0, "scale": 1})
    extent = high - low  # width and height at scale 1
    for _ in range(30):
        scale = rng.uniform(*size) / extent.max()
        corner = 1 + rng.random(2) * (settings.SIZE - 2 - extent * scale)
        # Lines are rounded to whole pixels, hence the margin.
        first = np.floor(corner - 0.4)
        last = np.ceil(corner + extent * scale + 0.4)
        box = [int(edge) for edge in (*first, *last)]
        if any(_overlap(box, other) for other in taken):
            continue
        x, y = np.round(corner - low * scale, 3)
        place = {"x": float(x), "y": float(y), "scale": round(float(scale), 4), "box": box}
        return [element | place]
    return []


def _overlap(one: Box, other: Box) -> bool:
    beside = one[0] > other[2] or one[2] < other[0]
    above = one[1] > other[3] or one[3] < other[1]
    return not (beside or above)


# --------------------------------------------------------------------------------------- drawing
def _strokes(element: Element) -> Shape:
    """Return an element's strokes in pixels of a 128x128 picture."""
    angle, scale = np.radians(element["angle"]), element["scale"]
    cos, sin = np.cos(angle), np.sin(angle)
    skew = np.array([(element["stretch"], 0), (element["shear"], 1)])
    turn = skew @ [(cos, sin), (-sin, cos)] * scale  # (2, 2)
    if element["mirrored"]:
        turn[0] *= -1
    place = (element["x"], element["y"])
    shape = KINDS[element["emotion"]][element["kind"]]
    return [s._replace(points=s.points @ turn + place, width=s.width * scale) for s in shape]


def _extent(element: Element) -> Points:
    """Return the least and greatest x and y that an element touches, [[x0, y0], [x1, y1]]."""
    edge = EDGE * element["scale"]
    lows, highs = [], []
    for points, _, width, edged in _strokes(element):
        reach = width / 2
        if edged:  # a line's edge lies outside it, a polygon's is centred on its outline
            reach += edge if width else edge / 2
        lows.append(points.min(axis=0) - reach)
        highs.append(points.max(axis=0) + reach)
    return np.stack([np.min(lows, axis=0), np.max(highs, axis=0)])


def _draw_background(background: dict[str, Any], size: int) -> NDArray[np.uint8]:
    """Return the background, uint8 (size, size, 3)."""
    rng = np.random.default_rng(background["seed"])
    blots = Image.fromarray(rng.random((8, 8), dtype=np.float32))
    blots = blots.resize((size, size), Image.Resampling.BICUBIC)
    noise = rng.standard_normal((settings.SIZE, settings.SIZE), dtype=np.float32)
    grain = Image.fromarray(noise * background["grain"]).resize((size, size))

    # The share of the second colour at each pixel makes the texture.
    y, x = np.mgrid[0:size, 0:size] / size
    period = background["period"] / settings.SIZE
    angle = np.radians(background["angle"])
    cos, sin = np.cos(angle), np.sin(angle)
    along = (x - 0.5) * cos + (y - 0.5) * sin
    across = (y - 0.5) * cos - (x - 0.5) * sin
    horizon = 0.35 + background["angle"] / 600
    shares = {
        "plain": 0 * x,
        "gradient": along + 0.5,
        "horizon": (y > horizon) * 0.8 + 0.2 * y,
        "stripes": np.floor(2 * along / period) % 2,
        "tiles": (np.floor(along / period) + np.floor(across / period)) % 2,
        "noise": np.asarray(blots),
    }
    share = shares[background["kind"]][..., np.newaxis]  # (size, size, 1)

    first, second = np.array(background["colours"], float)
    picture = first + share * (second - first)
    picture += np.asarray(grain)[..., np.newaxis]
    return np.clip(picture, 0, 255).astype(np.uint8)


def _draw_element(pen: ImageDraw.ImageDraw, element: Element, factor: float) -> None:
    """Draw an element's strokes, each with its edge, enlarged by a factor."""
    colours = [tuple(colour) for colour in element["colours"]]
    edge = EDGE * element["scale"] * factor
    for points, colour, width, edged in _strokes(element):
        points = points * factor
        if width:
            _draw_line(pen, points, width * factor + 2 * edge * edged, colours[INK])
            _draw_line(pen, points, width * factor, colours[colour])
            continue
        pen.polygon(points.ravel().tolist(), colours[colour])
        if edged:
            closed = np.vstack([points, points[:1]])
            _draw_line(pen, closed, edge, colours[INK])


def _draw_line(
    pen: ImageDraw.ImageDraw, points: Points, width: float, colour: tuple[int, ...]
) -> None:
    pen.line(points.ravel().tolist(), colour, max(1, round(width)))
    if width <= 2:
        return
    # Round joints and ends keep a line within half its width of its points.
    r = width / 2 - 0.5
    for x, y in points:
        pen.ellipse((x - r, y - r, x + r, y + r), colour)
