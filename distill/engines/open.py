"""Which engines there are; each is imported only when it is opened."""

from distill.engines.base import Engine
from distill.errors import EngineError


def open_engine(kind: str, model: str, *, batch_size: int = 256) -> Engine:
    """Open a model for sampling.

    Args:
        kind: a key of ENGINES.
        model: a folder, or org/name@revision.
        batch_size: completions decoded at once.
    Raises: EngineError for an unknown engine or a model that cannot be opened.
    """
    if kind not in ENGINES:
        raise EngineError(f"engine is {kind!r}; expected one of {', '.join(ENGINES)}")
    return ENGINES[kind](model, batch_size=batch_size)


def _open_transformers(model: str, *, batch_size: int) -> Engine:
    from distill.engines.transformers import load_engine

    return load_engine(model, batch_size=batch_size)


ENGINES = {"transformers": _open_transformers}
