# SPDX-License-Identifier: Apache-2.0
"""One interface per SCT command: typed inputs, an argument list, judged outputs.

Outputs are made in the node's folder beside ``command.log`` (what was printed) and
``command.json`` (what ran, when, how it ended).
"""

from spinalprep.interfaces.sct.base import SCTCommand, forget_failed
from spinalprep.interfaces.sct.deepseg import DeepSeg
from spinalprep.interfaces.sct.image import CreateMask, CropImage, Image, Maths, Version
from spinalprep.interfaces.sct.labels import LabelUtils, LabelVertebrae
from spinalprep.interfaces.sct.morphometry import GetCenterline, ProcessSegmentation
from spinalprep.interfaces.sct.registration import RegisterMultimodal, RegisterToTemplate
from spinalprep.interfaces.sct.transforms import ApplyTransfo, ConcatTransfo, WarpTemplate

__all__ = [
    'ApplyTransfo',
    'ConcatTransfo',
    'CreateMask',
    'CropImage',
    'DeepSeg',
    'GetCenterline',
    'Image',
    'LabelUtils',
    'LabelVertebrae',
    'Maths',
    'ProcessSegmentation',
    'RegisterMultimodal',
    'RegisterToTemplate',
    'SCTCommand',
    'Version',
    'WarpTemplate',
    'forget_failed',
]
