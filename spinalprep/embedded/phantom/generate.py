# SPDX-License-Identifier: Apache-2.0
"""From parameters to image and truth."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np

from spinalprep.embedded.phantom.anatomy import LAST_DISC, ROOTLET_LEVELS, Anatomy, draw_anatomy
from spinalprep.embedded.phantom.canvas import Canvas
from spinalprep.embedded.phantom.params import PhantomParams
from spinalprep.embedded.phantom.spine import (
    GAP,
    paint_canal,
    paint_cord,
    paint_discs,
    paint_rootlets,
    paint_vertebrae,
)
from spinalprep.embedded.phantom.tissues import (
    SIGNALS,
    paint_airway,
    paint_body,
    paint_head,
    paint_marker,
)

CORD_SIGNAL = 400.0
"""Mean signal of the cord in the stored image, before the bias field."""


@dataclass(frozen=True, eq=False)
class Phantom:
    """An image and everything that is known about it.

    Arrays are on the image's grid, in its orientation; points are world coordinates
    (RAS+, mm). Points are given where they lie in the field of view.

    Attributes
    ----------
    params : PhantomParams or None
        None for the template.
    image : nibabel.Nifti1Image
        int16.
    cord, canal : ndarray of uint8
        1 inside; the canal includes the cord. Both end at the top of C1.
    totalspineseg : ndarray of uint8
        1 cord, 2 canal without cord, 11–17 C1–C7, 21–32 T1–T12, discs 63–67, 71–82.
    levels : ndarray of uint8
        Vertebral levels on the cord (1 = C1).
    spinal_levels : ndarray of uint8
        Spinal levels on the cord (1 = C1, 9 = T1), each around its rootlets' entry.
    rootlets : ndarray of uint8
        Spinal levels 2 = C2 … 9 = T1, dorsal and ventral.
    disc_points : dict of int to ndarray, shape (3,)
        Posterior edge of the disc by SCT's value (3 = C2/C3); 1 and 2 on the canal's
        front wall at the top of C1 and halfway to C2/C3.
    rootlet_points : dict of int to ndarray, shape (3,)
        On the cord's centre, at the mean height of the level's rootlets.
    landmarks : dict of str to ndarray, shape (3,)
        Material points with the same names in every phantom and in the template:
        ``disc-K_P`` at the height of disc K and ``level-K_P`` in the middle of vertebral
        level K, with P one of centre, right, left, anterior, posterior (the last four
        on the cord's surface).
    csa_mm2 : dict of int to float
        Mean cord area perpendicular to the cord by vertebral level, whole levels only.
    mean_csa_mm2 : float
        Over all the cord in view.
    centerline : ndarray, shape (n, 3)
        The cord's centre from the lowest point in view to the top of C1, 0.5 mm apart.
    anatomy : Anatomy
        The body itself, with its map between body and world coordinates.
    """

    params: PhantomParams | None
    image: nib.Nifti1Image
    cord: np.ndarray
    canal: np.ndarray
    totalspineseg: np.ndarray
    levels: np.ndarray
    spinal_levels: np.ndarray
    rootlets: np.ndarray
    disc_points: dict[int, np.ndarray]
    rootlet_points: dict[int, np.ndarray]
    landmarks: dict[str, np.ndarray]
    csa_mm2: dict[int, float]
    mean_csa_mm2: float
    centerline: np.ndarray
    anatomy: Anatomy

    @property
    def affine(self) -> np.ndarray:
        """Voxel to world (RAS+, mm); shape (4, 4)."""
        return self.image.affine

    def label_image(self, array: np.ndarray) -> nib.Nifti1Image:
        """One of the arrays as an image."""
        return as_image(array, self.affine)

    def point_image(self, points: dict[int, np.ndarray]) -> nib.Nifti1Image:
        """Single voxels with the points' values, as SCT stores landmarks."""
        return point_image(points, self.cord.shape, self.affine)


def as_image(array: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    """NIfTI image with scanner codes in both forms and millimetres as unit."""
    image = nib.Nifti1Image(array, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    image.header.set_xyzt_units('mm', 'sec')
    return image


def point_image(points: dict[int, np.ndarray], shape: tuple, affine: np.ndarray):
    """Image with one voxel per point; points outside the grid are left out."""
    array = np.zeros(shape, np.uint8)
    for value, point in points.items():
        index = np.round(nib.affines.apply_affine(np.linalg.inv(affine), point)).astype(int)
        if np.all(index >= 0) and np.all(index < shape):
            array[tuple(index)] = value
    return as_image(array, affine)


def make_phantom(params: PhantomParams) -> Phantom:
    """Draw one phantom.

    Parameters
    ----------
    params : PhantomParams

    Returns
    -------
    Phantom
        The same for the same parameters.
    """
    canvas = blank_canvas(params)
    tissue = dict(SIGNALS[params.contrast])
    if params.cnr is not None:
        sign = 1 if tissue['csf'] > 1 else -1
        tissue['csf'] = max(1.0 + sign * params.cnr / params.snr, 0.02)
    labels = paint(canvas, tissue, params)
    _degrade(canvas, params)
    return assemble(canvas, labels, params.orientation, params)


def blank_canvas(params: PhantomParams) -> Canvas:
    """The grid of a phantom, on its body, before anything is painted."""
    anatomy = draw_anatomy(
        params.seed,
        bend=params.bend,
        stretch=params.stretch,
        offset_sd=params.offset_sd,
        tilt=params.oblique_deg,
    )
    return Canvas(anatomy, params.voxel_mm, *_field(anatomy, params))


def paint(canvas: Canvas, tissue: dict[str, float], params: PhantomParams) -> dict:
    """Paint everything; returns the label arrays in the canvas' layout."""
    spine = canvas.blank()
    paint_body(canvas, tissue, np.random.default_rng([params.seed, 11]))
    paint_airway(canvas, tissue)
    paint_head(canvas, tissue)
    paint_vertebrae(canvas, spine, tissue)
    paint_discs(canvas, spine, tissue)
    canal = paint_canal(canvas, tissue)
    rootlets = paint_rootlets(canvas, tissue, params.rootlet_contrast)
    cord = paint_cord(canvas, tissue)
    if params.marker:
        paint_marker(canvas, tissue)
    canal[cord > 0] = 1
    spine[canal > 0] = 2
    spine[cord > 0] = 1
    rootlets[(canal == 0) | (cord > 0)] = 0
    levels = np.floor(canvas.anatomy.level(canvas.s)).clip(0, 20).astype(np.uint8)
    return {
        'cord': cord,
        'canal': canal,
        'totalspineseg': spine,
        'levels': cord * levels[:, None],
        'spinal_levels': cord * canvas.anatomy.spinal_level(canvas.s)[:, None],
        'rootlets': rootlets,
    }


def assemble(canvas: Canvas, labels: dict, orientation: str, params: PhantomParams | None):
    """Turn a painted canvas into a phantom in the asked orientation."""
    body = canvas.anatomy
    scaled = np.clip(np.rint(canvas.image * CORD_SIGNAL), 0, 32000).astype(np.int16)
    volume, affine = canvas.volume(scaled, orientation)
    arrays = {name: canvas.volume(array, orientation)[0] for name, array in labels.items()}
    inverse = np.linalg.inv(affine)

    def seen(points: dict) -> dict:
        index = {k: nib.affines.apply_affine(inverse, p) for k, p in points.items()}
        inside = {
            k: np.all((i > -0.5) & (i < np.array(volume.shape) - 0.5)) for k, i in index.items()
        }
        return {k: p for k, p in points.items() if inside[k]}

    s_low = float(body.s_at_height(canvas.z[0] - canvas.voxel[2] / 2))
    s = np.arange(s_low, 0.01, 0.5)
    means = {}
    for level in range(1, LAST_DISC):
        inside = (s <= body.discs[level - 1]) & (s >= body.discs[level])
        if body.discs[level] >= s_low and inside.any():
            means[level] = float(body.area(s[inside]).mean())
    heights = _rootlet_heights(canvas, labels['rootlets'])
    return Phantom(
        params=params,
        image=as_image(volume, affine),
        **arrays,
        disc_points=seen(_disc_points(body)),
        rootlet_points=seen({k: body.to_world(h) for k, h in heights.items()}),
        landmarks=seen(body_landmarks(body)),
        csa_mm2=means,
        mean_csa_mm2=float(body.area(s).mean()),
        centerline=body.to_world(s),
        anatomy=body,
    )


def body_landmarks(body: Anatomy) -> dict[str, np.ndarray]:
    """All named material points of a body in world coordinates; see :class:`Phantom`."""
    heights = {f'disc-{k}': body.discs[k - 1] for k in range(1, LAST_DISC + 1)}
    for k in range(1, LAST_DISC):
        heights[f'level-{k}'] = (body.discs[k - 1] + body.discs[k]) / 2
    points = {}
    for name, s in heights.items():
        a, b = body.radii(s)
        for place, u, v in (
            ('centre', 0, 0),
            ('right', a, 0),
            ('left', -a, 0),
            ('anterior', 0, b),
            ('posterior', 0, -b),
        ):
            points[f'{name}_{place}'] = body.to_world(s, u, v)
    return points


def _disc_points(body: Anatomy) -> dict[int, np.ndarray]:
    s = body.discs
    points = body.to_world(s, 0.0, body.canal_front(s) + GAP)
    return {k + 1: p for k, p in enumerate(points)}


def _rootlet_heights(canvas: Canvas, rootlets: np.ndarray) -> dict[int, float]:
    """Mean ``s`` of each level's rootlet voxels."""
    heights = {}
    for spinal in ROOTLET_LEVELS:
        rows = np.nonzero(rootlets == spinal)[0]
        if rows.size:
            heights[spinal] = float(canvas.s[rows].mean())
    return heights


def _field(body: Anatomy, params: PhantomParams) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the field of view around the body."""
    s = np.linspace(float(body.s_of(params.bottom_level)), params.top_mm, 200)
    y, z = body.along('y', s), body.along('z', s)
    x = body.sway_at(s)[0]
    wide, deep = params.field_mm
    # a little more room behind than in front: the neck's back must be in view
    middle = np.array([(x.min() + x.max()) / 2, (y.min() + y.max()) / 2 - 3.0])
    half = np.array([wide, deep]) / 2
    return np.append(middle - half, z.min()), np.append(middle + half, z.max())


def _degrade(canvas: Canvas, params: PhantomParams) -> None:
    """Multiply the coil's field in, then add the noise of a magnitude image."""
    rng = np.random.default_rng([params.seed, 13])
    if params.bias:
        tilt = rng.normal(0, 0.25, 3)
        v, x = canvas.v / 60.0, canvas.x / 60.0
        z = np.linspace(-1, 1, canvas.shape[2])[None, :] * np.ones((canvas.shape[1], 1))
        sheet = -0.5 * v + tilt[0] * z.ravel() + 0.4 * np.cos(2.0 * z.ravel() + tilt[2])
        across = tilt[1] * x - 0.15 * x**2
        canvas.image *= np.exp(params.bias * sheet).astype(np.float32)[:, None]
        canvas.image *= np.exp(params.bias * across).astype(np.float32)[None, :]
    if params.snr is not None:
        noise = np.random.default_rng([params.seed, 17, len(params.contrast), canvas.image.size])
        sigma = np.float32(1.0 / params.snr)
        real = canvas.image + sigma * noise.standard_normal(canvas.image.shape, np.float32)
        imaginary = sigma * noise.standard_normal(canvas.image.shape, np.float32)
        canvas.image = np.hypot(real, imaginary)
