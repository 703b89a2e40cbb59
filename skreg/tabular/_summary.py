"""What a fitted estimator tells in words."""

from skreg._composition import last_of
from skreg._numbers import is_number
from skreg.tabular._inputs import network_of, transformers_of


def summary(estimator) -> str:
    """Return in words what was trained, how much each network counts, and how good it is."""
    folds = estimator.folds_
    networks = dict(last_of(folds.estimator).networks)
    width = max(map(len, estimator.weights_))
    scoring = estimator.scoring
    loss = estimator._loss_name if scoring == "loss" else f"minus {scoring if isinstance(scoring, str) else 'score'}"
    lines = [
        f"{len(networks)} networks on {len(folds.members_)} folds of {len(estimator.oof_predictions_)} rows and "
        f"{estimator.n_features_in_} columns. Each fold's networks predict the rows that they have not seen.",
        f"{loss} of the weighted mean: {estimator.loss_:.4g}; of the best network, {estimator.best_member_!r}: "
        f"{estimator.losses_[estimator.best_member_]:.4g}.",
    ]
    for name in sorted(estimator.weights_, key=lambda name: (-estimator.weights_[name], estimator.losses_[name])):
        weight = estimator.weights_[name]
        used = f"weight {weight:.2f}" if weight > 0 else "not used   "
        lines.append(f"  {name:{width}}  {used}  {loss} {estimator.losses_[name]:.4g}  {describe(networks[name])}")
    lines += [f"  {name:{width}}  failed" for name in networks if name not in estimator.weights_]
    return "\n".join(lines)


def describe(member) -> str:
    """Return the layers and the regularization of a network, and the transformers before it, in words."""
    network = network_of(member)
    layers = network.hidden_layer_sizes
    sizes = [layers] if not hasattr(layers, "__len__") else list(layers)
    parts = ["linear" if not sizes else "layers of " + ", ".join(map(str, sizes)) + " units"]
    alpha = network.alpha
    if network.penalty is not None and not (network.penalty == "l2" and alpha is None):  # a weak one
        strength = "" if alpha is None else f" with alpha={alpha:g}" if is_number(alpha) else f" with alpha={alpha!r}"
        parts.append(f"penalty {network.penalty!r}{strength}")
    named = {name: getattr(network, name) for name in ("weight_decay", "dropout", "input_dropout")}
    parts += [f"{name}={value}" for name, value in named.items() if value]
    parts += [f"behind {type(step).__name__}" for _, step in transformers_of(member)]
    return "; ".join(parts)
