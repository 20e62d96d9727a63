"""A reliability plot as SVG: the share of right words over their confidence, before and after calibration. Pure."""

from collections.abc import Sequence

from scripts.confidence.fitting import Bin

_SIDE, _MARGIN = 360, 48


def reliability_plot(before: Sequence[Bin], after: Sequence[Bin], title: str) -> str:
    """Draw two lines and the diagonal on which confidence is the share of right words; ``title`` may be any text."""
    size = _SIDE + 2 * _MARGIN
    ticks = "".join(
        f'<text x="{_x(share):g}" y="{_y(0) + 18:g}" text-anchor="middle">{share:g}</text>'
        f'<text x="{_x(0) - 8:g}" y="{_y(share) + 4:g}" text-anchor="end">{share:g}</text>'
        f'<path d="M{_x(share):g} {_y(0):g}V{_y(1):g}M{_x(0):g} {_y(share):g}H{_x(1):g}" stroke="#ddd"/>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" width="{size}" height="{size}" '
        'font-family="sans-serif" font-size="12" fill="#222">'
        f'<rect width="{size}" height="{size}" fill="#fff"/><title>{_escaped(title)}</title>{ticks}'
        f'<text x="{size / 2:g}" y="20" text-anchor="middle" font-weight="bold">{_escaped(title)}</text>'
        f'<text x="{size / 2:g}" y="{size - 8}" text-anchor="middle">confidence</text>'
        f'<text transform="translate(14 {size / 2:g}) rotate(-90)" text-anchor="middle">share of right words</text>'
        f'<path d="M{_x(0):g} {_y(0):g}L{_x(1):g} {_y(1):g}" stroke="#888" stroke-dasharray="4 4"/>'
        f"{_line(before, '#b25b00', 'as decoded', 0)}{_line(after, '#00695c', 'calibrated, held out', 1)}</svg>\n"
    )


def _line(found: Sequence[Bin], colour: str, label: str, row: int) -> str:
    points = " ".join(f"{_x(each.probability):.1f},{_y(each.right):.1f}" for each in found)
    dots = "".join(
        f'<circle cx="{_x(each.probability):.1f}" cy="{_y(each.right):.1f}" r="3.5"><title>{each.n_words} words</title>'
        "</circle>"
        for each in found
    )
    return (
        f'<g fill="{colour}"><polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'
        f'<text x="{_x(0) + 10:g}" y="{_y(1) + 18 + 16 * row:g}">{label}</text></g>'
    )


def _x(share: float) -> float:
    return _MARGIN + _SIDE * share


def _y(share: float) -> float:
    return _MARGIN + _SIDE * (1 - share)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
