# SPDX-License-Identifier: Apache-2.0
"""What holds no cord, or one that can't be told, is refused with a reason."""

import numpy as np
import pytest

from spinalprep.anatomy.cordcheck import ENDING_MM, LIMITS, SelfCheck
from spinalprep.anatomy.finder import CordNotFound, find_cord
from spinalprep.embedded.phantom.refusals import REFUSALS, refusal_image


@pytest.mark.parametrize('kind', ['noise', 'bottle', 'short'])
def test_refuses_at_once(kind):
    image = refusal_image(kind, 1)
    with pytest.raises(CordNotFound, match=r'cord|field of view'):
        find_cord(np.asarray(image.dataobj), image.affine)


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('kind', REFUSALS)
def test_refuses(kind, seed):
    image = refusal_image(kind, seed)
    with pytest.raises(CordNotFound) as caught:
        find_cord(np.asarray(image.dataobj), image.affine)
    assert len(str(caught.value)) > 20, 'the reason in words'


@pytest.mark.slow
@pytest.mark.parametrize('part', [0.3, 0.6])
def test_a_neck_is_refused_where_its_cord_is_taken_out(part):
    """The other things of a neck stay: vessels, pillars, airway, marrow."""
    from spinalprep.embedded.phantom import PhantomParams, make_phantom

    phantom = make_phantom(PhantomParams(seed=3, top_mm=-5.0, bottom_level=10.0))
    image = np.asarray(phantom.image.dataobj).astype(float)
    inside = phantom.canal > 0
    image[inside] = part * np.median(image[inside])
    with pytest.raises(CordNotFound):
        find_cord(image, phantom.affine)


def test_images_are_the_same_for_a_seed():
    first, second = (np.asarray(refusal_image('bottle', 4).dataobj) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, np.asarray(refusal_image('bottle', 5).dataobj))
    with pytest.raises(ValueError, match='kind must be one of noise'):
        refusal_image('cat')


def check(**changes):
    """A check with nothing to complain about, changed."""
    usual = {
        name: (low + high) / 2 for name, (low, high) in LIMITS.items() if name != 'area'
    } | {
        'evenness': 0.8, 'area_mm2': (60.0, 70.0, 80.0), 'length_mm': 55.0, 'bridged_mm': 0.0,
        'brainstem': False, 'at_field_end': (True, True),
    }  # fmt: skip
    return SelfCheck(**{**usual, **changes})


def test_a_cord_that_ends_in_view_must_be_longer():
    assert check().complaint() is None
    for field_end in ((True, False), (False, True), (False, False)):
        said = check(at_field_end=field_end).complaint()
        assert 'ends within the field of view' in said
        assert check(at_field_end=field_end, length_mm=ENDING_MM).complaint() is None
    assert check(at_field_end=(True, False), brainstem=True).complaint() is None
    assert check(at_field_end=(False, False), brainstem=True).complaint() is not None


@pytest.mark.parametrize('name', [name for name in LIMITS if name != 'area'])
def test_a_number_beyond_its_limits_is_named(name):
    low, high = LIMITS[name]
    for value in (low - 0.05, high + 0.05):
        said = check(**{name: value}).complaint()
        assert said is not None
        assert f'{value:.2f}' in said
