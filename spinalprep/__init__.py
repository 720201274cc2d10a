# SPDX-License-Identifier: Apache-2.0
"""Anatomical cord reference for spinal-cord fMRI, as a Nipype workflow library."""

__version__ = '0.1.0'
