# SPDX-License-Identifier: Apache-2.0
"""Numbers of the evidence where they are known: synthetic cords, phantoms, moved fields."""

import nibabel as nb
import numpy as np
import pytest
from scipy import ndimage

from spinalprep.anatomy.evidence import CordSpace
from spinalprep.anatomy.quality import substeps
from spinalprep.anatomy.quality.cord import canal_numbers, cord_numbers, grid_distance
from spinalprep.anatomy.quality.descent import Descents, numbering_shift
from spinalprep.anatomy.quality.edges import edge_numbers, side_edges
from spinalprep.anatomy.quality.field import folding_numbers, rotation_numbers
from spinalprep.anatomy.quality.rootlets import rootlet_numbers
from spinalprep.anatomy.quality.spine import (
    SPACING_MM,
    disc_map_distance,
    disc_numbers,
    numbering_seen,
    spacing_ratio,
    vertebra_numbers,
)
from spinalprep.anatomy.quality.view import (
    brain_kept,
    cord_snr,
    crop_numbers,
    ghost_correlation,
    image_numbers,
)
from spinalprep.anatomy.warps import DisplacementField
from spinalprep.embedded.phantom import PhantomParams, make_phantom

SHAPE = (40, 44, 60)
SPACINGS = [(1.0, 1.0, 1.0), (0.5, 0.5, 2.0), (2.0, 0.5, 0.5)]
ORDERS = [(0, 1, 2), (2, 0, 1)]


def cylinder(spacing=(1.0, 1.0, 1.0), radius=4.0, centre=(0.0, 0.0), order=(0, 1, 2)):
    """Straight cord of 60 mm and its affine; the array's axes in any order."""
    size = np.round(np.array([40, 44, 60]) / spacing).astype(int)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-20, -22, -30]
    places = np.stack(np.meshgrid(*map(np.arange, size), indexing='ij'), -1) * spacing
    places = places + affine[:3, 3]
    away = np.hypot(places[..., 0] - centre[0], places[..., 1] - centre[1])
    columns = [*order, 3]
    return np.transpose(away, order), affine[:, columns], radius


def cord(**options):
    away, affine, radius = cylinder(**options)
    return away <= radius, affine


def image_of(away):
    """Cord 1, CSF 2, bone 0.5, with soft edges."""
    soft = ndimage.gaussian_filter(np.where(away <= 4, 1.0, np.where(away <= 8, 2.0, 0.5)), 0.4)
    return (100 * soft).astype(np.float32)


# the crop and the image


@pytest.mark.parametrize(('order', 'turned'), [((0, 1, 2), False), ((2, 0, 1), True)])
def test_all_of_the_cord_in_the_crop(order, turned):
    mask, affine = cord(order=order)
    axis = order.index(2)
    where = [slice(None)] * 3
    where[axis] = slice(0, 20)  # the cord ends 20 mm above the bottom
    mask[tuple(where)] = False
    box = [(5, size - 4) for size in mask.shape]
    box[axis] = (6, mask.shape[axis] - 1)
    if turned:  # stored from head to foot
        mask = np.flip(mask, axis)
        affine = affine @ nb.orientations.inv_ornt_aff(
            [[n, -1 if n == axis else 1] for n in range(3)], mask.shape
        )
        box[axis] = (0, mask.shape[axis] - 1 - 6)
    assert crop_numbers(mask, affine, box) == {
        'cord_slices': 40.0,
        'cord_mm': pytest.approx(40.0),
        'cord_cut_fraction': 0.0,
        'cord_at_edge_slices': 0.0,
        'below_cord_mm': 14.0,
    }


@pytest.mark.parametrize('order', ORDERS)
def test_a_crop_that_cuts_is_measured(order):
    mask, affine = cord(order=order)
    box = [(0, size - 1) for size in mask.shape]
    axis = order.index(0)
    box[axis] = (20, mask.shape[axis] - 1)  # x ≥ 0: the middle of the cord
    cut = crop_numbers(mask, affine, box)
    assert cut['cord_cut_fraction'] == pytest.approx(0.5, abs=0.1)
    box[axis] = (0, mask.shape[axis] - 1)
    assert crop_numbers(mask, affine, box)['cord_cut_fraction'] == 0


