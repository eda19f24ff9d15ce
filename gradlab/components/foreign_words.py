"""Words that other tools use for what a spec names: the tables of them. `components.synonyms` looks words up in them.

A name of a component that means the same is taken (`ALIASES`). Other names of settings and of parameters are not taken:
a message says which one is meant, and where the meaning differs, how.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ALIASES", "EXPLAINED", "FILES_ELSEWHERE", "NAMES_ELSEWHERE", "NAME_KEYS", "NOTHING", "PAIRS",
    "PARAMETERS_ELSEWHERE", "SETTINGS_ELSEWHERE", "VARIANTS", "ForeignKey",
]  # fmt: skip

NOTHING = frozenset({"none", "off", "no", "false", "null", "~", "nothing", "disabled"})
"""What means ``none`` where there is such a component, and 0 where that switches something off."""

ALIASES: dict[str, dict[str, str]] = {
    "model": {
        "elman": "rnn", "vanilla_rnn": "rnn", "simple_rnn": "rnn", "dense": "mlp", "fc": "mlp", "ffn": "mlp",
        "fnn": "mlp", "feed_forward": "mlp", "fully_connected": "mlp", "multilayer_perceptron": "mlp",
        "cnn": "conv", "convnet": "conv", "convolutional": "conv",
    },
    "task": {"copy": "copy_memory", "addition": "adding", "csv": "table"},
    "activation": {
        "identity": "linear", "swish": "silu", "none": "linear", "logistic": "sigmoid", "purelin": "linear",
        "hard_sigmoid": "hardsigmoid", "hard_silu": "hardswish", "hard_swish": "hardswish", "hard_tanh": "hardtanh",
        "log_sigmoid": "logsigmoid", "tanh_shrink": "tanhshrink", "soft_shrink": "softshrink",
        "hard_shrink": "hardshrink", "gelu_new": "gelu_tanh", "relu2": "relu_squared", "sin": "sine",
        "lrelu": "leaky_relu", "tansig": "tanh", "logsig": "sigmoid", "poslin": "relu", "satlins": "hardtanh",
    },
    "init": {
        "glorot_uniform": "xavier_uniform",
        "glorot_normal": "xavier_normal",
        "xavier_glorot_uniform": "xavier_uniform",
        "xavier_glorot_normal": "xavier_normal",
        "kaiming_uniform": "he_uniform",
        "kaiming_normal": "he_normal",
        "lecun": "lecun_normal",
        "pytorch": "torch_default",
        "gaussian": "normal",
        "random_normal": "normal",
        "random_uniform": "uniform",
        "eye": "identity",
        "trunc_normal": "truncated_normal",
        "ortho": "orthogonal",
    },
    "norm": {
        "batch_norm": "batch", "layer_norm": "layer", "rms_norm": "rms", "bn": "batch", "ln": "layer",
        "batch_norm_1d": "batch", "batch_normalization": "batch", "layer_normalization": "layer",
        "rms_normalization": "rms", "group_norm": "group", "gn": "group", "group_normalization": "group",
        "dynamic_tanh": "dyt", "dynamic_erf": "derf", "weight_standardization": "weight",
        "weight_standardisation": "weight", "instance_norm": "instance",
    },
    "residual": {
        "skip": "add", "pre_ln": "pre_norm", "post_ln": "post_norm", "plain": "none", "peri_ln": "sandwich",
        "peri_norm": "sandwich", "sandwich_norm": "sandwich", "sandwich_ln": "sandwich", "deep_norm": "deepnorm",
    },
    "optimizer": {
        "heavy_ball": "momentum", "gd": "sgd", "gradient_descent": "sgd", "sgdm": "momentum",
        "sgd_momentum": "momentum", "nag": "nesterov", "sgd_nesterov": "nesterov",
    },
    "clip": {
        "adaptive": "agc", "clipnorm": "each", "clip_grad_norm": "norm", "clip_by_global_norm": "norm",
        "global_clipnorm": "norm", "global_norm": "norm", "clip_grad_value": "value", "clip_by_value": "value",
        "clipvalue": "value",
    },
    "train.lr_schedule": {
        "none": "constant", "fixed": "constant", "cosine_annealing": "cosine", "cosine_annealing_lr": "cosine",
        "cosine_decay": "cosine",
    },
    "precision": {
        "fp32": "float32",
        "fp64": "float64",
        "double": "float64",
        "single": "float32",
        "bf16": "bfloat16",
        "fp16": "float16",
        "half": "float16",
    },
}  # fmt: skip
"""By setting, other names of its components, which mean the same."""

NAMES_ELSEWHERE: dict[str, dict[str, tuple[str, ...]]] = {
    "model": {
        **dict.fromkeys(("conv1d", "conv2d", "resnet", "vgg"), ("conv",)),
        **dict.fromkeys(("unet", "gcn", "vae", "gan", "gnn", "ssm", "s4", "mamba", "esn"), ()),
        **dict.fromkeys(("gpt", "gpt2", "bert", "vit", "llama", "attention"), ("transformer",)),
    },
    "task": {
        "mnist": ("digits",), "fashion_mnist": ("digits",), "cifar10": ("digits",), "iris": ("table",),
        "smnist": ("sequential_digits",), "sequential_mnist": ("sequential_digits",), "psmnist": ("sequential_digits",),
        "shakespeare": ("char_lm",), "ptb": ("char_lm",), "wikitext": ("char_lm",), "movielens": ("ratings",),
        "regression": ("linear_regression", "teacher", "table"), "classification": ("digits", "spirals", "table"),
    },
    "init": {
        "xavier": ("xavier_normal", "xavier_uniform"), "glorot": ("xavier_normal", "xavier_uniform"),
        "xavier_glorot": ("xavier_normal", "xavier_uniform"), "he": ("he_normal", "he_uniform"),
        "kaiming": ("he_normal", "he_uniform"),
        "random": ("normal", "uniform"), "default": ("torch_default",),
    },
    "residual": {"yes": (), "true": (), "on": (), "resnet": ("add", "resnet_v1"), "resnet_v2": ("add",), "highway": ()},
    "optimizer": {"ftrl": (), "sophia": (), "adabelief": ()},
}  # fmt: skip
"""By setting, names that are not taken, and the components that come closest; without one all are listed."""

EXPLAINED: dict[str, dict[str, str]] = {
    "init": {
        "zeros": "write {constant: 0}: no gradient gets through", "ones": "write {constant: 1}",
        "zero_branch": "it is a setting of its own: branch_init: zero",
        "depth_scaled": "it is a setting of its own: branch_init: depth_scaled",
        "variance_scaling": "write lecun_normal or lecun_uniform with gain (the root of its scale), mode and truncated",
        "dirac": "identity is dirac in a convolution", "sparse": "no init here leaves weights out",
        "siren": "write {name: he_uniform, gain: …}, with 1/w0 as the gain: weights are uniform on sqrt(6/fan_in)/w0",
    },
    "activation": {
        **dict.fromkeys(
            ("softmax", "log_softmax", "softmin", "maxout"), "it joins units; activations here take each unit by itself"
        ),
        **dict.fromkeys(
            ("glu", "swiglu", "geglu", "reglu"),
            "its gate needs a second matrix, which a transformer has with gate: true beside silu, gelu or relu",
        ),
        "heaviside": "it has no slope; sigmoid is the nearest that has",
        "rrelu": "its slope is drawn at random; leaky_relu has one slope, prelu learns it",
        "exponential": "elu and softplus are exponential on one side alone",
    },
    "norm": {
        "weight_norm": "weight is the nearest: it divides by the deviation of a unit's weights, not by their norm",
        "spectral_norm": "it divides a matrix by its largest singular value; weight divides each row by its deviation",
        "local_response": "layer is the nearest: over all units of a sample",
    },
    "residual": {
        **dict.fromkeys(("rezero", "skip_init"), "write residual: add and residual_scale: learned_zero"),
    },
    "optimizer": {
        "lbfgs": "it needs several evaluations a step; rprop is the nearest that needs one",
        "lamb": "adamw without lamb's factor for each tensor is the nearest",
        "lars": "momentum without the factor for each tensor is the nearest; clip: agc bounds that factor",
        "sparse_adam": "adam: gradients here are dense",
    },
    "clip": {
        "percentile": "it follows the gradients before; norm has a fixed bound",
        "autoclip": "it follows the gradients before; norm has a fixed bound",
    },
}  # fmt: skip
"""By setting, names that are not taken, and what comes closest or takes their place."""

_COLUMNS = "every column but the target is an input: make a file without the others"
_LINES = "lines above the header are left out where they are empty or begin with #, % or //"
_HELD_OUT = "a quarter of the rows is held out, the same for all seeds"
FILES_ELSEWHERE = {
    **dict.fromkeys(("drop", "drop_columns", "exclude", "ignore", "features", "feature_columns", "columns",
                     "usecols", "index_col"), _COLUMNS),
    **dict.fromkeys(("skiprows", "skip", "skip_rows", "skip_lines", "comment", "comments"), _LINES),
    **dict.fromkeys(("test_size", "train_size", "test_split", "val_split", "validation_split", "split"), _HELD_OUT),
    "thousands": "remove the signs of thousands from the file",
}  # fmt: skip
"""What pandas, scikit-learn and Keras have for tables, and what there is instead."""

PARAMETERS_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "learning_rate": ("lr",), "step_size": ("lr",), "epsilon": ("eps",), "beta_1": ("beta1",), "beta_2": ("beta2",),
    "b1": ("beta1",), "b2": ("beta2",), "betas": ("betas", "beta1"), "rho": ("rho", "alpha"),
    "alpha": ("negative_slope",), "slope": ("negative_slope",), "stddev": ("std",),
    "sigma": ("std",), "scale": ("gain",),
    "max_norm": ("max",), "clip_value": ("max",), "value": ("max",), "threshold": ("max",), "clipping": ("factor",),
    "hidden_size": ("hidden",), "n_samples": ("samples",), "num_samples": ("samples",), "n_features": ("inputs",),
    "file": ("path",), "filename": ("path",), "csv": ("path",), "label": ("target",), "y": ("target",),
    "sep": ("separator",), "delimiter": ("separator",), "delim": ("separator",), "delim_whitespace": ("separator",),
    "na_values": ("missing",), "na": ("missing",), "missing_values": ("missing",), "dropna": ("missing",),
    "has_header": ("header",), "header_row": ("header",), "charset": ("encoding",), "dec": ("decimal",),
    "standardise": ("standardize",), "normalize": ("standardize",), "normalise": ("standardize",),
    "scaler": ("standardize",), "label_column": ("target",), "target_column": ("target",), "target_col": ("target",),
    "data_path": ("path",), "filepath": ("path",), "data": ("path",), "problem_type": ("kind",), "task_type": ("kind",),
    "embedding_dim": ("embedding",), "unit_forget_bias": ("forget_bias",),
}  # fmt: skip
"""Other names of parameters of components: the first of these that a component has is meant."""


NAME_KEYS = ("type", "_target_", "class_name", "class", "_name_")
"""Keys under which other tools have the name of a component in a mapping: ``{_target_: torch.optim.Adam, lr: 0.1}``."""

PAIRS: dict[str, tuple[str, ...]] = {
    "betas": ("beta1", "beta2"), "etas": ("eta_minus", "eta_plus"), "step_sizes": ("step_min", "step_max"),
    "eps": ("eps1", "eps2"),
}  # fmt: skip
"""Parameters of torch.optim that are pairs, and their parts here."""

VARIANTS: dict[str, dict[str, tuple[tuple[str, str], ...]]] = {
    "activation": {"gelu": (("approximate", "gelu_tanh"),)},
    "optimizer": {"sgd": (("nesterov", "nesterov"), ("momentum", "momentum"))},
}
"""By setting and component: parameters that it has in other tools, and the component that has them here, the first of
which that is not 0 or false counts."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """What another tool's name of a setting is here."""

    target: str = ""
    """A key of a spec; empty where there is nothing of the kind."""
    remark: str = ""
    """How it differs, or why there is none."""

    @property
    def hint(self) -> str:
        """What a message says."""
        return " ".join(filter(None, [f"did you mean '{self.target}'?" if self.target else "", self.remark]))


