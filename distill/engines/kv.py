"""The key-value cache of rows that start, grow and finish each at its own time."""

import torch
from torch import Tensor
from transformers import Cache, DynamicCache

FIRST_COLUMNS = 256  # room for short completions without moving
GROWTH = 1.5
COLUMNS_MULTIPLE = 32


class RowCache(Cache):
    """Keys and values of decoding rows, one pair of tensors (rows, heads, columns, dim) per layer.

    Row r is filled from column 0 to its own length; what lies beyond is finite rubbish that the
    attention mask hides. A transformers model takes this object as `past_key_values`.
    """

    def __init__(self) -> None:
        super().__init__(layers=[])
        self._pairs: list[tuple[Tensor, Tensor]] = []
        self._rows = 0
        self._columns = 0
        self._at: tuple[Tensor, Tensor] | None = None
        self._width = 0

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the keys; known once a prompt was admitted."""
        return self._pairs[0][0].dtype

    def admit(self, prefilled: DynamicCache, sources: Tensor, first_row: int) -> None:
        """Copy prompts into fresh rows; a prompt of several completions is copied once for each.

        Args:
            prefilled: the cache after a forward pass over P right-padded prompts.
            sources: (N,) int64, which of the P prompts each new row continues.
            first_row: the N new rows lie side by side from here.
        """
        width = prefilled.layers[0].keys.shape[2]
        if not self._pairs:
            self._pairs = [(_blank(layer.keys), _blank(layer.values)) for layer in prefilled.layers]
        self.reserve(columns=width)
        rows = slice(first_row, first_row + len(sources))
        for (keys, values), layer in zip(self._pairs, prefilled.layers, strict=True):
            keys[rows, :, :width] = layer.keys[sources]
            values[rows, :, :width] = layer.values[sources]

    def aim(self, positions: Tensor, width: int) -> None:
        """Say where the next forward pass writes and how far it reads.

        Args:
            positions: (N,) int64, the column of each row's new token; rows 0 to N - 1 are used.
            width: columns to read: 1 + the largest position.
        """
        self.reserve(columns=width)
        self._at = (torch.arange(len(positions), device=positions.device), positions)
        self._width = width

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args, **kwargs):
        """Store one new token per row; called by the model's attention layers."""
        keys, values = self._pairs[layer_idx]
        rows, columns = self._at
        keys[rows, :, columns] = key_states[:, :, 0]
        values[rows, :, columns] = value_states[:, :, 0]
        return keys[: len(rows), :, : self._width], values[: len(rows), :, : self._width]

    def move(self, sources: Tensor, targets: Tensor, width: int) -> None:
        """Copy whole rows, up to a width, over rows that have finished."""
        for pair in self._pairs:
            for tensor in pair:
                tensor[targets, :, :width] = tensor[sources, :, :width]

    def reserve(self, *, rows: int = 0, columns: int = 0) -> None:
        """Make room for this many rows of this many tokens; a layer at a time, to spare memory."""
        if rows <= self._rows and columns <= self._columns:
            return
        self._rows = max(self._rows, rows)
        if columns > self._columns:
            wanted = max(columns, FIRST_COLUMNS, int(self._columns * GROWTH))
            self._columns = -(-wanted // COLUMNS_MULTIPLE) * COLUMNS_MULTIPLE
        for index, pair in enumerate(self._pairs):
            _, heads, _, dim = pair[0].shape
            shape = (self._rows, heads, self._columns, dim)
            if pair[0].shape != shape:
                self._pairs[index] = (resized(pair[0], shape), resized(pair[1], shape))

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Columns in use before the next token."""
        return max(self._width - 1, 0)


def resized(old: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same numbers in a larger tensor, zeros around them."""
    new = old.new_zeros(shape)
    new[tuple(slice(length) for length in old.shape)] = old
    return new


def _blank(like: Tensor) -> Tensor:
    _, heads, _, dim = like.shape
    return like.new_zeros(0, heads, 0, dim)