def test_cord_at_the_side_of_the_image():
    mask, affine = cord(centre=(-18.0, 0.0))
    numbers = crop_numbers(mask, affine, [(0, size - 1) for size in mask.shape])
    assert (numbers['cord_cut_fraction'], numbers['cord_at_edge_slices']) == (0.0, 60.0)


def test_height_above_c1():
    discs = {3: np.array([0.0, 0, 0]), 4: np.array([0.0, 0, -16]), 5: np.array([0.0, 0, -32])}
    affine = np.eye(4)
    affine[2, 3] = -50
    # the upper face of the image is at 49.5 + 0.5, C1's top at 2.2 · 16
    assert brain_kept(discs, affine, (10, 10, 100)) == pytest.approx(49.5 - 35.2)
    assert brain_kept({4: discs[4], 5: discs[5]}, affine, (10, 10, 100)) is None


@pytest.mark.parametrize('snr', [4.0, 20.0])
def test_noise(snr):
    mask, affine = cord(radius=6.0)
    noise = np.random.default_rng(0).normal(0, 100 / snr, mask.shape)
    assert cord_snr(100 + noise, affine, mask) == pytest.approx(snr, rel=0.1)


@pytest.mark.parametrize('axis', [0, 1, 2])
def test_a_ghost_is_seen_along_each_axis_and_anatomy_is_none(axis):
    made = make_phantom(PhantomParams(seed=5, voxel_mm=(1.5, 1.5, 1.5), bottom_level=9))
    image = np.asarray(made.image.dataobj, np.float32)
    assert abs(ghost_correlation(image, made.affine)) < 0.05
    moved = np.roll(image, image.shape[axis] // 2, axis)
    assert ghost_correlation(image + 0.2 * moved, made.affine) > 0.12


# the cord


@pytest.mark.parametrize('spacing', SPACINGS)
@pytest.mark.parametrize('order', ORDERS)
def test_a_good_mask_has_nothing_to_tell(spacing, order):
    mask, affine = cord(spacing=spacing, order=order)
    numbers = cord_numbers(mask, affine, (25, 130))
    assert numbers['cord_gap_slices'] == numbers['cord_pieces'] == 0
    assert numbers['centreline_jump_mm'] < 0.01
    assert numbers['area_outside_fraction'] == 0
    assert numbers['area_jump'] < 0.01


def test_gaps_jumps_pieces_and_areas():
    mask, affine = cord()
    gap = mask.copy()
    gap[:, :, 30:34] = False
    assert cord_numbers(gap, affine, (25, 130))['cord_gap_slices'] == 4
    jump = mask.copy()
    jump[:, :, 30] = np.roll(mask[:, :, 30], 3, axis=0)
    assert cord_numbers(jump, affine, (25, 130))['centreline_jump_mm'] == pytest.approx(3, abs=0.1)
    upside_down = affine @ np.diag([1, 1, -1, 1])  # stored from head to foot
    upside_down[2, 3] = 30
    turned = cord_numbers(jump, upside_down, (25, 130))
    assert turned['centreline_jump_mm'] == pytest.approx(3, abs=0.1)
    piece = mask.copy()
    piece[2:6, 2:6, 20:40] = True
    assert cord_numbers(piece, affine, (25, 130))['cord_pieces'] == 1
    wide = mask | (cord(radius=7.0)[0] & (np.arange(60) >= 30))
    numbers = cord_numbers(wide, affine, (25, 130))
    assert numbers['area_outside_fraction'] == pytest.approx(0.5, abs=0.05)
    assert numbers['area_jump'] > 0.4


def test_the_canal_holds_the_cord():
    mask, affine = cord()
    canal, _ = cord(radius=8.0)
    numbers = canal_numbers(mask, canal, affine)
    assert numbers['cord_outside_canal'] == numbers['canal_contact'] == 0
    assert numbers['canal_offset_mm'] < 0.01
    beside, _ = cord(radius=8.0, centre=(3.0, 0.0))
    assert canal_numbers(mask, beside, affine)['canal_offset_mm'] == pytest.approx(3, abs=0.2)
    full = mask | (canal & (np.arange(60) >= 25) & (np.arange(60) < 40))
    assert canal_numbers(full, canal, affine)['canal_contact'] > 0.8
    away, _ = cord(centre=(10.0, 0.0))
    assert canal_numbers(away, canal, affine)['cord_outside_canal'] > 0.5


@pytest.mark.parametrize('spacing', SPACINGS)
@pytest.mark.parametrize('order', ORDERS)
def test_edges_tell_size_and_place_of_a_mask(spacing, order):
    away, affine, _ = cylinder(spacing=spacing, order=order)
    image, coarse = image_of(away), max(spacing)
    good = edge_numbers(image, away <= 4, affine, csf_is_bright=True)
    assert abs(good['edge_size_mm']) < 0.3 * coarse
    assert good['edge_shift_mm'] < 0.3 * coarse
    small = edge_numbers(image, away <= 2.5, affine, csf_is_bright=True)
    assert small['edge_size_mm'] == pytest.approx(1.5, abs=0.4 * coarse)
    large = edge_numbers(image, away <= 5.5, affine, csf_is_bright=True)
    assert large['edge_size_mm'] == pytest.approx(-1.5, abs=0.4 * coarse)
    beside = cylinder(spacing=spacing, order=order, centre=(0.0, 2.0))[0] <= 4
    assert edge_numbers(image, beside, affine, csf_is_bright=True)['edge_shift_mm'] == (
        pytest.approx(2, abs=0.5 * coarse)
    )


def test_edges_on_the_right_lie_on_the_right():
    away, affine, _ = cylinder()
    mask = cylinder(centre=(2.0, 0.0))[0] <= 4  # the mask lies 2 mm to the right
    edges = side_edges(image_of(away), mask, affine, csf_is_bright=True)
    assert edges['right'] < -1
    assert edges['left'] > 1


def test_no_csf_is_no_edge():
    away, affine, _ = cylinder()
    flat = np.full(away.shape, 100, np.float32)
    assert edge_numbers(flat, away <= 4, affine, csf_is_bright=True) == {
        'edge_size_mm': None, 'edge_shift_mm': None,
    }  # fmt: skip


def test_voxels_without_a_value_spoil_no_number():
    away, affine, _ = cylinder()
    image = image_of(away) + np.random.default_rng(0).normal(0, 2, away.shape)
    holes = np.where(away > 15, np.nan, image)
    holes[20, 22, 30] = np.nan  # in the cord
    for numbers in (image_numbers, lambda *args: edge_numbers(*args[:1], args[2], affine, True)):
        whole, torn = (numbers(values, affine, away <= 4) for values in (image, holes))
        assert whole == pytest.approx(torn, abs=0.1, rel=0.05)


def test_grids():
    affine = np.diag([1.0, 1, 2, 1])
    assert grid_distance(affine, (5, 6, 7), affine, (5, 6, 7)) == 0
    moved = affine.copy()
    moved[1, 3] = 0.3
    assert grid_distance(affine, (5, 6, 7), moved, (5, 6, 7)) == pytest.approx(0.3)
    assert grid_distance(affine, (5, 6, 7), affine, (5, 6, 8)) == np.inf
    mask, affine = cord()
    numbers = substeps.segmentation(
        mask * 1.0, mask, None, affine, grids=[(affine, (1, 2, 3))], area_mm2=(25, 130),
        csf_is_bright=True,
    )  # fmt: skip
    assert numbers == {'grid_mm': np.inf}


# vertebrae and discs


@pytest.fixture(scope='module')
def made():
    return make_phantom(PhantomParams(seed=3, voxel_mm=(1.5, 1.5, 1.5), bottom_level=10.2))


@pytest.fixture(scope='module')
def space(made):
    return CordSpace.of(made.cord, made.affine, made.disc_points)


def test_true_labels_have_nothing_to_tell(made, space):
    labels = made.totalspineseg.astype(int)
    numbers = substeps.labels(
        made.cord > 0, labels, made.disc_points, made.affine, rootlets=False, given=False
    )
    assert numbers['axis_height'] > 1.5
    assert numbers['disc_spacing'] < 1.3
    assert numbers['disc_map_mm'] < 3
    assert numbers['map_cord_dice'] == 1
    assert numbers['numbering_seen'] == 1
    assert numbers['brain_kept_mm'] == pytest.approx(40, abs=8)
    for name in (
        'vertebra_order_breaks', 'vertebrae_missing', 'vertebrae_doubled', 'disc_order_breaks',
        'discs_missing',
    ):  # fmt: skip
        assert numbers[name] == 0, name


def test_vertebrae_swapped_missing_doubled_and_shifted(made):
    labels = made.totalspineseg.astype(int)
    swapped = labels.copy()
    swapped[labels == 14], swapped[labels == 15] = 15, 14
    assert vertebra_numbers(swapped, made.affine)['vertebra_order_breaks'] == 1
    missing = np.where(labels == 15, 0, labels)
    assert vertebra_numbers(missing, made.affine)['vertebrae_missing'] == 1
    doubled = np.where(labels == 17, 14, labels)
    assert vertebra_numbers(doubled, made.affine)['vertebrae_doubled'] == 1
    up = np.select([labels == 12, labels == 13, labels == 14], [11, 12, 13], labels)
    assert vertebra_numbers(up, made.affine)['axis_height'] < 1.3
    down = np.select([labels == 11, labels == 12, labels == 13], [12, 13, 14], labels)
    assert vertebra_numbers(down, made.affine)['axis_height'] < 1.3


def test_an_axis_cut_by_the_end_of_the_image_is_not_too_low(made):
    labels = made.totalspineseg.astype(int)
    top = np.argwhere(labels == 12)[:, 2].min() + 2
    assert vertebra_numbers(labels[:, :, :top], made.affine)['axis_height'] is None
    bottom = np.argwhere(labels == 13)[:, 2].min() + 2
    assert vertebra_numbers(labels[:, :, bottom:], made.affine)['axis_height'] is None


def test_discs_swapped_missing_and_off(made, space):
    discs = {value: point for value, point in made.disc_points.items() if value >= 3}
    line = space.centerline
    assert disc_numbers(discs | {5: discs[6], 6: discs[5]}, line)['disc_order_breaks'] == 1
    gone = {value: point for value, point in discs.items() if value != 6}
    assert disc_numbers(gone, line)['discs_missing'] == 1
    near = discs | {6: 0.2 * discs[6] + 0.8 * discs[5]}
    assert disc_numbers(near, line)['disc_spacing'] > 1.6
    labels = made.totalspineseg.astype(int)
    shifted = {value - 1: point for value, point in discs.items()}
    assert disc_map_distance(shifted, labels, made.affine) > 8


def test_spacing_does_not_mind_tall_people():
    reference = {3: 0.0, 4: -SPACING_MM[3], 5: -SPACING_MM[3] - SPACING_MM[4]}
    tall = {value: 1.3 * height for value, height in reference.items()}
    assert spacing_ratio(tall, reference) == pytest.approx(1)
    assert spacing_ratio(reference, {3: 0.0, 4: -1.0}) is None
    assert spacing_ratio({3: 0.0, 4: 2.0, 5: -9.0}, reference) == np.inf


def test_numbering_is_seen_by_c2_and_c3_or_rootlets(made):
    labels = made.totalspineseg.astype(int)
    assert numbering_seen(labels, made.affine, rootlets=False) == 1
    low = np.where(labels == 12, 0, labels)
    assert numbering_seen(low, made.affine, rootlets=False) == 0
    assert numbering_seen(None, made.affine, rootlets=False) == 0
    assert numbering_seen(None, made.affine, rootlets=True) == 1


# rootlets


def test_true_rootlets_have_nothing_to_tell(made):
    numbers = rootlets_of(made, made.rootlets)
    assert numbers['rootlet_order_breaks'] == numbers['rootlet_levels_missing'] == 0
    assert numbers['rootlet_spacing'] < 1.4
    assert numbers['rootlet_balance'] > 0.45
    assert 0.3 < numbers['rootlet_dorsal_fraction'] < 0.7
    assert numbers['rootlet_in_cord_fraction'] == numbers['rootlet_outside_canal'] == 0


def rootlets_of(made, rootlets, dorsal_only=False):
    return rootlet_numbers(
        rootlets.astype(int), made.cord > 0, made.canal > 0, made.affine, dorsal_only=dorsal_only
    )


def test_rootlets_on_one_side_ventral_swapped_and_missing(made, space):
    voxels = np.argwhere(made.rootlets > 0)
    _, offsets = space.centerline.project(voxels @ made.affine[:3, :3].T + made.affine[:3, 3])

    def without(where):
        left = made.rootlets.copy()
        left[tuple(voxels[where].T)] = 0
        return rootlets_of(made, left, dorsal_only=True)

    assert without(offsets[:, 0] > 0)['rootlet_balance'] == 0
    assert without(offsets[:, 1] < 0)['rootlet_dorsal_fraction'] == 0
    assert without(offsets[:, 1] < 0)['rootlet_ventral_fraction'] == 1
    assert without(offsets[:, 1] > 0)['rootlet_ventral_fraction'] == 0
    swapped = made.rootlets.copy()
    swapped[made.rootlets == 4], swapped[made.rootlets == 5] = 5, 4
    assert rootlets_of(made, swapped)['rootlet_order_breaks'] == 1
    gone = np.where(made.rootlets == 5, 0, made.rootlets)
    assert rootlets_of(made, gone)['rootlet_levels_missing'] == 1
    assert rootlets_of(made, np.zeros_like(gone))['rootlet_balance'] is None


# fields


def straight_space(**options):
    mask, affine = cord(**options)
    return CordSpace.of(mask, affine, {})


def turning(space, angle_at):
    """Field that turns space about a straight cord along z by an angle (radians) of the height."""
    points = np.stack(np.meshgrid(*map(np.arange, space.cord.shape), indexing='ij'), -1)
    points = points @ space.affine[:3, :3].T + space.affine[:3, 3]
    angle = angle_at(points[..., 2])
    turned = points.copy()
    turned[..., 0] = np.cos(angle) * points[..., 0] - np.sin(angle) * points[..., 1]
    turned[..., 1] = np.sin(angle) * points[..., 0] + np.cos(angle) * points[..., 1]
    return DisplacementField.from_vectors(turned - points, space.affine)


@pytest.mark.parametrize('spacing', SPACINGS)
@pytest.mark.parametrize('order', ORDERS)
@pytest.mark.parametrize('degrees', [0.0, 15.0, -30.0, 180.0])
def test_rotation_of_a_field(spacing, order, degrees):
    space = straight_space(spacing=spacing, order=order)
    numbers = rotation_numbers(space, space, turning(space, lambda z: np.radians(degrees) + 0 * z))
    assert numbers['rotation_deg'] == pytest.approx(abs(degrees), abs=0.5)
    found = np.array(list(numbers['slice_rotation_deg'].values()))
    assert len(found) == space.cord.shape[order.index(2)]
    if abs(degrees) < 180:
        assert found == pytest.approx(degrees, abs=0.5)


def test_rotation_of_one_stretch_is_told_by_its_slices():
    space = straight_space()
    # slice k lies at k - 30 mm
    twisted = turning(space, lambda z: np.where(z > 5, np.radians(20), 0.0))
    numbers = rotation_numbers(space, space, twisted)
    assert numbers['rotation_deg'] == pytest.approx(20, abs=0.5)
    assert numbers['slice_rotation_deg'][15] == pytest.approx(0, abs=0.5)
    assert numbers['slice_rotation_deg'][50] == pytest.approx(20, abs=0.5)


def test_neither_growth_nor_shift_is_a_rotation():
    space = straight_space()
    points = np.stack(np.meshgrid(*map(np.arange, space.cord.shape), indexing='ij'), -1)
    points = points @ space.affine[:3, :3].T + space.affine[:3, 3]
    grown = points * [1.4, 0.8, 1.0] + [1.0, -2.0, 0.0]
    field = DisplacementField.from_vectors(grown - points, space.affine)
    assert rotation_numbers(space, space, field)['rotation_deg'] == pytest.approx(0, abs=0.5)


def test_rotation_of_nowhere_is_none():
    space = straight_space()
    field = DisplacementField.from_vectors(np.full((*space.cord.shape, 3), 1e6), space.affine)
    assert rotation_numbers(space, space, field) == {
        'rotation_deg': None, 'slice_rotation_deg': {},
    }  # fmt: skip
    assert folding_numbers(field, space.cord) == {
        'folded_fraction': 0.0, 'determinant_low': None, 'determinant_high': None, 'stretch': None,
    }  # fmt: skip


@pytest.mark.parametrize('spacing', SPACINGS)
@pytest.mark.parametrize('order', ORDERS)
@pytest.mark.parametrize('factor', [0.5, 1.0, 2.0])
def test_stretch_of_a_field(spacing, order, factor):
    space = straight_space(spacing=spacing, order=order)
    points = np.stack(np.meshgrid(*map(np.arange, space.cord.shape), indexing='ij'), -1)
    points = points @ space.affine[:3, :3].T + space.affine[:3, 3]
    field = DisplacementField.from_vectors((factor - 1) * points * [0, 0, 1], space.affine)
    numbers = folding_numbers(field, space.cord)
    assert numbers['folded_fraction'] == 0
    # smoothing has less to go by at the image's ends
    assert numbers['stretch'] == pytest.approx(max(factor, 1 / factor), rel=0.1)
    assert numbers['determinant_low'] == pytest.approx(factor, rel=0.1) if factor <= 1 else True
    assert numbers['determinant_high'] == pytest.approx(factor, rel=0.1) if factor >= 1 else True


@pytest.mark.parametrize('spacing', SPACINGS)
@pytest.mark.parametrize('order', ORDERS)
def test_a_mirror_and_a_wave_fold(spacing, order):
    space = straight_space(spacing=spacing, order=order)
    points = np.stack(np.meshgrid(*map(np.arange, space.cord.shape), indexing='ij'), -1)
    points = points @ space.affine[:3, :3].T + space.affine[:3, 3]
    mirror = DisplacementField.from_vectors(points * [-2, 0, 0], space.affine)
    assert folding_numbers(mirror, space.cord)['folded_fraction'] == pytest.approx(1, abs=0.05)
    wave = 12 * np.sin(2 * np.pi * points[..., 2:] / 30) * [0, 0, 1]
    numbers = folding_numbers(DisplacementField.from_vectors(wave, space.affine), space.cord)
    assert 0.2 < numbers['folded_fraction'] < 0.6
    assert numbers['determinant_low'] < 0


# do rootlets and discs number alike?

SPACING = 16.0


def descents(offset=0.0, numbers=0, share=0.1, levels=range(3, 9), side=(True, False), noise=0.0):
    """Rootlets that enter `offset` levels lower than usual, their numbers `numbers` too high."""
    rng = np.random.default_rng(0)
    discs = {value: -SPACING * value for value in range(2, 12)}
    slopes, heights = {}, {}
    for level in levels:
        way = SPACING * (0.55 - offset)
        heights[level + numbers] = discs[level] + way
        for is_dorsal in (True, False):
            for is_right in side:
                slope = -share * way + noise * rng.standard_normal()
                slopes[level + numbers, is_dorsal, is_right] = (slope, max(noise, 0.05))
    return Descents(slopes, heights, discs)


@pytest.mark.parametrize('offset', [-1.0, -0.4, 0.0, 0.5, 1.0])
@pytest.mark.parametrize('numbers', [-1, 0, 1, 2])
def test_the_descent_of_rootlets_tells_their_numbers_whatever_the_offset(offset, numbers):
    shift = numbering_shift(descents(offset, numbers), descents())
    assert shift == pytest.approx(numbers, abs=0.05)


def test_a_few_levels_or_one_side_suffice_and_less_tells_nothing():
    template = descents()
    assert numbering_shift(descents(0.3, 1, levels=(4, 5, 6)), template) == pytest.approx(1)
    assert numbering_shift(descents(0.3, 1, side=[True]), template) == pytest.approx(1)
    assert numbering_shift(descents(0.3, 1, levels=(4, 5)), template) is None
    assert numbering_shift(descents(noise=6.0), template) is None
    assert numbering_shift(Descents({}, {}, {}), template) is None
    assert numbering_shift(descents(), Descents({}, {}, {})) is None


def test_a_level_of_odd_slope_does_not_decide():
    odd = descents(0.3)
    slopes = {q: (5 * s if q[0] == 8 else s, e) for q, (s, e) in odd.slopes.items()}
    shift = numbering_shift(Descents(slopes, odd.heights, odd.discs), descents())
    assert shift == pytest.approx(0, abs=0.05)


def test_nerves_that_do_not_descend_in_the_template_tell_nothing():
    level = descents(share=0.0)
    assert numbering_shift(descents(0.0, 1), level) is None
    mixed = dict(descents().slopes) | {q: s for q, s in level.slopes.items() if q[0] == 3}
    template = Descents(mixed, descents().heights, descents().discs)
    assert numbering_shift(descents(0.3, -1), template) == pytest.approx(-1, abs=0.05)


def test_slopes_of_rootlets_are_those_that_were_drawn():
    mask, affine = cord()
    voxels = np.argwhere(np.ones(SHAPE))
    x, y, z = (voxels @ affine[:3, :3].T + affine[:3, 3]).T
    labels = np.zeros(SHAPE, int)
    side = (np.abs(x) > 5) & (np.abs(x) < 12) & (np.abs(y + 3) < 1.5)
    for level, height in ((3, 15.0), (4, 0.0)):
        near = side & (np.abs(z - height + 0.5 * np.abs(x)) < 1.5)
        labels[tuple(voxels[near].T)] = level
    discs = {1: np.array([0, 6, 28.0]), 3: np.array([0, 6, 10.0]), 4: np.array([0, 6, -5.0])}
    found = Descents.of(labels, discs, mask, affine)
    assert found.slopes.keys() == {
        (level, True, side) for level in (3, 4) for side in (True, False)
    }
    for slope, error in found.slopes.values():
        assert slope == pytest.approx(-0.5, abs=0.05)
        assert 0 < error < 0.1
    assert found.discs.keys() == {3, 4}  # the first is extrapolated
    assert found.way(3) == pytest.approx(15 - 0.5 * 8.5 - 10, abs=0.1)
    assert found.way(4) == pytest.approx(0 - 0.5 * 8.5 + 5, abs=0.1)
    assert found.way(5) is None
    assert found.spacing(3) == pytest.approx(15, abs=0.1)
    assert found.spacing(4) == pytest.approx(15, abs=0.1)
    assert found.spacing(6) is None
    nothing = Descents.of(np.zeros(SHAPE, int), {}, mask, affine)
    assert nothing.slopes == nothing.heights == nothing.discs == {}
