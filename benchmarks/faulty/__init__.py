# SPDX-License-Identifier: Apache-2.0
"""The fault study: clean products, what is done to them, and whether evidence sees it."""
