# SPDX-License-Identifier: Apache-2.0
"""Numbers that show whether products are right, by name; see :mod:`spinalprep.bounds`.

Pure functions on arrays and affines. A number that can't be had is None.
"""
