"""Which engines there are; each is imported only when it is opened."""

from distill.engines.base import Engine
from distill.errors import EngineError
from distill.recipe import RayCluster, Server, Vllm


def open_engine(
    kind: str,
    model: str,
    *,
    batch_size: int = 256,
    vllm: Vllm | None = None,
    server: Server | None = None,
    ray: RayCluster | None = None,
) -> Engine:
    """Open a model for sampling.

    Args:
        kind: a key of ENGINES.
        model: a folder, or org/name@revision; for a server, its name of the model.
        batch_size: completions decoded at once, in each actor of Ray.
        vllm, server, ray: the section of the recipe for that engine.
    Raises: EngineError for an unknown engine or a model that cannot be opened.
    """
    if kind not in ENGINES:
        raise EngineError(f"engine is {kind!r}; expected one of {', '.join(ENGINES)}")
    return ENGINES[kind](model, batch_size, vllm or Vllm(), server, ray or RayCluster())


def _open_transformers(
    model: str, batch_size: int, vllm: Vllm, server: Server | None, ray: RayCluster
) -> Engine:
    from distill.engines.transformers import load_engine

    return load_engine(model, batch_size=batch_size)


def _open_vllm(
    model: str, batch_size: int, vllm: Vllm, server: Server | None, ray: RayCluster
) -> Engine:
    from distill.engines.vllm import load_engine

    return load_engine(model, batch_size=batch_size, keys=vllm)


def _open_server(
    model: str, batch_size: int, vllm: Vllm, server: Server | None, ray: RayCluster
) -> Engine:
    from distill.engines.server import ServerEngine

    return ServerEngine(model, server)


def _open_ray(
    model: str, batch_size: int, vllm: Vllm, server: Server | None, ray: RayCluster
) -> Engine:
    from distill.engines.ray import RayEngine

    return RayEngine(model, batch_size=batch_size, keys=ray, vllm=vllm)


ENGINES = {
    "transformers": _open_transformers,
    "vllm": _open_vllm,
    "server": _open_server,
    "ray": _open_ray,
}
