"""What a supervised configuration may say, and what is refused when a pipeline is created."""

import textwrap

import pytest
import yaml

from tracker.errors import TrackerError
from tracker.pipelines.configuration import read_configuration
from tracker.pipelines.identity import canonical
from tracker.pipelines.recipes.supervised.checks import check_supervised, metric_names
from tracker.pipelines.recipes.supervised.settings import full_form

GOOD = """\
recipe: supervised
experiment: digits
seed: 7
dataset: sklearn.datasets:load_digits
split: {train: 0.7, validate: 0.15, test: 0.15, stratify: y}
scale: MinMaxScaler
model: {loc: "parts:Net", args: {hidden: 8}}
loss: CrossEntropyLoss
optimizer: {loc: Adam, args: {lr: 1e-3}}
scheduler: {loc: StepLR, args: {step_size: 2}}
metrics: [accuracy, f1]
batch_size: 32
epochs: 3
strategy: {monitor: val_loss, patience: 2, checkpoints: {every: 1}}
"""
FOREST = """\
dataset: sklearn.datasets:load_digits
split: {train: 0.7, test: 0.3}
model: sklearn.ensemble.RandomForestClassifier
metrics: accuracy
"""


@pytest.fixture
def lab(tmp_path):
    (tmp_path / "parts.py").write_text(
        textwrap.dedent(
            """
            from torch import nn

            class Net(nn.Module):
                def __init__(self, hidden):
                    super().__init__()

            def anything(hidden=1):
                raise RuntimeError("nothing is made at create")

            def accuracy(targets, outputs, weight=1):
                return 0.0
            """
        )
    )
    return tmp_path


def check(lab, text, *overrides):
    path = lab / "digits.yaml"
    path.write_text(text)
    document = full_form(read_configuration(path, overrides=overrides))
    check_supervised(document, lab)
    return document.data


