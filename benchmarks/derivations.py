"""Simulations that check each step of docs/derivations.md: random networks in plain torch against the formulas.

    python benchmarks/derivations.py              # the tables of that page, an hour or two of one core
    python benchmarks/derivations.py --scale 0.1  # a tenth of the networks

The networks here are written with nothing of gradlab, the gradients are those of autograd, in float64. What has an
expansion in 1/width is simulated at a width and at twice that width, and extrapolated to infinite width.
`tests/mean_field/test_derivations.py` asserts the same rows, from fewer networks.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from derivation_networks import (
    DROPOUT,
    NORMS,
    PLAIN,
    SKIPS,
    Form,
    Row,
    block,
    generator,
    in_chunks,
    inputs,
    normed,
    state,
    stream_below,
    weights,
)
from torch import Tensor

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.mean_field import predict
from gradlab.mean_field.block_noise import units_of
from gradlab.mean_field.finite_width import forward_noise, noises_of, pair_products, scatter
from gradlab.mean_field.loss_gradient import loss_gradient
from gradlab.mean_field.radial_component import radial_shift, radial_step


def extrapolated(small: tuple[float, float], large: tuple[float, float]) -> tuple[float, float]:
    """Return value and error at infinite width of a number with a term in 1/width, from one width and its double."""
    return 2 * large[0] - small[0], math.hypot(2 * large[1], small[1])


def covariance(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Return the covariance of samples [R], and its standard error."""
    products = (a - a.mean()) * (b - b.mean())
    return float(products.mean()), float(products.std()) / math.sqrt(len(products))


# ------------------------------------------------------------------------------- sections 2, 4, 5, 6, 7: one block


def one_block(form: Form, networks: int, width: int = 32) -> Iterator[Row]:
    """Yield the noise of one block for one sample: width × Var η, × Var ε, × Cov(η, ε)."""
    rng = generator(form)
    network, of = state(form)
    measured: list[list[tuple[float, float]]] = []
    for n in (width, 2 * width):
        factors, squares = [], []
        for some in in_chunks(networks, n):
            x = inputs(form, some, n, rng).requires_grad_()
            above = block(form, x, *weights(form, some, n, rng), rng)
            delta = torch.randn(above.shape, generator=rng, dtype=torch.float64)
            (below,) = torch.autograd.grad(above, x, delta)
            factors.append((below.square().sum((1, 2)) / delta.square().sum((1, 2)) / of.chi).detach())
            layer_norm_above = form.norm == "layer" and form.place == "input"
            spread = above.var(-1) if layer_norm_above else above.square().mean(-1)
            squares.append(spread[:, 0].detach())
        eta, p = torch.cat(factors), torch.cat(squares)
        measured.append([(n * value, n * error) for value, error in map(covariance, (eta, p, eta), (eta, p, p))])
    noise = units_of(network, of).noise(np.ones(1), np.array([stream_below(form).square]))
    var_eta = pair_products(network, of, noise, 1, np.ones(1), np.ones(1))[0][0] - 1
    theory = {"n Var η": var_eta, "n Var ε": noise.epsilon[0], "n Cov(η, ε)": noise.cross[0]}
    for (what, value), small, large in zip(theory.items(), *measured, strict=True):
        limit = "c" if form.keep < 1 and "ε" in what else ""
        yield Row(f"{form}: {what}", *extrapolated(small, large), float(value), limit)


# ----------------------------------------------------------------------------------------- section 3: two samples


