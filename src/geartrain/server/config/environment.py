# SPDX-License-Identifier: MIT
"""Options as environment variables: ``GEARMAND_`` and the name of the option. Commas separate the parts of a list."""

import re
from collections.abc import Iterable, Mapping

from geartrain.server.config.kinds import OptionError
from geartrain.server.config.option import Option
from geartrain.wording import did_you_mean

__all__ = ["read_environment"]


_PREFIX = "GEARMAND_"
# The variables that Kubernetes and Docker set in containers beside a service called gearmand.
_OF_SERVICES = re.compile(r"GEARMAND_(SERVICE_(HOST|PORT)\w*|PORT_\d+_\w+|NAME|ENV_\w+)")


def read_environment(
    environment: Mapping[str, str], options: Iterable[Option], warnings: list[str]
) -> dict[str, object]:
    """Return the values of the options that have a variable, by attribute.

    Args:
        environment: All variables.
        options: The options.
        warnings: Gets a line for each variable that is ignored, and that begins like those of options.

    Raises:
        OptionError: A variable has a wrong value; the message names it.
    """
    values: dict[str, object] = {}
    known: set[str] = set()
    for option in options:
        known.update(option.variables)
        for variable in option.variables:
            text = environment.get(variable, "")
            if not text:
                continue
            # Kubernetes sets variables of the same names in each container, for a service called gearmand.
            if option.name == "port" and text.startswith("tcp://"):
                warnings.append(f"ignored {variable}={text}, which describes a service and not a port to listen on")
                continue
            try:
                parsed = [option.parse(part.strip()) for part in (text.split(",") if option.many else [text])]
            except OptionError as error:
                raise OptionError(f"{variable}: {error}") from None
            values[option.attribute] = tuple(parsed) if option.many else parsed[0]
            break
    ends = [name.removeprefix(_PREFIX) for name in known]
    for name in sorted(environment):
        if name.startswith(_PREFIX) and name not in known and not _OF_SERVICES.fullmatch(name):
            hint = did_you_mean(name.removeprefix(_PREFIX), ends, prefix=_PREFIX)
            warnings.append(f"ignored {name}: no option has this variable{hint}")
    return values
