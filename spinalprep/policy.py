# SPDX-License-Identifier: Apache-2.0
"""The policy: every choice and bound of step S2, as frozen dataclasses and as YAML.

The packaged ``data/policy.yaml`` spells out the defaults; a file given with
``--policy`` overrides single keys of it. A key that is unknown, of the wrong
type or impossible is an error that names the key.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from spinalprep.bounds import Verdict
from spinalprep.errors import PolicyError
from spinalprep.products import PRECOMPUTABLE

Modality = Literal['T2w', 'T1w']
Givable = Literal[PRECOMPUTABLE]  # type: ignore[valid-type]


def _key(default: Any, doc: str) -> Any:
    """Field with a default and the sentence that the documentation shows for it."""
    return field(default=default, metadata={'doc': doc})


@dataclass(frozen=True)
class Selection:
    """Which image of a subject is taken."""

    modalities: tuple[Modality, ...] = _key(
        ('T2w', 'T1w'), 'Modalities in order of preference; one that is not named is never used.'
    )

    def __post_init__(self):
        if not self.modalities or len(set(self.modalities)) != len(self.modalities):
            raise ValueError('modalities: name T2w, T1w or both, each once')


@dataclass(frozen=True)
class Given:
    """What is used instead of being computed, where there is a file for it.

    A file that ``--precomputed`` names is always used.
    """

    labels_folder: bool = _key(
        True,
        "Look for files corrected by hand in the dataset's `derivatives/labels`; a folder named "
        'with `--manual-dir` is looked through in any case.',
    )
    manual: tuple[Givable, ...] = _key(
        PRECOMPUTABLE, 'Products for which a file corrected by hand is used.'
    )
    derivatives: tuple[Givable, ...] = _key(
        PRECOMPUTABLE, 'Products that are taken from earlier results, see `--derivatives`.'
    )


@dataclass(frozen=True)
class Discover:
    """S2.1: finding the cord in the whole field of view."""

    method: Literal['contrast_agnostic', 'totalspineseg'] = _key(
        'contrast_agnostic', 'Network that finds the cord in the whole image.'
    )
    min_z_slices: int = _key(20, 'Slices with cord below which an image is rejected.')

    def __post_init__(self):
        if self.min_z_slices < 1:
            raise ValueError('min_z_slices: at least 1')


@dataclass(frozen=True)
class Crop:
    """S2.1: margins (mm) of the crop box around the cord found.

    The box is deeper in front and behind than the cord's surroundings need,
    because TotalSpineSeg reads vertebral bodies and processes.
    """

    left_right_mm: float = _key(35.0, 'Margin beside the cord, each side.')
    anterior_mm: float = _key(60.0, 'Margin in front of the cord (vertebral bodies).')
    posterior_mm: float = _key(45.0, 'Margin behind the cord (spinous processes).')
    superior_mm: float = _key(30.0, 'Margin above the uppermost cord found.')
    inferior_mm: float = _key(30.0, 'Margin below the lowest cord found.')

    def __post_init__(self):
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f'{name}: not below 0')


@dataclass(frozen=True)
class Segmentation:
    """S2.2: the cord mask."""

    cord_method: Literal['contrast_agnostic', 'totalspineseg'] = _key(
        'contrast_agnostic',
        "Where the cord mask comes from: SCT's network, or TotalSpineSeg's label 1.",
    )
    reuse_discovery: bool = _key(
        False, 'Take the discovery mask, cropped, instead of segmenting the crop again.'
    )
    area_mm2: tuple[float, ...] = _key(
        (25.0, 130.0),
        'Range of the cross-sectional area (mm²) outside which a slice counts as odd.',
    )

    def __post_init__(self):
        if len(self.area_mm2) != 2 or not 0 <= self.area_mm2[0] < self.area_mm2[1]:
            raise ValueError(f'area_mm2: two rising areas expected, got {list(self.area_mm2)}')


@dataclass(frozen=True)
class Labelling:
    """S2.2: vertebrae and discs."""

    method: Literal['totalspineseg', 'given'] = _key(
        'totalspineseg', "'given' runs no TotalSpineSeg and needs given disc labels."
    )
    use_extrapolated_discs: bool = _key(
        False, 'Let registration use TotalSpineSeg points 1 and 2, which are extrapolated.'
    )
    init_disc: tuple[float, ...] | None = _key(
        None,
        'One disc that is known, for fields of view that show no landmark: its SCT value '
        '(3 = C2/C3) and its height where it meets the cord, the z of the world coordinates (mm) '
        'that viewers show, such as [3, 24.5]. Only the embedded SCT takes it.',
    )

    def __post_init__(self):
        if self.init_disc is None:
            return
        if len(self.init_disc) != 2 or self.init_disc[0] not in range(3, 26):
            raise ValueError(
                'init_disc: value and height (mm) expected, such as [3, 24.5], with values from '
                f'3 (C2/C3) to 25 (L5/S1), got {list(self.init_disc)}'
            )
        if self.method == 'given':
            raise ValueError('init_disc: has no effect with method: given, which numbers no disc')


@dataclass(frozen=True)
class Rootlets:
    """S2.3: when nerve rootlets are segmented."""

    enabled: bool = _key(True, 'Segment rootlets where an image is eligible.')
    modalities: tuple[Modality, ...] = _key(('T2w',), 'Modalities on which rootlets are sought.')
    min_cord_mm: float = _key(60.0, 'Length of cord (mm) below which an image is not eligible.')
    min_levels: int = _key(
        3, 'Vertebral levels from C2 to T1 in view below which it is not eligible, where known.'
    )

    def __post_init__(self):
        if self.min_cord_mm < 0:
            raise ValueError('min_cord_mm: not below 0')


@dataclass(frozen=True)
class Registration:
    """S2.4: registration to the template."""

    template: str = _key('PAM50', "'PAM50' (SCT's own) or the folder of another template.")
    discs: Literal['all', 'pair'] | tuple[int, ...] = _key(
        'all', 'Discs to register by: all usable, the outermost pair, or a list of SCT values.'
    )
    reference: Literal['template', 'subject'] = _key(
        'template', "SCT's -ref; 'subject' takes one or two discs and suits thick slices."
    )
    prefer_rootlets: bool | None = _key(
        True, 'Which path wins among those that pass; null leaves it to the coverage.'
    )
    required_levels: tuple[int, ...] = _key(
        (), 'Vertebral levels (C1 = 1 … L1 = 20) that the chosen path should cover.'
    )
    param: str | None = _key(None, "SCT's -param, null for SCT's default.")

    def __post_init__(self):
        if isinstance(self.discs, tuple) and (
            len(self.discs) < 2 or len(set(self.discs)) != len(self.discs)
        ):
            raise ValueError('discs: a list names at least two different discs')
        if self.reference == 'subject' and not (self.discs == 'pair' or len(self.discs) == 2):
            raise ValueError("reference: 'subject' needs discs: pair, or a list of two")
        if any(not 1 <= level <= 20 for level in self.required_levels):
            raise ValueError('required_levels: C1 = 1 … L1 = 20')


@dataclass(frozen=True)
class TimeLimits:
    """Seconds after which a command is stopped, with all that it started."""

    spinalcord: int = _key(7200, 'Cord segmentation.')
    spine: int = _key(12600, 'TotalSpineSeg.')
    rootlets: int = _key(7200, 'Rootlet segmentation.')
    registration: int = _key(7200, 'One registration path.')
    other: int = _key(1800, 'Any other command.')

    def __post_init__(self):
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f'{name}: at least 1 second')


@dataclass(frozen=True)
class Policy:
    """All of step S2."""

    selection: Selection = field(default_factory=Selection)
    given: Given = field(default_factory=Given)
    orientation: str = _key(
        'RPI', "Orientation of all products, in SCT's words (RPI is nibabel's LAS)."
    )
    discover: Discover = field(default_factory=Discover)
    crop: Crop = field(default_factory=Crop)
    segmentation: Segmentation = field(default_factory=Segmentation)
    labelling: Labelling = field(default_factory=Labelling)
    rootlets: Rootlets = field(default_factory=Rootlets)
    registration: Registration = field(default_factory=Registration)
    verdict: Verdict = field(default_factory=Verdict)  # type: ignore[valid-type]
    time_limits: TimeLimits = field(default_factory=TimeLimits)

    def __post_init__(self):
        axes = sorted('RL AP SI'.find(letter) // 3 for letter in self.orientation)
        if axes != [0, 1, 2]:
            raise ValueError(f'orientation: a code such as RPI expected, got {self.orientation!r}')

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionary of plain YAML types."""
        return _plain(dataclasses.asdict(self))

    def digest(self) -> str:
        """Short hash of all values: two policies with one digest do the same."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_policy(path: Path | str | None = None) -> Policy:
    """Packaged policy, with the keys of a YAML file over it.

    Parameters
    ----------
    path : path-like, optional
        YAML file; it may name only the keys that it changes.

    Returns
    -------
    Policy

    Raises
    ------
    PolicyError
        If the file can't be read, or one of its keys is unknown, of the wrong
        type, or impossible.
    """
    from spinalprep.data import load

    policy = policy_from_dict(_read_yaml(load('policy.yaml')), source='packaged policy')
    if path is None:
        return policy
    return policy_from_dict(_read_yaml(path), base=policy, source=str(path))


def policy_from_dict(
    values: dict[str, Any], *, base: Policy | None = None, source: str = 'policy'
) -> Policy:
    """Policy from nested plain values over a base.

    Parameters
    ----------
    values : dict
        As in the YAML file.
    base : Policy, optional
        Where keys that are not named come from; the dataclasses' defaults if not given.
    source : str
        Named in error messages.

    Returns
    -------
    Policy

    Raises
    ------
    PolicyError
    """
    try:
        return _build(Policy, values, base or Policy(), '')
    except ValueError as error:
        raise PolicyError(f'{source}: {error}') from error


def _read_yaml(path: Path | str) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise PolicyError(f'{path}: can not be read ({error.strerror})') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PolicyError(f'{path}: not valid YAML: {error}') from error
    return {} if content is None else content


def _build(cls: type, values: Any, base: Any, where: str) -> Any:
    """Dataclass from plain values; keys that are not named come from ``base``."""
    if not isinstance(values, dict):
        raise ValueError(f'{where.rstrip(".") or "the file"}: a mapping of keys expected')
    hints = get_type_hints(cls)
    known = {f.name for f in dataclasses.fields(cls)}
    changes = {}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f'{where}{key}: unknown key; known are {", ".join(sorted(known))}')
        kind = hints[key]
        if dataclasses.is_dataclass(kind):
            changes[key] = _build(kind, value, getattr(base, key), f'{where}{key}.')
        else:
            changes[key] = _coerce(kind, value, f'{where}{key}')
    try:
        return dataclasses.replace(base, **changes)
    except ValueError as error:
        raise ValueError(f'{where}{error}') from error


def _coerce(kind: Any, value: Any, where: str) -> Any:
    """The value as the annotated type, or a ValueError that names the key."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        for option in get_args(kind):
            try:
                return _coerce(option, value, where)
            except ValueError:
                continue
    elif origin is Literal:
        if isinstance(value, str) and value in get_args(kind):
            return value
    elif origin is tuple:
        if isinstance(value, (list, tuple)):
            return tuple(_coerce(get_args(kind)[0], item, where) for item in value)
    elif kind is type(None):
        if value is None:
            return None
    elif kind is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    elif type(value) is kind:
        return value
    raise ValueError(f'{where}: {describe_type(kind)} expected, got {value!r}')


def describe_type(kind: Any) -> str:
    """An annotated type in words, for messages and the documentation."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return ' or '.join(describe_type(option) for option in get_args(kind))
    if origin is Literal:
        return ' or '.join(get_args(kind))
    if origin is tuple:
        return f'list of {describe_type(get_args(kind)[0])}'
    names = {bool: 'true or false', int: 'whole number', float: 'number', str: 'text'}
    return names.get(kind, 'null')


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