def two_samples(form: Form, networks: int, c: float = 0.6, rho: float = 0.5, width: int = 32) -> Iterator[Row]:
    """Yield how the gradients of two samples scatter together below a block, with those above given.

    Lengths: width × Cov(|δ_a|², |δ_b|²), directions: width × Var(δ_a·δ_b), of gradients over χ of mean square 1.
    """
    rng = generator(form)
    network, of = state(form)
    below = stream_below(form)
    measured: list[list[tuple[float, float]]] = []
    for n in (width, 2 * width):
        grads = []
        for some in in_chunks(networks, n):
            x = pair(some, n, c, rng) * math.sqrt(below.square * n)
            x.requires_grad_()
            above = block(form, x, *weights(form, some, n, rng), rng)
            (grad,) = torch.autograd.grad(above, x, pair(some, n, rho, rng))
            grads.append(grad / math.sqrt(of.chi))
        a, b = torch.cat(grads).unbind(1)
        dots = (a * b).sum(-1)
        both = covariance(a.square().sum(-1), b.square().sum(-1)), covariance(dots, dots)
        measured.append([(n * value, n * error) for value, error in both])
    known = 1 - form.sigma_b2 / of.q
    noise = units_of(network, of).noise(np.array([1.0, known * c + 1 - known]), below.square * np.array([1.0, c]))
    squares, products = pair_products(network, of, noise, 1, np.ones(2), np.array([1.0, rho**2]))
    infinite = rho**2 * (1 - of.share + of.share * noise.slope_overlap[1]) ** 2
    theory = squares[1] - 1, products[1] - infinite
    for what, value, small, large in zip(("n Cov(|δ_a|², |δ_b|²)", "n Var(δ_a·δ_b)"), theory, *measured, strict=True):
        yield Row(f"{form}: {what}", *extrapolated(small, large), float(value))


def pair(networks: int, width: int, correlation: float, rng: torch.Generator) -> Tensor:
    """Return two unit vectors with exactly this correlation, [R, 2, width]."""
    z = torch.randn(networks, width, 2, generator=rng, dtype=torch.float64)
    first, other = torch.linalg.qr(z).Q.unbind(-1)
    return torch.stack([first, correlation * first + math.sqrt(1 - correlation**2) * other], 1)


# ------------------------------------------------------------------------------------------ section 4: means of units


def means_of_units(form: Form, networks: int, c: float = 0.6, width: int = 32) -> Iterator[Row]:
    """Yield the noise of the mean squares of two samples and the shift of their mean: width × Cov, width × mean ε."""
    rng = generator(form)
    network, of = state(form)
    below = stream_below(form)
    measured: list[list[tuple[float, float]]] = []
    for n in (width, 2 * width):
        squares = []
        for some in in_chunks(networks, n):
            x = pair(some, n, c, rng) * math.sqrt(below.square * n)
            squares.append(block(form, x, *weights(form, some, n, rng), rng).square().mean(-1))
        p = torch.cat(squares)
        value, error = covariance(p[:, 0], p[:, 1])
        mean = p.mean(1)
        shift = float(mean.mean()) - of.after.square
        measured.append([(n * value, n * error), (n * shift, n * float(mean.std()) / math.sqrt(len(mean)))])
    known = 1 - form.sigma_b2 / of.q
    correlations = np.array([1.0, known * c + 1 - known])
    noise = units_of(network, of).noise(correlations, below.square * np.array([1.0, c]))
    theory = [noise.epsilon[1], noise.epsilon_mean]
    for what, value, small, large in zip(("n Cov(ε_a, ε_b)", "n E ε"), theory, *measured, strict=True):
        yield Row(f"{form}: {what}", *extrapolated(small, large), float(value))


# ------------------------------------------------------------------------------------------- section 8: along the depth


def first_block(form: Form) -> Form:
    """Return the form of the first block: without a skip, and without a norm of its input."""
    place = "none" if form.place == "input" else form.place
    return dataclasses.replace(form, skip=False, norm="none" if place == "none" else form.norm, place=place)


