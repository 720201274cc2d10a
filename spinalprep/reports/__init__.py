# SPDX-License-Identifier: Apache-2.0
"""Figures: arrays and affines in, matplotlib figures out."""
