"""Opening the weights of a checkpoint: safetensors only, whole, none of its code is run."""

from typing import Any

from transformers import AutoModelForCausalLM, PreTrainedModel


def load_weights(name: str, **arguments: Any) -> PreTrainedModel:
    """Open a model from a folder or the hub.

    Args:
        name: a folder, or org/name of the hub.
        arguments: further ones of `from_pretrained`, such as revision and dtype.
    Raises: ValueError if tensors are missing, which transformers would fill at random; and whatever
        `from_pretrained` raises.
    """
    model, found = AutoModelForCausalLM.from_pretrained(
        name, use_safetensors=True, trust_remote_code=False, output_loading_info=True, **arguments
    )
    if missing := sorted(found["missing_keys"]):
        raise ValueError(
            f"its weights are not whole: {len(missing)} tensors are missing, such as {missing[0]}"
        )
    return model
