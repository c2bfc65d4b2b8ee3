"""Which completions say again what an earlier one said: word for word, or nearly so.

Nearly: the share of 5-word shingles that two texts have in common (Jaccard) is estimated from 128
hashes of one byte each, made by rensa's MinHash in Rust, and is at least `similarity`. One text in
which p of the words were changed keeps about j / (2 - j) of its shingles, j = (1 - p) ** 5: 0.91
with 1% of the words changed, 0.63 with 5%.
"""

import hashlib
import re
import unicodedata
from array import array

import numpy as np
from rensa import RMinHash

SHINGLE_WORDS = 5
MIN_WORDS = 20  # shorter texts are compared by `completion_digest` alone
SLOTS = 128  # the standard error of the estimate is sqrt(J (1 - J) / 128), at most 0.044
MAX_BANDS = 16
MIN_RECALL = 0.98  # of a pair exactly at the threshold to be looked at

_SEED = 20240611  # stored signatures are comparable as long as this and rensa's algorithm stay
_UNSPACED = (  # scripts written without spaces: every character is a word
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_MIX = np.uint32(0x9E3779B1)


def completion_digest(completion: str) -> bytes:
    """Equal for completions that differ in case, spacing or Unicode form only."""
    plain = unicodedata.normalize("NFKC", completion).casefold()
    return hashlib.sha256(" ".join(plain.split()).encode("utf-8", "surrogatepass")).digest()[:16]


def signature(text: str) -> bytes:
    """128 bytes from which `NearDuplicates` estimates likeness; empty for fewer than 20 words.

    Case, punctuation and spacing do not count. The same on every machine and in every process.
    """
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    if len(words) < MIN_WORDS:
        return b""
    minhash = RMinHash(num_perm=SLOTS, seed=_SEED)
    minhash.update(map(" ".join, zip(*(words[i:] for i in range(SHINGLE_WORDS)), strict=False)))
    slots = np.array(minhash.digest(), dtype=np.uint32)
    return (slots * _MIX >> np.uint32(24)).astype(np.uint8).tobytes()


def estimated_similarity(first: bytes, second: bytes) -> float:
    """Jaccard of the shingles of two texts, from their signatures; 0.0 if one is empty.

    Bytes agree by chance once in 256 (b-bit minwise hashing, arXiv:0910.3349).
    """
    if not first or not second:
        return 0.0
    same = np.frombuffer(first, np.uint8) == np.frombuffer(second, np.uint8)
    return max(0.0, (float(same.mean()) - 1 / 256) / (1 - 1 / 256))


class NearDuplicates:
    """The texts seen so far, of which each new one may be a near copy.

    Takes 136 bytes for a text and 8 for each of its at most 16 bands: 100,000 texts stay under
    30 MB. A text that is a near copy is not remembered: all that it is compared with later are
    texts that were new when they came.
    """

    def __init__(self, similarity: float) -> None:
        """Start empty.

        Args:
            similarity: from which estimated Jaccard on a text is a near copy, above 0 and up to 1.
        Raises: ValueError for another similarity.
        """
        if not 0 < similarity <= 1:
            raise ValueError(f"similarity must be above 0 and at most 1, got {similarity}")
        self._least_same = SLOTS * (similarity * (1 - 1 / 256) + 1 / 256) - 1e-9
        self._rows = _rows_per_band(similarity)
        self._bands = min(MAX_BANDS, SLOTS // self._rows)
        self._multipliers = _odd_numbers(self._bands * self._rows).reshape(self._bands, self._rows)
        self._keys = array("q")
        self._signatures = bytearray()
        self._sorted = np.empty(0, np.uint64)  # band hash in the high, text in the low 32 bits
        self._recent = np.empty((1024, self._bands), np.uint64)  # the same, not yet sorted in
        self._recent_count = 0

    def twin(self, key: int, signature: bytes) -> int | None:
        """The earliest key whose text this one nearly repeats; None remembers it as new."""
        if not signature:
            return None
        slots = np.frombuffer(signature, np.uint8)
        hashes = self._band_hashes(slots)
        rows = self._candidates(hashes)
        if rows.size:
            known = np.frombuffer(self._signatures, np.uint8).reshape(-1, SLOTS)
            same = (known[rows] == slots).sum(axis=1)
            del known  # or the bytearray could not grow
            close = rows[same >= self._least_same]
            if close.size:
                return self._keys[int(close.min())]
        self._remember(key, signature, hashes)
        return None

    def _band_hashes(self, slots: np.ndarray) -> np.ndarray:
        """One hash for each band, in the high 32 bits."""
        parts = slots[: self._multipliers.size].reshape(self._multipliers.shape).astype(np.uint64)
        mixed = ((parts + np.uint64(1)) * self._multipliers).sum(axis=1, dtype=np.uint64)
        return mixed & np.uint64(0xFFFFFFFF00000000)

    def _candidates(self, hashes: np.ndarray) -> np.ndarray:
        """Row numbers of the texts that share a band."""
        starts = np.searchsorted(self._sorted, hashes)
        ends = np.searchsorted(self._sorted, hashes + np.uint64(0xFFFFFFFF), side="right")
        found = [self._sorted[start:end] for start, end in zip(starts, ends, strict=True)]
        recent = self._recent[: self._recent_count]
        found.append(recent[(recent ^ hashes) < np.uint64(1 << 32)])
        rows = np.concatenate(found) & np.uint64(0xFFFFFFFF)
        return np.unique(rows.astype(np.int64))

    def _remember(self, key: int, signature: bytes, hashes: np.ndarray) -> None:
        self._recent[self._recent_count] = hashes | np.uint64(len(self._keys))
        self._recent_count += 1
        self._keys.append(key)
        self._signatures += signature
        if self._recent_count == len(self._recent):
            self._sorted = np.concatenate([self._sorted, self._recent.ravel()])
            self._sorted.sort()
            self._recent_count = 0
            if len(self._recent) < len(self._keys) // 16:
                self._recent = np.empty((2 * len(self._recent), self._bands), np.uint64)


def _rows_per_band(similarity: float) -> int:
    """The most bytes per band with which a pair at the threshold still shares a band."""
    for rows in range(SLOTS, 1, -1):
        bands = min(MAX_BANDS, SLOTS // rows)
        if 1 - (1 - similarity**rows) ** bands >= MIN_RECALL:
            return rows
    return 1


def _odd_numbers(count: int) -> np.ndarray:
    drawn = np.random.Generator(np.random.PCG64(_SEED)).integers(0, 2**63, count, dtype=np.uint64)
    return drawn * np.uint64(2) + np.uint64(1)
