"""The optimizer classes of other packages and of the user: imported, and their arguments checked."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from lrtui.run.errors import NotationError
from lrtui.schedules.arguments import did_you_mean
from lrtui.schedules.user_module import load_user_attribute


def load_optimizer_class(path: str, name: str, text: str) -> Any:
    """Return an optimizer class, or a function that returns an optimizer; runs the file or imports the module.

    Args:
        path: `package.module` or a path that ends in `.py`.
        name: name of the class.
        text: the notation, for messages.

    Raises:
        NotationError: if there is no such file, module or class, or it is not an Optimizer.
    """
    from torch.optim import Optimizer

    found = load_user_attribute(path, name, text)
    if isinstance(found, type) and not issubclass(found, Optimizer):
        raise NotationError(f"{path}:{name} is no subclass of torch.optim.Optimizer", text, 0)
    if not callable(found):
        raise NotationError(f"{path}:{name} is not an optimizer class but a {type(found).__name__}", text, 0)
    return found


def class_settings(
    path: str,
    name: str,
    positional: Sequence[Any],
    items: Sequence[tuple[str, Any]],
    text: str,
    with_defaults: bool = True,
) -> Mapping[str, Any]:
    """Return the arguments of a user's class by name.

    Args:
        path: module or file of the class.
        name: name of the class.
        positional: arguments given without a name, after the model's parameters.
        items: (argument, value) pairs; those without a name are skipped.
        text: the notation, for messages.
        with_defaults: whether arguments that are not given are included.

    Raises:
        NotationError: if the class can't be imported, does not take the arguments, or has no lr.
    """
    optimizer_class = load_optimizer_class(path, name, text)
    given = {argument: value for argument, value in items if argument}
    try:
        signature = inspect.signature(optimizer_class)
    except (TypeError, ValueError):
        # a class of an extension module may have no signature; its constructor checks the arguments
        if positional:
            raise NotationError(f"{path}:{name}: give its arguments by name", text, 0) from None
        signature = None
    if signature is None:
        return _with_lr(given, f"{path}:{name}", text)
    parameters = list(signature.parameters.values())
    known = [each.name for each in parameters[1:] if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    takes_any = any(each.kind == each.VAR_KEYWORD for each in parameters)
    for argument in given:
        if argument not in known and not takes_any:
            raise NotationError(
                f"{name} has no argument {argument[:40]}{did_you_mean(argument, known)}", text, 0, argument
            )
    try:
        bound = signature.bind((), *positional, **given)
    except TypeError as error:
        raise NotationError(f"{path}:{name}: {error}", text, 0) from None
    if with_defaults:
        bound.apply_defaults()
    values = dict(list(bound.arguments.items())[1:])
    for each in parameters:
        if each.kind == each.VAR_KEYWORD:
            values |= values.pop(each.name, {})
    return _with_lr(values, f"{path}:{name}", text) if with_defaults else values


def _with_lr(values: Mapping[str, Any], path: str, text: str) -> Mapping[str, Any]:
    lr = values.get("lr")
    # an lr may be a number of torch
    if lr is None or isinstance(lr, (str, bool)) or not hasattr(lr, "__float__"):
        raise NotationError(f"{path} has no default lr; write lr=", text, 0, "lr")
    return {**values, "lr": float(lr)}
