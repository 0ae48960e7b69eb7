"""The discriminator's gradient with a gradient penalty, without differentiating twice.

For a discriminator of linear layers and (leaky) rectifiers, as modern ones are, everything that a
step needs comes out of three passes. With h the features that enter a layer of weight W, and a the
gradient of the logits' sum where they leave it:

1. forward gives h, and backward the adjoints a and v = ∇ₓD at the examples;
2. the penalty is a function of ‖v‖² alone, so ∂penalty/∂v = u is known in closed form;
3. ⟨u, ∇ₓD⟩ is the derivative of D along u: a second forward pass of u through the same layers, without
   biases and with the slopes that the rectifiers had, gives the features t of that direction.

The loss is a function of the logits, with slopes c, one for each. As D is linear between its kinks, the
gradient of loss and penalty together is one product a layer, a ⊗ (c·h + t), where `create_graph` takes
two and the whole graph of the backward pass; 8 layer passes instead of 12, and no graph to build.
It is exact: kinks have measure zero. The layers are found by watching D's own forward pass. What isn't
linear between kinks is refused (`Unfit`), and such a D is differentiated twice. `tests/fused` compares
both ways to 1e-10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class Unfit(Exception):
    """The discriminator isn't piecewise linear; the message says where."""


Map = Callable[[Tensor], Tensor]


class Product(NamedTuple):
    """A call that is linear in features and in a weight, with what its gradient takes."""

    features: Tensor
    weight: Tensor  # with the graph that made it, where it is not a parameter
    bias: Tensor | None
    place: int  # of the features among the call's arguments
    linear: Map  # the call without its bias
    weigh: Callable[[Tensor, Tensor], Tensor]  # features, adjoint → the weight's gradient


class Kink(NamedTuple):
    """A rectifier and the features that it met."""

    features: Tensor
    slope: float  # below zero


