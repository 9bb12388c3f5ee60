"""Self-attention read out of the modules that compute it, so that it can be computed with other weights or with fewer tokens."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

HEADS = ("heads", "num_heads", "n_heads", "n_head", "num_attention_heads")
QUERY = frozenset({"query", "q_proj", "q", "to_q", "wq", "query_proj", "q_lin"})
KEY = frozenset({"key", "k_proj", "k", "to_k", "wk", "key_proj", "k_lin"})
VALUE = frozenset({"value", "v_proj", "v", "to_v", "wv", "value_proj", "v_lin"})
FUSED = frozenset({"qkv", "qkv_proj", "to_qkv", "c_attn", "in_proj", "query_key_value"})
OUTPUT = frozenset({"output", "out_proj", "proj", "o_proj", "to_out", "out", "wo", "dense", "c_proj", "out_lin"})
"""What the layers of an attention are called in common libraries. A wrong guess does no harm: what is read is held against the module."""


class Attention(nn.Module):
    """Multi-head self-attention (1706.03762) of tokens that stand for several: log sizes are added to the scores (2210.09461, eq. 1)."""

    def __init__(self, query: nn.Module, key: nn.Module, value: nn.Module, output: nn.Module, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output, self.heads = query, key, value, output, heads

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        """Of tokens (batch, n, width) and sizes (batch, n, 1): what the attention gives, and the mean of the heads' keys (batch, n, d)."""
        query, key, value = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5 + size.log().transpose(1, 2)[:, None]
        mixed: Tensor = self.output((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))
        return mixed, key.mean(1)


def read(module: nn.Module) -> Attention | None:
    """The attention that a module seems to compute, over the module's own weights; None if it has not the layers of one.

    Known are torch.nn.MultiheadAttention, four linear layers, and one for query, key and value together.
    """
    heads = next((value for part in module.modules() for name in HEADS if isinstance(value := getattr(part, name, None), int)), None)
    if isinstance(module, nn.MultiheadAttention):
        if module.in_proj_weight is None or module.bias_k is not None or module.add_zero_attn or not module.batch_first:
            return None
        query, key, value = _thirds(module.in_proj_weight, module.in_proj_bias)
        return Attention(query, key, value, module.out_proj, module.num_heads)
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    output, fused = _named(layers, OUTPUT), _named(layers, FUSED)
    found = [_named(layers, names) for names in (QUERY, KEY, VALUE)]
    projections = [layer for layer in found if layer is not None]
    if fused is not None and fused.out_features % 3 == 0:
        projections = _thirds(fused.weight, fused.bias)
    if heads is None or output is None or len(projections) != 3:
        return None
    query, key, value = projections
    if len({layer.out_features for layer in projections}) > 1 or query.out_features % heads:
        return None
    return Attention(query, key, value, output, heads)


def _named(layers: Iterable[tuple[str, nn.Linear]], names: frozenset[str]) -> nn.Linear | None:
    """The last layer whose path has one of the names in it, the innermost name first."""
    found = [layer for name, layer in layers if names & set(name.split("."))]
    return found[-1] if found else None


def _thirds(weight: Tensor, bias: Tensor | None) -> list[nn.Linear]:
    """Query, key and value of one layer that computes them side by side."""
    result = []
    for place, part in enumerate(weight.detach().chunk(3)):
        layer = nn.Linear(part.shape[1], part.shape[0], bias=bias is not None, dtype=part.dtype)
        layer.weight = nn.Parameter(part.clone(), requires_grad=weight.requires_grad)
        if bias is not None:
            layer.bias = nn.Parameter(bias.detach().chunk(3)[place].clone(), requires_grad=bias.requires_grad)
        result.append(layer)
    return result


@torch.no_grad()
def agrees(found: Attention, tokens: Tensor, wanted: Tensor) -> bool:
    """Whether it gives what the module gave to these tokens, to five digits of the largest."""
    answer = found(tokens, torch.ones_like(tokens[..., :1]))[0]
    return answer.shape == wanted.shape and float((answer - wanted).abs().max()) <= 1e-5 * max(1.0, float(wanted.abs().max()))
