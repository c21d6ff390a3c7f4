"""Line charts as SVG for light and dark pages: no background, colours of medium brightness. No libraries."""

import math
from xml.sax.saxutils import escape

INK, GRID = "#7a828e", "#7a828e"
COLOURS = ["#2f81f7", "#d9730d", "#2da44e", "#a371f7"]
LEFT, RIGHT, TOP, BOTTOM = 62, 56, 58, 50  # around the plot, inside a panel


class Scale:
    """Returns a function from a value to a coordinate between two pixels."""

    def __init__(self, low, high, begin, end, log):
        self.map = math.log if log else float
        self.low, self.span = self.map(low), self.map(high) - self.map(low) or 1
        self.begin, self.length = begin, end - begin

    def __call__(self, value):
        return round(self.begin + (self.map(value) - self.low) / self.span * self.length, 1)


def decades(low, high):
    """Returns the powers of ten that enclose two values."""
    return [10.0 ** n for n in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def even(high):
    """Returns three to six round steps from 0 to at least `high`."""
    step = 10 ** math.floor(math.log10(high))
    step = next(step * factor for factor in (0.2, 0.25, 0.5, 1, 2) if high / (step * factor) <= 6)
    return [step * n for n in range(math.ceil(high / step) + 1)]


def text(x, y, words, *, anchor="middle", size=12, colour=INK, more=""):
    return (f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"{more}>'
            f"{escape(words)}</text>")


def panel(x, width, height, *, title, x_words, y_words, x_ticks, y_ticks, y_log, lines, guide=None):
    """Draws one chart. Ticks are (value, label); the first and the last are the edges of the plot. x is logarithmic.

    `lines`: (name, [(x, y)]), named at their ends. `guide`: (name, [(x, y)]), dashed, behind them.
    """
    left, right, top, bottom = x + LEFT, x + width - RIGHT, TOP, height - BOTTOM
    at_x = Scale(x_ticks[0][0], x_ticks[-1][0], left, right, log=True)
    at_y = Scale(y_ticks[0][0], y_ticks[-1][0], bottom, top, log=y_log)
    parts = [text(left, 24, title, anchor="start", size=15, more=' font-weight="600"'),
             text(left, top - 14, y_words, anchor="start"), text((left + right) / 2, height - 10, x_words)]
    for value, label in y_ticks:
        parts.append(f'<path d="M{left} {at_y(value)}H{right}" stroke="{GRID}" stroke-opacity=".3"/>')
        parts.append(text(left - 8, at_y(value) + 4, label, anchor="end"))
    for value, label in x_ticks:
        parts.append(f'<path d="M{at_x(value)} {bottom}v5" stroke="{GRID}"/>')
        parts.append(text(at_x(value), bottom + 19, label))
    if guide:
        name, points = guide
        way = " ".join(f"{at_x(a)},{at_y(b)}" for a, b in points)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{INK}" stroke-dasharray="4 4"/>')
        (a, b), (c, d) = points[0], points[-1]
        x_middle, y_middle = (at_x(a) + at_x(c)) / 2, (at_y(b) + at_y(d)) / 2
        angle = math.degrees(math.atan2(at_y(d) - at_y(b), at_x(c) - at_x(a)))
        parts.append(text(x_middle, y_middle - 7, name, size=11,
                          more=f' transform="rotate({angle:.1f} {x_middle} {y_middle})"'))
    places = end_labels([at_y(points[-1][1]) for _, points in lines])
    for (name, points), colour, place in zip(lines, COLOURS, places):
        way = " ".join(f"{at_x(a)},{at_y(b)}" for a, b in points)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2.5" '
                     'stroke-linejoin="round"/>')
        parts += [f'<circle cx="{at_x(a)}" cy="{at_y(b)}" r="3.5" fill="{colour}"/>' for a, b in points]
        parts.append(text(at_x(points[-1][0]) + 9, place + 4, name, anchor="start", colour=colour,
                          more=' font-weight="600"'))
    return parts


def end_labels(places, apart=15):
    """Returns the places, moved apart so that labels do not overlap."""
    moved, last = {}, -math.inf
    for index in sorted(range(len(places)), key=places.__getitem__):
        last = moved[index] = max(places[index], last + apart)
    return [moved[index] for index in range(len(places))]


def svg(width, height, words, parts):
    """Returns the complete picture; `words` is its description for screen readers."""
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" font-family="system-ui, -apple-system, Segoe UI, sans-serif">\n'
            f"<title>{escape(words)}</title>\n" + "\n".join(parts) + "\n</svg>\n")
