# SPDX-License-Identifier: Apache-2.0
"""Finds the spinal cord in a T2w or T1w image from its intensities, within seconds.

Three steps: candidates for the cord's course (:mod:`~spinalprep.anatomy.ringpath`), its
outline on planes perpendicular to it (:mod:`~spinalprep.anatomy.contour`), and checks
that decide which candidate is the cord, where it ends, and whether to refuse
(:mod:`~spinalprep.anatomy.cordcheck`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinalprep.anatomy.centerline import STEP_MM, Centerline, superior_axis
from spinalprep.anatomy.contour import Contour, trace
from spinalprep.anatomy.cordcheck import (
    SHORTEST_MM,
    Ends,
    Planes,
    SelfCheck,
    check_planes,
    field_ends,
    find_ends,
    summarise,
)
from spinalprep.anatomy.planes import (
    Sampler,
    contour_area,
    contour_centroid,
    fill_contours,
    frames_at,
)
from spinalprep.anatomy.ringpath import RingPath, best_paths, coarse_planes, ring_contrast

POLARITY = {'T2w': 1, 'T1w': -1}
"""Sign of the signal of CSF minus that of the cord."""
CANDIDATES = 2
"""Courses tried for each contrast."""
MARGIN_MM = 16.0
"""Image around a candidate's course in which its outline is sought."""
TILTED_MM = 10.0
"""The mask goes on this far beyond the last plane where the cord leaves the field of view:
the field's end cuts it at an angle."""
CENTRE_MM = 5.0
"""Smoothing length of the centreline through the outline's centroids."""


class CordNotFound(ValueError):
    """There is no cord in the image, or none that could be told from other things."""


@dataclass(frozen=True, eq=False)
class CordResult:
    """The cord.

    Attributes
    ----------
    mask : ndarray of bool
        On the image's grid.
    centerline : Centerline
        From the lower to the upper end of the mask.
    area_mm2 : ndarray, shape (len(centerline.points),)
        Area perpendicular to the cord at the points of the centreline.
    contrast : {'T2w', 'T1w'}
        What the image looks like: CSF brighter or darker than the cord.
    check : SelfCheck
    """

    mask: np.ndarray
    centerline: Centerline
    area_mm2: np.ndarray
    contrast: str
    check: SelfCheck


def find_cord(image: np.ndarray, affine: np.ndarray, *, contrast: str | None = None) -> CordResult:
    """Find the spinal cord.

    Parameters
    ----------
    image : ndarray, shape (i, j, k)
        T2w or T1w intensities; any orientation and voxel size.
    affine : ndarray, shape (4, 4)
        Voxel to world (RAS+, mm).
    contrast : {'T2w', 'T1w'}, optional
        By default told from the image.

    Returns
    -------
    CordResult

    Raises
    ------
    CordNotFound
        With the reason.
    ValueError
        If the image isn't a volume or `contrast` is unknown.
    """
    if np.ndim(image) != 3:
        raise ValueError(f'the cord finder needs a 3-D image, got {np.ndim(image)} dimensions')
    if contrast is not None and contrast not in POLARITY:
        raise ValueError(f"contrast must be 'T2w' or 'T1w', got {contrast!r}")
    affine = np.asarray(affine, dtype=float)
    signal = _scaled(image)
    path = _best_candidate(signal, affine, contrast)
    contour, planes = _trace(signal, affine, path, step_mm=1.0, rounds=3)
    ends = find_ends(contour, planes, signal.shape, affine)
    if ends is None:
        raise CordNotFound('no stretch of the best candidate looks like cord')
    check = summarise(contour, planes, ends)
    if complaint := check.complaint():
        raise CordNotFound(f'the best candidate is not a cord: {complaint}')
    mask, centerline, areas = _fill(signal.shape, affine, contour, planes, ends)
    name = next(name for name, sign in POLARITY.items() if sign == path.polarity)
    return CordResult(mask, centerline, areas, name, check)