def _convolution(
    weight: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[Map, Callable[[Tensor, Tensor], Tensor]]:
    """A convolution's linear part, and its weight's gradient."""
    if isinstance(padding, str):
        raise Unfit("padding by name")
    stride, padding, dilation = (
        [n, n] if isinstance(n, int) else list(n) for n in (stride, padding, dilation)
    )

    def linear(t: Tensor) -> Tensor:
        return torch.conv2d(t, weight, None, stride, padding, dilation, groups)

    def weigh(features: Tensor, adjoint: Tensor) -> Tensor:
        found: Tensor = torch.ops.aten.convolution_backward(
            adjoint, features, weight, None, stride, padding, dilation, False, [0, 0], groups,
            [False, True, False],
        )[1]  # fmt: skip
        return found

    return linear, weigh


def _dense(weight: Tensor) -> tuple[Map, Callable[[Tensor, Tensor], Tensor]]:
    """A dense layer's linear part, and its weight's gradient."""
    return (
        lambda t: F.linear(t, weight),
        lambda features, adjoint: adjoint.flatten(0, -2).T @ features.flatten(0, -2),
    )


_PRODUCTS: dict[Any, Callable[..., tuple[Map, Callable[[Tensor, Tensor], Tensor]]]] = {
    torch.conv2d: _convolution,
    F.linear: _dense,
}
_TIMES = {torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__}
_SUMS = {torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__, Tensor.sub, Tensor.__sub__}
_KINKS: dict[Any, float] = {F.leaky_relu: 0.01, F.relu: 0.0, torch.relu: 0.0, Tensor.relu: 0.0}
# Linear in features, or not of features at all.
_LINEAR = {
    torch.flatten, Tensor.flatten, Tensor.reshape, Tensor.view, Tensor.unflatten, Tensor.squeeze,
    torch.squeeze, Tensor.unsqueeze, Tensor.permute, Tensor.contiguous, Tensor.to, Tensor.float,
    Tensor.sum, torch.sum, Tensor.mean, torch.mean, Tensor.chunk, torch.chunk, Tensor.__getitem__,
    Tensor.neg, F.avg_pool2d, F.pixel_unshuffle, F.pad, torch._C._nn.pad,
    Tensor.__len__, Tensor.dim, Tensor.size, Tensor.numel, Tensor.stride,
    *(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device", "ndim")),
}  # fmt: skip
_JOINS = {torch.cat, torch.stack}


def _lowered(*tensors: Tensor | None) -> list[Any]:
    """The tensors as autocast would hand them to a layer."""
    device = next(t for t in tensors if t is not None).device.type
    if not torch.is_autocast_enabled(device):
        return list(tensors)
    low = torch.get_autocast_dtype(device)
    return [t if t is None or t.dtype == torch.float64 else t.to(low) for t in tensors]


def _aligned(features: Tensor) -> Tensor:
    """The features, whose gradient will lie in memory as they do: mixed layouts are several times slower."""
    if features.dim() == 4 and features.is_contiguous(memory_format=torch.channels_last):
        features.register_hook(lambda g: g.contiguous(memory_format=torch.channels_last))
    return features


class _Recording(TorchFunctionMode):
    """The first pass: gradients flow to features only, and every layer is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.products: list[Product] = []
        self.kinks: list[Kink] = []
        self.outs: list[Tensor] = []  # of the products
        self.rows: dict[int, Tensor] = {}  # weights looked up by label, by identity
        self.fixed: list[set[int]] = []  # of each join, the places of terms that are no features

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [a for a in args if isinstance(a, Tensor)]
        if func in _PRODUCTS and isinstance(args[1], nn.Parameter):
            return self._product(func, *args, **kwargs)
        if func in _TIMES and len(tensors) == 2:
            return self._times(*tensors)
        if func in _KINKS:
            if not self._is_feature(args[0]):
                raise Unfit("a rectifier of something other than features")
            slope = kwargs.get("negative_slope", args[1] if len(args) > 1 else _KINKS[func])
            self.kinks.append(Kink(args[0].detach(), slope))
            return _aligned(func(*args, **kwargs))
        if func is F.embedding:
            return self._row(func(*args, **kwargs))
        if func in _SUMS or func in _JOINS:
            terms = args[0] if func in _JOINS else args
            learned = any(isinstance(t, Tensor) and t.requires_grad for t in terms)
            fixed = (
                {i for i, t in enumerate(terms) if not self._is_feature(t)} if learned else set()
            )
            if fixed and (func in _SUMS or any(terms[i].requires_grad for i in fixed)):
                raise Unfit("a sum of features and something else")
            if func in _JOINS:
                self.fixed.append(fixed)
        elif func in _PRODUCTS and (
            kwargs.get("bias") is not None or args[2:3] not in ((), (None,))
        ):
            raise Unfit("a fixed layer with a bias")
        elif func not in _LINEAR and func not in _TIMES and func not in _PRODUCTS:
            name = getattr(func, "__name__", str(func))
            alters = name.endswith("_") and not name.endswith("__")
            if alters or any(t.requires_grad for t in tensors):
                raise Unfit(f"{name}, which isn't linear between kinks")
        made = func(*args, **kwargs)
        if tensors and id(tensors[0]) in self.rows and isinstance(made, Tensor):
            return self._row(made)
        return made

    def _is_feature(self, x: Any) -> bool:
        if not isinstance(x, Tensor) or isinstance(x, nn.Parameter):
            return False
        return x.requires_grad and id(x) not in self.rows

    def _row(self, rows: Tensor) -> Tensor:
        self.rows[id(rows)] = rows  # kept, so that no other tensor gets its identity
        return rows

    def _product(
        self,
        func: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *rest: Any,
        **more: Any,
    ) -> Tensor:
        if not self._is_feature(x):
            raise Unfit("a layer of something other than features")
        x, low, low_bias = _lowered(x, weight.detach(), None if bias is None else bias.detach())
        linear, weigh = _PRODUCTS[func](low, *rest, **more)
        out: Tensor = func(x, low, low_bias, *rest, **more)
        self.products.append(Product(x.detach(), weight, bias, 0, linear, weigh))
        self.outs.append(out)
        return out

    def _times(self, a: Tensor, b: Tensor) -> Tensor:
        place = 1 if id(a) in self.rows else 0
        x, weight = (b, a) if place else (a, b)
        if id(weight) not in self.rows or not self._is_feature(x):
            raise Unfit("a product of features")
        fixed = weight.detach()
        out = x * fixed

        def weigh(features: Tensor, adjoint: Tensor) -> Tensor:
            return (features * adjoint).sum_to_size(fixed.shape)

        self.products.append(Product(x.detach(), weight, None, place, lambda t: t * fixed, weigh))
        self.outs.append(out)
        return out


class _Tangent(TorchFunctionMode):
    """The second pass: the same layers without biases, with the slopes of the first."""

    def __init__(self, products: list[Product], kinks: list[Kink], fixed: list[set[int]]) -> None:
        super().__init__()
        self.products, self.kinks, self.fixed = iter(products), iter(kinks), iter(fixed)
        self.entered: list[Tensor] = []  # each product, in order

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _KINKS:
            kink = next(self.kinks)
            return torch.ops.aten.leaky_relu_backward(args[0], kink.features, kink.slope, False)
        both = func in _TIMES and all(isinstance(a, Tensor) for a in args)
        if both or (func in _PRODUCTS and isinstance(args[1], nn.Parameter)):
            product = next(self.products)
            t = args[product.place].to(product.features.dtype)
            self.entered.append(t)
            return product.linear(t)
        if func in _JOINS and (fixed := next(self.fixed)):  # what is fixed has no slope
            terms = [torch.zeros_like(t) if i in fixed else t for i, t in enumerate(args[0])]
            args = (terms, *args[1:])
        return func(*args, **(kwargs or {}))


@runtime_checkable
class Affine(Protocol):
    """A map of examples that is affine, such as a drawn augmentation."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def linear(self, x: Tensor) -> Tensor:
        """What it does to differences."""

    def transposed(self, y: Tensor) -> Tensor:
        """A gradient at its result, as one at the example."""


class _Passes:
    """The passes over one batch: the first two at once, the third when the slopes are known."""

    def __init__(self, judge: Map, x: Tensor, see: Affine | None) -> None:
        self.judge, self.see = judge, see
        entering = (x if see is None else see(x)).detach().requires_grad_()
        with _Recording() as recording:
            logits = judge(entering)
        self.products, self.kinks = recording.products, recording.kinks
        self.fixed = recording.fixed
        gradient, *self.adjoints = torch.autograd.grad(logits.sum(), [entering, *recording.outs])
        self.gradient = gradient if see is None else see.transposed(gradient)
        self.logits = logits.detach()

    def weigh(self, slopes: Tensor, direction: Tensor | None) -> tuple[list[Tensor], list[Tensor]]:
        """The weights, and the gradient of Σ slopes·logits + ⟨direction, v⟩ by each of them."""
        entered: list[Tensor | None] = [None] * len(self.products)
        if direction is not None:
            entering = direction if self.see is None else self.see.linear(direction)
            with _Tangent(self.products, self.kinks, self.fixed) as tangent:
                self.judge(entering)
            entered = [*tangent.entered]
        weights, found = [], []
        for product, t, adjoint in zip(self.products, entered, self.adjoints, strict=True):
            if product.weight.requires_grad:
                h = product.features
                each = slopes.repeat_interleave(len(h) // len(slopes))  # of a pack, the same
                scaled = each.to(h.dtype).view(-1, *[1] * (h.dim() - 1)) * h
                scaled = scaled if t is None else scaled.add_(t)
                weights.append(product.weight)
                found.append(product.weigh(scaled, adjoint).to(product.weight.dtype))
            if product.bias is not None and product.bias.requires_grad:
                weights.append(product.bias)
                found.append(_weighted(slopes, adjoint).to(product.bias.dtype))
        return weights, found


def _weighted(slopes: Tensor, adjoint: Tensor) -> Tensor:
    """Σ slopes·adjoint over examples and places: (judged,) and (n, features, …) to (features,)."""
    rows = adjoint.movedim(1, -1).flatten(0, -2)  # of channels-last memory, a view
    each = slopes.repeat_interleave(len(rows) // len(slopes)).to(rows.dtype)
    return each[None].mm(rows)[0]


class _Judged(torch.autograd.Function):
    """(logits, v) as functions of the weights."""

    @staticmethod
    def forward(ctx: Any, passes: _Passes, *parameters: Tensor) -> tuple[Tensor, Tensor]:
        ctx.passes, ctx.parameters = passes, parameters
        ctx.set_materialize_grads(False)
        # Copies: a result that is kept by what its gradient takes would never be freed.
        return passes.logits.clone(), passes.gradient.clone()

    @staticmethod
    def backward(ctx: Any, slopes: Tensor | None, direction: Tensor | None) -> Any:
        passes: _Passes = ctx.passes
        slopes = torch.zeros_like(passes.logits) if slopes is None else slopes
        weights, found = passes.weigh(slopes, direction)
        learning = [p for p in ctx.parameters if p.requires_grad]
        # Most weights are parameters; those that are made of parameters have a graph that says how.
        gradients = iter(torch.autograd.grad(weights, learning, found, allow_unused=True))
        return None, *[next(gradients) if p.requires_grad else None for p in ctx.parameters]


def judged_with_gradient(
    judge: Map, network: nn.Module, x: Tensor, see: Affine | None = None
) -> tuple[Tensor, Tensor]:
    """The logits (judged,) of examples (batch, *shape), and ∇ₓ of their sum (batch, *shape).

    Both are differentiable once, by the parameters of `network` only, which `judge` passes examples
    through; before that, `see` changes them. Raises Unfit.
    """
    with torch.enable_grad():
        passes = _Passes(judge, x, see)
    logits, gradient = _Judged.apply(passes, *network.parameters())
    return logits, gradient


def fits(judge: Map, x: Tensor) -> bool:
    """Whether `judged_with_gradient` can be had, tried on `x`; leaves no trace."""
    devices = [x.device] if x.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        entering = x.detach().requires_grad_()
        try:
            with _Recording():
                logits = judge(entering)
        except Unfit:
            return False
    return len(logits) <= len(x)  # an example with several logits has as many slopes
