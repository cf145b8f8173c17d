"""The palette: what is written or drawn in it reads on every background that viewers have."""

import re
from io import BytesIO

import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from tunix_rt_nb import report
from tunix_rt_nb.report import plots, theme

WHITE = "#ffffff"
GROUNDS = {  # of the outputs of notebooks
    "JupyterLab, Kaggle and GitHub, light": WHITE,
    "JupyterLab, dark": "#111111",
    "GitHub, dark": "#0d1117",
    "VS Code, dark": "#1f1f1f",
    "Kaggle, dark": "#212121",
}


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def on(ground: str, tint: str) -> str:
    """Return the colour of a ground under a translucent tint, as #rrggbb."""
    *rgb, alpha = map(float, re.findall(r"[\d.]+", tint))
    mixed = [255 * (1 - alpha) * a + alpha * b for a, b in zip(to_rgb(ground), rgb, strict=True)]
    return "#" + "".join(f"{round(c):02x}" for c in mixed)


@pytest.mark.parametrize("ground", GROUNDS.values(), ids=GROUNDS)
def test_curves_and_texts_of_pictures_read_on_every_ground(ground: str) -> None:
    for colour in (*theme.SERIES, plots.BEFORE):
        assert contrast(colour, ground) >= 3  # WCAG AA for graphics
    assert contrast(theme.INK, ground) >= 3.9


def test_no_grey_has_more_contrast_on_white_and_on_dark_than_the_one_of_texts() -> None:
    greys = [f"#{n:02x}{n:02x}{n:02x}" for n in range(256)]
    best = max(min(contrast(grey, WHITE), contrast(grey, "#212121")) for grey in greys)
    assert best < 4.5  # so no picture can have 4.5 on both
    assert min(contrast(theme.INK, WHITE), contrast(theme.INK, "#212121")) > best - 0.1


@pytest.mark.parametrize("shade", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_texts_of_pages_have_the_contrast_of_wcag_aa_on_plain_and_on_tinted_grounds(
    shade: dict[str, str],
) -> None:
    for name in ("text", "good", "bad", "muted"):
        assert contrast(shade[name], shade["page"]) >= 4.5
    for tint in (theme.TRAINED, theme.READ, theme.WRONG):
        assert contrast(shade["text"], on(shade["page"], tint)) >= 4.5


@pytest.mark.parametrize("ground", GROUNDS.values(), ids=GROUNDS)
def test_the_tints_of_notebooks_show_and_leave_their_text_readable(ground: str) -> None:
    text = "#000000" if ground == WHITE else "#d4d4d4"
    for tint in (theme.TRAINED, theme.READ, theme.WRONG):
        assert contrast(text, on(ground, tint)) >= 4.5
        assert on(ground, tint) != ground


def test_every_property_is_defined_for_light_and_for_dark() -> None:
    root, dark, lab, lab_dark = (
        set(re.findall(r"--trnb-[\w-]+", x)) for x in theme.CSS.split("\n")
    )
    assert dark == lab == lab_dark and dark < root
    assert {f"--trnb-series-{n}" for n in range(1, 7)} < root
    assert {f"--trnb-{name}" for name in ("good", "bad", "muted", "line")} < dark
    assert 'body[data-jp-theme-light="false"], body.vscode-dark' in theme.CSS


def test_a_picture_is_transparent_and_twice_as_fine_as_it_is_shown() -> None:
    shown = report.loss_plot([{"step": n, "loss": 1.0} for n in (1, 2)])
    found = imread(BytesIO(shown.data))
    assert not found[0, :, 3].any()
    assert found.shape[1] == 2 * shown.width
    assert shown.alt == "Training loss and held-out loss by step"


def test_what_is_drawn_elsewhere_keeps_its_colours() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    report.loss_plot([])
    assert dict(matplotlib.rcParams) == before


def test_an_svg_in_a_page_follows_its_theme() -> None:
    plain = plots.svg(plots.loss_axes([{"step": 1, "loss": 1.0}]))
    followed = theme.adaptive(plain).decode()
    assert theme.INK in plain.decode() and theme.INK not in followed
    assert "currentColor" in followed and followed.count("prefers-color-scheme:dark") == 1
    assert followed.index("<style>") > followed.index("<svg")
