# SPDX-License-Identifier: Apache-2.0
"""Pure functions on arrays and affines: what the cord's anatomy says. No Nipype here."""
