"""Code without async and await."""

from __future__ import annotations

import ast
import copy

from make_sync.clients import Clients, is_generator


class Plain(ast.NodeTransformer):
    """Takes async and await out of the code of one method."""

    def __init__(self, name: str, clients: Clients) -> None:
        self.name = name
        self.clients = clients

    def visit_Await(self, node: ast.Await) -> ast.expr:
        call = ast.unparse(node.value)
        if not isinstance(node.value, ast.Call) or not call.startswith("self."):
            raise SystemExit(f"{self.name}: only methods of its own can be awaited in a generator, not {call}")
        inner = self.generic_visit(copy.deepcopy(node.value))
        assert isinstance(inner, ast.Call)
        return ast.Call(ast.parse("self._run", mode="eval").body, [inner.func, *inner.args], inner.keywords)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.stmt:
        return self.visit_For(ast.For(**{field: getattr(node, field) for field in ast.For._fields}))

    def visit_For(self, node: ast.For) -> ast.stmt:
        self.generic_visit(node)
        if ast.unparse(node.body[0]) == f"yield {ast.unparse(node.target)}":
            return ast.Expr(ast.YieldFrom(node.iter))
        return node

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.With:
        self.generic_visit(node)
        return ast.With(**{field: getattr(node, field) for field in ast.With._fields})

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        node.is_async = 0
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            return node
        method = self.clients.method(self.name, node.attr)
        if method is not None and is_generator(method):
            return node
        return ast.Attribute(ast.Attribute(ast.Name("self"), "_async"), node.attr)
