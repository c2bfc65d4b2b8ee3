"""The picture of a plan: a PNG that shows its curves."""

import io

import matplotlib.image
import numpy as np

from distill.evaluation.plan_plot import Curve, kept_curves

STEEP = [Curve(0, 0, 0, 0, 0), Curve(1000, 40, 30, 50, 20)]
FLAT = [Curve(0, 0, 0, 0, 0), Curve(4000, 20, 15, 25, 10)]


def pixels(curves) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(kept_curves(curves)), format="png")


def test_two_panels_wide_and_readable():
    height, width, _ = pixels({"fixed 4": FLAT, "adaptive": STEEP}).shape
    assert width > 2 * height > 600


def test_other_figures_make_another_picture_and_the_same_make_the_same():
    one, other = {"fixed 4": FLAT}, {"fixed 4": STEEP}
    assert not np.array_equal(pixels(one), pixels(other))
    assert kept_curves(one) == kept_curves(one)


def test_a_run_that_keeps_nothing_can_be_drawn():
    assert pixels({"adaptive": [Curve(0, 0, 0, 0, 0), Curve(10, 0, 0, 0, 0)]}).size
