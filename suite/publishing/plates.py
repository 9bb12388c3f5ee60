"""Templates that are compiled for many pages: what a page shows goes into it with no more calls than its escaping needs.

jinja2 makes an object of its own of every value that is shown, even of a number, and asks of every function that a template calls whether
it wants the context. A record's page shows a thousand values and calls three hundred functions, in every language. What is escaped, and
how, is jinja2's as ever: only text without a character that needs it, and numbers, take the shorter way.
"""

import re
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import TemplateModule
from jinja2.runtime import Context, Macro
from markupsafe import Markup, escape

_needs = re.compile(r"[&<>'\"]").search
_FUNCTIONS = frozenset({BuiltinMethodType, FunctionType, MethodType})
_OURS = frozenset({"_loop_vars", "_block_vars"})
"""What compiled templates hand to the context with a call, and no function is given."""


def shown(value: object) -> str:
    """A value as it stands on a page: escaped, unless it is markup."""
    if type(value) is str:
        return escape(value) if _needs(value) else value
    if type(value) is Markup:
        return value
    return str(value) if type(value) is int or type(value) is float else escape(value)


class _Generator(CodeGenerator):
    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.shown(")


class _Context(Context):
    def call(self, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Macros, functions and methods that want no context at once; jinja2 finds out for each call what they want."""
        kind = type(called)
        if kind is not Macro and (kind not in _FUNCTIONS or hasattr(called, "jinja_pass_arg")):
            return super().call(called, *args, **kwargs)
        if kwargs:
            kwargs = {name: value for name, value in kwargs.items() if name not in _OURS}
        return called(*args, **kwargs)


class _Template(jinja2.Template):
    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        """The macros of a template that is imported: the same for all, as no page brings globals of its own."""
        return super()._get_default_module()


class Plates(jinja2.Environment):
    """An environment whose templates are compiled like that, and each only once."""

    code_generator_class = _Generator
    context_class = _Context
    template_class = _Template
    shown = staticmethod(shown)

    def __init__(self, **options: Any) -> None:
        super().__init__(auto_reload=False, **options)
        self.plates: dict[Any, jinja2.Template] = {}

    def get_template(self, name: str | jinja2.Template, *more: Any, **options: Any) -> jinja2.Template:
        """A template by its name; the next time it is at hand."""
        found = self.plates.get(name)
        if found is None:
            found = self.plates[name] = super().get_template(name, *more, **options)
        return found
