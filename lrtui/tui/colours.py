"""Makes the colours of a theme readable: each is moved away from the background until its contrast suffices."""

from __future__ import annotations

import colorsys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from rich.color import ColorSystem
from rich.color_triplet import ColorTriplet
from textual.color import Color

from lrtui.plotting.layers import LINE_COLOURS

TEXT_CONTRAST = 4.5
"""Minimum contrast of text with its background, as in WCAG 2."""

GRAPHICS_CONTRAST = 3.0
"""Minimum contrast of lines, bands and bars."""

# Okabe and Ito's colours (jfly.uni-koeln.de/color), also safe for colour-blind users; darkened for light themes
DARK_LINES = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#8fa5ff", "#bbbbbb")
LIGHT_LINES = ("#0072b2", "#b26a00", "#00775a", "#a3447a", "#857a00", "#b34700", "#4057c4", "#555555")
LINES = tuple(f"chart-line-{number}" for number in range(1, LINE_COLOURS + 1))
BANDS = tuple(f"chart-band-{number}" for number in range(1, LINE_COLOURS + 1))
"""Variables for the band of all batches below a run's line: paler than the line."""

# errors first: with few colours, no other variable may look like one
TEXT = (
    *("error", "warning", "accent", "success", "foreground", "foreground-muted"),
    *("text-error", "text-warning", "text-accent", "text-success", "text-primary", "text-secondary"),
    *("text-muted", "text-disabled"),
)
"""Variables for text on the background, a surface or a panel."""

GRAPHICS = ("foreground-disabled", *BANDS)
"""Variables for lines and areas on the background."""

BACKGROUNDS = ("background", "surface", "panel", "panel-lighten-1", "panel-darken-1")
"""Variables for what is behind text."""

BLURRED = ("block-cursor-blurred",)
PAIRS = ("block-cursor", *BLURRED, "input-selection")
"""Variables for text on a background of its own, without `-background` and `-foreground`."""

VGA: tuple[tuple[int, int, int], ...] = (
    *((0, 0, 0), (170, 0, 0), (0, 170, 0), (170, 85, 0), (0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170)),
    *((85, 85, 85), (255, 85, 85), (85, 255, 85), (255, 255, 85), (85, 85, 255), (255, 85, 255), (85, 255, 255)),
    (255, 255, 255),
)
"""The 16 colours of a text console, which Rich reduces colours to."""

XTERM: tuple[tuple[int, int, int], ...] = (
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)),
    *((127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255)),
    (255, 255, 255),
)
"""The 16 colours of xterm; terminals differ, so a colour must be readable in both palettes."""

HUES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
ANSI_COLOURS = (*HUES, *(f"bright_{hue}" for hue in HUES))
"""Textual's names of the 16 colours, after `ansi_`."""

BLACK, BLUE, GREY, WHITE = 0, 4, 7, 15
BLENDS = 20
"""Number of steps from one colour to another in which a shade with enough contrast is searched."""


