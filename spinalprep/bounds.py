# SPDX-License-Identifier: Apache-2.0
"""The numbers that evidence consists of, and the bounds beyond which they warn or fail.

One table: a number has its name, unit, words, default bounds and their source in one place. The
policy's section ``verdict`` is made of it, and so is the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from typing import Any

STUDY = 'fault study'
"""Source of a bound: clean phantoms stay within it, faults do not (docs/validation.md)."""

FROSTELL = 'Frostell et al. 2016, doi:10.3389/fneur.2016.00238: diameters of healthy cords'
CADOTTE = 'Cadotte et al. 2015, doi:10.3174/ajnr.A4192: vertebral and spinal levels differ'
DESIGN = 'any at all is wrong'
TOLD = 'told, not judged'

SUBSTEPS = ('S2.1', 'S2.2', 'S2.3', 'S2.4')


@dataclass(frozen=True)
class Bound:
    """A number's limits: beyond ``warn`` the verdict is WARN, beyond ``fail`` FAIL.

    ``null`` means: never.
    """

    warn: float | None
    fail: float | None


@dataclass(frozen=True)
class Number:
    """One number of the evidence."""

    name: str
    substep: str
    unit: str
    words: str
    """What its value says, with a place for it."""
    warn: float | None
    fail: float | None
    source: str
    """Where the default bounds come from."""
    doc: str
    """Definition, for the documentation."""
    low_is_bad: bool = False


NUMBERS: tuple[Number, ...] = (
    # S2.1 discovery + crop
    Number(
        'cord_slices', 'S2.1', 'slices', 'the cord was found in {:.0f} slices', None, None, TOLD,
        'Slices of the whole image in which the cord was found; `discover.min_z_slices` rejects.',
        low_is_bad=True,
    ),
    Number(
        'cord_mm', 'S2.1', 'mm', '{:.0f} mm of cord were found', None, None, TOLD,
        'Length of the cord found in the whole image, along its centreline.', low_is_bad=True,
    ),
    Number(
        'levels_in_view', 'S2.1', 'levels', '{:.0f} vertebral levels are in view', None, None,
        TOLD, 'Vertebrae of which the discs above and below are known.', low_is_bad=True,
    ),
    Number(
        'cord_cut_fraction', 'S2.1', '', '{:.1%} of the cord found lies outside the crop', 0.0,
        0.001, DESIGN, "Share of the discovery mask's voxels outside the crop box, or on its side "
        'faces.',
    ),
    Number(
        'cord_at_edge_slices', 'S2.1', 'slices', 'the cord touches the side of the image in '
        '{:.0f} slices', 0.0, 10.0, STUDY, 'Slices in which the cord touches the left, right, '
        'front or back of the image.',
    ),
    Number(
        'brain_kept_mm', 'S2.1', 'mm', 'the crop reaches {:.0f} mm above C1', 60.0, 100.0, STUDY,
        'From the top of C1 (2.2 times the mean spacing of discs above C2/C3) to the top of the '
        'crop.',
    ),
    Number(
        'below_cord_mm', 'S2.1', 'mm', 'the crop reaches {:.0f} mm below the cord', 60.0, None,
        'twice the default of `crop.inferior_mm`', 'From the lowest slice with cord to the bottom '
        'of the crop.',
    ),
    Number(
        'ghost_correlation', 'S2.1', '', 'the image repeats itself half a field of view away '
        '(correlation {:.2f})', 0.08, None, STUDY, 'Correlation of the high-passed image with '
        'itself, moved by half of its field of view along an axis, less that a few voxels beside; '
        'the largest.',
    ),
    Number(
        'cord_snr', 'S2.1', '', 'signal-to-noise ratio {:.1f} in the cord', 6.0, None, STUDY,
        'Median signal in the cord over the noise, estimated from differences of neighbouring '
        'slices.', low_is_bad=True,
    ),
    # S2.2 segmentation + labels: the cord
    Number(
        'grid_mm', 'S2.2', 'mm', 'a mask or label map lies {:.2g} mm off the grid of the image',
        0.01, 0.2, DESIGN, 'Largest distance of a corner of a product from where the cord '
        "reference's grid has it; another shape counts as infinitely far.",
    ),
    Number(
        'cord_gap_slices', 'S2.2', 'slices', 'the cord mask misses {:.0f} slices in between', 0.0,
        3.0, STUDY, 'Slices without mask between the lowest and the highest.',
    ),
    Number(
        'cord_pieces', 'S2.2', '', 'the cord mask has {:.0f} pieces beside the largest', 0.0, None,
        STUDY, 'Connected pieces of at least 5 mm³ beside the largest, gaps between slices apart.',
    ),
    Number(
        'centreline_jump_mm', 'S2.2', 'mm', 'the centre of the cord jumps {:.1f} mm', 2.0, 5.0,
        STUDY, 'Largest distance of the centre in a slice from the line through those up to 5 mm '
        'around.',
    ),
    Number(
        'area_outside_fraction', 'S2.2', '', 'the area is outside the physiological range in '
        '{:.0%} of the slices', 0.05, 0.5, FROSTELL, 'Share of slices, the ends apart, whose '
        'cross-sectional area lies outside `segmentation.area_mm2`.',
    ),
    Number(
        'area_jump', 'S2.2', '', 'the area jumps by {:.0%}', 0.35, 1.0, STUDY, 'Largest relative '
        'difference of the area in a slice from the median of those up to 10 mm around, or of '
        'the medians of 5 mm above and below it.',
    ),
    Number(
        'edge_size_mm', 'S2.2', 'mm', 'the edge of the cord lies {:.1f} mm from that of the mask',
        0.6, None, STUDY, 'Distance of the steepest change towards CSF from the edge of the mask, '
        'mean of four sides; positive where the mask is too small.',
    ),
    Number(
        'edge_shift_mm', 'S2.2', 'mm', 'the mask lies {:.1f} mm beside the cord', 0.8, 3.0, STUDY,
        'Half of the difference of those distances between opposite sides.',
    ),
    Number(
        'cord_outside_canal', 'S2.2', '', '{:.0%} of the cord mask lies outside the canal', 0.05,
        0.3, STUDY, "Share of the mask's voxels outside the canal, where the canal was found.",
    ),
    Number(
        'canal_contact', 'S2.2', '', 'the cord mask reaches the edge of the canal on {:.0%} of '
        'its outline', 0.35, None, STUDY, 'Share of the outline, per stretch of 10 mm, that lies '
        "within half a millimetre of the canal's edge; the largest.",
    ),
    Number(
        'canal_offset_mm', 'S2.2', 'mm', 'the cord lies {:.1f} mm off the middle of the canal',
        1.5, 4.0, STUDY, 'Median distance, right to left, of the centres of cord and canal.',
    ),
    # S2.2: vertebrae and discs
    Number(
        'vertebra_order_breaks', 'S2.2', '', '{:.0f} pairs of vertebrae are in the wrong order',
        None, 0.0, DESIGN, 'Neighbouring vertebrae of which the lower-numbered one lies lower.',
    ),
    Number(
        'vertebrae_missing', 'S2.2', '', '{:.0f} vertebrae are missing in between', 0.0, None,
        DESIGN, 'Numbers that are missing between the first and the last vertebra.',
    ),
    Number(
        'vertebrae_doubled', 'S2.2', '', '{:.0f} vertebrae are in two places', 0.0, None, STUDY,
        'Vertebrae with a second body at another height, more than a third of the first.',
    ),
    Number(
        'disc_order_breaks', 'S2.2', '', '{:.0f} pairs of discs are in the wrong order', None, 0.0,
        DESIGN, 'Neighbouring discs of which the lower-numbered one lies lower along the cord.',
    ),
    Number(
        'discs_missing', 'S2.2', '', '{:.0f} discs are missing in between', 0.0, None, DESIGN,
        'Numbers that are missing between the first and the last disc.',
    ),
    Number(
        'disc_spacing', 'S2.2', '', 'the spacing of two discs is {:.2f} times what it should be, '
        'or the inverse', 1.6, 2.0, STUDY, 'Spacing of neighbouring discs over that of PAM50, '
        'scaled to the subject; the largest ratio, either way.',
    ),
    Number(
        'disc_map_mm', 'S2.2', 'mm', 'a disc point lies {:.1f} mm from its disc in the map', 4.0,
        12.0, STUDY, "Largest distance of a disc point from the voxels of that disc in "
        "TotalSpineSeg's map.",
    ),
    Number(
        'map_cord_dice', 'S2.2', '', "overlap of the cord mask with TotalSpineSeg's cord {:.2f}",
        0.8, 0.3, STUDY, "Overlap of the cord mask with the cord in TotalSpineSeg's map.",
        low_is_bad=True,
    ),
    Number(
        'axis_height', 'S2.2', '', 'C2 is only {:.2f} times as high as C3: the numbers may be off '
        'by one', 1.6, None, STUDY, 'Height of C2, which has the dens on it, over that of C3, in '
        'front of the canal.', low_is_bad=True,
    ),
    Number(
        'numbering_seen', 'S2.2', '', 'numbering unverified: neither C1 and C2 nor rootlets are '
        'in view', 0.5, None, DESIGN, '1 where C2 and C3 or rootlets are in view, which show that '
        'levels are not off by one; else 0.', low_is_bad=True,
    ),
    # S2.3 rootlets
    Number(
        'rootlet_order_breaks', 'S2.3', '', '{:.0f} pairs of rootlet levels are in the wrong '
        'order', None, 0.0, DESIGN, 'Neighbouring spinal levels of which the lower-numbered one '
        'lies lower.',
    ),
    Number(
        'rootlet_levels_missing', 'S2.3', '', '{:.0f} rootlet levels are missing in between', 0.0,
        None, DESIGN, 'Numbers that are missing between the first and the last spinal level.',
    ),
    Number(
        'rootlet_spacing', 'S2.3', '', 'the spacing of two rootlet levels is {:.2f} times what it '
        'should be, or the inverse', 1.8, 3.0, STUDY, "As for discs, against the template's "
        'rootlets.',
    ),
    Number(
        'rootlet_balance', 'S2.3', '', 'only {:.0%} of the rootlets lie on one side', 0.25, 0.05,
        STUDY, 'Share of the side that has fewer voxels, of all levels together.', low_is_bad=True,
    ),
    Number(
        'rootlet_dorsal_fraction', 'S2.3', '', 'only {:.0%} of the rootlets are dorsal', 0.12,
        0.05, STUDY, 'Share of the voxels behind the middle of the cord.', low_is_bad=True,
    ),
    Number(
        'rootlet_ventral_fraction', 'S2.3', '', '{:.0%} of the rootlets are ventral, which this '
        'network never marks', 0.02, 0.1, STUDY, 'Share of the voxels before the middle of the '
        'cord; only for networks that mark dorsal rootlets alone (SCT ≤ 7.0).',
    ),
    Number(
        'rootlet_midline_fraction', 'S2.3', '', '{:.0%} of the rootlets lie right behind or '
        'before the cord', 0.15, 0.5, STUDY, 'Share of the voxels within 30° of the midline, seen '
        'from the middle of the cord.',
    ),
    Number(
        'rootlet_in_cord_fraction', 'S2.3', '', '{:.0%} of the rootlets lie inside the cord', 0.35,
        0.7, STUDY, 'Share of the voxels inside the cord mask.',
    ),
    Number(
        'rootlet_outside_canal', 'S2.3', '', '{:.0%} of the rootlets lie outside the canal', 0.25,
        0.6, STUDY, 'Share of the voxels outside the canal, where the canal was found.',
    ),
    Number(
        'numbering_shift', 'S2.3', 'levels', 'by the descent of the rootlets, their numbers are '
        '{:.1f} levels off those of the discs', 0.4, 0.5, STUDY, 'Rootlets that enter the cord '
        'far above their own foramen run down steeply: by how many levels their numbers and '
        "those of the discs differ from what the slopes speak for, against the template's "
        'rootlets. 0.5: another number explains them better.',
    ),
    # S2.4 registration, each path by itself
    Number(
        'cord_dice', 'S2.4', '', 'overlap of template and subject cord {:.2f}', 0.85, 0.7, STUDY,
        "Overlap of the template's cord, brought to the subject, with the subject's, in the "
        'covered range.', low_is_bad=True,
    ),
    Number(
        'centre_distance_mm', 'S2.4', 'mm', 'cord centres {:.1f} mm apart in a slice', 2.5, 5.0,
        'FAIL as in earlier pipelines; WARN: fault study', 'Largest distance of the two cord '
        'centres in a covered slice.',
    ),
    Number(
        'leave_one_out_mm', 'S2.4', 'mm', 'a landmark lies {:.1f} mm from where the others '
        'foretell it', 8.0, 15.0, STUDY, "Largest leave-one-out residual of the path's own "
        'landmarks.',
    ),
    Number(
        'landmark_residual_mm', 'S2.4', 'mm', 'the field puts a landmark {:.1f} mm off', 3.0, 8.0,
        STUDY, 'Largest distance of a used landmark, moved by the field, to its partner.',
    ),
    Number(
        'rotation_deg', 'S2.4', '°', 'the field turns the cord by {:.0f}°', 12.0, 25.0, STUDY,
        "Largest rotation about the cord's axis, of stretches of 10 mm.",
    ),
    Number(
        'folded_fraction', 'S2.4', '', 'the field folds in {:.1%} of the cord', 0.0, 0.01, STUDY,
        'Share of cord voxels where the field, smoothed by 2 mm, turns space inside out.',
    ),
    Number(
        'stretch', 'S2.4', '', 'the field changes volumes {:.1f} times, or the inverse', 4.0, None,
        STUDY, 'Ratio by which the smoothed field grows or shrinks 99 % of the cord voxels at '
        'most.',
    ),
    Number(
        'inverse_consistency_mm', 'S2.4', 'mm', 'a point of the cord comes back {:.1f} mm off',
        4.0, 10.0, STUDY, 'Largest distance of a centreline point from itself, there and back.',
    ),
    Number(
        'landmark_order_breaks', 'S2.4', '', '{:.0f} pairs of landmarks are in the wrong order',
        None, 0.0, DESIGN, 'Neighbouring landmarks that lie the wrong way round along the cord.',
    ),
    Number(
        'uncovered', 'S2.4', '', 'the warps cover no slice of the cord', None, 0.5, DESIGN,
        '1 where no slice of the cord is covered by the warps, else 0.',
    ),
    # S2.4 between the paths
    Number(
        'offset_levels', 'S2.4', 'levels', 'discs and rootlets disagree by {:.1f} levels', 1.0,
        2.0, CADOTTE, 'Vertebral–spinal offset: how far apart the two paths place the same cord.',
    ),
)  # fmt: skip
"""All numbers, in the order in which they are told."""

BY_NAME = {number.name: number for number in NUMBERS}


def _check(self: Any) -> None:
    for name, bound in vars(self).items():
        if bound.warn is None or bound.fail is None:
            continue
        looser = bound.fail < bound.warn
        if BY_NAME[name].low_is_bad != looser and bound.fail != bound.warn:
            raise ValueError(f'{name}: fail must not be stricter than warn')


Verdict = make_dataclass(
    'Verdict',
    [
        (
            number.name,
            Bound,
            field(
                default=Bound(number.warn, number.fail),
                metadata={'doc': number.doc, 'source': number.source},
            ),
        )
        for number in NUMBERS
    ],
    frozen=True,
    namespace={'__post_init__': _check, '__doc__': 'Bounds on the evidence.'},
)
Verdict.__module__ = __name__  # so that it can be pickled
