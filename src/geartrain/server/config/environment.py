# SPDX-License-Identifier: MIT
"""Options as environment variables: ``GEARMAND_`` and the name of the option. Commas separate the parts of a list."""

from collections.abc import Iterable, Mapping

from geartrain.server.config.kinds import OptionError
from geartrain.server.config.option import Option

__all__ = ["read_environment"]


def read_environment(
    environment: Mapping[str, str], options: Iterable[Option], warnings: list[str]
) -> dict[str, object]:
    """Return the values of the options that have a variable, by attribute.

    Raises:
        OptionError: A variable has a wrong value; the message names it.
    """
    values: dict[str, object] = {}
    for option in options:
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
    return values
