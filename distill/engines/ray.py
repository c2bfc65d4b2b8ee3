"""Many engines behind one: actors of a Ray cluster, each with a transformers model or a vLLM."""

import logging
import math
import os
import socket
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distill.engines.base import Feed, Request, SamplingParams
from distill.engines.checkpoint import locate
from distill.engines.ray_roster import Standing
from distill.errors import EngineError
from distill.recipe import RayCluster, Vllm

try:
    import ray
    import ray._private.worker as ray_worker
    import ray.data
    from ray._private.services import canonicalize_bootstrap_address

    from distill.engines.ray_actor import Opening
    from distill.engines.ray_mailbox import Mailbox, News
except ModuleNotFoundError as missing:
    raise EngineError(
        f"the engine 'ray' needs Ray Data ({missing}); install it on every node: "
        'pip install "r1-distill[ray]"'
    ) from None

from transformers import AutoTokenizer

OBJECT_STORE_BYTES = 200 * 2**20  # of a Ray started here; texts pass through it, no tensors
PLACE_SECONDS = 300.0  # longest wait while not one actor runs
WARN_SECONDS = 30.0  # between two words on actors that wait for a place
END_SECONDS = 3.0  # for engines to end by themselves
PROBE_SECONDS = 10.0  # for an address to accept a connection
CLIENT_PORT = 10001  # of ray://host
CLIENT_ATTEMPTS = 6  # to connect to it

log = logging.getLogger(__name__)


