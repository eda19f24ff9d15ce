"""The changes that may help a model, each as the lines of Python that a user would write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from torch import nn

from gradlab.modules.cures.changes import Change
from gradlab.modules.cures.recurrent import recurrent_changes
from gradlab.modules.profile import ModuleProfile

__all__ = ["Change", "changes"]


_IMPORTS = "import torch\nfrom torch import nn\n\n"
_MAPS = "nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d"
_KINDS = ("Linear", "Conv1d", "Conv2d", "Conv3d")
_DRAW = """\
for module in model.modules():
    if {is_map}:
        {draw}
        if module.bias is not None:
            nn.init.zeros_(module.bias)
"""
_UNIT_VARIANCE = """\
scaled = set()

def scale(module, inputs, output):
    deviation = output.std()
    if module in scaled or not deviation > 0:  # it is called several times, or its output is constant
        return output
    scaled.add(module)
    with torch.no_grad():
        module.weight.div_(deviation)
    return output / deviation

hooks = [module.register_forward_hook(scale) for module in model.modules() if {is_map}]
with torch.no_grad():
    forward()
for hook in hooks:
    hook.remove()
"""
_STATISTICS = """\
norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
momenta = [norm.momentum for norm in norms]
for norm in norms:
    norm.momentum = None  # the mean over all batches
model.train()
with torch.no_grad():
    forward()  # better with many batches
model.eval()
for norm, momentum in zip(norms, momenta):
    norm.momentum = momentum
"""
_REPLACE = """\
def replace(parent):
    for name, child in parent.named_children():
        if isinstance(child, {old}):
            setattr(parent, name, {new})
        else:
            replace(child)

replace(model)
"""
_REDRAW = """\
for module in model.modules():
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()
    elif hasattr(module, "_reset_parameters"):
        module._reset_parameters()
"""
_NORM = """\
for name in {names}:
    path, _, own = name.rpartition(".")
    parent = model.get_submodule(path)
    module = parent.get_submodule(own)
    norm = {norm}.to(module.weight)
    setattr(parent, own, nn.Sequential(module, norm))
"""
_BRANCH = """\
with torch.no_grad():
    for name in {names}:
        model.get_submodule(name).weight.mul_({factor})
"""
_NORM_FIRST = """\
for module in model.modules():
    if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        module.norm_first = True
    if isinstance(module, nn.TransformerEncoder | nn.TransformerDecoder) and module.norm is None:
        module.norm = nn.LayerNorm(module.layers[-1].linear2.out_features).to(module.layers[-1].linear2.weight)
"""
_SKIP = """\
class Skip(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.branch = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.branch(x)

for first, last in {places}:
    model[first] = Skip(*(model[place] for place in range(first, last + 1)))
    for place in range(first + 1, last + 1):
        model[place] = nn.Identity()
"""
_RECTIFIERS = frozenset({
    "Relu", "LeakyRelu", "PreluKernel", "RreluWithNoise", "Threshold", "Elu", "Celu", "Gelu", "Silu", "Mish",
    "Hardswish", "Softplus",
})  # fmt: skip
"""Activations that keep about half of the signal: He's initialisation is for them."""
_NORMS = {
    "Linear": "nn.LayerNorm(len(module.weight))",
    "Conv1d": "nn.BatchNorm1d(module.out_channels)",
    "Conv2d": "nn.BatchNorm2d(module.out_channels)",
    "Conv3d": "nn.BatchNorm3d(module.out_channels)",
}
_HE = "He 2015, arXiv 1502.01852"
_LECUN = "LeCun 1998, Efficient BackProp: variance 1/fan_in"
_SAXE = "Saxe 2013, arXiv 1312.6120"


def changes(model: nn.Module, profile: ModuleProfile) -> Iterator[Change]:
    """Yield the changes that apply to a model; `profile` tells what its weights are followed by."""
    if any(block.untouched_statistics for block in profile.blocks):
        yield Change(
            "running statistics of the batch norms from a pass in training mode", "Ioffe 2015, arXiv 1502.03167",
            _IMPORTS + _STATISTICS,
        )  # fmt: skip
    yield from _initialisations(model, profile)
    if profile.copies:
        yield Change(
            "draw the weights of every layer anew: some blocks start as copies of one another",
            "torch.nn.TransformerEncoder copies its layer", _IMPORTS + _REDRAW,
        )  # fmt: skip
    yield from recurrent_changes(model, profile)
    yield from _activations(model)
    yield from _norms(profile)
    yield from _branches(profile)
    if any(_norms_last(module) for module in model.modules()):
        words = "norm before each branch, and one after the last (pre-LN)"
        yield Change(words, "Xiong 2020, arXiv 2002.04745", _IMPORTS + _NORM_FIRST)
    places = _square_groups(model)
    if places and not any(use.ends_branch for use in profile.weight_uses):
        yield Change(
            "a skip around each square layer", "He 2016, arXiv 1603.05027", _IMPORTS + _SKIP.format(places=places)
        )


def _initialisations(model: nn.Module, profile: ModuleProfile) -> Iterator[Change]:
    uses = [use for use in profile.weight_uses if use.kind in _KINDS]
    if not uses:
        return
    followed = Counter(use.activation for use in uses if use.activation)
    rectified = sum(count for name, count in followed.items() if name in _RECTIFIERS) * 2 > sum(followed.values())
    nonlinearity, gain, source = ("relu", "2**0.5", _HE) if rectified else ("linear", "1.0", _LECUN)
    name = "He's" if rectified else "LeCun's"
    kaiming = f'nn.init.kaiming_normal_(module.weight, nonlinearity="{nonlinearity}")'
    orthogonal = f"nn.init.orthogonal_(module.weight, gain={gain})"
    yield Change(f"{name} initialisation", source, _IMPORTS + _DRAW.format(is_map=_is_map(model), draw=kaiming))
    code = _IMPORTS + _DRAW.format(is_map=_is_map(model), draw=orthogonal)
    yield Change(f"orthogonal initialisation with gain {gain}", _SAXE, code)
    yield Change(
        "orthogonal weights scaled to unit variance, layer by layer (LSUV)", "Mishkin 2015, arXiv 1511.06422",
        code + "\n" + _UNIT_VARIANCE.format(is_map=_is_map(model)),
    )  # fmt: skip


def _is_map(model: nn.Module) -> str:
    """Return the condition for a module to be a map, also of a package that has a `Linear` of its own."""
    own = {
        type(module).__name__
        for module in model.modules()
        if type(module).__name__ in _KINDS and not isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)
    }
    names = "".join(f' or type(module).__name__ == "{name}"' for name in sorted(own))
    return f"isinstance(module, {_MAPS}){names}"


