# SPDX-License-Identifier: Apache-2.0
"""Planes perpendicular to a curve, on analytic images."""

import nibabel as nib
import numpy as np
import pytest

from spinalprep.anatomy.centerline import Centerline
from spinalprep.anatomy.planes import (
    ANGLES,
    N_ANGLES,
    Sampler,
    contour_area,
    contour_centroid,
    fill_contours,
    polar_planes,
)

AFFINE = nib.affines.from_matvec(np.diag([-0.8, 0.9, 1.1]), [20.0, -22.0, -30.0])
SHAPE = (50, 50, 60)


def arch(radius=90.0):
    """Circular arc in the sagittal plane, upwards."""
    turn = np.linspace(-0.3, 0.3, 120)
    points = np.stack(
        [np.zeros(120), radius * (np.cos(turn) - 0.98), radius * np.sin(turn)], axis=1
    )
    return Centerline.through(points, smooth_mm=1.0)


def ellipse(a, b):
    return a * b / np.hypot(b * np.cos(ANGLES), a * np.sin(ANGLES))


def world_image(function):
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing='ij'), -1)
    return function(nib.affines.apply_affine(AFFINE, index))


def test_sampler_interpolates_in_world_coordinates_and_knows_its_limits():
    image = world_image(lambda w: 3 * w[..., 0] - w[..., 1] + 0.5 * w[..., 2])
    points = np.array([[0.3, 1.7, 2.2], [-5.0, 4.0, -11.0], [200.0, 0.0, 0.0]])
    values = Sampler(image, AFFINE)(points)
    np.testing.assert_allclose(values[:2], points[:2] @ [3, -1, 0.5], atol=1e-3)
    assert np.isnan(values[2])


def test_sampler_of_a_box_agrees_with_that_of_the_image():
    image = np.random.default_rng(0).normal(size=SHAPE)
    points = np.random.default_rng(1).uniform(-4, 4, (50, 3))
    boxed = Sampler.around(image, AFFINE, points, 2.0)
    assert boxed.image.size < image.size / 4
    np.testing.assert_allclose(boxed(points), Sampler(image, AFFINE)(points), rtol=1e-5)


def test_planes_show_right_anterior_and_up():
    line = arch()
    arcs = np.array([5.0, 20.0, 40.0])
    radii = np.array([0.0, 2.0, 4.0])
    height = polar_planes(Sampler(world_image(lambda w: w[..., 0]), AFFINE), line, arcs, radii)
    assert height.shape == (3, N_ANGLES, 3)
    np.testing.assert_allclose(height, radii * np.cos(ANGLES)[:, None] + 0 * height, atol=0.02)
    depth = polar_planes(Sampler(world_image(lambda w: w[..., 1]), AFFINE), line, arcs, radii)
    anterior = depth[:, N_ANGLES // 4, 2] - depth[:, N_ANGLES // 4, 0]
    assert (anterior > 3.7).all()


def test_planes_outside_the_image_are_nan():
    line = arch()
    planes = polar_planes(
        Sampler(np.ones(SHAPE), AFFINE), line, np.array([-30.0, 20.0]), np.array([1.0])
    )
    assert np.isnan(planes[0]).all()
    assert np.isfinite(planes[1]).all()


def test_area_and_centroid_of_a_contour():
    around = ellipse(6.0, 4.0)
    assert contour_area(around[None])[0] == pytest.approx(np.pi * 24, rel=0.01)
    np.testing.assert_allclose(contour_centroid(around[None])[0], 0, atol=1e-9)
    # the same circle seen from a point 1 mm to its left
    shifted = np.cos(ANGLES) + np.sqrt(np.cos(ANGLES) ** 2 + 24.0)
    np.testing.assert_allclose(contour_centroid(shifted[None])[0], [1.0, 0.0], atol=0.02)


def test_filled_contours_have_the_right_volume_and_place():
    line = arch()
    arcs = np.arange(0.0, line.length, 1.0)
    contours = np.tile(ellipse(6.0, 4.0), (len(arcs), 1))
    mask = fill_contours(SHAPE, AFFINE, line, arcs, contours, (10.0, 40.0))
    assert mask.sum() * 0.8 * 0.9 * 1.1 == pytest.approx(np.pi * 24 * 30, rel=0.02)
    arc, offset = line.project(nib.affines.apply_affine(AFFINE, np.argwhere(mask)))
    assert arc.min() >= 10 - 1e-6
    assert arc.max() <= 40 + 1e-6
    assert np.abs(offset[:, 0]).max() <= 6.05
    assert np.abs(offset[:, 1]).max() <= 4.05
    np.testing.assert_allclose(offset[:, :2].mean(axis=0), 0, atol=0.1)


def test_a_filled_contour_goes_on_beyond_the_ends_of_the_curve():
    line = arch()
    arcs = np.arange(10.0, 20.0, 1.0)
    mask = fill_contours(
        SHAPE, AFFINE, line, arcs, np.full((10, N_ANGLES), 4.0), (-20.0, line.length + 20)
    )
    assert mask[:, :, 0].any()
    assert mask[:, :, -1].any()