class RayEngine:
    """Hands the requests of a feed to actors and their results back, as they come.

    Which actor answers a request depends on who has room first, so the same requests may be
    batched otherwise the next time. An actor that dies is started again by Ray, as often as
    necessary unless it ends nothing in between; what it had under way is asked again.
    """

    in_waves = False

    def __init__(self, model: str, *, batch_size: int, keys: RayCluster, vllm: Vllm) -> None:
        """Connect, have the actors placed, and wait for the first engine to open.

        Args:
            model: as for the engine inside, on every node; a folder that is here is made absolute.
            batch_size: completions decoded at once in each actor.
            keys, vllm: sections of the recipe.
        Raises: EngineError if Ray cannot be reached, has no place for the actors, or if an engine
            cannot be opened.
        """
        self._keys = keys
        self._mailbox: Any = None
        self._deaths = 0  # of actors that were spoken of
        if keys.address is None:
            locate(model)  # an error here is told sooner than one from an actor
        path = Path(model).expanduser()
        model = str(path.absolute()) if path.is_dir() else model
        _check_parallel(keys, vllm)
        self._is_ours = _connect(keys)
        try:
            _check_places(keys)
            opening = Opening(keys.engine, model, batch_size, vllm)
            self._mailbox = _create_mailbox(opening, keys)
            self._ask("start")
            standing = self._wait_for_first()
            self.tokenizer = _load_tokenizer(model)
        except BaseException:
            self.close()
            raise
        self.name = f"ray {ray.__version__} + {standing.name}"

    def work(self, feed: Feed, params: SamplingParams) -> None:
        """Work off a feed; its calls all come from this thread.

        Raises: EngineError if an engine cannot answer at all, if actors die again and again, or
            if none has a place for PLACE_SECONDS.
        """
        self._had_place = time.monotonic()
        self._ask("begin", params)
        try:
            self._turns(feed)
        finally:
            with suppress(EngineError):
                self._ask("end", timeout=END_SECONDS)

    def standing(self) -> Standing:
        """How many actors run, how many engines are open, how many have died.

        Raises: EngineError if the cluster is lost.
        """
        return self._ask("standing")

    def _turns(self, feed: Feed) -> None:
        under_way: dict[str, Request] = {}
        wanted = 0
        while True:
            taken = feed.take(wanted) if wanted else []
            if wanted and not taken and not under_way:
                return
            under_way |= {request.key: request for request in taken}
            unwanted = list(feed.withdrawn()) if under_way else []
            news: News = self._ask("turn", taken, len(taken) < wanted, unwanted)
            for request, result in news.results:
                feed.done(under_way.pop(request.key), result)
            self._check(news.standing)
            wanted = news.wanted

    def close(self) -> None:
        """End the actors; disconnect from Ray, or stop it, unless it was there before."""
        mailbox, self._mailbox = self._mailbox, None
        try:
            if mailbox is not None:
                _end(mailbox)
        finally:
            if self._is_ours:
                self._is_ours = False
                ray.shutdown()

    def _wait_for_first(self) -> Standing:
        """Wait until an engine is open: others may still be on their way."""
        self._had_place = self._warned = time.monotonic()
        while True:
            standing = self.standing()
            self._check(standing)
            if standing.open:
                return standing
            time.sleep(0.1)

    def _check(self, standing: Standing) -> None:
        """Raises: EngineError if nothing can be hoped for; says so if some actors have no place."""
        if standing.error:
            raise EngineError(f"ray: {standing.error}")
        if standing.deaths > self._deaths:
            self._deaths = standing.deaths
            log.warning(
                "an actor died (%d so far): Ray starts it again, and what it had under way is "
                "asked again",
                self._deaths,
            )
        now = time.monotonic()
        if standing.alive:
            self._had_place = now
        if standing.alive == self._keys.actors:
            self._warned = now
        elif now - self._had_place > PLACE_SECONDS:
            raise EngineError(
                f"sample.ray: {_asked(self._keys)}, and for {PLACE_SECONDS:.0f} s none of them "
                f"has run; the cluster has free: {_amounts(ray.available_resources())}. "
                "Wait for other work to end, or add nodes"
            )
        elif now - self._warned > WARN_SECONDS:
            self._warned = now
            log.warning(
                "%d of %d actors run; the others wait for a place; the cluster has free: %s",
                standing.alive,
                self._keys.actors,
                _amounts(ray.available_resources()),
            )

    def _ask(self, method: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Call the mailbox and wait."""
        try:
            return ray.get(getattr(self._mailbox, method).remote(*arguments), timeout=timeout)
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise EngineError(
                f"ray: no answer from the cluster: {_first_line(error)} (every node needs the "
                "same Python, r1-distill and extras)"
            ) from None


def _connect(keys: RayCluster) -> bool:
    """Reach or start Ray; True if this process has it from us.

    Raises: EngineError if it cannot be reached.
    """
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_SCHEDULER_EVENTS", "0")
    ray_worker.print_to_stdstream = _log_report
    arguments = {"address": _probed(keys.address)} if keys.address else _local(keys)
    try:
        _init(arguments)
    except (ImportError, OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _unreachable(keys.address, _first_line(error)) from None
    return True


def _init(arguments: dict[str, Any]) -> None:
    """Connect; from outside a cluster more than once, as its server sometimes fails to fork.

    Raises: whatever Ray raised last.
    """
    attempts = CLIENT_ATTEMPTS if arguments["address"].startswith("ray://") else 1
    for left in reversed(range(attempts)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ray.init(logging_level=logging.ERROR, log_to_driver=False, **arguments)
            return
        except ConnectionError as error:
            if not left:
                raise
            log.warning("Ray did not let us in (%s); once more", _first_line(error))


def _local(keys: RayCluster) -> dict[str, Any]:
    """A small Ray on this machine; it asks a token of whoever connects, kept in ~/.ray."""
    needed = math.ceil(keys.actors * keys.cpus_per_actor)
    return {
        "address": "local",
        "num_cpus": max(os.cpu_count() or 1, needed),
        "object_store_memory": OBJECT_STORE_BYTES,
        "include_dashboard": False,
    }


def _log_report(report: dict[str, Any], **_: Any) -> None:
    """What Ray's daemons report; Ray would print it on standard output, whatever it is told."""
    log.debug("ray: %s", " ".join(report["lines"]))


def _probed(address: str) -> str:
    """The address with its host and port. Ray takes a minute, or aborts, if nobody is there."""
    try:
        if address == "auto":
            address = os.environ.get("RAY_ADDRESS") or address
        if address == "local":
            raise ValueError("this machine alone is what is taken where no address is given")
        if "://" not in address:
            address = canonicalize_bootstrap_address(address)
        parts = urlsplit(address if "://" in address else f"//{address}")
        place = (parts.hostname, parts.port or CLIENT_PORT)
        socket.create_connection(place, timeout=PROBE_SECONDS).close()
    except (OSError, ValueError) as error:
        raise _unreachable(address, _first_line(error)) from None
    return address


def _unreachable(address: str | None, found: str) -> EngineError:
    if address is None:
        return EngineError(f"Ray cannot be started on this machine: {found}")
    return EngineError(
        f"sample.ray.address: no Ray cluster answers at {address!r}: {found}. Expected one started "
        f"with `ray start --head`, of the same Python and Ray ({ray.__version__}); if it asks for "
        "a token, this machine needs the head's ~/.ray/auth_token and RAY_AUTH_MODE=token"
    )


def _check_parallel(keys: RayCluster, vllm: Vllm) -> None:
    needed = vllm.tensor_parallel_size
    if keys.engine == "vllm" and keys.gpus_per_actor and keys.gpus_per_actor < needed:
        raise EngineError(
            f"sample.ray.gpus_per_actor is {keys.gpus_per_actor:g}; expected at least {needed}, "
            "as sample.vllm.tensor_parallel_size says"
        )


def _check_places(keys: RayCluster) -> None:
    """Raises: EngineError if the nodes that are there could not hold all actors, even if free."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    places = sum(_places(node, keys) for node in nodes)
    if places < keys.actors:
        whole = {kind: sum(node.get(kind, 0) for node in nodes) for kind in ("CPU", "GPU")}
        raise EngineError(
            f"sample.ray: {_asked(keys)}; the {len(nodes)} nodes of the cluster have "
            f"{_amounts(whole)} and can hold {places} such actors. Add nodes with "
            "`ray start --address=...`, or ask for less: actors, cpus_per_actor, gpus_per_actor"
        )


def _places(node: dict[str, float], keys: RayCluster) -> int:
    """How many actors a node can hold; an actor is never spread over nodes."""
    places = node.get("CPU", 0) / keys.cpus_per_actor
    if keys.gpus_per_actor:
        places = min(places, node.get("GPU", 0) / keys.gpus_per_actor)
    return int(places + 1e-6)


def _create_mailbox(opening: Opening, keys: RayCluster) -> Any:
    resources = {"num_cpus": keys.cpus_per_actor, "num_gpus": keys.gpus_per_actor}
    head = "node:__internal_head__"  # the one machine that a cluster cannot lose anyway
    place = {head: 0.001} if head in ray.cluster_resources() else {}
    return ray.remote(num_cpus=0, resources=place)(Mailbox).remote(opening, keys.actors, resources)


def _end(mailbox: Any) -> None:
    """Let the engines end, for a while; then Ray ends whatever the mailbox has started."""
    with suppress(ray.exceptions.RayError, ConnectionError):
        try:
            ray.get(mailbox.close.remote(), timeout=END_SECONDS)
            until = time.monotonic() + END_SECONDS
            while time.monotonic() < until:
                if not ray.get(mailbox.standing.remote(), timeout=END_SECONDS).alive:
                    break
                time.sleep(0.05)
        finally:
            ray.kill(mailbox)


def _load_tokenizer(model: str) -> Any | None:
    """For prompts in the model's chat template; None if the model is not on this machine."""
    try:
        name, revision = locate(model)
        return AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
    except (EngineError, OSError, ValueError, KeyError) as error:
        log.warning("%s: no tokenizer of it on this machine: %s", model, _first_line(error))
        return None


def _asked(keys: RayCluster) -> str:
    each = {"CPU": keys.cpus_per_actor, "GPU": keys.gpus_per_actor}
    return f"asked for {keys.actors} actors with {_amounts(each)} each"


def _amounts(resources: dict[str, float]) -> str:
    return ", ".join(f"{resources.get(kind, 0):g} {kind}" for kind in ("CPU", "GPU"))


def _first_line(error: BaseException) -> str:
    """And the last one, where the first only announces it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    said = lines[0] if not lines[0].endswith(":") else f"{lines[0]} {lines[-1].strip()}"
    return said.rstrip(".")