def _activations(model: nn.Module) -> Iterator[Change]:
    he = _DRAW.format(is_map=_is_map(model), draw='nn.init.kaiming_normal_(module.weight, nonlinearity="relu")')
    kinds = {type(module) for module in model.modules()}
    if kinds & {nn.Sigmoid, nn.Tanh, nn.Softsign, nn.Hardtanh, nn.Hardsigmoid}:
        saturating = "nn.Sigmoid | nn.Tanh | nn.Softsign | nn.Hardtanh | nn.Hardsigmoid"
        code = _IMPORTS + _REPLACE.format(old=saturating, new="nn.ReLU()") + "\n" + he
        yield Change("ReLU in place of the saturating activation, with He's initialisation", _HE, code)
    if nn.ReLU in kinds:
        code = _IMPORTS + _REPLACE.format(old="nn.ReLU", new="nn.LeakyReLU(0.1)")
        yield Change("leaky ReLU, whose units cannot die", "Maas 2013", code)


def _norms(profile: ModuleProfile) -> Iterator[Change]:
    for kind, norm in _NORMS.items():
        bare = [u.name for u in profile.weight_uses if u.kind == kind and u.activation and not u.normed and u.name]
        if bare:
            words = f"{norm.removeprefix('nn.').partition('(')[0]} before each activation"
            code = _IMPORTS + _NORM.format(names=bare, norm=norm)
            yield Change(words, "Ioffe 2015, arXiv 1502.03167; Ba 2016, arXiv 1607.06450", code)


def _branches(profile: ModuleProfile) -> Iterator[Change]:
    names = [use.name for use in profile.weight_uses if use.ends_branch]
    if not names:
        return
    factor = f"{len(names)}**-0.5"
    yield Change(
        f"the last weight of each of {len(names)} branches times {factor}", "Radford 2019, GPT-2",
        _IMPORTS + _BRANCH.format(names=names, factor=factor),
    )  # fmt: skip
    yield Change(
        "the last weight of each branch zero at the start", "Zhang 2019, arXiv 1901.09321 (Fixup)",
        _IMPORTS + _BRANCH.format(names=names, factor="0.0"),
    )  # fmt: skip


def _norms_last(module: nn.Module) -> bool:
    layers = nn.TransformerEncoderLayer | nn.TransformerDecoderLayer
    return isinstance(module, layers) and not module.norm_first


def _square_groups(model: nn.Module) -> list[tuple[int, int]]:
    """Return the places (first, last) of the maps of equal width with what follows each, in a Sequential."""
    if not isinstance(model, nn.Sequential):
        return []
    layers = list(model)
    maps = [place for place, layer in enumerate(layers) if isinstance(layer, nn.Linear)]
    return [
        (place, following - 1)
        for place, following in pairwise(maps)
        if layers[place].in_features == layers[place].out_features and following - place > 1
    ]
