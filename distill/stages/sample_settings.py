"""What a policy has to know of the recipe."""

from distill.recipe import Recipe
from distill.sampling.policy import Settings


def settings_of(recipe: Recipe) -> Settings:
    """What a policy has to know of a recipe."""
    sample, adaptive = recipe.sample, recipe.sample.adaptive
    needed = adaptive and (adaptive.needed or recipe.filter.keep_per_problem)
    return Settings(
        completions_per_problem=sample.completions_per_problem,
        needed=needed or sample.completions_per_problem,
        max_tokens=sample.max_tokens,
        adaptive=adaptive,
    )
