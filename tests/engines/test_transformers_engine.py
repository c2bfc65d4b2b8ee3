import shutil

import pytest
import torch
from msgspec import structs
from transformers import AutoModelForCausalLM, AutoTokenizer

from distill.engines.base import Prompt, SamplingParams, generate
from distill.engines.open import open_engine
from distill.engines.transformers import TransformersEngine, load_engine
from distill.errors import EngineError

TEXTS = ["1 + 2 = ", "What is 17 * 3?", "x", "Let me see: 4 - 2, then 99 + 1 + 2 + 3."]


def ask(text=TEXTS[0], seeds=(1,)):
    return Prompt(text=text, seeds=tuple(seeds))


def free_end(engine, share=0.05):
    """Make the end token likely enough that completions of a random model differ in length."""
    likely = torch.tensor(engine.end_ids)

    def lift(module, arguments, output):
        output.logits[..., likely] += 368 * share
        return output

    return engine.model.register_forward_hook(lift)


@pytest.fixture(scope="module")
def engine(tiny_model):
    return load_engine(str(tiny_model), device="cpu")


@pytest.fixture(scope="module")
def ending(tiny_model):
    """An engine whose completions end by themselves after some 10 tokens."""
    engine = load_engine(str(tiny_model), device="cpu")
    free_end(engine, 0.01)
    return engine


def untimed(completions):
    """The same without the seconds, which no two calls share."""
    return [[structs.replace(one, seconds=0.0) for one in own] for own in completions]


def plain_logprobs(engine, text, token_ids, temperature=1.0):
    """Logprobs of a completion by one ordinary forward pass over prompt and completion."""
    prompt = engine.tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = engine.model(torch.tensor([prompt + token_ids])).logits[0]
    log_probs = (logits / temperature).log_softmax(-1)[len(prompt) - 1 : -1]
    return log_probs.gather(1, torch.tensor(token_ids)[:, None])[:, 0]


