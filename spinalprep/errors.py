# SPDX-License-Identifier: Apache-2.0
"""The errors that users can meet, and the one table of exit codes.

Every message says what went wrong, where (the path) and what to do about it.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the ``spinalprep`` command."""

    OK = 0
    """Everything asked for is there (verdicts PASS or WARN)."""
    SUBJECT = 1
    """At least one subject was rejected, failed, or has the verdict FAIL."""
    USAGE = 2
    """The command line or the policy can't be understood."""
    NOTHING_TO_RUN = 3
    """Dataset path missing, or no T2w or T1w image selected."""
    ENVIRONMENT = 4
    """SCT, a model or the template is missing, outdated, or too old for what was asked; Docker or
    Slurm does not answer; or a file or folder can't be read or written, as on a full disk."""


class SpinalprepError(Exception):
    """Base of all errors with a message for the user."""

    exit_code = ExitCode.SUBJECT


class UsageError(SpinalprepError, ValueError):
    """The command line can't be understood."""

    exit_code = ExitCode.USAGE


class PolicyError(UsageError):
    """A policy key is unknown, of the wrong type, or impossible."""


class NothingToRunError(SpinalprepError):
    """No image to work on."""

    exit_code = ExitCode.NOTHING_TO_RUN


class ToolboxError(SpinalprepError, RuntimeError):
    """SCT, one of its models, or the template can't serve."""

    exit_code = ExitCode.ENVIRONMENT


class SCTCommandError(SpinalprepError, RuntimeError):
    """An SCT command failed, or ran out of its time limit."""


class SCTOutputError(SCTCommandError):
    """An SCT command ended well, but what it wrote can't be used."""


class WorkerKilled(SpinalprepError, RuntimeError):
    """The process that ran a node was killed."""


class ClusterError(SpinalprepError, RuntimeError):
    """The cluster is not there, or does not answer."""

    exit_code = ExitCode.ENVIRONMENT


class JobLost(SpinalprepError, RuntimeError):
    """A job of the cluster was not taken, or ended without a result."""


class CordReferenceRejected(SpinalprepError):
    """The image can't serve as anatomical cord reference."""


class InputImageError(SpinalprepError, ValueError):
    """A given file can't be used for what it was given for."""
