# SPDX-License-Identifier: Apache-2.0
"""The embedded SCT: the commands that the graph calls, speaking SCT's command line.

Preview quality: for demos, tests and continuous integration. ``python -m
spinalprep.embedded COMMAND ARGS…`` runs one command.
"""
