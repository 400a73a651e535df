"""A picture of lines on two logarithmic axes, as SVG, with nothing but text."""
import math

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 80, 250, 50, 60
COLOURS = ("#0b62a4", "#c0392b", "#1e8449", "#7d3c98", "#b9770e")
MARKS = ("circle", "square", "diamond", "up", "down")
LABEL_GAP = 18                  # between two names at the right edge


def log_log(title, across, up, lines):
    """lines: (name, [(x, y), …]), all above zero."""
    xs = [x for _, points in lines for x, _ in points]
    ys = [y for _, points in lines for _, y in points]
    x0, x1 = math.floor(math.log10(min(xs)) + 0.02), math.ceil(math.log10(max(xs)) - 0.02)
    y0, y1 = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)

    def place(x, y):
        return (LEFT + (math.log10(x) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - (math.log10(y) - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM))

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
           'font-family="sans-serif" font-size="13" fill="#222">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
           f'<text x="{LEFT}" y="28" font-size="18" font-weight="bold">{title}</text>']
    out += grid(place, x0, x1, y0, y1)
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 15}" text-anchor="middle">{across}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'<text x="20" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 20 {middle:.0f})">{up}</text>')
    labels = apart([place(*points[-1])[1] for _, points in lines])
    for (name, points), colour, shape, label in zip(lines, COLOURS, MARKS, labels):
        places = [place(x, y) for x, y in points]
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
        out += [mark(shape, x, y, colour) for x, y in places]
        end = places[-1]
        out.append(f'<path d="M{end[0] + 6:.1f} {end[1]:.1f} L{end[0] + 18:.1f} {label:.1f}" stroke="{colour}" fill="none"/>')
        out.append(f'<text x="{end[0] + 22:.1f}" y="{label + 4:.1f}" fill="{colour}">{name}: {short(points[-1][1])}</text>')
    out.append("</svg>\n")
    return "\n".join(out)


def grid(place, x0, x1, y0, y1):
    out = []
    for power in range(x0, x1 + 1):
        x, bottom = place(10.0 ** power, 10.0 ** y0)
        top = place(10.0 ** power, 10.0 ** y1)[1]
        out.append(f'<path d="M{x:.1f} {bottom:.1f} V{top:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 20:.1f}" text-anchor="middle">{10 ** power:,}</text>')
    for power in range(y0, y1 + 1):
        left, y = place(10.0 ** x0, 10.0 ** power)
        right = place(10.0 ** x1, 10.0 ** power)[0]
        out.append(f'<path d="M{left:.1f} {y:.1f} H{right:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{short(10.0 ** power)}</text>')
    return out


def mark(shape, x, y, colour):
    paths = {"square": "M-4 -4 H4 V4 H-4 Z", "diamond": "M0 -5 L5 0 L0 5 L-5 0 Z", "up": "M0 -5 L5 4 H-5 Z", "down": "M0 5 L5 -4 H-5 Z"}
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    return f'<path d="{paths[shape]}" transform="translate({x:.1f} {y:.1f})" fill="{colour}"/>'


def apart(heights):
    """The same heights, moved until no two are closer than a line of text."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    out = list(heights)
    for before, i in zip(order, order[1:]):
        out[i] = max(out[i], out[before] + LABEL_GAP)
    for i, after in zip(reversed(order[:-1]), reversed(order[1:])):
        out[i] = min(out[i], max(out[after] - LABEL_GAP, heights[i]))
    return out


def short(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"