def contrast(one: Sequence[int], other: Sequence[int]) -> float:
    """Return the contrast ratio of two (red, green, blue) colours, from 1 to 21, as WCAG 2 defines it."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(rgb: Sequence[int]) -> float:
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (value / 255 for value in rgb[:3])
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@dataclass(frozen=True, slots=True)
class Palette:
    """Readable colours for one kind of terminal and theme.

    Args:
        system: the terminal's colours; None without colours.
        is_ansi: whether the theme uses the terminal's own colours.
        is_dark: whether the theme is dark.
    """

    system: ColorSystem | None
    is_ansi: bool
    is_dark: bool
    _few: dict[str, int] = field(default_factory=dict, compare=False)

    @property
    def has_few(self) -> bool:
        """Whether there are 16 colours."""
        return self.is_ansi or self.system == ColorSystem.STANDARD

    def readable(self, name: str, colour: Color, backgrounds: Sequence[Color], ratio: float) -> str:
        """Return the shade nearest to the colour that has at least this contrast with all backgrounds.

        Args:
            name: the variable; with few colours, the lines differ where possible, and an accent is not like an error.
        """
        if self.has_few:
            return self._few_colours(name, colour, ratio)
        goal = Color(255, 255, 255) if self.is_dark else Color(0, 0, 0)
        return self.blended(backgrounds[0] + colour, goal, backgrounds, ratio).hex

    def blended(self, start: Color, goal: Color, others: Sequence[Color], ratio: float, least: float = 0.0) -> Color:
        """Return the shade nearest to `start`, on the way to `goal`, with enough contrast; `goal` if there is none.

        Args:
            others: the colours that the shade is seen with.
            ratio: minimum contrast with each of them.
            least: minimum share of `goal` in the shade.
        """
        seen = [self.seen(other) for other in others]
        shades = (start.blend(goal, step / BLENDS) for step in range(round(least * BLENDS), BLENDS + 1))
        enough = (shade for shade in shades if all(contrast(self.seen(shade), each) >= ratio for each in seen))
        return next(enough, goal)

    def seen(self, colour: Color) -> ColorTriplet:
        """Return the colour that the terminal shows instead of this one."""
        rich = colour.rich_color
        if self.system == ColorSystem.EIGHT_BIT:
            rich = rich.downgrade(ColorSystem.EIGHT_BIT)
        return rich.get_truecolor()

    def _few_colours(self, name: str, colour: Color, ratio: float) -> str:
        behind = BLACK if self.is_dark else WHITE
        readable = [
            number
            for number in range(16)
            if all(contrast(colours[number], colours[behind]) >= ratio for colours in (VGA, XTERM))
        ]
        taken: Collection[int] = ()
        if name in LINES:
            taken = [self._few[other] for other in LINES if other in self._few]
        elif name in ("accent", "text-accent", "success", "text-success"):
            taken = [self._few["error"]]
        rgb = VGA[colour.ansi] if colour.ansi is not None and colour.ansi >= 0 else colour.rgb
        allowed = [number for number in readable if number not in taken] or readable
        nearest = min(allowed, key=lambda number: _difference(rgb, VGA[number]))
        self._few[name] = nearest
        return self.named(nearest)

    def named(self, number: int) -> str:
        """Return one of the 16 colours as the value of a variable."""
        return f"ansi_{ANSI_COLOURS[number]}" if self.is_ansi else Color(*VGA[number]).hex


def _difference(one: Sequence[int], other: Sequence[int]) -> float:
    """Return how different two colours are, foremost in hue."""
    (hue, saturation, value), (other_hue, other_saturation, other_value) = (
        colorsys.rgb_to_hsv(*(part / 255 for part in rgb[:3])) for rgb in (one, other)
    )
    turn = abs(hue - other_hue)
    is_grey, other_is_grey = saturation < 0.2, other_saturation < 0.2
    if is_grey or other_is_grey:
        return (is_grey != other_is_grey) * 10 + abs(value - other_value)
    return 5 * min(turn, 1 - turn) + abs(value - other_value) / 5


def readable_variables(variables: Mapping[str, str], palette: Palette) -> dict[str, str]:
    """Return a theme's variables, with colours that can be read on its backgrounds, and those of the charts.

    Args:
        variables: the variables of the theme.
        palette: adjusts the colours.
    """
    changed = dict(variables)
    lines = DARK_LINES if palette.is_dark else LIGHT_LINES
    ground = Color.parse(changed["background"])
    bands = [_pale(Color.parse(line), ground, palette).hex for line in lines]
    changed |= {**dict(zip(LINES, lines, strict=True)), **dict(zip(BANDS, bands, strict=True))}
    if palette.system is None:
        return changed
    if palette.has_few and not palette.is_ansi:
        behind = Color(*VGA[BLACK if palette.is_dark else WHITE]).hex
        changed |= dict.fromkeys(
            (name for name in variables if name.startswith(BACKGROUNDS) and not name.startswith("background-muted")),
            behind,
        )
    if palette.has_few:
        greys = ("foreground-muted", "foreground-disabled", "text-muted", "text-disabled", *BANDS)
        changed |= dict.fromkeys(greys, "#888888" if palette.is_dark else "#666666")
    auto = "white" if palette.is_dark else "black"
    ground = Color.parse(changed["background"])
    behind_text = [ground, *(ground + _parsed(changed[name], auto) for name in BACKGROUNDS if not palette.has_few)]
    for names, ratio, backgrounds in (
        (TEXT, TEXT_CONTRAST, behind_text),
        # the letters of runs have the colours of their lines
        (LINES, TEXT_CONTRAST, behind_text[:1]),
        (GRAPHICS, GRAPHICS_CONTRAST, behind_text[:1]),
    ):
        for name in names:
            value = changed.get(name, "")
            if not value or value == "ansi_default":
                continue
            colour = _parsed(value, auto)
            changed[name] = palette.readable(name, colour, backgrounds, ratio)
    for pair in PAIRS:
        changed |= _readable_pair(pair, changed, ground, palette)
    return changed


def _pale(line: Color, ground: Color, palette: Palette) -> Color:
    """Return the palest mix of a colour and the background that has the contrast of graphics."""
    if palette.has_few:
        return line
    return palette.blended(ground, line, [ground], GRAPHICS_CONTRAST)


def _parsed(value: str, auto: str) -> Color:
    """Return the colour of a variable such as "#ffa62b" or "auto 60%".

    Args:
        auto: the colour that stands for "auto", which Textual replaces by black or white.
    """
    name, _, percentage = value.partition(" ")
    colour = Color.parse(auto if name == "auto" else name)
    return colour.with_alpha(float(percentage.rstrip("%")) / 100) if percentage else colour


def _readable_pair(name: str, variables: Mapping[str, str], ground: Color, palette: Palette) -> dict[str, str]:
    """Return the two colours of a list's cursor or of selected text, with text that can be read on it."""
    names = (f"{name}-background", f"{name}-foreground")
    if palette.has_few:
        # the focused one is grey and the blurred one blue in a dark theme, the reverse in a light one
        numbers = (BLUE, WHITE) if (name in BLURRED) == palette.is_dark else (GREY, BLACK)
        return dict(zip(names, map(palette.named, numbers), strict=True))
    behind = ground + _parsed(variables[names[0]], "white")
    if name in BLURRED:
        # Textual also draws text in the foreground colour on it
        usual = ground + _parsed(variables["foreground"], "white")
        behind = palette.blended(behind, ground, [usual], TEXT_CONTRAST)
    text = _parsed(variables[names[1]], "white" if behind.brightness < 0.5 else "black")
    seen = palette.seen(behind)
    if contrast(palette.seen(behind + text), seen) < TEXT_CONTRAST:
        black, white = Color(0, 0, 0), Color(255, 255, 255)
        text = max(black, white, key=lambda colour: contrast(palette.seen(colour), seen))
    return dict(zip(names, (behind.hex, text.hex), strict=True))