def _scaled(image: np.ndarray) -> np.ndarray:
    """Finite float32 image whose bright parts are about 1.

    Raises
    ------
    CordNotFound
        If there is no signal.
    """
    signal = np.asarray(image, dtype=np.float32)
    if not np.isfinite(signal).all():
        signal = np.nan_to_num(signal, nan=0.0, posinf=0.0, neginf=0.0)
    positive = signal[signal > 0]
    if not positive.size or np.ptp(signal) == 0:
        raise CordNotFound('the image holds no signal')
    return signal / np.float32(np.percentile(positive[::7], 99.0))


def _best_candidate(signal: np.ndarray, affine: np.ndarray, contrast: str | None) -> RingPath:
    """Course with the longest stretch that looks like cord."""
    axis, _ = superior_axis(affine)
    height = signal.shape[axis] * np.linalg.norm(affine[:3, axis])
    if height < SHORTEST_MM:
        raise CordNotFound(
            f'the field of view is too short: {height:.0f} mm head–foot, '
            f'{SHORTEST_MM:.0f} are needed'
        )
    coarse = coarse_planes(signal, affine)
    scores = ring_contrast(coarse)
    best, most, complaints = None, 0.0, []
    for polarity in POLARITY.values() if contrast is None else (POLARITY[contrast],):
        for path in best_paths(
            coarse, scores[polarity], polarity, count=CANDIDATES, shortest_mm=SHORTEST_MM
        ):
            merit, complaint = _merit(signal, affine, path)
            complaints.append((merit, complaint))
            if complaint is None and merit > most:
                best, most = path, merit
    if best is not None:
        return best
    if not complaints:
        raise CordNotFound('nothing in the image is ringed by cerebrospinal fluid as a cord is')
    _, complaint = max(complaints)
    raise CordNotFound(f'the best candidate is not a cord: {complaint}')


def _merit(signal: np.ndarray, affine: np.ndarray, path: RingPath) -> tuple[float, str | None]:
    """Length (mm) of a candidate that looks like cord, and what speaks against it."""
    contour, planes = _trace(signal, affine, path, step_mm=2.0, rounds=3)
    ends = find_ends(contour, planes, signal.shape, affine)
    if ends is None:
        return 0.0, 'no stretch of it looks like cord'
    merit = float(np.sum(planes.good[ends.low : ends.high + 1]) * contour.step_mm)
    return merit, summarise(contour, planes, ends).complaint()


def _trace(
    signal: np.ndarray, affine: np.ndarray, path: RingPath, *, step_mm: float, rounds: int
) -> tuple[Contour, Planes]:
    """Outline along a candidate's course, judged."""
    sampler = Sampler.around(signal, affine, path.points, MARGIN_MM)
    line = Centerline.through(path.points)
    contour = trace(sampler, line, path.polarity, step_mm=step_mm, rounds=rounds)
    return contour, check_planes(contour)


def _fill(
    shape: tuple[int, ...], affine: np.ndarray, contour: Contour, planes: Planes, ends: Ends
) -> tuple[np.ndarray, Centerline, np.ndarray]:
    """Mask, centreline and areas of the stretch that is cord."""
    kept = np.arange(ends.low, ends.high + 1)
    arcs = contour.arcs[kept]
    sure = kept[planes.good[kept]]
    # doubtful planes inside take the outline of their neighbours
    radii = np.stack(
        [np.interp(arcs, contour.arcs[sure], ray[sure]) for ray in contour.radii.T], axis=1
    )
    below, above = ends.at_field_end
    low = ends.field_mm[0] if below else float(arcs[0])
    high = ends.field_mm[1] if above else float(arcs[-1])
    between = (low - TILTED_MM * below, high + TILTED_MM * above)
    mask = fill_contours(shape, affine, contour.line, arcs, radii, between)
    frames = frames_at(contour.line, arcs)[:, :2]
    centres = contour.line.at(arcs) + np.einsum('ni,nij->nj', contour_centroid(radii), frames)
    line = Centerline.through(centres, CENTRE_MM)
    start, stop = field_ends(line, shape, affine)
    start, stop = start if below else 0.0, stop if above else line.length
    along = np.linspace(start, stop, max(round((stop - start) / STEP_MM) + 1, 5))
    areas = np.interp(along, line.project(centres)[0], contour_area(radii))
    return mask, Centerline(line.at(along)), areas
