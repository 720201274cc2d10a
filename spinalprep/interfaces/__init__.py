# SPDX-License-Identifier: Apache-2.0
"""Nipype interfaces: ``sct`` wraps the Spinal Cord Toolbox, the rest wrap :mod:`spinalprep.anatomy`."""