def deep_network(form: Form, networks: int, depth: int = 6, width: int = 64) -> Iterator[Row]:
    """Yield width times the scatter of one sample's ln(g_1²/g_L²), its covariance with ln p_L, and its shift.

    The gradient at the top is isotropic and knows nothing of the outputs: the shift of section 9 has r_L = 1.
    """
    rng = generator(form)
    network = form.network()
    first = network.first(form.sigma_w2 + form.sigma_b2)
    blocks = [first]
    while len(blocks) < depth:
        blocks.append(network.next(blocks[-1].after))
    infinite = float(np.log([each.chi for each in blocks[1:]]).sum())
    measured: list[list[tuple[float, float]]] = []
    for n in (width, 2 * width):
        log_g2, log_p = [], []
        for some in in_chunks(networks, n):
            x = normed(torch.randn(some, 1, n, generator=rng, dtype=torch.float64), "rms")
            states = [block(first_block(form), x, *weights(form, some, n, rng), rng).requires_grad_()]
            for _ in range(depth - 1):
                states.append(block(form, states[-1], *weights(form, some, n, rng), rng))
            delta = torch.randn(x.shape, generator=rng, dtype=torch.float64)
            (below,) = torch.autograd.grad(states[-1], [states[0]], delta)
            log_g2.append(torch.log(below.square().sum((1, 2)) / delta.square().sum((1, 2))))
            log_p.append(states[-1].detach().square().mean((1, 2)).log())
        ratio, top = torch.cat(log_g2), torch.cat(log_p)
        both = covariance(ratio, ratio), covariance(ratio, top), covariance(top, top)
        shift = float(ratio.mean()) - infinite, float(ratio.std()) / math.sqrt(len(ratio))
        measured.append([(n * value, n * error) for value, error in (*both, shift)])
    one, far = np.ones(1), 10**6
    noises, _ = noises_of(network, blocks, one)
    forward = forward_noise(network, blocks, noises, far, one)
    total = scatter(network, blocks, noises, forward, far, one, one)
    radial = radial_shift(network, blocks, far, one)[0, 0]
    theory = {
        "n Var ln(g_1²/g_L²)": 4 * total.variance[0], "n Cov(ln g_1²/g_L², ln p_L)": 2 * total.growth[0],
        "n Var ln p_L": forward.growth_variance, "n E ln(g_1²/g_L²), less that of n = ∞": 2 * (total.shift[0] + radial),
    }  # fmt: skip
    for (what, value), small, large in zip(theory.items(), *measured, strict=True):
        limit = "b" if form.skip and first.after.mean > 0 and "p_L" in what else ""
        yield Row(f"{form}: {what}", *extrapolated(small, large), far * float(value), limit)


# -------------------------------------------------------------------------------------- section 9: the radial component


def radial(form: Form, networks: int, width: int = 32, directions: int = 16) -> Iterator[Row]:
    """Yield what a block does to the mean of |δ|² and to r, for a gradient above with r = 1 and with r = 4."""
    network, of = state(form)
    step = radial_step(network, of)
    own = units_of(network, of).noise(np.ones(1), np.array([stream_below(form).square])).eta_mean
    for r in (1.0, 4.0):
        rng = generator(form)
        measured: list[list[tuple[float, float]]] = []
        for n in (width, 2 * width):
            factors, radials = [], []
            for some in in_chunks(networks, n):
                x = inputs(form, some, n, rng)
                w, b = weights(form, some, n, rng)
                x = x.expand(some, directions, n).contiguous().requires_grad_()
                above = block(form, x, w, b, rng)
                along = normed(above.detach(), "rms") / math.sqrt(n)
                delta = torch.randn(above.shape, generator=rng, dtype=torch.float64)
                delta = delta + (math.sqrt(r) - 1) * (delta * along).sum(-1, keepdim=True) * along
                if form.norm == "layer" and form.place == "stream":
                    # the norm above has taken the mean over the units out of what came along its skip
                    share = 1 - stream_below(form).square / of.divisor
                    delta = delta - (1 - math.sqrt(share)) * delta.mean(-1, keepdim=True)
                delta = delta / math.sqrt(n - 1 + r)  # E|δ|² = 1; r is this r times n/(n - 1 + r)
                (below,) = torch.autograd.grad(above, x, delta)
                factors.append(below.square().sum(-1).mean(1) / of.chi)
                radials.append(((below * x.detach()).sum(-1).square() / x.detach().square().mean(-1)).mean(1) / of.chi)
            g2, part = torch.cat(factors), torch.cat(radials)
            error = float(g2.std()) / math.sqrt(len(g2))
            error_part = float(part.std()) / math.sqrt(len(part))
            measured.append([(n * (float(g2.mean()) - 1), n * error), (float(part.mean()), error_part)])
        theory = step.delta[0] + step.delta[1] * (r - 1) + own, 1 + step.below[0] + step.below[1] * (r - 1)
        for what, value, small, large in zip(("n E η", "r below"), theory, *measured, strict=True):
            yield Row(f"{form}, r = {r:g}: {what}", *extrapolated(small, large), float(value))


