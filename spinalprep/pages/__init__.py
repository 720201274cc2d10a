# SPDX-License-Identifier: Apache-2.0
"""HTML pages and the table of a dataset, from records and figures alone."""

from spinalprep.pages.write import write_dataset_page, write_subject_page

__all__ = ['write_dataset_page', 'write_subject_page']
