# SPDX-License-Identifier: Apache-2.0
"""Centrelines: known curves found again, frames, projection and its inverse."""

import nibabel as nb
import numpy as np
import pytest

from spinalprep.anatomy.centerline import (
    Centerline,
    point_at_height,
    slice_centroids,
    superior_axis,
)
from spinalprep.anatomy.warps import grid_points


def bent(arc, radius=70.0):
    """Circle in the sagittal plane, through the origin, running up."""
    angle = np.asarray(arc) / radius
    return np.stack([0 * angle, radius * (1 - np.cos(angle)), radius * np.sin(angle)], axis=-1)


@pytest.fixture
def circle():
    return Centerline.through(bent(np.linspace(-50, 50, 101)), smooth_mm=2.0)


def tube(affine, shape, radius=5.0, lordosis=8.0, wavelength=140.0, tilt=0.15):
    """Mask of a cord with known axis x = tilt·z, y = lordosis·cos(2πz/wavelength)."""
    x, y, z = np.moveaxis(grid_points(shape, affine), -1, 0)
    dx, dy = x - tilt * z, y - lordosis * np.cos(2 * np.pi * z / wavelength)
    return np.hypot(dx, dy) < radius


def grid(spacing, extent, code='LAS'):
    affine = np.diag([*spacing, 1.0])
    shape = np.ceil(np.array(extent) / spacing).astype(int)
    affine[:3, 3] = -0.5 * np.array(spacing) * (shape - 1)
    image = nb.Nifti1Image(np.zeros(shape, np.uint8), affine)
    turn = nb.orientations.ornt_transform(
        nb.io_orientation(affine), nb.orientations.axcodes2ornt(code)
    )
    image = image.as_reoriented(turn)
    return image.affine, image.shape


@pytest.mark.parametrize('code', ['LAS', 'PSR', 'RPI'])
@pytest.mark.parametrize('spacing', [(0.8, 0.8, 0.8), (0.5, 0.5, 2.0), (2.0, 0.7, 0.7)])
def test_known_axis_is_found_in_any_orientation(code, spacing):
    affine, shape = grid(spacing, (60, 60, 120), code)
    line = Centerline.from_mask(tube(affine, shape), affine)
    z = line.points[:, 2]
    truth = np.stack([0.15 * z, 8 * np.cos(2 * np.pi * z / 140)], axis=1)
    assert np.abs(line.points[:, :2] - truth).max() < 0.25
    assert z[0] < -57
    assert z[-1] > 57


def test_mask_cut_across_the_cord_does_not_bend_the_end():
    affine, shape = grid((0.8, 0.8, 0.8), (60, 60, 120))
    mask = tube(affine, shape, tilt=0.5, lordosis=0.0)
    points = grid_points(shape, affine)
    mask &= points @ [0.447, 0, 0.894] < 40  # the plane through which the cord passes squarely
    line = Centerline.from_mask(mask, affine)
    end = line.points[line.points[:, 2] > 30]
    assert np.abs(end[:, 0] - 0.5 * end[:, 2]).max() < 0.6


def test_short_masks_are_refused():
    mask = np.zeros((10, 10, 10))
    with pytest.raises(ValueError, match='got 0'):
        Centerline.from_mask(mask, np.eye(4))
    mask[4:6, 4:6, :4] = 1
    with pytest.raises(ValueError, match='got 4'):
        Centerline.from_mask(mask, np.eye(4))


def test_arc_length_and_tangents_of_a_circle(circle):
    assert circle.length == pytest.approx(100, abs=0.3)
    middle = circle.frames_at([circle.length / 2])[0]
    np.testing.assert_allclose(middle, [[1, 0, 0], [0, 1, 0], [0, 0, 1]], atol=0.01)
    frames = circle.frames
    products = frames @ frames.transpose(0, 2, 1)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), products.shape), atol=1e-12)
    inner = circle.curvature[20:-20]
    np.testing.assert_allclose(np.linalg.norm(inner, axis=1), 1 / 70, rtol=0.05)