@pytest.mark.parametrize("folder", ["tiny_model", "tiny_llama"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logprobs_equal_a_plain_forward_pass(folder, attention, request):
    engine = load_engine(str(request.getfixturevalue(folder)), batch_size=5, device="cpu")
    engine.model.set_attn_implementation(attention)
    params = SamplingParams(max_tokens=12, temperature=0.7)
    prompts = [ask(text, range(3)) for text in TEXTS]
    for prompt, completions in zip(prompts, generate(engine, prompts, params), strict=True):
        for completion in completions:
            expected = plain_logprobs(engine, prompt.text, completion.token_ids, 0.7)
            found = torch.tensor(completion.logprobs)
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("folder", ["tiny_model", "tiny_llama"])
def test_temperature_zero_equals_greedy_generate(folder, request):
    engine = load_engine(str(request.getfixturevalue(folder)), device="cpu")
    params = SamplingParams(max_tokens=20, temperature=0.0)
    completions = generate(engine, [ask(text) for text in TEXTS], params)
    for text, (completion,) in zip(TEXTS, completions, strict=True):
        prompt = engine.tokenizer(text, return_tensors="pt", add_special_tokens=False)
        whole = engine.model.generate(
            input_ids=prompt["input_ids"], max_new_tokens=20, do_sample=False
        )
        assert completion.token_ids == whole[0, prompt["input_ids"].shape[1] :].tolist()


def test_grouped_query_attention_too(tiny_model):
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(5)
    config = Qwen3Config(
        vocab_size=368, hidden_size=32, intermediate_size=48, num_hidden_layers=2, head_dim=8,
        num_attention_heads=4, num_key_value_heads=2, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    engine = TransformersEngine(Qwen3ForCausalLM(config), tokenizer, batch_size=3)
    ((first, second),) = generate(engine, [ask(TEXTS[3], (1, 2))], SamplingParams(max_tokens=9))
    for completion in (first, second):
        expected = plain_logprobs(engine, TEXTS[3], completion.token_ids)
        found = torch.tensor(completion.logprobs)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("batch_size", "refill_share"), [(1, 0.0), (4, 0.0), (7, 0.9), (64, 0.5)])
def test_a_completion_is_the_same_whatever_its_batch(ending, batch_size, refill_share):
    engine = TransformersEngine(
        ending.model, ending.tokenizer, batch_size=batch_size, refill_share=refill_share
    )
    params = SamplingParams(max_tokens=40)
    prompts = [ask(text, range(10 * row, 10 * row + 5)) for row, text in enumerate(TEXTS)]
    together = generate(engine, prompts, params)
    lengths = {len(c.token_ids) for completions in together for c in completions}
    assert len(lengths) > 5, "the test means nothing if all completions have one length"
    for prompt, completions in zip(prompts, together, strict=True):
        for seed, completion in zip(prompt.seeds, completions, strict=True):
            ((alone,),) = generate(ending, [ask(prompt.text, (seed,))], params)
            assert (alone.token_ids, alone.text) == (completion.token_ids, completion.text)
            assert alone.logprobs == pytest.approx(completion.logprobs, abs=1e-4)


def test_weights_that_miss_their_end_are_refused_in_one_line(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    weights = folder / "model.safetensors"
    raw = weights.read_bytes()
    for size in (len(raw) - 100, 100, 0):
        weights.write_bytes(raw[:size])
        with pytest.raises(EngineError, match="cannot be opened") as refused:
            load_engine(str(folder), device="cpu")
        assert "\n" not in str(refused.value)


def test_the_same_call_twice_gives_the_same_to_the_bit(ending):
    prompts = [ask(text, range(9)) for text in TEXTS]
    params = SamplingParams(max_tokens=30)
    assert untimed(generate(ending, prompts, params)) == untimed(generate(ending, prompts, params))


def test_seeds_differ_and_a_seed_says_it_all(engine):
    params = SamplingParams(max_tokens=12)
    ((a, b, again),) = generate(engine, [ask(seeds=(5, 6, 5))], params)
    assert a.token_ids != b.token_ids
    assert a.token_ids == again.token_ids


def test_a_lower_limit_cuts_the_same_completion(engine):
    ((short,),) = generate(engine, [ask()], SamplingParams(max_tokens=6))
    ((long,),) = generate(engine, [ask()], SamplingParams(max_tokens=15))
    assert long.token_ids[:6] == short.token_ids


def test_an_end_token_ends_and_is_counted_but_not_written(ending):
    (completions,) = generate(ending, [ask(seeds=range(40))], SamplingParams(max_tokens=12))
    stopped = [c for c in completions if c.finish_reason == "stop"]
    cut = [c for c in completions if c.finish_reason == "length"]
    assert stopped
    assert cut
    end = ending.tokenizer.eos_token_id
    assert all(c.token_ids[-1] == end and c.token_ids.count(end) == 1 for c in stopped)
    assert all(len(c.token_ids) == 12 and end not in c.token_ids for c in cut)
    assert all(len(c.logprobs) == len(c.token_ids) for c in completions)
    assert not any(ending.tokenizer.eos_token in c.text for c in completions)


def test_several_end_tokens(tiny_model):
    engine = load_engine(str(tiny_model), device="cpu")
    engine.model.generation_config.eos_token_id = list(range(2, 180))
    engine = TransformersEngine(engine.model, engine.tokenizer)
    (completions,) = generate(engine, [ask(seeds=range(20))], SamplingParams(max_tokens=50))
    ends = {c.token_ids[-1] for c in completions}
    assert len(ends) > 3
    assert all(c.finish_reason == "stop" for c in completions)


def test_think_tags_are_written_even_as_special_tokens(tiny_model):
    engine = load_engine(str(tiny_model), device="cpu")
    engine.tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    think, end = engine.tokenizer.convert_tokens_to_ids(["<think>", "</think>"])
    wanted = torch.tensor([think, end])

    def only_tags(module, arguments, output):
        output.logits[..., wanted] += 1e4
        return output

    engine.model.register_forward_hook(only_tags)
    (completions,) = generate(engine, [ask(seeds=range(4))], SamplingParams(max_tokens=5))
    for completion in completions:
        assert completion.text.count("<think>") == completion.token_ids.count(think)
        assert completion.text.count("</think>") == completion.token_ids.count(end)
        assert completion.text.count("think>") == 5


def test_each_completion_is_told_once_and_as_returned(ending):
    told = {}
    prompts = [ask(text, range(6)) for text in TEXTS]

    def tell(prompt_index, seed_index, completion):
        assert (prompt_index, seed_index) not in told
        told[prompt_index, seed_index] = completion

    completions = generate(ending, prompts, SamplingParams(max_tokens=30), tell)
    assert told == {(p, s): c for p, row in enumerate(completions) for s, c in enumerate(row)}
    assert list(told) != sorted(told), "short ones are told before long ones"


def test_each_prompt_is_computed_once_for_its_completions(engine):
    prefilled = []

    def count(module, arguments, keywords):
        if keywords["input_ids"].shape[1] > 1:
            prefilled.extend(keywords["input_ids"].tolist())

    hook = engine.model.register_forward_pre_hook(count, with_kwargs=True)
    prompts = [ask(TEXTS[row], range(8)) for row in (0, 1, 3)]
    small = TransformersEngine(engine.model, engine.tokenizer, batch_size=16)
    generate(small, prompts, SamplingParams(max_tokens=4))
    hook.remove()
    assert len(prefilled) == 3


def test_finished_rows_leave_the_batch(ending):
    sizes = []
    hook = ending.model.register_forward_pre_hook(
        lambda module, arguments, keywords: sizes.append(len(keywords["input_ids"])),
        with_kwargs=True,
    )
    (completions,) = generate(ending, [ask("x", range(50))], SamplingParams(max_tokens=30))
    hook.remove()
    # the prompt of one token has its pass, then each step feeds just the completions not yet done
    lengths = [len(c.token_ids) for c in completions]
    assert sizes[1:] == [sum(n > step for n in lengths) for step in range(max(lengths))]


def test_the_model_trains_on_as_before(tiny_model):
    engine = load_engine(str(tiny_model), device="cpu")
    engine.model.train()
    generate(engine, [ask()], SamplingParams(max_tokens=3))
    assert engine.model.training
    engine.model(torch.tensor([[5, 6, 7]])).logits.sum().backward()
    assert all(p.grad is not None for p in engine.model.parameters())


def test_changed_weights_are_sampled_at_once(tiny_model):
    engine = load_engine(str(tiny_model), device="cpu")
    params = SamplingParams(max_tokens=8)
    ((before,),) = generate(engine, [ask()], params)
    with torch.no_grad():
        for weight in engine.model.parameters():
            weight.mul_(1.5)
    ((after,),) = generate(engine, [ask()], params)
    assert before.logprobs != after.logprobs
    expected = plain_logprobs(engine, TEXTS[0], after.token_ids)
    torch.testing.assert_close(torch.tensor(after.logprobs), expected, atol=1e-4, rtol=0)


def test_a_model_left_in_training_mode_by_an_interrupt_is_put_back(engine):
    def interrupt(*_):
        raise KeyboardInterrupt

    engine.model.train()
    with pytest.raises(KeyboardInterrupt):
        generate(engine, [ask()], SamplingParams(max_tokens=2), interrupt)
    assert engine.model.training
    assert torch.is_grad_enabled()
    engine.model.eval()


def test_the_context_bounds_a_completion(tiny_model):
    engine = load_engine(str(tiny_model), device="cpu")
    engine.model.config.max_position_embeddings = 20
    length = len(engine.tokenizer(TEXTS[0])["input_ids"])
    ((completion,),) = generate(engine, [ask()], SamplingParams(max_tokens=100))
    assert len(completion.token_ids) == 20 - length
    assert completion.finish_reason == "length"
    with pytest.raises(EngineError, match=r"prompt 1 .*has 20 tokens.* context is 20"):
        generate(engine, [ask(), ask("a" * 20)], SamplingParams(max_tokens=4))


def test_logits_that_are_not_finite_are_an_error(tiny_model):
    engine = load_engine(str(tiny_model), device="cpu")
    with torch.no_grad():
        engine.model.model.norm.weight.fill_(torch.nan)
    for temperature in (0.0, 1.0):
        with pytest.raises(EngineError, match="not finite"):
            generate(engine, [ask()], SamplingParams(max_tokens=4, temperature=temperature))


def test_an_empty_prompt_is_an_error_and_no_prompt_is_no_work(engine):
    with pytest.raises(EngineError, match=r"prompt 0 .*has no tokens"):
        generate(engine, [ask("")], SamplingParams(max_tokens=4))
    assert generate(engine, [], SamplingParams(max_tokens=4)) == []
    assert generate(engine, [ask(seeds=())], SamplingParams(max_tokens=4)) == [[]]


@pytest.mark.parametrize("missing", ["no/such/folder", "./teacher", "/no/such"])
def test_a_missing_folder_says_what_was_looked_for(missing):
    with pytest.raises(EngineError, match=f"{missing}.*looked for /"):
        load_engine(missing)


def test_a_folder_without_safetensors_is_refused(tiny_model, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.config.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(EngineError, match="safetensors"):
        load_engine(str(tmp_path), device="cpu")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(EngineError, match=r"holds no config\.json"):
        load_engine(str(tmp_path))


def test_an_unknown_engine_is_refused(tiny_model):
    with pytest.raises(EngineError, match="engine is 'vlm'; expected one of transformers"):
        open_engine("vlm", str(tiny_model))
    assert open_engine("transformers", str(tiny_model), batch_size=3).batch_size == 3


def test_attention_that_takes_no_mask_is_refused(tiny_model):
    engine = load_engine(str(tiny_model), device="cpu")
    engine.model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(EngineError, match="flash_attention_2"):
        TransformersEngine(engine.model, engine.tokenizer)
