# SPDX-License-Identifier: Apache-2.0
"""Nipype interfaces: ``sct`` wraps SCT's commands, the rest wrap :mod:`spinalprep.anatomy`."""
