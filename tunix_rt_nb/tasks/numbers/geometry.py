"""Polygon tasks: find the missing angle."""

import re
from typing import ClassVar

from tunix_rt_nb.tasks.gym import by_level
from tunix_rt_nb.tasks.numbers import columns
from tunix_rt_nb.tasks.numbers.digits import WholeNumber
from tunix_rt_nb.tasks.task import Line, Solution, matched

_ANGLES = r"((?:[1-9]\d{0,2}\.0°, ){1,9}[1-9]\d{0,2}\.0°)\."
_END = r"Return only the angle as your answer\.Do not give the units in your answer\."
_PROMPTS = tuple(
    re.compile(asked + _END, re.ASCII)
    for asked in (
        r"Given a convex polygon with (\d{1,2}) sides, its first (\d{1,2}) interior angles are: "
        rf"{_ANGLES} What is the measure of the remaining interior angle \(in degrees\)\?",
        r"A convex polygon has (\d{1,2}) sides\. The measures of the first (\d{1,2}) interior "
        rf"angles are: {_ANGLES} Find the measure of the last interior angle\.",
        r"Consider a convex (\d{1,2})-gon whose first (\d{1,2}) interior angles are: "
        rf"{_ANGLES} Determine the measure of the remaining angle\.",
    )
)


class SimpleGeometry(WholeNumber):
    """The last angle of a convex polygon: the sum of all angles minus the known ones."""

    name = "simple_geometry"
    about = "the missing angle of a triangle (medium: of a quadrilateral, hard: 5 or 6 sides)"
    # These limits on the known angles keep the missing one below 180 degrees, as it must be.
    settings: ClassVar = by_level(
        min_sides=(3, 4, 5), max_sides=(3, 4, 6), min_angle=(10, 61, 109), max_angle=(89, 119, 143)
    )

    def read(self, prompt: str) -> tuple[int, ...]:
        match = matched(prompt, "asks for no angle of a polygon", *_PROMPTS)
        angles = tuple(int(angle.removesuffix(".0°")) for angle in match[3].split(", "))
        if [match[1], match[2]] != [str(len(angles) + 1), str(len(angles))]:
            raise ValueError(f"the angles listed do not fit the numbers given: {prompt[:80]!r}")
        if max(angles) >= 180 or not 0 < _total(angles) - sum(angles) < 180:
            raise ValueError(f"no convex polygon has these angles: {prompt[:80]!r}")
        return angles

    def solve(self, problem: tuple[int, ...], grain: str) -> Solution:
        sides, total = len(problem) + 1, _total(problem)
        angles = f"({sides}-2)*180={total}."
        lines: list[Line] = [
            ("total", f"All {sides} angles: {angles}", f"The {sides} angles sum to {angles}")
        ]
        known, *rest = problem
        for angle in rest:
            lines += columns.add(known, angle, grain)
            known += angle
        return Solution(lines + columns.subtract(total, known, grain), str(total - known))

    def space(self) -> int | None:
        settings = self.settings[self.difficulty]
        angles = settings["max_angle"] - settings["min_angle"] + 1
        # With 5 sides, some draws of known angles leave nothing for the last: not counted.
        return None if self.difficulty == "hard" else int(angles ** (settings["max_sides"] - 1))


def _total(angles: tuple[int, ...]) -> int:
    """Return the sum of all angles of a polygon, given all angles but one."""
    return (len(angles) - 1) * 180