# --------------------------------------------------------------------------------- section 10: the gradient of the loss


def top_gradient(outputs: int, q: float, networks: int, c: float = 0.3, batch: int = 16) -> Iterator[Row]:
    """Yield the means over networks of r and of the squared correlations, by autograd through a wide readout."""
    rng = generator(f"{outputs} {q}")
    width = 512
    r, product, apart = [], [], []
    for _ in range(networks):
        shared, own = (torch.randn(n, width, generator=rng, dtype=torch.float64) for n in (1, batch))
        x = math.sqrt(c) * shared + math.sqrt(1 - c) * own
        x = (x / x.square().mean(-1, keepdim=True).sqrt()).requires_grad_()
        w = math.sqrt(q / width) * torch.randn(outputs, width, generator=rng, dtype=torch.float64)
        if outputs == 1:
            target = torch.randn(batch, 1, generator=rng, dtype=torch.float64)
            loss = (x @ w.T - target).square().mean() / 2
        else:
            loss = torch.nn.functional.cross_entropy(x @ w.T, torch.randint(outputs, (batch,), generator=rng))
        (delta,) = torch.autograd.grad(loss, x)
        x = x.detach()
        r.append(((x * delta).sum(-1).square() / x.square().mean(-1)).sum() / delta.square().sum())
        gram2, squares = (delta @ delta.T).square(), delta.square().sum(-1)
        product.append(gram2.sum() - squares.square().sum())
        apart.append(squares.sum() ** 2 - squares.square().sum())
    theory = loss_gradient(outputs, q, c, batch, 0.0)
    values = torch.stack(r)
    name = f"{outputs} outputs of variance {q:g}"
    error = math.hypot(float(values.std()) / math.sqrt(networks), theory.radial.std() / math.sqrt(len(theory.radial)))
    yield Row(f"{name}: mean r", float(values.mean()), error, float(theory.radial.mean()))
    if outputs > 1:
        p, s = torch.stack(product), torch.stack(apart)
        ratio = float(p.sum() / s.sum())
        error = float((p - ratio * s).std()) / float(s.mean()) / math.sqrt(networks)
        finite = theory.product2 + (1 - theory.product2**2) / width
        yield Row(f"{name}: mean ρ²", ratio, math.hypot(error, 0.03 * ratio), finite)


# ------------------------------------------------------------------------------------------ section 11: whole networks


def samples(batch: int, features: int, classes: int) -> tuple[Tensor, Tensor]:
    """Return inputs [N, I] and labels [N] with the correlations that theory takes for granted.

    1/2 within a class, +1/4 or -1/4 between two classes.
    """
    rng = generator("samples")
    sign = 1 - 2 * (torch.arange(classes) % 2).unsqueeze(1)
    common, own, noise = (
        torch.randn(rows, features, generator=rng, dtype=torch.float64) for rows in (1, classes, batch)
    )
    label = torch.arange(batch) % classes
    x = (sign * common + own)[label] / 2 + noise / math.sqrt(2)
    return x / x.square().mean().sqrt(), label


