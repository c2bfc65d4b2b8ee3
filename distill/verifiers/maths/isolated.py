"""What an unknown is whose equation is solved by undoing one step after the other."""

from distill.verifiers.maths.trees import Node, signed, symbols

_INVERTIBLE = frozenset(("root", "ln", "log", "lg", "exp"))


def is_equation(node: Node) -> bool:
    """Is a left side no name but a calculation with one unknown that it has once?

    "2x" and "1/x"; not "x^2 + y^2" or "x^3 + 1/x^3", which may have been asked for, nor a
    function that has no one inverse.
    """
    if _is_asked_for(node):
        return False
    return sum(part.kind in ("sym", "apply", "text") for part in _leaves(node)) == 1


def _is_asked_for(node: Node) -> bool:
    node = node.parts[0] if node.kind == "pow" else node
    return node.kind == "call" and node.value not in _INVERTIBLE


def _leaves(node: Node) -> list[Node]:
    """Numbers and names, f(x) as one."""
    if node.kind == "apply" or not node.parts:
        return [node]
    return [leaf for part in node.parts for leaf in _leaves(part)]


def isolated(node: Node, value: Node) -> Node | None:
    """The unknown of `node = value`; None where a step has no plain inverse."""
    while node.kind not in ("sym", "apply", "text"):
        undone = _undone(node, value)
        if undone is None:
            return None
        node, value = undone
    return value


def _undone(node: Node, value: Node) -> tuple[Node, Node] | None:
    """One step less on the left, its inverse on the right."""
    if node.kind == "neg":
        return node.parts[0], signed("-", value)
    unknown = [part for part in node.parts if symbols(part) or part.kind == "text"]
    if len(unknown) != 1:
        return None
    (inner,) = unknown
    others = tuple(part for part in node.parts if part is not inner)
    if node.kind == "add":
        return inner, Node("add", None, (value, *(signed("-", part) for part in others)))
    if node.kind == "mul":
        return inner, Node("div", None, (value, Node("mul", None, others)))
    if node.kind == "div" and inner is node.parts[0]:
        return inner, Node("mul", None, (value, *others))
    if node.kind == "div":
        return inner, Node("div", None, (*others, value))
    return _without_power(node, inner, value)


def _without_power(node: Node, inner: Node, value: Node) -> tuple[Node, Node] | None:
    """The inverse of a root or of a whole power; both signs for an even one."""
    if node.kind not in ("pow", "call") or node.parts[0] is not inner or len(node.parts) != 2:
        return None
    degree = node.parts[1]
    if degree.kind != "num" or (node.kind == "call" and node.value != "root"):
        return None
    if node.kind == "call":
        return inner, Node("pow", None, (value, degree))
    if degree.value.denominator != 1 or degree.value < 2:
        return None
    root = Node("call", "root", (value, degree))
    return inner, Node("pm", None, (root,)) if degree.value % 2 == 0 else root
