# SPDX-License-Identifier: Apache-2.0
"""The phantom's body: sizes along the cord, and the map between body and world.

Body coordinates are ``(s, u, v)`` in mm: ``s`` along the cord, 0 at the top of C1 and
rising superiorly, ``u`` to the subject's right, ``v`` anteriorly of the cord's centre.
The cord is bent in the sagittal plane; sideways it is sheared (``x = u + sway(s)``), so
the map from world to body needs a search in two dimensions only and is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

LAST_DISC = 18
"""Lowest disc of the model (T10/T11)."""
ROOTLET_LEVELS = tuple(range(2, 10))
"""Spinal levels with rootlets: C2 … C8 = 8, T1 = 9."""

# Rounded means of adults, mm: label 1 (top of C1) to C2/C3, then disc to disc downwards.
_C1_C2 = 37.0
_SPACING = (17.6, 17.4, 16.6, 16.4, 17.2, 19.8, 21.6, 22.2, 23.0, 23.8, 24.6, 25.4, 26.2, 27, 27.6)
# cord area (mm²) in the middle of the vertebral levels 1..17
_AREA = (78, 75, 76, 80, 84, 82, 70, 59, 53, 50, 48, 47, 46, 45, 45, 45, 46)
# width over depth of the cord
_ASPECT = (1.40, 1.42, 1.50, 1.60, 1.68, 1.66, 1.52, 1.36, 1.28, 1.24, *([1.2] * 7))
# half width and half depth of the canal
_CANAL_U = (13.0, 12.2, 11.4, 11.6, 12.0, 12.0, 11.6, 10.4, 9.2, 8.8, *([8.6] * 7))
_CANAL_V = (9.6, 8.8, 7.7, 7.4, 7.4, 7.4, 7.5, 7.6, 7.5, 7.5, *([7.6] * 7))
# centre of the canal in front of (+) or behind the cord's centre
_CANAL_SHIFT = (0.2, 0.4, 0.2, 0.0, 0.0, 0.0, -0.3, -0.8, -1.2, -1.5, *([-1.8] * 7))
# tilt of the cord from head–foot towards anterior (degrees), at level coordinates
_TILT_AT = (-1.5, 1.0, 3.0, 5.5, 8.0, 11.0, 14.0, 18.0)
_TILT = (12.0, 2.0, -3.0, 5.0, 15.0, 9.0, -2.0, -6.0)
_STEP = 0.25


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One body.

    Attributes
    ----------
    discs : ndarray, shape (LAST_DISC,)
        ``s`` of the labels 1..LAST_DISC (SCT's values); falling.
    depth : ndarray, shape (LAST_DISC - 1,)
        Front–back depth of the vertebral bodies 1.. (mm).
    disc_height, disc_tilt : ndarray, shape (LAST_DISC,)
        Height (mm) and slope (ds/dv) of the discs.
    area_factor, area_wiggle : float, ndarray
        Individual cord area relative to the mean.
    medulla_mm : float
        Height above C1's top where the cord's area passes 105 mm².
    spinal_offset : ndarray, shape (8,)
        How much lower than usual the rootlets C2..T1 enter, in vertebral levels.
    tilt_deg : ndarray
        Tilt of the cord at the level coordinates of the model (degrees).
    sway : tuple of float
        Amplitude (mm), phase, and slope of the sideways curve.
    origin : ndarray, shape (3,)
        World position of ``s = u = v = 0``.
    rotation : ndarray, shape (3, 3)
        Turns the whole world of the phantom (oblique scans).
    """

    discs: np.ndarray
    depth: np.ndarray
    disc_height: np.ndarray
    disc_tilt: np.ndarray
    area_factor: float
    area_wiggle: np.ndarray
    medulla_mm: float
    spinal_offset: np.ndarray
    tilt_deg: np.ndarray
    sway: tuple[float, float, float]
    origin: np.ndarray
    rotation: np.ndarray

    def __post_init__(self) -> None:
        """Tabulate the curve and the sizes along it."""
        table = np.arange(self.discs[-1] - 40.0, 130.0, _STEP)
        levels = self.level(table)
        tilt = CubicSpline(_TILT_AT, np.deg2rad(self.tilt_deg), bc_type='clamped')
        angle = tilt(np.clip(levels, _TILT_AT[0], _TILT_AT[-1]))
        zero = int(np.searchsorted(table, 0.0))
        y, z = (np.cumsum(f(angle)) * _STEP for f in (np.sin, np.cos))
        middles = np.arange(1, LAST_DISC) + 0.5
        area = PchipInterpolator(middles, np.array(_AREA) * self.area_wiggle)
        area_s = self.area_factor * area(np.clip(levels, 1.5, LAST_DISC - 0.5))
        # towards the medulla it widens, passing 105 mm² at `medulla_mm`, without a corner
        ramp = 105.0 + 4.5 * (table - self.medulla_mm)
        area_s = np.minimum(area_s + 5.0 * np.logaddexp(0.0, (ramp - area_s) / 5.0), 230.0)
        curve = {
            's': table,
            'angle': angle,
            'y': y - y[zero],
            'z': z - z[zero],
            'bend': np.gradient(angle, _STEP),
            'area': area_s,
            'aspect': np.interp(levels, middles, _ASPECT),
            'canal_u': np.interp(levels, middles, _CANAL_U),
            'canal_v': np.interp(levels, middles, _CANAL_V),
            'canal_shift': np.interp(levels, middles, _CANAL_SHIFT),
        }
        object.__setattr__(self, '_curve', curve)

    def along(self, name: str, s: np.ndarray) -> np.ndarray:
        """Read a tabulated quantity at `s`."""
        return np.interp(s, self._curve['s'], self._curve[name])

    def s_at_height(self, z: np.ndarray) -> np.ndarray:
        """``s`` of the cord's centre at a height (mm, before `origin` and `rotation`)."""
        return np.interp(z, self._curve['z'], self._curve['s'])

    def level(self, s: np.ndarray) -> np.ndarray:
        """Level coordinate: label k at k, linear between labels and beyond the ends."""
        s = np.asarray(s, dtype=float)
        values = np.arange(1, LAST_DISC + 1, dtype=float)
        inside = np.interp(-s, -self.discs, values)
        above = 1.0 - s / (self.discs[0] - self.discs[1])
        below = LAST_DISC + (self.discs[-1] - s) / (self.discs[-2] - self.discs[-1])
        return np.where(s > 0, above, np.where(s < self.discs[-1], below, inside))

    def s_of(self, level: np.ndarray) -> np.ndarray:
        """Inverse of :meth:`level`."""
        level = np.asarray(level, dtype=float)
        inside = np.interp(level, np.arange(1, LAST_DISC + 1), self.discs)
        above = (1.0 - level) * (self.discs[0] - self.discs[1])
        return np.where(level < 1, above, inside)

    def sway_at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sideways position of the cord (mm to the right) and its slope dx/ds."""
        amplitude, phase, slope = self.sway
        wave = 2 * np.pi / 260.0
        x = amplitude * (np.sin(wave * s + phase) - np.sin(phase)) + slope * s
        return x, amplitude * wave * np.cos(wave * s + phase) + slope

    def radii(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Half width (right–left) and half depth (front–back) of the cord (mm)."""
        area, aspect = self.along('area', s), self.along('aspect', s)
        return np.sqrt(area * aspect / np.pi), np.sqrt(area / aspect / np.pi)

    def canal_front(self, s: np.ndarray) -> np.ndarray:
        """``v`` of the front wall of the canal."""
        return self.along('canal_shift', s) + self.along('canal_v', s)

    def area(self, s: np.ndarray) -> np.ndarray:
        """Cord area perpendicular to the cord (mm²)."""
        _, slope = self.sway_at(s)
        return self.along('area', s) * np.cos(np.arctan(slope))

    def entry(self, spinal: int) -> tuple[float, float]:
        """Centre (``s``) and length (mm) of the zone where a spinal level's rootlets enter."""
        k = spinal - ROOTLET_LEVELS[0]
        level = spinal - 0.55 + self.spinal_offset[k]
        height = float(self.s_of(level - 0.5) - self.s_of(level + 0.5))
        return float(self.s_of(level)), 0.62 * height

    def spinal_level(self, s: np.ndarray) -> np.ndarray:
        """Spinal level (C1 = 1 … T1 = 9 …) at `s`; each ends halfway between two entry zones."""
        entries = np.array([self.entry(spinal)[0] for spinal in ROOTLET_LEVELS])
        middles = np.interp(-np.asarray(s, float), -entries, ROOTLET_LEVELS)
        # beyond the entry zones a spinal level is as long as a vertebral one
        level = self.level(s)
        first, last = self.level(entries[0]), self.level(entries[-1])
        beyond = np.minimum(level - first, 0) + np.maximum(level - last, 0)
        return np.floor(middles + beyond + 0.5).clip(1, 30).astype(np.uint8)

    def to_world(self, s: np.ndarray, u: np.ndarray = 0.0, v: np.ndarray = 0.0) -> np.ndarray:
        """World coordinates (RAS+, mm) of body coordinates; shape (..., 3)."""
        s, u, v = np.broadcast_arrays(*(np.asarray(c, dtype=float) for c in (s, u, v)))
        angle = self.along('angle', s)
        local = np.stack(
            [
                u + self.sway_at(s)[0],
                self.along('y', s) + v * np.cos(angle),
                self.along('z', s) - v * np.sin(angle),
            ],
            axis=-1,
        )
        return (local + self.origin) @ self.rotation.T

    def sheet(self, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Body coordinates of points of the sagittal plane, before `origin` and `rotation`.

        Returns
        -------
        s, v, angle : ndarray
            Of the broadcast shape of `y` and `z`; the tilt in radians.
        """
        y, z = np.broadcast_arrays(y, z)
        s = self.s_at_height(z)
        for _ in range(7):
            angle, bend = self.along('angle', s), self.along('bend', s)
            dy, dz = y - self.along('y', s), z - self.along('z', s)
            v = dy * np.cos(angle) - dz * np.sin(angle)
            ahead = dy * np.sin(angle) + dz * np.cos(angle)
            # a step ds of the foot moves a point at v by (1 - v dθ/ds) ds
            s = s + ahead / np.maximum(1.0 - bend * v, 0.3)
        return s, v, angle


def draw_anatomy(
    seed: int,
    *,
    bend: float = 1.0,
    stretch: float = 1.0,
    offset_sd: float = 0.5,
    tilt: float = 0.0,
) -> Anatomy:
    """Draw one individual.

    Parameters
    ----------
    seed : int
    bend, stretch, offset_sd : float
        As in :class:`PhantomParams`.
    tilt : float
        Obliquity (degrees).
    """
    rng = np.random.default_rng([seed, 7])
    spacing = np.array([_C1_C2, *_SPACING])
    factor = np.clip(rng.normal(1.0, 0.05), 0.91, 1.09) * np.exp(
        np.clip(rng.normal(0.0, 0.03, spacing.size), -0.06, 0.06)
    )
    below = -np.cumsum(spacing * factor * stretch)
    discs = np.concatenate([[0.0, below[0] / 2], below])
    offset = np.clip(rng.normal(0.0, offset_sd), -2 * offset_sd, 2 * offset_sd)
    wiggle = np.cumsum(rng.normal(0.0, 0.06, 8)) * (offset_sd > 0)
    angle = np.deg2rad(tilt)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    knots = np.array(_TILT) + rng.normal(0.0, 3.0, len(_TILT))
    return Anatomy(
        discs=discs,
        depth=_depths() * np.clip(rng.normal(1.0, 0.07), 0.85, 1.15),
        disc_height=_disc_heights() * np.exp(rng.normal(0.0, 0.10, LAST_DISC)),
        disc_tilt=rng.normal(0.0, 0.06, LAST_DISC),
        area_factor=float(np.clip(rng.normal(1.0, 0.08), 0.84, 1.12)),
        area_wiggle=np.exp(rng.normal(0.0, 0.02, len(_AREA))),
        medulla_mm=float(np.clip(rng.normal(2.2, 1.0), 0.5, 4.0)),
        spinal_offset=offset + wiggle - wiggle.mean(),
        tilt_deg=bend * knots,
        sway=(bend * rng.normal(0, 2.0), rng.uniform(0, 2 * np.pi), bend * rng.normal(0, 0.015)),
        origin=rng.uniform(-12.0, 12.0, 3) * [0.4, 1.0, 1.0] + [0, 0, 60],
        rotation=turn,
    )


def mean_anatomy() -> Anatomy:
    """Return the straight body without individual variation: the template's."""
    spacing = np.array([_C1_C2, *_SPACING])
    below = -np.cumsum(spacing)
    return Anatomy(
        discs=np.concatenate([[0.0, below[0] / 2], below]),
        depth=_depths(),
        disc_height=_disc_heights(),
        disc_tilt=np.zeros(LAST_DISC),
        area_factor=1.0,
        area_wiggle=np.ones(len(_AREA)),
        medulla_mm=2.2,
        spinal_offset=np.zeros(len(ROOTLET_LEVELS)),
        tilt_deg=np.zeros(len(_TILT)),
        sway=(0.0, 0.0, 0.0),
        origin=np.zeros(3),
        rotation=np.eye(3),
    )


def _depths() -> np.ndarray:
    """Front–back depth of the vertebral bodies 1..LAST_DISC-1 (mm)."""
    return np.interp(np.arange(1, LAST_DISC), [1, 3, 7, 12, 17], [15, 15.5, 17, 22, 27])


def _disc_heights() -> np.ndarray:
    """Heights of the discs 1..LAST_DISC (mm)."""
    return np.interp(np.arange(1, LAST_DISC + 1), [3, 7, 9, 18], [5.2, 5.6, 4.8, 5.4])