def refusal(lab, text, *overrides):
    with pytest.raises(TrackerError) as caught:
        check(lab, text, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{lab}/", "")


@pytest.mark.parametrize("text", [GOOD, FOREST])
def test_a_right_configuration_passes(lab, text):
    assert check(lab, text)["dataset"] == {"loc": "sklearn.datasets:load_digits"}


def test_shorthand_and_full_form_are_the_same_configuration(lab):
    long = """
    recipe: supervised
    experiment: digits
    seed: 7.0
    dataset: {loc: "sklearn.datasets:load_digits", args: {}}
    split: {stratify: y, train: 0.7, validate: 0.15, test: 0.15}
    scale: {features: {loc: sklearn.preprocessing.MinMaxScaler}}
    model: {args: {hidden: 8}, loc: "parts:Net"}
    loss: {loc: torch.nn.CrossEntropyLoss}
    optimizer: {loc: torch.optim.Adam, args: {lr: 0.001}}
    scheduler: {loc: torch.optim.lr_scheduler.StepLR, args: {step_size: 2}}
    metrics: {f1: {}, accuracy: null}
    batch_size: 32
    eval_batch_size: null
    epochs: 3
    strategy: {monitor: val_loss, patience: 2, checkpoints: {every: 1}}
    """
    short = full_form(read_configuration(yaml.safe_load(GOOD) | {"optimizer": {
        "loc": "Adam", "args": {"lr": 0.001}}}))  # fmt: skip
    written_out = read_configuration(yaml.safe_load(long) | {"seed": 7})

    assert canonical(full_form(written_out).data) == canonical(short.data)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch_size: 32", "batchsize: 32",
         "digits.yaml, line 12: there is no setting 'batchsize'. Did you mean 'batch_size'?"),
        ("batch_size: 32", "batch_size: 0",
         "digits.yaml, line 12: batch_size must be a whole number of at least 1, not 0."),
        ("batch_size: 32", "batch_size: big",
         "digits.yaml, line 12: batch_size must be a whole number of at least 1, not 'big'."),
        ("epochs: 3", "epochs: true",
         "digits.yaml, line 13: epochs must be a whole number of at least 1, not True."),
        ("seed: 7", "seed: -1",
         "digits.yaml, line 3: seed must be a whole number of at least 0, not -1."),
        ("patience: 2", "patienc: 2",
         ("digits.yaml, line 14: there is no setting 'patienc' in strategy."
         " Did you mean 'patience'?")),
        ("every: 1", "each: 1",
         ("digits.yaml, line 14: there is no setting 'each' in strategy.checkpoints."
         " Known: every, every_seconds, keep_best, keep_last, top.")),
        ("patience: 2", "mode: lowest",
         "digits.yaml, line 14: strategy.mode must be one of min, max, not 'lowest'."),
        ('model: {loc: "parts:Net", args: {hidden: 8}}', "",
         "digits.yaml: the setting 'model' is missing."),
        ("args: {hidden: 8}", "args: [8]",
         "digits.yaml, line 7: model.args must be a mapping, not [8]."),
        ("hidden: 8", "hiden: 8",
         ("digits.yaml, line 7: model: parts:Net takes no argument 'hiden'."
         " Did you mean 'hidden'?")),
        ("parts:Net", "parts:Nett",
         "digits.yaml, line 7: model: parts:Nett: parts has no 'Nett'. Did you mean 'Net'?"),
        ("loss: CrossEntropyLoss", "loss: CrossEntropy",
         ("digits.yaml, line 8: loss: torch.nn.CrossEntropy: torch.nn has no 'CrossEntropy'."
         " Did you mean 'CrossEntropyLoss'?")),
        ("loss: CrossEntropyLoss", "",
         "digits.yaml: the setting 'loss' is missing, which a torch model is trained with."),
        ("lr: 1e-3", "lr: -1",
         ("digits.yaml, line 9: optimizer: torch.optim.Adam refuses its arguments: ValueError:"
         " Invalid learning rate: -1")),
        ("lr: 1e-3", "learning_rate: 1",
         "digits.yaml, line 9: optimizer: torch.optim.Adam takes no argument 'learning_rate'."),
        ("step_size: 2", "gamma: 2",
         ("digits.yaml, line 10: scheduler: torch.optim.lr_scheduler.StepLR needs the argument"
         " 'step_size'.")),
        ("scale: MinMaxScaler", "scale: MinMaxScalar",
         ("digits.yaml, line 6: scale.features: sklearn.preprocessing.MinMaxScalar:"
         " sklearn.preprocessing has no 'MinMaxScalar'. Did you mean 'MinMaxScaler'?")),
        ("[accuracy, f1]", "[acuracy]",
         "digits.yaml, line 11: there is no metric 'acuracy'. Did you mean 'accuracy'?"),
        ("[accuracy, f1]", "[f1, f1]", "digits.yaml, line 11: metrics names 'f1' twice."),
        ("[accuracy, f1]", '{mine: {loc: "parts:accuracy", args: {wait: 1}}}',
         "digits.yaml, line 11: metrics.mine: parts:accuracy takes no argument 'wait'."),
        ("monitor: val_loss", "monitor: val_los",
         "digits.yaml, line 14: nothing logs the metric 'val_los'. Did you mean 'val_loss'?"),
        ("monitor: val_loss", "monitor: val_mae",
         "digits.yaml, line 14: nothing logs the metric 'val_mae'."),
        ("train: 0.7", "train: 0.6",
         ("digits.yaml, line 5: split: train 0.6 + validate 0.15 + test 0.15 is 0.9; the parts must"
         " sum to 1.")),
        ("train: 0.7, ", "", "digits.yaml, line 5: the setting 'train' is missing in split."),
        ("train: 0.7", "train: 7",
         "digits.yaml, line 5: split.train must be a number from 0 to 1, not 7."),
        ("stratify: y", "stratify: y, group: y",
         "digits.yaml, line 5: split: stratify and group exclude each other."),
        ("stratify: y", "by: part",
         "digits.yaml, line 5: split.by names the parts itself; leave out 'train'."),
        ("load_digits", "load_digit",
         ("digits.yaml, line 4: dataset: sklearn.datasets:load_digit: sklearn.datasets has no"
         " 'load_digit'. Did you mean 'load_digits'?")),
        ("sklearn.datasets:load_digits", "digit.csv",
         "digits.yaml, line 4: dataset: There is no file named 'digit.csv'."),
        ("epochs: 3", "device: gpu",
         "digits.yaml, line 13: device must be auto, cpu or cuda, not 'gpu'."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_place_value_and_nearest_name(lab, old, new, message):
    assert old in GOOD

    assert refusal(lab, GOOD.replace(old, new)).startswith(message)


def test_what_an_override_has_made_wrong_names_the_override(lab):
    assert refusal(lab, GOOD, "optimizer.lr=0.1") == (
        "-s optimizer.lr=0.1: there is no setting 'lr' in optimizer. Known: args, loc."
    )
    assert refusal(lab, GOOD, "epoch=3") == (
        "-s epoch=3: there is no setting 'epoch'. Did you mean 'epochs'?"
    )


@pytest.mark.parametrize(
    "setting",
    ["loss: CrossEntropyLoss", "optimizer: Adam", "epochs: 3", "batch_size: 3",
     "strategy: {patience: 3}"],
)  # fmt: skip
def test_what_means_nothing_to_an_estimator_is_refused(lab, setting):
    key = setting.partition(":")[0]

    assert refusal(lab, f"{FOREST}{setting}\n") == (
        f"digits.yaml, line 5: {key} means nothing to sklearn.ensemble.RandomForestClassifier,"
        " which is fitted in one go; leave it out."
    )


def test_patience_needs_something_to_wait_for(lab):
    without = GOOD.replace("validate: 0.15", "test: 0.3").replace(", test: 0.15", "")
    without = without.replace("monitor: val_loss, ", "")

    assert refusal(lab, without).startswith(
        "digits.yaml, line 14: strategy.patience waits for val_loss, and there is no part to"
    )
    check(lab, without.replace("patience: 2", "patience: 2, monitor: train_loss"))


def test_no_model_is_made_to_check_it(lab):
    check(lab, GOOD.replace("parts:Net", "parts:anything"))


def test_the_metrics_of_an_epoch_are_known_before_it():
    config = {"metrics": {"accuracy": {}}, "split": {"train": 0.5, "validate": 0.5}}

    assert metric_names(config) == ["train_loss", "val_loss", "val_accuracy"]
    assert metric_names({"split": {"train": 0.5, "test": 0.5}}) == ["train_loss"]
    assert metric_names({"gradient_norm": True}) == ["train_loss", "gradient_norm", "val_loss"]
