"""What others have found and ought to be found here again, as one table: the result, its source, and the rule that decides.

`suite.judge` applies the rules. A row whose methods have no records yet is shown as not measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

MARGIN = 0.01
"""One point of a score from 0 to 1: as much as int8 may lose and still be as good as fp32."""


@dataclass(frozen=True, slots=True)
class Above:
    """In each pair of method/variant the first is more accurate than the second."""

    pairs: tuple[tuple[str, str], ...]
    criterion: ClassVar[str] = (
        "It holds where every difference that was measured lies wholly above zero, and does not where one lies wholly below."
    )


@dataclass(frozen=True, slots=True)
class Within:
    """At least one variant of these methods loses less than MARGIN against the uncompressed model."""

    methods: tuple[str, ...]
    criterion: ClassVar[str] = (
        "It holds where one variant's whole interval lies above minus one point, and does not where those of all variants lie below."
    )


@dataclass(frozen=True, slots=True)
class OnFrontier:
    """A variant of this method is more accurate than everything on its board that is no larger."""

    method: str
    criterion: ClassVar[str] = (
        "Each variant is held against everything on its board that is no larger; the picture shows the rival that comes closest. It holds "
        "where one variant is surely more accurate than all its rivals, and does not where every variant surely has a better one."
    )


@dataclass(frozen=True, slots=True)
class OnlyDownload:
    """This method/variant is as large on disk as the uncompressed model and as fast; its compressed download is smaller."""

    name: str
    criterion: ClassVar[str] = (
        "It holds where the files are within 1 % of the uncompressed ones, their download is more than 1 % smaller, and the speed-up "
        "does not count as faster and has an interval that ends below 5 %."
    )


Rule = Above | Within | OnFrontier | OnlyDownload


@dataclass(frozen=True, slots=True)
class Source:
    """Where a result is to be read. ref: an arXiv id or an https address."""

    title: str
    ref: str


@dataclass(frozen=True, slots=True)
class Known:
    """A known result."""

    id: str
    title: str
    sentence: str
    sources: tuple[Source, ...]
    rule: Rule

    @property
    def threshold(self) -> float:
        """What the differences are held against."""
        return -MARGIN if isinstance(self.rule, Within) else 0.0


def _both(one: str, other: str, *variants: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{one}/{variant}", f"{other}/{variant}") for variant in variants)


KNOWN = (
    Known(
        "int8",
        "Eight bits are enough",
        "Weights and activations of 8 bits cost less than a point of accuracy, if the right layers are quantized in the right way.",
        (Source("Wu et al. 2020", "2004.09602"), Source("Jacob et al. 2017", "1712.05877")),
        Within(("dynamic_int8", "static_int8", "per_component_int8", "smoothquant")),
    ),
    Known(
        "importance",
        "Importance beats chance",
        "Pruning what a criterion finds unimportant keeps more accuracy than pruning as much at random.",
        (
            Source("Blalock et al. 2020", "2003.03033"),
            Source("Molchanov et al. 2019", "1906.10771"),
            Source("Sun et al. 2023", "2306.11695"),
        ),
        Above(
            (
                *_both("gradient_pruning", "random_pruning", "elements_50", "elements_70", "units_75", "heads_75"),
                *_both("entropy_pruning", "random_pruning", "elements_50", "units_75"),
                *_both("correlation_pruning", "random_pruning", "elements_50", "units_75"),
                *_both("wanda", "random_pruning", "elements_50", "elements_70"),
                *_both("sparsegpt", "random_pruning", "elements_50", "elements_70"),
            )
        ),
    ),
    Known(
        "repair",
        "What stays makes up for what goes",
        "At the same sparsity, changing the weights that stay keeps more accuracy than leaving them as they are.",
        (Source("Frantar and Alistarh 2023", "2301.00774"),),
        Above((*_both("sparsegpt", "wanda", "elements_50", "elements_70"),)),
    ),
    Known(
        "global",
        "One threshold for all layers",
        "At the same sparsity, one magnitude threshold for the whole model keeps more accuracy than a share of each layer.",
        (Source("Blalock et al. 2020", "2003.03033"),),
        Above((("magnitude_pruning/global_50", "magnitude_pruning/local_50"),)),
    ),
    Known(
        "gptq_4",
        "GPTQ beats rounding at 4 bits",
        "Choosing the rounding by the layer's inputs is at least as accurate as rounding to the nearest of the same levels.",
        (Source("Frantar et al. 2022", "2210.17323"),),
        Above((("gptq/int4_block_32", "int4_rtn/block_32"),)),
    ),
    Known(
        "gptq_3",
        "GPTQ beats rounding at 3 bits",
        "The fewer the levels, the more the choice of the rounding is worth.",
        (Source("Frantar et al. 2022", "2210.17323"),),
        Above((("gptq/int3_block_32", "int3_rtn/block_32"),)),
    ),
    Known(
        "merging",
        "Merging tokens beats dropping them",
        "A tower that merges similar tokens is at least as accurate as one that drops as many at random.",
        (Source("Bolya et al. 2022", "2210.09461"),),
        Above(_both("token_merging", "token_dropping", "keep_75", "keep_50")),
    ),
    Known(
        "teacher",
        "A teacher helps",
        "A smaller network that is trained to imitate the large one is more accurate than the same network trained without it.",
        (Source("Hinton et al. 2015", "1503.02531"),),
        Above((("distillation/narrower", "distillation/narrower_no_teacher"),)),
    ),
    Known(
        "chain",
        "Prune, distil, quantize",
        "Done one after the other, the three reach sizes at which nothing else is as accurate.",
        (Source("Kim et al. 2021", "2106.14681"), Source("Han et al. 2015", "1510.00149")),
        OnFrontier("prune_distil_int8"),
    ),
    Known(
        "zeros",
        "Zeros save bandwidth only",
        "Zeros that are scattered over the weights make a model neither smaller on disk nor faster in a dense runtime; only its compressed "
        "download shrinks.",
        (Source("PyTorch issue 36214", "https://github.com/pytorch/pytorch/issues/36214"),),
        OnlyDownload("magnitude_pruning/local_70"),
    ),
)

_FOUR_BITS = (
    "Most weights of this model are those of linear layers, and four bits alone store them in less than the pruned network takes in eight, "
    "and lose nothing; the few steps of training do not give the student back all that was pruned."
)

NOTES: Mapping[tuple[str, str], str] = {
    ("global", "glyph_clip"): (
        "The export folds the batch normalization of the image embedding into the last projection, whose weights become much smaller than "
        "those of every other layer. One threshold for the whole model removes almost all of them, and the images can no longer be told "
        "apart. If that layer alone keeps a share of its own, the order is as published."
    ),
    **dict.fromkeys((("chain", model) for model in ("glyph_clip", "scene_captioner", "scene_vqa")), _FOUR_BITS),
}
"""Why a result does not reappear, by its id and model: words, never numbers. Shown only where the verdict is that it does not hold."""
