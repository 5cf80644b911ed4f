import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from engine.callbacks import (
    Accuracy,
    EvaluationMetric,
    F1Score,
    MeanAbsoluteError,
    MeanSquaredError,
    MetricResult,
    R2Score,
    RootMeanSquaredError,
    ScoreMetric,
)
from engine.errors import LossError


class Results:
    """Targets and outputs as an evaluation gives them."""

    def __init__(self, targets, outputs):
        self.values = {"targets": np.asarray(targets), "outputs": np.asarray(outputs)}
        self.asked = []

    def tail_node(self):
        return "tail"

    def stacked_tensors(self, node, domain, *, fmt, unscale):
        self.asked.append((node, unscale))
        assert fmt == "np"
        return self.values[domain]


def measured(metric, targets, outputs):
    return metric.extract(eval_result=Results(targets, outputs))


class TestClasses:
    def test_the_highest_score_names_the_class(self):
        scores = [[0.1, 0.9, 0.0], [0.8, 0.1, 0.1], [0.3, 0.3, 0.4]]

        assert measured(Accuracy(), [[1], [2], [2]], scores) == pytest.approx(2 / 3)

    def test_a_single_column_is_the_class_itself(self):
        assert measured(Accuracy(), [[1], [2], [0]], [[1.0], [2.0], [2.0]]) == pytest.approx(2 / 3)

    def test_unless_a_threshold_says_from_where_on_it_means_one(self):
        logits = [[-2.0], [0.3], [4.0], [-0.1]]

        assert measured(Accuracy(threshold=0.0), [[0], [1], [1], [1]], logits) == 0.75
        assert measured(Accuracy(threshold=0.5), [[0], [1], [1], [1]], logits) == 0.5

    @pytest.mark.parametrize("kind", ["float32", "int64", "bool"])
    def test_one_hot_targets_stand_for_their_classes(self, kind):
        targets = np.eye(3, dtype=kind)[[1, 2, 2, 0]]
        scores = [[0.1, 0.9, 0.0], [0.8, 0.1, 0.1], [-3.0, -2.0, -1.0], [0.5, 0.2, 0.1]]

        assert measured(Accuracy(), targets, scores) == 0.75
        expected = sklearn_metrics.f1_score([1, 2, 2, 0], [1, 0, 2, 0], average="macro")
        assert measured(F1Score(), targets, scores) == pytest.approx(expected)

    def test_several_ones_a_sample_are_compared_one_by_one(self):
        targets = [[1, 1], [0, 1]]

        assert measured(Accuracy(threshold=0.5), targets, [[0.9, 0.1], [0.2, 0.7]]) == 0.75

    def test_names_as_classes(self):
        assert measured(Accuracy(), ["a", "b", "b"], ["a", "b", "a"]) == pytest.approx(2 / 3)

    def test_f1_averages_over_classes(self):
        targets, outputs = [0, 0, 1, 1, 2], [0, 1, 1, 1, 0]
        expected = sklearn_metrics.f1_score(targets, outputs, average="macro")

        assert measured(F1Score(), targets, outputs) == pytest.approx(expected)
        assert measured(F1Score(average="micro"), targets, outputs) == pytest.approx(0.6)

    def test_shapes_that_do_not_fit_are_an_error_that_shows_both(self):
        with pytest.raises(LossError, match=r"\(3,\) and \(2,\)"):
            measured(Accuracy(), [0, 1, 2], [0, 1])
        with pytest.raises(LossError, match=r"'accuracy'.*\(2, 2\) and \(2,\)"):
            measured(Accuracy(), [[0, 1], [1, 0]], [0, 1])


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=20).filter(
        lambda pairs: len({target for target, _ in pairs}) > 1
    )
)
def test_regression_scores_agree_with_scikit_learn(pairs):
    targets, outputs = np.array(pairs, dtype=np.float32).T[:, :, None]
    precise = targets.astype(float), outputs.astype(float)

    for metric, expected in [
        (MeanSquaredError(), sklearn_metrics.mean_squared_error),
        (RootMeanSquaredError(), sklearn_metrics.root_mean_squared_error),
        (MeanAbsoluteError(), sklearn_metrics.mean_absolute_error),
        (R2Score(), sklearn_metrics.r2_score),
    ]:
        assert measured(metric, targets, outputs) == pytest.approx(expected(*precise), rel=1e-4)


def test_several_columns_are_averaged():
    assert measured(MeanAbsoluteError(), [[0.0, 1.0], [2.0, 3.0]], [[1.0, 1.0], [2.0, 0.0]]) == 1.0


def test_any_function_and_name_will_do():
    metric = ScoreMetric(sklearn_metrics.max_error, name="worst", node="head", unscale=True)
    results = Results([0.0, 1.0], [0.5, 3.0])

    assert metric.name == metric.metric_name == "worst"
    assert metric.extract(eval_result=results) == 2.0
    assert results.asked == [("head", True), ("head", True)]
    assert ScoreMetric(sklearn_metrics.max_error).name == "max_error"


def test_names_can_be_chosen():
    assert [Accuracy(name="hits").name, R2Score(name="fit").name] == ["hits", "fit"]


class Count(EvaluationMetric):
    """Gives a result of its own, as the documentation shows."""

    def extract(self, *, eval_result, exec_ctx=None):
        return MetricResult(metric_name=self.metric_name, metric_value=len(eval_result.asked))


def test_results_of_several_metrics_have_labels_of_their_own():
    found = [Count(name=name).measure(Results([1], [1])) for name in ("first", "second")]

    assert [(one.callback_label, one.metric_name) for one in found] == [
        ("first", "first"),
        ("second", "second"),
    ]
