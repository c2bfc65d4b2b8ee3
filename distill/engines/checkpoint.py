"""What the engines that open a saved model share: where it lies, where it ends, what it wrote."""

from collections.abc import Collection
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from distill.engines.base import Request
from distill.errors import EngineError
from distill.recipe_paths import split_revision
from distill.records import Failure, FailureReason


def locate(model: str) -> tuple[str, str]:
    """Folder or hub id, and revision, of a folder or org/name@revision.

    Raises: EngineError for a folder without a model, or a path where there is none.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise EngineError(f"{model}: this folder holds no config.json; expected a saved model")
        return str(path), "main"
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise EngineError(
            f"{model}: no such model folder (looked for {path.absolute()}); "
            "name a folder with config.json and model.safetensors, or org/name of the hub"
        )
    name, revision = split_revision(model)
    return name, revision or "main"


def cannot_open(model: str, reason: str) -> EngineError:
    """The error for a model that is not what an engine can read."""
    return EngineError(
        f"{model}: cannot be opened as a causal language model in safetensors form (looked for "
        f"the folder {Path(model).absolute()}, then on the Hugging Face hub): {reason}"
    )


def end_ids(configured: int | list[int] | None, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every token that ends a completion: those of the generation config and the tokenizer's."""
    found = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in [*found, tokenizer.eos_token_id] if token is not None})


def written_text(
    tokenizer: PreTrainedTokenizerBase, token_ids: list[int], unwritten: Collection[int]
) -> str:
    """A completion's text, think tags included, without its end and padding tokens."""
    written = [token for token in token_ids if token not in unwritten]
    return tokenizer.decode(written, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def prompt_problem(tokens: int, context: int) -> str:
    """Why a prompt of so many tokens cannot be completed; "" if it can."""
    if tokens == 0:
        return "the prompt has no tokens; a model needs at least one"
    if tokens >= context:
        return (
            f"the prompt has {tokens} tokens; the model's context is {context} "
            "with at least one token to write; shorten or drop the problem"
        )
    return ""


def refusal(request: Request, problem: str, prompt_tokens: int) -> Failure:
    """What becomes of a request that the model cannot answer."""
    return Failure(
        trace_id=request.key,
        reason=FailureReason.REFUSED,
        detail=problem,
        prompt_tokens=prompt_tokens,
    )