def whole_network(form: Form, networks: int, depth: int = 8, width: int = 64, batch: int = 64) -> Iterator[Row]:
    """Yield mean and scatter of ln(g_1/g_L) of classifiers on the same samples, by autograd, beside `predict`."""
    features, classes = 64, 10
    rng = generator(form)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    x, label = samples(batch, features, classes)
    logs = []
    gain = math.sqrt(form.sigma_w2)
    for some in in_chunks(networks, 2 * width):
        first = gain / math.sqrt(features) * normal(some, width, features)
        if form.orthogonal:
            first = gain * torch.linalg.qr(normal(some, width, features)).Q
        states = [
            block(
                first_block(form), x.expand(some, -1, -1), first, math.sqrt(form.sigma_b2) * normal(some, 1, width), rng
            ).requires_grad_()
        ]
        for _ in range(depth - 1):
            states.append(block(form, states[-1], *weights(form, some, width, rng), rng))
        readout = gain / math.sqrt(width) * normal(some, classes, width)
        if form.orthogonal:
            readout = gain * torch.linalg.qr(normal(some, width, classes)).Q.mT
        outputs = states[-1] @ readout.mT
        loss = torch.nn.functional.cross_entropy(outputs.flatten(0, 1), label.repeat(some), reduction="sum")
        grads = torch.autograd.grad(loss, [states[0], states[-1]])
        logs.append((grads[0].square().sum((1, 2)) / grads[1].square().sum((1, 2))).log() / 2)
    log_survival = torch.cat(logs)
    init = Named("orthogonal", (("gain", gain),)) if form.orthogonal else Named("lecun_normal", (("gain", gain),))
    residual = {"input": "pre_norm", "stream": "post_norm"}.get(form.place, "add" if form.skip else "none")
    cell = Cell(
        depth=depth, width=width, activation=Named(form.activation), init=init, bias_std=math.sqrt(form.sigma_b2),
        norm=Named(form.norm, (("eps", 0.0),)) if form.norm != "none" else Named("none"),
        norm_position=Named(form.place if form.place.endswith("activation") else "pre_activation"),
        residual=Named(residual), residual_scale=form.scale, dropout=1 - form.keep, probe_batch_size=batch, lr=0.1,
    )  # fmt: skip
    theory = predict(cell, in_features=features, out_features=classes, input_mean_square=1.0)
    sd = float(log_survival.std())
    mean = float(log_survival.mean())
    yield Row(f"{form}: mean ln(g_1/g_L)", mean, sd / math.sqrt(networks), theory.log_survival)
    yield Row(f"{form}: sd ln(g_1/g_L)", sd, sd / math.sqrt(2 * networks), theory.log_survival_sd)


def main() -> None:
    """Print all tables as markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of networks")
    scale = parser.parse_args().scale
    for title, rows in tables(scale):
        print(f"\n### {title}\n\n| | simulated | theory | z |\n| --- | --- | --- | --- |")
        for row in rows:
            z = f"{row.z:+.1f}" + (f" (12{row.limit})" if row.limit else "")
            print(f"| {row.what} | {row.simulated:.4f} ±{row.error:.4f} | {row.theory:.4f} | {z} |", flush=True)


def tables(scale: float) -> Iterator[tuple[str, Iterator[Row]]]:
    """Yield a title and the rows of each section."""

    def each(check: Callable[..., Iterator[Row]], forms: list[Form], networks: int) -> Iterator[Row]:
        for form in forms:
            yield from check(form, max(100, round(scale * networks)))

    yield "2, 4 to 7: the noise of one block", each(one_block, [*PLAIN, *SKIPS, *DROPOUT, *NORMS], 20000)
    yield "3, 5, 7: two samples", each(two_samples, [*PLAIN, *SKIPS, *DROPOUT], 20000)
    yield "4: means over units", each(means_of_units, PLAIN, 40000)
    yield "8: along the depth, one sample", each(deep_network, [*PLAIN, *SKIPS, *NORMS], 4000)
    yield "9: the radial component", each(radial, [*PLAIN, *SKIPS, *DROPOUT, *NORMS], 4000)
    yield (
        "10: the gradient of the loss",
        (
            row
            for outputs, q in ((1, 0.2), (1, 2.0), (2, 1.0), (10, 0.2), (10, 2.0))
            for row in top_gradient(outputs, q, max(100, round(scale * 2000)))
        ),
    )
    yield "11: whole networks", each(whole_network, [*PLAIN, *SKIPS, *DROPOUT, *NORMS], 2000)


if __name__ == "__main__":
    main()
