# SPDX-License-Identifier: MIT
"""Functions with plain arguments: what their annotations say, as JSON on the wire.

Arguments travel by name as an object, such as ``{"image_id": 7, "width": 100}``; an array is taken too, as positional
arguments, which other languages find easy to write, and nothing at all is a call without arguments. The result travels
as JSON as well. Whatever comes is held to the annotations before anybody uses it.
"""

from geartrain.typed.annotations import is_job_function
from geartrain.typed.signature import Signature

__all__ = ["Signature", "is_job_function"]
