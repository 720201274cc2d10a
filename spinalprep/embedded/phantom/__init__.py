# SPDX-License-Identifier: Apache-2.0
"""Phantom of the neck with known geometry, a template of the same kind, a small dataset.

- :class:`PhantomParams`: what can be chosen; the individual is drawn from the seed.
- :func:`make_phantom`: image and truth (:class:`Phantom`).
- :func:`write_template`: a template folder as ``sct_register_to_template -t`` reads it;
  :func:`template_landmarks`: its landmarks, under the names of `Phantom.landmarks`.
- :func:`write_dataset`: the BIDS dataset of the demo.
"""

from spinalprep.embedded.phantom.dataset import write_dataset
from spinalprep.embedded.phantom.generate import Phantom, make_phantom
from spinalprep.embedded.phantom.params import PhantomParams
from spinalprep.embedded.phantom.template import make_template, template_landmarks, write_template

__all__ = [
    'Phantom',
    'PhantomParams',
    'make_phantom',
    'make_template',
    'template_landmarks',
    'write_dataset',
    'write_template',
]
