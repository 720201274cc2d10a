# SPDX-License-Identifier: Apache-2.0
"""Packaged data: ``load('name')`` gives the path of a file in this folder."""

from acres import Loader

load = Loader(__spec__.name)
