# SPDX-License-Identifier: MIT
"""Typed functions: functions with plain arguments, which travel as JSON and are checked by their annotations.

The arguments travel by name as an object, such as ``{"image_id": 7, "width": 100}``. An array is accepted too, as
positional arguments, which is easier to write in other languages; an empty workload is a call without arguments. The
result travels as JSON as well. Both sides check every value against the annotations before they use it.
"""

from geartrain.typed.annotations import is_job_function
from geartrain.typed.signature import Signature

__all__ = ["Signature", "is_job_function"]