def test_projection_is_undone(circle):
    rng = np.random.default_rng(0)
    arc = rng.uniform(-10, 110, 500)
    offset = np.column_stack([rng.uniform(-30, 30, (500, 2)), np.zeros(500)])
    world = circle.to_world(arc, offset)
    found, away = circle.project(world)
    # one foot of several, seen from beyond the ends of a bent curve, is ambiguous
    sure = (arc > 0) & (arc < 100)
    np.testing.assert_allclose(found[sure], arc[sure], atol=0.02)
    np.testing.assert_allclose(away[sure], offset[sure], atol=0.02)
    np.testing.assert_allclose(circle.to_world(found, away), world, atol=1e-6)


def test_projection_matches_the_circle(circle):
    angle = np.radians([-20, 0, 10, 30])
    for radius in (30.0, 70.0, 110.0):  # inner side, on the curve, outer side
        points = np.stack(
            [5 + 0 * angle, 70 - radius * np.cos(angle), radius * np.sin(angle)], axis=-1
        )
        arc, offset = circle.project(points)
        np.testing.assert_allclose(arc - circle.length / 2, 70 * angle, atol=0.1)
        np.testing.assert_allclose(offset[:, 0], 5, atol=0.05)
        np.testing.assert_allclose(offset[:, 1], 70 - radius, atol=0.1)


def test_stretch_vanishes_at_the_centre_of_curvature(circle):
    arc = np.full(3, circle.length / 2)
    offset = np.array([[0, 0, 0], [0, 35.0, 0], [0, 75.0, 0]])
    np.testing.assert_allclose(circle.stretch(arc, offset), [1, 0.5, -0.07], atol=0.03)


def test_the_curve_goes_on_straight_beyond_its_ends(circle):
    below, above = circle.at([-10, circle.length + 10])
    np.testing.assert_allclose(below, circle.points[0] - 10 * circle.tangents[0])
    np.testing.assert_allclose(above, circle.points[-1] + 10 * circle.tangents[-1])
    arc, _ = circle.project([below, above])
    np.testing.assert_allclose(arc, [-10, circle.length + 10], atol=1e-6)


def test_direction_of_the_points_does_not_matter():
    points = bent(np.linspace(-50, 50, 101))
    up, down = Centerline.through(points), Centerline.through(points[::-1])
    np.testing.assert_allclose(up.points, down.points, atol=1e-6)
    assert up.points[0, 2] < up.points[-1, 2]


def test_slices_from_below_with_their_centroids():
    affine, shape = grid((1, 1, 1), (20, 20, 12), 'RPI')
    mask = np.zeros(shape)
    mask[3:5, 6:8, 2:9] = 1
    slices, centroids = slice_centroids(mask, affine)
    assert superior_axis(affine) == (2, -1)
    assert slices.tolist() == list(range(8, 1, -1))
    assert (np.diff(centroids[:, 2]) == 1).all()
    np.testing.assert_allclose(centroids[0], affine @ [3.5, 6.5, 8, 1] @ np.eye(4)[:, :3])
    assert len(slice_centroids(0 * mask, affine)[0]) == 0


def test_point_at_height():
    mask = np.zeros((20, 20, 30), np.uint8)
    for k in range(5, 25):
        mask[4 + k // 5, 9:12, k] = 1
    affine = np.diag([-2.0, 1.0, 3.0, 1.0])
    affine[:3, 3] = 10.0, -5.0, -20.0
    point = point_at_height(mask, affine, 22.0)
    assert point == pytest.approx([10 - 2 * 6, 5.0, 22.0])
    assert point_at_height(mask, affine, -20 + 3 * 4) is None
    assert point_at_height(mask, affine, -20 + 3 * 24 + 1.4) is not None
    assert point_at_height(mask, affine, -20 + 3 * 24 + 1.6) is None
    assert point_at_height(np.zeros_like(mask), affine, 0.0) is None
