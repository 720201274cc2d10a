# SPDX-License-Identifier: Apache-2.0
"""One interface per SCT command: typed inputs, an argument list, judged outputs."""

from spinalprep.interfaces.sct.base import SCTCommand
from spinalprep.interfaces.sct.deepseg import DeepSeg
from spinalprep.interfaces.sct.registration import RegisterToTemplate

__all__ = ['DeepSeg', 'RegisterToTemplate', 'SCTCommand']