def _keys(target: str, words: str, remark: str = "") -> dict[str, ForeignKey]:
    return dict.fromkeys(words.split(), ForeignKey(target, remark))


SETTINGS_ELSEWHERE: dict[str, ForeignKey] = {
    **_keys("lr", "learning_rate base_lr initial_lr init_lr eta eta0 step_size learning_rate_init"),
    **_keys(
        "train.steps", "epochs epoch num_epochs n_epochs nb_epoch max_epochs num_train_epochs",
        "training is counted in updates: epochs * samples / batch size",
    ),
    **_keys("train.steps", "iterations num_iterations n_iter max_iter iters max_steps num_steps n_steps updates "
            "num_train_steps total_steps training_steps train_steps"),
    **_keys("depth", "layers num_layers n_layers n_layer nlayers num_hidden_layers n_hidden_layers hidden_layers "
            "num_blocks n_blocks blocks number_of_layers"),
    **_keys("width", "hidden_size hidden_dim hidden_units hidden units unit neurons num_units n_units n_hidden "
            "num_hidden d_model n_embd dim channels filters size nodes hidden_width layer_size"),
    **_keys("width", "hidden_layer_sizes hidden_sizes hidden_dims layer_sizes",
            "all blocks are as wide as each other; depth is their number"),
    **_keys("train.batch_size", "batch batchsize bs minibatch minibatch_size mini_batch_size "
            "per_device_train_batch_size"),
    **_keys("model", "network net architecture arch model_name model_type backbone"),
    **_keys("task", "dataset data problem benchmark dataset_name data_set"),
    **_keys("activation", "nonlinearity non_linearity act act_fn activation_function activation_fn hidden_act "
            "hidden_activation act_layer transfer_function transfer_fcn"),
    **_keys("init", "initialization initialisation initializer initialiser weight_init weights_init init_method "
            "kernel_initializer recurrent_initializer init_type weight_initialization"),
    **_keys("bias_std", "bias bias_init bias_initializer bias_scale sigma_b use_bias", "0 begins without"),
    **_keys("norm", "normalization normalisation norm_layer norm_type batch_norm batchnorm batch_normalization use_bn "
            "bn layer_norm layernorm use_batchnorm normalizer"),
    **_keys("residual", "skip skip_connection skip_connections residual_connection residual_connections shortcut "
            "use_residual residuals resnet"),
    **_keys("dropout", "drop drop_rate dropout_rate dropout_p p_dropout dropout_prob hidden_dropout_prob keep_prob"),
    **_keys("optimizer", "optim optimiser opt solver training_algorithm update_rule"),
    **_keys("clip", "gradient_clipping gradient_clip grad_clip clipnorm clip_norm global_clipnorm max_grad_norm "
            "gradient_clip_val clip_grad_norm clip_gradients clipvalue clip_value clip_grad",
            "as in clip: {norm: 1.0}"),
    **_keys("l1", "l1_reg l1_penalty l1_lambda lasso l1_regularization"),
    **_keys("l2", "l2_reg l2_penalty l2_lambda ridge l2_regularization kernel_regularizer"),
    **_keys("weight_decay", "wd weight_decay_rate decay"),
    **_keys("train.lr_schedule", "lr_scheduler scheduler schedule lr_decay lr_policy learning_rate_schedule "
            "lr_scheduler_type learning_rate_decay"),
    **_keys("train.warmup", "warmup_steps num_warmup_steps warm_up lr_warmup warmup_iters"),
    **_keys("precision", "dtype mixed_precision amp floatx torch_dtype data_type"),
    **_keys("seq_len", "sequence_length seq_length max_len max_length max_seq_len time_steps timesteps num_timesteps "
            "sequence_len context_length n_ctx lag"),
    **_keys("seeds", "random_state random_seed rng_seed rng manual_seed",
            "a list, seeds: [7], names them; 5 is how many"),
    **_keys("seeds", "n_seeds num_seeds repeats repetitions "
            "replicates trials n_trials runs n_runs num_runs n_repeats"),
    **_keys("grid", "sweep search param_grid parameters hyperparameters matrix product search_space sweeper params"),
    **_keys("exclude", "filter skip_if"),
    **_keys("name", "title experiment experiment_name run_name id project"),
    **_keys("description", "comment comments notes desc"),
    **_keys("expect", "assert assertions expectations checks"),
    **_keys("probe.at", "log_every log_interval eval_every probe_every log_steps",
            "it takes a list or a range of steps"),
    **_keys("", "loss criterion loss_fn loss_function objective",
            "the loss comes with the task: cross-entropy of classes, mean square of numbers"),
    **_keys("", "metric metrics score scoring", "the metric comes with the task: accuracy, or R2"),
    **_keys("", "device devices gpu gpus cuda accelerator num_workers workers n_jobs output_dir out_dir results_dir "
            "log_dir save_dir", "where it runs and writes is no part of a spec: see gradlab run --help"),
}  # fmt: skip
"""Other names of settings and of sections of a spec."""
